#include "simulator/trace.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/base/hash.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::simulator {

namespace {

using wire::PacketType;

void fill_publish(TracedPacket& packet, const Trace& trace, const wire::Publish& publish) {
    packet.dup = publish.dup;
    packet.retain = publish.retain;
    packet.qos = publish.qos;
    packet.topic = publish.topic;
    if (publish.packet_id) packet.packet_id = publish.packet_id->raw();
    packet.message = trace.find_message(as_text(publish.payload));
    if (const auto alias = publish.properties.integer(wire::PropertyId::topic_alias)) {
        packet.topic_alias = static_cast<std::uint16_t>(*alias);
    }
}

/// False when the packet cannot be decoded.
bool fill(TracedPacket& packet, const Trace& trace, const wire::Frame& frame,
          ProtocolVersion version) {
    packet.type = frame.type;
    switch (frame.type) {
        case PacketType::connect: return wire::decode_connect(frame).has_value();
        case PacketType::connack: {
            const auto connack = wire::decode_connack(frame, version);
            if (!connack) return false;
            packet.session_present = connack.value().session_present;
            packet.reason = connack.value().reason;
            return true;
        }
        case PacketType::publish: {
            const auto publish = wire::decode_publish(frame, version);
            if (!publish) return false;
            fill_publish(packet, trace, publish.value());
            return true;
        }
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp: {
            const auto ack = wire::decode_ack(frame, version);
            if (!ack) return false;
            packet.packet_id = ack.value().packet_id.raw();
            packet.reason = ack.value().reason;
            return true;
        }
        case PacketType::subscribe: {
            const auto subscribe = wire::decode_subscribe(frame, version);
            if (!subscribe) return false;
            packet.packet_id = subscribe.value().packet_id.raw();
            return true;
        }
        case PacketType::suback: {
            const auto suback = wire::decode_suback(frame, version);
            if (!suback) return false;
            packet.packet_id = suback.value().packet_id.raw();
            return true;
        }
        case PacketType::unsubscribe: {
            const auto unsubscribe = wire::decode_unsubscribe(frame, version);
            if (!unsubscribe) return false;
            packet.packet_id = unsubscribe.value().packet_id.raw();
            return true;
        }
        case PacketType::unsuback: {
            const auto unsuback = wire::decode_unsuback(frame, version);
            if (!unsuback) return false;
            packet.packet_id = unsuback.value().packet_id.raw();
            return true;
        }
        case PacketType::pingreq:
        case PacketType::pingresp: return wire::decode_ping(frame).has_value();
        case PacketType::disconnect: {
            const auto disconnect = wire::decode_disconnect(frame, version);
            if (!disconnect) return false;
            packet.reason = disconnect.value().reason;
            return true;
        }
        case PacketType::auth: {
            const auto auth = wire::decode_auth(frame);
            if (!auth) return false;
            packet.reason = auth.value().reason;
            return true;
        }
    }
    return false;
}

/// The longest packet a recorder waits for: longer ones are the business of scenarios about limits,
/// which look at bytes.
constexpr std::uint32_t recorded_packet_size_bytes_max = wire::packet_size_bytes_max;

std::string_view version_text(ProtocolVersion version) {
    switch (version) {
        case ProtocolVersion::v3_1: return "v3.1";
        case ProtocolVersion::v3_1_1: return "v3.1.1";
        case ProtocolVersion::v5: return "v5";
    }
    UNREACHABLE();
}

void describe_publish(std::string& text, const Trace& trace, const TracedPacket& packet) {
    text += fmt::format(" q{}", static_cast<unsigned>(packet.qos));
    if (packet.dup) text += " dup";
    if (packet.retain) text += " retain";
    text += fmt::format(" t='{}'", packet.topic);
    if (packet.message != no_message) {
        text += fmt::format(" {}", label_of(trace.messages[packet.message].payload));
    }
}

}  // namespace

