#include "simulator/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/base/check.hpp"
#include "reports/summary.hpp"
#include "reports/sweep.hpp"
#include "simulator/digest.hpp"
#include "simulator/results.hpp"
#include "simulator/set_up.hpp"
#include "simulator/text_format.hpp"
#include "simulator/worker_processes.hpp"

namespace touchstone::simulator {

namespace {

template <class Number>
std::optional<Number> parse_number(std::string_view digits) {
    Number value = 0;
    const auto* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}

/// The two numbers around `separator`.
template <class Number>
std::optional<std::pair<Number, Number>> parse_pair(std::string_view text,
                                                    std::string_view separator) {
    const auto place = text.find(separator);
    if (place == std::string_view::npos) return std::nullopt;
    const auto first = parse_number<Number>(text.substr(0, place));
    const auto second = parse_number<Number>(text.substr(place + separator.size()));
    if (!first || !second) return std::nullopt;
    return std::pair{*first, *second};
}

bool is_checked(const scenario::Scenario& scenario, const Checker& checker) {
    return is_asked(checker, judged_as(scenario), scenario.invariants());
}

results::ScenarioTally empty_tally(const LoadedScenario& loaded) {
    results::ScenarioTally tally;
    tally.set_scenario(loaded.path);
    tally.set_description(loaded.scenario.description());
    for (const auto& checker : all_checkers()) {
        if (!is_checked(loaded.scenario, checker)) continue;
        auto& one = *tally.add_invariants();
        one.set_invariant(std::string{checker.id});
        one.set_title(std::string{checker.title});
    }
    for (const auto& name : loaded.scenario.sometimes()) {
        auto& one = *tally.add_sometimes();
        one.set_name(name);
        one.set_story(std::string{
            std::ranges::find(sometimes_conditions, name, &SometimesCondition::name)->story});
    }
    return tally;
}

void count(results::ScenarioTally& tally, const results::ScenarioResult& result) {
    tally.set_runs(tally.runs() + 1);
    if (!reports::is_as_expected(result)) tally.set_undeclared(tally.undeclared() + 1);
    // A run that ended its process was judged by nobody.
    if (result.verdict() == results::Verdict::crash) return;
    for (auto& one : *tally.mutable_invariants()) {
        one.set_runs(one.runs() + 1);
        const bool is_broken =
            std::ranges::find(result.invariants(), one.invariant(),
                              &results::InvariantVerdict::invariant) != result.invariants().end();
        if (is_broken) one.set_failed(one.failed() + 1);
    }
    for (auto& one : *tally.mutable_sometimes()) {
        const auto& happened = result.sometimes();
        if (std::ranges::find(happened, one.name()) != happened.end()) one.set_runs(one.runs() + 1);
    }
}

/// The result of a run that ended its process.
results::ScenarioResult crashed(const SweepPlan::Item& item, const SweepOptions& options,
                                const std::string& death, const std::string& command) {
    results::ScenarioResult result;
    result.set_scenario(item.loaded->path);
    result.set_seed(item.seed);
    for (const auto& name : options.defects) result.add_defects(name);
    result.set_verdict(results::Verdict::crash);
    result.set_expected_verdict(item.loaded->scenario.expected_verdict() == scenario::fail
                                    ? results::Verdict::fail
                                    : results::Verdict::pass);
    result.set_reason("the simulator's process " + death);
    result.set_reproduce(command);
    return result;
}

}  // namespace

std::optional<SeedRange> parse_seeds(std::string_view text) {
    const auto range = parse_pair<std::uint64_t>(text, "..");
    if (!range || range->first > range->second) return std::nullopt;
    return SeedRange{range->first, range->second};
}

std::optional<Shard> parse_shard(std::string_view text) {
    const auto shard = parse_pair<std::uint32_t>(text, "/");
    if (!shard || shard->first == 0 || shard->first > shard->second) return std::nullopt;
    return Shard{shard->first, shard->second};
}

SweepPlan::SweepPlan(const std::vector<LoadedScenario>& scenarios, const SweepOptions& options)
    : scenarios_{scenarios},
      options_{options},
      seeds_per_scenario_{options.seeds ? options.seeds->last - options.seeds->first + 1 : 1} {}

std::uint64_t SweepPlan::whole_size() const {
    return scenarios_.size() * seeds_per_scenario_;
}

std::uint64_t SweepPlan::size() const {
    const auto& shard = options_.shard;
    return (whole_size() + shard.count - shard.number) / shard.count;
}

std::uint64_t SweepPlan::position(std::uint64_t number) const {
    return number * options_.shard.count + options_.shard.number - 1;
}

SweepPlan::Item SweepPlan::item(std::uint64_t position) const {
    const auto& loaded = scenarios_[static_cast<std::size_t>(position / seeds_per_scenario_)];
    if (options_.seeds) {
        return {&loaded, options_.seeds->first + position % seeds_per_scenario_};
    }
    return {&loaded, options_.seed.value_or(loaded.scenario.seed())};
}

std::string SweepPlan::digest() const {
    Digest digest;
    for (const auto& loaded : scenarios_) {
        digest.add(as_bytes(loaded.path));
        digest.add(as_bytes(file_text(loaded.scenario, "")));
    }
    for (const auto& name : options_.defects) digest.add(as_bytes(name));
    digest.add(options_.seeds ? options_.seeds->first : options_.seed.value_or(0));
    digest.add(seeds_per_scenario_);
    digest.add(std::uint64_t{options_.shard_count.value_or(0)});
    return digest.text();
}

results::Sweep SweepPlan::empty_sweep() const {
    results::Sweep sweep;
    sweep.set_planned_runs(whole_size());
    sweep.set_shard(options_.shard.number);
    sweep.set_shards(options_.shard.count);
    sweep.set_plan(digest());
    for (const auto& loaded : scenarios_) *sweep.add_scenarios() = empty_tally(loaded);
    return sweep;
}

RunOptions run_options(const SweepOptions& options, std::uint64_t seed) {
    return {.seed = seed, .shard_count = options.shard_count, .defects = options.defects};
}

results::Run run_sweep(const SweepPlan& plan, const SweepOptions& options,
                       const SweepHooks& hooks) {
    results::Run run;
    run.set_kind(results::Run::simulation);
    auto& sweep = *run.mutable_sweep() = plan.empty_sweep();
    SweepProgress progress{.planned = plan.size()};
    const auto take = [&](results::ScenarioResult result, std::uint64_t position) {
        result.set_position(position);
        const auto scenario = position / (plan.whole_size() / sweep.scenarios_size());
        count(*sweep.mutable_scenarios(static_cast<int>(scenario)), result);
        ++progress.done;
        if (!reports::is_as_expected(result)) ++progress.undeclared;
        *run.add_scenarios() = std::move(result);
        hooks.on_progress(progress);
    };
    const auto work = [&](std::uint64_t number) {
        const auto item = plan.item(plan.position(number));
        const auto outcome = run_scenario(item.loaded->scenario, run_options(options, item.seed));
        return to_result(item.loaded->path, item.loaded->scenario, outcome, hooks.command_of(item),
                         Detail::verdicts)
            .SerializeAsString();
    };
    const auto on_end = [&](const TaskEnd& end) {
        const auto position = plan.position(end.task);
        const auto item = plan.item(position);
        results::ScenarioResult result;
        if (end.answer) {
            CHECK(result.ParseFromString(*end.answer));
        } else {
            result = crashed(item, options, end.death, hooks.command_of(item));
        }
        take(std::move(result), position);
        return true;
    };
    const auto is_enough = [&] {
        sweep.set_end(hooks.end_now());
        return sweep.end() != results::Sweep::complete;
    };
    const bool is_complete = do_in_processes({.task_count = plan.size(),
                                              .process_count = options.process_count,
                                              .work = work,
                                              .on_end = on_end,
                                              .is_enough = is_enough});
    if (is_complete) sweep.set_end(results::Sweep::complete);
    reports::complete_sweep(run);
    return run;
}

}  // namespace touchstone::simulator
