#include "broker/wire/codec.hpp"

namespace touchstone::wire {

namespace {

/// §2.1.3, table 2-2.
unsigned reserved_flags(PacketType type) {
    const bool is_request = type == PacketType::pubrel || type == PacketType::subscribe ||
                            type == PacketType::unsubscribe;
    return is_request ? 0b0010U : 0b0000U;
}

}  // namespace

Result<void> check_flags(const Frame& frame, ProtocolVersion version) {
    if (version == ProtocolVersion::v3_1) return boost::outcome_v2::success();
    // v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2]; also v5 [MQTT-3.6.1-1], [MQTT-3.8.1-1],
    // [MQTT-3.10.1-1], [MQTT-3.14.1-1], [MQTT-3.15.1-1].
    if (frame.flags != reserved_flags(frame.type)) return ReasonCode::malformed_packet;
    return boost::outcome_v2::success();
}

Result<Properties> take_properties(Bytes& input, PacketType type, ProtocolVersion version,
                                   Sender sender) {
    if (version != ProtocolVersion::v5) return Properties{};
    return Properties::take(input, static_cast<PropertyPlace>(type), sender);
}

Result<void> take_reason(Bytes& input, PacketType type, Sender sender, ReasonCode& reason) {
    BOOST_OUTCOME_TRY(const auto raw, take_u8(input));
    reason = static_cast<ReasonCode>(raw);
    if (!is_allowed(reason, type, sender)) return ReasonCode::protocol_error;
    return boost::outcome_v2::success();
}

Result<void> check_end(Bytes rest) {
    if (!rest.empty()) return ReasonCode::malformed_packet;
    return boost::outcome_v2::success();
}

Writer::Writer(Buffer& to, PacketType type, unsigned flags, std::size_t remaining_length,
               std::size_t sent_separately_bytes) {
    CHECK(remaining_length <= variable_byte_integer_max);
    const auto length = static_cast<std::uint32_t>(remaining_length);
    const auto size_before = to.size();
    const auto size_after = size_before + 1 + variable_byte_integer_size_bytes(length) +
                            remaining_length - sent_separately_bytes;
    to.resize(size_after);
    at_ = to.data() + size_before;
    end_ = to.data() + size_after;
    put_u8(static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags));
    put_variable_byte_integer(length);
}

void Writer::put_variable_byte_integer(std::uint32_t value) {
    while (value > 0x7F) {
        put_u8(static_cast<std::uint8_t>((value & 0x7FU) | 0x80U));
        value >>= 7U;
    }
    put_u8(static_cast<std::uint8_t>(value));
}

std::size_t length_prefixed_size_bytes(std::size_t bytes) {
    CHECK(bytes <= 65'535);  // §1.5.4, §1.5.6: the length is two bytes
    return 2 + bytes;
}

std::size_t properties_size_bytes(const Properties& properties, ProtocolVersion version) {
    if (version != ProtocolVersion::v5) return 0;
    const auto size = properties.raw().size();
    CHECK(size <= variable_byte_integer_max);
    return variable_byte_integer_size_bytes(static_cast<std::uint32_t>(size)) + size;
}

}  // namespace touchstone::wire
