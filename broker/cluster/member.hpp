// Member: one node's part in a cluster: the tables that all nodes have a copy of, the way of
// messages to other nodes, one session for each client, and what is done when links break and
// return. A state machine: what its shards, its failure detector and other nodes say, and the time,
// come in; effects go out. Which rules it follows is a model (model.hpp).
//
// To the shards of its node it is the peer gateway(shard_count): it is told of their routes, gets
// what other nodes are to get, and its own routes are those of other nodes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/cluster/agreed_registry.hpp"
#include "broker/cluster/healing.hpp"
#include "broker/cluster/message_log.hpp"
#include "broker/cluster/model.hpp"
#include "broker/cluster/node_messages.hpp"

namespace touchstone::cluster {

struct MemberOptions {
    const ModelRules* rules = nullptr;
    NodeIndex self;
    std::vector<NodeIndex> nodes;         // all, self included, ascending
    std::vector<NodeIndex> replicants{};  // those of `nodes` that are no cores; only Mria has any
    unsigned shard_count = 1;
    Defects defects;
};

/// The effects of a member on its node. They do not call back.
class MemberPort {
public:
    virtual void send(NodeIndex to, NodeMessage message) = 0;
    /// From the gateway, in order with the two below.
    virtual void tell(ShardIndex shard, PeerMessage message) = 0;
    virtual void answer_claim(ShardIndex shard, ClaimNumber number, ClaimAnswer answer) = 0;
    /// Broker::on_evicted where the client's session is; answered by Member::on_evicted.
    virtual void evict(std::uint64_t number, const std::string& client_id, SessionFate fate) = 0;
    /// Broker::on_adopted there.
    virtual void adopt(std::shared_ptr<const storage::SessionCopy> session) = 0;
    /// Disconnects all clients and accepts none.
    virtual void stop_serving() = 0;
    virtual void resume_serving() = 0;
    /// The shards begin anew, with nothing; then Member::on_restarted. The node does not serve.
    virtual void restart() = 0;
    virtual void alarm(std::string text) = 0;
    /// Outlives the process. Only of models that agree on owners, or keep publications.
    [[nodiscard]] virtual AgreementDisk& agreement_disk() = 0;
    /// 64 uniformly distributed bits.
    virtual std::uint64_t random() = 0;
    /// Network Connections of clients at this node.
    [[nodiscard]] virtual std::uint64_t client_count() const = 0;
    /// What the client's session at this node has subscribed to; nothing when there is none.
    [[nodiscard]] virtual std::optional<std::vector<RouteKey>>
    subscriptions_of(const std::string& client_id) const = 0;

protected:
    ~MemberPort() = default;
};

class Member final : private HealingPort, private AgreedRegistry::Port {
public:
    /// `port` and the rules outlive the Member.
    Member(const MemberOptions& options, MemberPort& port);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member() = default;

    /// Once, before all else. No peer is linked yet.
    void on_start(HealingStart how, Instant now);

    // Of the node's own shards.

    void on_shard(ShardIndex from, PeerMessage message, Instant now);
    /// See Registry.
    void on_claim(ShardIndex from, ClaimNumber number, const std::string& client_id,
                  bool clean_start, Instant now);
    void on_withdrawn(ShardIndex from, ClaimNumber number, Instant now);
    void on_entered(const std::string& client_id, Instant now);
    void on_released(const std::string& client_id, Instant now);
    void on_evicted(std::uint64_t number, std::shared_ptr<const storage::SessionCopy> session,
                    Instant now);
    void on_restarted(Instant now);

    // Of other nodes. Unknown ones and repetitions are ignored.

    void on_peer_up(NodeIndex peer, Instant now);
    void on_peer_down(NodeIndex peer, Instant now);
    void on_message(NodeIndex from, NodeMessage message, Instant now);

    /// When next_tick() has come; too early does no harm.
    void on_tick(Instant now);
    [[nodiscard]] Instant next_tick() const;

    // Questions.

