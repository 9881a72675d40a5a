// The published defects of healing, each by its schedule: with the switch it shows, without it the
// cluster is whole again.
#include <gtest/gtest.h>

#include "broker/cluster/tests/healing_mesh.hpp"

namespace touchstone::cluster {
namespace {

using namespace std::chrono_literals;

// After the last link is back: report, wait, views, reboot, join; and once more where a step
// failed.
constexpr Duration convergence = 180s;

/// As of the catalogue: n1 there is node 0 here.
struct Cluster {
    HealingPolicy policy = HealingPolicy::emqx4;
    HealingDefects defects;
    std::uint32_t node_count = 3;
    std::vector<std::uint32_t> replicants;
    std::optional<Duration> autoclean;
    HealingStart start = HealingStart::formed;

    [[nodiscard]] MeshOptions options() const {
        MeshOptions options{.node_count = node_count,
                            .start = start,
                            .are_all_linked = start == HealingStart::formed};
        options.healing.policy = policy;
        options.healing.defects = defects;
        options.healing.autoclean = autoclean;
        for (const auto index : replicants) options.healing.replicants.emplace_back(index);
        return options;
    }
};

void write_all(HealingMesh& mesh) {
    for (std::uint32_t index = 0; index < mesh.size(); ++index) mesh.write(index);
}

void split(HealingMesh& mesh, const std::vector<std::vector<std::uint32_t>>& groups,
           Duration duration) {
    mesh.partition(groups);
    for (Duration passed{}; passed < duration; passed += 5s) {
        write_all(mesh);
        mesh.run_for(5s);
    }
    mesh.restore_all();
}

constexpr HealingPolicy with_rounds[] = {HealingPolicy::emqx4, HealingPolicy::mria,
                                         HealingPolicy::rabbit_autoheal};
constexpr HealingPolicy of_emqx[] = {HealingPolicy::emqx4, HealingPolicy::mria};

TEST(healing, a_cluster_without_faults_has_no_trouble) {
    for (const auto policy :
         {HealingPolicy::none, HealingPolicy::emqx4_original, HealingPolicy::emqx4,
          HealingPolicy::mria, HealingPolicy::rabbit_pause_minority,
          HealingPolicy::rabbit_autoheal}) {
        HealingMesh mesh{Cluster{.policy = policy}.options()};
        EXPECT_EQ(mesh.trouble_after(0s), "");
        EXPECT_EQ(mesh.node(0).reboots + mesh.node(1).reboots + mesh.node(2).reboots, 0);
    }
}

TEST(healing, the_original_form_reboots_the_smaller_side) {
    HealingMesh mesh{
        Cluster{.policy = HealingPolicy::emqx4_original, .defects = emqx4_original_defects()}
            .options()};
    split(mesh, {{2}, {0, 1}}, 60s);
    EXPECT_EQ(mesh.trouble_after(60s), "");
    EXPECT_EQ(mesh.node(2).reboots, 1);
    EXPECT_EQ(mesh.node(0).reboots + mesh.node(1).reboots, 0);
}

TEST(healing, it_begins_18_seconds_after_links_return) {
    HealingMesh mesh{Cluster{}.options()};
    split(mesh, {{2}, {0, 1}}, 60s);
    const auto restored_at = mesh.now();
    ASSERT_TRUE(mesh.run_until(convergence, [&] { return mesh.node(2).reboots == 1; }));
    EXPECT_GE(mesh.now() - restored_at, 18s);
    EXPECT_LE(mesh.now() - restored_at, 19s);
}

TEST(healing, the_side_of_the_leader_wins_when_the_sides_are_equal) {
    for (const auto policy : with_rounds) {
        HealingMesh mesh{Cluster{.policy = policy, .node_count = 2}.options()};
        split(mesh, {{0}, {1}}, 60s);
        EXPECT_EQ(mesh.trouble_after(convergence), "");
        EXPECT_EQ(mesh.node(0).reboots, 0);
        EXPECT_EQ(mesh.node(1).reboots, 1);
    }
}

TEST(healing, autoheal_keeps_the_side_with_the_most_clients) {
    HealingMesh mesh{Cluster{.policy = HealingPolicy::rabbit_autoheal}.options()};
    mesh.node(2).clients = 10;
    split(mesh, {{2}, {0, 1}}, 60s);
    EXPECT_EQ(mesh.trouble_after(convergence), "");
    EXPECT_EQ(mesh.node(2).reboots, 0);
    EXPECT_EQ(mesh.node(0).reboots + mesh.node(1).reboots, 2);
}

TEST(healing, mria_waits_for_all_of_three_cores_and_for_all_but_one_of_five) {
    HealingMesh three{Cluster{.policy = HealingPolicy::mria}.options()};
    three.crash(2);
    split(three, {{0}, {1}}, 60s);
    EXPECT_NE(three.trouble_after(convergence), "");
    HealingMesh four{Cluster{.policy = HealingPolicy::mria, .node_count = 4}.options()};
    four.crash(2);
    split(four, {{0}, {1, 3}}, 60s);
    EXPECT_EQ(four.trouble_after(convergence), "");
}

TEST(healing, sb_01_three_sides) {
    for (const auto policy : with_rounds)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{
                Cluster{.policy = policy, .defects = {.heal_two_sides_only = is_on}}.options()};
            split(mesh, {{0}, {1}, {2}}, 60s);
            EXPECT_EQ(mesh.trouble_after(convergence).empty(), !is_on);
        }
}

TEST(healing, sb_01_three_sides_never_had_an_answer_in_the_original_form) {
    HealingMesh mesh{Cluster{.policy = HealingPolicy::emqx4_original}.options()};
    split(mesh, {{0}, {1}, {2}}, 60s);
    EXPECT_NE(mesh.trouble_after(convergence), "");
    ASSERT_EQ(mesh.node(0).alarms.size(), 1U);
    EXPECT_EQ(mesh.node(0).alarms[0],
              "the partition is none that can be healed: 3 different views");
}

TEST(healing, sb_02_a_second_partition) {
    for (const auto policy : with_rounds)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{
                Cluster{.policy = policy, .defects = {.heal_single_shot = is_on}}.options()};
            split(mesh, {{2}, {0, 1}}, 60s);
            EXPECT_EQ(mesh.trouble_after(convergence), "");
            split(mesh, {{2}, {0, 1}}, 60s);
            EXPECT_EQ(mesh.trouble_after(convergence).empty(), !is_on);
        }
}

