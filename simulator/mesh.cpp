#include "simulator/mesh.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

using cluster::NodeIndex;

NodeIndex Mesh::add(MeshEnd& end) {
    CHECK(ways_.empty());
    nodes_.push_back({.end = &end});
    return NodeIndex{static_cast<std::uint32_t>(nodes_.size() - 1)};
}

void Mesh::begin() {
    const auto count = static_cast<std::uint32_t>(nodes_.size());
    for (std::uint32_t from = 0; from < count; ++from) {
        for (std::uint32_t to = 0; to < count; ++to) {
            const auto entity = std::uint64_t{from} << 32U | to;
            ways_.push_back(
                {.underway = {},
                 .delays = engine_.stream(Domain::node_pair, entity, Purpose::peer_delay),
                 .detections = engine_.stream(Domain::node_pair, entity, Purpose::detection)});
            pairs_.push_back(
                {.connects = engine_.stream(Domain::node_pair, entity, Purpose::reconnect)});
        }
    }
    for (std::uint32_t a = 0; a < count; ++a) {
        for (std::uint32_t b = a + 1; b < count; ++b) open(a, b);
    }
}

void Mesh::send(NodeIndex from, NodeIndex to, cluster::NodeMessage message) {
    CHECK(from != to);
    // Between the closing of a connection and the news of it, what is sent is lost.
    if (!pair(from.raw(), to.raw()).is_open) return;
    ++messages_;
    way(from.raw(), to.raw()).underway.push_back(std::move(message));
    schedule_arrival(from.raw(), to.raw());
}

void Mesh::schedule_arrival(std::uint32_t from, std::uint32_t to) {
    auto& one = way(from, to);
    const Duration delay = one.delays.between(options_.delay_low, options_.delay_high);
    one.last_due = std::max(one.last_due, engine_.now() + delay);
    engine_.schedule(one.last_due,
                     {owner_, arrival, static_cast<std::uint32_t>(from * nodes_.size() + to),
                      pair(from, to).incarnation});
}

void Mesh::on_down(NodeIndex node, bool is_silent) {
    auto& one = nodes_[node.raw()];
    one.is_up = false;
    one.is_silent = is_silent;
    one.pauses = 0;
    for (std::uint32_t other = 0; other < nodes_.size(); ++other) {
        if (other == node.raw()) continue;
        way(other, node.raw()).is_seen_up = false;  // it sees nobody, and is not told
        if (!is_silent && pair(node.raw(), other).is_open) close(node.raw(), other);
    }
    review_all(node.raw());
}

void Mesh::on_up(NodeIndex node) {
    auto& one = nodes_[node.raw()];
    one.is_up = true;
    for (std::uint32_t other = 0; other < nodes_.size(); ++other) {
        if (other == node.raw()) continue;
        // Who has not noticed anything yet learns from the process that it is another one.
        if (pair(node.raw(), other).is_open) close(node.raw(), other);
    }
    review_all(node.raw());
}

void Mesh::on_paused(NodeIndex node, bool is_paused) {
    auto& pauses = nodes_[node.raw()].pauses;
    if (is_paused)
        ++pauses;
    else if (pauses > 0)
        --pauses;
    review_all(node.raw());
}

void Mesh::cut(NodeIndex from, NodeIndex to) {
    ++way(from.raw(), to.raw()).cuts;
    review(from.raw(), to.raw());
}

void Mesh::mend(NodeIndex from, NodeIndex to) {
    auto& one = way(from.raw(), to.raw());
    CHECK(one.cuts > 0);
    --one.cuts;
    if (one.cuts == 0) {
        for (; one.waiting > 0; --one.waiting) schedule_arrival(from.raw(), to.raw());
    }
    review(from.raw(), to.raw());
}

bool Mesh::is_heard(std::uint32_t from, std::uint32_t to) {
    return nodes_[from].is_up && nodes_[from].pauses == 0 && way(from, to).cuts == 0;
}

void Mesh::review_all(std::uint32_t node) {
    for (std::uint32_t other = 0; other < nodes_.size(); ++other) {
        if (other == node) continue;
        review(node, other);
        review(other, node);
    }
}

