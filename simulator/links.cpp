#include "simulator/links.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

Duration draw_delay(const DelayModel& model, RandomStream& stream) {
    switch (model.kind) {
        case DelayModel::Kind::fixed: return model.low;
        case DelayModel::Kind::uniform: return stream.between(model.low, model.high);
        case DelayModel::Kind::exponential: return model.low + stream.exponential(model.high);
    }
    UNREACHABLE();
}

/// Rounded up, so that no byte travels in no time.
Duration transmission_time(std::size_t size_bytes, std::uint64_t bandwidth_bytes_per_s) {
    if (bandwidth_bytes_per_s == 0) return Duration::zero();
    const std::uint64_t scaled = static_cast<std::uint64_t>(size_bytes) * 1'000'000U;
    return Duration{
        static_cast<std::int64_t>((scaled + bandwidth_bytes_per_s - 1) / bandwidth_bytes_per_s)};
}

constexpr std::size_t index_of(Direction direction) {
    return static_cast<std::size_t>(direction);
}

}  // namespace

Links::Links(Engine& engine, Trace* trace)
    : engine_{engine},
      trace_{trace},
      owner_{engine.add_handler(*this)} {}

LinkIndex Links::add_link(const LinkModel& model, Acceptor& node, Actor node_actor) {
    const auto entity = links_.size();
    const auto path = [&](Purpose purpose) {
        return Path{.delays = engine_.stream(Domain::link, entity, purpose)};
    };
    links_.push_back({.model = model,
                      .node = &node,
                      .node_actor = node_actor,
                      .paths = {path(Purpose::delay_to_broker), path(Purpose::delay_to_client)},
                      .live = {}});
    return LinkIndex{static_cast<std::uint32_t>(entity)};
}

void Links::set_model(LinkIndex link, const LinkModel& model) {
    links_[link.raw()].model = model;
}

ConnectionNumber Links::open(LinkIndex link, ConnectionEnd& client, Actor client_actor) {
    const ConnectionNumber number{static_cast<std::uint32_t>(connections_.size())};
    auto& connection = connections_.emplace_back();
    connection.link = link;
    connection.client_actor = client_actor;
    connection.client = &client;
    links_[link.raw()].live.push_back(number);
    if (trace_ != nullptr) {
        const auto traced = trace_->add_connection(client_actor, links_[link.raw()].node_actor);
        CHECK(traced == number);
        record(number, TraceEntry::Kind::opening, Direction::to_client);
    }
    launch(number, Direction::to_broker, {.kind = Piece::Kind::open, .due = {}, .bytes = {}});
    return number;
}

void Links::put(ConnectionNumber connection, Direction to, Bytes bytes, Bytes behind) {
    auto& outgoing = pipe(connection, to);
    if (pipe(connection, opposite(to)).is_over || outgoing.fin_waiting) return;
    if (outgoing.waiting.empty()) outgoing.waiting.reserve(bytes.size() + behind.size());
    append(outgoing.waiting, bytes);
    append(outgoing.waiting, behind);
    if (trace_ != nullptr) {
        outgoing.recorder.on_sent(*trace_, engine_.now(), connection, to,
                                  Bytes{outgoing.waiting}.last(bytes.size() + behind.size()),
                                  connections_[connection.raw()].version);
    }
}

std::size_t Links::room_bytes(ConnectionNumber connection, Direction to) const {
    const auto& outgoing = pipe(connection, to);
    const auto used_bytes = outgoing.held_bytes + outgoing.waiting.size();
    const auto link = connections_[connection.raw()].link;
    const auto capacity_bytes = links_[link.raw()].model.buffer_bytes;
    return capacity_bytes - std::min(capacity_bytes, used_bytes);
}

