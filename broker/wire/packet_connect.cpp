// CONNECT and CONNACK (§3.1, §3.2).
#include "broker/wire/codec.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::wire {

namespace {

// Connect Flags (§3.1.2.3)
constexpr unsigned flag_user_name = 0x80;
constexpr unsigned flag_password = 0x40;
constexpr unsigned flag_will_retain = 0x20;
constexpr unsigned will_qos_shift = 3;
constexpr unsigned will_qos_mask = 0x03U << will_qos_shift;
constexpr unsigned flag_will = 0x04;
constexpr unsigned flag_clean_start = 0x02;
constexpr unsigned flag_reserved = 0x01;

struct Protocol {
    std::string_view name;
    ProtocolVersion version;
};
constexpr Protocol protocols[] = {
    {"MQIsdp", ProtocolVersion::v3_1},
    {"MQTT", ProtocolVersion::v3_1_1},
    {"MQTT", ProtocolVersion::v5},
};

std::string_view protocol_name(ProtocolVersion version) {
    return version == ProtocolVersion::v3_1 ? "MQIsdp" : "MQTT";
}

/// Takes Protocol Name and Protocol Version. The name is compared byte by byte, so whether it is
/// well-formed UTF-8 does not matter: any other one is another protocol's.
Result<ProtocolVersion> take_protocol(Bytes& input) {
    BOOST_OUTCOME_TRY(const auto name, take_binary(input));
    BOOST_OUTCOME_TRY(const auto raw_version, take_u8(input));
    for (const auto& protocol : protocols) {
        if (as_text(name) == protocol.name &&
            raw_version == static_cast<unsigned>(protocol.version))
            return protocol.version;
    }
    return ReasonCode::unsupported_protocol_version;  // [MQTT-3.1.2-1], [MQTT-3.1.2-2]
}

/// Errors: malformed_packet. MQTT 3.1 ignores the bits that mean nothing.
Result<void> check_connect_flags(unsigned flags, ProtocolVersion version) {
    const bool has_will = (flags & flag_will) != 0;
    // v5 [MQTT-3.1.2-12], v3.1.1 [MQTT-3.1.2-14]
    if (has_will && (flags & will_qos_mask) == will_qos_mask) return ReasonCode::malformed_packet;
    // v3.1.1 [MQTT-3.1.2-22]; MQTT 3.1 §3.1 says the same, MQTT 5.0 allows it.
    const bool has_lone_password = (flags & flag_password) != 0 && (flags & flag_user_name) == 0;
    if (version != ProtocolVersion::v5 && has_lone_password) return ReasonCode::malformed_packet;

    if (version == ProtocolVersion::v3_1) return boost::outcome_v2::success();
    if ((flags & flag_reserved) != 0) return ReasonCode::malformed_packet;  // [MQTT-3.1.2-3]
    // v5 [MQTT-3.1.2-11], [MQTT-3.1.2-13]; v3.1.1 [MQTT-3.1.2-13], [MQTT-3.1.2-15]
    if (!has_will && (flags & (will_qos_mask | flag_will_retain)) != 0)
        return ReasonCode::malformed_packet;
    return boost::outcome_v2::success();
}

/// The Will fields of the payload; there by their flag (v5 [MQTT-3.1.2-9], v3.1.1 the same).
Result<Will> take_will(Bytes& input, unsigned flags, ProtocolVersion version) {
    Will will;
    will.qos = static_cast<QoS>((flags & will_qos_mask) >> will_qos_shift);
    will.retain = (flags & flag_will_retain) != 0;
    if (version == ProtocolVersion::v5) {
        BOOST_OUTCOME_TRY(will.properties,
                          Properties::take(input, PropertyPlace::will, Sender::client));
    }
    BOOST_OUTCOME_TRY(will.topic, take_string(input));  // v5 [MQTT-3.1.3-11], v3.1.1 -10
    // [MQTT-4.7.0-1], [MQTT-4.7.3-1]: not a Topic Name, so a Protocol Error; topic_name_invalid is
    // for one that is correctly formed and not accepted (§3.2.2.2).
    if (!is_topic_name(will.topic)) return ReasonCode::protocol_error;
    BOOST_OUTCOME_TRY(will.payload, take_binary(input));
    return will;
}

Result<void> take_credentials(Bytes& input, unsigned flags, Connect& packet) {
    // MQTT 3.1 §3.1: the Remaining Length wins, a flag whose string is missing has to be allowed.
    const auto is_missing = [&input, version = packet.version] {
        return version == ProtocolVersion::v3_1 && input.empty();
    };
    if ((flags & flag_user_name) != 0 && !is_missing()) {
        // v5 [MQTT-3.1.2-17], [MQTT-3.1.3-12]; v3.1.1 [MQTT-3.1.2-19], [MQTT-3.1.3-11]
        BOOST_OUTCOME_TRY(packet.user_name, take_string(input));
    }
    if ((flags & flag_password) != 0 && !is_missing()) {
        BOOST_OUTCOME_TRY(packet.password, take_binary(input));  // v5 [MQTT-3.1.2-19], v3.1.1 -21
    }
    return boost::outcome_v2::success();
}

unsigned connect_flags(const Connect& packet) {
    unsigned flags = 0;
    if (packet.clean_start) flags |= flag_clean_start;
    if (packet.user_name.has_value()) flags |= flag_user_name;
    if (packet.password.has_value()) flags |= flag_password;
    if (packet.will.has_value()) {
        flags |= flag_will | static_cast<unsigned>(packet.will->qos) << will_qos_shift;
        if (packet.will->retain) flags |= flag_will_retain;
    }
    return flags;
}

std::size_t remaining_length(const Connect& packet) {
    const auto version = packet.version;
    constexpr std::size_t version_flags_and_keep_alive_bytes = 4;
    auto length = length_prefixed_size_bytes(protocol_name(version).size()) +
                  version_flags_and_keep_alive_bytes +
                  properties_size_bytes(packet.properties, version) +
                  length_prefixed_size_bytes(packet.client_id.size());
    if (packet.will.has_value()) {
        length += properties_size_bytes(packet.will->properties, version) +
                  length_prefixed_size_bytes(packet.will->topic.size()) +
                  length_prefixed_size_bytes(packet.will->payload.size());
    }
    if (packet.user_name.has_value())
        length += length_prefixed_size_bytes(packet.user_name->size());
    if (packet.password.has_value()) length += length_prefixed_size_bytes(packet.password->size());
    return length;
}

/// Takes a v3 CONNACK return code into the Reason Code that says the same (v3.1.1 §3.2.2.3, table
/// 3.1).
Result<void> take_return_code(Bytes& input, ReasonCode& reason) {
    BOOST_OUTCOME_TRY(const auto raw, take_u8(input));
    for (const auto code : {ReasonCode::success, ReasonCode::unsupported_protocol_version,
                            ReasonCode::client_identifier_not_valid, ReasonCode::server_unavailable,
                            ReasonCode::bad_user_name_or_password, ReasonCode::not_authorized}) {
        if (connack_return_code(code) != raw) continue;
        reason = code;
        return boost::outcome_v2::success();
    }
    return ReasonCode::protocol_error;  // 6 … 255 are reserved
}

}  // namespace

