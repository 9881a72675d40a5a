// SUBSCRIBE, UNSUBSCRIBE and their acknowledgements (§3.8 – §3.11).
#include "broker/wire/codec.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::wire {

namespace {

// Subscription Options (§3.8.3.1)
constexpr unsigned qos_mask = 0x03;
constexpr unsigned flag_no_local = 0x04;
constexpr unsigned flag_retain_as_published = 0x08;
constexpr unsigned retain_handling_shift = 4;
constexpr unsigned retain_handling_mask = 0x03;
constexpr unsigned reserved_mask_v5 = 0xC0;
constexpr unsigned reserved_mask_v3 = 0xFC;

SubscriptionOptions options_of(unsigned raw, ProtocolVersion version) {
    SubscriptionOptions options{.qos = static_cast<QoS>(raw & qos_mask)};
    if (version != ProtocolVersion::v5) return options;
    options.no_local = (raw & flag_no_local) != 0;
    options.retain_as_published = (raw & flag_retain_as_published) != 0;
    options.retain_handling =
        static_cast<std::uint8_t>(raw >> retain_handling_shift & retain_handling_mask);
    return options;
}

std::uint8_t raw_of(const SubscriptionOptions& options, ProtocolVersion version) {
    auto raw = static_cast<unsigned>(options.qos);
    if (version == ProtocolVersion::v5) {
        if (options.no_local) raw |= flag_no_local;
        if (options.retain_as_published) raw |= flag_retain_as_published;
        raw |= static_cast<unsigned>(options.retain_handling) << retain_handling_shift;
    }
    return static_cast<std::uint8_t>(raw);
}

Result<void> check_options_v5(unsigned raw, std::string_view filter) {
    if ((raw & reserved_mask_v5) != 0) return ReasonCode::malformed_packet;  // [MQTT-3.8.3-5]
    if ((raw & qos_mask) == 3) return ReasonCode::protocol_error;            // §3.8.3.1
    if ((raw >> retain_handling_shift & retain_handling_mask) == 3)
        return ReasonCode::protocol_error;  // §3.8.3.1
    if ((raw & flag_no_local) != 0 && is_shared(filter))
        return ReasonCode::protocol_error;  // [MQTT-3.8.3-4]
    return boost::outcome_v2::success();
}

Result<void> check_options_v3(unsigned raw, ProtocolVersion version) {
    // v3.1.1 [MQTT-3.8.3-4]; MQTT 3.1 has no rule for the reserved bits.
    if ((raw & qos_mask) == 3) return ReasonCode::malformed_packet;
    if (version == ProtocolVersion::v3_1_1 && (raw & reserved_mask_v3) != 0)
        return ReasonCode::malformed_packet;
    return boost::outcome_v2::success();
}

/// A Topic Filter: UTF-8 (v5 [MQTT-3.8.3-1], [MQTT-3.10.3-1]; v3.1.1 the same), not empty.
Result<std::string_view> take_filter(Bytes& input) {
    BOOST_OUTCOME_TRY(const auto filter, take_string(input));
    if (filter.empty()) return ReasonCode::protocol_error;  // [MQTT-4.7.3-1]
    return filter;
}

Result<void> take_checked_subscription(Bytes& input, ProtocolVersion version) {
    BOOST_OUTCOME_TRY(const auto filter, take_filter(input));
    BOOST_OUTCOME_TRY(const unsigned raw, take_u8(input));
    if (version == ProtocolVersion::v5) return check_options_v5(raw, filter);
    return check_options_v3(raw, version);
}

/// A string whose bytes were checked before.
std::string_view take_trusted_string(Bytes& trusted) {
    const auto bytes = take_binary(trusted);
    CHECK(bytes.has_value());
    return as_text(bytes.value());
}

/// Packet Identifier and Properties: how the packets of this file begin.
struct Head {
    PacketId packet_id;
    Properties properties;
};

Result<Head> take_head(Bytes& input, const Frame& frame, ProtocolVersion version, Sender sender) {
    BOOST_OUTCOME_TRYV(check_flags(frame, version));
    BOOST_OUTCOME_TRY(const auto packet_id, take_packet_id(input));
    BOOST_OUTCOME_TRY(const auto properties, take_properties(input, frame.type, version, sender));
    return Head{packet_id, properties};
}

/// Writes a packet that is a head and, after it, bytes that are encoded already.
void encode_with_head(Buffer& to, PacketType type, PacketId packet_id, const Properties& properties,
                      Bytes encoded, ProtocolVersion version) {
    const auto length = 2 + properties_size_bytes(properties, version) + encoded.size();
    Writer writer{to, type, reserved_flags(type), length};
    writer.put_u16(packet_id.raw());
    if (version == ProtocolVersion::v5) writer.put_properties(properties);
    writer.put_raw(encoded);
}

/// Whether `raw` may stand in the payload of a SUBACK of `version`.
bool is_suback_code(std::uint8_t raw, ProtocolVersion version) {
    switch (version) {
        case ProtocolVersion::v3_1: return raw <= 2;  // a granted QoS; there is no failure
        case ProtocolVersion::v3_1_1: return raw <= 2 || raw == 0x80;  // v3.1.1 [MQTT-3.9.3-2]
        case ProtocolVersion::v5:                                      // v5 [MQTT-3.9.3-2]
            return is_allowed(static_cast<ReasonCode>(raw), PacketType::suback, Sender::server);
    }
    UNREACHABLE();
}

}  // namespace

