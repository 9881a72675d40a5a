// Client: one client as the Broker's tables know it: a session, its subscriptions, its deadlines.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "broker/access/access_memory.hpp"
#include "broker/access/mountpoint.hpp"
#include "broker/access/origin.hpp"
#include "broker/access/token_bucket.hpp"
#include "broker/router/subscriber_list.hpp"
#include "broker/session/session.hpp"

namespace touchstone {

/// When a time of so many seconds is over; 0xFFFFFFFF: never (v5 §3.1.2.11.2).
[[nodiscard]] inline Instant after_s(Instant from, std::uint32_t seconds) {
    constexpr std::uint32_t never_expires_s = 0xFFFF'FFFF;
    return seconds == never_expires_s ? never : from + std::chrono::seconds{seconds};
}

/// What few clients have.
struct Identity {
    std::optional<std::string> user_name;
    access::Mountpoint mountpoint;
    std::string authentication_method;                   // of CONNECT (v5 §4.12); empty: none
    std::optional<access::TokenBucket> publish_bucket;   // publish_limit
    Instant paused_until{};                              // by it
    std::optional<access::AccessMemory> access_memory;   // enable_acl_cache
};

struct Client : SubscriberBase {
    Client(std::string client_id, const access::Zone& zone)
        : session{std::move(client_id), zone} {}

    Session session;
    std::uint64_t publisher = 0;  // hash of the Client Identifier, for No Local
    // Of its connection, or of the last one.
    access::ListenerIndex listener;
    access::PeerAddress address;
    std::unique_ptr<Identity> identity;

    [[nodiscard]] Identity& made_identity() {
        if (!identity) identity = std::make_unique<Identity>();
        return *identity;
    }
    [[nodiscard]] const access::Mountpoint* mountpoint() const {
        return identity && !identity->mountpoint.prefix().empty() ? &identity->mountpoint : nullptr;
    }
    std::uint32_t slot = 0;       // in the Broker's table
    bool retry_is_timed = false;
    Instant ends_at = never;      // detached: when the session expires
    Instant will_due_at = never;  // detached: when the Will Message is published
};

/// How long a client that has a Keep Alive may be silent.
[[nodiscard]] inline Duration keep_alive_limit(const Client& client) {
    const auto backoff_permille = client.session.zone().policy.keep_alive_backoff_permille;
    return std::chrono::milliseconds{2 * backoff_permille} *
           client.session.terms().keep_alive_s;  // [MQTT-3.1.2-22]
}

}  // namespace touchstone
