// What a Control Packet does to a Network Connection, for every pair of state and packet.
#pragma once

#include <cstdint>
#include <optional>

#include "broker/base/check.hpp"
#include "broker/wire/types.hpp"

namespace touchstone {

enum class ConnectionState : std::uint8_t {
    awaiting_connect,  // opened, no CONNECT yet
    authenticating,    // CONNECT has come, its answer takes an exchange of AUTH (v5 §4.12)
    connected,         // CONNECT was accepted
    closed,            // over: nothing may arrive
};

struct Step {
    ConnectionState next;
    std::optional<ReasonCode> error;  // with next == closed: why
};

/// Every pair is decided here. `version` is that of the connection; any before CONNECT.
[[nodiscard]] inline Step on_packet(ConnectionState state, wire::PacketType type, ProtocolVersion version) {
    using enum wire::PacketType;
    constexpr Step protocol_error{ConnectionState::closed, ReasonCode::protocol_error};
    constexpr Step stays{ConnectionState::connected, std::nullopt};
    switch (state) {
        case ConnectionState::awaiting_connect:
            if (type != connect) return protocol_error;  // [MQTT-3.1.0-1]
            return stays;
        case ConnectionState::authenticating:
            if (type == auth) return {ConnectionState::authenticating, std::nullopt};
            if (type == disconnect) return {ConnectionState::closed, std::nullopt};
            return protocol_error;  // [MQTT-3.1.2-30]
        case ConnectionState::connected:
            switch (type) {
                case connect: return protocol_error;  // [MQTT-3.1.0-2]
                case publish:
                case puback:
                case pubrec:
                case pubrel:
                case pubcomp:
                case subscribe:
                case unsubscribe:
                case pingreq: return stays;
                case disconnect: return {ConnectionState::closed, std::nullopt};
                case auth:  // reserved before v5
                    if (version != ProtocolVersion::v5)
                        return {ConnectionState::closed, ReasonCode::malformed_packet};
                    return stays;
                case connack:
                case suback:
                case unsuback:
                case pingresp: return protocol_error;  // only servers send them (§2.1.2)
            }
            UNREACHABLE();
        case ConnectionState::closed: UNREACHABLE();  // The driver delivers nothing after close.
    }
    UNREACHABLE();
}

}  // namespace touchstone
