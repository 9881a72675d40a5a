#include "broker/cluster/healing_views.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>

#include "broker/base/check.hpp"

namespace touchstone::cluster {
namespace {

using Bits = std::uint64_t;  // of positions in the list of views

/// Bron and Kerbosch's search, with a pivot: every maximal clique once.
void find_cliques(const std::vector<Bits>& neighbours, Bits clique, Bits candidates, Bits excluded,
                  std::vector<Bits>& found) {
    if ((candidates | excluded) == 0) {
        found.push_back(clique);
        return;
    }
    Bits pivot_neighbours = 0;
    for (Bits rest = candidates | excluded; rest != 0; rest &= rest - 1) {
        const auto of_one = neighbours[static_cast<std::size_t>(std::countr_zero(rest))];
        if (std::popcount(candidates & of_one) >= std::popcount(candidates & pivot_neighbours))
            pivot_neighbours = of_one;
    }
    for (Bits rest = candidates & ~pivot_neighbours; rest != 0; rest &= rest - 1) {
        const auto position = static_cast<std::size_t>(std::countr_zero(rest));
        const auto bit = Bits{1} << position;
        find_cliques(neighbours, clique | bit, candidates & neighbours[position],
                     excluded & neighbours[position], found);
        candidates &= ~bit;
        excluded |= bit;
    }
}

}  // namespace

bool contains(const NodeGroup& group, NodeIndex node) {
    return std::find(group.begin(), group.end(), node) != group.end();
}

ClusterViews::ClusterViews(const std::vector<NodeView>& views) {
    for (const auto& view : views)
        if (view.is_serving && !is_owner(view.owner) && views_.size() < views_max)
            views_.push_back(view);
    std::sort(views_.begin(), views_.end(),
              [](const NodeView& a, const NodeView& b) { return a.owner < b.owner; });
    for (auto& view : views_) {
        view.running.push_back(view.owner);
        std::sort(view.running.begin(), view.running.end());
        view.running.erase(std::unique(view.running.begin(), view.running.end()),
                           view.running.end());
        std::erase_if(view.running, [this](NodeIndex node) { return !is_owner(node); });
    }
}

NodeGroup ClusterViews::owners() const {
    NodeGroup owners;
    for (const auto& view : views_) owners.push_back(view.owner);
    return owners;
}

bool ClusterViews::is_owner(NodeIndex node) const {
    return std::any_of(views_.begin(), views_.end(),
                       [node](const NodeView& view) { return view.owner == node; });
}

bool ClusterViews::sees(NodeIndex owner, NodeIndex node) const {
    return std::any_of(views_.begin(), views_.end(), [&](const NodeView& view) {
        return view.owner == owner && contains(view.running, node);
    });
}

bool ClusterViews::are_joined(NodeIndex a, NodeIndex b) const {
    return sees(a, b) && sees(b, a);
}

bool ClusterViews::are_related(NodeIndex a, NodeIndex b) const {
    return sees(a, b) || sees(b, a);
}

bool ClusterViews::is_partitioned() const {
    for (const auto& a : views_)
        for (const auto& b : views_)
            if (a.owner != b.owner && !are_joined(a.owner, b.owner)) return true;
    return false;
}

std::vector<NodeGroup> ClusterViews::cliques() const {
    std::vector<Bits> neighbours(views_.size(), 0);
    Bits all = 0;
    for (std::size_t a = 0; a < views_.size(); ++a) {
        all |= Bits{1} << a;
        for (std::size_t b = 0; b < views_.size(); ++b)
            if (a != b && are_joined(views_[a].owner, views_[b].owner))
                neighbours[a] |= Bits{1} << b;
    }
    std::vector<Bits> found;
    if (all != 0) find_cliques(neighbours, 0, all, 0, found);
    std::vector<NodeGroup> cliques;
    for (const auto clique : found) {
        auto& group = cliques.emplace_back();
        for (Bits rest = clique; rest != 0; rest &= rest - 1)
            group.push_back(views_[static_cast<std::size_t>(std::countr_zero(rest))].owner);
    }
    std::sort(cliques.begin(), cliques.end());
    return cliques;
}

std::size_t ClusterViews::side_count() const {
    std::set<NodeGroup> sides;
    for (const auto& view : views_) sides.insert(view.running);
    return sides.size();
}

HealingDecision keep_group(const ClusterViews& views, const NodeGroup& chosen,
                           bool is_overlap_ignored) {
    CHECK(!chosen.empty());
    const auto owners = views.owners();
    auto kept = chosen;
    if (!is_overlap_ignored)
        std::erase_if(kept, [&](NodeIndex member) {
            return std::any_of(owners.begin(), owners.end(), [&](NodeIndex node) {
                return !contains(chosen, node) && views.are_related(member, node);
            });
        });
    if (kept.empty()) kept = {chosen.front()};
    HealingDecision decision{.coordinator = kept.front(), .victims = owners};
    std::erase_if(decision.victims, [&](NodeIndex node) { return contains(kept, node); });
    return decision;
}

}  // namespace touchstone::cluster
