// Words of the MQTT standard that every part of the core needs.
#pragma once

#include <cstdint>

namespace touchstone {

/// The Protocol Version byte of CONNECT (v5 §3.1.2.2).
enum class ProtocolVersion : std::uint8_t { v3_1 = 3, v3_1_1 = 4, v5 = 5 };

/// §4.3.
enum class QoS : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

[[nodiscard]] constexpr QoS min(QoS a, QoS b) {
    return a < b ? a : b;
}

[[nodiscard]] constexpr QoS max(QoS a, QoS b) {
    return a < b ? b : a;
}

}  // namespace touchstone