std::size_t Links::flush(ConnectionNumber connection, Direction to) {
    auto& outgoing = pipe(connection, to);
    const auto capacity_bytes = link_of(connection).model.buffer_bytes;
    std::size_t entered_bytes = 0;
    if (!outgoing.waiting.empty() && outgoing.held_bytes < capacity_bytes) {
        entered_bytes = std::min(outgoing.waiting.size(), capacity_bytes - outgoing.held_bytes);
        Piece piece{.kind = Piece::Kind::bytes, .due = {}, .bytes = {}};
        if (entered_bytes == outgoing.waiting.size()) {
            piece.bytes = std::exchange(outgoing.waiting, {});
        } else {
            const auto begin = outgoing.waiting.begin();
            const auto end = begin + static_cast<std::ptrdiff_t>(entered_bytes);
            piece.bytes.assign(begin, end);
            outgoing.waiting.erase(begin, end);
        }
        outgoing.held_bytes += entered_bytes;
        launch(connection, to, std::move(piece));
    }
    if (outgoing.fin_waiting && outgoing.waiting.empty()) {
        outgoing.fin_waiting = false;
        launch(connection, to, {.kind = Piece::Kind::fin, .due = {}, .bytes = {}});
    }
    return entered_bytes;
}

void Links::close(ConnectionNumber connection, Direction to) {
    if (pipe(connection, opposite(to)).is_over) return;
    record(connection, TraceEntry::Kind::closed, opposite(to));
    pipe(connection, to).fin_waiting = true;
    finish(connection, opposite(to));
    flush(connection, to);
}

void Links::abort(ConnectionNumber connection, Direction to) {
    if (pipe(connection, opposite(to)).is_over) return;
    record(connection, TraceEntry::Kind::aborted, opposite(to));
    pipe(connection, to).waiting.clear();
    finish(connection, opposite(to));
    launch(connection, to, {.kind = Piece::Kind::reset, .due = {}, .bytes = {}});
}

void Links::lose(ConnectionNumber connection) {
    auto& outgoing = pipe(connection, Direction::to_client);
    outgoing.black_holed = true;
    outgoing.underway.clear();
    tell_end(connection, Direction::to_broker, Ending::reset);
}

Buffer Links::take(ConnectionNumber connection, Direction from) {
    auto& incoming = pipe(connection, from);
    Buffer taken = std::exchange(incoming.ready, {});
    CHECK(incoming.held_bytes >= taken.size());
    incoming.held_bytes -= taken.size();
    engine_.digest().add(taken);
    if (trace_ != nullptr && !taken.empty()) {
        incoming.recorder.on_taken(*trace_, engine_.now(), from, taken.size());
    }
    if (!incoming.waiting.empty() || incoming.fin_waiting) {
        engine_.schedule_in(Duration::zero(), {owner_, wake, connection.raw(), index_of(from)});
    }
    if (incoming.fin_ready) tell_end(connection, from, Ending::orderly);
    return taken;
}

void Links::set_reading(ConnectionNumber connection, Direction from, bool on) {
    auto& incoming = pipe(connection, from);
    incoming.is_read = on;
    if (on && incoming.fin_ready && incoming.ready.empty()) {
        tell_end(connection, from, Ending::orderly);
    }
}

void Links::set_unaware(const Acceptor& node, bool on) {
    for (auto& link : links_) {
        if (link.node != &node) continue;
        link.is_unaware = on;
        const auto live = link.live;  // who learns of an end leaves it
        for (const auto number : live) tell_unheard(number);
    }
}

void Links::set_unaware(ConnectionNumber connection, bool on) {
    pipe(connection, Direction::to_broker).is_unaware = on;
    tell_unheard(connection);
}

void Links::tell_unheard(ConnectionNumber number) {
    auto& incoming = pipe(number, Direction::to_broker);
    if (!incoming.unheard || incoming.is_unaware || link_of(number).is_unaware) return;
    end_now(number, Direction::to_broker, *std::exchange(incoming.unheard, std::nullopt));
}

bool Links::has_bytes(ConnectionNumber connection, Direction from) const {
    return !pipe(connection, from).ready.empty();
}

bool Links::is_over(ConnectionNumber connection, Direction direction) const {
    return pipe(connection, direction).is_over;
}

void Links::set_stalled(LinkIndex link, Direction direction, bool on) {
    auto& path = links_[link.raw()].paths[index_of(direction)];
    if (on) {
        ++path.stalled;
        return;
    }
    CHECK(path.stalled > 0);
    if (--path.stalled > 0) return;
    for (const auto number : links_[link.raw()].live) {
        const auto& held = pipe(number, direction);
        if (held.underway.empty()) continue;
        engine_.schedule(std::max(engine_.now(), held.underway.front().due),
                         {owner_, arrival, number.raw(), index_of(direction)});
    }
}

