// What a driver may hand to a core: a file can say anything, and what no driver gives would end the
// process at a CHECK of the core. Judged before it is handed in.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <tuple>

#include "broker/access/node_rules.hpp"
#include "broker/ports/authentication.hpp"
#include "broker/ports/peers.hpp"

namespace touchstone::simulator {

/// Instants that can be added to and taken from each other: a few hundred thousand years of them.
[[nodiscard]] bool is_usable(Instant instant);

/// As the settings of an operator are when they have been read (broker/settings).
/// `has_authentication`: somebody can be asked about clients.
[[nodiscard]] bool are_usable(const access::NodeRules& rules, bool has_authentication);

/// A message that clients can be sent.
[[nodiscard]] bool is_usable(const MessageRef& message);

[[nodiscard]] bool is_usable(const AuthenticationAnswer& answer);

[[nodiscard]] bool is_usable(const access::Origin& origin);

/// What the other shards of a node have told one.
class PeerLetters {
public:
    PeerLetters(unsigned shard_count, bool has_storage)
        : shard_count_{shard_count},
          has_storage_{has_storage} {}

    /// Whether the other shard may say that now. It counts as said.
    [[nodiscard]] bool take(ShardIndex from, const PeerMessage& message);

private:
    using Route = std::tuple<ShardIndex, std::string, std::string>;  // filter, Share Name

    [[nodiscard]] bool may_have(const PeerReceipt& receipt) const;

    unsigned shard_count_;
    bool has_storage_;
    std::set<Route> routes_;
    std::set<ShardIndex> recovered_;
};

}  // namespace touchstone::simulator
