// Data representation (§1.5). Cursor functions: `take_…` reads at the front of a view and moves it
// on; `put_…` appends to a buffer. A `take_…` that fails leaves its input unchanged.
#pragma once

#include <cstdint>
#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/wire/types.hpp"

namespace touchstone::wire {

/// Errors of all `take_…`: malformed_packet when the input is too short or ill-formed.
inline Result<std::uint8_t> take_u8(Bytes& input) {
    if (input.empty()) return ReasonCode::malformed_packet;
    const auto value = static_cast<std::uint8_t>(input.front());
    input = input.subspan(1);
    return value;
}

/// Two Byte Integer (§1.5.2), big-endian.
inline Result<std::uint16_t> take_u16(Bytes& input) {
    if (input.size() < 2) return ReasonCode::malformed_packet;
    const auto high = std::to_integer<unsigned>(input[0]);
    const auto low = std::to_integer<unsigned>(input[1]);
    input = input.subspan(2);
    return static_cast<std::uint16_t>(high << 8U | low);
}

/// Four Byte Integer (§1.5.3), big-endian.
Result<std::uint32_t> take_u32(Bytes& input);
/// Variable Byte Integer (§1.5.5). Also an error: more than four bytes, or not the shortest form.
Result<std::uint32_t> take_variable_byte_integer(Bytes& input);

/// Binary Data (§1.5.6).
inline Result<Bytes> take_binary(Bytes& input) {
    auto rest = input;
    BOOST_OUTCOME_TRY(const auto size, take_u16(rest));
    if (rest.size() < size) return ReasonCode::malformed_packet;
    input = rest.subspan(size);
    return rest.first(size);
}

/// UTF-8 Encoded String (§1.5.4). Also an error: ill-formed UTF-8, surrogates, U+0000
/// ([MQTT-1.5.4-1], [MQTT-1.5.4-2]). The discouraged characters pass.
Result<std::string_view> take_string(Bytes& input);

/// Packet Identifier. Also an error: protocol_error for 0.
inline Result<PacketId> take_packet_id(Bytes& input) {
    auto rest = input;
    BOOST_OUTCOME_TRY(const auto raw, take_u16(rest));
    BOOST_OUTCOME_TRY(const auto packet_id, PacketId::from_wire(raw));
    input = rest;
    return packet_id;
}

void put_u8(Buffer& to, std::uint8_t value);
void put_u16(Buffer& to, std::uint16_t value);
void put_u32(Buffer& to, std::uint32_t value);
/// `value` is at most variable_byte_integer_max.
void put_variable_byte_integer(Buffer& to, std::uint32_t value);
/// `text` is at most 65,535 bytes.
void put_string(Buffer& to, std::string_view text);
/// `bytes` is at most 65,535 bytes.
void put_binary(Buffer& to, Bytes bytes);

/// How many bytes put_variable_byte_integer would append: 1 … 4.
[[nodiscard]] constexpr std::size_t variable_byte_integer_size_bytes(std::uint32_t value) {
    if (value < 1U << 7U) return 1;
    if (value < 1U << 14U) return 2;
    if (value < 1U << 21U) return 3;
    return 4;
}

/// Whether `text` may be a UTF-8 Encoded String: well-formed, no surrogates, no U+0000 (§1.5.4).
[[nodiscard]] bool is_utf8_string(std::string_view text);

}  // namespace touchstone::wire