Actor Trace::add_actor(std::string name) {
    actors.push_back(std::move(name));
    return Actor{static_cast<std::uint32_t>(actors.size() - 1)};
}

ConnectionNumber Trace::add_connection(Actor client, Actor node) {
    connections.push_back({client, node});
    return ConnectionNumber{static_cast<std::uint32_t>(connections.size() - 1)};
}

std::size_t Trace::slot_of(std::string_view payload) const {
    auto slot = static_cast<std::size_t>(hash_of(payload, 0)) & (message_slots_.size() - 1);
    while (message_slots_[slot] != no_message && messages[message_slots_[slot]].payload != payload)
        slot = (slot + 1) & (message_slots_.size() - 1);
    return slot;
}

std::uint32_t Trace::add_message(TracedMessage message) {
    if (message.payload.empty()) return no_message;
    const auto put = [this](std::uint32_t index) {
        auto& slot = message_slots_[slot_of(messages[index].payload)];
        if (slot == no_message) slot = index;  // of two alike the first is found
    };
    const auto index = static_cast<std::uint32_t>(messages.size());
    messages.push_back(std::move(message));
    if (2 * messages.size() <= message_slots_.size()) {
        put(index);
        return index;
    }
    constexpr std::size_t slots_low = 1'024;
    message_slots_.assign(std::max(slots_low, 2 * message_slots_.size()), no_message);
    for (std::uint32_t known = 0; known <= index; ++known) put(known);
    return index;
}

void Trace::add_packet_entry(Instant at, TraceEntry::Kind kind, Direction where,
                             std::uint32_t index) {
    const auto& packet = packets[index];
    const bool is_publish = !packet.malformed && packet.type == PacketType::publish;
    add({.at = at,
         .kind = kind,
         .direction = where,
         .actor = client_of(packet.connection),
         .connection = packet.connection,
         .index = index,
         .type = packet.malformed ? PacketType{} : packet.type,
         .is_flow = is_publish && packet.qos != QoS::at_most_once});
}

std::uint32_t Trace::find_message(std::string_view payload) const {
    return message_slots_.empty() ? no_message : message_slots_[slot_of(payload)];
}

std::uint32_t Trace::add_packet(Instant at, ConnectionNumber connection, Direction direction,
                                Bytes packet_bytes, ProtocolVersion version) {
    Bytes rest = packet_bytes;
    const auto frame = wire::take_frame(rest, recorded_packet_size_bytes_max, version);
    const bool is_whole = frame && frame.value();
    return add_packet(at, connection, direction, packet_bytes, is_whole ? &*frame.value() : nullptr,
                      version);
}

std::uint32_t Trace::add_packet(Instant at, ConnectionNumber connection, Direction direction,
                                Bytes packet_bytes, const wire::Frame* frame,
                                ProtocolVersion version) {
    TracedPacket packet;
    packet.connection = connection;
    packet.direction = direction;
    packet.sent_at = at;
    packet.first_byte = static_cast<std::uint32_t>(bytes.size());
    packet.size_bytes = static_cast<std::uint32_t>(packet_bytes.size());
    append(bytes, packet_bytes);
    packet.malformed = frame == nullptr || !fill(packet, *this, *frame, version);
    packets.push_back(std::move(packet));
    return static_cast<std::uint32_t>(packets.size() - 1);
}

Duration Trace::elapsed(Actor actor, Instant from, Instant to) const {
    const auto clock = clocks.find(actor);
    if (clock == clocks.end()) return to - from;
    return clock->second.elapsed(from, to);
}

Instant Trace::instant_after(Actor actor, Instant from, Duration span) const {
    const auto clock = clocks.find(actor);
    if (clock == clocks.end()) return from + span;
    return clock->second.when_steady_shows(clock->second.steady_at(from) + span);
}

wire::Frame Trace::frame_of(const TracedPacket& packet) const {
    CHECK(!packet.malformed);
    Bytes rest = bytes_of(packet);
    // The version only decides how strict a Remaining Length is judged; it has been.
    const auto frame =
        wire::take_frame(rest, recorded_packet_size_bytes_max, ProtocolVersion::v3_1_1);
    return *frame.value();
}

