#include "simulator/explore.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "broker/base/check.hpp"
#include "simulator/coverage.hpp"
#include "simulator/explore.pb.h"
#include "simulator/mutation.hpp"
#include "simulator/shrink.hpp"
#include "simulator/worker_processes.hpp"

namespace touchstone::simulator {

namespace {

using scenario::ExploredRun;
using scenario::Scenario;

/// Runs that are drawn before any of them is looked at: what is drawn must not depend on which
/// process is the first to answer.
constexpr std::uint64_t generation_size = 32;

std::uint32_t run_time_ms(Instant at) {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(at - run_begin).count());
}

class Explorer {
public:
    Explorer(const Scenario& scenario, const ExploreOptions& options)
        : scenario_{scenario},
          options_{options},
          seed_{options.run.seed.value_or(scenario.seed())},
          draws_{seed_, Domain::workload, ~std::uint64_t{0}, Purpose::shape} {
        const auto to_ms = scenario.workload().to_ms();
        context_.until_ms = scenario.duration_ms() - scenario.settle_ms();
        if (to_ms != 0) context_.until_ms = std::min(context_.until_ms, to_ms);
        for (const auto& client : scenario.clients()) {
            if (client.count() < 2) context_.clients.push_back(client.name());
        }
    }

    Explored explore() {
        while (stage_.runs < options_.runs_max && result_.is_complete && !is_found()) {
            draw_generation();
            run_generation();
        }
        if (result_.stages.empty() || result_.stages.back().runs != stage_.runs) note_stage();
        return std::move(result_);
    }

private:
    struct Kept {
        Scenario schedule;
        std::vector<MetPair> met;
        std::vector<std::string> clients;  // of `met`
    };
    /// A run that is to be: a changed schedule, or a seed.
    struct Candidate {
        std::optional<Scenario> schedule;
        std::uint64_t seed = 0;
    };

    [[nodiscard]] bool is_found() const {
        return options_.has_enough_with_one && !result_.failures.empty();
    }

    void draw_generation() {
        candidates_.clear();
        const auto count = std::min(generation_size, options_.runs_max - stage_.runs);
        constexpr std::uint32_t from_seed_per_mille = 250;
        for (std::uint64_t i = 0; i < count; ++i) {
            const bool is_from_seed = draws_.chance(from_seed_per_mille);
            const bool is_changed = options_.is_mutating && !kept_.empty() &&
                                    !context_.clients.empty() && !is_from_seed;
            if (is_changed) {
                candidates_.push_back({.schedule = draw_mutation(stage_.runs + i)});
            } else {
                candidates_.push_back({.schedule = std::nullopt, .seed = seed_ + seeds_++});
            }
        }
    }

    const Kept& draw_kept() {
        // What was new a short time ago leads further more often.
        constexpr std::size_t recent = 32;
        const bool is_recent = draws_.chance(500);
        const auto from = is_recent && kept_.size() > recent ? kept_.size() - recent : 0;
        return kept_[from + static_cast<std::size_t>(draws_.below(kept_.size() - from))];
    }

    Scenario draw_mutation(std::uint64_t number) {
        const auto& parent = draw_kept();
        const auto& other = draw_kept();
        context_.number = number;
        context_.moments.clear();
        for (std::size_t i = 0; i < parent.met.size(); ++i) {
            constexpr std::uint32_t rare_runs_max = 8;
            if (runs_with_[parent.met[i].pair] > rare_runs_max) continue;
            context_.moments.push_back({run_time_ms(parent.met[i].at), parent.clients[i]});
        }
        return mutated(parent.schedule, other.schedule, context_, draws_);
    }