void Links::set_dropping(LinkIndex link, Direction direction, bool on) {
    auto& path = links_[link.raw()].paths[index_of(direction)];
    CHECK(on || path.dropping > 0);
    if (on) {
        ++path.dropping;
    } else {
        --path.dropping;
    }
}

void Links::set_refusing(LinkIndex link, bool on) {
    auto& refusing = links_[link.raw()].refusing;
    CHECK(on || refusing > 0);
    if (on) {
        ++refusing;
    } else {
        --refusing;
    }
}

void Links::cut(LinkIndex link) {
    for (const auto number : links_[link.raw()].live) {
        for (const auto direction : {Direction::to_broker, Direction::to_client}) {
            auto& one = pipe(number, direction);
            one.underway.clear();
            one.waiting.clear();
            one.fin_waiting = false;
            tell_end(number, direction, Ending::reset);
        }
    }
}

void Links::reset_after(LinkIndex link, Direction direction, std::uint64_t size_bytes) {
    links_[link.raw()].paths[index_of(direction)].bytes_to_reset = size_bytes;
}

void Links::black_hole(LinkIndex link, Direction direction) {
    for (const auto number : links_[link.raw()].live) {
        auto& one = pipe(number, direction);
        one.black_holed = true;
        one.underway.clear();
    }
}

void Links::on_event(const Event& event) {
    const ConnectionNumber number{event.subject};
    switch (static_cast<EventKind>(event.kind)) {
        case arrival: return on_arrival(number, static_cast<Direction>(event.detail));
        case ended_at_broker:
            return end_now(number, Direction::to_broker, static_cast<Ending>(event.detail));
        case ended_at_client:
            return end_now(number, Direction::to_client, static_cast<Ending>(event.detail));
        case wake: {
            const auto direction = static_cast<Direction>(event.detail);
            const auto entered_bytes = flush(number, direction);
            const auto sender = opposite(direction);
            if (entered_bytes > 0 && !pipe(number, sender).is_over) {
                end_of(number, sender).on_written(number, entered_bytes);
            }
            return;
        }
    }
    UNREACHABLE();
}

void Links::on_arrival(ConnectionNumber number, Direction direction) {
    auto& link = link_of(number);
    if (link.paths[index_of(direction)].stalled > 0) return;  // set_stalled asks again
    auto& incoming = pipe(number, direction);
    bool has_new_bytes = false;
    while (!incoming.underway.empty() && incoming.underway.front().due <= engine_.now()) {
        Piece piece = std::move(incoming.underway.front());
        incoming.underway.pop_front();
        if (incoming.is_over) {
            // Nobody takes them; the sender is not held up by that.
            CHECK(incoming.held_bytes >= piece.bytes.size());
            incoming.held_bytes -= piece.bytes.size();
            if (!incoming.waiting.empty() || incoming.fin_waiting) flush(number, direction);
            continue;
        }
        switch (piece.kind) {
            case Piece::Kind::open:
                if (link.refusing == 0 && link.node->accepts()) {
                    record(number, TraceEntry::Kind::opened, Direction::to_broker);
                    link.node->on_opened(number);
                    break;
                }
                finish(number, Direction::to_broker);
                launch(number, Direction::to_client,
                       {.kind = Piece::Kind::reset, .due = {}, .bytes = {}});
                break;
            case Piece::Kind::bytes:
                if (incoming.ready.empty())
                    incoming.ready = std::move(piece.bytes);
                else
                    append(incoming.ready, piece.bytes);
                has_new_bytes = true;
                break;
            case Piece::Kind::fin:
                incoming.fin_ready = true;
                if (incoming.ready.empty()) tell_end(number, direction, Ending::orderly);
                break;
            case Piece::Kind::reset:
                has_new_bytes = false;
                end_now(number, direction, Ending::reset);
                break;
        }
    }
    if (has_new_bytes && !incoming.is_over) end_of(number, direction).on_bytes_ready(number);
}