    [[nodiscard]] HealingHealth health() const;
    [[nodiscard]] const RouteTable& routes() const { return routes_; }
    /// By client: the nodes that have a session of it, with the time of their writing.
    using Sessions = std::map<std::string, std::map<NodeIndex, RowStamp>, std::less<>>;
    [[nodiscard]] const Sessions& sessions() const { return sessions_; }
    using Retained = std::map<std::string, RetainedWritten, std::less<>>;
    /// By Topic Name; removals are among them.
    [[nodiscard]] const Retained& retained() const { return retained_; }
    /// Publications that went nowhere because their node was down.
    [[nodiscard]] std::uint64_t dropped_publications() const { return dropped_publications_; }
    /// The most that were ever kept for one other node.
    [[nodiscard]] std::size_t kept_messages_most() const { return kept_messages_most_; }

private:
    /// A session that has come from another node.
    struct Arrived {
        NodeIndex from;
        std::shared_ptr<const storage::SessionCopy> session;
        LogNumbers known;  // by that node, where publications are kept
        RowStamp stamp;
    };
    /// A client that wants to be let in.
    struct Claim {
        enum class Step {
            waiting,   // for another claim of the client at this node
            agreeing,  // for most of the nodes
            locking,   // for the answers of those who have the locks
            asking,    // for SessionOffer
            moving,    // for SessionEvicted
            entering,  // for on_entered(): it has been answered
        };
        ShardIndex shard;
        ClaimNumber number = 0;
        std::string client_id;
        bool clean_start = false;
        Step step = Step::waiting;
        Instant gives_up_at = never;
        std::set<NodeIndex> awaited;
        std::set<NodeIndex> locks;
        bool is_locked_by_another = false;
        std::vector<RouteKey> held;     // routes of the session that is on its way here
        std::vector<MessageRef> early;  // that came for them
        std::vector<MessageRef> seen;   // by the node that had the session
        NodeIndex newest;               // of the nodes that have a session of it
        std::uint64_t follows = 0;      // where owners are agreed upon: the claim of who had it
        std::vector<Arrived> arrived;   // of them the newest, if it is there, first
        bool is_withdrawn = false;      // its connection is gone
    };
    using ClaimEntry = std::map<std::uint64_t, Claim>::iterator;
    /// A session that another node has asked for.
    struct Eviction {
        std::optional<NodeIndex> to;  // nothing: merged, into that of `newer`
        std::uint64_t claim = 0;
        NodeIndex newer;
        std::string client_id;
        RowStamp stamp{};    // of the session here
        LogNumbers known{};  // what its shard has been told before
    };
    /// A session on its way, until it is there.
    struct Handover {
        NodeIndex to;
        std::string client_id;
        RowStamp stamp;
        std::shared_ptr<const storage::SessionCopy> session;
        LogNumbers known;
    };
    /// What the sessions of a node's own shards are subscribed to.
    using LocalRoutes = std::map<RouteKey, std::map<ShardIndex, Route>>;
    struct Lock {
        NodeIndex owner;
        std::uint64_t claim = 0;
        Instant lapses_at = never;
    };
    struct Hold {
        Instant until;
        ShardIndex shard;
        std::vector<RouteKey> keys;
    };

    // member.cpp: tables
    [[nodiscard]] bool is_up(NodeIndex peer) const;
    [[nodiscard]] bool is_serving() const;
    void after_healing();
    /// What clients may do depends on who is reached.
    void review_readiness();
    void write_to_all(RowWrite row);
    void apply(NodeIndex from, const TableWrite& write, Instant now);
    void set_local_route(const RouteKey& key, ShardIndex shard, std::optional<Route> route);
    void announce(const RouteKey& key);
    void set_route(const RouteKey& key, NodeIndex node, Route route);
    void remove_route(const RouteKey& key, NodeIndex node);
    void tell_shards_of(const RouteKey& key);
    void tell_all_shards(const PeerMessage& message);
    /// What goes with a node that is called down.
    void purge(NodeIndex node);
    void remove_rows_of(NodeIndex node);
    void remove_routes_of(NodeIndex node);
    void remove_sessions_of(NodeIndex node);
    void apply(NodeIndex from, const RouteWritten& written, Instant now);
    void apply(NodeIndex from, const RouteRemoved& removed, Instant now);
    void apply(NodeIndex from, const SessionWritten& written, Instant now);
    void apply(NodeIndex from, const SessionRemoved& removed, Instant now);
    void apply(NodeIndex from, const RetainedWritten& written, Instant now);
    /// Whether it is newer than what the table has; then the table has it.
    bool note(const RetainedWritten& written, Instant now);
    void learn(const RetainedWritten& written, Instant now);
    [[nodiscard]] Tables whole_tables(std::uint64_t number) const;
    [[nodiscard]] Tables own_tables() const;
    void take(NodeIndex from, const Tables& tables, Instant now);

