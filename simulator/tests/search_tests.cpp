// Sweeps in several processes: the same whatever their number, and none ended by one of its runs.

#include "simulator/search.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>

#include "reports/sweep.hpp"
#include "simulator/interruption.hpp"
#include "simulator/worker_processes.hpp"

namespace touchstone::simulator {
namespace {

using results::Sweep;
using results::Verdict;
using testing::HasSubstr;

constexpr const char* faults = "scenarios/sweep/session-faults.textproto";

std::vector<LoadedScenario> load(std::initializer_list<const char*> paths) {
    std::vector<LoadedScenario> all;
    for (const auto* path : paths) all.push_back(load_scenario(path));
    return all;
}

SweepHooks hooks() {
    return {.on_progress = [](const SweepProgress&) {},
            .command_of = [](const SweepPlan::Item& item) { return std::to_string(item.seed); },
            .end_now = [] { return Sweep::complete; }};
}

TEST(WorkerProcesses, do_every_task_once) {
    std::map<std::uint64_t, std::string> answers;
    EXPECT_TRUE(
        do_in_processes({.task_count = 20,
                         .process_count = 3,
                         .work = [](std::uint64_t task) { return std::string(task * 10'000, 'x'); },
                         .on_end =
                             [&](const TaskEnd& end) {
                                 return answers.emplace(end.task, end.answer.value()).second;
                             }}));
    ASSERT_EQ(answers.size(), 20U);
    for (const auto& [task, answer] : answers) EXPECT_EQ(answer.size(), task * 10'000);
}

TEST(WorkerProcesses, a_task_that_ends_its_process_is_told_and_the_others_are_done) {
    std::map<std::uint64_t, TaskEnd> ends;
    EXPECT_TRUE(do_in_processes(
        {.task_count = 6,
         .process_count = 2,
         .work = [](std::uint64_t task) -> std::string {
             if (task == 1) {
                 std::fputs("a word\nthe last word\n", stderr);
                 std::abort();
             }
             if (task == 3) throw std::runtime_error{"no more"};
             return "done";
         },
         .on_end = [&](const TaskEnd& end) { return ends.emplace(end.task, end).second; }}));
    ASSERT_EQ(ends.size(), 6U);
    EXPECT_FALSE(ends[1].answer);
    EXPECT_EQ(ends[1].death, "ended by signal 6 (Aborted): the last word");
    EXPECT_EQ(ends[3].death, "ended with exit code 1: no more");
    for (const std::uint64_t task : {0, 2, 4, 5}) EXPECT_EQ(ends[task].answer, "done");
}

TEST(WorkerProcesses, are_given_up_when_it_is_enough) {
    int ends = 0;
    const auto on_end = [&](const TaskEnd&) { return ++ends < 2; };
    EXPECT_FALSE(do_in_processes({.task_count = 100,
                                  .process_count = 1,
                                  .work = [](std::uint64_t) { return std::string{}; },
                                  .on_end = on_end}));
    EXPECT_EQ(ends, 2);
    // One that never answers is ended.
    EXPECT_FALSE(do_in_processes({.task_count = 1,
                                  .process_count = 1,
                                  .work = [](std::uint64_t) -> std::string {
                                      while (true) ::pause();
                                  },
                                  .on_end = on_end,
                                  .is_enough = [] { return true; }}));
    EXPECT_EQ(ends, 2);
}

TEST(Interruption, is_asked_for_by_a_signal) {
    for (const int signal : {SIGINT, SIGTERM}) {
        const Interruption interruption;
        EXPECT_FALSE(Interruption::is_asked_for());
        std::raise(signal);
        EXPECT_TRUE(Interruption::is_asked_for());
    }
}

TEST(SweepPlan, reads_ranges_and_shards) {
    EXPECT_EQ(parse_seeds("3..7")->last, 7U);
    for (const auto* text : {"", "3", "3..", "..3", "7..3", "a..b", "1..2..3", "-1..3"}) {
        EXPECT_FALSE(parse_seeds(text)) << text;
    }
    EXPECT_EQ(parse_shard("3/7")->count, 7U);
    for (const auto* text : {"", "3", "0/3", "4/3", "1/0", "1/2/3", "a/b", "/"}) {
        EXPECT_FALSE(parse_shard(text)) << text;
    }
}

TEST(SweepPlan, its_shards_are_disjoint_and_together_everything) {
    const auto scenarios = load({faults, "scenarios/sweep/crashes.textproto"});
    SweepOptions options{.seeds = SeedRange{5, 15}};
    for (const std::uint32_t count : {1U, 2U, 3U, 30U}) {
        std::set<std::uint64_t> positions;
        for (std::uint32_t number = 1; number <= count; ++number) {
            options.shard = {number, count};
            const SweepPlan plan{scenarios, options};
            EXPECT_EQ(plan.whole_size(), 22U);
            for (std::uint64_t i = 0; i < plan.size(); ++i) {
                EXPECT_TRUE(positions.insert(plan.position(i)).second);
            }
        }
        EXPECT_EQ(positions.size(), 22U);
        EXPECT_EQ(*positions.rbegin(), 21U);
    }
    const SweepPlan plan{scenarios, options};
    EXPECT_EQ(plan.item(10).seed, 15U);
    EXPECT_EQ(plan.item(11).seed, 5U);
    EXPECT_EQ(plan.item(11).loaded, &scenarios[1]);
}

TEST(Sweeping, gives_the_same_with_any_number_of_processes_and_in_shards) {
    const auto scenarios = load({faults});
    SweepOptions options{.seeds = SeedRange{1, 12}, .defects = {"will_twice"}};
    const auto run = [&](unsigned processes, Shard shard) {
        options.process_count = processes;
        options.shard = shard;
        return run_sweep({scenarios, options}, options, hooks());
    };
    const auto whole = run(1, {});
    EXPECT_EQ(whole.scenarios_size(), 12);
    EXPECT_EQ(reports::exit_code_of(whole), ExitCode::expectation_failed);
    EXPECT_EQ(run(3, {}).SerializeAsString(), whole.SerializeAsString());
    const auto merged = reports::merge_sweep({{"b", run(1, {2, 2})}, {"a", run(2, {1, 2})}});
    ASSERT_TRUE(std::holds_alternative<results::Run>(merged));
    EXPECT_EQ(std::get<results::Run>(merged).SerializeAsString(), whole.SerializeAsString());
}

TEST(Sweeping, a_run_that_ends_its_process_is_a_failure_of_its_seed) {
    const auto scenarios = load({faults});
    const SweepOptions options{.seeds = SeedRange{1, 4}, .process_count = 2};
    auto crashing = hooks();
    const auto parent = ::getpid();
    crashing.command_of = [parent](const SweepPlan::Item& item) {
        if (item.seed == 3 && ::getpid() != parent) {
            std::fputs("broker/x.cpp:1: CHECK failed: x\n", stderr);
            std::abort();
        }
        return "seed " + std::to_string(item.seed);
    };
    const auto run = run_sweep({scenarios, options}, options, crashing);
    ASSERT_EQ(run.scenarios_size(), 4);
    const auto& crashed = run.scenarios(2);
    EXPECT_EQ(crashed.verdict(), Verdict::crash);
    EXPECT_EQ(crashed.reason(), "the simulator's process ended by signal 6 (Aborted): "
                                "broker/x.cpp:1: CHECK failed: x");
    EXPECT_EQ(crashed.reproduce(), "seed 3");
    EXPECT_EQ(run.verdict(), Verdict::crash);
    EXPECT_EQ(run.sweep().scenarios(0).undeclared(), 1U);
    EXPECT_EQ(run.sweep().scenarios(0).invariants(0).runs(), 3U);
}

TEST(Sweeping, that_is_broken_off_says_how_far_it_came) {
    const auto scenarios = load({faults});
    const SweepOptions options{.seeds = SeedRange{1, 1'000'000}};
    auto broken_off = hooks();
    std::uint64_t done = 0;
    broken_off.on_progress = [&](const SweepProgress& progress) { done = progress.done; };
    broken_off.end_now = [&] { return done < 3 ? Sweep::complete : Sweep::time_budget; };
    const auto run = run_sweep({scenarios, options}, options, broken_off);
    EXPECT_EQ(run.scenarios_size(), 3);
    EXPECT_EQ(reports::exit_code_of(run), ExitCode::time_budget_used_up);
    EXPECT_EQ(run.verdict(), Verdict::inconclusive);
    EXPECT_THAT(run.notes(0), HasSubstr("3 of 1000000 runs were done"));
}

}  // namespace
}  // namespace touchstone::simulator
