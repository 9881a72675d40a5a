#include "reports/plan_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reports/summary.hpp"

namespace touchstone::reports {
namespace {

using testing::HasSubstr;
using testing::Not;

results::Run planned_run() {
    results::Run run;
    run.set_kind(results::Run::plan);
    run.set_name("estimate");
    auto& result = *run.add_scenarios();
    result.set_scenario("fleet");
    result.set_verdict(results::Verdict::fail);
    result.set_reproduce("touchstone plan estimate");
    auto& report = *run.mutable_plan_report();
    report.set_what("estimate");
    report.add_words("Does not fit, because <b>p99</b> would be 20 ms.");
    auto& chart = *report.add_sections()->add_charts();
    chart.set_title("Latency");
    auto& series = *chart.add_series();
    series.add_x(1);
    series.add_y(0.5);
    return run;
}

TEST(PlanPage, holds_its_data_without_markup) {
    const auto page = plan_page(planned_run());
    EXPECT_THAT(page, HasSubstr("\"x\":[1]"));
    EXPECT_THAT(page, Not(HasSubstr("<b>p99")));
    EXPECT_THAT(page, Not(HasSubstr("src=")));
}

TEST(PlanPage, says_the_verdict_without_scripts) {
    EXPECT_THAT(plan_page(planned_run()), HasSubstr("Does not fit, because &lt;b&gt;p99"));
}

TEST(PlanPage, what_does_not_fit_fails_in_the_last_line) {
    auto run = planned_run();
    complete(run);
    EXPECT_THAT(last_line(run, {}), HasSubstr("FAIL plan estimate"));
}

}  // namespace
}  // namespace touchstone::reports
