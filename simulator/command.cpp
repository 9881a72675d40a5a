#include "simulator/command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "broker/base/defects.hpp"
#include "broker/base/exit_code.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "simulator/client_defects.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/library.hpp"
#include "simulator/print.hpp"
#include "simulator/replay_command.hpp"
#include "simulator/results.hpp"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"
#include "simulator/shrink_command.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view examples = R"(
Examples:
  touchstone simulate scenarios/ordering/inflight-window-2.textproto
      what the client received, the states of queue and window, a verdict per invariant
  touchstone simulate scenarios/ordering/inflight-window-2.textproto --defect redeliver_unordered
      the same with a published bug switched on: exit code 1, and the packet that shows it
  touchstone simulate scenarios/sweep/one-shard.textproto --seeds 1..1000 --shards 2
      a thousand seeds; each that fails is named with the command to run it again
  touchstone simulate scenarios/qos2/qx-01.textproto --defect qos2_client_no_dedupe@subscriber
      a bug of a client library, in that client; without @… in those that the scenario's proof names
  touchstone simulate scenarios --library
      every published bug of the library: passes without, fails with its switch on
  touchstone simulate shrink scenarios/sweep/session-faults.textproto --seed 17 --defect will_twice
      a failing seed as the few faults, messages and limits that it takes: a scenario of its own
  touchstone simulate scenarios/ordering/or-07.textproto --at 5200
      the state of every session at 5.2 s: window, queue, Packet Identifiers
  touchstone simulate replay out/simulate-or-07
      the recorded run again, compared event by event
  touchstone simulate diff scenarios/ordering/or-07.textproto --defect live_bypasses_backlog
      the first event where two runs part
  touchstone simulate scenarios --digest-only
      one digest per scenario, to compare two builds

Exit codes: 0 every run ended as its scenario declares, 1 one did not, 2 bad arguments or scenario.
)";

struct Options {
    std::vector<std::string> paths;
    std::optional<std::uint64_t> seed;
    std::string seeds;
    std::vector<std::string> defects;
    std::optional<unsigned> shards;
    std::string out;
    std::string trace_of;  // a client's name, or "all"
    std::optional<std::uint32_t> at_ms;
    bool is_list = false;
    bool is_describe = false;
    bool is_library = false;
    bool is_index = false;
    bool is_json = false;
    bool has_no_report = false;
    bool is_digest_only = false;
};

struct SeedRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

std::optional<SeedRange> parse_seeds(std::string_view text) {
    const auto dots = text.find("..");
    if (dots == std::string_view::npos) return std::nullopt;
    const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
        std::uint64_t value = 0;
        const auto* end = digits.data() + digits.size();
        const auto parsed = std::from_chars(digits.data(), end, value);
        if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
        return value;
    };
    const auto first = number(text.substr(0, dots));
    const auto last = number(text.substr(dots + 2));
    if (!first || !last || *first > *last) return std::nullopt;
    return SeedRange{*first, *last};
}

/// Files as they are, folders as the scenarios in them, in the order of their names.
std::optional<std::string> expand(std::vector<std::string>& paths) {
    namespace fs = std::filesystem;
    std::vector<std::string> files;
    for (const auto& path : paths) {
        std::error_code failed;
        if (!fs::is_directory(path, failed)) {
            files.push_back(path);
            continue;
        }
        std::vector<std::string> found;
        for (auto one = fs::recursive_directory_iterator{path, failed};
             !failed && one != fs::recursive_directory_iterator{}; one.increment(failed)) {
            if (one->path().extension() == ".textproto") found.push_back(one->path().string());
        }
        if (failed) return fmt::format("{}: {}", path, failed.message());
        if (found.empty()) return fmt::format("{}: no *.textproto in this folder", path);
        std::ranges::sort(found);
        files.insert(files.end(), found.begin(), found.end());
    }
    paths = std::move(files);
    return std::nullopt;
}

std::string command_line(const std::string& path, const Options& options, std::uint64_t seed) {
    std::string text = fmt::format("touchstone simulate {} --seed {}", shell_word(path), seed);
    for (const auto& name : options.defects) text += " --defect " + name;
    if (options.shards) text += fmt::format(" --shards {}", *options.shards);
    return text;
}

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

/// Runs everything that was asked for and keeps what the report needs.
class Session {
public:
    Session(const Options& options, const std::vector<LoadedScenario>& scenarios,
            std::optional<SeedRange> seeds)
        : options_{options},
          scenarios_{scenarios},
          seeds_{seeds} {}

    results::Run run() {
        results::Run run;
        run.set_kind(results::Run::simulation);
        const bool is_sweep = seeds_.has_value() && seeds_->first != seeds_->last;
        for (const auto& loaded : scenarios_) {
            const SeedRange range = seeds_.value_or(default_range(loaded));
            for (std::uint64_t seed = range.first;; ++seed) {
                run_one(run, loaded, seed, is_sweep);
                if (seed == range.last) break;
            }
        }
        const bool is_single = run.scenarios_size() == 1;
        run.set_digest(is_single ? run.scenarios(0).digest() : total_.text());
        return run;
    }

