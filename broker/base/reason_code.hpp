// The Reason Codes of MQTT 5.0 (§2.4) and their counterparts in MQTT 3.1.1 (§3.2.2.3, §3.9.3).
#pragma once

#include <cstdint>
#include <string_view>

namespace touchstone {

/// §2.4. 0x00 has three names in the standard: Success, Normal disconnection, Granted QoS 0.
enum class ReasonCode : std::uint8_t {
    success = 0x00,
    granted_qos_1 = 0x01,
    granted_qos_2 = 0x02,
    disconnect_with_will_message = 0x04,
    no_matching_subscribers = 0x10,
    no_subscription_existed = 0x11,
    continue_authentication = 0x18,
    re_authenticate = 0x19,
    unspecified_error = 0x80,
    malformed_packet = 0x81,
    protocol_error = 0x82,
    implementation_specific_error = 0x83,
    unsupported_protocol_version = 0x84,
    client_identifier_not_valid = 0x85,
    bad_user_name_or_password = 0x86,
    not_authorized = 0x87,
    server_unavailable = 0x88,
    server_busy = 0x89,
    banned = 0x8A,
    server_shutting_down = 0x8B,
    bad_authentication_method = 0x8C,
    keep_alive_timeout = 0x8D,
    session_taken_over = 0x8E,
    topic_filter_invalid = 0x8F,
    topic_name_invalid = 0x90,
    packet_identifier_in_use = 0x91,
    packet_identifier_not_found = 0x92,
    receive_maximum_exceeded = 0x93,
    topic_alias_invalid = 0x94,
    packet_too_large = 0x95,
    message_rate_too_high = 0x96,
    quota_exceeded = 0x97,
    administrative_action = 0x98,
    payload_format_invalid = 0x99,
    retain_not_supported = 0x9A,
    qos_not_supported = 0x9B,
    use_another_server = 0x9C,
    server_moved = 0x9D,
    shared_subscriptions_not_supported = 0x9E,
    connection_rate_exceeded = 0x9F,
    maximum_connect_time = 0xA0,
    subscription_identifiers_not_supported = 0xA1,
    wildcard_subscriptions_not_supported = 0xA2,
};

/// Codes from 0x80 on report a failure (§2.4).
[[nodiscard]] constexpr bool is_failure(ReasonCode code) {
    return static_cast<std::uint8_t>(code) >= 0x80;
}

/// Whether `raw` is one of the 43 codes of §2.4.
[[nodiscard]] bool is_reason_code(std::uint8_t raw);

/// The code's name in snake_case, as in logs, metrics and reports: "packet_too_large".
[[nodiscard]] std::string_view name_of(ReasonCode code);

/// The CONNACK return code of MQTT 3.1 and 3.1.1 (§3.2.2.3, table 3.1) that says the same, or 3
/// (server unavailable) where that version has no word for it.
[[nodiscard]] std::uint8_t connack_return_code(ReasonCode code);

}  // namespace touchstone
