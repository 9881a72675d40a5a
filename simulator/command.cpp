#include "simulator/command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "broker/base/defects.hpp"
#include "broker/base/exit_code.hpp"
#include "broker/cluster/model.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/client_defects.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/comparison/command.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/explore_command.hpp"
#include "simulator/fleet/command.hpp"
#include "simulator/kill_command.hpp"
#include "simulator/library.hpp"
#include "simulator/live/command.hpp"
#include "simulator/replay_command.hpp"
#include "simulator/scenario.hpp"
#include "simulator/shrink_command.hpp"
#include "simulator/simulate_runs.hpp"
#include "simulator/sometimes.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view examples = R"(
Examples:
  touchstone simulate scenarios/ordering/inflight-window-2.textproto
      what the client received, the states of queue and window, a verdict per invariant
  touchstone simulate scenarios/ordering/inflight-window-2.textproto --defect redeliver_unordered
      the same with a published bug switched on: exit code 1, and the packet that shows it
  touchstone simulate scenarios/sweep/session-faults.textproto --seeds 1..1000 --jobs 4 --shards 2
      a thousand seeds in four processes; those that fail are listed, the soonest first, with a command each
  touchstone simulate scenarios/sweep/session-faults.textproto --seeds 1..1000 --shard 2/3 --out out/part-2
      the second of three parts of the same; `touchstone report merge out/part-*` joins them
  touchstone simulate scenarios/qos2/qx-01.textproto --defect qos2_client_no_dedupe@subscriber
      a bug of a client library, in that client; without @… in those that the scenario's proof names
  touchstone simulate scenarios --library
      every published bug of the library: passes without, fails with its switch on
  touchstone simulate explore scenarios/sweep/session-faults.textproto --runs 10000 --jobs 4
      a search that goes on from runs that met something new
  touchstone simulate shrink scenarios/sweep/session-faults.textproto --seed 17 --defect will_twice
      a failing seed as the few faults, messages and limits that it takes: a scenario of its own
  touchstone simulate kill scenarios/persistence
      every write of each run is a kill point: the node is killed at it, in seven ways, one run for each
  touchstone simulate scenarios/ordering/or-07.textproto --at 5200
      the state of every session at 5.2 s: window, queue, Packet Identifiers
  touchstone simulate replay out/simulate-or-07
      the recorded run again, compared event by event
  touchstone simulate diff scenarios/ordering/or-07.textproto --defect live_bypasses_backlog
      the first event where two runs part
  touchstone simulate scenarios/session/takeover.textproto --live mqtt://127.0.0.1:1883
      the same clients, links and checkers on a real broker, in real time
  touchstone simulate million/xmeter-1m --tier T2
      a fleet of a million devices, against a cost model of the broker; `--tier T2 --help` has its options
  touchstone simulate cluster/x-matrix
      twelve partitions on every model of a cluster, as one table; `cluster/x-matrix --help` has its options
  touchstone simulate scenarios --digest-only
      one digest per scenario, to compare two builds

Exit codes: 0 every run ended as its scenario declares; 1 one did not; 2 bad arguments or scenario; 3 no broker at --live
serves the clients; 6 a sweep proves nothing, since something that its scenario lists in `sometimes` never happened; 7 the
time budget was used up before all was run; 130 interrupted. With 1, 6, 7 and 130 the report says what was done.
)";

struct Options : SimulateOptions {
    std::string seeds;
    std::string shard;
    std::optional<unsigned> process_count;
    std::string live_url;
    bool is_configured = false;
    bool is_list = false;
    bool is_describe = false;
    bool is_library = false;
    bool is_index = false;
};

/// Of one sweep; a shard holds the verdicts of all its runs in memory.
constexpr std::uint64_t seeds_max = 10'000'000;

int list(const std::vector<std::string>& paths) {
    fmt::print("invariants\n");
    for (const auto& checker : all_checkers()) {
        fmt::print("  {:<28}  {}\n", checker.id, checker.title);
    }
    fmt::print("defect switches of nodes\n");
    for (const auto& one : defect_switches) fmt::print("  {:<28}  {}\n", one.name, one.story);
    fmt::print("defect switches of clients\n");
    for (const auto& one : client_defect_switches) {
        fmt::print("  {:<28}  {}\n", one.name, one.story);
    }
    fmt::print("models of clusters\n");
    for (const auto& model : cluster::all_models()) {
        fmt::print("  {:<28}  {}\n", model.name, model.description);
        for (const auto& assumption : model.assumptions) {
            fmt::print("  {:<28}    assumed: {}\n", "", assumption);
        }
    }
    fmt::print("conditions for `sometimes`\n");
    for (const auto& one : sometimes_conditions) fmt::print("  {:<38}  {}\n", one.name, one.story);
    if (paths.empty()) return to_int(ExitCode::as_expected);
    fmt::print("scenarios\n");
    for (const auto& path : paths) {
        const auto loaded = load_scenario(path);
        if (!loaded.problems.empty()) {
            for (const auto& problem : loaded.problems) std::cerr << problem << '\n';
            return to_int(ExitCode::usage_error);
        }
        fmt::print("  {}  {}\n", path, loaded.scenario.description());
    }
    return to_int(ExitCode::as_expected);
}

