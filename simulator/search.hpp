// A sweep: scenarios with many seeds, in several processes, perhaps as one shard of several. What
// comes of it does not depend on how many processes there were.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/results.pb.h"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"

namespace touchstone::simulator {

/// Both ends belong to it.
struct SeedRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

/// `A..B` with A <= B.
[[nodiscard]] std::optional<SeedRange> parse_seeds(std::string_view text);

/// One of several parts of a sweep, counted from 1.
struct Shard {
    std::uint32_t number = 1;
    std::uint32_t count = 1;
};

/// `i/n` with 1 <= i <= n.
[[nodiscard]] std::optional<Shard> parse_shard(std::string_view text);

struct SweepOptions {
    std::optional<SeedRange> seeds;  // else each scenario has its own, or `seed`
    std::optional<std::uint64_t> seed;
    std::vector<std::string> defects;
    std::optional<unsigned> shard_count;  // of every node
    Shard shard;
    unsigned process_count = 1;
};

/// What is to be run, in the order of reports: by scenario, then by seed.
class SweepPlan {
public:
    /// `scenarios` have no problems and outlive the plan.
    SweepPlan(const std::vector<LoadedScenario>& scenarios, const SweepOptions& options);

    struct Item {
        const LoadedScenario* loaded = nullptr;
        std::uint64_t seed = 0;
    };
    /// How many runs the shard has; those of all shards.
    [[nodiscard]] std::uint64_t size() const;
    [[nodiscard]] std::uint64_t whole_size() const;
    /// Position in the whole sweep of the shard's run of that number.
    [[nodiscard]] std::uint64_t position(std::uint64_t number) const;
    [[nodiscard]] Item item(std::uint64_t position) const;
    /// Of everything that decides what the sweep does, hexadecimal.
    [[nodiscard]] std::string digest() const;
    /// Runs with no result yet, and tallies of nothing.
    [[nodiscard]] results::Sweep empty_sweep() const;

private:
    const std::vector<LoadedScenario>& scenarios_;
    const SweepOptions& options_;
    std::uint64_t seeds_per_scenario_;
};

/// How far a sweep is.
struct SweepProgress {
    std::uint64_t done = 0;
    std::uint64_t planned = 0;  // of this shard
    std::uint64_t undeclared = 0;
};

struct SweepHooks {
    std::function<void(const SweepProgress&)> on_progress;
    /// The command that runs an item again.
    std::function<std::string(const SweepPlan::Item&)> command_of;
    /// Why the sweep is to end now; complete: it is not.
    std::function<results::Sweep::End()> end_now;
};

/// Runs the plan's shard and completes what is known of it (reports::complete_sweep). No run has
/// its packets yet.
[[nodiscard]] results::Run run_sweep(const SweepPlan& plan, const SweepOptions& options,
                                     const SweepHooks& hooks);

/// What an item is run with.
[[nodiscard]] RunOptions run_options(const SweepOptions& options, std::uint64_t seed);

}  // namespace touchstone::simulator
