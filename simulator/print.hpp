// What `touchstone simulate` shows of a run on standard output.
#pragma once

#include <string>
#include <vector>

#include "reports/results.pb.h"
#include "simulator/run.hpp"

namespace touchstone::simulator {

/// What was received, the recorded states, a verdict per invariant with the first failure of each.
void print_outcome(const std::string& path, const scenario::Scenario& scenario,
                   const Outcome& outcome);

/// What a completed sweep came to: failures, the soonest first, with a command each, and how often
/// happened what must happen now and then.
void print_sweep(const results::Run& run);

/// Every session and every client at an instant.
void print_look(const LookedAt& look);

/// Packets and faults in the order of their instants, one line each: `sent → arrived`. `of` is the
/// name of an actor, or "all".
void print_trace(const Trace& trace, const std::string& of);
/// The same lines.
[[nodiscard]] std::vector<std::string> trace_lines(const Trace& trace, const std::string& of);

}  // namespace touchstone::simulator
