#include "reports/fleet_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reports/html.hpp"
#include "reports/merge.hpp"

namespace touchstone::reports {
namespace {

using testing::HasSubstr;
using testing::Not;

results::Run fleet_run() {
    results::Run run;
    run.set_kind(results::Run::simulation);
    run.set_name("storm");
    auto& result = *run.add_scenarios();
    result.set_variant("full <b>jitter</b>");
    result.set_verdict(results::Verdict::pass);
    result.set_fidelity("T2");
    auto& curve = *result.add_curves();
    curve.set_name("connected");
    curve.add_at_s(1.5F);
    curve.add_values(1'000);
    return run;
}

TEST(FleetPage, is_for_runs_with_curves) {
    EXPECT_TRUE(is_fleet(fleet_run()));
    auto run = fleet_run();
    run.mutable_scenarios(0)->clear_curves();
    EXPECT_FALSE(is_fleet(run));
    EXPECT_FALSE(is_fleet({}));
}

TEST(FleetPage, holds_its_data_without_markup) {
    const auto page = fleet_page(fleet_run());
    EXPECT_THAT(page, HasSubstr("\"fidelity\":\"T2\""));
    EXPECT_THAT(page, HasSubstr("\"at_s\":[1.5]"));
    EXPECT_THAT(page, Not(HasSubstr("<b>jitter")));
    EXPECT_THAT(page, Not(HasSubstr("src=")));
}

TEST(FleetPage, a_fleet_can_stand_beside_other_runs) {
    EXPECT_THAT(html_report(merge_runs("both", {fleet_run(), results::Run{}})),
                HasSubstr("\"storm\""));
}

}  // namespace
}  // namespace touchstone::reports
