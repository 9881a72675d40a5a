// HealingRounds: healing by a new start of those whose tables are given up. Who sees a partition
// end reports it to the leader, the oldest node it reaches. The leader waits a while, collects the
// views of all that it reaches, and lets a policy decide whose tables stay. The oldest of those
// is the coordinator and calls the others to start again.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "broker/cluster/database_member.hpp"
#include "broker/cluster/healing_views.hpp"

namespace touchstone::cluster {

class HealingRounds : public DatabaseMember {
public:
    using DatabaseMember::DatabaseMember;

    void on_tick(Instant now) override;
    [[nodiscard]] Instant next_tick() const override;

protected:
    /// What is to be done about `views`; nothing when the algorithm has no answer to them.
    [[nodiscard]] virtual std::optional<HealingDecision>
    decide(const ClusterViews& views) const = 0;
    /// Whether a round may begin with so many members unreachable, out of `core_count`.
    [[nodiscard]] virtual bool may_begin(std::size_t unreachable_count,
                                         std::size_t core_count) const;
    /// Whether reports are repeated, and failed rounds begun again.
    [[nodiscard]] virtual bool is_persistent() const;
    [[nodiscard]] const HealingDefects& defects() const { return options().defects; }

    void on_partition(NodeIndex peer, Instant now) override;
    void on_lost(NodeIndex peer, Instant now) override;
    void on_stopped(NodeIndex peer, Instant now) override;
    void on_admitted(NodeIndex peer, Instant now) override;
    void on_joined(Instant now) override;
    void on_policy_message(NodeIndex from, const HealingMessage& message, Instant now) override;

private:
    enum class Round { idle, waiting, collecting, healing };

    // A reporter.
    void arm_report(Instant now);
    void report(Instant now);

    // The leader.
    void on_round(NodeIndex from, const HealingReport& report, Instant now);
    void on_round(NodeIndex from, const HealingViewRequest& request, Instant now);
    void on_round(NodeIndex from, const HealingViewReply& reply, Instant now);
    void on_round(NodeIndex from, const HealingPlanDone& done, Instant now);
    void wait(Duration delay, Instant now);
    void collect(Instant now);
    void finish_collecting(Instant now);
    void end_round(bool has_succeeded, Instant now);

    // The coordinator.
    void on_round(NodeIndex from, const HealingPlan& plan, Instant now);
    void on_round(NodeIndex from, const HealingShutdownDone& done, Instant now);
    void on_round(NodeIndex from, const HealingRebootRefused& refused, Instant now);
    void on_round(NodeIndex from, const HealingRejoined& rejoined, Instant now);
    void forget_victim(NodeIndex victim, bool has_rejoined, Instant now);
    void end_plan(bool has_succeeded, Instant now);

    // A victim.
    void on_round(NodeIndex from, const HealingShutdown& shutdown, Instant now);
    void on_round(NodeIndex from, const HealingReboot& reboot, Instant now);

    template <class Other>
    void on_round(NodeIndex, const Other&, Instant) {}  // the member's, or another policy's
    /// To this node too, which then takes it like any other's.
    template <class Message>
    void tell(NodeIndex to, const Message& message, Instant now) {
        if (to == self())
            on_round(to, message, now);
        else
            port().send(to, message);
    }

    Instant report_at_ = never;
    bool has_reported_ = false;  // what lasts still

    Round round_ = Round::idle;
    std::uint64_t round_number_ = 0;
    Instant round_at_ = never;   // the next step of a round that waits, else its end
    std::set<NodeIndex> asked_;  // and have not answered yet
    std::vector<NodeView> views_;
    NodeIndex round_coordinator_;

    struct Plan {
        NodeIndex leader;
        std::uint64_t round = 0;
        std::map<NodeIndex, Instant> victims;  // when to make the second call; never: not now
        bool has_succeeded = true;
        Instant given_up_at = never;
    };
    std::optional<Plan> plan_;

    std::optional<NodeIndex> rebooted_by_;
};

}  // namespace touchstone::cluster
