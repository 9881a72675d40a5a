// What an operator may set, and the limits of the core, each with its unit and reason. Passed in,
// so that a test can make them tiny: with 12 Packet Identifiers reuse bugs show at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "broker/base/instant.hpp"
#include "broker/base/mqtt.hpp"

namespace touchstone {

struct Settings {
    // --- Network Connections -------------------------------------------------------------------
    /// Longest Control Packet taken, announced as Maximum Packet Size. Bounds what a peer can make
    /// us buffer before it has proven anything.
    std::uint32_t packet_size_bytes_max = 1'048'576;
    /// From the opening of the Network Connection to its CONNECT (§3.1.4).
    Duration connect_timeout = std::chrono::seconds{15};
    /// Keep Alive of clients that ask for none or for more, announced as Server Keep Alive
    /// (§3.2.2.3.14); 0 leaves it to the client.
    std::uint16_t keep_alive_s_max = 0;
    /// Bytes handed to a driver and not yet written, per connection. Above it a session's messages
    /// wait in its queue, so a slow reader costs bounded memory.
    std::size_t unwritten_bytes_max = 256 * 1024;

    // --- Flows ---------------------------------------------------------------------------------
    /// QoS 1 and 2 messages sent to a client and not yet acknowledged. A v5 client's Receive Maximum
    /// lowers it.
    std::uint16_t inflight_max = 32;
    /// QoS 1 and 2 messages a client may have unacknowledged, announced as Receive Maximum.
    std::uint16_t receive_maximum = 100;
    /// Resend an unacknowledged packet on a live connection after this time; 0 never does, which is
    /// what MQTT 5.0 demands [MQTT-4.4.0-1]. Applies to MQTT 3.1 and 3.1.1 only.
    Duration retry_interval = Duration::zero();
    /// Messages waiting for a session beyond those in flight; 0 keeps none.
    std::uint32_t queue_messages_max = 1'000;
    /// Bytes of those messages, so that few large ones are bounded as well.
    std::size_t queue_bytes_max = 64 * 1024 * 1024;
    /// Whether QoS 0 messages wait for a client that is away (freedom of §4.1, v5 §3.1.2.4).
    bool queue_qos_0_offline = false;
    /// The largest Packet Identifier the server uses; the standard's bound is 65,535.
    std::uint16_t packet_id_max = 65'535;

    // --- Sessions ------------------------------------------------------------------------------
    /// Longest Session Expiry Interval granted, in seconds; 0xFFFFFFFF: never expires.
    std::uint32_t session_expiry_s_max = 0xFFFF'FFFF;
    /// Life of a v3 session with Clean Session 0 after its connection closed, in seconds. Those
    /// versions know no expiry.
    std::uint32_t session_expiry_s_v3 = 0xFFFF'FFFF;
    /// Subscriptions of one session.
    std::uint32_t subscriptions_max = 100'000;

    // --- Topics --------------------------------------------------------------------------------
    /// Topic Aliases a client may use, announced as Topic Alias Maximum (§3.2.2.3.8).
    std::uint16_t topic_alias_max = 64;
    /// Topic Aliases the server uses towards a client that allows them (§3.1.2.11.5): the first topics
    /// of a connection get one each.
    std::uint16_t topic_alias_max_outgoing = 16;
    /// Levels of a Topic Name or Topic Filter. Bounds the depth of the index.
    std::uint16_t topic_levels_max = 128;
    /// Retained Messages kept by the node.
    std::uint32_t retained_messages_max = 1'000'000;

    // --- Features, announced in CONNACK ----------------------------------------------------------
    QoS maximum_qos = QoS::exactly_once;
    bool retain_available = true;
    bool wildcard_subscription_available = true;
    bool subscription_identifier_available = true;
    bool shared_subscription_available = true;
    /// Response Information given to a client that asks for it (§3.2.2.3.15): this, the Client
    /// Identifier and a slash. Empty: none is given.
    std::string response_topic_prefix;
};

}  // namespace touchstone
