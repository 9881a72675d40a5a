#include <algorithm>

#include "broker/base/check.hpp"
#include "simulator/fleet/real_core/core_fleet.hpp"

namespace touchstone::simulator::fleet {

namespace {

constexpr auto version = ProtocolVersion::v5;

}  // namespace

void CoreFleet::on_to_client(const TimedEvent& event) {
    const auto index = event.subject;
    const auto ref = parcels_[index].connection;
    const auto* const connection = find(ref);
    const bool is_read = connection != nullptr && !connection->is_left && !connection->is_lost;
    if (!is_read) return release_parcel(index);
    const auto device = connection->device;
    const auto number = class_of(device);
    const bool is_end = parcels_[index].is_end;
    const bool is_crash = parcels_[index].is_crash;
    if (model_.classes[number].read_every > 0 && !is_end) {
        auto& inbox = inboxes_[number][device - model_.classes[number].first];
        append(inbox.bytes, parcels_[index].bytes);
        release_parcel(index);
        if (inbox.is_reading) return;
        inbox.is_reading = true;
        return put(std::max(inbox.free_at, event.at), Kind::read, device,
                   devices_[device].generation);
    }
    auto bytes = Bytes{parcels_[index].bytes};
    while (!bytes.empty()) {
        const auto frame = wire::take_frame(bytes, wire::packet_size_bytes_max, version);
        if (!frame || !frame.value()) {
            ++figures_.surprises;
            break;
        }
        on_packet(number, device, *frame.value());
        if (!devices_[device].has_connection) break;
    }
    release_parcel(index);
    if (is_end && devices_[device].has_connection && devices_[device].connection == ref)
        on_end(number, device, is_crash);
}

/// The broker has ended the connection, or its process has ended.
void CoreFleet::on_end(std::size_t number, std::uint32_t device, bool is_crash) {
    auto& counts = outcome_.classes[number];
    const bool was_connected = devices_[device].phase == Phase::connected;
    if (was_connected) set_away(device);
    ++(!was_connected ? counts.refused : is_crash ? counts.cut_off : counts.closed_by_broker);
    leave_connection(device, false);
    retry(number, device, list_.now());
}

void CoreFleet::on_packet(std::size_t number, std::uint32_t device, const wire::Frame& frame) {
    using enum wire::PacketType;
    switch (frame.type) {
        case connack: return on_connack(number, device, frame);
        case pingresp: {
            auto& state = devices_[device];
            if (state.ping_at == 0) break;
            outcome_.latencies.ping.add(list_.now() - state.ping_at);
            state.ping_at = 0;
            return;
        }
        case publish: return on_publish(number, device, frame);
        case puback:
        case pubrec:
        case pubrel:
        case pubcomp: return on_acknowledged(number, device, frame);
        case suback: {
            const auto packet = wire::decode_suback(frame, version);
            if (!packet) break;
            const bool has_refusal = std::ranges::any_of(
                packet.value().reasons, [](std::byte code) { return code >= std::byte{0x80}; });
            if (has_refusal) break;
            return;
        }
        case disconnect: return;  // The end of the connection comes behind it.
        case connect:
        case subscribe:
        case unsubscribe:
        case unsuback:
        case pingreq:
        case auth: break;
    }
    ++figures_.surprises;
}

void CoreFleet::on_connack(std::size_t number, std::uint32_t device, const wire::Frame& frame) {
    auto& state = devices_[device];
    const auto packet = wire::decode_connack(frame, version);
    if (!packet || state.phase != Phase::connecting) {
        ++figures_.surprises;
        return;
    }
    if (packet.value().reason != ReasonCode::success) return;  // The end comes behind it.
    auto& counts = outcome_.classes[number];
    const Time now = list_.now();
    if (now > state.begun_at + model_.classes[number].connect_patience) return;  // It has given up.
    ++counts.connects;
    outcome_.latencies.connect.add(now - state.begun_at);
    state.phase = Phase::connected;
    state.attempts = 0;
    state.ping_at = 0;
    if (++outcome_.connected > outcome_.connected_max) outcome_.connected_max = outcome_.connected;
    scratch_.clear();
    if (packets_.put_subscribe(scratch_, number, device))
        send_to_broker(number, device, scratch_, false);
    schedule(number, device);
    arm(number, device);
}

void CoreFleet::on_publish(std::size_t number, std::uint32_t device, const wire::Frame& frame) {
    const auto packet = wire::decode_publish(frame, version, wire::Sender::server);
    if (!packet) {
        ++figures_.surprises;
        return;
    }
    const auto& publish = packet.value();
    ++outcome_.classes[number].delivered;
    const auto sent_at = LightPackets::sent_at(publish.payload);
    if (sent_at && !publish.retain)
        outcome_.latencies.delivery.add(list_.now() - std::min(*sent_at, list_.now()));
    if (publish.qos == QoS::at_most_once) return;
    scratch_.clear();
    const auto answer =
        publish.qos == QoS::at_least_once ? wire::PacketType::puback : wire::PacketType::pubrec;
    LightPackets::put_acknowledgement(scratch_, answer, *publish.packet_id);
    send_to_broker(number, device, scratch_, false);
}

void CoreFleet::on_acknowledged(std::size_t number, std::uint32_t device,
                                const wire::Frame& frame) {
    const auto packet = wire::decode_ack(frame, version, wire::Sender::server);
    if (!packet) {
        ++figures_.surprises;
        return;
    }
    const auto packet_id = packet.value().packet_id;
    scratch_.clear();
    const bool is_refused = packet.value().reason >= ReasonCode::unspecified_error;
    if (frame.type == wire::PacketType::pubrel) {
        LightPackets::put_acknowledgement(scratch_, wire::PacketType::pubcomp, packet_id);
        return send_to_broker(number, device, scratch_, false);
    }
    if (frame.type == wire::PacketType::pubrec && !is_refused) {
        LightPackets::put_acknowledgement(scratch_, wire::PacketType::pubrel, packet_id);
        return send_to_broker(number, device, scratch_, false);
    }
    if (flows_[number].empty()) {
        ++figures_.surprises;
        return;
    }
    auto& flows = flows_[number][device - model_.classes[number].first];
    const auto flow = std::ranges::find(flows.open, packet_id.raw(), &Flows::Flow::packet_id);
    if (flow == flows.open.end()) {
        ++figures_.surprises;
        return;
    }
    outcome_.latencies.publish.add(list_.now() - flow->sent_at);
    flows.open.erase(flow);
    if (!flows.is_held) return;
    flows.is_held = false;
    devices_[device].next_at = list_.now();
    arm(number, device);
}

/// A slow device takes what is no message, and one message.
void CoreFleet::on_read(const TimedEvent& event) {
    const auto device = event.subject;
    if (event.generation != devices_[device].generation) return;  // of a connection before
    const auto number = class_of(device);
    const auto& one = model_.classes[number];
    auto& inbox = inboxes_[number][device - one.first];
    const auto ref = devices_[device].connection;
    bool has_read = false;
    std::size_t taken = 0;
    while (!has_read && devices_[device].has_connection) {
        auto bytes = Bytes{inbox.bytes}.subspan(inbox.begin);
        const auto frame = wire::take_frame(bytes, wire::packet_size_bytes_max, version);
        if (!frame || !frame.value()) break;
        inbox.begin += frame.value()->size_bytes;
        taken += frame.value()->size_bytes;
        has_read = frame.value()->type == wire::PacketType::publish;
        on_packet(number, device, *frame.value());
    }
    if (inbox.begin > inbox.bytes.size() / 2) {
        inbox.bytes.erase(inbox.bytes.begin(),
                          inbox.bytes.begin() + static_cast<std::ptrdiff_t>(inbox.begin));
        inbox.begin = 0;
    }
    inbox.is_reading = has_read;
    inbox.free_at = list_.now() + one.read_every;
    if (has_read) put(inbox.free_at, Kind::read, device, event.generation);
    auto* const connection = find(ref);
    if (connection == nullptr) return;
    connection->unread_bytes -= std::min<std::uint64_t>(taken, connection->unread_bytes);
    // A system wakes who writes when a third of the room is free.
    if (!connection->is_full || connection->unread_bytes > model_.limits.socket_bytes / 3 * 2)
        return;
    connection->is_full = false;
    shards_[connection->shard]->take({.kind = Work::Kind::writable, .connection = ref}, {},
                                     list_.now());
}

}  // namespace touchstone::simulator::fleet