Result<Connect> decode_connect(const Frame& frame) {
    CHECK(frame.type == PacketType::connect);
    auto rest = frame.body;
    Connect packet;
    BOOST_OUTCOME_TRY(packet.version, take_protocol(rest));
    const auto version = packet.version;
    BOOST_OUTCOME_TRYV(check_flags(frame, version));
    BOOST_OUTCOME_TRY(const unsigned flags, take_u8(rest));
    BOOST_OUTCOME_TRYV(check_connect_flags(flags, version));
    packet.clean_start = (flags & flag_clean_start) != 0;
    BOOST_OUTCOME_TRY(packet.keep_alive_s, take_u16(rest));
    BOOST_OUTCOME_TRY(packet.properties,
                      take_properties(rest, PacketType::connect, version, Sender::client));
    // §3.1.2.11.10
    if (packet.properties.has(PropertyId::authentication_data) &&
        !packet.properties.has(PropertyId::authentication_method))
        return ReasonCode::protocol_error;

    // The order of the payload is laid down: v5 [MQTT-3.1.3-1], v3.1.1 the same.
    BOOST_OUTCOME_TRY(packet.client_id, take_string(rest));  // [MQTT-3.1.3-3], [MQTT-3.1.3-4]
    if ((flags & flag_will) != 0) {
        BOOST_OUTCOME_TRY(packet.will, take_will(rest, flags, version));
    }
    BOOST_OUTCOME_TRYV(take_credentials(rest, flags, packet));
    // Fields without their flag: v5 [MQTT-3.1.2-16], [MQTT-3.1.2-18]; v3.1.1 -18, -20.
    BOOST_OUTCOME_TRYV(check_end(rest));
    return packet;
}

