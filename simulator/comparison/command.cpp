#include "simulator/comparison/command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "broker/base/exit_code.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/comparison/comparison.hpp"
#include "simulator/interruption.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator::comparison {

namespace {

using RealClock = std::chrono::steady_clock;

constexpr std::string_view matrix_name = "cluster/x-matrix";
constexpr std::string_view matrix_file = "scenarios/cluster/matrix/expected.pbtxt";

constexpr std::string_view examples = R"(
Examples:
  touchstone simulate cluster/x-matrix --jobs 2
      every experiment on every model; out/simulate-x-matrix/report.html has the table
  touchstone simulate cluster/x-matrix --models emqx4,hivemq --seeds 1..50
      two models, each cell with fifty seeds: all that was seen, and the worst figures
  touchstone simulate cluster/x-matrix --models emqx4 --experiments X4 --sweep detect_ms=1000..60000
      what a slower failure detector costs, as a curve
  touchstone simulate cluster/x-matrix --models emqx4,vernemq --sweep policy
      what each way to heal, and each thing that clients may do meanwhile, costs

Exit codes: 0 every cell is as the documents say, or its difference is explained; 1 one is not; 2 bad arguments or file;
130 interrupted.
)";

struct Options {
    std::string path;
    std::vector<std::string> models;
    std::string seeds;
    std::vector<std::string> sweeps;
    std::string out;
    ComparisonOptions comparison;
    bool is_json = false;
    bool has_no_report = false;
};

std::string file_of(const std::string& argument) {
    return argument == matrix_name ? std::string{matrix_file} : argument;
}

/// `detect_ms=A..B` as seven values from A to B, each as many times the one before.
std::optional<std::vector<std::uint32_t>> parse_sweep(std::string_view text) {
    constexpr std::string_view prefix = "detect_ms=";
    if (!text.starts_with(prefix)) return std::nullopt;
    const auto range = parse_seeds(text.substr(prefix.size()));
    constexpr std::uint64_t detect_ms_max = 600'000;
    if (!range || range->first == 0 || range->last > detect_ms_max) return std::nullopt;
    constexpr unsigned steps = 6;
    std::vector<std::uint32_t> values;
    for (unsigned step = 0; step <= steps; ++step) {
        // The value whose sixth power is first^(6-step) * last^step.
        const auto is_below = [&](std::uint64_t value) {
            long double left = 1;
            long double right = 1;
            for (unsigned i = 0; i < steps; ++i) {
                left *= static_cast<long double>(value);
                right *= static_cast<long double>(i < step ? range->last : range->first);
            }
            return left < right;
        };
        std::uint64_t low = range->first;
        std::uint64_t high = range->last;
        while (low < high) {
            const auto middle = (low + high) / 2;
            is_below(middle) ? low = middle + 1 : high = middle;
        }
        const auto value = static_cast<std::uint32_t>(low);
        if (values.empty() || values.back() != value) values.push_back(value);
    }
    return values;
}

std::optional<std::string> problem_of_sweep(const std::string& sweep, ComparisonOptions& chosen) {
    if (sweep == "policy") {
        const auto has_any = [](const auto* model) { return !policies_of(*model).empty(); };
        if (std::ranges::none_of(chosen.models, has_any))
            return "--sweep policy: none of these models leaves one to its operator; emqx4, "
                   "rabbit312 and vernemq do, e.g.";
        chosen.sweeps_policies = true;
        return std::nullopt;
    }
    const auto values = parse_sweep(sweep);
    if (!values)
        return fmt::format(
            "--sweep {}: write policy, or detect_ms=A..B with 1 <= A <= B <= 600000, "
            "milliseconds, e.g. detect_ms=1000..60000",
            sweep);
    chosen.swept_detect_ms = *values;
    return std::nullopt;
}

/// Reads models, experiments, seeds and sweeps; what is wrong with them.
std::optional<std::string> problem_of(Options& options, const LoadedComparison& loaded) {
    auto& chosen = options.comparison;
    std::vector<std::string> known;
    for (const auto& model : cluster::all_models()) known.emplace_back(model.name);
    for (const auto& name : options.models) {
        const auto* const model = cluster::find_model(name);
        if (model == nullptr)
            return fmt::format("--models '{}': no model{}", name, remedy(name, known));
        chosen.models.push_back(model);
    }
    if (options.models.empty())
        for (const auto& model : cluster::all_models()) chosen.models.push_back(&model);
    std::vector<std::string> ids;
    for (const auto& one : loaded.comparison.experiments()) ids.push_back(one.id());
    for (const auto& id : chosen.experiments)
        if (std::ranges::find(ids, id) == ids.end())
            return fmt::format("--experiments '{}': {} has {}", id, loaded.path,
                               fmt::join(ids, ", "));
    if (!options.seeds.empty()) {
        const auto seeds = parse_seeds(options.seeds);
        constexpr std::uint64_t seeds_max = 10'000;
        if (!seeds || seeds->last - seeds->first >= seeds_max)
            return fmt::format("--seeds {}: write A..B with A <= B, at most {} seeds, e.g. 1..20",
                               options.seeds, seeds_max);
        chosen.seeds = *seeds;
    }
    for (const auto& sweep : options.sweeps)
        if (auto problem = problem_of_sweep(sweep, chosen)) return problem;
    return std::nullopt;
}