void describe_scenario(const LoadedScenario& loaded) {
    std::ifstream file{loaded.path, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
    const auto& scenario = loaded.scenario;
    fmt::print("{}: {}\n", loaded.path, scenario.description());
    fmt::print("{}", story_of(text));
    if (!scenario.catalogue().empty()) {
        fmt::print("published as {}: {}\n", scenario.catalogue(), scenario.story());
    }
    if (scenario.statements_size() > 0) {
        fmt::print("statements: {}\n", fmt::join(scenario.statements(), ", "));
    }
    if (scenario.references_size() > 0) {
        fmt::print("references: {}\n", fmt::join(scenario.references(), ", "));
    }
    fmt::print("invariants: {}\n", scenario.invariants_size() == 0
                                       ? std::string{"all"}
                                       : fmt::format("{}", fmt::join(scenario.invariants(), ", ")));
    fmt::print("seed {}, {} ms of virtual time, {} nodes, {} clients, {} steps\n\n",
               scenario.seed(), scenario.duration_ms(), scenario.nodes_size(),
               scenario.clients_size(), scenario.steps_size());
}

std::string whole_command(int argument_count, char** arguments) {
    // arguments[0] may be the path of a program of its own (ci/simulate_main.cpp).
    std::string text = "touchstone simulate";
    for (int i = 1; i < argument_count; ++i) text += " " + shell_word(arguments[i]);
    return text;
}

/// Reads `seeds`, `shard` and what follows from them; nothing when all is well.
std::optional<std::string> problem_of_sweep(Options& options) {
    auto& sweep = options.sweep;
    if (!options.seeds.empty()) {
        if (sweep.seed) return "--seed and --seeds exclude each other; give one";
        sweep.seeds = parse_seeds(options.seeds);
        if (!sweep.seeds) {
            return fmt::format("--seeds {} is no range; write A..B with A <= B, e.g. 1..1000",
                               options.seeds);
        }
        if (sweep.seeds->last - sweep.seeds->first >= seeds_max) {
            return fmt::format("--seeds {} are more than {}; give them in parts", options.seeds,
                               seeds_max);
        }
    }
    if (!options.shard.empty()) {
        const auto shard = parse_shard(options.shard);
        if (!shard) {
            return fmt::format("--shard {} is none; write i/n with 1 <= i <= n, e.g. 2/3",
                               options.shard);
        }
        sweep.shard = *shard;
    }
    sweep.process_count = options.process_count.value_or(1);
    options.is_sweep = (sweep.seeds && sweep.seeds->first != sweep.seeds->last) ||
                       !options.shard.empty() || options.process_count;
    const bool shows_more = options.is_sweep || options.time_budget_s || options.is_json ||
                            options.is_digest_only || !options.out.empty();
    if (options.at_ms && shows_more) {
        return "--at shows the sessions of a run and nothing else; leave --seeds, --jobs, --shard, "
               "--time-budget, --json, --digest-only and --out out";
    }
    const bool is_for_one =
        options.is_library || options.is_index || options.is_list || options.is_describe;
    if (is_for_one && (options.is_sweep || options.time_budget_s || sweep.seed || sweep.seeds)) {
        return "--library, --index, --list and --describe take no --seed, --seeds, --jobs, --shard "
               "and --time-budget; leave them out";
    }
    return std::nullopt;
}

}  // namespace

