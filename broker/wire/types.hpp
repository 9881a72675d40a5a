// Values of the wire with rules of their own.
#pragma once

#include <compare>
#include <cstdint>

#include "broker/base/mqtt.hpp"
#include "broker/base/result.hpp"

namespace touchstone::wire {

/// The Control Packet types (§2.1.2). 0 is forbidden; 15 is forbidden before MQTT 5.0.
enum class PacketType : std::uint8_t {
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    unsubscribe = 10,
    unsuback = 11,
    pingreq = 12,
    pingresp = 13,
    disconnect = 14,
    auth = 15,
};

/// Who sent a Control Packet: some Reason Codes and Properties are allowed to one side only.
/// `anyone` leaves such rules out.
enum class Sender : std::uint8_t { client, server, anyone };

/// Packet Identifier (§2.2.1): names a flow until it completes. Never zero.
class PacketId {
public:
    /// Errors: protocol_error when `raw` is 0 (v5 [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-1]).
    static Result<PacketId> from_wire(std::uint16_t raw) {
        if (raw == 0) return ReasonCode::protocol_error;
        return PacketId{raw};
    }
    [[nodiscard]] constexpr std::uint16_t raw() const { return raw_; }
    friend constexpr auto operator<=>(PacketId, PacketId) = default;

private:
    explicit constexpr PacketId(std::uint16_t raw) : raw_{raw} {}
    std::uint16_t raw_;
};

/// The largest Variable Byte Integer (§1.5.5).
inline constexpr std::uint32_t variable_byte_integer_max = (1U << 28U) - 1;
/// The largest Control Packet: 5 bytes of Fixed Header and the largest Remaining Length (§2.1.4).
inline constexpr std::uint32_t packet_size_bytes_max = variable_byte_integer_max + 5;

}  // namespace touchstone::wire