void Mesh::review(std::uint32_t from, std::uint32_t to) {
    auto& one = way(from, to);
    const bool is_silent = one.silence % 2 == 1;
    if (is_silent == is_heard(from, to)) {
        ++one.silence;
        if (one.silence % 2 == 1) {
            const Duration span =
                one.detections.between(options_.detects_low, options_.detects_high);
            engine_.schedule_in(span, {owner_, verdict,
                                       static_cast<std::uint32_t>(from * nodes_.size() + to),
                                       one.silence});
        }
    }
    // What is sent on a connection that the other end has closed is answered with the news of it.
    if (is_heard(from, to) && !pair(from, to).is_open && one.is_seen_up) tell_closed(from, to);
    try_to_connect(from, to);
}

void Mesh::tell_closed(std::uint32_t from, std::uint32_t to) {
    const Duration delay = way(from, to).delays.between(options_.delay_low, options_.delay_high);
    engine_.schedule_in(delay,
                        {owner_, closing, static_cast<std::uint32_t>(from * nodes_.size() + to),
                         pair(from, to).incarnation});
}

void Mesh::try_to_connect(std::uint32_t a, std::uint32_t b) {
    auto& one = pair(a, b);
    ++one.attempt;
    if (one.is_open || !is_heard(a, b) || !is_heard(b, a)) return;
    if (way(a, b).is_seen_up || way(b, a).is_seen_up) return;  // one has to learn of the end yet
    const Duration span = one.connects.between(options_.connects_low, options_.connects_high);
    const auto low = std::min(a, b);
    const auto high = std::max(a, b);
    engine_.schedule_in(
        span,
        {owner_, connection, static_cast<std::uint32_t>(low * nodes_.size() + high), one.attempt});
}

void Mesh::open(std::uint32_t a, std::uint32_t b) {
    auto& one = pair(a, b);
    one.is_open = true;
    ++one.incarnation;
    way(a, b).is_seen_up = true;
    way(b, a).is_seen_up = true;
    nodes_[a].end->on_peer_up(NodeIndex{b});
    nodes_[b].end->on_peer_up(NodeIndex{a});
}

void Mesh::close(std::uint32_t node, std::uint32_t other) {
    auto& one = pair(node, other);
    if (!one.is_open) return note_down(node, other);
    one.is_open = false;
    ++one.incarnation;
    for (auto* direction : {&way(node, other), &way(other, node)}) {
        direction->underway.clear();
        direction->waiting = 0;
    }
    // The other end is told as soon as that arrives; if it cannot, by its own failure detector.
    tell_closed(node, other);
    note_down(node, other);
}

void Mesh::note_down(std::uint32_t node, std::uint32_t other) {
    auto& seen = way(other, node).is_seen_up;
    if (std::exchange(seen, false) && nodes_[node].is_up)
        nodes_[node].end->on_peer_down(NodeIndex{other});
    try_to_connect(node, other);
}

void Mesh::on_event(const Event& event) {
    const auto from = static_cast<std::uint32_t>(event.subject / nodes_.size());
    const auto to = static_cast<std::uint32_t>(event.subject % nodes_.size());
    switch (static_cast<EventKind>(event.kind)) {
        case arrival:
            if (event.detail == pair(from, to).incarnation) deliver(from, to);
            return;
        case verdict:
            // A node that is paused gives its verdicts when it runs: then it has heard others
            // again.
            if (event.detail != way(from, to).silence || !nodes_[to].is_up) return;
            if (way(from, to).is_seen_up) close(to, from);
            return;
        case closing:
            if (event.detail != pair(from, to).incarnation) return;
            if (way(from, to).cuts == 0) note_down(to, from);
            return;
        case connection:
            if (event.detail == pair(from, to).attempt) open(from, to);
            return;
    }
    UNREACHABLE();
}

void Mesh::deliver(std::uint32_t from, std::uint32_t to) {
    auto& one = way(from, to);
    if (one.cuts > 0) {
        ++one.waiting;
        return;
    }
    CHECK(!one.underway.empty());
    auto message = std::move(one.underway.front());
    one.underway.pop_front();
    if (!nodes_[to].is_up) return;  // its machine is gone
    engine_.digest().add(message.index());
    nodes_[to].end->on_message(NodeIndex{from}, std::move(message));
}

}  // namespace touchstone::simulator