    // member_replicants.cpp: nodes that are fed by a core
    [[nodiscard]] bool is_replicant(NodeIndex node) const;
    /// Whether it can do anything but deliver what comes.
    [[nodiscard]] bool has_database() const;
    /// Those to which this node sends its writes.
    [[nodiscard]] std::vector<NodeIndex> fed_nodes() const;
    /// Those that have a copy of the Retained Messages, and are there.
    [[nodiscard]] std::set<NodeIndex> retaining_nodes() const;
    [[nodiscard]] bool feeds_this(NodeIndex core) const;
    void announce_own(Instant now);
    void take_write(NodeIndex from, NodeIndex origin, const TableWrite& write, Instant now);
    void take_own(NodeIndex from, NodeIndex origin, const Tables& tables, Instant now);
    template <class Message>
    void relay(NodeIndex from, NodeIndex origin, const Message& message);
    void judge_doubles(Instant now);
    /// Those of the tables that are copied.
    void take_retained(const std::vector<RetainedWritten>& rows, Instant now);
    /// It may count its writes anew.
    void note_epoch(NodeIndex from, const Tables& tables);

    // member_messages.cpp: the way of messages
    void on(NodeIndex from, NodePublication& publication, Instant now);
    void on(NodeIndex from, NodeSharedPublication& publication, Instant now);
    void publish(const PeerPublication& publication, Instant now);
    void publish(const PeerSharedPublication& publication);
    template <class Publication>
    void forward(NodeIndex to, Publication publication);
    /// Of publications that are confirmed: whether it has come before.
    [[nodiscard]] bool is_repetition(NodeIndex from, const PublicationNumber& number);
    void on(NodeIndex from, const PublicationsTaken& taken, Instant now);
    void send_kept(NodeIndex to, Instant now);
    void deliver_here(const MessageRef& message, RetainVersion version);
    void deliver_to_group(const MessageRef& message, const RouteKey& key, const std::string& group);
    void note_early(const MessageRef& message);

    // member_log.cpp: publications and sessions that are kept until they are there
    void begin_log();
    void publish_by_log(const PeerPublication& publication, Instant now);
    void compare_log(Instant now);
    [[nodiscard]] LogState log_state(Instant now);
    [[nodiscard]] LogNumbers settled(Instant now) const;
    [[nodiscard]] LogNumbers known_to_shards(Instant now) const;
    /// What the node that had the session has not delivered.
    void add_missed(storage::SessionCopy& copy, const LogNumbers& known, Instant now);
    void adopt(const std::shared_ptr<const storage::SessionCopy>& session, const LogNumbers& known,
               Instant now);
    [[nodiscard]] std::uint64_t
    hand_over(NodeIndex to, const Eviction& eviction,
              const std::shared_ptr<const storage::SessionCopy>& session);
    void take_back_from(NodeIndex peer, Instant now);
    void note_ended(const std::string& client_id, const EndedGenerations& generations);
    void note_told(const std::string& client_id, const EndedGenerations& generations);
    /// Whether the client may have gone on with another session since, which is not there any more.
    [[nodiscard]] bool is_outdated(const std::string& client_id, const RowStamp& row) const;
    [[nodiscard]] bool is_own_outdated(const std::string& client_id) const;
    [[nodiscard]] NodeStart own_start() const { return {options_.self, start_}; }
    void judge_ended(const std::string& client_id, Instant now);
    void on(NodeIndex from, const LogEntry& entry, Instant now);
    void on(NodeIndex from, const LogState& state, Instant now);
    void on(NodeIndex from, const SessionTaken& taken, Instant now);

