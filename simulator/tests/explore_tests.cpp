// The search that changes schedules: what a run has met, what a change leaves valid, and that all
// of it is decided by the seed.

#include "simulator/explore.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "simulator/coverage.hpp"
#include "simulator/mutation.hpp"
#include "simulator/scenario.hpp"
#include "simulator/shrink.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {
namespace {

constexpr const char* faults = "scenarios/sweep/session-faults.textproto";

std::set<StatePair> pairs_of(const Outcome& outcome) {
    const auto& trace = outcome.world->trace();
    std::set<StatePair> pairs;
    for (const auto& met : pairs_met(trace, History{trace})) {
        EXPECT_TRUE(pairs.insert(met.pair).second) << "each once";
    }
    return pairs;
}

TEST(Coverage, is_what_the_run_has_met_and_depends_on_the_state) {
    const auto scenario = load_scenario(faults).scenario;
    const auto one = pairs_of(run_scenario(scenario, {.seed = 1}));
    EXPECT_EQ(one, pairs_of(run_scenario(scenario, {.seed = 1})));
    const auto other = pairs_of(run_scenario(scenario, {.seed = 2}));
    EXPECT_GT(one.size(), 50U);
    EXPECT_FALSE(std::ranges::includes(one, other));
    // The same event in two states is two pairs.
    std::set<std::uint32_t> events;
    for (const auto pair : one) events.insert(pair & 0x3FFU);
    EXPECT_LT(events.size(), one.size() / 2);
}

TEST(Mutation, leaves_a_valid_scenario_whatever_it_draws) {
    const auto scenario = load_scenario(faults).scenario;
    const auto unrolled = [&](std::uint64_t seed) {
        const RunOptions options{.seed = seed};
        return unroll(scenario, options, run_scenario(scenario, options));
    };
    auto schedule = unrolled(1);
    const auto other = unrolled(2);
    RandomStream draws{7, Domain::workload, 0, Purpose::shape};
    MutationContext context{.until_ms = 20'000,
                            .clients = {"a", "b", "c", "d"},
                            .moments = {{5'000, "a"}, {19'999, "d"}}};
    std::set<std::string> results;
    for (context.number = 1; context.number <= 300; ++context.number) {
        schedule = mutated(schedule, other, context, draws);
        const auto text = file_text(schedule, "");
        const auto loaded = parse_scenario("mutated", text);
        ASSERT_THAT(loaded.problems, testing::IsEmpty());
        ASSERT_TRUE(std::ranges::is_sorted(schedule.steps(), {}, &scenario::Step::at_ms));
        for (const auto& step : schedule.steps()) ASSERT_LE(step.at_ms(), 20'000U);
        results.insert(text);
    }
    EXPECT_GT(results.size(), 250U) << "nearly each change changes something";
}

std::string text_of(const Explored& explored) {
    std::string text;
    for (const auto& stage : explored.stages) {
        text += std::to_string(stage.runs) + " " + std::to_string(stage.pairs) + " " +
                std::to_string(stage.kept) + " " + std::to_string(stage.failing) + "\n";
    }
    for (const auto& failure : explored.failures) text += file_text(failure.schedule, "");
    return text;
}

TEST(Explore, finds_the_same_with_any_number_of_processes_and_what_it_finds_fails_by_itself) {
    const auto scenario = load_scenario(faults).scenario;
    ExploreOptions options{.run = {.seed = 5, .defects = {"redeliver_unordered"}}, .runs_max = 96};
    const auto explored = explore(scenario, options);
    EXPECT_TRUE(explored.is_complete);
    EXPECT_EQ(explored.stages.back().runs, 96U);
    EXPECT_GT(explored.stages.back().pairs, explored.stages.front().pairs);
    ASSERT_FALSE(explored.failures.empty());
    const auto& failure = explored.failures.front();
    const auto again = parse_scenario("again", file_text(failure.schedule, ""));
    ASSERT_THAT(again.problems, testing::IsEmpty());
    EXPECT_EQ(fingerprint_of(run_scenario(again.scenario, {}))->also, failure.broken);
    options.process_count = 3;
    EXPECT_EQ(text_of(explore(scenario, options)), text_of(explored));
}

TEST(Explore, ends_with_the_first_failure_or_when_it_is_enough) {
    const auto scenario = load_scenario(faults).scenario;
    ExploreOptions options{.run = {.defects = {"session_present_lies"}},
                           .has_enough_with_one = true};
    const auto first = explore(scenario, options);
    EXPECT_TRUE(first.is_complete);
    EXPECT_EQ(first.stages.back().failing, 1U);
    options.is_enough = [] { return true; };
    const auto none = explore(scenario, options);
    EXPECT_FALSE(none.is_complete);
    EXPECT_EQ(none.stages.back().runs, 0U);
}

}  // namespace
}  // namespace touchstone::simulator
