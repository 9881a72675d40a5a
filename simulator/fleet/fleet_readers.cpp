// Devices that take messages slower than they come. What waits for one of them is a list: in front
// what its connection has, which nothing takes back, then the broker's queue, whose oldest message
// makes room.
#include <algorithm>

#include "simulator/fleet/behaviour.hpp"
#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {

namespace {

/// Around a payload: what the core's packet and message have, for topics as short as these.
constexpr std::uint64_t packet_bytes = 12;
constexpr std::uint64_t message_bytes = 70;

}  // namespace

Fleet::WaitingLimits Fleet::waiting_limits(const Publishing& message) const {
    const auto& limits = model_.limits;
    const std::uint64_t payload = message.payload_mean();
    WaitingLimits most;
    // Sockets are filled up when a third of them is free.
    const std::uint64_t connection_bytes = limits.socket_bytes / 6 * 5 + limits.unwritten_bytes;
    most.sent = message.qos > 0 ? limits.inflight : connection_bytes / (payload + packet_bytes);
    most.sent = std::max<std::uint64_t>(most.sent, 1);
    most.queued_bytes_each = payload + message_bytes;
    most.queued =
        std::min<std::uint64_t>(limits.queue_messages, limits.queue_bytes / most.queued_bytes_each);
    return most;
}

/// The broker has a message for a slow device, at `done`.
void Fleet::hand_over(int device_class, std::uint32_t device, const Publishing& message, Time sent,
                      Time done) {
    const auto number = static_cast<std::size_t>(device_class);
    const auto& one = model_.classes[number];
    auto& counts = outcome_.classes[number];
    auto& reader = readers_[number][device - one.first];
    const auto most = waiting_limits(message);
    auto& node_bytes = nodes_[devices_[device].node].queued_bytes;
    const auto node_most = model_.limits.node_queue_bytes;
    const auto queued = [&] {
        return reader.sent_at.size() > most.sent ? reader.sent_at.size() - most.sent : 0;
    };
    reader.sent_max = most.sent;
    reader.bytes_each = most.queued_bytes_each;
    if (reader.sent_at.size() >= most.sent) {
        while (queued() >= std::max<std::uint64_t>(most.queued, 1) ||
               (node_most > 0 && queued() > 0 && node_bytes + most.queued_bytes_each > node_most)) {
            reader.sent_at.erase(reader.sent_at.begin() + static_cast<std::ptrdiff_t>(most.sent));
            node_bytes -= most.queued_bytes_each;
            ++counts.dropped;
        }
        const bool has_room =
            most.queued > 0 && (node_most == 0 || node_bytes + most.queued_bytes_each <= node_most);
        if (!has_room) {
            ++counts.dropped;
            return;
        }
        node_bytes += most.queued_bytes_each;
    }
    reader.sent_at.push_back(sent);
    if (reader.reads_at > 0) return;
    auto draws = device_draws_.of(device, done);
    const Time there = done + one_way(one.link, publish_bytes + message.payload_mean(), draws);
    reader.reads_at = std::max(there, reader.free_at);
    put(reader.reads_at, Kind::read, device, 0, 0);
}

void Fleet::on_read(const TimedEvent& event) {
    const std::uint32_t device = event.subject;
    const auto number = static_cast<std::size_t>(class_of(device));
    const auto& one = model_.classes[number];
    auto& reader = readers_[number][device - one.first];
    if (event.at != reader.reads_at) return;  // of a connection before
    reader.reads_at = 0;
    if (reader.sent_at.empty()) return;
    if (reader.sent_at.size() > reader.sent_max) {
        nodes_[devices_[device].node].queued_bytes -= reader.bytes_each;
    }
    outcome_.latencies.delivery.add(event.at - reader.sent_at.front());
    ++outcome_.classes[number].delivered;
    reader.sent_at.pop_front();
    reader.free_at = event.at + one.read_every;
    reader.reads_at = reader.free_at;
    put(reader.reads_at, Kind::read, device, 0, 0);
}

/// Until the device has read what its connection has now: an answer comes behind that.
Time Fleet::reading_backlog(int device_class, std::uint32_t device) const {
    const auto number = static_cast<std::size_t>(device_class);
    const auto& one = model_.classes[number];
    if (one.read_every == 0) return 0;
    const auto& reader = readers_[number][device - one.first];
    return std::min<std::uint64_t>(reader.sent_at.size(), reader.sent_max) * one.read_every;
}

/// The connection is gone, and with it what was on its way and what waited.
void Fleet::forget_waiting(int device_class, std::uint32_t device) {
    const auto number = static_cast<std::size_t>(device_class);
    const auto& one = model_.classes[number];
    if (one.read_every == 0) return;
    auto& reader = readers_[number][device - one.first];
    if (reader.sent_at.size() > reader.sent_max) {
        nodes_[devices_[device].node].queued_bytes -=
            (reader.sent_at.size() - reader.sent_max) * reader.bytes_each;
    }
    outcome_.classes[number].undelivered += reader.sent_at.size();
    reader = {};
}

}  // namespace touchstone::simulator::fleet
