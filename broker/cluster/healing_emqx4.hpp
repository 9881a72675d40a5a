// Healing as ekka has it since 0.8.1.14 (EMQX 4.3 and later): any partition, by taint.
#pragma once

#include "broker/cluster/healing_rounds.hpp"

namespace touchstone::cluster {

/// Goes through the views, those that see most first and of these the leader's side. Who is parted
/// from the owner of a view is tainted, and so is everybody that it is related to; a tainted
/// owner's view does not count. The tainted start again; when all are, all but the leader. With
/// `is_overlap_ignored` what they are related to is left alone (SB-06).
[[nodiscard]] HealingDecision decide_by_taint(const ClusterViews& views, NodeIndex leader,
                                              bool is_overlap_ignored);

class Emqx4Healing final : public HealingRounds {
public:
    using HealingRounds::HealingRounds;

private:
    [[nodiscard]] std::optional<HealingDecision> decide(const ClusterViews& views) const override;
};

}  // namespace touchstone::cluster