TEST(healing, sb_03_an_island_of_ten_minutes) {
    for (const auto policy : with_rounds)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{
                Cluster{.policy = policy, .defects = {.heal_disabled = is_on}}.options()};
            split(mesh, {{2}, {0, 1}}, 600s);
            EXPECT_EQ(mesh.trouble_after(convergence).empty(), !is_on);
            EXPECT_TRUE(mesh.node(2).is_serving);
        }
}

TEST(healing, sb_04_the_link_is_lost_between_the_two_calls) {
    for (const auto policy : with_rounds)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{
                Cluster{.policy = policy, .defects = {.heal_two_phase_rpc = is_on}}.options()};
            split(mesh, {{2}, {0, 1}}, 60s);
            ASSERT_TRUE(mesh.run_until(convergence, [&] { return !mesh.node(2).is_serving; }));
            split(mesh, {{2}, {0, 1}}, 60s);
            const auto trouble = mesh.trouble_after(convergence);
            EXPECT_EQ(trouble.empty(), !is_on) << trouble;
            EXPECT_EQ(mesh.node(2).is_serving, !is_on);
        }
}

TEST(healing, sb_05_a_member_that_was_removed_meanwhile) {
    for (const auto policy : of_emqx)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{Cluster{
                .policy = policy, .defects = {.heal_reconnect_no_wipe = is_on}, .autoclean = 60s}
                                 .options()};
            split(mesh, {{2}, {0, 1}}, 120s);
            const auto trouble = mesh.trouble_after(convergence);
            EXPECT_EQ(trouble.empty(), !is_on) << trouble;
            if (is_on) {
                EXPECT_EQ(mesh.node(2).healing->health().state, HealingState::healthy);
            }
        }
}

TEST(healing, sb_06_one_link_of_three) {
    for (const auto policy : with_rounds)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{
                Cluster{.policy = policy, .defects = {.heal_asymmetric_unsupported = is_on}}
                    .options()};
            mesh.cut_link(0, 2);
            mesh.run_for(30s);
            write_all(mesh);
            mesh.run_for(30s);
            mesh.restore_link(0, 2);
            const auto trouble = mesh.trouble_after(convergence);
            EXPECT_EQ(trouble.empty(), !is_on) << trouble;
        }
}

TEST(healing, sb_07_a_node_that_never_comes_back) {
    for (const auto policy : with_rounds)
        for (const auto is_on : {false, true}) {
            HealingMesh mesh{Cluster{
                .policy = policy, .defects = {.heal_needs_all_nodes = is_on}, .node_count = 5}
                                 .options()};
            mesh.partition({{0, 1}, {2, 3, 4}});
            mesh.run_for(20s);
            mesh.crash(4);
            write_all(mesh);
            mesh.run_for(20s);
            mesh.restore_all();
            EXPECT_EQ(mesh.trouble_after(convergence).empty(), !is_on);
        }
}

