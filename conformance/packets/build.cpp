#include "conformance/packets/build.hpp"

namespace touchstone::conformance {

namespace {

constexpr std::uint8_t first_byte_of(PacketType type, std::uint8_t flags = 0) {
    return static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4U) | flags);
}

/// §2.1.3: PUBREL, SUBSCRIBE and UNSUBSCRIBE have bit 1 set.
constexpr std::uint8_t flags_of(PacketType type) {
    const bool has_bit_1 = type == PacketType::pubrel || type == PacketType::subscribe ||
                           type == PacketType::unsubscribe;
    return has_bit_1 ? 0x02 : 0x00;
}

std::uint32_t connect_flags_of(const ConnectFields& fields) {
    std::uint32_t flags = 0;
    if (fields.clean_start) flags |= 0x02U;
    if (fields.will.has_value()) {
        flags |= 0x04U | static_cast<std::uint32_t>(fields.will->qos) << 3U;
        if (fields.will->retain) flags |= 0x20U;
    }
    if (fields.password.has_value()) flags |= 0x40U;
    if (fields.user_name.has_value()) flags |= 0x80U;
    return flags;
}

}  // namespace

Draft build_connect(const ConnectFields& fields) {
    const bool is_v5 = fields.version == ProtocolVersion::v5;
    Draft draft{first_byte_of(PacketType::connect)};
    draft.text("protocol_name", fields.version == ProtocolVersion::v3_1 ? "MQIsdp" : "MQTT")
        .byte("protocol_version", static_cast<std::uint32_t>(fields.version))
        .byte("connect_flags", connect_flags_of(fields))
        .u16("keep_alive", fields.keep_alive_s);
    if (is_v5) draft.properties("properties", fields.properties);
    draft.text("client_id", fields.client_id);
    if (fields.will.has_value()) {
        if (is_v5) draft.properties("will_properties", fields.will->properties);
        draft.text("will_topic", fields.will->topic).text("will_payload", fields.will->payload);
    }
    if (fields.user_name.has_value()) draft.text("user_name", *fields.user_name);
    if (fields.password.has_value()) draft.text("password", *fields.password);
    return draft;
}

Draft build_publish(ProtocolVersion version, const PublishFields& fields) {
    std::uint8_t flags = static_cast<std::uint8_t>(static_cast<unsigned>(fields.qos) << 1U);
    if (fields.dup) flags |= 0x08U;
    if (fields.retain) flags |= 0x01U;
    Draft draft{first_byte_of(PacketType::publish, flags)};
    draft.text("topic_name", fields.topic);
    if (fields.qos != QoS::at_most_once) draft.u16("packet_id", fields.packet_id);
    if (version == ProtocolVersion::v5) draft.properties("properties", fields.properties);
    draft.plain("payload", as_bytes(fields.payload));
    return draft;
}

Draft build_acknowledgement(ProtocolVersion version, PacketType type, std::uint16_t packet_id,
                            std::uint8_t reason_code, const Properties& properties) {
    Draft draft{first_byte_of(type, flags_of(type))};
    draft.u16("packet_id", packet_id);
    if (version != ProtocolVersion::v5) return draft;
    if (reason_code != 0 || !properties.empty()) draft.byte("reason_code", reason_code);
    if (!properties.empty()) draft.properties("properties", properties);
    return draft;
}

Draft build_subscribe(ProtocolVersion version, std::uint16_t packet_id,
                      const std::vector<FilterFields>& filters, const Properties& properties) {
    Draft draft{first_byte_of(PacketType::subscribe, flags_of(PacketType::subscribe))};
    draft.u16("packet_id", packet_id);
    if (version == ProtocolVersion::v5) draft.properties("properties", properties);
    for (std::size_t i = 0; i < filters.size(); ++i) {
        draft.text("filter_" + std::to_string(i), filters[i].filter)
            .byte("options_" + std::to_string(i), filters[i].options);
    }
    return draft;
}

Draft build_unsubscribe(ProtocolVersion version, std::uint16_t packet_id,
                        const std::vector<std::string>& filters, const Properties& properties) {
    Draft draft{first_byte_of(PacketType::unsubscribe, flags_of(PacketType::unsubscribe))};
    draft.u16("packet_id", packet_id);
    if (version == ProtocolVersion::v5) draft.properties("properties", properties);
    for (std::size_t i = 0; i < filters.size(); ++i) {
        draft.text("filter_" + std::to_string(i), filters[i]);
    }
    return draft;
}

Draft build_pingreq() {
    return Draft{first_byte_of(PacketType::pingreq)};
}

Draft build_disconnect(ProtocolVersion version, std::uint8_t reason_code,
                       const Properties& properties) {
    Draft draft{first_byte_of(PacketType::disconnect)};
    if (version != ProtocolVersion::v5) return draft;
    if (reason_code != 0 || !properties.empty()) draft.byte("reason_code", reason_code);
    if (!properties.empty()) draft.properties("properties", properties);
    return draft;
}

Draft build_auth(std::uint8_t reason_code, const Properties& properties) {
    Draft draft{first_byte_of(PacketType::auth)};
    draft.byte("reason_code", reason_code).properties("properties", properties);
    return draft;
}

}  // namespace touchstone::conformance
