// Broker: one shard of a node as a function. Inputs are the `on_…` calls, each with the time;
// effects are calls on the ports it was given. It reads no clock, opens no socket, starts no
// thread, and what it does depends on nothing but its inputs in their order.
//
// A node is `shard_count` such objects. Each owns the sessions whose Client Identifier hashes to it
// (owner_of); a connection that belongs elsewhere is moved once its CONNECT is
// known. A shard is used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/node_rules.hpp"
#include "broker/base/counters.hpp"
#include "broker/base/defects.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/settings.hpp"
#include "broker/ports/authentication.hpp"
#include "broker/ports/events.hpp"
#include "broker/ports/network.hpp"
#include "broker/ports/peers.hpp"
#include "broker/ports/random.hpp"
#include "broker/ports/registry.hpp"
#include "broker/ports/storage.hpp"

namespace touchstone {

/// What became of the bytes of one on_bytes.
struct Intake {
    enum class Next : std::uint8_t {
        more_bytes,  // deliver the rest together with what arrives next
        stalled,     // deliver nothing until Network::resume
        gone,        // closed, aborted or moved: the rest is for nobody here
    };
    /// Bytes taken. The driver keeps the others; after Network::move all from `consumed_bytes` on
    /// go to the other shard.
    std::size_t consumed_bytes = 0;
    Next next = Next::more_bytes;
    /// Size of the Control Packet that is incomplete at the end of the bytes, when its Fixed Header
    /// tells; else 0. Never above packet_size_bytes_max.
    std::size_t wanted_bytes = 0;
};

/// A session as seen from outside, for the simulator's checkers and reports.
struct SessionView {
    struct Inflight {
        std::uint16_t packet_id = 0;
        bool released = false;  // PUBREC has come: PUBREL is what is owed
        MessageRef message;     // empty once released
    };
    std::string client_id;
    bool connected = false;
    std::vector<MessageRef> queue;   // oldest first; empty: it is in storage only
    std::vector<std::string> paged;  // the keys of the records of the empty ones, in their order
    std::vector<Inflight> inflight;  // in the order of the first transmission
    std::vector<std::uint16_t>
        unreleased;            // QoS 2 Packet Identifiers of the client awaiting PUBREL
    std::uint16_t window = 0;  // most that may be in flight now
};

class Broker {
public:
    /// Sets of shards are kept as bits of one word.
    static constexpr unsigned shard_count_max = 64;

    /// `self` < `shard_count` <= shard_count_max; below that in a cluster, where the rest of it is
    /// one more peer: gateway().
    struct Options {
        ShardIndex self;
        unsigned shard_count = 1;
        /// In a cluster: tells the nodes apart, below 2^20. Versions of Retained Messages that were
        /// written at the same time are ordered by it.
        unsigned node = 0;
        Defects defects;
        /// With storage: what `now` has to be moved by to be the time since 1970-01-01 UTC, so that
        /// deadlines count on while no process runs.
        Duration wall_offset{};
    };
    /// They outlive the Broker. Without `authentication` the rules name no credentials and no
    /// method; without `events` nobody is told;
    /// without `storage` nothing outlives the Broker; without `registry` the node is no member of a
    /// cluster.
    struct Ports {
        Network& network;
        Peers& peers;
        Random& random;
        Authentication* authentication = nullptr;
        Events* events = nullptr;
        Storage* storage = nullptr;
        Registry* registry = nullptr;
    };
    Broker(std::shared_ptr<const access::NodeRules> rules, Options options, Ports ports);
    /// With access::open_rules(settings).
    Broker(const Settings& settings, Options options, Network& network, Peers& peers,
           Random& random);
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // Recovery: with storage, and before any other input, the driver hands in every record that is
    // stored, in any order, and says that these were all. When those of messages come last
    // (storage::is_of_message), what waits need not be in memory all at once.

    /// False: it cannot be read, because it is damaged or of a later version. The driver sets it
    /// aside; nothing refers to it any more after on_recovered.
    [[nodiscard]] bool on_record(std::string_view key, Bytes value);
    /// Returns the keys of the records that could be read and are of no use, because what they
    /// refer to is missing; the driver sets these aside too. Clients are taken once all shards have
    /// recovered.
    std::vector<std::string> on_recovered(Instant now);

