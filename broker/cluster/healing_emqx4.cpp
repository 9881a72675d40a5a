#include "broker/cluster/healing_emqx4.hpp"

#include <algorithm>
#include <tuple>

namespace touchstone::cluster {

HealingDecision decide_by_taint(const ClusterViews& views, NodeIndex leader,
                                bool is_overlap_ignored) {
    auto ordered = views.views();
    const auto rank = [&](const NodeView& view) {
        return std::tuple{views_max - view.running.size(), !views.are_joined(leader, view.owner),
                          view.owner};
    };
    std::sort(ordered.begin(), ordered.end(),
              [&](const auto& a, const auto& b) { return rank(a) < rank(b); });

    const auto owners = views.owners();
    std::set<NodeIndex> tainted;
    for (const auto& view : ordered) {
        if (tainted.contains(view.owner)) continue;
        for (const auto node : owners) {
            if (node == view.owner || views.are_joined(view.owner, node)) continue;
            tainted.insert(node);
            if (is_overlap_ignored) continue;
            for (const auto other : owners)
                if (views.are_related(node, other)) tainted.insert(other);
        }
    }
    NodeGroup clean = owners;
    std::erase_if(clean, [&](NodeIndex node) { return tainted.contains(node); });
    const auto& candidates = clean.empty() ? owners : clean;
    HealingDecision decision{.coordinator =
                                 contains(candidates, leader) ? leader : candidates.front()};
    decision.victims.assign(tainted.begin(), tainted.end());
    std::erase(decision.victims, decision.coordinator);
    return decision;
}

std::optional<HealingDecision> Emqx4Healing::decide(const ClusterViews& views) const {
    return decide_by_taint(views, self(), defects().heal_asymmetric_unsupported);
}

}  // namespace touchstone::cluster
