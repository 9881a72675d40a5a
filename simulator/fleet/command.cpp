#include "simulator/fleet/command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "broker/base/exit_code.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/fleet/description.hpp"
#include "simulator/fleet/report.hpp"
#include "simulator/fleet/tiers.hpp"
#include "simulator/interruption.hpp"

namespace touchstone::simulator::fleet {

namespace {

using RealClock = std::chrono::steady_clock;
using touchstone::results::Run;
using touchstone::results::Verdict;

constexpr std::string_view examples = R"(
Examples:
  touchstone simulate million/xmeter-1m --tier T2
      a million connections, a thousand more each second: scenarios/million/xmeter-1m.fleet
  touchstone simulate million/reconnect-storm --variant "no jitter"
      one of the variants that a file has
  touchstone simulate million/ramp-100m --tier T3
      devices that only ping as cohorts, four bytes each
  touchstone simulate million/xmeter-1m --tier T0
      the same with the core of touchstone broker, in virtual time
  touchstone simulate million/agreement-10k --tiers T0,T2,T3
      in each of them, and how far they agree: within the bounds that the report states, or exit code 1
  touchstone simulate million/xmeter-1m --live mqtt://127.0.0.1:1883 --scale 0.01 --for 120
      the same devices on real connections to a broker, and the virtual run beside them (touchstone load fleet --help)

T0 has the real core and real packets; T2 every device by itself and a cost model in place of the broker; T3 those that only
ping as cohorts. How long the broker's work takes is the cost model's in all of them.

Exit codes: 0 every run ended as its file expects; 1 one did not, or tiers do not agree; 2 bad arguments or file; 6 no memory for so many devices; 7 the
time budget was used up; 130 interrupted. With 1, 7 and 130 the report says what was done.
)";

struct Options {
    std::string path;
    std::string tier;
    std::vector<std::string> tiers;
    std::optional<std::uint64_t> seed;
    std::vector<std::string> variants;
    std::optional<double> time_budget_s;
    std::string out;
    bool is_json = false;
    bool is_digest_only = false;
    bool has_no_report = false;
    bool is_describe = false;
};

double seconds_since(RealClock::time_point begin) {
    return std::chrono::duration<double>{RealClock::now() - begin}.count();
}

/// A line on a terminal that is written over and over, and is gone in the end.
class ProgressLine {
public:
    ProgressLine() = default;
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    ~ProgressLine() {
        if (is_shown_) std::fputs("\r\x1b[K", stderr);
    }
    void show(const FleetRun& run, Time now, std::uint64_t connected) {
        const double spent_s = seconds_since(begin_);
        if (!is_terminal_ || spent_s < shown_at_s_ + 0.2) return;
        shown_at_s_ = spent_s;
        is_shown_ = true;
        fmt::print(stderr, "\r\x1b[K{}{:.0f} of {:.0f} s, {} connected, {:.0f} times real time",
                   run.name.empty() ? "" : run.name + ": ", static_cast<double>(now) / 1e9,
                   static_cast<double>(run.model.duration) / 1e9, connected,
                   static_cast<double>(now) / 1e9 / spent_s);
        std::fflush(stderr);
    }

private:
    const bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
    const RealClock::time_point begin_ = RealClock::now();
    double shown_at_s_ = 0;
    bool is_shown_ = false;
};

std::string command_of(const LoadedFleet& loaded, const FleetRun& run) {
    auto text = fmt::format("touchstone simulate {} --tier {} --seed {}", shell_word(loaded.path),
                            tier_text(run.model.tier), run.model.seed);
    if (!run.name.empty()) text += " --variant " + shell_word(run.name);
    return text;
}

/// Leaves the variants that were asked for; what is wrong with them otherwise.
std::optional<std::string> choose_variants(LoadedFleet& loaded,
                                           const std::vector<std::string>& names) {
    if (names.empty()) return std::nullopt;
    std::vector<std::string> known;
    for (const auto& run : loaded.runs) known.push_back(run.name);
    for (const auto& name : names) {
        if (std::ranges::find(known, name) != known.end()) continue;
        if (known.front().empty()) return fmt::format("{} has no variants", loaded.path);
        return fmt::format("--variant '{}': {} has {}", name, loaded.path, fmt::join(known, ", "));
    }
    std::erase_if(loaded.runs, [&](const FleetRun& run) {
        return std::ranges::find(names, run.name) == names.end();
    });
    return std::nullopt;
}

/// What is wrong with those that were asked for.
std::optional<std::string> choose_tiers(const Options& options, std::vector<Tier>& tiers) {
    auto names = options.tiers;
    if (names.empty()) names.push_back(options.tier.empty() ? "T2" : options.tier);
    if (options.tiers.size() == 1) return "--tiers: give two at least, as T0,T2, or --tier";
    for (const auto& name : names) {
        const auto tier = tier_of(name);
        if (const auto* const wrong = std::get_if<std::string>(&tier))
            return fmt::format("--tier {}", *wrong);
        if (std::ranges::find(tiers, std::get<Tier>(tier)) != tiers.end())
            return fmt::format("--tiers: {} is there twice", name);
        tiers.push_back(std::get<Tier>(tier));
    }
    return std::nullopt;
}

/// Each run in each of the tiers; what one of them cannot express otherwise.
std::optional<std::string> set_tiers(LoadedFleet& loaded, const std::vector<Tier>& tiers,
                                     std::optional<std::uint64_t> seed) {
    std::vector<FleetRun> runs;
    for (auto& run : loaded.runs) {
        if (seed) run.model.seed = *seed;
        for (const auto tier : tiers) {
            run.model.tier = tier;
            if (const auto wrong = what_its_tier_cannot(run.model))
                return fmt::format("--tier {}: {}: {}", tier_text(tier), loaded.path, *wrong);
            runs.push_back(run);
        }
    }
    loaded.runs = std::move(runs);
    return std::nullopt;
}

class Session {
public:
    Session(const Options& options, const LoadedFleet& loaded)
        : options_{options},
          loaded_{loaded} {}