Subscription Subscribe::take_entry(Bytes& trusted, ProtocolVersion version) {
    const auto filter = take_trusted_string(trusted);
    const auto raw = take_u8(trusted);
    CHECK(raw.has_value());
    return {.filter = filter, .options = options_of(raw.value(), version)};
}

std::string_view Unsubscribe::take_entry(Bytes& trusted) {
    return take_trusted_string(trusted);
}

Result<Subscribe> decode_subscribe(const Frame& frame, ProtocolVersion version) {
    CHECK(frame.type == PacketType::subscribe);
    auto rest = frame.body;
    BOOST_OUTCOME_TRY(const auto head, take_head(rest, frame, version, Sender::client));
    Subscribe packet{.packet_id = head.packet_id,
                     .properties = head.properties,
                     .entries = rest,
                     .version = version};
    if (rest.empty()) return ReasonCode::protocol_error;  // v5 [MQTT-3.8.3-2], v3.1.1 -3
    for (; !rest.empty(); ++packet.entry_count) {
        BOOST_OUTCOME_TRYV(take_checked_subscription(rest, version));
    }
    return packet;
}

void encode(Buffer& to, const Subscribe& packet, ProtocolVersion version) {
    encode_with_head(to, PacketType::subscribe, packet.packet_id, packet.properties, packet.entries,
                     version);
}

Result<SubscribeAck> decode_suback(const Frame& frame, ProtocolVersion version) {
    CHECK(frame.type == PacketType::suback);
    auto rest = frame.body;
    BOOST_OUTCOME_TRY(const auto head, take_head(rest, frame, version, Sender::server));
    if (rest.empty()) return ReasonCode::protocol_error;  // v5 [MQTT-3.8.4-6], v3.1.1 -5
    for (const auto raw : rest) {
        if (!is_suback_code(static_cast<std::uint8_t>(raw), version))
            return ReasonCode::protocol_error;
    }
    return SubscribeAck{
        .packet_id = head.packet_id, .properties = head.properties, .reasons = rest};
}

void encode_suback(Buffer& to, const SubscribeAck& packet, ProtocolVersion version) {
    encode_with_head(to, PacketType::suback, packet.packet_id, packet.properties, packet.reasons,
                     version);
}

Result<Unsubscribe> decode_unsubscribe(const Frame& frame, ProtocolVersion version) {
    CHECK(frame.type == PacketType::unsubscribe);
    auto rest = frame.body;
    BOOST_OUTCOME_TRY(const auto head, take_head(rest, frame, version, Sender::client));
    Unsubscribe packet{.packet_id = head.packet_id, .properties = head.properties, .entries = rest};
    if (rest.empty()) return ReasonCode::protocol_error;  // [MQTT-3.10.3-2]
    for (; !rest.empty(); ++packet.entry_count) {
        BOOST_OUTCOME_TRYV(take_filter(rest));
    }
    return packet;
}

void encode(Buffer& to, const Unsubscribe& packet, ProtocolVersion version) {
    encode_with_head(to, PacketType::unsubscribe, packet.packet_id, packet.properties,
                     packet.entries, version);
}

Result<SubscribeAck> decode_unsuback(const Frame& frame, ProtocolVersion version) {
    CHECK(frame.type == PacketType::unsuback);
    auto rest = frame.body;
    BOOST_OUTCOME_TRY(const auto head, take_head(rest, frame, version, Sender::server));
    if (version != ProtocolVersion::v5) {
        BOOST_OUTCOME_TRYV(check_end(rest));  // v3.1.1 §3.11.3: no payload
    } else {
        if (rest.empty()) return ReasonCode::protocol_error;  // §3.11.3: one for each filter
        for (const auto raw : rest) {
            const auto code = static_cast<ReasonCode>(raw);
            if (!is_allowed(code, PacketType::unsuback, Sender::server))
                return ReasonCode::protocol_error;  // [MQTT-3.11.3-2]
        }
    }
    return SubscribeAck{
        .packet_id = head.packet_id, .properties = head.properties, .reasons = rest};
}

void encode_unsuback(Buffer& to, const SubscribeAck& packet, ProtocolVersion version) {
    const auto reasons = version == ProtocolVersion::v5 ? packet.reasons : Bytes{};
    encode_with_head(to, PacketType::unsuback, packet.packet_id, packet.properties, reasons,
                     version);
}

void put_subscription(Buffer& entries, const Subscription& subscription, ProtocolVersion version) {
    put_string(entries, subscription.filter);
    put_u8(entries, raw_of(subscription.options, version));
}

}  // namespace touchstone::wire
