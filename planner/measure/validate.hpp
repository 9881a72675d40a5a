// Measures workloads that a calibration has not seen, beside their prediction.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "planner/measure/calibrate.hpp"
#include "planner/models/calibration.hpp"

namespace touchstone::planner {

struct ValidateOptions {
    load::Target target;
    int pid = 0;
    std::uint64_t seed = 1'001;
    double latency_max_s = 0.010;  // of the knee
    double measure_s = 2;
    unsigned rounds =
        3;  // of all workloads under load: what the machine does for a while is in one of them
    unsigned attempts_max = 3;
    bool is_generator_separate = false;  // Separation
    std::vector<ProcessorPair> processors;
    double patience_s = 20;      // of each, for processors that are as far apart as they were
    double retry_until_s = 240;  // since the start; afterwards nothing is measured again
    std::function<bool(const std::string& what)> goes_on;
    std::function<void(const std::string& line)> tell;
};

struct Validation {
    std::vector<PredictionError> errors;
    /// What could not be compared, and why.
    std::vector<std::string> notes;
};

/// Throws load::Unreachable, load::CannotRun, CannotMeasure.
[[nodiscard]] Validation validate(const Calibration& calibration, const ValidateOptions& options);

}  // namespace touchstone::planner
