// Whose tables stay, for given views.
#include <gtest/gtest.h>

#include <initializer_list>

#include "broker/cluster/healing_emqx4.hpp"
#include "broker/cluster/healing_emqx4_original.hpp"

namespace touchstone::cluster {
namespace {

NodeGroup group(std::initializer_list<std::uint32_t> indices) {
    NodeGroup nodes;
    for (const auto index : indices) nodes.emplace_back(index);
    return nodes;
}

/// Node 0's view first.
ClusterViews views(std::initializer_list<std::initializer_list<std::uint32_t>> running) {
    std::vector<NodeView> made;
    for (const auto& nodes : running)
        made.push_back({.owner = NodeIndex{static_cast<std::uint32_t>(made.size())},
                        .is_serving = true,
                        .running = group(nodes)});
    return ClusterViews{made};
}

constexpr NodeIndex leader{0};

TEST(healing_decision, the_original_form_reboots_the_smaller_of_two_sides) {
    const auto decision = decide_by_shape(views({{0}, {1, 2}, {1, 2}}), leader);
    ASSERT_TRUE(decision.has_value());
    EXPECT_EQ(decision->coordinator, NodeIndex{1});
    EXPECT_EQ(decision->victims, group({0}));
}

TEST(healing_decision, the_original_form_lets_the_leaders_half_win) {
    const auto decision = decide_by_shape(views({{0, 3}, {1, 2}, {1, 2}, {0, 3}}), leader);
    ASSERT_TRUE(decision.has_value());
    EXPECT_EQ(decision->coordinator, leader);
    EXPECT_EQ(decision->victims, group({1, 2}));
}

TEST(healing_decision, the_original_form_reboots_all_that_a_whole_view_has_but_its_oldest) {
    const auto decision = decide_by_shape(views({{0, 1}, {0, 1, 2}, {1, 2}}), leader);
    ASSERT_TRUE(decision.has_value());
    EXPECT_EQ(decision->coordinator, leader);
    EXPECT_EQ(decision->victims, group({1, 2}));
}

TEST(healing_decision, the_original_form_has_no_answer_to_three_sides_and_to_overlaps) {
    EXPECT_FALSE(decide_by_shape(views({{0}, {1}, {2}}), leader).has_value());
    EXPECT_FALSE(
        decide_by_shape(views({{0, 1, 3}, {0, 1, 2}, {1, 2, 3}, {0, 2, 3}}), leader).has_value());
    EXPECT_FALSE(decide_by_shape(views({{0, 1}, {0, 1}, {1, 2}}), leader).has_value())
        << "sizes that add up to more than there are";
}

TEST(healing_decision, a_side_is_tainted_as_a_whole) {
    const auto decision = decide_by_taint(views({{0}, {1, 2}, {1, 2}}), leader, false);
    EXPECT_EQ(decision.coordinator, NodeIndex{1});
    EXPECT_EQ(decision.victims, group({0}));
}

TEST(healing_decision, of_three_sides_the_leaders_stays) {
    const auto decision = decide_by_taint(views({{0}, {1}, {2}}), leader, false);
    EXPECT_EQ(decision.coordinator, leader);
    EXPECT_EQ(decision.victims, group({1, 2}));
}

TEST(healing_decision, who_hears_both_ends_of_a_cut_is_tainted) {
    const auto one_cut = views({{0, 1}, {0, 1, 2}, {1, 2}});
    EXPECT_EQ(decide_by_taint(one_cut, leader, false).victims, group({1, 2}));
    EXPECT_EQ(decide_by_taint(one_cut, leader, true).victims, group({2}));
}

TEST(healing_decision, when_all_are_tainted_the_leader_stays) {
    // 0 sees 2 running, which does not see 0: what 0 has came from both.
    const auto decision = decide_by_taint(views({{0, 1, 2}, {0, 1, 2}, {1, 2}}), leader, false);
    EXPECT_EQ(decision.coordinator, leader);
    EXPECT_EQ(decision.victims, group({1, 2}));
}

TEST(healing_decision, cliques_overlap_where_a_link_is_missing) {
    EXPECT_EQ(views({{0, 1}, {0, 1, 2}, {1, 2}}).cliques(),
              (std::vector<NodeGroup>{group({0, 1}), group({1, 2})}));
    EXPECT_EQ(views({{0}, {1, 2}, {1, 2}}).cliques(),
              (std::vector<NodeGroup>{group({0}), group({1, 2})}));
    EXPECT_EQ(views({{0, 1}, {1}}).cliques(), (std::vector<NodeGroup>{group({0}), group({1})}))
        << "one direction is no clique";
}

TEST(healing_decision, of_a_clique_those_stay_that_hear_nobody_outside) {
    const auto overlapping = views({{0, 1}, {0, 1, 2}, {1, 2}});
    const auto decision = keep_group(overlapping, group({0, 1}), false);
    EXPECT_EQ(decision.coordinator, NodeIndex{0});
    EXPECT_EQ(decision.victims, group({1, 2}));
    EXPECT_EQ(keep_group(overlapping, group({0, 1}), true).victims, group({2}));
    EXPECT_EQ(keep_group(overlapping, group({1}), false).coordinator, NodeIndex{1})
        << "the oldest, when none is left";
}

TEST(healing_decision, views_of_the_absent_and_the_stopped_do_not_count) {
    auto made = std::vector<NodeView>{
        {.owner = NodeIndex{0}, .is_serving = true, .running = group({0, 1, 9})},
        {.owner = NodeIndex{1}, .is_serving = true, .running = group({1, 0, 1})},
        {.owner = NodeIndex{2}, .is_serving = false, .running = group({2})},
        {.owner = NodeIndex{0}, .is_serving = true, .running = group({0})}};
    const ClusterViews seen{made};
    EXPECT_EQ(seen.owners(), group({0, 1}));
    EXPECT_FALSE(seen.is_partitioned());
    EXPECT_EQ(seen.side_count(), 1U);
}

}  // namespace
}  // namespace touchstone::cluster
