#include "reports/sweep.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

using results::Sweep;
using results::Verdict;

namespace {

/// FNV-1a over the digests of all runs.
std::string digest_of(const results::Run& run) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const auto& result : run.scenarios()) {
        for (const char c : result.digest()) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
        }
    }
    return fmt::format("{:016x}", hash);
}

bool is_whole(const Sweep& sweep) {
    return sweep.shards() == 1 && sweep.end() == Sweep::complete;
}

void add_notes(results::Run& run) {
    const auto& sweep = run.sweep();
    run.clear_notes();
    if (sweep.shards() > 1) {
        run.add_notes(fmt::format("shard {} of {}; `touchstone report merge` joins them",
                                  sweep.shard(), sweep.shards()));
    }
    if (sweep.end() != Sweep::complete) {
        run.add_notes(fmt::format("{}: {} of {} runs were done",
                                  sweep.end() == Sweep::interrupted ? "interrupted"
                                                                    : "the time budget is used up",
                                  run.scenarios_size(), sweep.planned_runs()));
    }
    for (const auto& one : never_happened(run)) run.add_notes("never happened: " + one);
}

void add_tally(results::ScenarioTally& to, const results::ScenarioTally& from) {
    to.set_runs(to.runs() + from.runs());
    to.set_undeclared(to.undeclared() + from.undeclared());
    for (const auto& one : from.invariants()) {
        auto& all = *to.mutable_invariants();
        const auto known =
            std::ranges::find(all, one.invariant(), &results::InvariantTally::invariant);
        if (known == all.end()) {
            *all.Add() = one;
            continue;
        }
        known->set_runs(known->runs() + one.runs());
        known->set_failed(known->failed() + one.failed());
    }
    for (const auto& one : from.sometimes()) {
        auto& all = *to.mutable_sometimes();
        const auto known = std::ranges::find(all, one.name(), &results::SometimesTally::name);
        if (known == all.end()) {
            *all.Add() = one;
            continue;
        }
        known->set_runs(known->runs() + one.runs());
    }
}

Problem problem_of(const SweepShard& shard, const std::string& what) {
    return {one_line(fmt::format("{}: {}", shard.path.string(), what))};
}

/// Why the shard's file cannot be all that it says.
std::optional<std::string> contradiction_in(const results::Run& run) {
    const auto& sweep = run.sweep();
    const bool is_numbered = sweep.shard() >= 1 && sweep.shard() <= sweep.shards();
    if (!is_numbered) return fmt::format("says shard {} of {}", sweep.shard(), sweep.shards());
    std::set<std::uint64_t> positions;
    for (const auto& result : run.scenarios()) {
        const bool is_its = result.position() < sweep.planned_runs() &&
                            is_of_shard(result.position(), sweep.shard(), sweep.shards());
        if (!is_its || !positions.insert(result.position()).second) {
            return fmt::format("has a run at position {}, which is not its own", result.position());
        }
    }
    const auto planned = (sweep.planned_runs() + sweep.shards() - sweep.shard()) / sweep.shards();
    if (sweep.end() != Sweep::complete || positions.size() == planned) return std::nullopt;
    return fmt::format("says it is complete and has {} of {} runs", positions.size(), planned);
}

std::optional<Problem> problem_of_set(const std::vector<SweepShard>& shards) {
    const auto& first = shards.front();
    std::map<std::uint32_t, const SweepShard*> by_number;
    for (const auto& shard : shards) {
        if (!shard.run.has_sweep()) {
            return problem_of(shard, "is no sweep; give result directories of `simulate --shard`");
        }
        const auto& sweep = shard.run.sweep();
        if (sweep.plan() != first.run.sweep().plan() ||
            sweep.shards() != first.run.sweep().shards()) {
            return problem_of(shard, fmt::format("is of another sweep than {}; give the shards of "
                                                 "one, run with the same arguments",
                                                 first.path.string()));
        }
        if (const auto what = contradiction_in(shard.run)) {
            return problem_of(shard, *what + "; run it again");
        }
        const auto [known, is_new] = by_number.try_emplace(sweep.shard(), &shard);
        if (is_new) continue;
        return problem_of(shard,
                          fmt::format("is shard {} of {}, and so is {}; give each once",
                                      sweep.shard(), sweep.shards(), known->second->path.string()));
    }
    std::vector<std::uint32_t> missing;
    const auto count = first.run.sweep().shards();
    for (std::uint32_t number = 1; number <= count; ++number) {
        if (!by_number.contains(number)) missing.push_back(number);
    }
    if (missing.empty()) return std::nullopt;
    return problem_of(first, fmt::format("of {} shards {} {} missing; run them with --shard, or "
                                         "give their directories too",
                                         count, fmt::join(missing, ", "),
                                         missing.size() == 1 ? "is" : "are"));
}

}  // namespace

