// What was random becomes steps; what a failure does not take goes away.

#include "simulator/shrink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulator/scenario.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {
namespace {

constexpr const char* sweep = "scenarios/sweep/session-faults.textproto";

TEST(Unroll, a_random_run_written_down_goes_the_same_way) {
    const auto loaded = load_scenario(sweep);
    ASSERT_TRUE(loaded.problems.empty());
    // Steps of a file come before all else of their instant; what is drawn during the run comes
    // after what was scheduled before it. So now and then a tie is broken the other way.
    unsigned ties_seen = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const RunOptions options{.seed = seed, .shard_count = 2};
        const auto outcome = run_scenario(loaded.scenario, options);
        const auto unrolled = unroll(loaded.scenario, options, outcome);
        const auto again = run_scenario(unrolled, {});
        EXPECT_TRUE(again.schedule.empty());
        EXPECT_FALSE(fingerprint_of(again).has_value()) << "seed " << seed;
        if (again.world->trace().bytes != outcome.world->trace().bytes) ++ties_seen;
    }
    EXPECT_LE(ties_seen, 4U);
}

/// The first seed that breaks an invariant with the defect on.
std::optional<Outcome> find_failure(const LoadedScenario& loaded, const RunOptions& base) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        auto options = base;
        options.seed = seed;
        auto outcome = run_scenario(loaded.scenario, options);
        if (fingerprint_of(outcome)) return outcome;
    }
    return std::nullopt;
}

struct Expected {
    const char* defect;
    const char* invariant;
    std::size_t faults_max;
    std::size_t messages_max;
};

class ShrinkTest : public testing::TestWithParam<Expected> {};

TEST_P(ShrinkTest, leaves_a_few_steps_that_break_the_same_promise) {
    const auto& expected = GetParam();
    const auto loaded = load_scenario(sweep);
    ASSERT_TRUE(loaded.problems.empty());
    RunOptions options{.defects = {expected.defect}};
    const auto outcome = find_failure(loaded, options);
    ASSERT_TRUE(outcome.has_value());
    options.seed = outcome->seed;
    const auto unrolled = unroll(loaded.scenario, options, *outcome);
    const auto fingerprint = fingerprint_of(run_scenario(unrolled, {}));
    ASSERT_TRUE(fingerprint.has_value());
    EXPECT_EQ(fingerprint->invariant, expected.invariant);

    const auto shrunk = shrink(unrolled, *fingerprint, {});
    EXPECT_TRUE(shrunk.is_complete);
    EXPECT_GT(shrunk.before.events(), 50U);
    EXPECT_LE(shrunk.after.faults, expected.faults_max);
    EXPECT_LE(shrunk.after.messages, expected.messages_max);

    // It is a scenario file that says so by itself, and nothing in it can be left out.
    const auto text = file_text(shrunk.scenario, "One.\n\nTwo.");
    EXPECT_THAT(text, testing::StartsWith("# One.\n#\n# Two.\n"));
    const auto parsed = parse_scenario("shrunk", text);
    EXPECT_THAT(parsed.problems, testing::IsEmpty()) << text;
    EXPECT_EQ(fingerprint_of(run_scenario(parsed.scenario, {}))->invariant, expected.invariant)
        << text;
    for (int i = 0; i < parsed.scenario.steps_size(); ++i) {
        auto without = parsed.scenario;
        without.mutable_steps()->DeleteSubrange(i, 1);
        const auto left = fingerprint_of(run_scenario(without, {}));
        const bool is_the_same =
            left && std::ranges::includes(fingerprint->also, left->also) &&
            std::ranges::find(left->also, expected.invariant) != left->also.end();
        EXPECT_FALSE(is_the_same) << "step " << i << " is not needed in\n" << text;
    }
}

INSTANTIATE_TEST_SUITE_P(Defects, ShrinkTest,
                         testing::Values(Expected{"will_twice", "L1", 2, 0},
                                         Expected{"redeliver_unordered", "O2", 4, 3}),
                         [](const auto& one) { return std::string{one.param.defect}; });

TEST(Shrink, leaves_what_can_be_a_file) {
    const auto loaded = load_scenario("scenarios/sweep/disks.textproto");
    RunOptions options{.defects = {"snapshot_no_fsync"}};
    const auto outcome = find_failure(loaded, options);
    ASSERT_TRUE(outcome.has_value());
    options.seed = outcome->seed;
    const auto unrolled = unroll(loaded.scenario, options, *outcome);
    const auto fingerprint = fingerprint_of(run_scenario(unrolled, {}));
    ASSERT_TRUE(fingerprint.has_value());
    // Without the disk its troubles would make no sense; they may all be gone, or some be left.
    const auto shrunk = shrink(unrolled, *fingerprint, {});
    const auto file = parse_scenario("shrunk.textproto", file_text(shrunk.scenario, ""));
    EXPECT_THAT(file.problems, testing::IsEmpty());
    EXPECT_LT(shrunk.after.events(), shrunk.before.events());
}

TEST(Shrink, stops_when_the_budget_is_used_up) {
    const auto loaded = load_scenario(sweep);
    RunOptions options{.defects = {"will_twice"}};
    const auto outcome = find_failure(loaded, options);
    ASSERT_TRUE(outcome.has_value());
    options.seed = outcome->seed;
    const auto unrolled = unroll(loaded.scenario, options, *outcome);
    const auto shrunk = shrink(unrolled, *fingerprint_of(*outcome), {.runs_max = 3});
    EXPECT_FALSE(shrunk.is_complete);
    EXPECT_EQ(shrunk.runs, 3U);
    EXPECT_TRUE(fingerprint_of(run_scenario(shrunk.scenario, {})).has_value());
}

}  // namespace
}  // namespace touchstone::simulator
