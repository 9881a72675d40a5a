#include "simulator/fleet/real_core/core_shard.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/wire/frame.hpp"
#include "simulator/fleet/behaviour.hpp"
#include "simulator/fleet/servers.hpp"

namespace touchstone::simulator::fleet {

namespace {

/// A driver's timer is as coarse as that: ticks come at its multiples.
constexpr Time timer_resolution = 10'000'000;

Instant instant_of(Time time) {
    return Instant{Duration{static_cast<Duration::rep>(time / 1'000)}};
}

Time time_of(Instant instant) {
    return static_cast<Time>(instant.time_since_epoch().count()) * 1'000;
}

}  // namespace

CoreShard::CoreShard(const CostModel& cost, const std::shared_ptr<const access::NodeRules>& rules,
                     const Options& options, CoreHost& host)
    : cost_{cost},
      rules_{rules},
      options_{options},
      host_{host},
      random_{options.seed, Domain::fleet, options.number + 1, Purpose::core},
      work_draws_{
          RandomStream{options.seed, Domain::fleet, options.number + 1, Purpose::choose}.next()} {
    start();
}

void CoreShard::start() {
    CHECK(!is_up());
    broker_ =
        std::make_unique<Broker>(rules_,
                                 Broker::Options{.self = ShardIndex{options_.index},
                                                 .shard_count = cost_.servers,
                                                 .node = options_.node,
                                                 .defects = {}},
                                 Broker::Ports{.network = *this, .peers = *this, .random = *this});
}

void CoreShard::stop(Time now, Time up_at) {
    counters_before_ = counters();
    broker_.reset();
    if (free_at_ > now) busy_ -= free_at_ - now;
    free_at_ = up_at;
    queue_.clear();
    queued_work_ = 0;
    slots_.clear();
    free_slots_.clear();
    unconsumed_.clear();
    held_.clear();
    tick_at_.reset();
    is_woken_when_free_ = false;
}

Counters CoreShard::counters() const {
    Counters all = counters_before_;
    if (is_up()) all += broker_->counters();
    return all;
}

Time CoreShard::wait(Time now) const {
    return queued_work_ + (free_at_ > now ? free_at_ - now : 0);
}

/// What acknowledges is paid with the PUBLISH that it belongs to.
CoreShard::Packets CoreShard::packets_in(Bytes bytes, bool is_from_client) const {
    Packets packets;
    while (!bytes.empty()) {
        const auto size =
            std::min(wire::announced_size_bytes(bytes).value_or(bytes.size()), bytes.size());
        const auto first = std::to_integer<unsigned>(bytes[0]);
        switch (static_cast<wire::PacketType>(first >> 4U)) {
            case wire::PacketType::connect: packets.mean += cost_.connect; break;
            case wire::PacketType::pingreq: packets.mean += cost_.ping; break;
            case wire::PacketType::publish: {
                const auto qos = std::min((first >> 1U) & 3U, 2U);
                packets.mean += is_from_client ? cost_.publish[qos] : cost_.deliver[qos];
                packets.mean += size * cost_.picoseconds_per_byte / 1'000;
                break;
            }
            case wire::PacketType::disconnect:
                if (is_from_client) packets.mean += cost_.disconnect;
                break;
            default: break;
        }
        ++packets.count;
        bytes = bytes.subspan(size);
    }
    return packets;
}

void CoreShard::charge_taken(Bytes bytes) {
    const auto packets = packets_in(bytes, true);
    packets_taken_ += packets.count;
    charge(packets.mean);
}

void CoreShard::charge(Time mean) {
    if (mean == 0) return;
    const Time work = varied(cost_, mean, work_draws_);
    leaves_ += work;
    busy_ += work;
}

void CoreShard::take(Work work, Bytes bytes, Time now) {
    CHECK(is_up());
    work.arrived = now;
    if (queue_.empty() && free_at_ <= now) return serve(work, bytes, now);
    Waiting waiting{.work = work, .bytes = {bytes.begin(), bytes.end()}, .peer = nullptr};
    if (work.peer != nullptr) {
        waiting.peer = std::make_unique<PeerMessage>(std::move(*work.peer));
        waiting.work.peer = waiting.peer.get();
    }
    waiting.mean = work.extra + packets_in(bytes, true).mean;
    wait_in_line(std::move(waiting), now);
}

void CoreShard::wait_in_line(Waiting waiting, Time now) {
    queued_work_ += waiting.mean;
    queue_.push_back(std::move(waiting));
    if (is_woken_when_free_) return;
    is_woken_when_free_ = true;
    host_.wake_when_free(options_.number, std::max(free_at_, now));
}

void CoreShard::on_free(Time now) {
    is_woken_when_free_ = false;
    while (!queue_.empty() && free_at_ <= now) {
        const auto waiting = std::move(queue_.front());
        queue_.pop_front();
        queued_work_ -= waiting.mean;
        serve(waiting.work, waiting.bytes, now);
    }
    if (queue_.empty()) return;
    is_woken_when_free_ = true;
    host_.wake_when_free(options_.number, free_at_);
}

void CoreShard::on_tick(Time now) {
    if (tick_at_ != now) return;
    tick_at_.reset();
    take({.kind = Work::Kind::tick}, {}, now);
}

void CoreShard::spend(Time work, Time now) {
    free_at_ = std::max(free_at_, now) + work;
    busy_ += work;
}

void CoreShard::publish(const MessageFields& fields, Time now) {
    leaves_ = now;
    broker_->on_publish(fields, instant_of(now));
    put_out(instant_of(now));
    arm_tick(now);
}

void CoreShard::serve(const Work& work, Bytes bytes, Time now) {
    leaves_ = now;
    const auto instant = instant_of(now);
    switch (work.kind) {
        case Work::Kind::open: {
            host_.note_wait(now - work.arrived);
            charge(work.extra);
            const auto id = enter(work.connection);
            broker_->on_open(id, instant);
            // Another shard that takes the client over has the work of it.
            if (host_.is_owned(work.connection, options_.number)) charge_taken(bytes);
            take_bytes(id, work.connection, bytes, instant);
            break;
        }
        case Work::Kind::bytes: {
            const auto id = find(work.connection);
            if (!id) break;  // What a client sends to a connection that is gone is for nobody.
            host_.note_wait(now - work.arrived);
            charge_taken(bytes);
            take_bytes(*id, work.connection, bytes, instant);
            break;
        }
        case Work::Kind::gone: {
            const auto id = find(work.connection);
            if (!id) break;
            leave(*id);
            held_.erase(work.connection.number);
            broker_->on_close(*id, instant);
            host_.forget(work.connection);
            break;
        }
        case Work::Kind::resume: {
            const auto id = find(work.connection);
            if (id) take_bytes(*id, work.connection, {}, instant);
            break;
        }
        case Work::Kind::writable: {
            const auto id = find(work.connection);
            if (id) push_held(*id, work.connection, instant);
            break;
        }
        case Work::Kind::peer: broker_->on_peer(work.from, std::move(*work.peer), instant); break;
        case Work::Kind::tick: broker_->on_tick(instant); break;
    }
    put_out(instant);
    free_at_ = std::max(leaves_, now);
    arm_tick(now);
}

/// Those that the core has left are before the new ones.
void CoreShard::take_bytes(ConnectionId id, ConnectionRef connection, Bytes bytes,
                           Instant instant) {
    Buffer all;
    const auto found = unconsumed_.find(connection.number);
    if (found != unconsumed_.end()) {
        all = std::move(found->second);
        unconsumed_.erase(found);
        append(all, bytes);
        bytes = all;
    }
    const auto intake = broker_->on_bytes(id, bytes, instant);
    const auto rest = bytes.subspan(intake.consumed_bytes);
    if (!moving_.empty()) {
        const auto [moved, owner] = moving_.back();
        moving_.clear();
        const auto to = options_.number - options_.index + owner;
        return host_.move(moved, to, rest, leaves_ + between_servers);
    }
    if (intake.next == Intake::Next::gone || rest.empty()) return;
    unconsumed_[connection.number].assign(rest.begin(), rest.end());
}

/// Hands out what the core has sent, which may make it send more.
void CoreShard::put_out(Instant instant) {
    while (outputs_put_ < outputs_.size()) {
        const auto output = outputs_[outputs_put_++];
        const auto held = held_.find(output.connection.number);
        const auto bytes = Bytes{output_bytes_}.subspan(output.begin, output.end - output.begin);
        if (output.is_end) {
            Buffer unsent;
            if (held != held_.end()) {
                unsent = std::move(held->second);
                held_.erase(held);
            }
            host_.end(output.connection, unsent, output.leaves);
            continue;
        }
        if (held != held_.end()) {
            append(held->second, bytes);
            continue;
        }
        const auto taken = host_.send(output.connection, bytes, output.leaves);
        if (taken < bytes.size()) {
            const auto rest = bytes.subspan(taken);
            held_[output.connection.number].assign(rest.begin(), rest.end());
        }
        const auto id = find(output.connection);
        if (id && taken > 0) broker_->on_written(*id, taken, instant);
    }
    outputs_.clear();
    outputs_put_ = 0;
    output_bytes_.clear();
}

void CoreShard::push_held(ConnectionId id, ConnectionRef connection, Instant instant) {
    const auto held = held_.find(connection.number);
    if (held == held_.end()) return;
    const auto taken = host_.send(connection, held->second, leaves_);
    if (taken == held->second.size()) {
        held_.erase(held);
    } else {
        held->second.erase(held->second.begin(),
                           held->second.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    if (taken > 0) broker_->on_written(id, taken, instant);
}

void CoreShard::arm_tick(Time now) {
    const auto next = broker_->next_tick();
    if (!next || *next == touchstone::never) return;
    const Time due = std::max(time_of(*next), now + 1);
    const Time at = (due + timer_resolution - 1) / timer_resolution * timer_resolution;
    if (tick_at_ && *tick_at_ <= at) return;
    tick_at_ = at;
    host_.wake_for_tick(options_.number, at);
}

ConnectionId CoreShard::enter(ConnectionRef connection) {
    std::uint32_t slot = 0;
    if (free_slots_.empty()) {
        slot = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        slot = free_slots_.back();
        free_slots_.pop_back();
    }
    slots_[slot] = connection;
    auto* const where = host_.find(connection);
    CHECK(where != nullptr);
    where->slot = slot;
    where->shard = options_.number;
    return ConnectionId{slot};
}

void CoreShard::leave(ConnectionId id) {
    const auto connection = *slots_[id.raw()];
    unconsumed_.erase(connection.number);
    slots_[id.raw()].reset();
    free_slots_.push_back(id.raw());
    if (auto* const where = host_.find(connection)) where->slot = Connection::no_slot;
}

std::optional<ConnectionId> CoreShard::find(ConnectionRef connection) {
    const auto* const where = host_.find(connection);
    if (where == nullptr || where->slot == Connection::no_slot || where->shard != options_.number)
        return std::nullopt;
    return ConnectionId{where->slot};
}

void CoreShard::add_output(ConnectionId id, Bytes head, Bytes rest) {
    const auto connection = *slots_[id.raw()];
    const auto begin = output_bytes_.size();
    append(output_bytes_, head);
    append(output_bytes_, rest);
    charge(packets_in(Bytes{output_bytes_}.subspan(begin), false).mean);
    // What goes to one connection in a row goes together, unless it is gone already.
    if (outputs_.size() > outputs_put_ && outputs_.back().connection == connection &&
        !outputs_.back().is_end && outputs_.back().end == begin) {
        outputs_.back().end = output_bytes_.size();
        outputs_.back().leaves = leaves_;
        return;
    }
    outputs_.push_back({connection, begin, output_bytes_.size(), leaves_});
}

void CoreShard::send(ConnectionId id, Bytes bytes) {
    add_output(id, bytes, {});
}

void CoreShard::send(ConnectionId id, Bytes head, const MessageRef& message) {
    add_output(id, head, message->payload());
}

void CoreShard::close(ConnectionId id) {
    const auto connection = *slots_[id.raw()];
    const auto end = output_bytes_.size();
    outputs_.push_back({connection, end, end, leaves_, true});
    leave(id);
}

void CoreShard::move(ConnectionId id, ShardIndex owner, access::Origin /*origin*/) {
    moving_.push_back({*slots_[id.raw()], owner.raw()});
    leave(id);
}

void CoreShard::resume(ConnectionId id) {
    // In a later input, behind what waits already.
    wait_in_line({.work = {.kind = Work::Kind::resume, .connection = *slots_[id.raw()]},
                  .bytes = {},
                  .peer = nullptr},
                 leaves_);
}

void CoreShard::send(ShardIndex to, PeerMessage message) {
    host_.send_peer(options_.index, options_.number - options_.index + to.raw(), std::move(message),
                    leaves_ + between_servers);
}

}  // namespace touchstone::simulator::fleet
