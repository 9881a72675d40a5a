#include "reports/load_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reports/summary.hpp"

namespace touchstone::reports {
namespace {

using testing::HasSubstr;
using testing::Not;

results::Run load_run() {
    results::Run run;
    run.set_kind(results::Run::load);
    run.set_name("fan-in");
    auto& result = *run.add_scenarios();
    result.set_verdict(results::Verdict::pass);
    auto& load = *run.mutable_load_report();
    load.set_limiter("none");
    load.add_words("Nothing <b>limited</b> the run.");
    auto& curve = *load.add_quantiles();
    curve.set_name("delivery");
    curve.add_quantiles(0.5);
    curve.add_values_us(120);
    return run;
}

TEST(LoadPage, holds_its_data_without_markup) {
    const auto page = load_page(load_run());
    EXPECT_THAT(page, HasSubstr("\"limiter\":\"none\""));
    EXPECT_THAT(page, HasSubstr("\"values_us\":[120]"));
    EXPECT_THAT(page, Not(HasSubstr("<b>limited")));
    EXPECT_THAT(page, Not(HasSubstr("src=")));
}

TEST(LoadPage, says_without_scripts_what_limited_the_run) {
    EXPECT_THAT(load_page(load_run()), HasSubstr("Nothing &lt;b&gt;limited"));
}

TEST(LoadPage, a_run_under_load_is_called_so_in_the_last_line) {
    auto run = load_run();
    complete(run);
    EXPECT_THAT(last_line(run, {}), HasSubstr("PASS load fan-in"));
}

}  // namespace
}  // namespace touchstone::reports
