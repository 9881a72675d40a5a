#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "planner/command.hpp"
#include "planner/command_parts.hpp"
#include "planner/measure/process.hpp"
#include "planner/measure/validate.hpp"
#include "planner/plan_files.hpp"
#include "planner/report.hpp"
#include "planner/session.hpp"

namespace touchstone::planner {

namespace {

struct Options {
    TargetOptions target;
    OutputOptions output;
    std::string calibration;
    double latency_max_ms = 10;
    double measure_s = 2;
    unsigned rounds = 3;
    std::uint64_t seed = 1'001;
    bool saves_nothing = false;
};

}  // namespace

int validate_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{"Measures workloads that a calibration has not seen, and says how far off their "
                 "predictions were.",
                 "touchstone plan validate"};
    app.footer(R"(
Examples:
  touchstone plan validate --target mqtt://127.0.0.1:1883 --pid 4711 --calibration our.calibration
      a broker that was just started, like the one that was calibrated; the errors go into the calibration's file

Goals: memory within 5 %, knee and p50 within 10 %, p99 within 15 %. Exit code 1 when one is missed, 6 when only those are that the
machine has disturbed, or that it repeats no better.
)");
    add_target_options(app, options.target);
    app.add_option("--calibration", options.calibration, "File that `plan calibrate` has written")
        ->required();
    app.add_option("--p99-limit", options.latency_max_ms,
                   "Milliseconds that p99 may come to at the knee; default: 10")
        ->check(CLI::PositiveNumber);
    app.add_option("--measure", options.measure_s, "Seconds of each workload; default: 2")
        ->check(CLI::Range(1.0, 600.0));
    app.add_option("--rounds", options.rounds,
                   "How often each is measured; the median counts, and how far they differ is "
                   "told; default: 3")
        ->check(CLI::Range(1U, 100U));
    app.add_option("--seed", options.seed, "Of instants and draws; default: 1001");
    app.add_flag("--no-save", options.saves_nothing, "Leave the calibration's file as it is");
    add_output_options(app, options.output, "out/plan-validate");
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    std::vector<std::string> problems;
    auto file = read_calibration(options.calibration, problems);
    for (const auto& problem : problems) say(ExitCode::usage_error, problem);
    if (!file) return to_int(ExitCode::usage_error);
    const auto target = target_of(options.target, options.target.url);
    if (!target) return to_int(ExitCode::usage_error);
    Session session{options.output, "validate", whole_command(argument_count, arguments),
                    options.seed};
    if (const auto code = session.prepare()) return *code;
    const auto separation = keep_off_processors_of(options.target.pid);
    session.print(separation.words + "\n");
    const ValidateOptions measurement{
        .target = *target,
        .pid = options.target.pid,
        .seed = options.seed,
        .latency_max_s = options.latency_max_ms / 1e3,
        .measure_s = options.measure_s,
        .rounds = options.rounds,
        .is_generator_separate = separation.is_separate,
        .processors = separation.pairs,
        .goes_on = [&](const std::string& what) { return session.goes_on(what); },
        .tell = [&](const std::string& line) { session.print(line + "\n"); }};
    auto validation = validate(file->calibration, measurement);
    if (!separation.is_separate) validation.notes.push_back(separation.words);
    file->calibration.last_validation = validation.errors;
    file->calibration.validated_at = now_text();
    if (!options.saves_nothing) {
        if (const auto problem = write_calibration(options.calibration, *file)) {
            return say(ExitCode::usage_error, *problem);
        }
    }
    auto run = run_of_validation(*file, validation.errors);
    for (const auto& note : validation.notes) run.mutable_plan_report()->add_marks(note);
    session.print("\n" + text_of(run.plan_report()));
    const auto has = [&](results::Verdict::Value verdict) {
        return std::ranges::any_of(run.scenarios(),
                                   [&](const auto& one) { return one.verdict() == verdict; });
    };
    const auto code = has(results::Verdict::fail)           ? ExitCode::expectation_failed
                      : has(results::Verdict::inconclusive) ? ExitCode::run_invalid
                                                            : ExitCode::as_expected;
    return session.finish(std::move(run), code);
}

}  // namespace touchstone::planner
