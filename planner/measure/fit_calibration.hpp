// Makes a calibration of measurements under load: what operations cost, what a message takes at
// rest, and how waits are to those of the model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "planner/measure/phase.hpp"
#include "planner/models/calibration.hpp"

namespace touchstone::planner {

struct FitOptions {
    bool is_generator_separate = false;  // its lateness is its own
    std::uint64_t seed = 1;
    double disturbance_max = 0.03;                      // more of it is a warning
    std::function<void(const std::string& line)> tell;  // what has come of it
};

struct FitKnowledge {
    /// False: the generator or the machine was the limit, so nothing is known of waits under load.
    bool knows_waits = true;
    std::vector<std::string> warnings;
};

/// `result` has servers, shares_queue and pace_s already. What was measured while the machine was
/// another is taken out of `phases`; the others' rates become complete, and their processor time
/// what it had been at the usual pace. Throws CannotMeasure.
FitKnowledge fit_calibration(Calibration& result, std::vector<Phase>& phases,
                             const FitOptions& options);

}  // namespace touchstone::planner
