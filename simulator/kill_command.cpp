#include "simulator/kill_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "broker/base/exit_code.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/interruption.hpp"
#include "simulator/kill_points.hpp"
#include "simulator/print.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view examples = R"(
A node with a disk writes batches. A crash catches a batch
  begun      as it is begun: nothing of it is there, and what left with it does not arrive
  unwritten  just before it is stored: nothing of it is there
  untold     when it is there and nobody was told
  told       when it is there and what waited for it has arrived, 10 ms later
and, by a disk that lies,
  torn       just before it is stored: a part of it is there
  late       when it is there, and the one before it, which was called stored, is not
  taken      10 ms after it was called stored, and it is not there, nor what came behind it
Each way at each batch is a run of its own, up to where the scenario settles; it starts again after 500 ms. All
invariants of the scenario have to hold. Of what happened while a disk lied nothing is asked.

Examples:
  touchstone simulate kill scenarios/persistence
      every scenario in the folder that has a node with a disk
  touchstone simulate kill scenarios --with-disks --time-budget 600
      the whole library: every scenario, each of its nodes with a disk
  touchstone simulate kill scenarios/persistence/pq-01.textproto --defect snapshot_no_fsync
      a published bug, and the write at which a crash shows it first
  touchstone simulate kill scenarios/persistence/pq-01.textproto --point broker/0/7/unwritten --trace all
      one of these runs: node, shard, number of the batch, way

Exit codes: 0 every invariant held in every run; 1 one did not; 2 bad arguments or scenario, or no node has a disk;
7 the time budget is used up, 130 interrupted: what was done is shown.
)";

struct Options {
    std::vector<std::string> paths;
    RunOptions run;
    std::string point;
    std::string trace_of;
    std::optional<double> time_budget_s;
    bool with_disks = false;
};

std::string command_of(const Options& options, const LoadedScenario& loaded) {
    auto text = fmt::format("touchstone simulate kill {}", shell_word(loaded.path));
    if (options.run.seed) text += fmt::format(" --seed {}", *options.run.seed);
    for (const auto& name : options.run.defects) text += " --defect " + name;
    if (options.run.shard_count) text += fmt::format(" --shards {}", *options.run.shard_count);
    if (options.with_disks) text += " --with-disks";
    return text;
}

/// Not to nodes of a cluster, which have each other, nor where a bridge is, which remembers nothing
/// of what it has handed on.
void give_disks(scenario::Scenario& scenario) {
    if (scenario.has_cluster() || scenario.bridges_size() != 0) return;
    for (auto& node : *scenario.mutable_nodes())
        if (!node.has_storage()) node.mutable_storage();
}

bool has_disk(const LoadedScenario& loaded) {
    return std::ranges::any_of(loaded.scenario.nodes(),
                               [](const auto& node) { return node.has_storage(); });
}

/// Those that can be run; nothing when something is wrong, which has been said.
std::optional<std::vector<LoadedScenario>> load_all(const Options& options) {
    auto paths = options.paths;
    if (const auto problem = expand_folders(paths)) {
        usage_error("kill: " + *problem);
        return std::nullopt;
    }
    const std::set<std::string> named{options.paths.begin(), options.paths.end()};
    std::vector<LoadedScenario> all;
    for (const auto& path : paths) {
        auto loaded = load_to_run(path, {});
        if (!loaded) return std::nullopt;
        if (options.with_disks) give_disks(loaded->scenario);
        // Of a folder, only those that have what this is about.
        if (!has_disk(*loaded) && !named.contains(path)) continue;
        if (!has_disk(*loaded)) {
            usage_error(fmt::format("kill: {}: no node has `storage`; there is no write to be "
                                    "killed at, but with --with-disks, unless it has a cluster or "
                                    "a bridge",
                                    path));
            return std::nullopt;
        }
        if (!load_to_run(path, options.run.defects)) return std::nullopt;
        all.push_back(std::move(*loaded));
    }
    if (all.empty()) {
        usage_error("kill: no scenario of the folder has a node with `storage`; name one that has, "
                    "or give them some with --with-disks");
        return std::nullopt;
    }
    return all;
}

int run_point(const Options& options, const LoadedScenario& loaded) {
    const auto point = parse_kill_point(options.point, loaded.scenario);
    if (!point) {
        return usage_error(fmt::format(
            "kill: --point {}: write NODE/SHARD/NUMBER/WAY, a node of {} with `storage` and one of "
            "begun, unwritten, untold, told, torn, late, taken",
            options.point, loaded.path));
    }
    auto run = options.run;
    run.kill = point;
    const auto scenario = with_time_to_recover(loaded.scenario);
    fmt::print("seed={}\n", run.seed.value_or(scenario.seed()));
    auto outcome = run_scenario(scenario, run);
    outcome.disappointments.clear();
    if (!outcome.was_killed) {
        return usage_error(fmt::format("kill: --point {}: the run has no such write; "
                                       "`{}` lists the first that fails",
                                       options.point, command_of(options, loaded)));
    }
    print_outcome(loaded.path, scenario, outcome);
    if (!options.trace_of.empty()) print_trace(outcome.world->trace(), options.trace_of);
    fmt::print("digest={}\nagain: {} --point {}\n", outcome.digest(), command_of(options, loaded),
               options.point);
    return to_int(outcome.has_passed() ? ExitCode::as_expected : ExitCode::expectation_failed);
}

