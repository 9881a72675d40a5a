// What a Control Packet does to a Network Connection, for every pair of state and packet.
#pragma once

#include <cstdint>
#include <optional>

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
[[nodiscard]] Step on_packet(ConnectionState state, wire::PacketType type, ProtocolVersion version);

}  // namespace touchstone