std::vector<int> failures_by_time(const results::Run& run) {
    const auto key = [&run](int index) {
        const auto& result = run.scenarios(index);
        const int rank = result.verdict() == Verdict::crash ? 0
                         : result.has_time_to_fail_us()     ? 1
                                                            : 2;
        return std::tuple{rank, result.time_to_fail_us(), result.position()};
    };
    std::vector<int> failures;
    for (int i = 0; i < run.scenarios_size(); ++i) {
        if (!is_as_expected(run.scenarios(i))) failures.push_back(i);
    }
    std::ranges::sort(failures, {}, key);
    return failures;
}

void forget_packets(results::ScenarioResult& result) {
    result.clear_trace();
    result.clear_steps_left_out();
    result.clear_actors();
    result.clear_states();
    result.clear_faults();
    result.clear_received();
    result.clear_expected_received();
    result.clear_measures();
    result.clear_scenario_text();
    result.clear_description();
    result.clear_fidelity();
    result.clear_sometimes();
    auto& verdicts = *result.mutable_invariants();
    google::protobuf::RepeatedPtrField<results::InvariantVerdict> failed;
    for (const auto& one : verdicts) {
        if (is_failure(one.verdict())) *failed.Add() = one;
    }
    verdicts.Swap(&failed);
    for (auto& one : verdicts) one.clear_at_step();
}

std::string folder_of_failure(const results::ScenarioResult& result) {
    const bool is_kept = !is_as_expected(result) && result.trace_size() > 0;
    if (!is_kept) return {};
    const auto path = std::filesystem::path{result.scenario()}.replace_extension().string();
    return fmt::format("{}/{}-{}", failures_folder, file_name(path), result.seed());
}

void complete_sweep(results::Run& run) {
    std::sort(run.mutable_scenarios()->begin(), run.mutable_scenarios()->end(),
              [](const auto& a, const auto& b) { return a.position() < b.position(); });
    const auto failures = failures_by_time(run);
    for (int i = 0; i < run.scenarios_size(); ++i) {
        const auto place = std::ranges::find(failures, i) - failures.begin();
        const bool is_kept =
            static_cast<std::size_t>(place) < std::min(failures.size(), kept_failures_max);
        if (!is_kept) forget_packets(*run.mutable_scenarios(i));
    }
    run.set_digest(digest_of(run));
    add_notes(run);
    run.clear_verdict();
    const bool proves_nothing =
        failures.empty() && (run.sweep().end() != Sweep::complete || !never_happened(run).empty());
    if (proves_nothing) run.set_verdict(Verdict::inconclusive);
    complete(run);
}

std::vector<std::string> never_happened(const results::Run& run) {
    std::vector<std::string> never;
    if (!is_whole(run.sweep())) return never;
    const bool is_one = run.sweep().scenarios_size() == 1;
    for (const auto& tally : run.sweep().scenarios()) {
        for (const auto& one : tally.sometimes()) {
            if (one.runs() > 0) continue;
            never.push_back(fmt::format("{}{}: {}", is_one ? "" : tally.scenario() + ": ",
                                        one.name(), one.story()));
        }
    }
    return never;
}

ExitCode exit_code_of(const results::Run& sweep) {
    if (sweep.sweep().end() == Sweep::interrupted) return ExitCode::interrupted;
    if (!failures_by_time(sweep).empty()) return ExitCode::expectation_failed;
    if (sweep.sweep().end() == Sweep::time_budget) return ExitCode::time_budget_used_up;
    if (!never_happened(sweep).empty()) return ExitCode::run_invalid;
    return ExitCode::as_expected;
}

std::variant<results::Run, Problem> merge_sweep(std::vector<SweepShard> shards) {
    if (auto problem = problem_of_set(shards)) return *std::move(problem);
    std::ranges::sort(shards, {}, [](const SweepShard& one) { return one.run.sweep().shard(); });
    results::Run whole = std::move(shards.front().run);
    auto& sweep = *whole.mutable_sweep();
    sweep.set_shard(1);
    sweep.set_shards(1);
    for (std::size_t i = 1; i < shards.size(); ++i) {
        auto& part = shards[i].run;
        whole.mutable_scenarios()->MergeFrom(part.scenarios());
        whole.set_duration_ms(std::max(whole.duration_ms(), part.duration_ms()));
        whole.set_started_unix_ms(std::min(whole.started_unix_ms(), part.started_unix_ms()));
        sweep.set_end(std::max(sweep.end(), part.sweep().end()));
        for (int k = 0; k < part.sweep().scenarios_size(); ++k) {
            add_tally(*sweep.mutable_scenarios(k), part.sweep().scenarios(k));
        }
    }
    complete_sweep(whole);
    return whole;
}

}  // namespace touchstone::reports
