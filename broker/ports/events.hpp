// The port for what an operator or a program wants to hear about clients. Only asked for when
// somebody listens, so it costs nothing otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/access/origin.hpp"
#include "broker/base/disconnect_reason.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/mqtt.hpp"

namespace touchstone {

/// Valid during the call.
struct ClientEvent {
    std::string_view client_id;
    std::optional<std::string_view> user_name;
    access::PeerAddress address;
    std::uint16_t listener_port = 0;
    ProtocolVersion version = ProtocolVersion::v3_1_1;
    std::uint16_t keep_alive_s = 0;
    bool clean_start = false;
    std::uint32_t session_expiry_s = 0;
    QoS qos = QoS::at_least_once;  // to be published with
};

/// Effects. What is published about them comes back by Broker::on_publish, in a later input.
class Events {
public:
    virtual void on_connected(const ClientEvent& client) = 0;
    virtual void on_disconnected(const ClientEvent& client, DisconnectReason reason) = 0;

protected:
    ~Events() = default;
};

}  // namespace touchstone
