// Client: one client as the Broker's tables know it: a session, its subscriptions, its deadlines.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "broker/router/subscriber_list.hpp"
#include "broker/session/session.hpp"

namespace touchstone {

struct Client : SubscriberBase {
    explicit Client(std::string client_id) : session{std::move(client_id)} {}

    Session session;
    std::uint64_t publisher = 0;  // hash of the Client Identifier, for No Local
    std::uint32_t slot = 0;       // in the Broker's table
    bool retry_is_timed = false;
    Instant ends_at = never;      // detached: when the session expires
    Instant will_due_at = never;  // detached: when the Will Message is published
};

}  // namespace touchstone
