#include "simulator/shrink_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "broker/base/exit_code.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/interruption.hpp"
#include "simulator/print.hpp"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"
#include "simulator/shrink.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view examples = R"(
Examples:
  touchstone simulate shrink scenarios/sweep/session-faults.textproto --seed 17
      seed 17 failed in a sweep: what of it does it take?
  touchstone simulate shrink scenarios/sweep/session-faults.textproto --seed 3 --defect will_twice --out small.textproto
      the same for a published bug

Exit codes: 0 it was made smaller, or cannot be; 1 the seed breaks no invariant, so there is nothing to shrink;
2 bad arguments or scenario; 7 the time budget is used up, 130 interrupted: what was reached is written.
)";

struct Options {
    std::string path;
    RunOptions run;
    std::string out;
    double time_budget_s = 120;
};

std::string text_of(const ScenarioSize& size) {
    return fmt::format("{} faults, {} messages, {} other steps, {} clients", size.faults,
                       size.messages, size.others, size.clients);
}

std::string explanation_of(const Outcome& outcome, const std::string& invariant) {
    for (const auto& one : outcome.invariants) {
        if (one.checker->id == invariant) return one.failures.front().explanation;
    }
    return {};
}

std::string story_of(const Options& options, const LoadedScenario& loaded, const Shrunk& shrunk,
                     const Outcome& outcome) {
    std::string defects;
    for (const auto& one : outcome.defects) defects += " --defect " + one;
    return fmt::format(
        "{}\n\nWhat is left of {}, seed {}{}: {} breaks.\n{}\n\nFrom {}\nto   {}, in {} runs.",
        loaded.scenario.description(), options.path, outcome.seed, defects,
        shrunk.fingerprint.invariant, explanation_of(outcome, shrunk.fingerprint.invariant),
        text_of(shrunk.before), text_of(shrunk.after), shrunk.runs);
}

int shrink_run(const Options& options, const LoadedScenario& loaded,
               const std::filesystem::path& file) {
    const Interruption interruption;
    const auto outcome = run_scenario(loaded.scenario, options.run);
    const auto fingerprint = fingerprint_of(outcome);
    if (!fingerprint) {
        std::cerr << fmt::format(
            "touchstone simulate shrink: seed {} of {} breaks no invariant; there is nothing to "
            "shrink. `touchstone simulate {} --seeds A..B` finds seeds that do\n",
            outcome.seed, options.path, shell_word(options.path));
        return to_int(ExitCode::expectation_failed);
    }
    fmt::print("seed={}\n{} is broken: {}\n", outcome.seed, fingerprint->invariant,
               explanation_of(outcome, fingerprint->invariant));

    auto unrolled = unroll(loaded.scenario, options.run, outcome);
    const auto again = fingerprint_of(run_scenario(unrolled, {}));
    if (!again || again->invariant != fingerprint->invariant) {
        std::cerr << fmt::format(
            "touchstone simulate shrink: written down as steps, seed {} takes another way and {}; "
            "please report it with the scenario\n",
            outcome.seed, again ? "breaks " + again->invariant : std::string{"breaks nothing"});
        return to_int(ExitCode::expectation_failed);
    }
    const auto began = std::chrono::steady_clock::now();
    const auto shrunk =
        shrink(std::move(unrolled), *again, {.is_time_up = [&] {
                   const std::chrono::duration<double> spent =
                       std::chrono::steady_clock::now() - began;
                   return Interruption::is_asked_for() || spent.count() > options.time_budget_s;
               }});
    const auto last = run_scenario(shrunk.scenario, {});
    const auto text = file_text(shrunk.scenario, story_of(options, loaded, shrunk, last));
    std::ofstream out{file, std::ios::binary};
    out << text;
    out.close();
    if (!out) {
        fmt::print("{}", text);  // it may have taken minutes
        std::fflush(stdout);
        return usage_error(
            fmt::format("shrink: {} cannot be written, so the scenario is on standard "
                        "output; name another file with --out",
                        file.string()));
    }
    fmt::print("from {}\nto   {}\n\n", text_of(shrunk.before), text_of(shrunk.after));
    print_outcome(file.string(), shrunk.scenario, last);
    print_trace(last.world->trace(), "all");
    const bool is_interrupted = Interruption::is_asked_for();
    fmt::print(
        "\nSHRUNK {} | {} of {} events | {} runs | seed {} | {} | again: touchstone simulate {}\n",
        shrunk.fingerprint.invariant, shrunk.after.events(), shrunk.before.events(), shrunk.runs,
        last.seed,
        shrunk.is_complete ? "complete"
        : is_interrupted   ? "interrupted"
                           : "time budget used up",
        shell_word(file.string()));
    if (shrunk.is_complete) return to_int(ExitCode::as_expected);
    return to_int(is_interrupted ? ExitCode::interrupted : ExitCode::time_budget_used_up);
}

}  // namespace

int shrink_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{"Takes away from a failing run what it fails without: faults, time, clients, "
                 "messages, limits.",
                 "touchstone simulate shrink"};
    app.footer(std::string{examples});
    app.add_option("FILE", options.path, "Scenario (*.textproto)")->required();
    app.add_option("--seed", options.run.seed, "Seed that fails; default: the scenario's");
    add_run_options(app, options.run);
    app.add_option("--out", options.out, "File to write; default: out/NAME-SEED.textproto");
    app.add_option("--time-budget", options.time_budget_s, "Seconds")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    if (const auto exit_code = parse_or_answer(app, "shrink", argument_count, arguments)) {
        return *exit_code;
    }
    const auto loaded = load_to_run(options.path, options.run.defects);
    if (!loaded) return to_int(ExitCode::usage_error);
    std::filesystem::path file{options.out};
    if (options.out.empty()) {
        const auto seed = options.run.seed.value_or(loaded->scenario.seed());
        std::error_code failed;
        std::filesystem::create_directories("out", failed);
        file = fmt::format("out/{}-{}.textproto",
                           std::filesystem::path{options.path}.stem().string(), seed);
    }
    if (file.has_parent_path() && !std::filesystem::is_directory(file.parent_path())) {
        return usage_error(fmt::format("shrink: {} is no directory; name a file in one with --out",
                                       file.parent_path().string()));
    }
    return shrink_run(options, *loaded, file);
}

}  // namespace touchstone::simulator
