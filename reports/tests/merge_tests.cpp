#include "reports/merge.hpp"

#include <gtest/gtest.h>

#include "reports/summary.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

using results::StatementCell;
using results::Verdict;

results::Run completed(results::Run run) {
    complete(run);
    return run;
}

const results::StatementRow& row_of(const results::Report& report, const std::string& id) {
    for (const auto& row : report.rows()) {
        if (row.statement().id() == id) return row;
    }
    throw std::runtime_error{"no row for " + id};
}

TEST(Merge, tells_judged_not_run_reasoned_and_uncovered_statements_apart) {
    results::Run run = tests::conformance_run("a");
    run.mutable_cases()->DeleteSubrange(0,
                                        1);  // v3.1.1/MQTT-3.1.0-1 has a case that is not selected
    const auto report = merge_runs("t", {completed(run)});
    EXPECT_EQ(row_of(report, "v3.1.1/MQTT-3.1.0-1").cells(0).state(), StatementCell::not_run);
    EXPECT_EQ(row_of(report, "v5/MQTT-3.3.4-9").cells(0).state(), StatementCell::judged);
    EXPECT_EQ(row_of(report, "v5/MQTT-3.3.4-9").cells(0).verdict(), Verdict::fail);
    EXPECT_EQ(row_of(report, "v5/MQTT-4.2.0-1").cells(0).state(), StatementCell::reasoned);
    EXPECT_EQ(row_of(report, "v5/MQTT-3.12.4-1").cells(0).state(), StatementCell::uncovered);

    const auto& counts = report.summaries(0).statements();
    EXPECT_EQ(counts.total(), 5U);
    EXPECT_EQ(counts.judged().fail() + counts.judged().not_applicable() + counts.not_run() +
                  counts.reasoned() + counts.uncovered(),
              counts.total());
}

TEST(Merge, a_statement_has_the_worst_verdict_of_its_cases) {
    results::Run run = tests::conformance_run("a");
    for (const auto verdict :
         {Verdict::crash, Verdict::pass}) {  // the worst is neither first nor last
        auto& another = *run.add_cases();
        another.set_case_id(verdict == Verdict::crash ? "crashing" : "passing");
        another.add_statements("v3.1.1/MQTT-3.1.0-1");
        another.set_verdict(verdict);
    }
    const auto report = merge_runs("t", {completed(run)});
    const auto& cell = row_of(report, "v3.1.1/MQTT-3.1.0-1").cells(0);
    EXPECT_EQ(cell.verdict(), Verdict::crash);
    ASSERT_EQ(cell.cases_size(), 3);
    EXPECT_EQ(report.runs(0).cases(static_cast<int>(cell.cases(1))).case_id(), "crashing");
}

TEST(Merge, runs_stand_side_by_side_and_one_without_the_statement_has_an_empty_cell) {
    results::Run only_new = tests::conformance_run("b");
    only_new.mutable_statements()->DeleteSubrange(0, 1);
    const auto report = merge_runs("t", {completed(only_new), completed(tests::simulation_run("s")),
                                         completed(tests::conformance_run("a"))});
    EXPECT_EQ(report.rows_size(), 5);
    for (const auto& row : report.rows()) EXPECT_EQ(row.cells_size(), 3);
    const auto& row = row_of(report, "v3.1.1/MQTT-3.1.0-1");
    EXPECT_EQ(row.cells(0).state(), StatementCell::not_in_catalogue);
    EXPECT_EQ(row.cells(1).state(), StatementCell::not_in_catalogue);
    EXPECT_EQ(row.cells(2).state(), StatementCell::judged);
    EXPECT_EQ(report.rows(4).version(), "v3.1.1");  // versions one after the other
}

TEST(Merge, runs_of_the_same_name_are_told_apart) {
    const auto report = merge_runs("t", {tests::simulation_run("s"), tests::simulation_run("s"),
                                         tests::simulation_run("s (2)")});
    EXPECT_EQ(report.summaries(0).name(), "s");
    EXPECT_EQ(report.summaries(1).name(), "s (2)");
    EXPECT_EQ(report.summaries(2).name(), "s (2) (2)");
}

TEST(Merge, failures_are_listed_with_reason_and_command) {
    const auto report = merge_runs("t", {completed(tests::conformance_run("a"))});
    const auto& summary = report.summaries(0);
    EXPECT_EQ(summary.unexpected(), 1U);
    ASSERT_EQ(summary.failures_size(), 1);
    EXPECT_EQ(summary.failures(0).id(), "v5/3.3.4/receive-maximum");
    EXPECT_FALSE(summary.failures(0).as_expected());
    EXPECT_NE(summary.failures(0).reproduce().find("--only v5/3.3.4/receive-maximum"),
              std::string::npos);
}

}  // namespace
}  // namespace touchstone::reports
