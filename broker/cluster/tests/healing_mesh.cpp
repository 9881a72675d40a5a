#include "broker/cluster/tests/healing_mesh.hpp"

#include <algorithm>

namespace touchstone::cluster {
namespace {

using namespace std::chrono_literals;

std::string list(const std::vector<NodeIndex>& nodes) {
    std::string text = "{";
    for (const auto node : nodes) text += " " + std::to_string(node.raw());
    return text + " }";
}

std::string difference(std::uint32_t a, const std::set<Row>& rows_of_a, std::uint32_t b,
                       const std::set<Row>& rows_of_b) {
    const auto only = [](std::uint32_t owner, const std::set<Row>& rows,
                         const std::set<Row>& others) {
        std::string text;
        for (const auto& row : rows)
            if (!others.contains(row))
                text += "only node " + std::to_string(owner) + " has row " +
                        std::to_string(row.second) + " of node " + std::to_string(row.first.raw()) +
                        "; ";
        return text;
    };
    return only(a, rows_of_a, rows_of_b) + only(b, rows_of_b, rows_of_a);
}

}  // namespace

void MeshNode::send(NodeIndex to, HealingMessage message) {
    mesh_.transmit(self_, to, [from = self_, to, message](MeshNode& receiver) {
        auto& mesh = receiver.mesh_;
        if (mesh.on_delivery) mesh.on_delivery(from, to, message);
        if (!receiver.is_crashed) receiver.healing->on_message(from, message, mesh.now());
    });
}

void MeshNode::stop_serving() {
    is_serving = false;
    ++stops;
}

void MeshNode::resume_serving() {
    is_serving = true;
}

void MeshNode::reboot(NodeIndex) {
    ++reboots;
    rows.clear();
    mesh_.at(mesh_.draw(200ms, 1s), [this, begun_in = incarnation_] {
        if (begun_in == incarnation_ && !is_crashed) healing->on_rebooted(mesh_.now());
    });
}

void MeshNode::copy_tables(NodeIndex source) {
    const auto number = ++copy_;
    mesh_.transmit(self_, source, [number, reader = self_](MeshNode& owner) {
        const auto answer = [number, copied = owner.rows](MeshNode& receiver) {
            if (number == receiver.copy_) receiver.finish_copy(copied);
        };
        owner.mesh_.transmit(owner.self_, reader, answer);
    });
}

std::uint64_t MeshNode::random() {
    return mesh_.draw();
}

void MeshNode::take_write(Row row) {
    if (!is_serving) {
        arrived_.insert(row);
        return;
    }
    rows.insert(row);
    for (const auto agent : healing->health().agents)
        mesh_.transmit(self_, agent, [row, self = self_](MeshNode& replicant) {
            if (replicant.healing->health().upstream == self) replicant.rows.insert(row);
        });
}

void MeshNode::finish_copy(std::set<Row> copied) {
    rows = std::move(copied);
    rows.insert(arrived_.begin(), arrived_.end());
    arrived_.clear();
    healing->on_copied(mesh_.now());
}

void MeshNode::forget_rows_of(NodeIndex owner) {
    if (!mesh_.options_.are_rows_of_nodes) return;
    std::erase_if(rows, [owner](const Row& row) { return row.first == owner; });
    for (const auto agent : healing->health().agents)
        mesh_.transmit(self_, agent, [owner, self = self_](MeshNode& replicant) {
            if (replicant.healing->health().upstream == self) replicant.forget_rows_of(owner);
        });
}

void MeshNode::forget(NodeIndex peer) {
    std::erase_if(arrived_, [peer](const Row& row) { return row.first == peer; });
    forget_rows_of(peer);
}

HealingMesh::HealingMesh(MeshOptions options)
    : options_{std::move(options)},
      random_{options_.seed} {
    for (std::uint32_t index = 0; index < size(); ++index) {
        options_.healing.nodes.emplace_back(index);
        nodes_.push_back(std::make_unique<MeshNode>(*this, NodeIndex{index}));
    }
    for (std::uint32_t index = 0; index < size(); ++index) start(NodeIndex{index}, options_.start);
    for (std::uint32_t a = 0; a < size(); ++a)
        for (std::uint32_t b = 0; b < size(); ++b) {
            line(NodeIndex{a}, NodeIndex{b}).is_cut = !options_.are_all_linked;
            if (a < b) settle_later(NodeIndex{a}, NodeIndex{b});
        }
    run_for(1s);
}

Duration HealingMesh::draw(Duration low, Duration high) {
    return low + Duration{static_cast<Duration::rep>(
                     random_() % static_cast<std::uint64_t>((high - low).count() + 1))};
}

void HealingMesh::run_for(Duration duration) {
    const auto end = now_ + duration;
    while (step(end)) {
    }
    now_ = end;
}

bool HealingMesh::run_until(Duration at_most, const std::function<bool()>& condition) {
    const auto end = now_ + at_most;
    while (!condition())
        if (!step(end)) return false;
    return true;
}

void HealingMesh::at(Duration from_now, std::function<void()> action) {
    events_.emplace(std::pair{now_ + from_now, ++sequence_}, std::move(action));
}

void HealingMesh::cut(std::uint32_t from, std::uint32_t to) {
    auto& cut_line = line(NodeIndex{from}, NodeIndex{to});
    if (std::exchange(cut_line.is_cut, true)) return;
    ++cut_line.cuts;
    detect_later(NodeIndex{to}, NodeIndex{from});
}

void HealingMesh::restore(std::uint32_t from, std::uint32_t to) {
    auto& restored = line(NodeIndex{from}, NodeIndex{to});
    if (!std::exchange(restored.is_cut, false)) return;
    for (auto& [number, payload] : std::exchange(restored.held, {})) {
        restored.busy_until = std::max(restored.busy_until, now_) + 1us;
        at(restored.busy_until - now_, [=, this, number = number, payload = payload] {
            arrive(NodeIndex{from}, NodeIndex{to}, number, payload);
        });
    }
    settle_later(NodeIndex{from}, NodeIndex{to});
}

void HealingMesh::cut_link(std::uint32_t a, std::uint32_t b) {
    cut(a, b);
    cut(b, a);
}

void HealingMesh::restore_link(std::uint32_t a, std::uint32_t b) {
    restore(a, b);
    restore(b, a);
}

void HealingMesh::partition(const std::vector<std::vector<std::uint32_t>>& groups) {
    for (const auto& group : groups)
        for (const auto& other : groups)
            if (&group != &other)
                for (const auto a : group)
                    for (const auto b : other) cut(a, b);
}

void HealingMesh::restore_all() {
    for (std::uint32_t a = 0; a < size(); ++a)
        for (std::uint32_t b = 0; b < size(); ++b)
            if (a != b) restore(a, b);
}

void HealingMesh::crash(std::uint32_t index) {
    node(index).is_crashed = true;
    node(index).is_serving = false;
    for (std::uint32_t other = 0; other < size(); ++other) {
        if (other == index) continue;
        line(NodeIndex{other}, NodeIndex{index}).is_up = false;
        detect_later(NodeIndex{other}, NodeIndex{index});
    }
}

void HealingMesh::restart(std::uint32_t index) {
    node(index).is_crashed = false;
    start(NodeIndex{index}, HealingStart::restarted);
    for (std::uint32_t other = 0; other < size(); ++other) {
        if (other == index) continue;
        call_down(NodeIndex{other}, NodeIndex{index});
        ++connection(NodeIndex{index}, NodeIndex{other});
        settle_later(NodeIndex{index}, NodeIndex{other});
    }
}

void HealingMesh::write(std::uint32_t index) {
    auto& writer = node(index);
    if (!writer.is_serving || writer.is_crashed || is_replicant(NodeIndex{index})) return;
    const Row row{NodeIndex{index}, ++rows_};
    writer.take_write(row);
    for (const auto peer : writer.healing->health().running)
        if (peer != row.first)
            transmit(row.first, peer, [row](MeshNode& receiver) { receiver.take_write(row); });
}

std::string HealingMesh::trouble() {
    for (std::uint32_t index = 0; index < size(); ++index) write(index);
    run_for(1s);
    std::string found;
    const MeshNode* first = nullptr;
    for (std::uint32_t index = 0; index < size(); ++index) {
        const auto& judged = node(index);
        if (judged.is_crashed) continue;
        const auto health = judged.healing->health();
        const auto name = "node " + std::to_string(index);
        if (!judged.is_serving) found += name + " does not serve; ";
        if (is_replicant(NodeIndex{index})) {
            if (!health.upstream.has_value())
                found += name + " follows no core; ";
            else if (judged.rows != node(health.upstream->raw()).rows)
                found += name + " has not the rows of its core; ";
            continue;
        }
        const auto is_told_healthy =
            health.state == HealingState::healthy || health.state == HealingState::member_down;
        if (!is_told_healthy) found += name + " does not call itself healthy; ";
        if (first == nullptr) first = &judged;
        if (health.running != first->healing->health().running)
            found += name + " sees " + list(health.running) + "; ";
        for (const auto down : health.stopped)
            if (!node(down.raw()).is_crashed)
                found += name + " sees " + std::to_string(down.raw()) + " stopped; ";
        found += difference(index, judged.rows, first->self_.raw(), first->rows);
    }
    return found;
}

std::string HealingMesh::trouble_after(Duration at_most) {
    const auto end = now_ + at_most;
    std::string found;
    do {
        run_for(4s);
        found = trouble();
    } while (!found.empty() && now_ < end);
    return found;
}

void HealingMesh::transmit(NodeIndex from, NodeIndex to, Payload payload) {
    if (nodes_[from.raw()]->is_crashed || !line(to, from).is_up) return;
    auto& used = line(from, to);
    const auto number = connection(from, to);
    if (used.is_cut) {
        used.held.emplace_back(number, std::move(payload));
        return;
    }
    used.busy_until = std::max(used.busy_until + 1us, now_ + draw(1ms, 20ms));
    at(used.busy_until - now_, [=, this] { arrive(from, to, number, payload); });
}

void HealingMesh::arrive(NodeIndex from, NodeIndex to, int connection_number, Payload payload) {
    auto& used = line(from, to);
    if (connection_number != connection(from, to)) return;
    if (used.is_cut) {
        used.held.emplace_back(connection_number, std::move(payload));
        return;
    }
    if (used.is_up && !nodes_[to.raw()]->is_crashed) payload(*nodes_[to.raw()]);
}

void HealingMesh::detect_later(NodeIndex observer, NodeIndex peer) {
    const auto cuts = line(peer, observer).cuts;
    at(draw(options_.detection_low, options_.detection_high), [=, this] {
        const auto& silent = line(peer, observer);
        const auto lasts = silent.is_cut && silent.cuts == cuts;
        if (lasts || nodes_[peer.raw()]->is_crashed) call_down(observer, peer);
    });
}

void HealingMesh::call_down(NodeIndex observer, NodeIndex peer) {
    auto& lost = line(peer, observer);
    if (!lost.is_up || nodes_[observer.raw()]->is_crashed) return;
    lost.is_up = false;
    if (options_.is_detector_symmetric) ++connection(observer, peer);
    nodes_[observer.raw()]->healing->on_peer_down(peer, now_);
    if (options_.is_detector_symmetric)
        at(draw(1ms, 20ms), [=, this, number = connection(observer, peer)] {
            if (!line(observer, peer).is_cut && number == connection(observer, peer))
                call_down(peer, observer);
        });
    settle_later(observer, peer);
}

void HealingMesh::settle_later(NodeIndex a, NodeIndex b) {
    at(draw(30ms, 200ms), [=, this] { settle(a, b); });
}

void HealingMesh::settle(NodeIndex a, NodeIndex b) {
    const auto& one_way = line(a, b);
    const auto& other_way = line(b, a);
    if (one_way.is_cut || other_way.is_cut) return;
    if (nodes_[a.raw()]->is_crashed || nodes_[b.raw()]->is_crashed) return;
    if (one_way.is_up && other_way.is_up) return;
    if (options_.is_detector_symmetric) {
        call_down(a, b);
        call_down(b, a);
        ++connection(a, b);
    }
    call_up(a, b);
    call_up(b, a);
}

void HealingMesh::call_up(NodeIndex observer, NodeIndex peer) {
    auto& seen = line(peer, observer);
    if (std::exchange(seen.is_up, true)) return;
    nodes_[observer.raw()]->healing->on_peer_up(peer, now_);
}

void HealingMesh::start(NodeIndex index, HealingStart how) {
    auto& starting = *nodes_[index.raw()];
    ++starting.incarnation_;
    ++starting.copy_;
    starting.rows.clear();
    starting.arrived_.clear();
    auto options = options_.healing;
    options.self = index;
    starting.is_serving = how == HealingStart::formed;
    starting.healing = make_healing(options, starting);
    starting.healing->on_start(how, now_);
}

bool HealingMesh::is_replicant(NodeIndex index) const {
    const auto& replicants = options_.healing.replicants;
    return std::find(replicants.begin(), replicants.end(), index) != replicants.end();
}

bool HealingMesh::step(Instant limit) {
    auto next = limit;
    if (!events_.empty()) next = std::min(next, events_.begin()->first.first);
    MeshNode* ticking = nullptr;
    for (const auto& each : nodes_)
        if (!each->is_crashed && each->healing->next_tick() < next) {
            next = std::max(now_, each->healing->next_tick());
            ticking = each.get();
        }
    if (ticking != nullptr) {
        now_ = next;
        ticking->healing->on_tick(now_);
        return true;
    }
    if (events_.empty() || events_.begin()->first.first > limit) return false;
    now_ = next;
    const auto action = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    action();
    return true;
}

}  // namespace touchstone::cluster
