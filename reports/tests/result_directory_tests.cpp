#include "reports/result_directory.hpp"

#include <sys/resource.h>

#include <csignal>
#include <set>

#include <gtest/gtest.h>

#include "reports/run_file.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

std::set<std::string> names_in(const std::filesystem::path& directory) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{directory})
        names.insert(entry.path().filename());
    return names;
}

TEST(ResultDirectory, has_its_files_and_nothing_else) {
    const tests::ScratchDirectory scratch;
    const auto directory = scratch.path() / "new" / "deep";
    EXPECT_FALSE(write_results(tests::conformance_run("a"), directory).has_value());
    EXPECT_EQ(
        names_in(directory),
        (std::set<std::string>{"badge.svg", "conformance-statement.md", "junit.xml", "packets",
                               "report.html", "repro.txt", "run.json", "run.pb", "summary.md"}));
    EXPECT_EQ(names_in(directory / "packets"),
              std::set<std::string>{"v5-3.3.4-receive-maximum.pcapng"});
    EXPECT_EQ(std::get<results::Run>(load_run(directory)).counts().fail(), 1U);
    const std::string commands = tests::read_file(directory / "repro.txt");
    EXPECT_NE(commands.find("\ntouchstone conform --target mqtt://127.0.0.1:1883 --only "
                            "v5/3.3.4/receive-maximum\n"),
              std::string::npos)
        << commands;
}

TEST(ResultDirectory, takes_hostile_runs) {
    const tests::ScratchDirectory scratch;
    EXPECT_FALSE(write_results(tests::hostile_run(), scratch.path()).has_value());
    EXPECT_TRUE(std::holds_alternative<results::Run>(load_run(scratch.path() / "run.pb")));
    EXPECT_TRUE(std::holds_alternative<results::Run>(load_run(scratch.path() / "run.json")));
}

TEST(ResultDirectory, a_second_run_replaces_the_first) {
    const tests::ScratchDirectory scratch;
    EXPECT_FALSE(write_results(tests::conformance_run("a"), scratch.path()).has_value());
    tests::write_file(scratch.path() / "packets" / "notes.txt", "somebody's own");
    auto passing = tests::conformance_run("b");
    for (auto& result : *passing.mutable_cases()) result.set_verdict(results::Verdict::pass);
    EXPECT_FALSE(write_results(passing, scratch.path()).has_value());
    EXPECT_EQ(std::get<results::Run>(load_run(scratch.path())).name(), "b");
    EXPECT_EQ(names_in(scratch.path() / "packets"), std::set<std::string>{"notes.txt"});
}

TEST(ResultDirectory, a_file_in_the_way_is_named_in_one_line) {
    const tests::ScratchDirectory scratch;
    tests::write_file(scratch.path() / "taken", "");
    for (const auto& directory : {scratch.path() / "taken", scratch.path() / "taken" / "below"}) {
        const auto problem = prepare_result_directory(directory);
        ASSERT_TRUE(problem.has_value());
        EXPECT_NE(problem->line.find(directory.string() +
                                     ": cannot create the result directory: Not a directory"),
                  std::string::npos)
            << problem->line;
        EXPECT_EQ(problem->exit_code, ExitCode::usage_error);
    }
    EXPECT_FALSE(prepare_result_directory(scratch.path() / "free").has_value());
    EXPECT_TRUE(names_in(scratch.path() / "free").empty());
}

TEST(ResultDirectory, a_full_disk_is_reported_and_leaves_the_old_file_whole) {
    const tests::ScratchDirectory scratch;
    const auto path = scratch.path() / "run.pb";
    EXPECT_FALSE(write_file_atomically(path, "old").has_value());
    // A limit on the size of files stands for a full disk: write() fails half way.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit tiny = before;
    tiny.rlim_cur = 1'000;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tiny), 0);
    const auto problem = write_file_atomically(path, std::string(5'000, 'x'));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, old_handler);

    ASSERT_TRUE(problem.has_value());
    EXPECT_NE(problem->line.find("run.pb: cannot write: File too large; "), std::string::npos)
        << problem->line;
    EXPECT_EQ(tests::read_file(path), "old");
    EXPECT_EQ(names_in(scratch.path()), (std::set<std::string>{"run.pb"}));
}

TEST(ResultDirectory, finishing_a_run_prints_the_last_line_and_keeps_the_exit_code) {
    const tests::ScratchDirectory scratch;
    testing::internal::CaptureStdout();
    EXPECT_EQ(finish_run(tests::conformance_run("a"), scratch.path(), ExitCode::expectation_failed),
              ExitCode::expectation_failed);
    const std::string printed = testing::internal::GetCapturedStdout();
    EXPECT_TRUE(
        printed.starts_with("FAIL conformance a | 1 pass, 1 fail, 1 not applicable | seed 42 | "))
        << printed;
    EXPECT_NE(printed.find((scratch.path() / "report.html").string()), std::string::npos);
}

TEST(ResultDirectory, a_run_whose_results_cannot_be_written_does_not_end_as_expected) {
    const tests::ScratchDirectory scratch;
    tests::write_file(scratch.path() / "taken", "");
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_EQ(
        finish_run(tests::simulation_run("s"), scratch.path() / "taken", ExitCode::as_expected),
        ExitCode::usage_error);
    EXPECT_EQ(
        finish_run(tests::simulation_run("s"), scratch.path() / "taken", ExitCode::regression),
        ExitCode::regression);
    const std::string printed = testing::internal::GetCapturedStdout();
    EXPECT_EQ(printed.find("report.html"), std::string::npos) << printed;
    EXPECT_NE(testing::internal::GetCapturedStderr().find("cannot create the result directory"),
              std::string::npos);
}

TEST(ResultDirectory, its_default_name_is_a_single_path_element) {
    EXPECT_EQ(default_result_directory("conform", "mosquitto-2.0"),
              std::filesystem::path{"out/conform-mosquitto-2.0"});
    EXPECT_EQ(default_result_directory("simulate", "../a b/c"),
              std::filesystem::path{"out/simulate-..-a-b-c"});
}

}  // namespace
}  // namespace touchstone::reports