TEST(healing, sb_08_the_oldest_node_is_a_replicant) {
    for (const auto is_on : {false, true}) {
        HealingMesh mesh{Cluster{.policy = HealingPolicy::mria,
                                 .defects = {.heal_wrong_electorate = is_on},
                                 .node_count = 4,
                                 .replicants = {0}}
                             .options()};
        split(mesh, {{1}, {2, 3}}, 60s);
        const auto trouble = mesh.trouble_after(convergence);
        EXPECT_EQ(trouble.empty(), !is_on) << trouble;
    }
}

TEST(healing, sb_09_a_replicant_beside_each_of_two_cores) {
    for (const auto is_on : {false, true}) {
        HealingMesh mesh{Cluster{.policy = HealingPolicy::mria,
                                 .defects = {.replicant_needs_one_core_view = is_on},
                                 .node_count = 4,
                                 .replicants = {2, 3}}
                             .options()};
        // Each has taken a core; they are cut off with the other one.
        mesh.run_for(10s);
        const auto first = mesh.node(2).healing->health().upstream;
        ASSERT_TRUE(first.has_value());
        const auto other = 1 - first->raw();
        ASSERT_EQ(mesh.node(3).healing->health().upstream, NodeIndex{other})
            << "the core with the fewest replicants";
        mesh.partition({{2, other}, {3, first->raw()}});
        mesh.run_for(60s);
        EXPECT_EQ(mesh.node(2).healing->health().upstream.has_value(), !is_on);
        EXPECT_EQ(mesh.node(3).healing->health().upstream.has_value(), !is_on);
        mesh.restore_all();
        EXPECT_EQ(mesh.trouble_after(convergence), "");
    }
}

TEST(healing, a_replicant_keeps_its_clients_when_its_core_starts_again) {
    HealingMesh mesh{
        Cluster{.policy = HealingPolicy::mria, .node_count = 4, .replicants = {3}}.options()};
    mesh.run_for(10s);
    const auto core = mesh.node(3).healing->health().upstream;
    ASSERT_TRUE(core.has_value());
    std::vector<std::uint32_t> others;
    for (std::uint32_t index = 0; index < 3; ++index)
        if (index != core->raw()) others.push_back(index);
    split(mesh, {{core->raw(), 3}, others}, 60s);
    EXPECT_EQ(mesh.trouble_after(convergence), "");
    EXPECT_EQ(mesh.node(core->raw()).reboots, 1);
    EXPECT_EQ(mesh.node(3).stops, 0);
}

TEST(healing, sb_18_two_seeds) {
    for (const auto is_on : {false, true}) {
        HealingMesh mesh{Cluster{.defects = {.autocluster_two_seeds = is_on},
                                 .node_count = 4,
                                 .start = HealingStart::discovering}
                             .options()};
        mesh.restore_link(0, 1);
        mesh.restore_link(2, 3);
        mesh.run_for(60s);
        for (std::uint32_t index = 0; index < 4; ++index)
            EXPECT_TRUE(mesh.node(index).is_serving) << index;
        mesh.restore_all();
        const auto trouble = mesh.trouble_after(convergence);
        EXPECT_EQ(trouble.empty(), !is_on) << trouble;
    }
}

TEST(healing, nodes_that_discover_each_other_in_time_form_one_cluster) {
    HealingMesh mesh{Cluster{.node_count = 5, .start = HealingStart::discovering}.options()};
    mesh.restore_all();
    EXPECT_EQ(mesh.trouble_after(60s), "");
    for (std::uint32_t index = 0; index < 5; ++index) EXPECT_EQ(mesh.node(index).reboots, 0);
}

TEST(healing, sb_30_a_minority_that_loses_all_at_once) {
    for (const auto is_on : {false, true}) {
        auto options = Cluster{.policy = HealingPolicy::rabbit_pause_minority,
                               .defects = {.pause_minority_missed = is_on}}
                           .options();
        options.detection_low = options.detection_high = 5s;
        HealingMesh mesh{options};
        mesh.partition({{2}, {0, 1}});
        mesh.run_for(30s);
        EXPECT_EQ(mesh.node(2).is_serving, is_on);
        EXPECT_TRUE(mesh.node(0).is_serving && mesh.node(1).is_serving);
        mesh.restore_all();
        if (!is_on) {
            EXPECT_EQ(mesh.trouble_after(convergence), "");
        }
    }
}

