// Why a Network Connection ended, as it is counted, logged and published: a closed set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/base/reason_code.hpp"

namespace touchstone {

// name, what happened
#define TOUCHSTONE_DISCONNECT_REASONS(X)                                                           \
    X(normal)               /* the client sent DISCONNECT */                                       \
    X(closed)               /* the peer ended the connection without DISCONNECT */                 \
    X(etimedout)            /* the peer did not take what was sent */                              \
    X(einval)               /* the connection was gone when something was to be sent */            \
    X(keepalive_timeout)    /* silence for one and a half times the Keep Alive */                  \
    X(idle_timeout)         /* no CONNECT in time */                                               \
    X(proto_unexpected_c)   /* a second CONNECT */                                                 \
    X(discarded)            /* a new connection of the client, with a new session */               \
    X(takeovered)           /* a new connection of the client took the session */                  \
    X(malformed_packet)                                                                            \
    X(protocol_error)                                                                              \
    X(frame_too_large)                                                                             \
    X(receive_maximum_exceeded)                                                                    \
    X(topic_alias_invalid)                                                                         \
    X(topic_name_invalid)                                                                          \
    X(topic_filter_invalid)                                                                        \
    X(not_supported)        /* a feature that CONNACK had excluded */                              \
    X(not_authorized)                                                                              \
    X(quota_exceeded)                                                                              \
    X(bad_username_or_password)                                                                    \
    X(banned)                                                                                      \
    X(server_busy)                                                                                 \
    X(server_unavailable)                                                                          \
    X(client_identifier_not_valid)                                                                 \
    X(unsupported_protocol_version)                                                                \
    X(bad_authentication_method)                                                                   \
    X(kicked)               /* by an operator */                                                   \
    X(server_shutdown)                                                                             \
    X(internal_error)

enum class DisconnectReason : std::uint8_t {
#define TOUCHSTONE_DISCONNECT_REASON(name) name,
    TOUCHSTONE_DISCONNECT_REASONS(TOUCHSTONE_DISCONNECT_REASON)
#undef TOUCHSTONE_DISCONNECT_REASON
        count_of_reasons,
};

inline constexpr auto disconnect_reason_count =
    static_cast<std::size_t>(DisconnectReason::count_of_reasons);

[[nodiscard]] std::string_view name_of(DisconnectReason reason);

/// The reason that an error found in a packet is counted under.
[[nodiscard]] DisconnectReason disconnect_reason_of(ReasonCode code);

}  // namespace touchstone