    std::string run_candidate(const Candidate& candidate) const {
        auto run = options_.run;
        run.seed = candidate.seed;
        const auto outcome = candidate.schedule ? run_scenario(*candidate.schedule, {})
                                                : run_scenario(scenario_, run);
        ExploredRun answer;
        const auto& trace = outcome.world->trace();
        for (const auto& met : pairs_met(trace, History{trace})) {
            answer.add_pairs(met.pair);
            answer.add_at_ms(run_time_ms(met.at));
            answer.add_clients(trace.name_of(met.client));
        }
        if (const auto broken = fingerprint_of(outcome)) {
            for (const auto& one : broken->also) answer.add_broken(one);
        }
        if (!candidate.schedule) *answer.mutable_schedule() = unroll(scenario_, run, outcome);
        return answer.SerializeAsString();
    }

    void run_generation() {
        std::map<std::uint64_t, TaskEnd> ends;
        const bool is_whole = do_in_processes(
            {.task_count = candidates_.size(),
             .process_count = options_.process_count,
             .work = [this](std::uint64_t task) { return run_candidate(candidates_[task]); },
             .on_end = [&](TaskEnd end) { return ends.emplace(end.task, std::move(end)).second; },
             .is_enough = options_.is_enough});
        // What came of half a generation would depend on the moment it was given up.
        result_.is_complete = is_whole;
        if (!is_whole) return;
        for (auto& [task, end] : ends) {
            ++stage_.runs;
            learn(candidates_[task], end);
            const bool is_twice_as_far =
                result_.stages.empty() || stage_.runs >= 2 * result_.stages.back().runs;
            if (is_twice_as_far && stage_.runs >= generation_size) note_stage();
            if (is_found()) return;
        }
    }

    void learn(Candidate& candidate, const TaskEnd& end) {
        if (!end.answer) {
            return add_failure({.run = stage_.runs,
                                .broken = {"crash"},
                                .death = end.death,
                                .schedule = candidate.schedule.value_or(scenario_)});
        }
        ExploredRun answer;
        CHECK(answer.ParseFromString(*end.answer));
        auto schedule = candidate.schedule ? std::move(*candidate.schedule)
                                           : std::move(*answer.mutable_schedule());
        if (answer.broken_size() > 0) {
            return add_failure({.run = stage_.runs,
                                .broken = {answer.broken().begin(), answer.broken().end()},
                                .death = {},
                                .schedule = std::move(schedule)});
        }
        bool is_new = false;
        for (const auto pair : answer.pairs()) is_new = ++runs_with_[pair] == 1 || is_new;
        stage_.pairs = runs_with_.size();
        if (!is_new || !options_.is_mutating) return;
        auto& kept = kept_.emplace_back(Kept{.schedule = std::move(schedule)});
        stage_.kept = kept_.size();
        for (int i = 0; i < answer.pairs_size(); ++i) {
            constexpr std::uint32_t rare_runs_max = 4;
            if (runs_with_[answer.pairs(i)] > rare_runs_max) continue;
            kept.met.push_back(
                {answer.pairs(i), run_begin + std::chrono::milliseconds{answer.at_ms(i)}, Actor{}});
            kept.clients.push_back(answer.clients(i));
        }
    }

    void add_failure(FoundFailure failure) {
        ++stage_.failing;
        const auto is_same = [&](const FoundFailure& one) { return one.broken == failure.broken; };
        if (std::ranges::any_of(result_.failures, is_same)) return;
        result_.failures.push_back(std::move(failure));
    }

    void note_stage() { result_.stages.push_back(stage_); }

    const Scenario& scenario_;
    const ExploreOptions& options_;
    const std::uint64_t seed_;
    RandomStream draws_;
    MutationContext context_;
    std::vector<Candidate> candidates_;
    std::vector<Kept> kept_;
    std::map<StatePair, std::uint32_t> runs_with_;
    std::uint64_t seeds_ = 0;
    ExploreStage stage_;
    Explored result_;
};

}  // namespace

Explored explore(const Scenario& scenario, const ExploreOptions& options) {
    return Explorer{scenario, options}.explore();
}

}  // namespace touchstone::simulator
