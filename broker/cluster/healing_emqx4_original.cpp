#include "broker/cluster/healing_emqx4_original.hpp"

#include <algorithm>
#include <tuple>

namespace touchstone::cluster {

std::optional<HealingDecision> decide_by_shape(const ClusterViews& views, NodeIndex leader) {
    std::vector<NodeGroup> sides;
    for (const auto& view : views.views()) sides.push_back(view.running);
    const auto rank = [leader](const NodeGroup& side) {
        return std::tuple{views_max - side.size(), !contains(side, leader), side};
    };
    std::sort(sides.begin(), sides.end(),
              [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    sides.erase(std::unique(sides.begin(), sides.end()), sides.end());

    const auto owners = views.owners();
    const auto coordinator = sides.front().front();
    if (sides.front() == owners) {
        auto victims = owners;
        std::erase(victims, coordinator);
        return HealingDecision{.coordinator = coordinator, .victims = victims};
    }
    if (sides.size() != 2 || sides[0].size() + sides[1].size() != owners.size())
        return std::nullopt;
    for (const auto node : sides[1])
        if (contains(sides[0], node)) return std::nullopt;
    return HealingDecision{.coordinator = coordinator, .victims = sides[1]};
}

std::optional<HealingDecision> Emqx4OriginalHealing::decide(const ClusterViews& views) const {
    return decide_by_shape(views, self());
}

bool Emqx4OriginalHealing::is_persistent() const {
    return false;
}

}  // namespace touchstone::cluster
