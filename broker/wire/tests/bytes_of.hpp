// Packets of tests, written as the standard prints them: bytes in hex, a word per field.
#pragma once

#include <concepts>
#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/wire/primitives.hpp"

namespace touchstone::wire {

/// A UTF-8 Encoded String or Binary Data: two bytes of length, then `text`.
struct Prefixed {
    std::string_view text;
};

inline void put_part(Buffer& to, std::integral auto byte) {
    put_u8(to, static_cast<std::uint8_t>(byte));
}
inline void put_part(Buffer& to, std::string_view text) {
    append(to, as_bytes(text));
}
inline void put_part(Buffer& to, const Buffer& bytes) {
    append(to, bytes);
}
inline void put_part(Buffer& to, Prefixed prefixed) {
    put_string(to, prefixed.text);
}

/// Bytes, texts and Prefixed texts in a row.
template <class... Part>
Buffer bytes_of(const Part&... part) {
    Buffer to;
    (put_part(to, part), ...);
    return to;
}

/// A Control Packet: first byte, the Remaining Length that fits, and the rest.
template <class... Part>
Buffer packet_of(std::integral auto first_byte, const Part&... part) {
    const auto body = bytes_of(part...);
    Buffer to;
    put_part(to, first_byte);
    put_variable_byte_integer(to, static_cast<std::uint32_t>(body.size()));
    append(to, body);
    return to;
}

/// Property Length and Properties.
template <class... Part>
Buffer properties_of(const Part&... part) {
    const auto body = bytes_of(part...);
    Buffer to;
    put_variable_byte_integer(to, static_cast<std::uint32_t>(body.size()));
    append(to, body);
    return to;
}

}  // namespace touchstone::wire
