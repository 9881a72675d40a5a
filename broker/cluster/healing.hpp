// Healing: what the nodes of a cluster do once links return after a partition, so that all see the
// same members and hold the same tables again. A state machine of one node: what its failure
// detector says, messages and the time come in; effects go out. Which algorithm is a policy; the
// README says where each comes from and what it assumes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/cluster/healing_messages.hpp"

namespace touchstone::cluster {

enum class HealingPolicy {
    none,            // nodes that lost each other stay apart until they are started again
    emqx4_original,  // EMQX 4 with ekka before 0.8.1.14
    emqx4,           // EMQX 4 with ekka since 0.8.1.14
    mria,            // EMQX 5: cores, and replicants that have no vote
    rabbit_ignore,   // RabbitMQ's three ways to handle partitions
    rabbit_pause_minority,
    rabbit_autoheal,
};

/// Published defects, each off by default; a policy without the step that one breaks ignores it.
struct HealingDefects {
    bool heal_disabled = false;         // SB-03: partitions are not reported
    bool heal_needs_all_nodes = false;  // SB-03, SB-07: no round while a known node is unreachable
    bool heal_two_sides_only = false;   // SB-01: more than two different views are refused
    bool heal_single_shot = false;      // SB-02: a leader never ends its first round
    bool heal_two_phase_rpc = false;    // SB-04: shutdown and reboot are two calls
    bool heal_reconnect_no_wipe = false;         // SB-05: removed members return with their tables
    bool heal_asymmetric_unsupported = false;    // SB-06: who is linked to both sides is left alone
    bool heal_wrong_electorate = false;          // SB-08: replicants may be elected leader
    bool replicant_needs_one_core_view = false;  // SB-09: no core is chosen while they disagree
    bool replica_magnet = false;         // SB-39: a core that started again looks idle for ever
    bool autocluster_two_seeds = false;  // SB-18: clusters formed apart stay apart
    bool pause_minority_missed =
        false;  // SB-30: losses at one instant, or amid recovery, go unseen
};

/// What ekka 0.8.1.1 had besides its accepted shapes, which are the policy emqx4_original itself.
HealingDefects emqx4_original_defects();

struct HealingOptions {
    HealingPolicy policy = HealingPolicy::none;
    NodeIndex self;
    std::vector<NodeIndex> nodes;       // all, self included, each once; 1 to 64
    std::vector<NodeIndex> replicants;  // those of `nodes` that are no cores; only mria has any
    HealingDefects defects;

    // cluster-models §2 unless said otherwise.
    Duration report_delay = std::chrono::seconds{3};   // from a link's return to the report
    Duration leader_delay = std::chrono::seconds{15};  // from the last first report to the round
    Duration call_timeout = std::chrono::seconds{30};
    Duration retry_delay = std::chrono::seconds{1};              // after a round that failed
    Duration reboot_pause_low = std::chrono::milliseconds{100};  // between the two calls
    Duration reboot_pause_high = std::chrono::milliseconds{1100};
    std::optional<Duration> autoclean;  // members down for that long are removed; none: never
    // Assumed, the documents being silent:
    Duration report_repetition = std::chrono::seconds{45};  // while the partition lasts
    Duration join_retry = std::chrono::seconds{1};
    Duration lone_start_delay = std::chrono::seconds{30};  // when nobody has tables to copy
    Duration core_poll_interval = std::chrono::seconds{5};
    /// From a link to a core, for a replicant that has none, until it asks those that it reaches.
    Duration core_discovery_delay = std::chrono::milliseconds{500};
};

/// How a node's database came to run.
enum class HealingStart {
    formed,       // all nodes are members and hold the same tables; only links are missing
    restarted,    // after a crash: a member, without tables
    discovering,  // a first boot: no member of anything, without tables
};

/// What an operator is told.
enum class HealingState {
    healthy,      // serves, and sees all members running
    member_down,  // serves; a member cannot be reached
    partitioned,  // serves; a member can be reached, but their databases went apart
    stopped,      // does not serve: is starting again, or waits for somebody to tell it to
    paused,       // does not serve, because it is with a minority
};

struct HealingHealth {
    HealingState state = HealingState::healthy;
    std::vector<NodeIndex>
        running;  // members that get this node's writes; ascending, self included
    std::vector<NodeIndex> stopped;     // the other members; ascending
    std::vector<NodeIndex> agents;      // replicants that this core feeds; ascending
    std::optional<NodeIndex> upstream;  // the core that feeds this replicant
};

/// The effects of healing on its node.
class HealingPort {
public:
    virtual void send(NodeIndex to, HealingMessage message) = 0;
    /// Disconnects all clients and accepts none.
    virtual void stop_serving() = 0;
    virtual void resume_serving() = 0;
    /// Drops all tables and starts the database again, because those of `coordinator` are to
    /// replace them; then calls on_rebooted(). The node does not serve at that time.
    virtual void reboot(NodeIndex coordinator) = 0;
    /// Replaces all tables by those of `source`, then calls on_copied(). Writes of others that
    /// arrive before that are kept and applied afterwards. A later call replaces one that has not
    /// ended.
    virtual void copy_tables(NodeIndex source) = 0;
    /// The database of `peer` and this one no longer run together: rows that are the peer's, as its
    /// routes, go, and writes of it that are kept are void.
    virtual void forget(NodeIndex peer) = 0;
    virtual void alarm(std::string text) = 0;
    /// 64 uniformly distributed bits.
    virtual std::uint64_t random() = 0;
    /// Network Connections of clients at this node.
    [[nodiscard]] virtual std::uint64_t client_count() const = 0;

protected:
    ~HealingPort() = default;
};

class Healing {
public:
    virtual ~Healing() = default;

    /// Once, before all else. No peer is linked yet. A node that starts `formed` serves; the others
    /// do once resume_serving() is called.
    virtual void on_start(HealingStart how, Instant now) = 0;
    /// What this node's failure detector says. Unknown nodes and repetitions are ignored.
    virtual void on_peer_up(NodeIndex peer, Instant now) = 0;
    virtual void on_peer_down(NodeIndex peer, Instant now) = 0;
    virtual void on_message(NodeIndex from, const HealingMessage& message, Instant now) = 0;
    /// After reboot() and copy_tables(); an answer to what has been given up meanwhile is ignored.
    virtual void on_rebooted(Instant now) = 0;
    virtual void on_copied(Instant now) = 0;
    /// When next_tick() has come; too early does no harm.
    virtual void on_tick(Instant now) = 0;
    [[nodiscard]] virtual Instant next_tick() const = 0;

    [[nodiscard]] virtual HealingHealth health() const = 0;
};

/// `port` must outlive what is returned.
std::unique_ptr<Healing> make_healing(const HealingOptions& options, HealingPort& port);

}  // namespace touchstone::cluster
