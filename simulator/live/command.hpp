// `touchstone simulate SCENARIO… --live URL`: the scenario's clients and faults on a broker that is
// not ours, in real time, judged by the same checkers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulator/scenario.hpp"

namespace touchstone::simulator::live {

struct LiveOptions {
    std::string url;
    /// The broker has the settings that a scenario gives its node.
    bool is_configured = false;
    std::optional<std::uint64_t> seed;  // else the scenario's
    std::vector<std::string> defects;
    std::string out;       // result directory; empty: the default
    std::string trace_of;  // a client's name, or "all"; empty: no trace
    bool has_no_report = false;
    std::string command;  // to run the same again
};

/// `scenarios` have no problems. Returns the exit code.
int run_live(const LiveOptions& options, const std::vector<LoadedScenario>& scenarios);

}  // namespace touchstone::simulator::live
