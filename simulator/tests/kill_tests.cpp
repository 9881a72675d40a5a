// Kill points: all of them are found, what a crash leaves is what the way says, and a mistake that
// only a crash at one of them shows is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "simulator/kill_command.hpp"
#include "simulator/kill_points.hpp"
#include "simulator/scenario.hpp"

namespace touchstone::simulator {
namespace {

scenario::Scenario load(const std::string& path) {
    auto loaded = load_scenario(path);
    EXPECT_TRUE(loaded.problems.empty()) << loaded.problems.front();
    return std::move(loaded.scenario);
}

/// What a scenario does to its nodes itself is taken away: without a crash no mistake shows.
scenario::Scenario without_crashes(scenario::Scenario scenario) {
    scenario::Scenario quiet = scenario;
    quiet.clear_steps();
    quiet.clear_expectations();
    for (const auto& step : scenario.steps())
        if (!step.has_crash() && !step.has_stop()) *quiet.add_steps() = step;
    return quiet;
}

KillReport kill(const scenario::Scenario& scenario, const RunOptions& options = {}) {
    return kill_at_every_write(scenario, options, [] { return false; });
}

class EveryWrite : public testing::TestWithParam<std::string> {};

TEST_P(EveryWrite, is_survived_whatever_the_crash_leaves_of_it) {
    const auto report = kill(load(GetParam()));
    EXPECT_TRUE(report.broken_without.empty());
    for (const auto& one : report.failed)
        ADD_FAILURE() << text_of(one.point, load(GetParam())) << ": " << one.broken.front();
    ASSERT_FALSE(report.writes.empty());
    for (const auto way : all_kill_ways) {
        const auto runs = report.tallies[static_cast<std::size_t>(way)].runs;
        EXPECT_LE(runs, report.writes.size()) << name_of(way);
        // The first write of a shard has none before it; what a scenario crashes itself at the
        // same moment is not killed.
        EXPECT_GE(runs + 6, report.writes.size()) << name_of(way);
        EXPECT_GT(runs, 0U) << name_of(way);
    }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, EveryWrite,
                         testing::Values("scenarios/persistence/pq-01.textproto",
                                         "scenarios/qos2/qx-14.textproto",
                                         "scenarios/will/wr-07.textproto"),
                         [](const auto& parameter) {
                             const auto& path = parameter.param;
                             auto name = path.substr(path.find_last_of('/') + 1, 5);
                             name[2] = '_';
                             return name;
                         });

TEST(kill, finds_a_mistake_that_only_a_crash_in_the_right_moment_shows) {
    const auto scenario = without_crashes(load("scenarios/persistence/pq-01.textproto"));
    EXPECT_TRUE(kill(scenario).has_passed());
    const RunOptions planted{.defects = {"snapshot_no_fsync"}};
    EXPECT_TRUE(run_scenario(scenario, planted).has_passed());
    const auto report = kill(scenario, planted);
    EXPECT_TRUE(report.broken_without.empty());
    ASSERT_FALSE(report.failed.empty());
    // It acknowledges what is under way; once a batch is there, nothing shows.
    const auto passed_by = [&](KillWay way) {
        const auto& tally = report.tallies[static_cast<std::size_t>(way)];
        return tally.passed == tally.runs;
    };
    EXPECT_FALSE(passed_by(KillWay::unwritten));
    EXPECT_TRUE(passed_by(KillWay::untold));
    // The first that shows is a session that its client was told of.
    EXPECT_THAT(report.failed.front().broken, testing::Contains(testing::StartsWith("S3: ")));
    const auto loses_a_message = [](const KilledRun& run) {
        return std::ranges::any_of(run.broken,
                                   [](const auto& one) { return one.starts_with("Q1: "); });
    };
    EXPECT_TRUE(std::ranges::any_of(report.failed, loses_a_message));
}

TEST(kill, of_one_point_is_the_same_run_again) {
    const auto scenario = load("scenarios/persistence/pq-01.textproto");
    const auto report = kill(scenario, {.defects = {"snapshot_no_fsync"}});
    ASSERT_FALSE(report.failed.empty());
    const auto& first = report.failed.front();
    const auto point = parse_kill_point(text_of(first.point, scenario), scenario);
    ASSERT_TRUE(point.has_value());
    EXPECT_EQ(point->write, first.point.write);
    EXPECT_EQ(point->way, first.point.way);
    const RunOptions options{.defects = {"snapshot_no_fsync"}, .kill = point};
    const auto once = run_scenario(with_time_to_recover(scenario), options);
    const auto twice = run_scenario(with_time_to_recover(scenario), options);
    EXPECT_TRUE(once.was_killed);
    EXPECT_FALSE(once.has_passed());
    EXPECT_EQ(once.digest(), twice.digest());
}

TEST(kill, leaves_what_its_way_says) {
    // Twenty milliseconds for a sync; the second message is under way at 4,005 ms.
    const auto scenario = without_crashes(load("scenarios/persistence/pq-01.textproto"));
    const auto writes = kill(scenario).writes;
    const auto last_before_it = std::ranges::find_if(
        writes, [](const auto& seen) { return seen.at > run_begin + std::chrono::seconds{4}; });
    ASSERT_NE(last_before_it, writes.end());
    const auto has_arrived_before_the_crash = [&](KillWay way) {
        const RunOptions options{.kill = KillPoint{.write = last_before_it->write, .way = way}};
        const auto outcome = run_scenario(with_time_to_recover(scenario), options);
        EXPECT_TRUE(outcome.was_killed) << name_of(way);
        const auto& trace = outcome.world->trace();
        for (const auto& entry : trace.entries) {
            if (entry.kind == TraceEntry::Kind::node_crashed) return false;
            const bool is_told = entry.kind == TraceEntry::Kind::arrived &&
                                 entry.type == wire::PacketType::puback &&
                                 entry.at > run_begin + std::chrono::seconds{4};
            if (is_told) return true;
        }
        return false;
    };
    EXPECT_FALSE(has_arrived_before_the_crash(KillWay::unwritten));
    EXPECT_FALSE(has_arrived_before_the_crash(KillWay::untold));
    EXPECT_TRUE(has_arrived_before_the_crash(KillWay::told));
    EXPECT_FALSE(has_arrived_before_the_crash(KillWay::torn));
    EXPECT_FALSE(has_arrived_before_the_crash(KillWay::late));
    EXPECT_TRUE(has_arrived_before_the_crash(KillWay::taken));
}

TEST(kill, point_that_is_none_is_refused) {
    const auto scenario = load("scenarios/persistence/pq-02.textproto");
    EXPECT_TRUE(parse_kill_point("here/0/1/untold", scenario).has_value());
    // "there" has no disk.
    for (const auto* const text :
         {"", "here", "there/0/1/untold", "nowhere/0/1/untold", "here/0/0/untold",
          "here/x/1/untold", "here/0/1/soon", "here/0/1/untold/1", "here/0/1"})
        EXPECT_FALSE(parse_kill_point(text, scenario).has_value()) << text;
}

int run_kill(std::vector<std::string> words) {
    words.insert(words.begin(), "kill");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    return kill_command(static_cast<int>(arguments.size()), arguments.data());
}

TEST(kill_command, says_what_was_killed_and_exits_with_what_came_of_it) {
    const std::string path = "scenarios/persistence/pq-01.textproto";
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_kill({path}), to_int(ExitCode::as_expected));
    EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr("kills, 0 failed\n"));
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_kill({path, "--defect", "snapshot_no_fsync"}),
              to_int(ExitCode::expectation_failed));
    const auto told = testing::internal::GetCapturedStdout();
    EXPECT_THAT(told, testing::HasSubstr("--point broker/0/"));
    EXPECT_THAT(told, testing::HasSubstr("S3: "));
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_kill({path, "--point", "broker/0/1/told"}), to_int(ExitCode::as_expected));
    EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr("digest="));
}

