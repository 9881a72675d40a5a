// NodeRules: all of an operator's settings that the core obeys, as one value. A reload makes another
// one and hands it to every shard (Broker::on_rules); nothing in it ever changes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/access/access_rules.hpp"
#include "broker/access/ban_list.hpp"
#include "broker/access/mountpoint.hpp"
#include "broker/access/origin.hpp"
#include "broker/access/policy.hpp"

namespace touchstone::access {

/// What the core has to know about a listener.
struct ListenerRules {
    std::string name;  // "tcp:external"
    ZoneIndex zone;
    MountpointTemplate mountpoint;
    std::uint16_t port = 0;
};

struct NodeRules {
    NodePolicy policy;
    std::vector<Zone> zones;               // by ZoneIndex, one at least
    std::vector<ListenerRules> listeners;  // by ListenerIndex, one at least
    AccessRules access_rules;
    BanList bans;
    /// Whether there are lists that know clients, so that somebody has to be asked about a CONNECT
    /// (broker/ports/authentication.hpp).
    bool has_credentials = false;
    /// The method of enhanced authentication that is offered (§4.12); empty: none.
    std::string authentication_method;

    [[nodiscard]] const Zone& zone_of(ListenerIndex listener) const {
        return zones[listeners[listener.raw()].zone.raw()];
    }
};

/// One zone and one listener, everybody may do everything: for whoever drives the core without an
/// operator.
[[nodiscard]] std::shared_ptr<const NodeRules> open_rules(const Settings& settings);

}  // namespace touchstone::access
