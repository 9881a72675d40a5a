// Layers: what is between the socket of a connection and the core, where the two do not speak
// plain MQTT with each other: a PROXY header, TLS, WebSocket, a limit of the rate. A connection
// without any of them has none, and is not slowed down by those that have.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "broker/access/origin.hpp"
#include "broker/access/token_bucket.hpp"
#include "broker/asio/listeners.hpp"
#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/transport/proxy_header.hpp"
#include "broker/transport/tls_session.hpp"
#include "broker/transport/upgrade.hpp"
#include "broker/transport/websocket_frames.hpp"

namespace touchstone::asio_driver {

/// What comes before the first byte of MQTT. In this order; a listener has some of them.
enum class PreparationStep : std::uint8_t { proxy_header, handshake, upgrade, answer };

/// Kept until the core is told of the connection.
struct Preparation {
    std::shared_ptr<const ListenerPlan> plan;
    access::Origin origin;
    PreparationStep step = PreparationStep::proxy_header;
    transport::ProxyHeaderReader proxy_header;
    transport::UpgradeReader upgrade;
    Buffer behind_upgrade;  // bytes that came together with the end of the request
};

struct WebSocket {
    transport::FrameReader reader;
    transport::FrameWriter writer;
    /// How the peer has ended it, once everything before was delivered; else more_bytes.
    transport::FrameReader::Taken end;
};

/// How fast a connection may be read.
struct ReadRate {
    access::TokenBucket bucket;
    std::size_t read_bytes_max;  // at a time, so that no pause is longer than filling the bucket
    Instant taken_at;
    Instant paused_until;
};

struct Layers {
    std::unique_ptr<Preparation> preparation;  // null: the core knows the connection
    std::unique_ptr<transport::TlsSession> tls;
    std::unique_ptr<WebSocket> web;
    std::unique_ptr<ReadRate> rate;
    bool reads_when_writable = false;  // TLS has something of its own to say first
    bool has_to_say_goodbye = false;   // close_notify of TLS, behind all output
    bool has_said_goodbye = false;

    /// Whether bytes are changed on their way, so that an end has a form of its own, too.
    [[nodiscard]] bool has_form() const { return tls != nullptr || web != nullptr; }
    [[nodiscard]] bool is_needed() const { return has_form() || rate != nullptr; }
    /// Something is to be sent that is not output of the core.
    [[nodiscard]] bool has_output() const {
        return (web != nullptr && web->writer.has_output()) ||
               (has_to_say_goodbye && !has_said_goodbye);
    }
    /// Ends in good order, once all output is sent.
    void end(transport::CloseCode code) {
        if (web != nullptr) web->writer.close(code);
        has_to_say_goodbye = tls != nullptr;
    }
};

}  // namespace touchstone::asio_driver
