#include "simulator/fleet/fleet.hpp"

#include <algorithm>

#include "simulator/fleet/behaviour.hpp"

namespace touchstone::simulator::fleet {

Fleet::Fleet(FleetModel model)
    : model_{std::move(model)},
      device_draws_{model_.seed, Purpose::device},
      phase_draws_{model_.seed, Purpose::phase},
      cut_draws_{model_.seed, Purpose::cut_off},
      servers_{model_.cost},
      devices_{model_.devices()},
      nodes_(model_.cost.nodes),
      started_(model_.classes.size()),
      cuts_(model_.classes.size()),
      connected_at_(model_.classes.size()),
      readers_(model_.classes.size()),
      sampler_{servers_.size()} {
    outcome_.classes.resize(model_.classes.size());
    for (std::uint32_t node = 0; node < model_.cost.nodes; ++node) nodes_up_.push_back(node);
    for (std::size_t i = 0; i < model_.classes.size(); ++i) {
        const auto& one = model_.classes[i];
        for (const auto* to : {&one.fan_out, &one.will_to}) {
            if (to->to_class >= 0) {
                connected_at_[static_cast<std::size_t>(to->to_class)].resize(servers_.size());
            }
        }
        if (one.read_every > 0) readers_[i].resize(one.count);
        if (one.count > 0) {
            put(one.ramp_start, Kind::start, static_cast<std::uint32_t>(i), 0, 0);
        }
    }
    for (std::size_t i = 0; i < model_.crashes.size(); ++i) {
        put(model_.crashes[i].at, Kind::crash, static_cast<std::uint32_t>(i), 0, 0);
    }
    for (const auto& cut : model_.cuts) {
        cuts_[static_cast<std::size_t>(cut.device_class)].push_back(cut);
    }
    if (model_.sample_every > 0) put(model_.sample_every, Kind::sample, 0, 0, 0);
}

Outcome Fleet::run(const std::function<bool(Time, std::uint64_t)>& goes_on) {
    TimedEvent event;
    std::uint64_t digest = 0xCBF2'9CE4'8422'2325U;
    const Device* const devices = devices_.data();
    while (list_.take(model_.duration, event)) {
        __builtin_prefetch(devices + list_.subject_ahead(), 1);
        ++outcome_.steps;
        digest = (digest ^ event.at ^ std::uint64_t{event.subject} << 24U ^
                  std::uint64_t{event.kind} << 56U) *
                 0x9E37'79B9'7F4A'7C15U;
        digest ^= digest >> 32U;
        step(event);
        if (event.kind == static_cast<std::uint8_t>(Kind::sample) && goes_on &&
            !goes_on(event.at, outcome_.connected)) {
            outcome_.was_interrupted = true;
            break;
        }
    }
    outcome_.ended_at = list_.now();
    if (sampler_.at() < list_.now() && model_.sample_every > 0) on_sample(list_.now());
    outcome_.digest = digest;
    return std::move(outcome_);
}

void Fleet::step(const TimedEvent& event) {
    switch (static_cast<Kind>(event.kind)) {
        case Kind::ping: return on_ping(event);
        case Kind::publish: return on_publish(event);
        case Kind::deliver: return on_deliver(event);
        case Kind::connect: return on_connect(event);
        case Kind::deliver_group:
            return on_deliver_group(event, model_.classes[event.generation].fan_out);
        case Kind::deliver_wills:
            return on_deliver_group(event, model_.classes[event.generation].will_to);
        case Kind::disconnect: return on_disconnect(event);
        case Kind::lost: return on_lost(event);
        case Kind::will: return on_will(event);
        case Kind::start: return start_devices(static_cast<int>(event.subject), event.at);
        case Kind::crash: return on_crash(event);
        case Kind::node_up: {
            nodes_[event.subject].is_up = true;
            nodes_up_.push_back(event.subject);
            std::ranges::sort(nodes_up_);
            return;
        }
        case Kind::cohort: return on_cohort(event);
        case Kind::read: return on_read(event);
        case Kind::sample: {
            on_sample(event.at);
            if (event.at + model_.sample_every <= model_.duration) {
                put(event.at + model_.sample_every, Kind::sample, 0, 0, 0);
            }
            return;
        }
    }
    UNREACHABLE();
}

std::uint16_t Fleet::pack(Time time) {
    // 11 bits behind 5 that say how far they are shifted; rounded up.
    const auto width = static_cast<unsigned>(std::bit_width(time));
    unsigned shift = width > 11 ? width - 11 : 0;
    Time bits = (time + (Time{1} << shift) - 1) >> shift;
    if (bits == 2'048) {
        bits = 1'024;
        ++shift;
    }
    if (shift > 31) return 0xFFFF;
    return static_cast<std::uint16_t>((shift << 11U) | bits);
}

Time Fleet::unpack(std::uint16_t packed) {
    return Time{packed & 0x7FFU} << (packed >> 11U);
}

int Fleet::class_of(std::uint32_t device) const {
    int at = 0;
    while (device - model_.classes[static_cast<std::size_t>(at)].first >=
           model_.classes[static_cast<std::size_t>(at)].count) {
        ++at;
    }
    return at;
}

void Fleet::start_devices(int device_class, Time now) {
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto& started = started_[static_cast<std::size_t>(device_class)];
    const auto start_of = [&](std::uint32_t i) { return one.ramp_start + i * one.ramp_every; };
    for (; started < one.count && start_of(started) < now + start_batch; ++started) {
        attempt(device_class, one.first + started, start_of(started));
    }
    if (started < one.count) {
        put(start_of(started), Kind::start, static_cast<std::uint32_t>(device_class), 0, 0);
    }
}

/// The device begins to connect at `start`, which is not before now.
void Fleet::attempt(int device_class, std::uint32_t device, Time start) {
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto draws = device_draws_.of(device, start);
    const auto packed = pack(connect_delay(one, draws));
    put(start + unpack(packed), Kind::connect, device, devices_[device].generation, packed);
}

/// After a failure or loss that the device knows of at `from`.
void Fleet::retry(int device_class, std::uint32_t device, Time from, Draws& draws) {
    const auto& how = model_.classes[static_cast<std::size_t>(device_class)].reconnecting;
    auto& state = devices_[device];
    const Time delay = retry_delay(how, state.attempts, draws);
    if (state.attempts < attempts_max) ++state.attempts;
    attempt(device_class, device, std::max(from + delay, list_.now()));
}

void Fleet::on_connect(const TimedEvent& event) {
    const std::uint32_t device = event.subject;
    if (event.generation != devices_[device].generation) return;
    const int device_class = class_of(device);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto& counts = outcome_.classes[static_cast<std::size_t>(device_class)];
    const auto& cost = model_.cost;
    const Time start = event.at - unpack(event.detail);
    const Time patience_ends = start + one.connect_patience;
    auto draws = device_draws_.of(device, event.at);
    ++counts.attempts;
    if (cut_until(device_class, device, event.at) > event.at) {
        ++counts.connect_timeouts;
        return retry(device_class, device, patience_ends, draws);
    }
    const int node_number = node_for(nodes_up_, device, event.at, phase_draws_);
    const auto node = static_cast<std::uint32_t>(node_number);
    if (node_number < 0 ||
        !nodes_[node].connects.takes_another(model_.cost.connects_per_second_max, event.at)) {
        ++counts.refused;
        const Time answer = event.at + one_way(one.link, control_packet_bytes, draws);
        if (node_number >= 0) servers_.serve(node, device, event.at, cost.refuse, draws);
        return retry(device_class, device, std::min(answer, patience_ends), draws);
    }
    if (cost.connect_wait_max > 0 &&
        servers_.wait(node, device, event.at) > cost.connect_wait_max) {
        ++counts.connect_timeouts;  // The backlog is full: what comes is dropped without an answer.
        return retry(device_class, device, patience_ends, draws);
    }
    Time work = cost.connect + one.subscriptions * cost.subscribe;
    if (one.tls != Tls::none) work += one.tls == Tls::full ? cost.tls_full : cost.tls_resumed;
    const Time connack_work = work;
    if (one.retained > 0) {
        work += one.retained *
                (cost.deliver[0] + one.retained_bytes * cost.picoseconds_per_byte / 1'000);
    }
    const auto service = servers_.serve(node, device, event.at, work, draws);
    outcome_.latencies.wait.add(service.start - event.at);
    const Time connack = std::min(service.end, service.start + connack_work) +
                         one_way(one.link, control_packet_bytes, draws);
    if (connack > patience_ends) {
        // The broker has worked for nobody.
        ++counts.connect_timeouts;
        return retry(device_class, device, patience_ends, draws);
    }
    ++counts.connects;
    counts.delivered += one.retained;
    outcome_.latencies.connect.add(connack - start);
    set_connected(device_class, device, node);
    if (model_.tier == Tier::t3 && is_steady(one)) {
        return join_cohort(device_class, device, node, connack + one.ping_every);
    }
    schedule(device_class, device, connack, draws);
}

void Fleet::set_connected(int device_class, std::uint32_t device, std::uint32_t node) {
    const auto number = static_cast<std::size_t>(device_class);
    auto& state = devices_[device];
    const bool is_written = model_.tier != Tier::t3 || state.attempts > 0 || state.generation > 0 ||
                            !is_steady(model_.classes[number]);
    if (is_written) {
        state.node = static_cast<std::uint8_t>(node);
        state.phase = Phase::connected;
        state.attempts = 0;
    }
    if (++outcome_.connected > outcome_.connected_max) outcome_.connected_max = outcome_.connected;
    if (!connected_at_[number].empty()) ++connected_at_[number][servers_.home_of(node, device)];
}

void Fleet::set_away(int device_class, std::uint32_t device) {
    const auto number = static_cast<std::size_t>(device_class);
    auto& state = devices_[device];
    forget_waiting(device_class, device);
    state.phase = Phase::away;
    --outcome_.connected;
    if (!connected_at_[number].empty()) {
        --connected_at_[number][servers_.home_of(state.node, device)];
    }
}

/// The connection is gone, without DISCONNECT.
void Fleet::lose_connection(int device_class, std::uint32_t device, Time broker_knows_at) {
    set_away(device_class, device);
    if (!model_.classes[static_cast<std::size_t>(device_class)].has_will) return;
    put(std::max(broker_knows_at, list_.now()), Kind::will, device, 0, 0);
}

/// What the device sends next, after it sent or received something at `sent`.
void Fleet::schedule(int device_class, std::uint32_t device, Time sent, Draws& draws) {
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    const auto next = next_action(one, device, sent, draws, phase_draws_);
    put_packet(device_class, device, kind_of(next.kind), next.at, draws);
}

void Fleet::put_packet(int device_class, std::uint32_t device, Kind kind, Time sent, Draws& draws) {
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    const std::uint32_t bytes = kind == Kind::publish ? one.publishing.payload_mean() : 0;
    const Time way = one_way(one.link, control_packet_bytes + bytes, draws);
    // TCP keeps the order: it does not arrive before the packet that is here now.
    const auto packed = pack(std::max(way, list_.now() > sent ? list_.now() - sent : 0));
    put(sent + unpack(packed), kind, device, devices_[device].generation, packed);
}

void Fleet::on_ping(const TimedEvent& event) {
    const std::uint32_t device = event.subject;
    const auto& state = devices_[device];
    if (event.generation != state.generation) return;
    const int device_class = class_of(device);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto& counts = outcome_.classes[static_cast<std::size_t>(device_class)];
    const Time sent = event.at - unpack(event.detail);
    if (cut_until(device_class, device, sent) > sent) return on_lost(event);
    auto draws = device_draws_.of(device, event.at);
    ++counts.pings;
    const auto service = servers_.serve(state.node, device, event.at, model_.cost.ping, draws);
    outcome_.latencies.wait.add(service.start - event.at);
    const Time answer = service.end + reading_backlog(device_class, device) +
                        one_way(one.link, control_packet_bytes, draws);
    outcome_.latencies.ping.add(answer - sent);
    if (answer > sent + one.answer_patience) {
        ++counts.answer_timeouts;
        lose_connection(device_class, device, sent + one.answer_patience);
        return retry(device_class, device, sent + one.answer_patience, draws);
    }
    schedule(device_class, device, sent, draws);
}

void Fleet::on_disconnect(const TimedEvent& event) {
    const std::uint32_t device = event.subject;
    const auto& state = devices_[device];
    if (event.generation != state.generation) return;
    const int device_class = class_of(device);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto draws = device_draws_.of(device, event.at);
    const auto service =
        servers_.serve(state.node, device, event.at, model_.cost.disconnect, draws);
    outcome_.latencies.wait.add(service.start - event.at);
    set_away(device_class, device);
    attempt(device_class, device, event.at - unpack(event.detail) + one.asleep);
}

/// A packet that never arrives: the link is cut, or a NAT has forgotten the connection.
void Fleet::on_lost(const TimedEvent& event) {
    const std::uint32_t device = event.subject;
    if (event.generation != devices_[device].generation) return;
    const int device_class = class_of(device);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto& counts = outcome_.classes[static_cast<std::size_t>(device_class)];
    const Time sent = event.at - unpack(event.detail);
    auto draws = device_draws_.of(device, event.at);
    const bool is_nat = static_cast<Kind>(event.kind) == Kind::lost;
    ++(is_nat ? counts.nat_losses : counts.cut_off);
    // The broker waits one and a half Keep Alives from the packet before, which came about one
    // ping_every ago.
    const Time before = event.at > one.ping_every ? event.at - one.ping_every : 0;
    lose_connection(device_class, device, before + one.keep_alive + one.keep_alive / 2);
    retry(device_class, device, sent + one.answer_patience, draws);
}

}  // namespace touchstone::simulator::fleet