void encode(Buffer& to, const Connect& packet) {
    const auto version = packet.version;
    Writer writer{to, PacketType::connect, 0, remaining_length(packet)};
    writer.put_string(protocol_name(version));
    writer.put_u8(static_cast<std::uint8_t>(version));
    writer.put_u8(static_cast<std::uint8_t>(connect_flags(packet)));
    writer.put_u16(packet.keep_alive_s);
    if (version == ProtocolVersion::v5) writer.put_properties(packet.properties);
    writer.put_string(packet.client_id);
    if (packet.will.has_value()) {
        if (version == ProtocolVersion::v5) writer.put_properties(packet.will->properties);
        writer.put_string(packet.will->topic);
        writer.put_binary(packet.will->payload);
    }
    if (packet.user_name.has_value()) writer.put_string(*packet.user_name);
    if (packet.password.has_value()) writer.put_binary(*packet.password);
}

Result<Connack> decode_connack(const Frame& frame, ProtocolVersion version) {
    CHECK(frame.type == PacketType::connack);
    BOOST_OUTCOME_TRYV(check_flags(frame, version));
    auto rest = frame.body;
    Connack packet;
    BOOST_OUTCOME_TRY(const unsigned flags, take_u8(rest));
    if (version != ProtocolVersion::v3_1) {  // where the byte is reserved and not used
        if (flags > 1) return ReasonCode::malformed_packet;  // v5 [MQTT-3.2.2-1], v3.1.1 §3.2.2.1
        packet.session_present = flags == 1;
    }
    if (version == ProtocolVersion::v5) {
        BOOST_OUTCOME_TRYV(take_reason(rest, PacketType::connack, Sender::server, packet.reason));
    } else {
        BOOST_OUTCOME_TRYV(take_return_code(rest, packet.reason));
    }
    // v5 [MQTT-3.2.2-6], v3.1.1 [MQTT-3.2.2-4]
    if (packet.session_present && packet.reason != ReasonCode::success)
        return ReasonCode::protocol_error;
    BOOST_OUTCOME_TRY(packet.properties,
                      take_properties(rest, PacketType::connack, version, Sender::server));
    BOOST_OUTCOME_TRYV(check_end(rest));
    return packet;
}

void encode(Buffer& to, const Connack& packet, ProtocolVersion version) {
    const auto length = 2 + properties_size_bytes(packet.properties, version);
    const bool shows_session_present = version != ProtocolVersion::v3_1 && packet.session_present;
    Writer writer{to, PacketType::connack, 0, length};
    writer.put_u8(shows_session_present ? 1 : 0);
    if (version == ProtocolVersion::v5) {
        writer.put_u8(static_cast<std::uint8_t>(packet.reason));
        writer.put_properties(packet.properties);
    } else {
        writer.put_u8(connack_return_code(packet.reason));
    }
}

}  // namespace touchstone::wire