    Run run() {
        Run run;
        run.set_kind(Run::simulation);
        for (const auto& note : notes_of(loaded_)) run.add_notes(note);
        std::vector<TierOutcome> tiers;
        for (const auto& one : loaded_.runs) {
            if (exit_code_ != ExitCode::as_expected) break;
            tiers.push_back({one.model.tier, add(run, one)});
            if (options_.tiers.empty() || tiers.size() < options_.tiers.size()) continue;
            add_agreement(run, one.name, tiers);
            tiers.clear();
        }
        return run;
    }

    [[nodiscard]] ExitCode exit_code(const Run& run) const {
        if (exit_code_ == ExitCode::interrupted) return exit_code_;
        const bool has_failed = std::ranges::any_of(
            run.scenarios(), [](const auto& one) { return one.verdict() == Verdict::fail; });
        const bool has_doubt = std::ranges::any_of(run.tier_agreements(),
                                                   [](const auto& one) { return !one.holds(); });
        return has_failed || has_doubt ? ExitCode::expectation_failed : exit_code_;
    }

private:
    void add_agreement(Run& run, const std::string& variant,
                       const std::vector<TierOutcome>& tiers) {
        auto& agreement = *run.add_tier_agreements();
        agreement = to_agreement(variant, tiers);
        if (!options_.is_json && !options_.is_digest_only) fmt::print("{}\n", text_of(agreement));
    }