int carry_out(Options& options, const LoadedComparison& loaded, const std::string& command) {
    const auto name = options.path == matrix_name
                          ? std::string{"x-matrix"}
                          : std::filesystem::path{loaded.path}.stem().string();
    const std::filesystem::path directory =
        options.out.empty() ? reports::default_result_directory("simulate", name)
                            : std::filesystem::path{options.out};
    const bool has_report = !options.has_no_report;
    if (has_report) {
        if (const auto problem = reports::prepare_result_directory(directory)) {
            std::cerr << "touchstone simulate: " << problem->line << '\n';
            return to_int(problem->exit_code);
        }
        // Pages of an earlier run would be taken for this one's.
        std::filesystem::remove_all(directory / "cells");
        options.comparison.directory = directory;
    }
    const Interruption interruption;
    const auto begin = RealClock::now();
    const auto started = std::chrono::system_clock::now().time_since_epoch();
    const auto& seeds = options.comparison.seeds;
    if (!options.is_json) {
        fmt::print("seed={}..{}\n", seeds.first, seeds.last);
        std::fflush(stdout);
    }
    options.comparison.path = options.path;
    options.comparison.is_enough = [] { return Interruption::is_asked_for(); };
    auto [run, is_complete] = compare(loaded, options.comparison);
    run.set_name(name);
    auto& target = *run.mutable_target();
    target.set_name("touchstone sim");
    target.set_url("sim:");
    target.set_transport("sim");
    run.set_seed(seeds.first);
    run.set_reproduce(command);
    run.set_started_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(started).count());
    run.set_duration_ms(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(RealClock::now() - begin).count()));
    auto exit_code = ExitCode::as_expected;
    const bool has_failed = std::ranges::any_of(
        run.scenarios(), [](const auto& one) { return reports::is_failure(one.verdict()); });
    if (has_failed) exit_code = ExitCode::expectation_failed;
    if (!is_complete) {
        exit_code = ExitCode::interrupted;
        run.add_notes("interrupted");
        if (!has_failed) run.set_verdict(results::Verdict::inconclusive);
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
    fmt::print("{}", text_of(run.comparison()));
    for (const auto& note : run.notes()) fmt::print("{}\n", note);
    fmt::print("digest={}\n", run.digest());
    std::fflush(stdout);
    if (has_report) return to_int(reports::finish_run(run, directory, exit_code));
    std::cout << reports::last_line(run, {}) << std::endl;
    return to_int(exit_code);
}

}  // namespace

bool is_for_comparison(int argument_count, char** arguments) {
    return std::any_of(arguments + 1, arguments + std::max(argument_count, 1),
                       [](const std::string& argument) {
                           return argument == matrix_name || argument.ends_with("expected.pbtxt");
                       });
}

int comparison_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{"Runs every experiment on every model of a cluster, and makes one table of it.",
                 "touchstone simulate"};
    app.footer(std::string{examples});
    app.add_option("COMPARISON", options.path,
                   "cluster/x-matrix, or a comparison's file (…/expected.pbtxt)")
        ->required();
    app.add_option("--models", options.models, "Only these models: a,b; default: all")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--experiments", options.comparison.experiments,
                   "Only these experiments: X1,X2; default: all")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--seeds", options.seeds, "Seeds of each cell, A..B; default: 1..1");
    app.add_option("--jobs", options.comparison.process_count,
                   "Processes that run at the same time; default: 1. What comes of it is the same "
                   "with any number")
        ->check(CLI::Range(1U, 256U));
    app.add_option(
           "--sweep", options.sweeps,
           "Besides, with failure detectors of seven speeds: detect_ms=A..B, milliseconds; or "
           "with all ways to heal, or to serve while a member is down: policy")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--out", options.out, "Result directory; default: out/simulate-x-matrix");
    app.add_flag("--json", options.is_json, "Print the results as one JSON document");
    app.add_flag("--no-report", options.has_no_report, "Write no result directory");
    if (const auto exit_code = parse_or_answer(app, "", argument_count, arguments)) {
        return *exit_code;
    }
    const auto loaded = load_comparison(file_of(options.path));
    for (const auto& problem : loaded.problems) std::cerr << problem << '\n';
    if (!loaded.problems.empty()) return to_int(ExitCode::usage_error);
    if (const auto problem = problem_of(options, loaded)) return usage_error(*problem);
    std::string command = "touchstone simulate";
    for (int i = 1; i < argument_count; ++i) command += " " + shell_word(arguments[i]);
    try {
        return carry_out(options, loaded, command);
    } catch (const std::runtime_error& error) {
        std::cerr << "touchstone simulate: " << error.what() << '\n';
        return to_int(ExitCode::usage_error);
    }
}

}  // namespace touchstone::simulator::comparison
