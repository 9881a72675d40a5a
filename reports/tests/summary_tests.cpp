#include "reports/summary.hpp"

#include <gtest/gtest.h>

#include "reports/ladder.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

using results::Verdict;

results::Run run_with(std::initializer_list<Verdict::Value> verdicts) {
    results::Run run;
    for (const auto verdict : verdicts) run.add_cases()->set_verdict(verdict);
    complete(run);
    return run;
}

TEST(Summary, counts_name_the_verdicts_that_occurred) {
    const auto run =
        run_with({Verdict::pass, Verdict::pass, Verdict::flaky, Verdict::not_applicable});
    EXPECT_EQ(counts_text(run.counts()), "2 pass, 1 not applicable, 1 flaky");
    EXPECT_EQ(counts_text({}), "nothing judged");
}

TEST(Summary, a_result_without_a_verdict_counts_as_inconclusive) {
    EXPECT_EQ(run_with({Verdict::unspecified}).counts().inconclusive(), 1U);
}

TEST(Summary, the_worse_of_exchange_and_close_decides_a_case) {
    results::CaseResult result;
    result.set_verdict(Verdict::pass);
    result.set_close_verdict(Verdict::fail);
    EXPECT_EQ(overall_verdict(result), Verdict::fail);
    EXPECT_TRUE(is_failure(result));
}

TEST(Summary, a_good_close_does_not_turn_a_case_into_a_pass) {
    results::CaseResult result;
    result.set_close_verdict(Verdict::pass);
    for (const auto verdict :
         {Verdict::not_applicable, Verdict::info, Verdict::inconclusive, Verdict::fail}) {
        result.set_verdict(verdict);
        EXPECT_EQ(overall_verdict(result), verdict);
    }
}

TEST(Summary, one_failure_decides_the_run_and_a_crash_outweighs_it) {
    EXPECT_EQ(run_with({Verdict::pass, Verdict::non_strict, Verdict::flaky}).verdict(),
              Verdict::pass);
    EXPECT_EQ(run_with({Verdict::pass, Verdict::fail}).verdict(), Verdict::fail);
    EXPECT_EQ(run_with({Verdict::crash, Verdict::fail}).verdict(), Verdict::crash);
}

TEST(Summary, a_run_that_judged_nothing_is_no_pass) {
    EXPECT_EQ(run_with({}).verdict(), Verdict::inconclusive);
    EXPECT_EQ(run_with({Verdict::not_applicable, Verdict::inconclusive}).verdict(),
              Verdict::inconclusive);
}

TEST(Summary, a_known_failure_passes_and_its_unexpected_pass_does_not) {
    results::Run run;
    auto& result = *run.add_cases();
    result.set_verdict(Verdict::fail);
    result.set_expected_verdict(Verdict::fail);
    complete(run);
    EXPECT_EQ(run.verdict(), Verdict::pass);

    results::Run surprised = run;
    surprised.clear_verdict();
    surprised.mutable_cases(0)->set_verdict(Verdict::pass);
    complete(surprised);
    EXPECT_EQ(surprised.verdict(), Verdict::fail);
}

TEST(Summary, a_scenario_has_to_pass_unless_it_says_otherwise) {
    results::ScenarioResult result;
    EXPECT_FALSE(is_as_expected(result));
    result.set_verdict(Verdict::inconclusive);
    EXPECT_FALSE(is_as_expected(result));
    result.set_verdict(Verdict::fail);
    EXPECT_FALSE(is_as_expected(result));
    result.set_expected_verdict(Verdict::fail);
    EXPECT_TRUE(is_as_expected(result));
}

TEST(Summary, completing_twice_changes_nothing) {
    results::Run run = tests::conformance_run("a");
    complete(run);
    const std::string once = run.SerializeAsString();
    complete(run);
    EXPECT_EQ(run.SerializeAsString(), once);
}

TEST(Summary, a_case_without_section_gets_that_of_its_statement) {
    results::Run run = tests::conformance_run("a");
    complete(run);
    EXPECT_EQ(run.cases(1).section(), "v5 3.3.4 PUBLISH Actions");
}

TEST(Summary, the_last_line_has_verdict_counts_seed_duration_report_and_command) {
    results::Run run = tests::conformance_run("mosquitto\ntcp");
    complete(run);
    EXPECT_EQ(last_line(run, "out/m/report.html"),
              "FAIL conformance mosquitto tcp | 1 pass, 1 fail, 1 not applicable | seed 42 | 3.21 "
              "s | report out/m/report.html "
              "| again: touchstone conform --target mqtt://127.0.0.1:1883 --seed 42");
}

TEST(Summary, a_run_of_less_than_a_millisecond_did_not_take_no_time) {
    EXPECT_EQ(wall_time_text(0), "under 1 ms");
    EXPECT_EQ(wall_time_text(61'000), "1 min 1 s");
}

TEST(Ladder, marks_the_deviating_packet_and_says_why) {
    const auto run = tests::conformance_run("a");
    const std::string text = text_ladder(run.cases(1).trace(), 20);
    EXPECT_NE(text.find("       0.100 ms  subscriber -> broker  CONNECT receive maximum 2\n"),
              std::string::npos)
        << text;
    EXPECT_NE(
        text.find(
            "*      0.900 ms  broker -> subscriber  PUBLISH id=3 q2 t='t'  <- quota is used up\n"),
        std::string::npos)
        << text;
}

TEST(Ladder, keeps_the_deviating_packet_when_it_has_to_leave_steps_out) {
    results::CaseResult result;
    for (int i = 0; i < 100; ++i) {
        auto& step = *result.add_trace();
        step.set_from("a");
        step.set_to("b");
        step.set_text("PINGREQ number " + std::to_string(i));
        step.set_deviates(i == 70);
    }
    const std::string text = text_ladder(result.trace(), 10);
    EXPECT_EQ(tests::occurrences(text, "\n"), 10U);
    EXPECT_NE(text.find("number 70\n"), std::string::npos) << text;
    EXPECT_NE(text.find("91 more steps"), std::string::npos) << text;
}

TEST(Ladder, a_failure_takes_at_most_fifteen_lines) {
    results::CaseResult result = tests::conformance_run("a").cases(1);
    for (int i = 0; i < 40; ++i) *result.add_trace() = result.trace(0);
    const std::string text = failure_text(result);
    EXPECT_LE(tests::occurrences(text, "\n"), 15U);
    for (const char* part : {"v5/3.3.4/receive-maximum", "MQTT-3.3.4-9",
                             "no PUBLISH before PUBCOMP", "PUBLISH id=3", "--only"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part;
    }
}

TEST(Ladder, a_failed_scenario_names_the_violated_invariant_and_both_sequences) {
    const std::string text = failure_text(tests::simulation_run("s").scenarios(0));
    for (const char* part :
         {"seed 7", "O2", "2 was resent before 1", "[1, 2, 3, 2, 3, 4]", "[1, 2, 3, 2]\n"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    }
    EXPECT_EQ(text.find("W1"), std::string::npos);
}

}  // namespace
}  // namespace touchstone::reports
