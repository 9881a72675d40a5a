#include <algorithm>

#include "simulator/fleet/behaviour.hpp"
#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {

void Fleet::on_publish(const TimedEvent& event) {
    const std::uint32_t device = event.subject;
    const auto& state = devices_[device];
    if (event.generation != state.generation) return;
    const int device_class = class_of(device);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    auto& counts = outcome_.classes[static_cast<std::size_t>(device_class)];
    const Time sent = event.at - unpack(event.detail);
    if (cut_until(device_class, device, sent) > sent) return on_lost(event);
    auto draws = device_draws_.of(device, event.at);
    ++counts.published;
    const auto& how = one.publishing;
    const std::uint32_t bytes = payload_of(how, draws);
    const Time work =
        model_.cost.publish[how.qos] + bytes * model_.cost.picoseconds_per_byte / 1'000;
    const auto service = servers_.serve(state.node, device, event.at, work, draws);
    outcome_.latencies.wait.add(service.start - event.at);
    if (one.fan_out.to_class >= 0) {
        fan_out(one.fan_out, Kind::deliver_group, device_class, device, sent, service.end, draws);
    }
    if (how.qos > 0) {
        // QoS 2 goes back and forth twice.
        Time answer = service.end + one_way(one.link, publish_bytes, draws);
        if (how.qos == 2) answer += 2 * one.link.latency_min + one.link.latency_spread;
        outcome_.latencies.publish.add(answer - sent);
        if (answer > sent + one.answer_patience) {
            ++counts.answer_timeouts;
            lose_connection(device_class, device, sent + one.answer_patience);
            return retry(device_class, device, sent + one.answer_patience, draws);
        }
    }
    schedule(device_class, device, sent, draws);
}

/// A message is at its publisher's server at `done`, and goes to those of its receivers.
void Fleet::fan_out(const FanOut& to, Kind to_all, int from_class, std::uint32_t publisher,
                    Time sent, Time done, Draws& draws) {
    const auto& receivers = model_.classes[static_cast<std::size_t>(to.to_class)];
    const auto from = static_cast<std::uint8_t>(from_class);
    const std::uint32_t node = devices_[publisher].node;
    if (to.receivers > 0) {
        for (std::uint32_t i = 0; i < to.receivers; ++i) {
            const auto receiver =
                receivers.first + static_cast<std::uint32_t>(draws.below(receivers.count));
            const bool crosses = devices_[receiver].node != node;
            if (crosses && is_parted(node, devices_[receiver].node, done)) {
                ++outcome_.classes[static_cast<std::size_t>(to.to_class)].undelivered;
                continue;
            }
            const Time at = done + between_servers + (crosses ? model_.cost.forward : 0);
            put(at, Kind::deliver, receiver, from, pack(at - sent));
        }
        return;
    }
    const auto& connected = connected_at_[static_cast<std::size_t>(to.to_class)];
    for (std::uint32_t server = 0; server < connected.size(); ++server) {
        if (connected[server] == 0) continue;
        const bool crosses = server / model_.cost.servers != node;
        if (crosses && is_parted(node, server / model_.cost.servers, done)) {
            outcome_.classes[static_cast<std::size_t>(to.to_class)].undelivered +=
                connected[server];
            continue;
        }
        const Time at = done + between_servers + (crosses ? model_.cost.forward : 0);
        put(at, to_all, server, from, pack(at - sent));
    }
}

bool Fleet::is_parted(std::uint32_t from_node, std::uint32_t to_node, Time at) const {
    return std::ranges::any_of(model_.partitions, [&](const Partition& one) {
        return at >= one.at && at < one.at + one.duration &&
               one.is_apart[from_node] != one.is_apart[to_node];
    });
}

void Fleet::on_deliver(const TimedEvent& event) {
    const std::uint32_t receiver = event.subject;
    const int device_class = class_of(receiver);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    const auto& message = model_.classes[event.generation].publishing;
    auto& counts = outcome_.classes[static_cast<std::size_t>(device_class)];
    const auto& state = devices_[receiver];
    if (state.phase != Phase::connected) {
        ++counts.undelivered;
        return;
    }
    auto draws = device_draws_.of(receiver, event.at ^ (Time{event.detail} << 48U));
    const std::uint32_t bytes = message.payload_mean();
    const Time work =
        model_.cost.deliver[message.qos] + bytes * model_.cost.picoseconds_per_byte / 1'000;
    const auto service = servers_.serve(state.node, receiver, event.at, work, draws);
    outcome_.latencies.wait.add(service.start - event.at);
    if (one.read_every > 0) {
        const Time sent = event.at - std::min(event.at, unpack(event.detail));
        return hand_over(device_class, receiver, message, sent, service.end);
    }
    const Time there = service.end + one_way(one.link, publish_bytes + bytes, draws);
    outcome_.latencies.delivery.add(unpack(event.detail) + there - event.at);
    ++counts.delivered;
}

/// One message to all of a class at a server: one after the other, as one piece of work.
void Fleet::on_deliver_group(const TimedEvent& event, const FanOut& to) {
    const auto& from = model_.classes[event.generation];
    const auto number = static_cast<std::size_t>(to.to_class);
    const auto& one = model_.classes[number];
    const std::uint64_t count = connected_at_[number][event.subject];
    if (count == 0) return;
    const auto& message = from.publishing;
    const std::uint32_t bytes = message.payload_mean();
    const Time each =
        model_.cost.deliver[message.qos] + bytes * model_.cost.picoseconds_per_byte / 1'000;
    const auto service =
        servers_.serve_at(servers_.server_for(event.subject), event.at, count * each);
    if (one.read_every > 0) {
        const Time sent = event.at - std::min(event.at, unpack(event.detail));
        Time done = service.start;
        for (std::uint32_t device = one.first; device < one.first + one.count; ++device) {
            const auto& state = devices_[device];
            if (state.phase != Phase::connected ||
                servers_.home_of(state.node, device) != event.subject) {
                continue;
            }
            done += each;
            outcome_.latencies.wait.add(done - each - event.at);
            hand_over(static_cast<int>(number), device, message, sent, done);
        }
        return;
    }
    auto draws = device_draws_.of(event.subject, event.at);
    constexpr std::uint64_t points = 16;
    for (std::uint64_t point = 0; point < points; ++point) {
        const std::uint64_t weight = count / points + (point < count % points ? 1 : 0);
        if (weight == 0) continue;
        const Time done = service.start + (2 * point + 1) * count * each / (2 * points);
        outcome_.latencies.wait.add(done - event.at, weight);
        const Time there = done + one_way(one.link, publish_bytes + bytes, draws);
        outcome_.latencies.delivery.add(unpack(event.detail) + there - event.at, weight);
    }
    outcome_.classes[number].delivered += count;
}

/// The broker publishes the Will Message of a device whose connection ended without DISCONNECT.
void Fleet::on_will(const TimedEvent& event) {
    const int device_class = class_of(event.subject);
    const auto& one = model_.classes[static_cast<std::size_t>(device_class)];
    ++outcome_.classes[static_cast<std::size_t>(device_class)].wills;
    auto draws = device_draws_.of(event.subject, event.at);
    const std::uint32_t node = devices_[event.subject].node;
    const auto service = servers_.serve(node, event.subject, event.at,
                                        model_.cost.publish[one.publishing.qos], draws);
    outcome_.latencies.wait.add(service.start - event.at);
    if (one.will_to.to_class >= 0) {
        fan_out(one.will_to, Kind::deliver_wills, device_class, event.subject, event.at,
                service.end, draws);
    }
}

}  // namespace touchstone::simulator::fleet
