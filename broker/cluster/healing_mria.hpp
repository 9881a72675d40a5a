// Healing of Mria's cores (EMQX 5): the largest group that hears each other keeps its tables.
#pragma once

#include "broker/cluster/healing_rounds.hpp"

namespace touchstone::cluster {

class MriaHealing final : public HealingRounds {
public:
    using HealingRounds::HealingRounds;

private:
    [[nodiscard]] std::optional<HealingDecision> decide(const ClusterViews& views) const override;
    /// Fewer than half of the cores, rounded down, may be missing: none of 3, one of 4 or 5.
    [[nodiscard]] bool may_begin(std::size_t unreachable_count,
                                 std::size_t core_count) const override;
};

}  // namespace touchstone::cluster