    // member_claims.cpp: one session for each client
    [[nodiscard]] ClaimEntry find_claim(std::uint64_t number) { return claims_.find(number); }
    void begin(ClaimEntry claim, Instant now);
    void go_on(ClaimEntry claim, Instant now);
    /// Why the client is refused; success: it is not.
    ReasonCode ask_owners(ClaimEntry claim);
    ReasonCode ask(ClaimEntry claim, std::map<NodeIndex, RowStamp> owners);
    void move_session(ClaimEntry claim, NodeIndex from);
    void finish(ClaimEntry claim, ReasonCode refusal, Instant now);
    /// The one that waits for it to be over begins.
    void end(ClaimEntry claim, Instant now);
    void end_entering(const std::string& client_id, Instant now);
    /// `has_ended`: for ever; otherwise it is somewhere else.
    void remove_session(const std::string& client_id, bool has_ended);
    void note_followed(const std::string& client_id, const std::map<NodeIndex, RowStamp>& nodes);
    [[nodiscard]] RowStamp stamp_of(const std::string& client_id,
                                    const std::map<NodeIndex, RowStamp>& nodes, Instant now);
    void release_locks(const Claim& claim, std::uint64_t number);
    static void add_early(const Claim& claim, storage::SessionCopy& copy);
    static void add_to(storage::SessionCopy& copy, const MessageRef& message);
    void evict(Eviction eviction, SessionFate fate, Instant now);
    /// Defect::reroute_kicks_live.
    void kick_announced(Instant now);
    void lose_claims_of(NodeIndex peer, Instant now);
    [[nodiscard]] std::vector<NodeIndex> lock_nodes(std::string_view client_id) const;
    [[nodiscard]] bool locks_most_of_all() const;
    [[nodiscard]] bool grant(NodeIndex to, std::uint64_t claim, const std::string& client_id,
                             Instant now);
    void judge_double(const std::string& client_id, NodeIndex other, Instant now);
    void on(NodeIndex from, const LockRequest& request, Instant now);
    void on(NodeIndex from, const LockReply& reply, Instant now);
    void on(NodeIndex from, const LockRelease& release, Instant now);
    void on(NodeIndex from, const SessionRequest& request, Instant now);
    void on(NodeIndex from, const SessionOffer& offer, Instant now);
    void on(NodeIndex from, const SessionEviction& eviction, Instant now);
    void on(NodeIndex from, const SessionEvicted& evicted, Instant now);
    void on(NodeIndex from, const SessionMerged& merged, Instant now);

    // member_agreement.cpp: what most of the nodes have agreed upon
    void take_agreed(Instant now);
    void take(const RegistryCommand& command, const std::optional<AgreedOwner>& before,
              Instant now);
    void release_owner(const std::string& client_id, Instant now);
    void ask_for_release(const std::string& client_id, CommandNumber claim, Instant now);
    void note_owner(const std::string& client_id);
    void evict_disowned(Instant now);
    void ask_for_reset(Instant now);
    /// Whether the request has to wait for the end of a claim of this node; then it does.
    template <class Request>
    [[nodiscard]] bool waits_for_own(NodeIndex from, const Request& request);
    void answer_behind(std::uint64_t claim, Instant now);
    /// Whether a later claim of this node has the client than the one that a request follows.
    [[nodiscard]] bool has_later(const std::string& client_id, std::uint64_t follows) const;

    // member_defects.cpp: what published brokers do wrong
    void spoil_loss(NodeIndex peer, Instant now);
    void on(NodeIndex from, const LinkLost& lost, Instant now);
    void on(NodeIndex from, const LinkDropped& dropped, Instant now);
    void purge_late(Instant now);
    void sweep(Instant now);
    /// Rows of the table of sessions went while it may be swept.
    void disturb_sweep() { sweep_.reset(); }
    void publish_anew(NodeIndex to, Instant now);
    [[nodiscard]] bool is_cleaned(NodeIndex from, const RowStamp& stamp) const;
    void answer_withheld();
    [[nodiscard]] bool has(Defect defect) const { return options_.defects.has(defect); }

    // AgreedRegistry::Port
    void send(NodeIndex to, NodeMessage message) override { port_.send(to, std::move(message)); }
    void on_agreed(const RegistryCommand& command,
                   const std::optional<AgreedOwner>& before) override {
        agreements_.emplace_back(command, before);
    }
    void on_owners_replaced() override { are_owners_replaced_ = true; }

    // HealingPort
    void send(NodeIndex to, HealingMessage message) override;
    void stop_serving() override;
    void resume_serving() override;
    void reboot(NodeIndex coordinator) override;
    void copy_tables(NodeIndex source) override;
    void forget(NodeIndex peer) override;
    void alarm(std::string text) override { port_.alarm(std::move(text)); }
    std::uint64_t random() override { return port_.random(); }
    [[nodiscard]] std::uint64_t client_count() const override { return port_.client_count(); }

