// What a run came to, in the language of reports: results.proto.
#pragma once

#include <string>
#include <vector>

#include "reports/results.pb.h"
#include "simulator/run.hpp"

namespace touchstone::simulator {

/// How much of a run is kept.
enum class Detail : std::uint8_t {
    everything,  // with its packets and states
    verdicts,    // for the many of a sweep: what was broken, and how to have it again
};

/// `path` and `scenario` are those that were run; `reproduce` is the command to run it again.
[[nodiscard]] results::ScenarioResult to_result(const std::string& path,
                                                const scenario::Scenario& scenario,
                                                const Outcome& outcome,
                                                const std::string& reproduce, Detail detail);

/// The same for a trace that no scenario has made, which ended at `end`. Of a long one with a
/// broken promise the steps around the first are kept.
[[nodiscard]] results::ScenarioResult
to_result(const std::string& name, const std::string& description, const Trace& trace, Instant end,
          const std::vector<InvariantOutcome>& invariants, const std::string& reproduce);

/// Whether the run ended as the scenario says it does.
[[nodiscard]] bool is_as_declared(const scenario::Scenario& scenario, const Outcome& outcome);

}  // namespace touchstone::simulator
