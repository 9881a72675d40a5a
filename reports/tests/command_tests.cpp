#include "reports/command.hpp"

#include <algorithm>

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "reports/report.pb.h"
#include "reports/result_directory.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

struct Ended {
    int exit_code;
    std::string standard_output;
    std::string standard_error;
};

class ReportCommand : public testing::Test {
protected:
    ReportCommand() {
        EXPECT_FALSE(write_results(tests::conformance_run("ours"), directory("ours")).has_value());
        EXPECT_FALSE(
            write_results(tests::conformance_run("theirs"), directory("theirs")).has_value());
        EXPECT_FALSE(write_results(passing_run(), directory("passing")).has_value());
    }

    static results::Run passing_run() {
        results::Run run = tests::conformance_run("passing");
        run.mutable_cases()->DeleteSubrange(1, 2);
        return run;
    }

    [[nodiscard]] std::string directory(const std::string& name) const {
        return (scratch_.path() / name).string();
    }

    Ended run(std::vector<std::string> words) {
        if (std::ranges::find(words, "--out") == words.end()) {
            words.insert(words.begin(), {"--out", directory("page.html")});
        }
        words.insert(words.begin(), "report");
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int exit_code = report_command(static_cast<int>(arguments.size()), arguments.data());
        std::string standard_output = testing::internal::GetCapturedStdout();
        return {exit_code, std::move(standard_output), testing::internal::GetCapturedStderr()};
    }

    tests::ScratchDirectory scratch_;
};

std::string last_line_of(const std::string& text) {
    const auto end = text.find_last_not_of('\n') + 1;
    const auto start = text.rfind('\n', end - 1);
    return text.substr(start == std::string::npos ? 0 : start + 1,
                       end - (start == std::string::npos ? 0 : start + 1));
}

TEST_F(ReportCommand, merges_directories_and_files_and_shows_failures_without_failing) {
    const Ended ended = run({"--title", "Side by side", directory("ours"),
                             directory("theirs/run.json"), directory("passing/run.pb")});
    EXPECT_EQ(ended.exit_code, 0) << ended.standard_error;
    EXPECT_EQ(ended.standard_error, "");
    EXPECT_TRUE(
        last_line_of(ended.standard_output)
            .starts_with(
                "WRITTEN report Side by side | 3 runs: 3 pass, 2 fail, 2 not applicable | "))
        << ended.standard_output;
    EXPECT_NE(ended.standard_output.find("\nours     fail        1"), std::string::npos)
        << ended.standard_output;
    const std::string html = tests::read_file(directory("page.html"));
    EXPECT_NE(html.find("<title>Side by side</title>"), std::string::npos);
}

TEST_F(ReportCommand, the_last_line_repeats_the_command_so_that_a_shell_takes_it) {
    const Ended ended = run({"--title", "it's here", directory("ours")});
    EXPECT_NE(last_line_of(ended.standard_output).find(" | again: touchstone report --out "),
              std::string::npos);
    EXPECT_NE(last_line_of(ended.standard_output).find("--title 'it'\\''s here' "),
              std::string::npos);
}

TEST_F(ReportCommand, a_gate_closes_for_the_run_it_names_only) {
    EXPECT_EQ(run({"--gate", "passing", directory("passing"), directory("theirs")}).exit_code, 0);
    const Ended closed =
        run({"--gate", "passing", "--gate", "theirs", directory("passing"), directory("theirs")});
    EXPECT_EQ(closed.exit_code, 1);
    EXPECT_NE(closed.standard_output.find(
                  "\ngate theirs: fail v5/3.3.4/receive-maximum: a third PUBLISH"),
              std::string::npos)
        << closed.standard_output;
    EXPECT_TRUE(last_line_of(closed.standard_output).starts_with("FAIL report"))
        << closed.standard_output;
}

TEST_F(ReportCommand, a_gate_lets_known_failures_through) {
    results::Run run_with_known = tests::conformance_run("known");
    run_with_known.mutable_cases(1)->set_expected_verdict(results::Verdict::fail);
    EXPECT_FALSE(write_results(run_with_known, directory("known")).has_value());
    EXPECT_EQ(run({"--gate", "known", directory("known")}).exit_code, 0);
}

TEST_F(ReportCommand, a_gate_is_closed_for_a_run_that_judged_nothing) {
    results::Run empty = tests::conformance_run("empty");
    empty.clear_cases();
    EXPECT_FALSE(write_results(empty, directory("empty")).has_value());
    const Ended ended = run({"--gate", "empty", directory("empty")});
    EXPECT_EQ(ended.exit_code, 1);
    EXPECT_NE(ended.standard_output.find("gate empty: it judged nothing"), std::string::npos);
}

TEST_F(ReportCommand, a_gate_without_a_run_is_a_mistake_of_the_caller) {
    const Ended ended = run({"--gate", "our", directory("ours")});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.standard_error,
              "touchstone report: --gate our: no run has this name; the runs are: ours\n");
}

TEST_F(ReportCommand, json_on_standard_output_is_for_programs) {
    const Ended ended = run({"--json", directory("ours"), directory("theirs")});
    EXPECT_EQ(ended.exit_code, 0);
    results::Report report;
    const auto status = google::protobuf::util::JsonStringToMessage(ended.standard_output, &report);
    ASSERT_TRUE(status.ok()) << status.ToString() << ended.standard_output;
    ASSERT_EQ(report.summaries_size(), 2);
    EXPECT_EQ(report.summaries(0).counts().fail(), 1U);
    EXPECT_EQ(report.summaries(0).statements().total(), 5U);
    EXPECT_TRUE(last_line_of(ended.standard_error).starts_with("WRITTEN report "))
        << ended.standard_error;
}

TEST_F(ReportCommand, bad_input_is_one_line_and_exit_code_2) {
    std::string cut = tests::read_file(directory("ours/run.pb"));
    cut.resize(cut.size() / 2);
    tests::write_file(directory("cut.pb"), cut);
    tests::write_file(directory("later.json"), R"({"format_version": 9})");
    tests::write_file(directory("empty.pb"), "");
    const std::vector<std::vector<std::string>> commands{
        {},
        {"--no-such-option", directory("ours")},
        {directory("missing")},
        {directory("cut.pb")},
        {directory("later.json")},
        {directory("empty.pb")},
        {"--out", directory("ours/run.pb/below.html"), directory("ours")},
        {"--out", directory("ours"), directory("ours")},
    };
    for (const auto& words : commands) {
        const Ended ended = run(words);
        EXPECT_EQ(ended.exit_code, 2) << testing::PrintToString(words);
        EXPECT_EQ(std::ranges::count(ended.standard_error, '\n'), 1) << ended.standard_error;
        EXPECT_TRUE(ended.standard_error.starts_with("touchstone report: "))
            << ended.standard_error;
        EXPECT_EQ(ended.standard_output, "");
    }
}

TEST_F(ReportCommand, help_has_examples) {
    const Ended ended = run({"--help"});
    EXPECT_EQ(ended.exit_code, 0);
    EXPECT_NE(ended.standard_output.find("touchstone report --gate ours-sim"), std::string::npos);
}

}  // namespace
}  // namespace touchstone::reports
