#include "load/fleet/fleet_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "load/command/report.hpp"
#include "load/command/run_command.hpp"
#include "load/command/session.hpp"
#include "load/fleet/comparison.hpp"
#include "load/fleet/translate.hpp"
#include "load/limiter.hpp"
#include "simulator/fleet/description.hpp"
#include "simulator/fleet/fleet.hpp"
#include "simulator/fleet/report.hpp"

namespace touchstone::load {

namespace {

constexpr std::string_view examples = R"(
The devices of the file connect, publish, ping, sleep and come back on real connections, in real time; beside it stands the virtual
run of the same devices, without what a real broker cannot be asked for: links, crashes, cuts. Connections, pings and messages of
both have to agree within 5 %.

Examples:
  touchstone load fleet million/xmeter-1m --target mqtt://127.0.0.1:1883 --scale 0.01 --for 120
      10,000 devices of a million, for two of its thirty minutes
  touchstone simulate million/background-100k --live mqtt://127.0.0.1:1883 --variant 'fan-in, QoS 1, 256 bytes' --for 90
      the same as `load fleet`

Exit codes: 0 both agree; 1 they do not, or an expectation failed; 2 bad arguments or file; 3 nobody answers; 6 the generator was
the limit; 130 interrupted
)";

struct FleetOptions {
    std::string path;
    std::string variant;
    double scale = 1;
    double duration_s = 0;
};

/// The run that was asked for; what is wrong has been said otherwise.
const simulator::fleet::FleetRun* choose(const simulator::fleet::LoadedFleet& loaded,
                                         const std::string& variant) {
    if (variant.empty()) return &loaded.runs.front();
    const auto found = std::ranges::find(loaded.runs, variant, &simulator::fleet::FleetRun::name);
    if (found != loaded.runs.end()) return &*found;
    std::vector<std::string> known;
    for (const auto& run : loaded.runs) known.push_back(run.name.empty() ? "none" : run.name);
    say(ExitCode::usage_error,
        fmt::format("--variant '{}': {} has {}", variant, loaded.path, fmt::join(known, ", ")));
    return nullptr;
}

struct BothRuns {
    simulator::fleet::Outcome simulated;
    Outcome live;
};

Judged judge_both(const BothRuns& both, const Limit& limit,
                  const std::vector<Expectation>& expectations) {
    auto judged = judge(both.live, limit, expectations);
    if (judged.exit_code != ExitCode::as_expected) return judged;
    const auto differences = disagreement(both.simulated, both.live);
    if (differences.empty()) return judged;
    return {results::Verdict::fail, ExitCode::expectation_failed, differences};
}

int run_both(const FleetOptions& options, const CommonOptions& common, int argument_count,
             char** arguments, std::string_view program) {
    const auto loaded = simulator::fleet::load_fleet(options.path);
    for (const auto& problem : loaded.problems) std::cerr << problem << '\n';
    if (!loaded.problems.empty()) return to_int(ExitCode::usage_error);
    const auto* const chosen = choose(loaded, options.variant);
    if (chosen == nullptr) return to_int(ExitCode::usage_error);
    auto fleet = translate(chosen->model, options.scale, from_seconds(options.duration_s));
    auto& workload = fleet.workload;
    workload.name = "fleet-" + std::filesystem::path{loaded.path}.stem().string();
    const auto interval = workload.interval;
    std::vector<Expectation> expectations;
    if (const auto problem = apply(common, workload, expectations))
        return say(ExitCode::usage_error, *problem);
    workload.interval = interval;
    workload.seed = fleet.model.seed = common.seed.value_or(chosen->model.seed);
    if (const auto problem = problem_of(workload)) return say(ExitCode::usage_error, *problem);
    Session session{common, workload.name,
                    fmt::format("touchstone {}{}", program,
                                whole_command(argument_count, arguments, {})
                                    .substr(std::string_view{"touchstone load"}.size()))};
    if (const auto code = session.prepare()) return *code;
    session.print_seed(workload.seed);
    const BothRuns both{.simulated = simulator::fleet::Fleet{fleet.model}.run(),
                        .live = session.run(workload)};
    const auto limit = judge(workload, both.live);
    const auto judged = judge_both(both, limit, expectations);

    auto live = to_live_result(workload, both.live);
    live.set_scenario(loaded.path);
    live.set_variant("real");
    live.set_description(chosen->description.description());
    live.set_verdict(judged.verdict);
    live.set_expected_verdict(results::Verdict::pass);
    live.set_reason(judged.reason);
    live.set_reproduce(session.command());
    auto report = to_load_report(workload, both.live, limit);
    for (const auto& words : fleet.left_out) report.add_words(words);
    if (options.scale != 1)
        report.add_settings(fmt::format("scale: {:.6g} of the file's devices", options.scale));
    auto simulated_run = *chosen;
    simulated_run.model = fleet.model;
    simulated_run.description.clear_expect();
    auto simulated = simulator::fleet::to_result(loaded, simulated_run, both.simulated, "");
    simulated.set_variant("simulated");
    auto text = fmt::format("simulated\n{}real\n{}", simulator::fleet::text_of(simulated),
                            text_of(live, report));
    // What the generator limited is among the words already.
    if (!judged.reason.empty() && !limit.is_generator) text += judged.reason + '\n';
    auto run = to_run(workload, std::move(live), std::move(report), session.command());
    *run.add_scenarios() = std::move(simulated);
    return session.finish(std::move(run), judged.exit_code, text, interval_log_of(both.live));
}

int parse_and_run(int argument_count, char** arguments, std::string_view program) {
    CommonOptions common;
    FleetOptions options;
    CLI::App app{"Runs a fleet's devices against a real broker, beside their virtual run.",
                 "touchstone load fleet"};
    app.footer(std::string{examples});
    app.add_option("FLEET", options.path, "A file *.fleet, or its name below scenarios/")
        ->required();
    add_common_options(app, common, "--target,--live");
    app.add_option("--scale", options.scale,
                   "So many of the file's devices, as a share; default: 1")
        ->check(CLI::Range(1e-6, 1.0));
    app.add_option("--for", options.duration_s,
                   "Seconds after which the run ends; default: the file's duration")
        ->check(CLI::PositiveNumber);
    app.add_option("--variant", options.variant, "Of the file; default: the first");
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    return run_both(options, common, argument_count, arguments, program);
}

}  // namespace

int fleet_command(int argument_count, char** arguments) {
    return parse_and_run(argument_count, arguments, "load");
}

bool is_live_fleet(int argument_count, char** arguments) {
    bool has_broker = false;
    bool has_fleet = false;
    for (int i = 1; i < argument_count; ++i) {
        const std::string argument = arguments[i];
        has_broker = has_broker || argument == "--live" || argument.starts_with("--live=");
        has_fleet =
            has_fleet || (!argument.starts_with('-') && simulator::fleet::names_fleet(argument));
    }
    return has_broker && has_fleet;
}

int live_fleet_command(int argument_count, char** arguments) {
    return guarded([&] { return parse_and_run(argument_count, arguments, ""); });
}

}  // namespace touchstone::load