void StreamRecorder::on_sent(Trace& trace, Instant at, ConnectionNumber connection,
                             Direction direction, Bytes bytes, ProtocolVersion& version) {
    if (!partial_.empty()) {
        append(partial_, bytes);
        bytes = partial_;
    }
    Bytes rest = bytes;
    const auto record = [&](Bytes packet, const wire::Frame* frame) {
        framed_bytes_ += packet.size();
        // Behind what is no packet there may be something that looks like one.
        const auto index =
            frame == nullptr ? trace.add_packet(at, connection, direction, packet, version)
                             : trace.add_packet(at, connection, direction, packet, frame, version);
        underway_.push_back({framed_bytes_, index});
        trace.add_packet_entry(at, TraceEntry::Kind::sent, opposite(direction), index);
        return index;
    };
    while (!rest.empty()) {
        const Bytes before = rest;
        if (unreadable_) {
            record(rest, nullptr);
            rest = {};
            break;
        }
        const auto frame = wire::take_frame(rest, recorded_packet_size_bytes_max, version);
        if (!frame) {
            unreadable_ = true;
            continue;
        }
        if (!frame.value()) break;
        const auto index = record(before.first(before.size() - rest.size()), &*frame.value());
        if (trace.packets[index].malformed) unreadable_ = true;
        if (frame.value()->type != PacketType::connect) continue;
        // Copied by add_packet, so the version outlives `bytes`.
        if (const auto connect = wire::decode_connect(*frame.value())) {
            version = connect.value().version;
        }
    }
    partial_ = Buffer{rest.begin(), rest.end()};
}

void StreamRecorder::on_taken(Trace& trace, Instant at, Direction direction,
                              std::size_t size_bytes) {
    taken_bytes_ += size_bytes;
    while (!underway_.empty() && underway_.front().end <= taken_bytes_) {
        const auto index = underway_.front().packet;
        underway_.pop_front();
        trace.packets[index].arrived_at = at;
        trace.add_packet_entry(at, TraceEntry::Kind::arrived, direction, index);
    }
}

std::string label_of(std::string_view payload) {
    constexpr std::size_t label_size_max = 40;
    const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
    if (payload.size() <= label_size_max && std::ranges::all_of(payload, is_plain)) {
        return std::string{payload};
    }
    return fmt::format("({} bytes)", payload.size());
}

std::string describe(const Trace& trace, const TracedPacket& packet) {
    if (packet.malformed) return fmt::format("{} bytes that are no packet", packet.size_bytes);
    std::string text{wire::name_of(packet.type)};
    if (packet.packet_id != 0) text += fmt::format(" id={}", packet.packet_id);
    switch (packet.type) {
        case PacketType::connect: {
            const auto connect = wire::decode_connect(trace.frame_of(packet)).value();
            text += fmt::format(" '{}' {}{}", connect.client_id, version_text(connect.version),
                                connect.clean_start ? " clean" : "");
            if (connect.keep_alive_s != 0)
                text += fmt::format(" keep-alive={}", connect.keep_alive_s);
            if (connect.will) text += fmt::format(" will='{}'", connect.will->topic);
            break;
        }
        case PacketType::connack:
            if (packet.session_present) text += " session-present";
            break;
        case PacketType::publish: describe_publish(text, trace, packet); break;
        case PacketType::subscribe:
        case PacketType::unsubscribe:
        case PacketType::puback:
        case PacketType::pubrec:
        case PacketType::pubrel:
        case PacketType::pubcomp:
        case PacketType::suback:
        case PacketType::unsuback:
        case PacketType::pingreq:
        case PacketType::pingresp:
        case PacketType::disconnect:
        case PacketType::auth: break;
    }
    if (packet.reason != ReasonCode::success) text += fmt::format(" {}", name_of(packet.reason));
    return text;
}

}  // namespace touchstone::simulator
