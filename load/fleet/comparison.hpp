// A fleet's real run in the words of its virtual one, so that the two stand side by side, and what
// is to agree.
#pragma once

#include <string>

#include "load/outcome.hpp"
#include "load/workload.hpp"
#include "reports/results.pb.h"
#include "simulator/fleet/outcome.hpp"

namespace touchstone::load {

/// Figures, curves and classes under the names that `touchstone simulate FLEET` gives them.
[[nodiscard]] results::ScenarioResult to_live_result(const Workload& workload,
                                                     const Outcome& outcome);

/// How far counts of both may differ: a share of the larger one, and this many besides.
inline constexpr double agreement_share = 0.05;
inline constexpr std::uint64_t agreement_slack = 20;

/// Connections at the end, connects, pings, messages published and delivered: which of them do not
/// agree, in one line; empty when all do.
[[nodiscard]] std::string disagreement(const simulator::fleet::Outcome& simulated,
                                       const Outcome& live);

}  // namespace touchstone::load
