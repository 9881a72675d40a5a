#include <algorithm>

#include "simulator/fleet/real_core/core_fleet.hpp"

namespace touchstone::simulator::fleet {

namespace {

/// Of flows; what CONNACK says for the settings that the nodes of a fleet have.
const std::size_t receive_maximum = Settings{}.receive_maximum;

}  // namespace

void CoreFleet::start_devices(std::size_t number, Time now) {
    const auto& one = model_.classes[number];
    auto& started = started_[number];
    const auto start_of = [&](std::uint32_t i) { return one.ramp_start + i * one.ramp_every; };
    for (; started < one.count && start_of(started) < now + start_batch; ++started)
        attempt(one.first + started, start_of(started));
    if (started < one.count)
        put(start_of(started), Kind::start, static_cast<std::uint32_t>(number));
}

/// The device begins to connect at `start`, which is not before now.
void CoreFleet::attempt(std::uint32_t device, Time start) {
    const auto number = class_of(device);
    auto& state = devices_[device];
    state.phase = Phase::connecting;
    state.begun_at = start;
    ++state.generation;
    auto draws = draws_of(device, start);
    put(start + connect_delay(model_.classes[number], draws), Kind::connect, device,
        state.generation);
    arm(number, device);
}

/// After a failure or loss that the device knows of at `from`.
void CoreFleet::retry(std::size_t number, std::uint32_t device, Time from) {
    auto& state = devices_[device];
    auto draws = draws_of(device, list_.now());
    const Time delay = retry_delay(model_.classes[number].reconnecting, state.attempts, draws);
    if (state.attempts < attempts_max) ++state.attempts;
    attempt(device, std::max(from + delay, list_.now()));
}

/// CONNECT is at the broker: its system has taken the connection, the shard that got it is asked.
void CoreFleet::on_connect(const TimedEvent& event) {
    const auto device = event.subject;
    const auto& state = devices_[device];
    if (event.generation != state.generation) return;
    const auto number = class_of(device);
    const auto& one = model_.classes[number];
    auto& counts = outcome_.classes[number];
    const auto& cost = model_.cost;
    ++counts.attempts;
    if (is_cut(number, device, event.at)) return;  // until its patience ends
    const int node_number = node_for(nodes_up_, device, event.at, phase_draws_);
    const auto node = static_cast<std::uint32_t>(node_number);
    const auto first = node * cost.servers;
    const auto shard = first + static_cast<std::uint32_t>(
                                   (std::uint64_t{device * 2'654'435'769U} * cost.servers) >> 32U);
    if (node_number < 0 ||
        !nodes_[node].connects.takes_another(model_.cost.connects_per_second_max, event.at)) {
        ++counts.refused;
        auto draws = draws_of(device, event.at);
        const Time answer = event.at + one_way(one.link, control_packet_bytes, draws);
        if (node_number >= 0) shards_[shard]->spend(cost.refuse, event.at);
        return retry(number, device, std::min(answer, state.begun_at + one.connect_patience));
    }
    if (cost.connect_wait_max > 0 && shards_[shard]->wait(event.at) > cost.connect_wait_max)
        return;  // The backlog is full: what comes is dropped without an answer.
    const auto connection = open_connection(device);
    connections_[connection.number].shard = shard;
    if (!inboxes_[number].empty()) inboxes_[number][device - one.first] = {};
    if (!flows_[number].empty()) flows_[number][device - one.first] = {};
    scratch_.clear();
    packets_.put_connect(scratch_, number, device);
    mix(scratch_);
    Time handshake = 0;
    if (one.tls != Tls::none) handshake = one.tls == Tls::full ? cost.tls_full : cost.tls_resumed;
    shards_[shard]->take({.kind = Work::Kind::open, .connection = connection, .extra = handshake},
                         scratch_, event.at);
}

std::optional<Time> CoreFleet::deadline(std::size_t number, std::uint32_t device) const {
    const auto& one = model_.classes[number];
    Time asked_at = devices_[device].ping_at;
    if (!flows_[number].empty()) {
        const auto& open = flows_[number][device - one.first].open;
        if (!open.empty() && (asked_at == 0 || open.front().sent_at < asked_at))
            asked_at = open.front().sent_at;
    }
    if (asked_at == 0) return std::nullopt;
    return asked_at + one.answer_patience;
}

/// Has the device called when it may have something to do.
void CoreFleet::arm(std::size_t number, std::uint32_t device) {
    auto& state = devices_[device];
    Time at = 0;
    switch (state.phase) {
        case Phase::away: return;
        case Phase::connecting:
            at = state.begun_at + model_.classes[number].connect_patience;
            break;
        case Phase::connected:
            at = std::min(state.next_at, deadline(number, device).value_or(state.next_at));
            break;
    }
    if (state.timer_at != 0 && state.timer_at <= at) return;
    state.timer_at = std::max(at, list_.now());
    put(state.timer_at, Kind::timer, device);
}

void CoreFleet::on_timer(const TimedEvent& event) {
    const auto device = event.subject;
    auto& state = devices_[device];
    if (state.timer_at != event.at) return;
    state.timer_at = 0;
    const auto number = class_of(device);
    const auto& one = model_.classes[number];
    auto& counts = outcome_.classes[number];
    if (state.phase == Phase::connecting && event.at >= state.begun_at + one.connect_patience) {
        ++counts.connect_timeouts;
        leave_connection(device, true);
        return retry(number, device, event.at);
    }
    if (state.phase == Phase::connected) {
        const auto ends = deadline(number, device);
        if (ends && *ends <= event.at) {
            ++counts.answer_timeouts;
            set_away(device);
            leave_connection(device, true);
            return retry(number, device, event.at);
        }
        if (state.next_at <= event.at) act(number, device);
    }
    arm(number, device);
}

/// What comes next, after the device has sent something now.
void CoreFleet::schedule(std::size_t number, std::uint32_t device) {
    auto draws = draws_of(device, list_.now());
    const auto next = next_action(model_.classes[number], device, list_.now(), draws, phase_draws_);
    devices_[device].next = next.kind;
    devices_[device].next_at = next.at;
}

void CoreFleet::act(std::size_t number, std::uint32_t device) {
    auto& state = devices_[device];
    auto& counts = outcome_.classes[number];
    if (state.next == Action::Kind::lost) return lose(number, device, &ClassCounts::nat_losses);
    if (connections_[state.connection.number].is_lost || is_cut(number, device, list_.now()))
        return lose(number, device, &ClassCounts::cut_off);
    switch (state.next) {
        case Action::Kind::ping:
            ++counts.pings;
            scratch_.clear();
            LightPackets::put_pingreq(scratch_);
            send_to_broker(number, device, scratch_, false);
            state.ping_at = list_.now();
            return schedule(number, device);
        case Action::Kind::publish: return publish(number, device);
        case Action::Kind::disconnect: return disconnect(number, device);
        case Action::Kind::lost: break;
    }
    UNREACHABLE();
}

void CoreFleet::publish(std::size_t number, std::uint32_t device) {
    const auto& how = model_.classes[number].publishing;
    const Time now = list_.now();
    std::uint16_t packet_id = 0;
    if (how.qos > 0) {
        auto& flows = flows_[number][device - model_.classes[number].first];
        if (flows.open.size() >= receive_maximum) {
            // When an acknowledgement makes room.
            flows.is_held = true;
            devices_[device].next_at = never;
            return;
        }
        do packet_id = ++flows.last_packet_id;
        while (packet_id == 0 || std::ranges::any_of(flows.open, [&](const auto& flow) {
                   return flow.packet_id == packet_id;
               }));
        flows.open.push_back({packet_id, now});
    }
    auto draws = draws_of(device, now);
    ++outcome_.classes[number].published;
    scratch_.clear();
    packets_.put_publish(scratch_, number, packet_id, payload_of(how, draws), now);
    send_to_broker(number, device, scratch_, false);
    schedule(number, device);
}

void CoreFleet::disconnect(std::size_t number, std::uint32_t device) {
    scratch_.clear();
    LightPackets::put_disconnect(scratch_);
    send_to_broker(number, device, scratch_, false);
    set_away(device);
    leave_connection(device, true);
    attempt(device, list_.now() + model_.classes[number].asleep);
}

/// A packet that never arrives; the device waits for its answer, and nobody tells the broker.
void CoreFleet::lose(std::size_t number, std::uint32_t device, std::uint64_t ClassCounts::*count) {
    ++(outcome_.classes[number].*count);
    connections_[devices_[device].connection.number].is_lost = true;
    set_away(device);
    leave_connection(device, false);
    retry(number, device, list_.now() + model_.classes[number].answer_patience);
}

void CoreFleet::set_away(std::uint32_t device) {
    auto& state = devices_[device];
    state.phase = Phase::away;
    state.ping_at = 0;
    --outcome_.connected;
}

bool CoreFleet::is_cut(std::size_t number, std::uint32_t device, Time at) const {
    return std::ranges::any_of(cuts_[number], [&](const Cut& cut) {
        return at >= cut.at && at < cut.at + cut.duration &&
               cut_draws_.of(device, cut.at).chance(cut.share);
    });
}

}  // namespace touchstone::simulator::fleet
