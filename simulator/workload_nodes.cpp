// The disturbances of a workload that are those of any node of a cluster, or between two of them.

#include <algorithm>

#include "broker/base/check.hpp"
#include "simulator/draws.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

void Workload::disturb_nodes(scenario::Disturbance disturbance, std::uint32_t for_ms) {
    auto trouble = step_now();
    const auto draw_node = [&]() -> const std::string& {
        return nodes_[static_cast<std::size_t>(disturbs_.below(nodes_.size()))];
    };
    switch (disturbance) {
        case scenario::part_nodes: {
            auto& partition = *trouble.mutable_partition();
            partition.set_for_ms(for_ms);
            // Each other one is on the side of a node, or not; somebody is left on both.
            const auto& on_side = draw_node();
            const auto& not_on_side =
                nodes_[(static_cast<std::size_t>(std::ranges::find(nodes_, on_side) -
                                                 nodes_.begin()) +
                        1) %
                       nodes_.size()];
            for (const auto& node : nodes_) {
                const bool is_drawn = disturbs_.chance(500);
                if (node != not_on_side && (is_drawn || node == on_side)) partition.add_side(node);
            }
            partition.set_one_way(disturbs_.chance(100));
            return take_step_(trouble);
        }
        case scenario::cut_two_nodes: {
            auto& partition = *trouble.mutable_partition();
            partition.set_for_ms(for_ms);
            const auto first = static_cast<std::size_t>(disturbs_.below(nodes_.size()));
            const auto distance = 1 + static_cast<std::size_t>(disturbs_.below(nodes_.size() - 1));
            partition.add_side(nodes_[first]);
            partition.add_from(nodes_[(first + distance) % nodes_.size()]);
            partition.set_one_way(disturbs_.chance(300));
            return take_step_(trouble);
        }
        case scenario::crash_any_node:
            trouble.mutable_crash()->set_node(draw_node());
            trouble.mutable_crash()->set_silent(disturbs_.chance(300));
            trouble.mutable_crash()->set_restart_after_ms(for_ms);
            return take_step_(trouble);
        case scenario::pause_any_node:
            trouble.mutable_pause()->set_node(draw_node());
            trouble.mutable_pause()->set_for_ms(for_ms);
            return take_step_(trouble);
        default: UNREACHABLE();  // the others are none of nodes
    }
}

}  // namespace touchstone::simulator
