// A Will Message as the client left it (§3.1.2.5, v5 §3.1.3.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/base/bytes.hpp"
#include "broker/base/mqtt.hpp"

namespace touchstone {

struct StoredWill {
    std::string topic;
    Buffer payload;
    Buffer properties;  // those that travel with the message
    QoS qos = QoS::at_most_once;
    bool retain = false;
    std::uint32_t delay_s = 0;
    std::optional<std::uint32_t> message_expiry_s;

    friend bool operator==(const StoredWill&, const StoredWill&) = default;
};

}  // namespace touchstone