void print_row(std::string_view path, const KillReport& report) {
    fmt::print("{:<64} {:>6}", path, report.writes.size());
    for (const auto& tally : report.tallies)
        fmt::print(" {:>9}", fmt::format("{}/{}", tally.passed, tally.runs));
    fmt::print("\n");
}

void print_failures(const Options& options, const LoadedScenario& loaded,
                    const KillReport& report) {
    for (const auto& one : report.broken_without) fmt::print("    without a kill: {}\n", one);
    if (report.failed.empty()) return;
    const auto& first = report.failed.front();
    const auto point = text_of(first.point, loaded.scenario);
    const auto at_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(first.at - run_begin).count();
    fmt::print("    {} of {} runs fail, first {} ({} ms)\n", report.failed.size(), report.runs(),
               point, at_ms);
    for (const auto& broken : first.broken) fmt::print("      {}\n", broken);
    fmt::print("      again: {} --point {}\n", command_of(options, loaded), point);
}

int kill_all(const Options& options, const std::vector<LoadedScenario>& scenarios) {
    const Interruption interruption;
    const auto began = std::chrono::steady_clock::now();
    const auto is_time_up = [&] {
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
        return options.time_budget_s && spent.count() > *options.time_budget_s;
    };
    const auto is_to_end = [&] { return Interruption::is_asked_for() || is_time_up(); };
    KillReport total;
    std::size_t failed = 0;
    std::size_t writes = 0;
    bool was_ended = false;
    fmt::print("seed={}\n{:<64} {:>6}",
               options.run.seed.value_or(scenarios.front().scenario.seed()), "passed/killed",
               "writes");
    for (const auto way : all_kill_ways) fmt::print(" {:>9}", name_of(way));
    fmt::print("\n");
    std::size_t done = 0;
    for (const auto& loaded : scenarios) {
        if (was_ended) break;
        const auto report = kill_at_every_write(loaded.scenario, options.run, is_to_end);
        print_row(loaded.path, report);
        print_failures(options, loaded, report);
        std::fflush(stdout);
        for (std::size_t way = 0; way < report.tallies.size(); ++way) {
            total.tallies[way].runs += report.tallies[way].runs;
            total.tallies[way].passed += report.tallies[way].passed;
        }
        writes += report.writes.size();
        total.indivisible += report.indivisible;
        failed += report.failed.size() + report.broken_without.size();
        was_ended = report.was_ended;
        ++done;
    }
    fmt::print("{} writes took no time, in an orderly stop\n", total.indivisible);
    fmt::print("kill: {} scenarios, {} writes, {} kills, {} failed{}\n", done, writes, total.runs(),
               failed,
               !was_ended                     ? ""
               : Interruption::is_asked_for() ? ", interrupted"
                                              : ", the time budget is used up");
    if (failed != 0) return to_int(ExitCode::expectation_failed);
    if (!was_ended) return to_int(ExitCode::as_expected);
    return to_int(Interruption::is_asked_for() ? ExitCode::interrupted
                                               : ExitCode::time_budget_used_up);
}

}  // namespace

int kill_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{"Kills a node at every write to its disk, one run for each, and starts it again.",
                 "touchstone simulate kill"};
    app.footer(std::string{examples});
    app.add_option("PATH", options.paths, "Scenario files (*.textproto), or folders of them")
        ->required();
    app.add_option("--seed", options.run.seed, "Seed of the runs; default: the scenario's");
    add_run_options(app, options.run);
    auto* const point =
        app.add_option("--point", options.point, "Only this kill: NODE/SHARD/NUMBER/WAY");
    app.add_option("--trace", options.trace_of,
                   "With --point: print the packets of a client, or of `all`")
        ->needs(point);
    app.add_option("--time-budget", options.time_budget_s,
                   "Seconds after which it ends with what it has")
        ->check(CLI::PositiveNumber);
    app.add_flag("--with-disks", options.with_disks,
                 "Nodes that have no disk get one, but for those of clusters and bridges");
    if (const auto exit_code = parse_or_answer(app, "kill", argument_count, arguments))
        return *exit_code;
    const auto scenarios = load_all(options);
    if (!scenarios) return to_int(ExitCode::usage_error);
    if (options.point.empty()) return kill_all(options, *scenarios);
    if (scenarios->size() != 1) return usage_error("kill: --point is for one scenario; name it");
    return run_point(options, scenarios->front());
}

}  // namespace touchstone::simulator
