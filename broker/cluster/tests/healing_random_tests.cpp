// Random faults, a seed each: with every switch off all nodes end up with one view and one set of
// rows, and none stays stopped.
#include <gtest/gtest.h>

#include "broker/cluster/tests/healing_mesh.hpp"

namespace touchstone::cluster {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t seeds = 100;  // of each sweep; 5000 of each have been seen to pass

enum class Faults { cuts, cuts_and_crashes };

/// A minute of writes, with some links cut for some time, in some directions, between some nodes.
void disturb(HealingMesh& mesh, Faults faults) {
    const auto pick = [&](std::uint64_t below) { return mesh.draw() % below; };
    for (auto fault_count = 1 + pick(4); fault_count > 0; --fault_count) {
        const auto begins = mesh.draw(0s, 60s);
        const auto lasts = mesh.draw(1s, 60s);
        const auto kind = pick(4);
        const auto a = static_cast<std::uint32_t>(pick(mesh.size()));
        const auto b = static_cast<std::uint32_t>((a + 1 + pick(mesh.size() - 1)) % mesh.size());
        if (kind == 0 && faults == Faults::cuts_and_crashes) {
            mesh.at(begins, [&mesh, a] { mesh.node(a).is_crashed ? void() : mesh.crash(a); });
            mesh.at(begins + lasts,
                    [&mesh, a] { mesh.node(a).is_crashed ? mesh.restart(a) : void(); });
        } else if (kind == 1) {
            mesh.at(begins, [&mesh, a, b] { mesh.cut_link(a, b); });
            mesh.at(begins + lasts, [&mesh, a, b] { mesh.restore_link(a, b); });
        } else if (kind == 2) {
            mesh.at(begins, [&mesh, a, b] { mesh.cut(a, b); });
            mesh.at(begins + lasts, [&mesh, a, b] { mesh.restore(a, b); });
        } else {
            std::vector<std::vector<std::uint32_t>> groups(2 + pick(2));
            for (std::uint32_t index = 0; index < mesh.size(); ++index)
                groups[pick(groups.size())].push_back(index);
            mesh.at(begins, [&mesh, groups] { mesh.partition(groups); });
            mesh.at(begins + lasts, [&mesh] { mesh.restore_all(); });
        }
    }
    for (int second = 0; second < 121; ++second) {
        mesh.write(static_cast<std::uint32_t>(pick(mesh.size())));
        mesh.run_for(1s);
    }
    mesh.restore_all();
}

struct Sweep {
    HealingPolicy policy;
    Faults faults = Faults::cuts;
    bool is_detector_symmetric = true;
    std::uint32_t replicant_count = 0;
    HealingDefects defects;
    std::optional<Duration> autoclean;
};

std::string trouble_of(const Sweep& sweep, std::uint64_t seed) {
    const auto core_count = static_cast<std::uint32_t>(2 + seed % 6);
    MeshOptions options{.node_count = core_count + sweep.replicant_count,
                        .seed = seed,
                        .detection_low = 2s,
                        .detection_high = 15s,
                        .is_detector_symmetric = sweep.is_detector_symmetric,
                        .are_rows_of_nodes = true};
    options.healing.policy = sweep.policy;
    options.healing.defects = sweep.defects;
    options.healing.autoclean = sweep.autoclean;
    // The oldest and the youngest, so that some of them are older than all cores.
    for (std::uint32_t index = 0; index < sweep.replicant_count; ++index)
        options.healing.replicants.emplace_back(index % 2 == 0 ? index : core_count + index);
    HealingMesh mesh{options};
    disturb(mesh, sweep.faults);
    return mesh.trouble_after(300s);
}

void expect_convergence(const Sweep& sweep) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
        EXPECT_EQ(trouble_of(sweep, seed), "") << "seed=" << seed;
}

TEST(healing_random, emqx4_converges_after_cuts) {
    expect_convergence({.policy = HealingPolicy::emqx4});
}

TEST(healing_random, emqx4_converges_after_cuts_and_crashes) {
    expect_convergence({.policy = HealingPolicy::emqx4, .faults = Faults::cuts_and_crashes});
}

TEST(healing_random, emqx4_converges_after_members_were_removed) {
    expect_convergence(
        {.policy = HealingPolicy::emqx4, .faults = Faults::cuts_and_crashes, .autoclean = 20s});
}

TEST(healing_random, emqx4_converges_with_detectors_that_disagree) {
    expect_convergence({.policy = HealingPolicy::emqx4, .is_detector_symmetric = false});
}

TEST(healing_random, mria_converges_after_cuts) {
    expect_convergence({.policy = HealingPolicy::mria});
}

TEST(healing_random, mria_converges_after_cuts_and_crashes) {
    expect_convergence({.policy = HealingPolicy::mria, .faults = Faults::cuts_and_crashes});
}

TEST(healing_random, mria_converges_with_detectors_that_disagree) {
    expect_convergence({.policy = HealingPolicy::mria, .is_detector_symmetric = false});
}

TEST(healing_random, mria_converges_with_replicants) {
    expect_convergence(
        {.policy = HealingPolicy::mria, .faults = Faults::cuts_and_crashes, .replicant_count = 3});
}

TEST(healing_random, autoheal_converges_after_cuts_and_crashes) {
    expect_convergence(
        {.policy = HealingPolicy::rabbit_autoheal, .faults = Faults::cuts_and_crashes});
}

TEST(healing_random, pause_minority_converges_after_cuts_and_crashes) {
    expect_convergence(
        {.policy = HealingPolicy::rabbit_pause_minority, .faults = Faults::cuts_and_crashes});
}

// That the sweeps can fail: with a switch on, some seed does. Not with those of overlapping views,
// of nodes that never come back and of pausing, which leave no trace in rows that go with a node,
// or need what these faults are not.
TEST(healing_random, seeds_find_the_switches) {
    constexpr std::uint64_t tries = 400;
    const auto finding_seed = [](const Sweep& sweep) {
        std::uint64_t seed = 1;
        while (seed < tries && trouble_of(sweep, seed).empty()) ++seed;
        return seed;
    };
    for (const auto policy :
         {HealingPolicy::emqx4, HealingPolicy::mria, HealingPolicy::rabbit_autoheal})
        for (const auto& defects :
             {HealingDefects{.heal_disabled = true}, HealingDefects{.heal_two_sides_only = true},
              HealingDefects{.heal_single_shot = true}, HealingDefects{.heal_two_phase_rpc = true},
              HealingDefects{.heal_reconnect_no_wipe = true}})
            EXPECT_LT(finding_seed({.policy = policy, .defects = defects, .autoclean = 20s}),
                      tries);
    EXPECT_LT(finding_seed({.policy = HealingPolicy::mria,
                            .replicant_count = 1,
                            .defects = {.heal_wrong_electorate = true}}),
              tries);
}

}  // namespace
}  // namespace touchstone::cluster
