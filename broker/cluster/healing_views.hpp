// Questions to several nodes' views of one cluster: who hears whom, and which groups that makes.
#pragma once

#include <cstddef>
#include <vector>

#include "broker/cluster/healing_messages.hpp"

namespace touchstone::cluster {

using NodeGroup = std::vector<NodeIndex>;  // ascending

/// A cluster's nodes, so that a set of them fits into a word.
inline constexpr std::size_t views_max = 64;

[[nodiscard]] bool contains(const NodeGroup& group, NodeIndex node);

/// Which node keeps its tables, and which copy them from it. No victims: there is no partition.
struct HealingDecision {
    NodeIndex coordinator;
    NodeGroup victims;
};

/// The views of those nodes that serve, by owner; what they say of other nodes does not count.
class ClusterViews {
public:
    /// Of views with the same owner the first counts; those beyond views_max are left out.
    explicit ClusterViews(const std::vector<NodeView>& views);

    [[nodiscard]] const std::vector<NodeView>& views() const { return views_; }
    [[nodiscard]] NodeGroup owners() const;
    [[nodiscard]] bool is_owner(NodeIndex node) const;
    /// Each sees the other running.
    [[nodiscard]] bool are_joined(NodeIndex a, NodeIndex b) const;
    /// At least one sees the other running, so its tables may have what the other wrote.
    [[nodiscard]] bool are_related(NodeIndex a, NodeIndex b) const;
    [[nodiscard]] bool is_partitioned() const;
    /// Groups in which all are joined to each other and to which no other node could be added, by
    /// their members. They overlap where a link between two nodes is missing.
    [[nodiscard]] std::vector<NodeGroup> cliques() const;
    /// How many different sets of running nodes there are.
    [[nodiscard]] std::size_t side_count() const;

private:
    [[nodiscard]] bool sees(NodeIndex owner, NodeIndex node) const;

    std::vector<NodeView> views_;
};

/// Keeps the tables of the group `chosen` of a partitioned cluster. A member that is related to
/// somebody outside has other tables than the rest of its group, so it starts again, too; if they
/// all are, the oldest keeps its tables alone.
/// With `is_overlap_ignored` all of the group keep theirs (SB-06).
HealingDecision keep_group(const ClusterViews& views, const NodeGroup& chosen,
                           bool is_overlap_ignored);

}  // namespace touchstone::cluster
