#include "conformance/suite/needs.hpp"

namespace touchstone::conformance {

std::optional<std::string> unmet_need(const Needs& requested, const Capabilities& capabilities,
                                      ProtocolVersion version) {
    const bool is_v5 = version == ProtocolVersion::v5;
    if (is_v5 && !capabilities.speaks_v5) return "the broker does not speak MQTT 5.0";
    if (!is_v5 && !capabilities.speaks_v3_1_1) return "the broker does not speak MQTT 3.1.1";
    // What follows is announced in a CONNACK of 5.0. A broker that also speaks 3.1.1 has the same
    // limits there; one that does not speak 5.0 announces nothing, and the defaults hold.
    if (requested.qos_min > capabilities.maximum_qos) {
        return "Maximum QoS of the broker is " + std::to_string(capabilities.maximum_qos);
    }
    if (requested.retain_available && !capabilities.retain_available) {
        return "the broker announces Retain Available 0";
    }
    if (requested.wildcards_available && !capabilities.wildcards_available) {
        return "the broker announces Wildcard Subscription Available 0";
    }
    if (requested.subscription_identifiers_available &&
        !capabilities.subscription_identifiers_available) {
        return "the broker announces Subscription Identifier Available 0";
    }
    if (requested.shared_subscriptions_available && !capabilities.shared_subscriptions_available) {
        return "the broker announces Shared Subscription Available 0";
    }
    if (requested.topic_aliases_min > capabilities.topic_alias_maximum) {
        return "Topic Alias Maximum of the broker is " +
               std::to_string(capabilities.topic_alias_maximum);
    }
    if (requested.session_expiry_s_min > capabilities.session_expiry_s_max) {
        return "the broker shortens the Session Expiry Interval to " +
               std::to_string(capabilities.session_expiry_s_max) + " s";
    }
    if (capabilities.receive_maximum > requested.receive_maximum_max) {
        return "Receive Maximum of the broker is " + std::to_string(capabilities.receive_maximum) +
               ", too many to be exceeded";
    }
    if (requested.has_announced_maximum_packet_size &&
        !capabilities.maximum_packet_size_bytes.has_value()) {
        return "the broker announces no Maximum Packet Size";
    }
    if (requested.has_frames && !capabilities.has_frames) {
        return "the transport is no WebSocket: only --target ws://… and wss://… have frames";
    }
    return std::nullopt;
}

}  // namespace touchstone::conformance
