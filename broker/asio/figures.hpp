// What a shard's driver counts: plain integers, read by its own thread when somebody asks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/base/counters.hpp"
#include "broker/transport/tls_session.hpp"
#include "broker/transport/upgrade.hpp"

namespace touchstone::asio_driver {

// name, what happened
#define TOUCHSTONE_REFUSALS(X)                                                                     \
    X(address_not_allowed)    /* the listener's list does not let it in */                         \
    X(listener_full)          /* far above the connections of the listener */                      \
    X(node_full)              /* far above those of the node */                                    \
    X(proxy_header_malformed) /* the PROXY header is wrong or missing */                           \
    X(proxy_header_timeout)   /* it did not come in time */                                        \
    X(tls_handshake_timeout)                                                                       \
    X(upgrade_timeout) /* the request for a WebSocket did not come in time */                      \
    X(left)            /* the peer went away before the first byte of MQTT */                      \
    X(lost_in_move)    /* no place for its descriptor: the limit was lowered meanwhile */

/// Why a connection ended before the core was told of it, besides tls_alert and upgrade refusals:
/// a closed set.
enum class Refusal : std::uint8_t {
#define TOUCHSTONE_REFUSAL(name) name,
    TOUCHSTONE_REFUSALS(TOUCHSTONE_REFUSAL)
#undef TOUCHSTONE_REFUSAL
        count_of_refusals,
};
inline constexpr auto refusal_count = static_cast<std::size_t>(Refusal::count_of_refusals);
inline constexpr std::array<std::string_view, refusal_count> refusal_names{
#define TOUCHSTONE_REFUSAL(name) #name,
    TOUCHSTONE_REFUSALS(TOUCHSTONE_REFUSAL)
#undef TOUCHSTONE_REFUSAL
};

/// What the driver itself counts.
struct DriverFigures {
    std::uint64_t turns = 0;
    std::uint64_t accepted = 0;
    std::uint64_t accept_pauses = 0;       // descriptors or memory had run out
    std::uint64_t accept_rate_pauses = 0;  // connections came faster than the listener takes them
    std::uint64_t read_rate_pauses = 0;    // a connection sent faster than the listener takes it
    std::uint64_t output_pauses = 0;       // a connection was not read: too much is owed to it
    std::uint64_t send_timeouts = 0;       // connections closed because output did not move
    std::uint64_t moved_here = 0;          // connections from the shard that accepted them
    std::uint64_t moves_refused = 0;       // connections whose shard had no descriptor left
    std::uint64_t move_pauses = 0;         // times the system took no more descriptors
    std::uint64_t letter_pauses = 0;       // times it read nobody: another shard was behind
    std::uint64_t letter_bytes = 0;        // memory of what other shards have not taken from here
    std::uint64_t peer_messages = 0;       // taken from other shards
    std::uint64_t sockets = 0;             // now open, those being closed included
    std::uint64_t own_descriptors = 0;     // now open in a table of the shard's own; 0: has none
    std::uint64_t output_bytes = 0;        // memory that now holds unwritten output
    std::uint64_t output_bytes_most = 0;   // ever
    double cpu_s = 0;                      // of the shard's thread

    std::array<std::uint64_t, refusal_count> refused{};
    std::uint64_t handshakes_full = 0;
    std::uint64_t handshakes_resumed = 0;
    std::array<std::uint64_t, transport::tls_alert_count> tls_alerts{};  // failed handshakes
    std::uint64_t upgrades = 0;
    std::array<std::uint64_t, transport::upgrade_refusal_count> upgrades_refused{};
    std::uint64_t web_text_frames = 0;      // WebSockets closed with 1003
    std::uint64_t web_protocol_errors = 0;  // with 1002
};

struct ShardFigures {
    Counters counters;
    Gauges gauges;
    DriverFigures driver;
};

}  // namespace touchstone::asio_driver
