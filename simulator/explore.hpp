// A search that learns: runs from seeds are written down as schedules, these are changed, and those
// that meet something new (coverage.hpp) are changed further. What it finds depends on its seed
// only, not on the number of processes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "simulator/run.hpp"

namespace touchstone::simulator {

struct ExploreOptions {
    RunOptions run;  // its seed is the search's; runs from seeds have the following ones
    std::uint64_t runs_max = 1'000;
    unsigned process_count = 1;
    /// Whether schedules are changed; else all runs are from seeds.
    bool is_mutating = true;
    /// Whether the first failure ends the search.
    bool has_enough_with_one = false;
    /// Asked several times a second. True: enough.
    std::function<bool()> is_enough = [] { return false; };
};

/// A schedule that broke something.
struct FoundFailure {
    std::uint64_t run = 0;            // which one it was, from 1
    std::vector<std::string> broken;  // ids of invariants; of a run that ended its process: "crash"
    std::string death;                // of that
    scenario::Scenario schedule;      // fails by itself, without options
};

/// How far the search was after so many runs.
struct ExploreStage {
    std::uint64_t runs = 0;
    std::size_t pairs = 0;
    std::size_t kept = 0;     // schedules that met something new
    std::size_t failing = 0;  // runs
};

struct Explored {
    std::vector<ExploreStage> stages;  // each twice as far as the one before, and the end
    /// The first of each set of broken invariants.
    std::vector<FoundFailure> failures;
    bool is_complete = true;  // runs_max, or enough failures; false: is_enough()
};

/// `scenario` has no problems.
[[nodiscard]] Explored explore(const scenario::Scenario& scenario, const ExploreOptions& options);

}  // namespace touchstone::simulator