void Links::tell_end(ConnectionNumber number, Direction direction, Ending ending) {
    auto& incoming = pipe(number, direction);
    if (incoming.is_over || (incoming.end_told && ending == Ending::orderly)) return;
    incoming.end_told = true;
    const auto kind = direction == Direction::to_broker ? ended_at_broker : ended_at_client;
    engine_.schedule_in(Duration::zero(),
                        {owner_, kind, number.raw(), static_cast<std::uint64_t>(ending)});
}

void Links::end_now(ConnectionNumber number, Direction direction, Ending ending) {
    auto& incoming = pipe(number, direction);
    if (incoming.is_over) return;
    if (ending == Ending::orderly && !incoming.is_read) {
        incoming.end_told = false;  // set_reading asks again
        return;
    }
    const auto& link = link_of(number);
    if (direction == Direction::to_broker && (link.is_unaware || incoming.is_unaware)) {
        // A reset takes what was not taken with it; an orderly end comes behind it.
        if (ending == Ending::reset) {
            incoming.held_bytes -= incoming.ready.size();
            incoming.ready = {};
        }
        incoming.unheard = ending;
        return;
    }
    pipe(number, opposite(direction)).waiting.clear();
    finish(number, direction);
    record(number, TraceEntry::Kind::ended, direction);
    end_of(number, direction).on_ended(number, ending);
}

void Links::launch(ConnectionNumber number, Direction direction, Piece piece) {
    auto& link = link_of(number);
    auto& path = link.paths[index_of(direction)];
    auto& one = pipe(number, direction);
    if (path.bytes_to_reset && piece.kind == Piece::Kind::bytes) {
        const auto left = *path.bytes_to_reset;
        if (piece.bytes.size() >= left) {
            path.bytes_to_reset.reset();
            return launch_to_reset(number, direction, std::move(piece), left);
        }
        *path.bytes_to_reset -= piece.bytes.size();
    }
    const Duration delay = draw_delay(link.model.delay, path.delays);
    one.line_free_at = std::max(engine_.now(), one.line_free_at) +
                       transmission_time(piece.bytes.size(), link.model.bandwidth_bytes_per_s);
    one.last_due = std::max(one.last_due, one.line_free_at + delay);
    if (path.dropping > 0) one.black_holed = true;
    if (one.black_holed) return;
    piece.due = one.last_due;
    one.underway.push_back(std::move(piece));
    engine_.schedule(one.last_due, {owner_, arrival, number.raw(), index_of(direction)});
}

void Links::launch_to_reset(ConnectionNumber number, Direction direction, Piece piece,
                            std::uint64_t size_bytes) {
    auto& one = pipe(number, direction);
    one.held_bytes -= piece.bytes.size() - size_bytes;
    piece.bytes.resize(size_bytes);
    launch(number, direction, std::move(piece));
    // One that comes together with bytes would keep the receiver from taking them.
    one.last_due += Duration{1};
    launch(number, direction, {.kind = Piece::Kind::reset, .due = {}, .bytes = {}});
    one.waiting.clear();
    one.black_holed = true;
    tell_end(number, opposite(direction), Ending::reset);
}

void Links::finish(ConnectionNumber number, Direction end) {
    auto& incoming = pipe(number, end);
    incoming.is_over = true;
    CHECK(incoming.held_bytes >= incoming.ready.size());
    incoming.held_bytes -= incoming.ready.size();
    incoming.ready = {};
    if (!pipe(number, opposite(end)).is_over) return;
    auto& live = link_of(number).live;
    live.erase(std::ranges::find(live, number));
}

void Links::record(ConnectionNumber number, TraceEntry::Kind kind, Direction end) {
    if (trace_ == nullptr) return;
    trace_->add({engine_.now(), kind, end, connections_[number.raw()].client_actor, number, 0});
}

ConnectionEnd& Links::end_of(ConnectionNumber number, Direction direction) {
    if (direction == Direction::to_broker) return *link_of(number).node;
    return *connections_[number.raw()].client;
}

}  // namespace touchstone::simulator