    [[nodiscard]] bool is_all_as_declared() const { return undeclared_ == 0; }
    [[nodiscard]] std::uint64_t runs() const { return runs_; }
    [[nodiscard]] std::uint64_t undeclared() const { return undeclared_; }
    [[nodiscard]] const Digest& total() const { return total_; }

private:
    [[nodiscard]] SeedRange default_range(const LoadedScenario& loaded) const {
        const auto seed = options_.seed.value_or(loaded.scenario.seed());
        return {seed, seed};
    }

    void run_one(results::Run& run, const LoadedScenario& loaded, std::uint64_t seed,
                 bool is_sweep) {
        const auto outcome = run_scenario(
            loaded.scenario,
            {.seed = seed,
             .shard_count = options_.shards,
             .defects = options_.defects,
             .look_at = options_.at_ms
                            ? std::optional<Duration>{std::chrono::milliseconds{*options_.at_ms}}
                            : std::nullopt,
             .watches_sessions = !is_sweep && !options_.is_digest_only});
        const bool is_declared = is_as_declared(loaded.scenario, outcome);
        ++runs_;
        undeclared_ += is_declared ? 0 : 1;
        total_.add(outcome.world->engine().digest().value());
        if (options_.is_digest_only) {
            fmt::print("digest={} seed={} {}\n", outcome.digest(), seed, loaded.path);
            return;
        }
        const auto reproduce = command_line(loaded.path, options_, seed);
        const bool is_shown = !is_sweep || (!is_declared && shown_ < shown_max);
        if (is_shown && !options_.is_json) {
            ++shown_;
            if (is_sweep) fmt::print("seed={}\n", seed);
            print_outcome(loaded.path, loaded.scenario, outcome);
            if (outcome.look) print_look(*outcome.look);
            if (!options_.trace_of.empty()) {
                print_trace(outcome.world->trace(), options_.trace_of);
            }
            fmt::print("digest={}\n", outcome.digest());
            if (!is_declared) fmt::print("again: {}\n", reproduce);
            fmt::print("\n");
        }
        *run.add_scenarios() =
            to_result(loaded.path, loaded.scenario, outcome, reproduce,
                      is_shown || options_.is_json ? Detail::everything : Detail::verdicts);
    }

    /// Failing seeds of a sweep that are shown and kept with all their packets.
    static constexpr std::uint64_t shown_max = 10;

    const Options& options_;
    const std::vector<LoadedScenario>& scenarios_;
    std::optional<SeedRange> seeds_;
    Digest total_;
    std::uint64_t runs_ = 0;
    std::uint64_t undeclared_ = 0;
    std::uint64_t shown_ = 0;
};

std::string name_of(const std::vector<LoadedScenario>& scenarios) {
    if (scenarios.size() != 1) return "scenarios";
    return std::filesystem::path{scenarios.front().path}.stem().string();
}

std::string whole_command(int argument_count, char** arguments) {
    // arguments[0] may be the path of a program of its own (ci/simulate_main.cpp).
    std::string text = "touchstone simulate";
    for (int i = 1; i < argument_count; ++i) text += " " + shell_word(arguments[i]);
    return text;
}

void complete_run(results::Run& run, const Options& options,
                  const std::vector<LoadedScenario>& scenarios, std::optional<SeedRange> seeds) {
    run.set_name(name_of(scenarios));
    auto* target = run.mutable_target();
    target->set_name("touchstone sim");
    target->set_url("sim:");
    target->set_transport("sim");
    const auto& nodes = scenarios.front().scenario.nodes();
    target->set_shards(options.shards.value_or(std::max(1U, nodes[0].shards())));
    target->set_nodes(static_cast<std::uint32_t>(nodes.size()));
    target->set_mqtt_versions("3.1.1, 5.0");
    run.set_seed(seeds ? seeds->first : options.seed.value_or(scenarios.front().scenario.seed()));
}

