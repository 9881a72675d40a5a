#include "simulator/simulate_runs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <stdexcept>

#include "broker/base/exit_code.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"
#include "reports/sweep.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/digest.hpp"
#include "simulator/interruption.hpp"
#include "simulator/print.hpp"
#include "simulator/results.hpp"
#include "simulator/run.hpp"

namespace touchstone::simulator {

namespace {

using RealClock = std::chrono::steady_clock;

double seconds_since(RealClock::time_point begin) {
    return std::chrono::duration<double>{RealClock::now() - begin}.count();
}

std::string command_of(const SimulateOptions& options, const SweepPlan::Item& item) {
    std::string text =
        fmt::format("touchstone simulate {} --seed {}", shell_word(item.loaded->path), item.seed);
    for (const auto& name : options.sweep.defects) text += " --defect " + name;
    if (options.sweep.shard_count) text += fmt::format(" --shards {}", *options.sweep.shard_count);
    return text;
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

    void show(const SweepProgress& progress) {
        constexpr double every_s = 0.2;
        const double spent_s = seconds_since(begin_);
        if (!is_terminal_ || spent_s < shown_at_s_ + every_s) return;
        shown_at_s_ = spent_s;
        is_shown_ = true;
        const double per_s = static_cast<double>(progress.done) / spent_s;
        const auto left = static_cast<double>(progress.planned - progress.done);
        fmt::print(stderr,
                   "\r\x1b[K{} of {} runs, {} not as declared, {:.0f} a second, {:.0f} s left",
                   progress.done, progress.planned, progress.undeclared, per_s, left / per_s);
        std::fflush(stderr);
    }

private:
    const bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
    const RealClock::time_point begin_ = RealClock::now();
    double shown_at_s_ = 0;
    bool is_shown_ = false;
};

/// What was broken off without a failure says nothing.
bool has_failed(const results::Run& run) {
    return std::ranges::any_of(run.scenarios(), [](const results::ScenarioResult& result) {
        return result.verdict() != results::Verdict::inconclusive &&
               !reports::is_as_expected(result);
    });
}

/// Runs everything that was asked for and keeps what the report needs.
class Session {
public:
    Session(const SimulateOptions& options, const std::vector<LoadedScenario>& scenarios)
        : options_{options},
          plan_{scenarios, options.sweep} {}

    results::Run run() { return options_.is_sweep ? sweep() : all_in_turn(); }

    /// Once it has run.
    [[nodiscard]] ExitCode exit_code(const results::Run& run) const {
        if (run.has_sweep()) return reports::exit_code_of(run);
        if (end_ == results::Sweep::interrupted) return ExitCode::interrupted;
        if (has_failed(run)) return ExitCode::expectation_failed;
        return end_ == results::Sweep::time_budget ? ExitCode::time_budget_used_up
                                                   : ExitCode::as_expected;
    }

private:
    results::Run all_in_turn() {
        results::Run run;
        run.set_kind(results::Run::simulation);
        Digest total;
        is_to_end_ = [this] {
            end_ = end_now();
            return end_ != results::Sweep::complete;
        };
        for (std::uint64_t position = 0; position < plan_.whole_size(); ++position) {
            if (is_to_end_()) break;
            std::uint64_t digest = 0;
            *run.add_scenarios() = run_one(plan_.item(position), digest);
            total.add(digest);
        }
        if (end_ != results::Sweep::complete) {
            run.add_notes(fmt::format(
                "{}: {} of {} runs were begun",
                end_ == results::Sweep::interrupted ? "interrupted" : "the time budget is used up",
                run.scenarios_size(), plan_.whole_size()));
            return run;
        }
        run.set_digest(run.scenarios_size() == 1 ? run.scenarios(0).digest() : total.text());
        return run;
    }

    /// Why no run is to be begun or gone on with; `complete`: it is.
    [[nodiscard]] results::Sweep::End end_now() const {
        if (Interruption::is_asked_for()) return results::Sweep::interrupted;
        const bool is_over =
            options_.time_budget_s && seconds_since(begin_) > *options_.time_budget_s;
        return is_over ? results::Sweep::time_budget : results::Sweep::complete;
    }

    results::Run sweep() {
        std::optional<ProgressLine> line{std::in_place};
        const SweepHooks hooks{
            .on_progress = [&](const SweepProgress& progress) { line->show(progress); },
            .command_of =
                [this](const SweepPlan::Item& item) { return command_of(options_, item); },
            .end_now = [this] { return end_now(); }};
        auto run = run_sweep(plan_, options_.sweep, hooks);
        line.reset();
        if (options_.is_digest_only) {
            for (const auto& one : run.scenarios()) print_digest(one);
            return run;
        }
        add_packets(run);
        if (!options_.is_json) print_sweep(run);
        return run;
    }

    /// Of the failures that are kept: each is run once more, here.
    void add_packets(results::Run& run) {
        const auto failures = reports::failures_by_time(run);
        const auto count = std::min(failures.size(), reports::kept_failures_max);
        for (std::size_t i = 0; i < count; ++i) {
            auto& result = *run.mutable_scenarios(failures[i]);
            // What ended its process would end this one.
            if (result.verdict() == results::Verdict::crash) continue;
            const auto position = result.position();
            std::uint64_t digest = 0;
            if (!options_.is_json) fmt::print("seed={}\n", result.seed());
            result = run_one(plan_.item(position), digest);
            result.set_position(position);
        }
    }

