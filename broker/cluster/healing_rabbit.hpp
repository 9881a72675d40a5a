// RabbitMQ's ways to handle a partition, but for `ignore`, which is none (healing.cpp).
#pragma once

#include "broker/cluster/healing_rounds.hpp"

namespace touchstone::cluster {

/// autoheal: the side with the most clients keeps its tables, the others start again.
class RabbitAutoheal final : public HealingRounds {
public:
    using HealingRounds::HealingRounds;

private:
    [[nodiscard]] std::optional<HealingDecision> decide(const ClusterViews& views) const override;
};

/// pause_minority: who reaches no more than half of the nodes, itself included, stops until it
/// reaches more. Who has lost a node that another one still reaches stops until it reaches all.
class RabbitPauseMinority final : public DatabaseMember {
public:
    using DatabaseMember::DatabaseMember;

    void on_peer_up(NodeIndex peer, Instant now) override;
    void on_tick(Instant now) override;
    [[nodiscard]] Instant next_tick() const override;

private:
    void on_partition(NodeIndex peer, Instant now) override;
    void on_stopped(NodeIndex peer, Instant now) override;
    void on_lost(NodeIndex peer, Instant now) override;
    void on_policy_message(NodeIndex from, const HealingMessage& message, Instant now) override;
    [[nodiscard]] bool may_start_alone() const override;

    void start_again(Instant now);
    [[nodiscard]] bool may_serve() const;

    bool waits_for_all_ = false;
    Instant judged_at_ = never;
    Instant ask_at_ = never;
};

}  // namespace touchstone::cluster