TEST(kill_command, gives_disks_to_nodes_that_have_none) {
    const std::string path = "scenarios/session/expiry.textproto";
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_kill({path, "--with-disks"}), to_int(ExitCode::as_expected));
    EXPECT_THAT(testing::internal::GetCapturedStdout(),
                testing::ContainsRegex(", [1-9][0-9]+ kills, 0 failed\n"));
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_kill({path, "--with-disks", "--defect", "snapshot_no_fsync"}),
              to_int(ExitCode::expectation_failed));
    // The command that shows it again has the disks, too.
    EXPECT_THAT(testing::internal::GetCapturedStdout(),
                testing::HasSubstr("--with-disks --point broker/"));
    for (const auto* const without :
         {"scenarios/sweep/bridge.textproto", "scenarios/cluster/takeover.textproto"}) {
        testing::internal::CaptureStderr();
        EXPECT_EQ(run_kill({without, "--with-disks"}), to_int(ExitCode::usage_error));
        EXPECT_THAT(testing::internal::GetCapturedStderr(),
                    testing::HasSubstr("a cluster or a bridge"));
    }
}

TEST(kill_command, refuses_what_has_no_disk_or_no_such_point) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_kill({"scenarios/session/keep-alive.textproto"}), to_int(ExitCode::usage_error));
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                testing::HasSubstr("no node has `storage`"));
    testing::internal::CaptureStderr();
    EXPECT_EQ(run_kill({"scenarios/topics"}), to_int(ExitCode::usage_error));
    EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("name one that has"));
    for (const auto* const point : {"broker/0/1/soon", "broker/0/1000/told", "broker/9/1/told"}) {
        testing::internal::CaptureStderr();
        testing::internal::CaptureStdout();
        EXPECT_EQ(run_kill({"scenarios/persistence/pq-01.textproto", "--point", point}),
                  to_int(ExitCode::usage_error));
        testing::internal::GetCapturedStdout();
        EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr(point));
    }
}

}  // namespace
}  // namespace touchstone::simulator
