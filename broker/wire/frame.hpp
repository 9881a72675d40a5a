// Framing: where one Control Packet ends and the next begins (§2.1).
#pragma once

#include <optional>

#include "broker/base/bytes.hpp"
#include "broker/wire/types.hpp"

namespace touchstone::wire {

/// One whole Control Packet. The view lives as long as the input it was taken from.
struct Frame {
    PacketType type;
    std::uint8_t flags;      // bits 3..0 of the Fixed Header; checked by the packet's decoder
    Bytes body;              // Variable Header and Payload: Remaining Length bytes
    std::size_t size_bytes;  // with the Fixed Header, as Maximum Packet Size counts it
    Bytes packet{};          // all of it, as it came; empty when it is not at hand
};

/// Takes a Control Packet off the front of `input`; nothing (and `input` unchanged) while it is
/// not complete.
/// Errors, found as soon as the Fixed Header shows them: malformed_packet for type 0, for type 15
/// before MQTT 5.0 (`version`), and for a Remaining Length that does not end within four bytes or,
/// from MQTT 5.0 on, is not the shortest encoding [MQTT-1.5.5-1]; packet_too_large for more than
/// `size_bytes_max` in all, before the rest of the packet has arrived.
Result<std::optional<Frame>> take_frame(Bytes& input, std::uint32_t size_bytes_max,
                                        ProtocolVersion version);

/// take_frame for what most packets are: complete, and with a Remaining Length of one byte. Nothing,
/// and `input` unchanged, when take_frame has to look.
inline std::optional<Frame> take_short_frame(Bytes& input, std::uint32_t size_bytes_max) {
    if (input.size() < 2) return std::nullopt;
    const auto first = std::to_integer<unsigned>(input[0]);
    const auto remaining_length = std::to_integer<unsigned>(input[1]);
    const std::size_t size_bytes = 2 + remaining_length;
    const auto type = static_cast<PacketType>(first >> 4U);
    const bool is_for_all_versions = type >= PacketType::connect && type < PacketType::auth;
    if (remaining_length > 0x7F || size_bytes > input.size() || size_bytes > size_bytes_max ||
        !is_for_all_versions)
        return std::nullopt;
    const auto packet = input.first(size_bytes);
    input = input.subspan(size_bytes);
    return Frame{.type = type,
                 .flags = static_cast<std::uint8_t>(first & 0x0FU),
                 .body = packet.subspan(2),
                 .size_bytes = size_bytes,
                 .packet = packet};
}

/// How long the Control Packet at the front of `input` will be in all, in bytes; nothing while
/// its Fixed Header is incomplete or wrong. Tells a driver how large a buffer to get.
std::optional<std::size_t> announced_size_bytes(Bytes input);

}  // namespace touchstone::wire
