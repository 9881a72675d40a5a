#include "load/limiter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/shapes.hpp"

namespace touchstone::load {
namespace {

using testing::HasSubstr;

Workload open_loop() {
    Workload workload{.run_id = "run"};
    ShapeOptions options;
    options.publishing.process = Publishing::Process::stream;
    options.publishing.rate_per_s = 1'000;
    workload.groups = groups_of(options);
    return workload;
}

Outcome good() {
    Outcome outcome;
    outcome.groups.resize(2);
    auto& counts = outcome.groups[0];
    counts[Count::offered_in_window] = counts[Count::sent_in_window] = 10'000;
    outcome.measured = 10 * second;
    outcome.times.lag.add(20 * microsecond, 10'000);
    outcome.times.delivery.add(500 * microsecond, 10'000);
    outcome.threads = {{.busy = 0.2, .waited = 0.01}};
    return outcome;
}

TEST(Limiter, of_a_run_that_went_well_is_nothing) {
    const auto limit = judge(open_loop(), good());
    EXPECT_EQ(limit.limiter, Limiter::none);
    EXPECT_FALSE(limit.is_generator);
    EXPECT_THAT(limit.words.front(), HasSubstr("Nothing limited"));
}

TEST(Limiter, a_shortage_of_the_generator_is_named) {
    for (const auto& [count, limiter] : {std::pair{Count::files_short, Limiter::files},
                                         std::pair{Count::ports_short, Limiter::ports},
                                         std::pair{Count::memory_short, Limiter::memory}}) {
        auto outcome = good();
        outcome.groups[1][count] = 7;
        const auto limit = judge(open_loop(), outcome);
        EXPECT_EQ(limit.limiter, limiter);
        EXPECT_TRUE(limit.is_generator);
        EXPECT_THAT(limit.words.front(), HasSubstr("7 times"));
    }
}

TEST(Limiter, a_generator_that_is_late_is_one_by_cause) {
    auto outcome = good();
    outcome.times.lag.add(50 * millisecond, 1'000);
    outcome.times.delivery.add(51 * millisecond, 1'000);
    EXPECT_EQ(judge(open_loop(), outcome).limiter, Limiter::schedule);
    outcome.threads = {{.busy = 0.1}, {.busy = 0.98}};
    EXPECT_EQ(judge(open_loop(), outcome).limiter, Limiter::cpu);
    outcome.threads = {{.busy = 0.3, .waited = 0.5}};
    EXPECT_EQ(judge(open_loop(), outcome).limiter, Limiter::cpu);
    EXPECT_TRUE(judge(open_loop(), outcome).is_generator);
}

TEST(Limiter, a_generator_that_is_little_late_beside_a_slow_target_is_none) {
    auto outcome = good();
    outcome.times.lag.add(5 * millisecond, 1'000);
    outcome.times.delivery.add(second, 5'000);
    EXPECT_FALSE(judge(open_loop(), outcome).is_generator);
}

TEST(Limiter, a_target_that_does_not_keep_up_is_one) {
    auto outcome = good();
    outcome.groups[0][Count::sent_in_window] = 5'000;
    outcome.unsent = 5'000;
    const auto limit = judge(open_loop(), outcome);
    EXPECT_EQ(limit.limiter, Limiter::target);
    EXPECT_FALSE(limit.is_generator);
    outcome = good();
    outcome.lost = 1;
    EXPECT_EQ(judge(open_loop(), outcome).limiter, Limiter::target);
    outcome = good();
    outcome.groups[0][Count::refused] = 1;
    EXPECT_EQ(judge(open_loop(), outcome).limiter, Limiter::target);
}

TEST(Limiter, a_closed_loop_is_the_targets_when_the_target_had_no_more_to_give) {
    auto workload = open_loop();
    workload.groups[0].publishing.process = Publishing::Process::closed_loop;
    auto outcome = good();
    outcome.threads = {{.busy = 0.97}};
    EXPECT_TRUE(judge(workload, outcome).is_generator);
    outcome.target_before = ProcessUse{.cpu_s = 1};
    outcome.target_after = ProcessUse{.cpu_s = 10.9};
    EXPECT_FALSE(judge(workload, outcome).is_generator);
}

}  // namespace
}  // namespace touchstone::load
