// What `touchstone simulate` does once its arguments are read: runs, shows what came of it,
// reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulator/scenario.hpp"
#include "simulator/search.hpp"

namespace touchstone::simulator {

struct SimulateOptions {
    std::vector<std::string> paths;
    SweepOptions sweep;
    /// Whether runs are tallied, and shown only when they are not as declared. Else each is shown.
    bool is_sweep = false;
    std::optional<double> time_budget_s;  // for the runs of a sweep
    std::string out;                      // empty: the default
    std::string trace_of;                 // a client's name, or "all"
    std::optional<std::uint32_t> at_ms;
    bool is_json = false;
    bool has_no_report = false;
    bool is_digest_only = false;
};

/// `scenarios` is not empty and has no problems; `command` is the whole command line. Returns the
/// exit code.
int simulate_runs(const SimulateOptions& options, const std::vector<LoadedScenario>& scenarios,
                  const std::string& command);

}  // namespace touchstone::simulator