    MemberOptions options_;
    const ModelRules& rules_;
    MemberPort& port_;
    std::unique_ptr<Healing> healing_;  // null: the model has no database
    std::set<NodeIndex> linked_;        // by the failure detector
    std::set<NodeIndex> running_;       // others that get this node's writes

    // Tables.
    LocalRoutes local_routes_;
    RouteTable routes_;                        // of all nodes, this one included
    std::map<RouteKey, Route> told_;           // what the shards have been told of other nodes
    std::map<RouteKey, std::uint32_t> turns_;  // of Shared Subscriptions
    Sessions sessions_;
    Retained retained_;
    bool has_tables_ = true;       // otherwise they are on their way
    std::uint64_t last_copy_ = 0;  // the number of the last request for them
    std::deque<std::pair<NodeIndex, NodeMessage>> kept_writes_;
    std::map<NodeIndex, std::uint64_t> written_;  // by node: the last of its writes that is here
    std::map<NodeIndex, std::uint64_t> epochs_;   // by replicant: in which it counts so
    Instant compares_at_ = never;                 // something has changed since the last time
    struct Kept {
        std::uint64_t number = 0;
        NodeMessage message;
    };
    std::map<NodeIndex, std::deque<Kept>> kept_messages_;  // not confirmed yet
    std::size_t kept_messages_most_ = 0;
    PublicationNumber last_publication_;
    std::map<NodeIndex, PublicationNumber> taken_;  // by sender: its last publication
    std::uint64_t dropped_publications_ = 0;

    // Claims.
    std::map<std::uint64_t, Claim> claims_;
    std::uint64_t last_claim_ = 0;
    std::unique_ptr<AgreedRegistry> agreed_;  // null: the model has none
    std::deque<std::pair<RegistryCommand, std::optional<AgreedOwner>>> agreements_;  // to be taken
    bool are_owners_replaced_ = false;
    std::map<std::string, CommandNumber> own_claims_;  // of the sessions here
    std::map<std::string, CommandNumber> granted_;     // the last claim of a client that was
    struct Disowned {
        Instant at;  // unless its new node has asked for it before
        std::string client_id;
        NodeIndex newer;
    };
    std::deque<Disowned> disowned_;
    bool is_ready_ = true;  // of models that need all members
    std::map<std::string, Lock, std::less<>> locks_;
    std::map<std::uint64_t, Eviction> evictions_;
    std::uint64_t last_eviction_ = 0;
    struct Offered {
        std::vector<RouteKey> routes;
        std::vector<MessageRef> seen;
    };
    std::map<std::pair<NodeIndex, std::uint64_t>, Offered> offered_;
    std::deque<Hold> holds_;

    // Of defects.
    struct Sweep {
        NodeIndex node;
        Instant next_row_at;
    };
    std::optional<Sweep> sweep_;
    std::deque<std::pair<Instant, NodeIndex>> late_purges_;
    std::map<NodeIndex, std::int64_t> cleaned_at_us_;
    std::vector<std::pair<ShardIndex, std::uint64_t>> withheld_;  // answers to PeerAddRoute
    bool is_replicator_dead_ = false;

    // Of models that keep publications.
    std::unique_ptr<MessageLog> log_;  // null: the model does not
    Instant compares_log_at_ = never;
    Instant repeats_until_ = Instant::min();
    std::map<std::uint64_t, Handover> handovers_;
    std::uint64_t last_handover_ = 0;
    std::map<std::string, RowStamp> taken_back_;  // of clients whose session is to be here again
    std::uint64_t start_ = 0;
    /// By client, of the sessions of other nodes and earlier ones of this node that were known when
    /// the one here began: it takes their place.
    std::map<std::string, EndedGenerations> followed_;
    std::map<std::string, EndedGenerations> ended_;
    std::map<std::string, EndedGenerations> told_of_;  // all that other nodes have had

    // Of models that agree on owners.
    struct Behind {
        NodeIndex from;
        std::uint64_t follows = 0;  // a claim of this node
        std::variant<SessionRequest, SessionEviction> request;
    };
    std::vector<Behind> behind_;  // requests that wait for the end of that claim

    // Of replicants.
    std::map<std::string, Instant> retained_at_;  // by Topic Name, since tables were copied
};

}  // namespace touchstone::cluster
