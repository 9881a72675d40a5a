// What a run has met, as pairs: a session's state as it looks from outside, and what happened to it
// in that state. Schedules that meet a pair for the first time are worth changing further.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

/// A pair as a number: the same in every run and build.
using StatePair = std::uint32_t;

/// Where a pair was first met.
struct MetPair {
    StatePair pair = 0;
    Instant at;
    Actor client;
};

/// Every pair of the run once, in the order in which they were met.
[[nodiscard]] std::vector<MetPair> pairs_met(const Trace& trace, const History& history);

}  // namespace touchstone::simulator
