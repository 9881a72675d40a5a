// The disturbances of a workload that are those of any node of a cluster, or between two of them.

#include <algorithm>

#include "broker/base/check.hpp"
#include "simulator/draws.hpp"
#include "simulator/workload.hpp"

namespace touchstone::simulator {

bool is_of_nodes(scenario::Disturbance disturbance) {
    return disturbance >= scenario::part_nodes && disturbance <= scenario::change_any_clock;
}

void Workload::disturb_nodes_next() {
    if (world_.now() >= until_) return;
    const auto kind = static_cast<std::size_t>(disturbs_nodes_.below(node_disturbances_.size()));
    const auto span_ms = draw_between(disturbs_nodes_, description_.nodes_for_ms_low(),
                                      description_.nodes_for_ms_high());
    disturb_nodes(node_disturbances_[kind], lasting_ms(span_ms), disturbs_nodes_);
    schedule_in(draw_between(disturbs_nodes_, description_.nodes_every_ms_low(),
                             description_.nodes_every_ms_high()),
                next_of_nodes, 0);
}

void Workload::disturb_nodes(scenario::Disturbance disturbance, std::uint32_t for_ms,
                             RandomStream& stream) {
    auto trouble = step_now();
    const auto draw_node = [&]() -> const std::string& {
        return nodes_[static_cast<std::size_t>(stream.below(nodes_.size()))];
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
                const bool is_drawn = stream.chance(500);
                if (node != not_on_side && (is_drawn || node == on_side)) partition.add_side(node);
            }
            partition.set_one_way(stream.chance(100));
            return take_step_(trouble);
        }
        case scenario::cut_two_nodes: {
            auto& partition = *trouble.mutable_partition();
            partition.set_for_ms(for_ms);
            const auto first = static_cast<std::size_t>(stream.below(nodes_.size()));
            const auto distance = 1 + static_cast<std::size_t>(stream.below(nodes_.size() - 1));
            partition.add_side(nodes_[first]);
            partition.add_from(nodes_[(first + distance) % nodes_.size()]);
            partition.set_one_way(stream.chance(300));
            return take_step_(trouble);
        }
        case scenario::crash_any_node:
            trouble.mutable_crash()->set_node(draw_node());
            trouble.mutable_crash()->set_silent(stream.chance(300));
            trouble.mutable_crash()->set_restart_after_ms(for_ms);
            return take_step_(trouble);
        case scenario::pause_any_node:
            trouble.mutable_pause()->set_node(draw_node());
            trouble.mutable_pause()->set_for_ms(for_ms);
            return take_step_(trouble);
        case scenario::lose_any_node: {
            const auto& node = draw_node();
            return lose_node(node, stream.chance(300));
        }
        case scenario::change_any_clock: {
            constexpr std::uint64_t jump_ms_max = 3'600'000;
            auto& change = *trouble.mutable_set_clock();
            change.set_node(draw_node());
            const auto ahead_ms = static_cast<std::int64_t>(stream.below(jump_ms_max));
            const bool is_back = stream.chance(500);
            change.set_jump_ms(is_back ? -(ahead_ms + 1) : ahead_ms + 1);
            return take_step_(trouble);
        }
        default: UNREACHABLE();  // the others are none of nodes
    }
}

void Workload::lose_node(const std::string& node, bool is_silent) {
    const bool is_lost = std::ranges::find(lost_nodes_, node) != lost_nodes_.end();
    if (is_lost || 2 * (lost_nodes_.size() + 1) >= nodes_.size()) return;
    lost_nodes_.push_back(node);
    auto trouble = step_now();
    trouble.mutable_crash()->set_node(node);
    trouble.mutable_crash()->set_silent(is_silent);
    trouble.mutable_crash()->set_for_good(true);
    take_step_(trouble);
}

}  // namespace touchstone::simulator