    Outcome add(Run& run, const FleetRun& one) {
        const auto begin = RealClock::now();
        std::optional<ProgressLine> line{std::in_place};
        auto outcome = run_tier(one.model, [&](Time now, std::uint64_t connected) {
            line->show(one, now, connected);
            if (Interruption::is_asked_for()) {
                exit_code_ = ExitCode::interrupted;
            } else if (options_.time_budget_s && seconds_since(begin_) > *options_.time_budget_s) {
                exit_code_ = ExitCode::time_budget_used_up;
            }
            return exit_code_ == ExitCode::as_expected;
        });
        line.reset();
        auto& result = *run.add_scenarios();
        result = to_result(loaded_, one, outcome, command_of(loaded_, one));
        run.set_digest(run.scenarios_size() == 1 ? result.digest() : "");
        if (options_.is_digest_only) {
            fmt::print("digest={} seed={} {}{}\n", result.digest(), result.seed(), loaded_.path,
                       one.name.empty() ? "" : " " + shell_word(one.name));
        } else if (!options_.is_json) {
            const double spent_s = seconds_since(begin);
            fmt::print("fleet {}{}\n{}", loaded_.path,
                       one.name.empty() ? "" : fmt::format(", variant '{}'", one.name),
                       text_of(result));
            fmt::print("  tier {}, {} steps in {:.2f} s, {:.0f} times real time\ndigest={}\n",
                       tier_text(one.model.tier), outcome.steps, spent_s,
                       static_cast<double>(outcome.ended_at) / 1e9 / spent_s, result.digest());
            if (!result.reason().empty()) fmt::print("{}\n", result.reason());
            fmt::print("\n");
            std::fflush(stdout);
        }
        return outcome;
    }

