#include "simulator/explore_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "broker/base/exit_code.hpp"
#include "reports/result_directory.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/explore.hpp"
#include "simulator/interruption.hpp"
#include "simulator/scenario.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view examples = R"(
Examples:
  touchstone simulate explore scenarios/sweep/session-faults.textproto --runs 10000 --jobs 4
      10,000 runs: some from seeds, most of them changes of earlier ones that met something new
  touchstone simulate explore scenarios/sweep/session-faults.textproto --defect takeover_wedge --first
      until something fails; the schedule that does is a scenario, to be run and shrunk
  touchstone simulate explore scenarios/sweep/session-faults.textproto --runs 10000 --no-mutation
      the same number of runs from seeds alone, to compare

Exit codes: 0 nothing failed; 1 something did; 2 bad arguments or scenario; 7 the time budget was used up and nothing
had failed; 130 interrupted.
)";

struct Options {
    std::string path;
    ExploreOptions explore;
    bool has_no_mutation = false;
    std::optional<double> time_budget_s;
    std::string out;
};

std::string story_of(const Options& options, const LoadedScenario& loaded,
                     const FoundFailure& failure) {
    std::string defects;
    for (const auto& one : options.explore.run.defects) defects += " --defect " + one;
    return fmt::format("{}\n\nRun {} of a search that began with {}, seed {}{}: {} breaks.",
                       loaded.scenario.description(), failure.run, options.path,
                       options.explore.run.seed.value_or(loaded.scenario.seed()), defects,
                       fmt::join(failure.broken, " "));
}

/// Writes the schedules; false: one could not be written, and was said so.
bool write_failures(const Options& options, const LoadedScenario& loaded, const Explored& explored,
                    const std::filesystem::path& directory) {
    for (const auto& failure : explored.failures) {
        const auto file =
            directory / fmt::format("{}-{}.textproto", fmt::join(failure.broken, "-"), failure.run);
        const auto problem = reports::write_file_atomically(
            file, file_text(failure.schedule, story_of(options, loaded, failure)));
        if (problem) {
            usage_error("explore: " + problem->line);
            return false;
        }
        fmt::print("run {}: {} {}\n  touchstone simulate {}\n", failure.run,
                   fmt::join(failure.broken, " "), failure.death, shell_word(file.string()));
    }
    return true;
}

ExitCode exit_code_of(const Explored& explored) {
    if (Interruption::is_asked_for()) return ExitCode::interrupted;
    if (!explored.failures.empty()) return ExitCode::expectation_failed;
    return explored.is_complete ? ExitCode::as_expected : ExitCode::time_budget_used_up;
}

int explore_scenario(Options& options, const LoadedScenario& loaded,
                     const std::filesystem::path& directory, const std::string& command) {
    const Interruption interruption;
    const auto begin = std::chrono::steady_clock::now();
    const auto spent_s = [begin] {
        return std::chrono::duration<double>{std::chrono::steady_clock::now() - begin}.count();
    };
    options.explore.is_mutating = !options.has_no_mutation;
    options.explore.is_enough = [&] {
        return Interruption::is_asked_for() ||
               (options.time_budget_s && spent_s() > *options.time_budget_s);
    };
    const auto seed = options.explore.run.seed.value_or(loaded.scenario.seed());
    fmt::print("seed={}\n", seed);
    const auto explored = explore(loaded.scenario, options.explore);
    fmt::print("{:>10}{:>10}{:>10}{:>10}\n", "runs", "pairs", "kept", "failing");
    for (const auto& stage : explored.stages) {
        fmt::print("{:>10}{:>10}{:>10}{:>10}\n", stage.runs, stage.pairs, stage.kept,
                   stage.failing);
    }
    if (!write_failures(options, loaded, explored, directory)) {
        return to_int(ExitCode::usage_error);
    }
    const auto& end = explored.stages.back();
    const auto exit_code = exit_code_of(explored);
    fmt::print("{} exploration {} | {} runs, {} failing, {} pairs of state and event | seed {} | "
               "{:.1f} s{} | again: {}\n",
               explored.failures.empty() ? "PASS" : "FAIL",
               std::filesystem::path{loaded.path}.stem().string(), end.runs, end.failing, end.pairs,
               seed, spent_s(),
               explored.is_complete                 ? ""
               : exit_code == ExitCode::interrupted ? " | interrupted"
                                                    : " | time budget used up",
               command);
    return to_int(exit_code);
}

}  // namespace

int explore_command(int argument_count, char** arguments) {
    Options options;
    auto& run = options.explore.run;
    CLI::App app{"Searches for schedules that fail: changes those that met something new.",
                 "touchstone simulate explore"};
    app.footer(std::string{examples});
    app.add_option("FILE", options.path, "Scenario (*.textproto)")->required();
    app.add_option("--runs", options.explore.runs_max, "Runs at most")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->capture_default_str();
    app.add_option("--seed", run.seed, "Seed of the search; default: the scenario's");
    app.add_option("--jobs", options.explore.process_count, "Processes; default: 1")
        ->check(CLI::Range(1U, 256U));
    add_run_options(app, run);
    app.add_flag("--first", options.explore.has_enough_with_one, "End with the first failure");
    app.add_flag("--no-mutation", options.has_no_mutation, "All runs are from seeds");
    app.add_option("--time-budget", options.time_budget_s, "Seconds")->check(CLI::PositiveNumber);
    app.add_option("--out", options.out,
                   "Folder for schedules that fail; default: out/explore-NAME");
    if (const auto exit_code = parse_or_answer(app, "explore", argument_count, arguments)) {
        return *exit_code;
    }
    const auto loaded = load_to_run(options.path, run.defects);
    if (!loaded) return to_int(ExitCode::usage_error);
    const std::filesystem::path directory =
        options.out.empty() ? reports::default_result_directory(
                                  "explore", std::filesystem::path{options.path}.stem().string())
                            : std::filesystem::path{options.out};
    if (const auto problem = reports::prepare_result_directory(directory)) {
        return usage_error("explore: " + problem->line);
    }
    std::string command = "touchstone simulate explore";
    for (int i = 1; i < argument_count; ++i) command += " " + shell_word(arguments[i]);
    return explore_scenario(options, *loaded, directory, command);
}

}  // namespace touchstone::simulator