    results::ScenarioResult run_one(const SweepPlan::Item& item, std::uint64_t& digest) {
        auto options = run_options(options_.sweep, item.seed);
        options.watches_sessions = !options_.is_digest_only;
        options.is_to_end = is_to_end_;
        const auto& scenario = item.loaded->scenario;
        const auto outcome = run_scenario(scenario, options);
        digest = outcome.world->engine().digest().value();
        const auto reproduce = command_of(options_, item);
        auto result =
            to_result(item.loaded->path, scenario, outcome, reproduce, Detail::everything);
        if (options_.is_digest_only) {
            if (!outcome.was_ended) print_digest(result);
        } else if (!options_.is_json) {
            print_outcome(item.loaded->path, scenario, outcome);
            if (!options_.trace_of.empty()) print_trace(outcome.world->trace(), options_.trace_of);
            if (outcome.was_ended) {
                fmt::print("{}\n", result.reason());
            } else {
                fmt::print("digest={}\n", outcome.digest());
            }
            if (!is_as_declared(scenario, outcome)) fmt::print("again: {}\n", reproduce);
            fmt::print("\n");
        }
        return result;
    }

    static void print_digest(const results::ScenarioResult& result) {
        fmt::print("digest={} seed={} {}\n", result.digest(), result.seed(), result.scenario());
    }

    const SimulateOptions& options_;
    SweepPlan plan_;
    const RealClock::time_point begin_ = RealClock::now();
    results::Sweep::End end_ = results::Sweep::complete;  // of runs in turn
    std::function<bool()> is_to_end_;                     // asked within a run
};

/// Goes to the instant and shows what is there; nothing is judged.
int show_instant(const SimulateOptions& options, const std::vector<LoadedScenario>& scenarios) {
    const SweepPlan plan{scenarios, options.sweep};
    for (std::uint64_t position = 0; position < plan.whole_size(); ++position) {
        const auto item = plan.item(position);
        auto seek = run_options(options.sweep, item.seed);
        seek.look_at = std::chrono::milliseconds{*options.at_ms};
        seek.only_looks = true;
        const auto outcome = run_scenario(item.loaded->scenario, seek);
        fmt::print("seed={}\nscenario {}\n", item.seed, item.loaded->path);
        print_look(*outcome.look);
        if (!options.trace_of.empty()) print_trace(outcome.world->trace(), options.trace_of);
        fmt::print("again: {} --at {}\n", command_of(options, item), *options.at_ms);
    }
    return to_int(ExitCode::as_expected);
}

std::string name_of(const std::vector<LoadedScenario>& scenarios) {
    if (scenarios.size() != 1) return "scenarios";
    return std::filesystem::path{scenarios.front().path}.stem().string();
}

void complete_run(results::Run& run, const SimulateOptions& options,
                  const std::vector<LoadedScenario>& scenarios) {
    run.set_name(name_of(scenarios));
    auto* target = run.mutable_target();
    target->set_name("touchstone sim");
    target->set_url("sim:");
    target->set_transport("sim");
    const auto& first = scenarios.front().scenario;
    target->set_shards(options.sweep.shard_count.value_or(std::max(1U, first.nodes(0).shards())));
    target->set_nodes(static_cast<std::uint32_t>(first.nodes_size()));
    target->set_mqtt_versions("3.1.1, 5.0");
    run.set_seed(options.sweep.seeds ? options.sweep.seeds->first
                                     : options.sweep.seed.value_or(first.seed()));
}

void print_seeds(const SimulateOptions& options, const scenario::Scenario& first) {
    if (const auto& seeds = options.sweep.seeds) {
        fmt::print("seed={}..{}\n", seeds->first, seeds->last);
    } else {
        fmt::print("seed={}\n", options.sweep.seed.value_or(first.seed()));
    }
}

}  // namespace

int simulate_runs(const SimulateOptions& options, const std::vector<LoadedScenario>& scenarios,
                  const std::string& command) {
    if (options.at_ms) return show_instant(options, scenarios);
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
    const Interruption interruption;
    const auto begin = RealClock::now();
    const auto started = std::chrono::system_clock::now().time_since_epoch();
    if (!options.is_json && !options.is_digest_only) {
        print_seeds(options, scenarios.front().scenario);
        std::fflush(stdout);
    }
    Session session{options, scenarios};
    auto run = session.run();
    const auto exit_code = session.exit_code(run);
    if (options.is_digest_only) {
        if (!run.digest().empty()) fmt::print("digest={}\n", run.digest());
        return to_int(exit_code);
    }
    complete_run(run, options, scenarios);
    run.set_reproduce(command);
    run.set_started_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(started).count());
    run.set_duration_ms(static_cast<std::uint64_t>(seconds_since(begin) * 1'000));
    const bool are_several = !run.has_sweep() && run.scenarios_size() > 1;
    if (are_several && !options.is_json) {
        fmt::print("{} runs, {} not as declared\ndigest={}\n", run.scenarios_size(),
                   reports::failures_by_time(run).size(), run.digest());
    }
    if (!run.has_sweep() && !options.is_json) {
        for (const auto& note : run.notes()) fmt::print("{}\n", note);
    }
    const bool is_broken_off = !run.has_sweep() && run.notes_size() > 0;
    if (is_broken_off && !has_failed(run)) run.set_verdict(results::Verdict::inconclusive);
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

}  // namespace touchstone::simulator
