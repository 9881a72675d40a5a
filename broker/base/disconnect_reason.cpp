#include "broker/base/disconnect_reason.hpp"

namespace touchstone {

std::string_view name_of(DisconnectReason reason) {
    switch (reason) {
#define TOUCHSTONE_DISCONNECT_REASON(name)                                                         \
    case DisconnectReason::name: return #name;
        TOUCHSTONE_DISCONNECT_REASONS(TOUCHSTONE_DISCONNECT_REASON)
#undef TOUCHSTONE_DISCONNECT_REASON
        case DisconnectReason::count_of_reasons: break;
    }
    return "internal_error";
}

DisconnectReason disconnect_reason_of(ReasonCode code) {
    using enum DisconnectReason;
    switch (code) {
        case ReasonCode::malformed_packet: return malformed_packet;
        case ReasonCode::protocol_error: return protocol_error;
        case ReasonCode::packet_too_large: return frame_too_large;
        case ReasonCode::receive_maximum_exceeded: return receive_maximum_exceeded;
        case ReasonCode::topic_alias_invalid: return topic_alias_invalid;
        case ReasonCode::topic_name_invalid: return topic_name_invalid;
        case ReasonCode::topic_filter_invalid: return topic_filter_invalid;
        case ReasonCode::qos_not_supported:
        case ReasonCode::retain_not_supported:
        case ReasonCode::shared_subscriptions_not_supported:
        case ReasonCode::subscription_identifiers_not_supported:
        case ReasonCode::wildcard_subscriptions_not_supported: return not_supported;
        case ReasonCode::not_authorized: return not_authorized;
        case ReasonCode::quota_exceeded:
        case ReasonCode::message_rate_too_high:
        case ReasonCode::connection_rate_exceeded: return quota_exceeded;
        case ReasonCode::bad_user_name_or_password: return bad_username_or_password;
        case ReasonCode::banned: return banned;
        case ReasonCode::server_busy: return server_busy;
        case ReasonCode::server_unavailable: return server_unavailable;
        case ReasonCode::client_identifier_not_valid: return client_identifier_not_valid;
        case ReasonCode::unsupported_protocol_version: return unsupported_protocol_version;
        case ReasonCode::bad_authentication_method: return bad_authentication_method;
        case ReasonCode::administrative_action: return kicked;
        case ReasonCode::keep_alive_timeout: return keepalive_timeout;
        case ReasonCode::session_taken_over: return takeovered;
        case ReasonCode::server_shutting_down: return server_shutdown;
        default: return internal_error;
    }
}

}  // namespace touchstone
