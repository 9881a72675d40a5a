// Sweeps: their order, their exit code, shards joined to the whole, and the page.

#include "reports/sweep.hpp"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "reports/command.hpp"
#include "reports/run_file.hpp"
#include "reports/sweep_page.hpp"
#include "reports/tests/sample_runs.hpp"

namespace touchstone::reports {
namespace {

using results::Sweep;
using results::Verdict;
using testing::ElementsAre;
using testing::HasSubstr;

/// Fails with every third seed, the later the earlier; with packets.
results::ScenarioResult result_at(std::uint64_t position) {
    results::ScenarioResult result;
    result.set_scenario("scenarios/sweep/a.textproto");
    result.set_seed(position + 1);
    result.set_position(position);
    result.set_digest("00000000000000" + std::to_string(10 + position));
    result.set_expected_verdict(Verdict::pass);
    result.set_verdict(position % 3 == 0 ? Verdict::fail : Verdict::pass);
    if (result.verdict() == Verdict::pass) return result;
    result.set_time_to_fail_us(1'000'000 - position);
    result.set_reason("O1 publisher order: b before a");
    result.set_reproduce("touchstone simulate a --seed " + std::to_string(position + 1));
    auto& broken = *result.add_invariants();
    broken.set_invariant("O1");
    broken.set_verdict(Verdict::fail);
    result.add_trace()->set_text("PUBLISH");
    return result;
}

results::Run sweep_of(std::uint64_t planned, std::uint32_t shard, std::uint32_t shards) {
    results::Run run;
    run.set_kind(results::Run::simulation);
    run.set_name("a");
    run.set_reproduce("touchstone simulate a --seeds 1..50");
    auto& sweep = *run.mutable_sweep();
    sweep.set_planned_runs(planned);
    sweep.set_shard(shard);
    sweep.set_shards(shards);
    sweep.set_plan("abc");
    auto& tally = *sweep.add_scenarios();
    tally.set_scenario("scenarios/sweep/a.textproto");
    auto& invariant = *tally.add_invariants();
    invariant.set_invariant("O1");
    for (const char* const name : {"session_resumed", "connack_lost"}) {
        tally.add_sometimes()->set_name(name);
    }
    tally.mutable_sometimes(1)->set_story("a CONNACK was lost");
    for (std::uint64_t position = 0; position < planned; ++position) {
        if (!is_of_shard(position, shard, shards)) continue;
        *run.add_scenarios() = result_at(position);
        tally.set_runs(tally.runs() + 1);
        invariant.set_runs(invariant.runs() + 1);
        if (position % 3 == 0) {
            tally.set_undeclared(tally.undeclared() + 1);
            invariant.set_failed(invariant.failed() + 1);
        }
        auto& resumed = *tally.mutable_sometimes(0);
        resumed.set_runs(resumed.runs() + 1);
    }
    complete_sweep(run);
    return run;
}

results::Run passing_sweep() {
    auto run = sweep_of(50, 1, 1);
    for (auto& result : *run.mutable_scenarios()) {
        result.set_verdict(Verdict::pass);
        result.clear_time_to_fail_us();
    }
    return run;
}

std::string text_of_problem(const std::variant<results::Run, Problem>& merged) {
    const auto* const problem = std::get_if<Problem>(&merged);
    return problem == nullptr ? "" : problem->line;
}

TEST(Sweep, failures_come_in_the_order_of_their_time_crashes_first) {
    auto run = sweep_of(8, 1, 1);
    run.mutable_scenarios(7)->set_verdict(Verdict::crash);
    run.mutable_scenarios(0)->clear_time_to_fail_us();
    EXPECT_THAT(failures_by_time(run), ElementsAre(7, 6, 3, 0));
}

TEST(Sweep, keeps_the_packets_of_the_soonest_failures_only) {
    const auto run = sweep_of(50, 1, 1);
    std::size_t kept = 0;
    for (const auto& result : run.scenarios()) {
        kept += result.trace_size() > 0 ? 1 : 0;
        EXPECT_TRUE(result.trace_size() == 0 || result.position() > 19) << result.position();
        EXPECT_EQ(result.invariants_size(), result.verdict() == Verdict::fail ? 1 : 0);
    }
    EXPECT_EQ(kept, kept_failures_max);
}

TEST(Sweep, shards_joined_are_the_whole) {
    for (const std::uint32_t count : {1U, 3U, 60U}) {
        std::vector<SweepShard> shards;
        for (std::uint32_t number = count; number > 0; --number) {
            shards.push_back({"part", sweep_of(50, number, count)});
        }
        const auto merged = merge_sweep(std::move(shards));
        ASSERT_EQ(text_of_problem(merged), "");
        EXPECT_EQ(std::get<results::Run>(merged).SerializeAsString(),
                  sweep_of(50, 1, 1).SerializeAsString());
    }
}

TEST(Sweep, a_shard_that_is_missing_twice_there_or_of_another_sweep_is_named) {
    const auto first = SweepShard{"one", sweep_of(9, 1, 3)};
    const auto second = SweepShard{"two", sweep_of(9, 2, 3)};
    const auto third = SweepShard{"three", sweep_of(9, 3, 3)};
    EXPECT_THAT(text_of_problem(merge_sweep({first, third})),
                HasSubstr("of 3 shards 2 is missing"));
    EXPECT_THAT(text_of_problem(merge_sweep({first, second, first, third})),
                HasSubstr("one: is shard 1 of 3, and so is one"));
    auto other = third;
    other.run.mutable_sweep()->set_plan("def");
    EXPECT_THAT(text_of_problem(merge_sweep({first, second, other})),
                HasSubstr("three: is of another sweep than one"));
    EXPECT_THAT(text_of_problem(merge_sweep({{"x", tests::simulation_run("x")}})),
                HasSubstr("x: is no sweep"));
    auto shorter = third;
    shorter.run.mutable_scenarios()->RemoveLast();
    EXPECT_THAT(text_of_problem(merge_sweep({first, second, shorter})),
                HasSubstr("says it is complete and has 2 of 3 runs"));
    auto foreign = third;
    foreign.run.mutable_scenarios(0)->set_position(0);
    EXPECT_THAT(text_of_problem(merge_sweep({first, second, foreign})),
                HasSubstr("has a run at position 0, which is not its own"));
}

TEST(Sweep, its_exit_code_says_what_it_proves) {
    auto run = sweep_of(9, 1, 1);
    EXPECT_EQ(exit_code_of(run), ExitCode::expectation_failed);
    run = passing_sweep();
    EXPECT_EQ(exit_code_of(run), ExitCode::run_invalid) << "a condition never happened";
    EXPECT_THAT(never_happened(run), ElementsAre("connack_lost: a CONNACK was lost"));
    complete_sweep(run);
    EXPECT_EQ(run.verdict(), Verdict::inconclusive);
    run.mutable_sweep()->set_end(Sweep::time_budget);
    EXPECT_EQ(exit_code_of(run), ExitCode::time_budget_used_up);
    run.mutable_sweep()->set_end(Sweep::interrupted);
    EXPECT_EQ(exit_code_of(run), ExitCode::interrupted);
    complete_sweep(run);
    EXPECT_THAT(run.notes(), ElementsAre("interrupted: 50 of 50 runs were done"));
    run.mutable_sweep()->set_end(Sweep::complete);
    run.mutable_sweep()->mutable_scenarios(0)->mutable_sometimes(1)->set_runs(1);
    EXPECT_EQ(exit_code_of(run), ExitCode::as_expected);
    complete_sweep(run);
    EXPECT_EQ(run.verdict(), Verdict::pass);
}

TEST(Sweep, a_shard_alone_is_not_asked_what_happened) {
    auto run = passing_sweep();
    run.mutable_sweep()->set_shards(2);
    EXPECT_EQ(exit_code_of(run), ExitCode::as_expected);
}

TEST(Sweep, its_directory_has_a_report_for_each_failure_that_is_kept) {
    const tests::ScratchDirectory scratch;
    const auto run = sweep_of(50, 1, 1);
    const auto earlier = scratch.path() / "seeds/scenarios-sweep-a-999";
    std::filesystem::create_directories(earlier);
    tests::write_file(earlier / "run.pb", "old");
    ASSERT_FALSE(write_results(run, scratch.path()).has_value());
    EXPECT_FALSE(std::filesystem::exists(earlier));
    const auto html = tests::read_file(scratch.path() / "report.html");
    const std::string folder = "seeds/scenarios-sweep-a-49";
    EXPECT_THAT(html, HasSubstr("\"48\":\"" + folder + "/report.html\""));
    EXPECT_TRUE(std::filesystem::exists(scratch.path() / folder / "report.html"));
    const auto one = load_run(scratch.path() / folder);
    ASSERT_TRUE(std::holds_alternative<results::Run>(one));
    EXPECT_EQ(std::get<results::Run>(one).scenarios(0).trace_size(), 1);
    EXPECT_FALSE(std::get<results::Run>(one).has_sweep());
    // The soonest failure is the first that repro.txt has.
    const auto reproduce = tests::read_file(scratch.path() / "repro.txt");
    EXPECT_LT(reproduce.find("--seed 49"), reproduce.find("--seed 46"));
}

TEST(Sweep, its_page_is_small_and_inert) {
    auto run = sweep_of(10'000, 1, 1);
    EXPECT_LT(sweep_page(run).size(), 1'000'000U);
    run = sweep_of(9, 1, 1);
    run.set_name("</script><script>alert(1)</script>");
    run.mutable_scenarios(0)->set_reason("<img src=x onerror=alert(1)>");
    const auto html = sweep_page(run);
    EXPECT_EQ(tests::occurrences(html, "alert(1)</script>"), 0U);
    EXPECT_EQ(tests::occurrences(html, "<img"), 0U);
    EXPECT_EQ(tests::occurrences(html, "http://"), 1U) << "the name of a namespace, no address";
}

TEST(Sweep, report_merge_gives_the_exit_code_of_the_whole) {
    const tests::ScratchDirectory scratch;
    const auto path = [&](const std::string& name) { return (scratch.path() / name).string(); };
    ASSERT_FALSE(write_results(sweep_of(9, 1, 2), path("1")).has_value());
    ASSERT_FALSE(write_results(sweep_of(9, 2, 2), path("2")).has_value());
    const auto merge = [](std::vector<std::string> words) {
        words.insert(words.begin(), {"report", "merge"});
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int code = report_command(static_cast<int>(arguments.size()), arguments.data());
        return std::tuple{code, testing::internal::GetCapturedStdout(),
                          testing::internal::GetCapturedStderr()};
    };
    const auto [code, out, err] = merge({path("2"), path("1"), "--out", path("whole")});
    EXPECT_EQ(code, 1);
    EXPECT_EQ(err, "");
    EXPECT_THAT(out, HasSubstr("FAIL simulation a | 6 pass, 3 fail"));
    auto whole = std::get<results::Run>(load_run(path("whole")));
    whole.clear_format_version();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(whole, sweep_of(9, 1, 1)));
    const auto [missing_code, nothing, why] = merge({path("1"), "--out", path("x")});
    EXPECT_EQ(missing_code, 2);
    EXPECT_EQ(nothing, "");
    EXPECT_THAT(why, testing::MatchesRegex("touchstone report merge: [^\n]*2 is missing[^\n]*\n"));
    EXPECT_FALSE(std::filesystem::exists(path("x")));
}

}  // namespace
}  // namespace touchstone::reports