    const Options& options_;
    const LoadedFleet& loaded_;
    const RealClock::time_point begin_ = RealClock::now();
    ExitCode exit_code_ = ExitCode::as_expected;
};

void complete_run(Run& run, const LoadedFleet& loaded, ExitCode exit_code) {
    run.set_name(std::filesystem::path{loaded.path}.stem().string());
    auto& target = *run.mutable_target();
    const auto& model = loaded.runs.front().model;
    target.set_name("cost model");
    target.set_url("sim:");
    target.set_transport("sim");
    target.set_nodes(model.cost.nodes);
    target.set_shards(model.cost.servers);
    run.set_seed(model.seed);
    for (const auto& published : loaded.fleet.published()) {
        auto& figure = *run.add_published();
        figure.set_what(published.what());
        figure.set_value(published.value());
        figure.set_source(published.source());
    }
    if (exit_code == ExitCode::interrupted || exit_code == ExitCode::time_budget_used_up) {
        run.add_notes(exit_code == ExitCode::interrupted ? "interrupted"
                                                         : "the time budget is used up");
        run.set_verdict(Verdict::inconclusive);
    }
    reports::complete(run);
}

void print_end(const Run& run) {
    for (const auto& note : run.notes()) fmt::print("{}\n", note);
    for (const auto& one : run.published()) {
        fmt::print("published, on other hardware: {}: {} ({})\n", one.what(), one.value(),
                   one.source());
    }
    std::fflush(stdout);
}

int run_fleet(const Options& options, const LoadedFleet& loaded, const std::string& command) {
    const auto name = std::filesystem::path{loaded.path}.stem().string();
    const std::filesystem::path directory =
        options.out.empty() ? reports::default_result_directory("simulate", name)
                            : std::filesystem::path{options.out};
    const bool has_report = !options.has_no_report && !options.is_digest_only;
    if (has_report) {
        if (const auto problem = reports::prepare_result_directory(directory)) {
            std::cerr << "touchstone simulate: " << problem->line << '\n';
            return to_int(problem->exit_code);
        }
    }
    const Interruption interruption;
    const auto begin = RealClock::now();
    const auto started = std::chrono::system_clock::now().time_since_epoch();
    if (!options.is_json && !options.is_digest_only) {
        fmt::print("seed={}\n", loaded.runs.front().model.seed);
        std::fflush(stdout);
    }
    Session session{options, loaded};
    auto run = session.run();
    const auto exit_code = session.exit_code(run);
    if (options.is_digest_only) return to_int(exit_code);
    run.set_reproduce(command);
    run.set_started_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(started).count());
    run.set_duration_ms(static_cast<std::uint64_t>(seconds_since(begin) * 1'000));
    complete_run(run, loaded, exit_code);
    if (options.is_json) {
        reports::make_strings_valid(run);
        fmt::print("{}\n", reports::message_to_json(run, reports::JsonLayout::compact));
        if (!has_report) return to_int(exit_code);
        const auto problem = reports::write_results(run, directory);
        if (!problem) return to_int(exit_code);
        std::cerr << "touchstone simulate: " << problem->line << '\n';
        return to_int(problem->exit_code);
    }
    print_end(run);
    if (has_report) return to_int(reports::finish_run(run, directory, exit_code));
    std::cout << reports::last_line(run, {}) << std::endl;
    return to_int(exit_code);
}

int describe(const LoadedFleet& loaded) {
    fmt::print("{}: {}\n", loaded.path, loaded.fleet.description());
    for (const auto& run : loaded.runs) {
        fmt::print("{}{} devices, {:.0f} s\n", run.name.empty() ? "" : run.name + ": ",
                   run.model.devices(), static_cast<double>(run.model.duration) / 1e9);
    }
    return to_int(ExitCode::as_expected);
}

}  // namespace

bool is_for_fleet(int argument_count, char** arguments) {
    return std::any_of(arguments + 1, arguments + std::max(argument_count, 1),
                       [](const std::string& argument) {
                           return argument == "--tier" || argument.starts_with("--tier=") ||
                                  (!argument.starts_with('-') && names_fleet(argument));
                       });
}

int fleet_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{
        "Runs a fleet of devices in virtual time, against the broker's core or a cost model of it.",
        "touchstone simulate"};
    app.footer(std::string{examples});
    app.add_option("FLEET", options.path, "A file *.fleet, or its name below scenarios/")
        ->required();
    app.add_option("--tier", options.tier, "T0, T2 (default) or T3");
    app.add_option("--tiers", options.tiers,
                   "Run in each of them, as T0,T2,T3, and say how far they agree with the first")
        ->delimiter(',')
        ->excludes("--tier");
    app.add_option("--seed", options.seed, "Seed of the runs; default: the file's");
    app.add_option("--variant", options.variants, "Only this variant; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--time-budget", options.time_budget_s,
                   "Seconds after which the run ends with what it has")
        ->check(CLI::PositiveNumber);
    app.add_option("--out", options.out, "Result directory; default: out/simulate-NAME");
    app.add_flag("--json", options.is_json, "Print the results as one JSON document");
    app.add_flag("--no-report", options.has_no_report, "Write no result directory");
    app.add_flag("--digest-only", options.is_digest_only, "Print digests only, write nothing");
    app.add_flag("--describe", options.is_describe, "Say what the fleet is, run nothing");
    if (const auto exit_code = parse_or_answer(app, "", argument_count, arguments)) {
        return *exit_code;
    }
    std::vector<Tier> tiers;
    if (const auto wrong = choose_tiers(options, tiers)) return usage_error(*wrong);
    auto loaded = load_fleet(options.path);
    for (const auto& problem : loaded.problems) std::cerr << problem << '\n';
    if (!loaded.problems.empty()) return to_int(ExitCode::usage_error);
    if (const auto problem = choose_variants(loaded, options.variants)) {
        return usage_error(*problem);
    }
    if (const auto wrong = set_tiers(loaded, tiers, options.seed)) return usage_error(*wrong);
    if (options.is_describe) return describe(loaded);
    std::string command = "touchstone simulate";
    for (int i = 1; i < argument_count; ++i) command += " " + shell_word(arguments[i]);
    try {
        return run_fleet(options, loaded, command);
    } catch (const std::runtime_error& error) {
        std::cerr << "touchstone simulate: " << error.what() << '\n';
        return to_int(ExitCode::run_invalid);
    }
}

}  // namespace touchstone::simulator::fleet