int simulate(const Options& options, const std::vector<LoadedScenario>& scenarios,
             std::optional<SeedRange> seeds, const std::string& command) {
    const std::filesystem::path directory =
        options.out.empty() ? reports::default_result_directory("simulate", name_of(scenarios))
                            : std::filesystem::path{options.out};
    const bool has_report = !options.has_no_report && !options.is_digest_only;
    if (has_report) {
        if (const auto problem = reports::prepare_result_directory(directory)) {
            std::cerr << "touchstone simulate: " << problem->line << '\n';
            return to_int(problem->exit_code);
        }
    }
    const auto wall_begin = std::chrono::steady_clock::now();
    const auto started = std::chrono::system_clock::now().time_since_epoch();
    Session session{options, scenarios, seeds};
    if (!options.is_json && !options.is_digest_only) {
        if (seeds) {
            fmt::print("seed={}..{}\n", seeds->first, seeds->last);
        } else {
            fmt::print("seed={}\n", options.seed.value_or(scenarios.front().scenario.seed()));
        }
    }
    auto run = session.run();
    const auto exit_code =
        session.is_all_as_declared() ? ExitCode::as_expected : ExitCode::expectation_failed;
    if (options.is_digest_only) {
        fmt::print("digest={}\n", session.total().text());
        return to_int(exit_code);
    }
    complete_run(run, options, scenarios, seeds);
    run.set_reproduce(command);
    run.set_started_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(started).count());
    run.set_duration_ms(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::steady_clock::now() - wall_begin)
                                       .count()));
    if (session.runs() > 1 && !options.is_json) {
        fmt::print("{} runs, {} not as declared\ndigest={}\n", session.runs(), session.undeclared(),
                   session.total().text());
    }
    reports::complete(run);
    if (options.is_json) {
        reports::make_strings_valid(run);
        fmt::print("{}\n", reports::message_to_json(run, reports::JsonLayout::compact));
        if (!has_report) return to_int(exit_code);
        const auto problem = reports::write_results(run, directory);
        if (!problem) return to_int(exit_code);
        std::cerr << "touchstone simulate: " << problem->line << '\n';
        return to_int(problem->exit_code);
    }
    std::fflush(stdout);
    if (has_report) return to_int(reports::finish_run(run, directory, exit_code));
    std::cout << reports::last_line(run, {}) << std::endl;
    return to_int(exit_code);
}

}  // namespace

int simulate_command(int argument_count, char** arguments) {
    const struct {
        std::string_view name;
        int (*run)(int argument_count, char** arguments);
    } subcommands[] = {
        {"shrink", shrink_command}, {"replay", replay_command}, {"diff", diff_command}};
    for (const auto& [name, run] : subcommands) {
        if (argument_count > 1 && arguments[1] == name)
            return run(argument_count - 1, arguments + 1);
    }
    Options options;
    CLI::App app{
        "Runs scenarios in virtual time: real core, simulated clients and network, one seed.",
        "touchstone simulate"};
    app.footer(std::string{examples});
    app.add_option("PATH", options.paths, "Scenario files (*.textproto), or folders of them");
    app.add_option("--seed", options.seed, "Seed of the run; default: the scenario's");
    app.add_option("--seeds", options.seeds, "Run with each seed from A to B: A..B");
    app.add_option("--defect", options.defects,
                   "Switch a published defect on, NAME, NAME@CLIENT or NAME@*; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--shards", options.shards, "Shards of every node; default: the scenario's")
        ->check(CLI::Range(1U, 64U));
    app.add_option("--out", options.out, "Result directory; default: out/simulate-NAME");
    app.add_option("--at", options.at_ms,
                   "Show every session as it is after so many milliseconds of virtual time");
    app.add_option("--trace", options.trace_of, "Print the packets of a client, or of `all`");
    app.add_flag("--list", options.is_list, "List invariants, defect switches and scenarios");
    app.add_flag("--describe", options.is_describe, "Tell the story of each scenario, run nothing");
    app.add_flag("--library", options.is_library,
                 "Hold the library of a folder to its contract: off passes, on fails as named");
    app.add_flag("--index", options.is_index, "Print the index of the library of a folder");
    app.add_flag("--json", options.is_json, "Print the results as one JSON document");
    app.add_flag("--no-report", options.has_no_report, "Write no result directory");
    app.add_flag("--digest-only", options.is_digest_only, "Print digests only, write nothing");
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp&) {
        fmt::print("{}", app.help());
        return to_int(ExitCode::as_expected);
    } catch (const CLI::ParseError& error) {
        return usage_error(fmt::format("{}; see `touchstone simulate --help`", error.what()));
    }
    for (const auto& text : options.defects) {
        if (const auto problem = problem_of_defect(text))
            return usage_error("--defect " + *problem);
    }
    std::optional<SeedRange> seeds;
    if (!options.seeds.empty()) {
        if (options.seed) return usage_error("--seed and --seeds exclude each other; give one");
        seeds = parse_seeds(options.seeds);
        if (!seeds) {
            return usage_error(fmt::format(
                "--seeds {} is no range; write A..B with A <= B, e.g. 1..1000", options.seeds));
        }
    }
    if (options.is_library || options.is_index) {
        if (options.paths.size() != 1 || !std::filesystem::is_directory(options.paths.front())) {
            return usage_error("a library is one folder, e.g. scenarios");
        }
        const auto& folder = options.paths.front();
        return options.is_library ? check_library(folder) : print_index(folder);
    }
    if (const auto problem = expand(options.paths)) return usage_error(*problem);
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
        if (const auto problem = problem_of_defects(options.defects, scenarios.back())) {
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
    return simulate(options, scenarios, seeds, whole_command(argument_count, arguments));
}

}  // namespace touchstone::simulator
