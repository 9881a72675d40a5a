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
};

/// Takes a Control Packet off the front of `input`; nothing (and `input` unchanged) while it is
/// not complete.
/// Errors, found as soon as the Fixed Header shows them: malformed_packet for type 0, for type 15
/// before MQTT 5.0 (`version`), and for a Remaining Length that does not end within four bytes or,
/// from MQTT 5.0 on, is not the shortest encoding [MQTT-1.5.5-1]; packet_too_large for more than
/// `size_bytes_max` in all, before the rest of the packet has arrived.
Result<std::optional<Frame>> take_frame(Bytes& input, std::uint32_t size_bytes_max,
                                        ProtocolVersion version);

/// How long the Control Packet at the front of `input` will be in all, in bytes; nothing while
/// its Fixed Header is incomplete or wrong. Tells a driver how large a buffer to get.
std::optional<std::size_t> announced_size_bytes(Bytes input);

}  // namespace touchstone::wire
