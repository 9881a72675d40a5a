// What a swarm draws: every choice in some runs and not in others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "simulator/run.hpp"
#include "simulator/scenario.hpp"
#include "simulator/swarm.hpp"

namespace touchstone::simulator {
namespace {

constexpr std::uint64_t run_count = 200;

RandomStream stream_of(std::uint64_t seed) {
    return {seed, Domain::workload, 0, Purpose::swarm};
}

TEST(Swarm, has_each_kind_of_disturbance_in_some_runs_and_never_none_at_all) {
    scenario::Workload all;
    for (int i = 0; scenario::Disturbance_IsValid(i); ++i) {
        all.add_disturbances(static_cast<scenario::Disturbance>(i));
    }
    std::map<int, std::uint64_t> runs;
    for (std::uint64_t seed = 1; seed <= run_count; ++seed) {
        auto workload = all;
        choose_disturbances(workload, stream_of(seed));
        EXPECT_FALSE(workload.disturbances().empty());
        for (const auto one : workload.disturbances()) ++runs[one];
    }
    ASSERT_EQ(runs.size(), static_cast<std::size_t>(all.disturbances_size()));
    for (const auto& [kind, count] : runs) {
        EXPECT_GT(count, run_count / 4) << kind;
        EXPECT_LT(count, 3 * run_count / 4) << kind;
    }
}

TEST(Swarm, keeps_the_only_disturbance_there_is) {
    for (std::uint64_t seed = 1; seed <= run_count; ++seed) {
        scenario::Workload workload;
        workload.add_disturbances(scenario::pause_node);
        choose_disturbances(workload, stream_of(seed));
        EXPECT_THAT(workload.disturbances(), testing::ElementsAre(scenario::pause_node));
    }
}

TEST(Swarm, lets_no_client_give_up_before_an_answer_can_come) {
    std::set<std::uint32_t> timeouts_ms;
    for (std::uint64_t seed = 1; seed <= run_count; ++seed) {
        scenario::Client client;
        client.set_version(5);
        swarm_client(client, stream_of(seed));
        timeouts_ms.insert(client.answer_timeout_ms());
        // There and back.
        const auto round_trip_us =
            2 * std::max(client.link().delay_us(), client.link().delay_us_high());
        EXPECT_LT(round_trip_us, client.answer_timeout_ms() * 1'000) << seed;
    }
    EXPECT_THAT(timeouts_ms, testing::ElementsAre(100, 500, 2'000));
}

TEST(Swarm, draws_problems_for_nobody) {
    const auto loaded = load_scenario("scenarios/sweep/swarm.textproto");
    ASSERT_THAT(loaded.problems, testing::IsEmpty());
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto outcome = run_scenario(loaded.scenario, {.seed = seed});
        EXPECT_FALSE(outcome.drawn.workload().swarm());
        const auto again = parse_scenario("drawn", outcome.drawn.DebugString());
        EXPECT_THAT(again.problems, testing::IsEmpty()) << seed;
        // What was drawn is what it takes: nothing is drawn anew.
        EXPECT_EQ(run_scenario(outcome.drawn, {.seed = seed}).digest(), outcome.digest()) << seed;
    }
}

}  // namespace
}  // namespace touchstone::simulator
