#include "broker/cluster/healing_mria.hpp"

#include <algorithm>
#include <tuple>

namespace touchstone::cluster {

std::optional<HealingDecision> MriaHealing::decide(const ClusterViews& views) const {
    const auto cliques = views.cliques();
    const auto rank = [this](const NodeGroup& clique) {
        return std::tuple{views_max - clique.size(), !contains(clique, self()), clique};
    };
    const auto first =
        std::min_element(cliques.begin(), cliques.end(),
                         [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return keep_group(views, *first, defects().heal_asymmetric_unsupported);
}

bool MriaHealing::may_begin(std::size_t unreachable_count, std::size_t core_count) const {
    return unreachable_count < std::max<std::size_t>(core_count / 2, 1);
}

}  // namespace touchstone::cluster
