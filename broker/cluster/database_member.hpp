// DatabaseMember: what a node with a replicated database sees of the others, and how it becomes
// part of the database again once its tables are gone. When that happens is decided by a policy,
// which is derived from it.
//
// A peer is running as long as no end of the link has called the other down since they last held
// the same tables. One that comes back after it was down is reached, but not running: writes do
// not go to it, and only a new start of one of the two, with a copy of the tables, changes that.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "broker/cluster/healing.hpp"

namespace touchstone::cluster {

class DatabaseMember : public Healing {
public:
    DatabaseMember(const HealingOptions& options, HealingPort& port);

    void on_start(HealingStart how, Instant now) override;
    void on_peer_up(NodeIndex peer, Instant now) override;
    void on_peer_down(NodeIndex peer, Instant now) override;
    void on_message(NodeIndex from, const HealingMessage& message, Instant now) override;
    void on_rebooted(Instant now) override;
    void on_copied(Instant now) override;
    void on_tick(Instant now) override;
    [[nodiscard]] Instant next_tick() const override;
    [[nodiscard]] HealingHealth health() const override;

protected:
    enum class Step {
        serving,
        shut_down,   // until somebody calls for a new start
        paused,      // until the policy says so
        rebooting,   // until on_rebooted()
        joining,     // looks for a node that has tables
        announcing,  // tells those that its coordinator sees running
        copying,     // until on_copied()
    };

    // What a policy adds. A link came back, and the databases of its ends have gone apart:
    virtual void on_partition(NodeIndex peer, Instant now) = 0;
    virtual void on_lost(NodeIndex peer, Instant now);      // after the views have changed
    virtual void on_stopped(NodeIndex peer, Instant now);   // its database, while this one runs
    virtual void on_admitted(NodeIndex peer, Instant now);  // a peer has become running again
    virtual void on_joined(Instant now);                    // this node serves again
    virtual void on_policy_message(NodeIndex from, const HealingMessage& message, Instant now);
    /// Whether a node that nobody offers tables may go on with what it has.
    [[nodiscard]] virtual bool may_start_alone() const;

    void shut_down();
    void pause();
    void reboot(NodeIndex coordinator, Instant now);
    void join(std::optional<NodeIndex> coordinator, Instant now);

    [[nodiscard]] const HealingOptions& options() const { return options_; }
    [[nodiscard]] HealingPort& port() { return port_; }
    [[nodiscard]] NodeIndex self() const { return options_.self; }
    [[nodiscard]] Step step() const { return step_; }
    [[nodiscard]] bool is_serving() const { return step_ == Step::serving; }
    [[nodiscard]] bool is_linked(NodeIndex peer) const;
    /// Some member is reached, but not running.
    [[nodiscard]] bool sees_partition() const;
    [[nodiscard]] NodeView view() const;
    /// Members, without this node; ascending.
    [[nodiscard]] std::vector<NodeIndex> members() const;
    [[nodiscard]] std::vector<NodeIndex> linked_members() const;
    /// The oldest node that this one reaches, itself included.
    [[nodiscard]] NodeIndex leader() const;

private:
    struct Peer {
        bool is_linked = false;
        bool is_consistent = false;  // no end has lost the other since they held the same tables
        bool is_member = true;
        Instant removed_at = never;  // by autoclean, unless its link returns
    };

    void on(NodeIndex from, const HealingStopped&, Instant now);
    void on(NodeIndex from, const HealingJoin&, Instant now);
    void on(NodeIndex from, const HealingJoinRefused&, Instant now);
    void on(NodeIndex from, const HealingWelcome& welcome, Instant now);
    void on(NodeIndex from, const HealingAnnounce& announce, Instant now);
    void on(NodeIndex from, const HealingAdmitted& admitted, Instant now);
    void on(NodeIndex from, const HealingAnnounced& announced, Instant now);
    void on(NodeIndex from, const HealingAttach& attach, Instant now);
    template <class Other>
    void on(NodeIndex from, const Other& message, Instant now) {
        on_policy_message(from, message, now);
    }

    struct Seen {
        std::vector<NodeIndex> running, stopped;
    };

    void stop();
    void leave_database();
    void part(NodeIndex node, Peer& peer);
    void attempt_join(Instant now);
    void announce_to(const std::vector<NodeIndex>& nodes);
    void abandon_attempt(Instant now);
    void cross_out(NodeIndex peer, Instant now);
    void copy_when_announced(Instant now);
    void serve(Instant now);
    [[nodiscard]] Peer* linked_peer(NodeIndex node);
    [[nodiscard]] std::optional<NodeIndex> next_coordinator() const;
    [[nodiscard]] bool is_oldest_linked() const;
    [[nodiscard]] Seen seen() const;
    [[nodiscard]] bool is_admitted() const;
    [[nodiscard]] bool is_together_with(NodeIndex coordinator) const;

    HealingOptions options_;
    HealingPort& port_;
    std::map<NodeIndex, Peer> peers_;  // cores
    std::set<NodeIndex> linked_replicants_;
    std::set<NodeIndex> agents_;  // those of them that this node feeds
    Step step_ = Step::serving;
    bool is_discovering_ = false;
    bool has_started_again_ = false;

    // Of the steps joining to copying.
    std::uint64_t attempt_ = 0;
    std::optional<NodeIndex> coordinator_;
    std::set<NodeIndex> refusing_;         // have no tables either
    std::map<NodeIndex, bool> announced_;  // whether it has answered
    Instant retry_at_ = never;
    Instant alone_at_ = never;
};

}  // namespace touchstone::cluster
