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

std::optional<std::string> unmet_need(const Needs& requested, const Declaration& declaration) {
    const auto lacks = [](const char* what, const char* field) {
        return std::string{"nobody says "} + what + "; in a file for --broker: " + field;
    };
    if (requested.credentials && !declaration.refuses_others) {
        return lacks("which users the broker knows", "guarded { credentials: … }");
    }
    if (requested.forbidden_topic && !declaration.forbidden_topic.has_value()) {
        return lacks("which topic the broker refuses", "guarded { forbidden_topic: … }");
    }
    if (requested.scram_sha_256 && !declaration.scram_sha_256.has_value()) {
        return lacks("which user may authenticate by SCRAM-SHA-256",
                     "guarded { scram_sha_256: … }");
    }
    if (requested.stops_broker && !declaration.may_be_stopped) {
        return lacks("how the broker is stopped and started", "commands: …");
    }
    return std::nullopt;
}

ConnectFields with_credentials(ConnectFields fields,
                               const std::optional<NameAndPassword>& credentials) {
    if (!credentials.has_value()) return fields;
    fields.user_name = credentials->user_name;
    fields.password = credentials->password;
    return fields;
}

}  // namespace touchstone::conformance