int simulate_command(int argument_count, char** arguments) {
    const struct {
        std::string_view name;
        int (*run)(int argument_count, char** arguments);
    } subcommands[] = {{"explore", explore_command},
                       {"shrink", shrink_command},
                       {"kill", kill_command},
                       {"replay", replay_command},
                       {"diff", diff_command}};
    for (const auto& [name, run] : subcommands) {
        if (argument_count > 1 && arguments[1] == name)
            return run(argument_count - 1, arguments + 1);
    }
    if (fleet::is_for_fleet(argument_count, arguments)) {
        return fleet::fleet_command(argument_count, arguments);
    }
    if (comparison::is_for_comparison(argument_count, arguments)) {
        return comparison::comparison_command(argument_count, arguments);
    }
    Options options;
    CLI::App app{
        "Runs scenarios in virtual time: real core, simulated clients and network, one seed.",
        "touchstone simulate"};
    app.footer(std::string{examples});
    app.add_option("PATH", options.paths, "Scenario files (*.textproto), or folders of them");
    app.add_option("--seed", options.sweep.seed, "Seed of the run; default: the scenario's");
    app.add_option("--seeds", options.seeds, "Run with each seed from A to B: A..B");
    app.add_option("--defect", options.sweep.defects,
                   "Switch a published defect on, NAME, NAME@CLIENT or NAME@*; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--shards", options.sweep.shard_count,
                   "Shards of every node; default: the scenario's")
        ->check(CLI::Range(1U, 64U));
    app.add_option("--jobs", options.process_count,
                   "Processes that run seeds at the same time; default: 1. What comes of it is the "
                   "same with any number")
        ->check(CLI::Range(1U, 256U));
    app.add_option("--shard", options.shard,
                   "Only part i of n of the runs: i/n, from 1/n to n/n. `touchstone report merge` "
                   "joins the parts");
    app.add_option("--time-budget", options.time_budget_s,
                   "Seconds after which a run or a sweep ends with what it has")
        ->check(CLI::PositiveNumber);
    app.add_option("--out", options.out, "Result directory; default: out/simulate-NAME");
    app.add_option("--at", options.at_ms,
                   "Only show every session as it is after so many milliseconds of virtual time");
    app.add_option("--trace", options.trace_of, "Print the packets of a client, or of `all`");
    auto* const live = app.add_option("--live", options.live_url,
                                      "Run on the broker at mqtt://HOST:PORT, in real time");
    app.add_flag("--configured", options.is_configured,
                 "With --live: the broker has the settings that the scenario gives its node")
        ->needs(live);
    app.add_flag("--list", options.is_list,
                 "List invariants, defect switches, conditions for `sometimes`, and scenarios");
    app.add_flag("--describe", options.is_describe, "Tell the story of each scenario, run nothing");
    app.add_flag("--library", options.is_library,
                 "Hold the library of a folder to its contract: off passes, on fails as named");
    app.add_flag("--index", options.is_index, "Print the index of the library of a folder");
    app.add_flag("--json", options.is_json, "Print the results as one JSON document");
    app.add_flag("--no-report", options.has_no_report, "Write no result directory");
    app.add_flag("--digest-only", options.is_digest_only, "Print digests only, write nothing");
    if (const auto exit_code = parse_or_answer(app, "", argument_count, arguments)) {
        return *exit_code;
    }
    for (const auto& text : options.sweep.defects) {
        if (const auto problem = problem_of_defect(text))
            return usage_error("--defect " + *problem);
    }
    if (const auto problem = problem_of_sweep(options)) return usage_error(*problem);
    if (options.is_library || options.is_index) {
        if (options.paths.size() != 1 || !std::filesystem::is_directory(options.paths.front())) {
            return usage_error("a library is one folder, e.g. scenarios");
        }
        const auto& folder = options.paths.front();
        return options.is_library ? check_library(folder) : print_index(folder);
    }
    if (const auto problem = expand_folders(options.paths)) return usage_error(*problem);
    if (options.is_list) return list(options.paths);
    if (options.paths.empty()) {
        return usage_error("no scenario; name a file or a folder, e.g. "
                           "scenarios/ordering/inflight-window-2.textproto");
    }
    std::vector<LoadedScenario> scenarios;
    bool is_wrong = false;
    for (const auto& path : options.paths) {
        scenarios.push_back(load_scenario(path));
        for (const auto& problem : scenarios.back().problems) {
            std::cerr << problem << '\n';
            is_wrong = true;
        }
        if (is_wrong) continue;
        if (const auto problem = problem_of_defects(options.sweep.defects, scenarios.back())) {
            return usage_error(*problem);
        }
    }
    if (is_wrong) return to_int(ExitCode::usage_error);
    for (const auto& loaded : scenarios) {
        const auto duration_ms = loaded.scenario.duration_ms();
        if (!options.at_ms || *options.at_ms <= duration_ms) continue;
        return usage_error(fmt::format("--at {}: {} ends after {} ms; give an instant before that",
                                       *options.at_ms, loaded.path, duration_ms));
    }
    if (options.is_describe) {
        for (const auto& loaded : scenarios) describe_scenario(loaded);
        return to_int(ExitCode::as_expected);
    }
    if (!options.live_url.empty()) {
        if (options.is_sweep || options.time_budget_s || options.sweep.shard_count ||
            options.at_ms || options.is_json || options.is_digest_only) {
            return usage_error("--live runs once and sees no node from inside; leave --seeds, "
                               "--time-budget, --shards, --at, --json and --digest-only out");
        }
        return live::run_live({.url = options.live_url,
                               .is_configured = options.is_configured,
                               .seed = options.sweep.seed,
                               .defects = options.sweep.defects,
                               .out = options.out,
                               .trace_of = options.trace_of,
                               .has_no_report = options.has_no_report,
                               .command = whole_command(argument_count, arguments)},
                              scenarios);
    }
    return simulate_runs(options, scenarios, whole_command(argument_count, arguments));
}

}  // namespace touchstone::simulator
