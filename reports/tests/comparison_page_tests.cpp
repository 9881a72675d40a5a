#include "reports/comparison_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace touchstone::reports {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ComparisonPage, holds_its_data_without_markup) {
    results::Run run;
    run.set_kind(results::Run::simulation);
    run.set_name("x-matrix");
    auto& cell = *run.mutable_comparison()->add_cells();
    cell.set_model("emqx4");
    cell.set_experiment("X1");
    cell.set_words("let <b>in</b>");
    cell.set_page("cells/emqx4/x01/report.html");
    const auto page = comparison_page(run);
    EXPECT_THAT(page, HasSubstr("\"page\":\"cells/emqx4/x01/report.html\""));
    EXPECT_THAT(page, Not(HasSubstr("<b>in")));
    EXPECT_THAT(page, Not(HasSubstr("src=")));
}

}  // namespace
}  // namespace touchstone::reports