    // Inputs. `now` never goes back.

    /// A Network Connection was opened, or moved here from another shard.
    void on_open(ConnectionId connection, access::Origin origin, Instant now);
    void on_open(ConnectionId connection, Instant now) { on_open(connection, {}, now); }
    /// Bytes of an open connection: those not consumed before and the new ones behind them. `bytes`
    /// need not outlive the call. None: there are some, but they wait until the peer takes what it
    /// is owed; a client that is not heard for this reason is not silent for its Keep Alive.
    Intake on_bytes(ConnectionId connection, Bytes bytes, Instant now);
    /// `size_bytes` of what was sent have left the driver's own buffers.
    void on_written(ConnectionId connection, std::size_t size_bytes, Instant now);
    /// The connection is gone, and not by our doing. `reason`: closed, etimedout or einval.
    void on_close(ConnectionId connection, Instant now,
                  DisconnectReason reason = DisconnectReason::closed);
    /// A message another shard sent here.
    void on_peer(ShardIndex from, PeerMessage message, Instant now);
    /// The answer to Storage::commit.
    void on_stored(BatchNumber number, StorageOutcome outcome, Instant now);
    /// The answer to Storage::read.
    void on_read(ReadNumber number, const ReadAnswer& outcome, Instant now);
    /// Something is due. A call too early does nothing.
    void on_tick(Instant now);
    /// The answer to Authentication::ask.
    void on_authenticated(QuestionNumber number, AuthenticationAnswer answer, Instant now);
    /// The answer to Registry::claim.
    void on_claimed(ClaimNumber number, ClaimAnswer answer, Instant now);
    /// The client is let in at another node: its session here ends, with its connection if it has
    /// one (v5: DISCONNECT 0x8E). Returns what the other node needs when it moves; null when it
    /// ends, or there is none.
    std::shared_ptr<const storage::SessionCopy> on_evicted(std::string_view client_id,
                                                           SessionFate fate, Instant now);
    /// The session becomes part of the one that the client has here; else it is one that is away.
    void on_adopted(const storage::SessionCopy& session, Instant now);
    /// A message of the server's own, for `$SYS` topics.
    void on_publish(const MessageFields& fields, Instant now);
    /// The operator's settings have changed. Zones and listeners keep their places; there may be
    /// more of them. What they forbid now and exists already, stays.
    void on_rules(std::shared_ptr<const access::NodeRules> rules, Instant now);
    /// The node stops: every client is told (v5: DISCONNECT 0x8B) and its connection closed; Wills
    /// are not published (the freedom of v5 §3.1.2.5). Afterwards only on_peer, on_stored and
    /// on_read may follow.
    void on_stop(Instant now);

    /// When on_tick is wanted next; nothing when no time matters. May change with every input.
    [[nodiscard]] std::optional<Instant> next_tick() const;

    // Questions.

    [[nodiscard]] const Counters& counters() const;
    [[nodiscard]] Gauges gauges() const;
    /// Only with a defect switch that stands for what would end a process: it would be gone now.
    /// Nothing but the destructor may follow.
    [[nodiscard]] bool has_crashed() const;
    /// Nothing when this shard has no session of that client.
    [[nodiscard]] std::optional<SessionView> session(std::string_view client_id) const;
    /// What the session of the client has subscribed to, as the client wrote it and as inside the
    /// broker: behind the mountpoint. Nothing when this shard has none.
    [[nodiscard]] std::optional<std::vector<std::string>>
    subscriptions(std::string_view client_id) const;
    /// The Client Identifiers of this shard's sessions, sorted.
    [[nodiscard]] std::vector<std::string> client_ids() const;
    /// The retained message of a topic; empty when there is none.
    [[nodiscard]] MessageRef retained(std::string_view topic) const;

private:
    class Core;
    std::unique_ptr<Core> core_;
};

/// The other nodes of the cluster, as a peer of the shards of this one: it is told of their routes
/// and gets what other nodes are to get, and its routes are those of other nodes.
[[nodiscard]] constexpr ShardIndex gateway(unsigned shard_count) {
    return ShardIndex{shard_count};
}

/// The shard that owns the session of `client_id` on a node of `shard_count` shards.
[[nodiscard]] ShardIndex owner_of(std::string_view client_id, unsigned shard_count);

}  // namespace touchstone
