// PUBLISH and its acknowledgements (§3.3 – §3.7).
#include "broker/wire/codec.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::wire {

namespace {

constexpr unsigned flag_dup = 0x08;
constexpr unsigned qos_shift = 1;
constexpr unsigned qos_mask = 0x03;
constexpr unsigned flag_retain = 0x01;

/// The flags of PUBLISH's Fixed Header (§3.3.1).
Result<void> take_publish_flags(unsigned flags, ProtocolVersion version, Publish& packet) {
    const auto qos = flags >> qos_shift & qos_mask;
    if (qos == 3) return ReasonCode::malformed_packet;  // [MQTT-3.3.1-4]
    packet.qos = static_cast<QoS>(qos);
    packet.dup = (flags & flag_dup) != 0;
    packet.retain = (flags & flag_retain) != 0;
    if (packet.dup && packet.qos == QoS::at_most_once) {
        // [MQTT-3.3.1-2]. MQTT 3.1 gives the bit a meaning only for the other levels.
        if (version != ProtocolVersion::v3_1) return ReasonCode::protocol_error;
        packet.dup = false;
    }
    return boost::outcome_v2::success();
}

/// Errors: protocol_error. The standard names no code for a wildcard; the packet was parsed and
/// found to hold what is not allowed, which is a Protocol Error by §4.13 (topic_name_invalid is for
/// a correctly formed name that is not accepted).
Result<void> check_topic(const Publish& packet) {
    if (packet.topic.empty()) {
        // [MQTT-4.7.3-1], §3.3.2.1
        if (!packet.properties.has(PropertyId::topic_alias)) return ReasonCode::protocol_error;
        return boost::outcome_v2::success();
    }
    if (has_wildcard(packet.topic)) return ReasonCode::protocol_error;  // [MQTT-3.3.2-2]
    return boost::outcome_v2::success();
}

unsigned publish_flags(const Publish& packet) {
    return (packet.dup ? flag_dup : 0) | static_cast<unsigned>(packet.qos) << qos_shift |
           (packet.retain ? flag_retain : 0);
}

Result<void> read_publish(const Frame& frame, ProtocolVersion version, Sender sender,
                          Publish& packet) {
    auto rest = frame.body;
    BOOST_OUTCOME_TRYV(take_publish_flags(frame.flags, version, packet));
    BOOST_OUTCOME_TRY(packet.topic, take_string(rest));  // [MQTT-3.3.2-1]
    if (packet.qos != QoS::at_most_once) {               // v5 [MQTT-2.2.1-2], v3.1.1 [MQTT-2.3.1-5]
        BOOST_OUTCOME_TRY(packet.packet_id, take_packet_id(rest));
    }
    BOOST_OUTCOME_TRY(packet.properties,
                      take_properties(rest, PacketType::publish, version, sender));
    BOOST_OUTCOME_TRYV(check_topic(packet));
    packet.payload = rest;
    return boost::outcome_v2::success();
}

}  // namespace

Result<Publish> decode_publish(const Frame& frame, ProtocolVersion version, Sender sender) {
    CHECK(frame.type == PacketType::publish);
    // Read into the result itself: to copy a packet right after its fields were written costs as
    // much as to decode it.
    Result<Publish> packet{boost::outcome_v2::in_place_type<Publish>};
    const auto read = read_publish(frame, version, sender, packet.assume_value());
    if (!read.has_value()) packet = read.error();
    return packet;
}

void encode(Buffer& to, const Publish& packet, ProtocolVersion version) {
    encode_head(to, packet, version);
    // Not by resize and copy, which would write a long payload's memory twice.
    to.insert(to.end(), packet.payload.begin(), packet.payload.end());
}

bool fits_remaining_length(const Publish& packet, ProtocolVersion version) {
    const auto properties = version == ProtocolVersion::v5 ? packet.properties.raw().size() : 0;
    // With the longest Property Length there is: most packets need no closer look.
    const auto most = 2 + packet.topic.size() + 2 + 4 + properties + packet.payload.size();
    if (most <= variable_byte_integer_max) return true;
    if (properties > variable_byte_integer_max) return false;
    return 2 + packet.topic.size() + (packet.qos == QoS::at_most_once ? 0U : 2U) +
               properties_size_bytes(packet.properties, version) + packet.payload.size() <=
           variable_byte_integer_max;
}

void encode_head(Buffer& to, const Publish& packet, ProtocolVersion version) {
    const bool has_packet_id = packet.qos != QoS::at_most_once;
    CHECK(packet.packet_id.has_value() == has_packet_id);  // [MQTT-2.2.1-2]
    const auto length = length_prefixed_size_bytes(packet.topic.size()) +
                        (has_packet_id ? 2U : 0U) +
                        properties_size_bytes(packet.properties, version) + packet.payload.size();
    Writer writer{to, PacketType::publish, publish_flags(packet), length, packet.payload.size()};
    writer.put_string(packet.topic);
    if (has_packet_id) writer.put_u16(packet.packet_id->raw());
    if (version == ProtocolVersion::v5) writer.put_properties(packet.properties);
}

Result<Ack> decode_ack(const Frame& frame, ProtocolVersion version, Sender sender) {
    CHECK(frame.type >= PacketType::puback && frame.type <= PacketType::pubcomp);
    BOOST_OUTCOME_TRYV(check_flags(frame, version));
    auto rest = frame.body;
    BOOST_OUTCOME_TRY(const auto packet_id, take_packet_id(rest));
    Ack packet{.packet_id = packet_id};
    if (version == ProtocolVersion::v5 && !rest.empty()) {  // short forms: §3.4.2.1, §3.4.2.2.1
        BOOST_OUTCOME_TRYV(take_reason(rest, frame.type, sender, packet.reason));
        if (!rest.empty()) {
            BOOST_OUTCOME_TRY(packet.properties,
                              take_properties(rest, frame.type, version, sender));
        }
    }
    BOOST_OUTCOME_TRYV(check_end(rest));
    return packet;
}

void encode(Buffer& to, PacketType type, const Ack& packet, ProtocolVersion version) {
    CHECK(type >= PacketType::puback && type <= PacketType::pubcomp);
    const bool has_properties = version == ProtocolVersion::v5 && !packet.properties.empty();
    const bool has_reason =
        version == ProtocolVersion::v5 && (has_properties || packet.reason != ReasonCode::success);
    const auto length = 2 + (has_reason ? 1U : 0U) +
                        (has_properties ? properties_size_bytes(packet.properties, version) : 0U);
    Writer writer{to, type, reserved_flags(type), length};
    writer.put_u16(packet.packet_id.raw());
    if (has_reason) writer.put_u8(static_cast<std::uint8_t>(packet.reason));
    if (has_properties) writer.put_properties(packet.properties);
}

}  // namespace touchstone::wire
