// How far apart processors are. Those of a virtual machine share a core's caches at one time and
// are in different corners of the host at another, and what a broker spends on a packet that comes
// from another processor changes with it, to twice as much and back within seconds. Two
// measurements can be compared when their processors were as far apart.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "load/time.hpp"

namespace touchstone::planner {

/// Numbers of two processors.
using ProcessorPair = std::pair<int, int>;

/// Seconds that a line of memory takes from one to the other and back, as two threads on them see
/// it; of some milliseconds, the median. Nothing: they were not to be had at the same time within
/// `patience`, or may not be used.
[[nodiscard]] std::optional<double> distance_between(ProcessorPair processors,
                                                     load::Nanos patience = 50 * load::millisecond);

/// The mean of all pairs. Nothing: there are none, or one of them is not known.
[[nodiscard]] std::optional<double> distance_between(std::span<const ProcessorPair> pairs);

/// Whether two distances are the same, as far as can be told (within a third). 0: not known, which
/// is the same as any.
[[nodiscard]] bool is_same_distance(double one_s, double other_s);

/// Of some distances, the one that most of them are the same as; the first of those. 0: there are
/// none.
[[nodiscard]] double usual_distance(std::span<const double> distances_s);

}  // namespace touchstone::planner