TEST(healing, sb_30_a_minority_that_is_cut_off_again_while_it_recovers) {
    for (const auto is_on : {false, true}) {
        HealingMesh mesh{Cluster{.policy = HealingPolicy::rabbit_pause_minority,
                                 .defects = {.pause_minority_missed = is_on}}
                             .options()};
        mesh.partition({{2}, {0, 1}});
        mesh.run_for(30s);
        ASSERT_EQ(mesh.node(2).healing->health().state, HealingState::paused);
        mesh.restore_all();
        ASSERT_TRUE(mesh.run_until(
            10s, [&] { return mesh.node(2).healing->health().state == HealingState::stopped; }));
        mesh.partition({{2}, {0, 1}});
        mesh.run_for(60s);
        EXPECT_EQ(mesh.node(2).is_serving, is_on);
        mesh.restore_all();
        if (!is_on) {
            EXPECT_EQ(mesh.trouble_after(convergence), "");
        }
    }
}

TEST(healing, both_ends_of_a_partial_partition_pause_until_it_ends) {
    HealingMesh mesh{Cluster{.policy = HealingPolicy::rabbit_pause_minority}.options()};
    mesh.cut_link(0, 2);
    mesh.run_for(30s);
    EXPECT_EQ(mesh.node(0).healing->health().state, HealingState::paused);
    EXPECT_TRUE(mesh.node(1).is_serving);
    EXPECT_EQ(mesh.node(2).healing->health().state, HealingState::paused);
    mesh.restore_link(0, 2);
    EXPECT_EQ(mesh.trouble_after(convergence), "");
}

TEST(healing, halves_of_four_nodes_both_pause) {
    HealingMesh mesh{
        Cluster{.policy = HealingPolicy::rabbit_pause_minority, .node_count = 4}.options()};
    mesh.partition({{0, 1}, {2, 3}});
    mesh.run_for(30s);
    for (std::uint32_t index = 0; index < 4; ++index) EXPECT_FALSE(mesh.node(index).is_serving);
    mesh.restore_all();
    EXPECT_EQ(mesh.trouble_after(convergence), "");
}

TEST(healing, without_healing_the_operator_is_told_and_nothing_else_happens) {
    for (const auto policy : {HealingPolicy::none, HealingPolicy::rabbit_ignore}) {
        HealingMesh mesh{Cluster{.policy = policy}.options()};
        split(mesh, {{2}, {0, 1}}, 60s);
        EXPECT_NE(mesh.trouble_after(convergence), "");
        EXPECT_EQ(mesh.node(2).healing->health().state, HealingState::partitioned);
        EXPECT_EQ(mesh.node(2).alarms.size(), 2U);
    }
}

TEST(healing, a_coordinator_that_crashes_before_its_victim_has_joined_is_replaced) {
    for (const auto policy : of_emqx) {
        HealingMesh mesh{Cluster{.policy = policy, .node_count = 5}.options()};
        auto is_first = true;
        mesh.on_delivery = [&](NodeIndex from, NodeIndex, const HealingMessage& message) {
            if (!std::holds_alternative<HealingReboot>(message) || !is_first) return;
            is_first = false;
            mesh.crash(from.raw());
        };
        split(mesh, {{4}, {0, 1, 2, 3}}, 60s);
        EXPECT_EQ(mesh.trouble_after(convergence), "");
        EXPECT_FALSE(is_first);
        EXPECT_TRUE(mesh.node(0).is_crashed);
    }
}

TEST(healing, a_node_that_crashed_starts_again_with_the_tables_of_the_others) {
    for (const auto policy : of_emqx) {
        HealingMesh mesh{Cluster{.policy = policy}.options()};
        write_all(mesh);
        mesh.crash(0);
        mesh.run_for(30s);
        mesh.restart(0);
        EXPECT_EQ(mesh.trouble_after(30s), "");
        EXPECT_FALSE(mesh.node(0).rows.empty());
        EXPECT_EQ(mesh.node(1).reboots + mesh.node(2).reboots, 0);
    }
}

TEST(healing, when_all_have_crashed_the_oldest_starts_alone) {
    HealingMesh mesh{Cluster{}.options()};
    for (const auto index : {0U, 1U, 2U}) mesh.crash(index);
    mesh.run_for(30s);
    for (const auto index : {2U, 1U, 0U}) mesh.restart(index);
    EXPECT_EQ(mesh.trouble_after(60s), "");
    EXPECT_EQ(mesh.node(0).alarms.size(), 1U);
    EXPECT_EQ(mesh.node(1).alarms.size(), 0U);
}

}  // namespace
}  // namespace touchstone::cluster
