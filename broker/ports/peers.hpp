// The port between shards. Shards share nothing and talk by these messages only; a driver delivers
// them per pair of shards in the order they were sent, each once, after any delay.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>

#include "broker/base/message.hpp"
#include "broker/base/reason_code.hpp"
#include "broker/base/strong.hpp"

namespace touchstone {

/// Orders retained messages of one topic over all shards: the later instant wins, and the shard
/// breaks ties, so every shard ends with the same one. `at` never goes back on a shard.
struct RetainVersion {
    std::int64_t at_us = 0;
    unsigned shard = 0;
    friend constexpr auto operator<=>(const RetainVersion&, const RetainVersion&) = default;
};

/// What a shard that stores wants to hear about a message it sends: PeerStored, once what the
/// message has caused is stored there.
struct PeerReceipt {
    /// Counts up for each pair of shards; 0: no answer is wanted.
    std::uint64_t number = 0;
    /// The sender has stored the message, and sends it again after a crash until it is answered:
    /// who has taken the number, or a higher one, takes it no second time. Otherwise the number is
    /// only for the answer.
    bool is_stored = false;
};

/// A message for the sessions of the receiving shard. One whose RETAIN flag is set goes to every
/// shard, because each keeps its own copy of the retained messages.
struct PeerPublication {
    MessageRef message;
    RetainVersion version;  // meaningful when message->retain()
    PeerReceipt receipt{};
};

/// A message for one member of a Shared Subscription that lives on the receiving shard (§4.8.2).
struct PeerSharedPublication {
    MessageRef message;
    std::string group;        // the Shared Subscription as written: "$share/{share name}/{filter}"
    std::uint64_t tried = 0;  // bit n: shard n had no member that could take it at once
    std::uint64_t busy = 0;   // bit n: shard n had one that is connected and could keep it
    PeerReceipt receipt{};
};

/// The answer to PeerReceipt: what the message has caused here outlives a crash.
struct PeerStored {
    PeerReceipt receipt;
    /// Otherwise: why it cannot be stored for now. Another answer follows when it is.
    ReasonCode refusal = ReasonCode::success;
};

/// A Retained Message, or the removal of one, that the sender has found in its storage.
struct PeerRetained {
    MessageRef message;
    RetainVersion version;
};

/// The sender has told all that it has found in its storage: its routes and Retained Messages came
/// before. A shard takes clients when it has this from all others.
struct PeerRecovered {
    /// The last stored message of the receiver's that the sender has taken (PeerReceipt::number);
    /// 0: none. The receiver gives no number up to it to another one, even if its disk has
    /// forgotten it.
    std::uint64_t last_taken = 0;
};

/// Publications that match `filter` are to be sent to the sender from now on. Answered by
/// PeerRouteAdded with the same sequence.
struct PeerAddRoute {
    std::string filter;
    std::string share_name;  // empty: an ordinary subscription
    std::uint64_t sequence = 0;
};

/// Every publication this shard routes from now on takes the route into account.
struct PeerRouteAdded {
    std::uint64_t sequence = 0;
};

/// The sender has no subscription to `filter` any more.
struct PeerRemoveRoute {
    std::string filter;
    std::string share_name;
};

/// So many of the sender's sessions are members of a Shared Subscription it has a route for; 1
/// before the first of these.
struct PeerGroupSize {
    std::string filter;
    std::string share_name;
    std::uint32_t members = 1;
    bool has_durable = false;  // one of them is of a session that outlives the process
};

/// From the gateway: what clients of the node may do now; success: they may.
struct PeerReadiness {
    ReasonCode publish = ReasonCode::success;
    ReasonCode subscribe = ReasonCode::success;  // and unsubscribe
};

using PeerMessage = std::variant<PeerPublication, PeerSharedPublication, PeerAddRoute,
                                 PeerRouteAdded, PeerRemoveRoute, PeerGroupSize, PeerStored,
                                 PeerRetained, PeerRecovered, PeerReadiness>;

class Peers {
public:
    /// To another shard of this node, never to the sender itself.
    virtual void send(ShardIndex to, PeerMessage message) = 0;

protected:
    ~Peers() = default;
};

}  // namespace touchstone
