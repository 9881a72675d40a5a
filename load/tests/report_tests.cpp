#include "load/command/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "load/shapes.hpp"

namespace touchstone::load {
namespace {

using results::Verdict;
using testing::HasSubstr;

Workload workload() {
    Workload made{.name = "pairs", .run_id = "run"};
    made.target.url = "mqtt://127.0.0.1:1";
    made.groups = groups_of({});
    return made;
}

Outcome outcome() {
    Outcome made;
    made.groups.resize(2);
    made.groups[0][Count::offered] = made.groups[0][Count::sent] = 500;
    made.groups[0][Count::sent_in_window] = made.groups[0][Count::offered_in_window] = 400;
    made.groups[1][Count::received_in_window] = 400;
    made.measured = 2 * second;
    made.times.delivery.add(millisecond, 400);
    made.threads = {{.busy = 0.5}};
    auto& interval = made.intervals.emplace_back();
    interval.length = second;
    interval.connected = 200;
    interval.counts[Count::sent] = 500;
    interval.times.delivery.add(millisecond, 400);
    return made;
}

double measure(const results::ScenarioResult& result, std::string_view name) {
    const auto found = std::ranges::find_if(result.measures(),
                                            [&](const auto& one) { return one.name() == name; });
    return found == result.measures().end() ? -1 : found->value();
}

TEST(LoadReport, has_rates_of_what_was_measured) {
    const auto result = to_result(workload(), outcome(), {}, "again");
    EXPECT_EQ(measure(result, "sent_per_s"), 200);
    EXPECT_EQ(measure(result, "received_per_s"), 200);
    EXPECT_EQ(measure(result, "lost"), 0);
    EXPECT_NEAR(measure(result, "delivery_p50"), 1'000, 1);
    EXPECT_EQ(result.devices_size(), 2);
    EXPECT_EQ(result.reproduce(), "again");
}

TEST(LoadReport, leaves_out_a_quantile_that_the_sample_cannot_support) {
    const auto result = to_result(workload(), outcome(), {}, "");
    EXPECT_GT(measure(result, "delivery_p90"), 0);
    EXPECT_EQ(measure(result, "delivery_p99"), -1);
    const auto load = to_load_report(workload(), outcome(), {});
    ASSERT_EQ(load.quantiles_size(), 1);
    EXPECT_LE(load.quantiles(0).quantiles(load.quantiles(0).quantiles_size() - 1), 1 - 10.0 / 400);
}

TEST(LoadReport, has_curves_over_time) {
    const auto result = to_result(workload(), outcome(), {}, "");
    const auto sent = std::ranges::find_if(
        result.curves(), [](const auto& one) { return one.name() == "sent_per_s"; });
    ASSERT_NE(sent, result.curves().end());
    EXPECT_EQ(sent->values(0), 500);
    EXPECT_EQ(sent->at_s(0), 1);
}

TEST(LoadReport, verdict_follows_from_expectations_and_limits) {
    std::string problem;
    const auto holds = *parse_expectation("loss=0", problem);
    const auto fails = *parse_expectation("p50<1us", problem);
    const auto unknown = *parse_expectation("p999<1s", problem);
    EXPECT_EQ(judge(outcome(), {}, {holds}).exit_code, ExitCode::as_expected);
    EXPECT_EQ(judge(outcome(), {}, {holds, fails}).exit_code, ExitCode::expectation_failed);
    EXPECT_EQ(judge(outcome(), {}, {fails, unknown}).exit_code, ExitCode::expectation_failed);
    EXPECT_EQ(judge(outcome(), {}, {unknown}).exit_code, ExitCode::run_invalid);
    const Limit generator{.limiter = Limiter::cpu, .is_generator = true, .words = {"late"}};
    EXPECT_EQ(judge(outcome(), generator, {fails}).exit_code, ExitCode::run_invalid);
    EXPECT_EQ(judge(outcome(), generator, {}).verdict, Verdict::inconclusive);
    auto cut = outcome();
    cut.ending = Ending::interrupted;
    EXPECT_EQ(judge(cut, {}, {}).exit_code, ExitCode::interrupted);
    cut.ending = Ending::connect_timeout;
    EXPECT_EQ(judge(cut, {}, {}).exit_code, ExitCode::expectation_failed);
}

TEST(LoadReport, the_log_has_the_histograms_of_each_interval) {
    EXPECT_THAT(interval_log_of(outcome()), HasSubstr("Tag=delivery,0.000,1.000,1.000,HIST"));
}

}  // namespace
}  // namespace touchstone::load
