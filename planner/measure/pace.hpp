// How fast the machine is at what brokers do. The processors of a virtual machine share a core's
// caches at one time and are in different corners of the host at another, and others use the host
// as well; nothing tells of it, and the same message costs a tenth, or twice as much, from one
// minute to the next. A piece of work that is always the same, done before and after each
// measurement, tells how the machine was then; models/calibration.hpp says what follows from it.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "load/time.hpp"

namespace touchstone::planner {

/// Numbers of two processors.
using ProcessorPair = std::pair<int, int>;

/// Processor seconds of the first of the pair for a small message that comes over TCP from the
/// other one, wakes it, is read, and is sent back; of some milliseconds, the median. Nothing: it
/// did not come about within `patience`, or the processors may not be used.
[[nodiscard]] std::optional<double> pace_of(ProcessorPair processors,
                                            load::Nanos patience = 100 * load::millisecond);

/// The mean of all pairs. Nothing: there are none, or one of them is not known.
[[nodiscard]] std::optional<double> pace_of(std::span<const ProcessorPair> pairs);

/// Whether costs at one pace say anything of those at the other (within a third). 0: not known,
/// which is like any.
[[nodiscard]] bool is_similar_pace(double one_s, double other_s);

/// Of some paces, the median of those that most of them are similar to. 0: there are none.
[[nodiscard]] double usual_pace(std::span<const double> paces_s);

}  // namespace touchstone::planner
