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

/// The flags of a Fixed Header that is not PUBLISH's: reserved, with a value laid down
/// (v5 [MQTT-2.1.3-1], v3.1.1 [MQTT-2.2.2-1]). Errors: malformed_packet. MQTT 3.1 has DUP and QoS
/// there and prescribes no reaction, so all values pass.
Result<void> check_flags(const Frame& frame, ProtocolVersion version);

/// Takes the Properties of a packet of `type`, which are there from MQTT 5.0 on.
Result<Properties> take_properties(Bytes& input, PacketType type, ProtocolVersion version,
                                   Sender sender = Sender::anyone);

/// Takes a Reason Code of a v5 packet of `type` into `reason` (a Result<ReasonCode> could not tell
/// it from an error). Errors: malformed_packet when `input` is empty, protocol_error for a code
/// that `sender` may not put there.
Result<void> take_reason(Bytes& input, PacketType type, Sender sender, ReasonCode& reason);

/// Errors: malformed_packet when bytes are left: an inner length and the Remaining Length disagree.
Result<void> check_end(Bytes rest);

// Sending --------------------------------------------------------------------------------------

/// Writes a packet whose size is known into memory that is there already: no growing, no checks of
/// capacity between the fields.
class Writer {
public:
    /// Appends a packet to `to`: its Fixed Header now, `remaining_length` bytes by the calls that
    /// follow. Of these the last `sent_separately_bytes` are not written at all (encode_head).
    Writer(Buffer& to, PacketType type, unsigned flags, std::size_t remaining_length,
           std::size_t sent_separately_bytes = 0);
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
    void put_variable_byte_integer(std::uint32_t value);
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
std::size_t length_prefixed_size_bytes(std::size_t bytes);

/// What put_properties takes in `version`: nothing before MQTT 5.0.
std::size_t properties_size_bytes(const Properties& properties, ProtocolVersion version);

}  // namespace touchstone::wire
