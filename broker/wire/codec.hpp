// What the packets' codecs share. Not for others: packets.hpp is the interface.
#pragma once

#include <cstring>
#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/base/check.hpp"
#include "broker/wire/packets.hpp"
#include "broker/wire/primitives.hpp"

namespace touchstone::wire {

// Receiving ------------------------------------------------------------------------------------

/// The flags of a Fixed Header that is not PUBLISH's: 0010 for requests, 0000 for others (§2.1.3).
[[nodiscard]] constexpr unsigned reserved_flags(PacketType type) {
    const bool is_request = type == PacketType::pubrel || type == PacketType::subscribe ||
                            type == PacketType::unsubscribe;
    return is_request ? 0b0010U : 0b0000U;
}

/// Errors: malformed_packet for other flags than the reserved ones. MQTT 3.1 has DUP and QoS there
/// and prescribes no reaction, so all values pass.
inline Result<void> check_flags(const Frame& frame, ProtocolVersion version) {
    // v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-2]; also v5 [MQTT-3.6.1-1], [MQTT-3.8.1-1],
    // [MQTT-3.10.1-1], [MQTT-3.14.1-1], [MQTT-3.15.1-1].
    if (frame.flags != reserved_flags(frame.type) && version != ProtocolVersion::v3_1)
        return ReasonCode::malformed_packet;
    return boost::outcome_v2::success();
}

/// Takes the Properties of a packet of `type`, which are there from MQTT 5.0 on.
inline Result<Properties> take_properties(Bytes& input, PacketType type, ProtocolVersion version,
                                          Sender sender = Sender::anyone) {
    if (version != ProtocolVersion::v5) return Properties{};
    if (!input.empty() && input.front() == std::byte{0}) {  // Property Length 0, as most are
        input = input.subspan(1);
        return Properties{};
    }
    return Properties::take(input, static_cast<PropertyPlace>(type), sender);
}

/// Takes a Reason Code of a v5 packet of `type` into `reason` (a Result<ReasonCode> could not tell
/// it from an error). Errors: malformed_packet when `input` is empty, protocol_error for a code
/// that `sender` may not put there.
inline Result<void> take_reason(Bytes& input, PacketType type, Sender sender, ReasonCode& reason) {
    BOOST_OUTCOME_TRY(const auto raw, take_u8(input));
    reason = static_cast<ReasonCode>(raw);
    if (!is_allowed(reason, type, sender)) return ReasonCode::protocol_error;
    return boost::outcome_v2::success();
}

/// Errors: malformed_packet when bytes are left: an inner length and the Remaining Length disagree.
inline Result<void> check_end(Bytes rest) {
    if (!rest.empty()) return ReasonCode::malformed_packet;
    return boost::outcome_v2::success();
}

// Sending --------------------------------------------------------------------------------------

/// Writes a packet whose size is known into memory that is there already: no growing, no checks of
/// capacity between the fields.
class Writer {
public:
    /// Appends a packet to `to`: its Fixed Header now, `remaining_length` bytes by the calls that
    /// follow. Of these the last `sent_separately_bytes` are not written at all (encode_head).
    Writer(Buffer& to, PacketType type, unsigned flags, std::size_t remaining_length,
           std::size_t sent_separately_bytes = 0) {
        CHECK(remaining_length <= variable_byte_integer_max);
        const auto length = static_cast<std::uint32_t>(remaining_length);
        const auto size_before = to.size();
        to.resize(size_before + 1 + variable_byte_integer_size_bytes(length) + remaining_length -
                  sent_separately_bytes);
        at_ = to.data() + size_before;
        end_ = to.data() + to.size();
        put_u8(static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags));
        put_variable_byte_integer(length);
    }
    /// Checks that the size was the right one.
    ~Writer() { CHECK(at_ == end_); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void put_u8(std::uint8_t value) { *at_++ = std::byte{value}; }
    void put_u16(std::uint16_t value) {
        put_u8(static_cast<std::uint8_t>(value >> 8U));
        put_u8(static_cast<std::uint8_t>(value & 0xFFU));
    }
    void put_raw(Bytes bytes) {
        if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }
    void put_binary(Bytes bytes) {
        put_u16(static_cast<std::uint16_t>(bytes.size()));
        put_raw(bytes);
    }
    void put_string(std::string_view text) { put_binary(as_bytes(text)); }
    void put_variable_byte_integer(std::uint32_t value) {
        while (value > 0x7F) {
            put_u8(static_cast<std::uint8_t>((value & 0x7FU) | 0x80U));
            value >>= 7U;
        }
        put_u8(static_cast<std::uint8_t>(value));
    }
    /// Property Length and Properties.
    void put_properties(const Properties& properties) {
        put_variable_byte_integer(static_cast<std::uint32_t>(properties.raw().size()));
        put_raw(properties.raw());
    }

private:
    std::byte* at_;
    std::byte* end_;
};

/// What put_string or put_binary takes. `bytes` is at most 65,535.
inline std::size_t length_prefixed_size_bytes(std::size_t bytes) {
    CHECK(bytes <= 65'535);  // §1.5.4, §1.5.6: the length is two bytes
    return 2 + bytes;
}

/// What put_properties takes in `version`: nothing before MQTT 5.0.
inline std::size_t properties_size_bytes(const Properties& properties, ProtocolVersion version) {
    if (version != ProtocolVersion::v5) return 0;
    const auto size = properties.raw().size();
    CHECK(size <= variable_byte_integer_max);
    return variable_byte_integer_size_bytes(static_cast<std::uint32_t>(size)) + size;
}

}  // namespace touchstone::wire
