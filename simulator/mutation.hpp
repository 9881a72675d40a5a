// Changes to a schedule, a scenario whose random part is written down as steps: what happens is
// moved, repeated, left out, made longer, and put where a state was met that is rare.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulator/random.hpp"
#include "simulator/scenario.pb.h"

namespace touchstone::simulator {

/// A state of a session that a run has met.
struct Moment {
    std::uint32_t at_ms = 0;
    std::string client;
};

struct MutationContext {
    /// Steps happen before that.
    std::uint32_t until_ms = 0;
    /// Names of those that may be disturbed. Not empty.
    std::vector<std::string> clients;
    /// Of the run of the schedule that is changed, those that are rare. May be empty.
    std::vector<Moment> moments;
    /// Becomes part of the payloads of repeated messages, since these are unique in a scenario. Of
    /// each mutation another.
    std::uint64_t number = 0;
};

/// One to four changes, often with another seed and with the limits of `other`, a schedule of the
/// same scenario, which also lends its faults.
/// The result is as valid as `schedule`, and may be equal to it.
[[nodiscard]] scenario::Scenario mutated(const scenario::Scenario& schedule,
                                         const scenario::Scenario& other,
                                         const MutationContext& context, RandomStream& draws);

}  // namespace touchstone::simulator
