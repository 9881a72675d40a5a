#include "broker/wire/primitives.hpp"

#include <cstring>

#include "broker/base/check.hpp"

namespace touchstone::wire {

namespace {

std::uint32_t byte_at(Bytes bytes, std::size_t at) {
    return std::to_integer<std::uint32_t>(bytes[at]);
}

/// Size of the well-formed multi-byte character at the front of `text`, 0 when there is none
/// (Unicode, table 3-7). The first byte is 0x80 or above.
std::size_t multibyte_character_size_bytes(const unsigned char* text, std::size_t size) {
    const auto is_between = [text, size](std::size_t at, unsigned low, unsigned high) {
        return at < size && text[at] >= low && text[at] <= high;
    };
    const auto is_continuation = [&is_between](std::size_t at) {
        return is_between(at, 0x80, 0xBF);
    };
    const unsigned lead = text[0];
    if (lead >= 0xC2 && lead <= 0xDF) return is_continuation(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;   // below: overlong
        const unsigned high = lead == 0xED ? 0x9F : 0xBF;  // above: U+D800 … U+DFFF, surrogates
        return is_between(1, low, high) && is_continuation(2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const unsigned low = lead == 0xF0 ? 0x90 : 0x80;   // below: overlong
        const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;  // above: beyond U+10FFFF
        return is_between(1, low, high) && is_continuation(2) && is_continuation(3) ? 4 : 0;
    }
    return 0;
}

}  // namespace

Result<std::uint32_t> take_u32(Bytes& input) {
    if (input.size() < 4) return ReasonCode::malformed_packet;
    const auto value = byte_at(input, 0) << 24U | byte_at(input, 1) << 16U |
                       byte_at(input, 2) << 8U | byte_at(input, 3);
    input = input.subspan(4);
    return value;
}

Result<std::uint32_t> take_variable_byte_integer(Bytes& input) {
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < 4 && at < input.size(); ++at) {
        const auto byte = byte_at(input, at);
        value |= (byte & 0x7FU) << (7 * at);
        if ((byte & 0x80U) != 0) continue;
        if (at > 0 && byte == 0) return ReasonCode::malformed_packet;  // [MQTT-1.5.5-1]
        input = input.subspan(at + 1);
        return value;
    }
    return ReasonCode::malformed_packet;
}

Result<std::string_view> take_string(Bytes& input) {
    auto rest = input;
    BOOST_OUTCOME_TRY(const auto bytes, take_binary(rest));
    const auto text = as_text(bytes);
    // v5 [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-1.5.7-1]; v3.1.1 [MQTT-1.5.3-1], [MQTT-1.5.3-2].
    // MQTT 3.1 prescribes nothing, but its messages are forwarded to clients of later versions.
    if (!is_utf8_string(text)) return ReasonCode::malformed_packet;
    input = rest;
    return text;
}

void put_u8(Buffer& to, std::uint8_t value) {
    to.push_back(std::byte{value});
}

void put_u16(Buffer& to, std::uint16_t value) {
    put_u8(to, static_cast<std::uint8_t>(value >> 8U));
    put_u8(to, static_cast<std::uint8_t>(value & 0xFFU));
}

void put_u32(Buffer& to, std::uint32_t value) {
    put_u16(to, static_cast<std::uint16_t>(value >> 16U));
    put_u16(to, static_cast<std::uint16_t>(value & 0xFFFFU));
}

void put_variable_byte_integer(Buffer& to, std::uint32_t value) {
    CHECK(value <= variable_byte_integer_max);
    while (value > 0x7F) {
        put_u8(to, static_cast<std::uint8_t>((value & 0x7FU) | 0x80U));
        value >>= 7U;
    }
    put_u8(to, static_cast<std::uint8_t>(value));
}

void put_string(Buffer& to, std::string_view text) {
    put_binary(to, as_bytes(text));
}

void put_binary(Buffer& to, Bytes bytes) {
    CHECK(bytes.size() <= 65'535);  // §1.5.4, §1.5.6: the length is two bytes
    put_u16(to, static_cast<std::uint16_t>(bytes.size()));
    append(to, bytes);
}

bool is_utf8_string(std::string_view text) {
    const auto* at = reinterpret_cast<const unsigned char*>(text.data());
    auto size = text.size();
    const auto advance = [&at, &size](std::size_t by) {
        at += by;
        size -= by;
    };
    while (size != 0) {
        // Eight characters 0x01 … 0x7F at once: none has its high bit set, and none is 0, which
        // would borrow and set it.
        if (std::uint64_t word = 0; size >= sizeof word) {
            std::memcpy(&word, at, sizeof word);
            if (((word | (word - 0x0101'0101'0101'0101U)) & 0x8080'8080'8080'8080U) == 0) {
                advance(sizeof word);
                continue;
            }
        }
        if (*at == 0) return false;
        const auto step = *at < 0x80 ? 1 : multibyte_character_size_bytes(at, size);
        if (step == 0) return false;
        advance(step);
    }
    return true;
}

}  // namespace touchstone::wire
