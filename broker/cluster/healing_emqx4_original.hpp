// Healing as ekka had it before 0.8.1.14 (EMQX 4.3): a few shapes of partition, one attempt.
#pragma once

#include "broker/cluster/healing_rounds.hpp"

namespace touchstone::cluster {

/// Accepts what some node sees no partition in, and two sides that have nothing in common. All else
/// gets no answer.
[[nodiscard]] std::optional<HealingDecision> decide_by_shape(const ClusterViews& views,
                                                             NodeIndex leader);

class Emqx4OriginalHealing final : public HealingRounds {
public:
    using HealingRounds::HealingRounds;

private:
    [[nodiscard]] std::optional<HealingDecision> decide(const ClusterViews& views) const override;
    [[nodiscard]] bool is_persistent() const override;
};

}  // namespace touchstone::cluster
