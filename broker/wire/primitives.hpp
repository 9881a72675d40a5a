// Data representation (§1.5). Cursor functions: `take_…` reads at the front of a view and moves it
// on; `put_…` appends to a buffer. A `take_…` that fails leaves its input unchanged.
#pragma once

#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/wire/types.hpp"

namespace touchstone::wire {

/// Errors of all `take_…`: malformed_packet when the input is too short or ill-formed.
Result<std::uint8_t> take_u8(Bytes& input);
/// Two Byte Integer (§1.5.2), big-endian.
Result<std::uint16_t> take_u16(Bytes& input);
/// Four Byte Integer (§1.5.3), big-endian.
Result<std::uint32_t> take_u32(Bytes& input);
/// Variable Byte Integer (§1.5.5). Also an error: more than four bytes, or not the shortest form.
Result<std::uint32_t> take_variable_byte_integer(Bytes& input);
/// UTF-8 Encoded String (§1.5.4). Also an error: ill-formed UTF-8, surrogates, U+0000
/// ([MQTT-1.5.4-1], [MQTT-1.5.4-2]). The discouraged characters pass.
Result<std::string_view> take_string(Bytes& input);
/// Binary Data (§1.5.6).
Result<Bytes> take_binary(Bytes& input);
/// Packet Identifier. Also an error: protocol_error for 0.
Result<PacketId> take_packet_id(Bytes& input);

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
[[nodiscard]] std::size_t variable_byte_integer_size_bytes(std::uint32_t value);

/// Whether `text` may be a UTF-8 Encoded String: well-formed, no surrogates, no U+0000 (§1.5.4).
[[nodiscard]] bool is_utf8_string(std::string_view text);

}  // namespace touchstone::wire
