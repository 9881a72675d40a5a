// Measures a broker, and fits what the models need.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "planner/measure/memory.hpp"
#include "planner/measure/phase.hpp"
#include "planner/models/calibration.hpp"

namespace touchstone::planner {

struct CalibrateOptions {
    load::Target target;
    std::optional<load::Target> tls_target;
    int pid = 0;
    bool shares_queue = false;  // any of its threads takes the next packet
    std::string name;  // of the broker; empty: what $SYS/broker/version or its program says
    std::uint64_t seed = 1;
    MemoryPlan memory;
    unsigned rounds = 2;     // of all measurements under load, each a little different
    double measure_s = 1.6;  // of each
    unsigned attempts_max = 3;
    // Since the start:
    double retry_until_s = 240;   // afterwards nothing is measured again because it was disturbed,
    double rounds_until_s = 280;  // and after this no other round is begun or finished
    std::uint32_t storm_clients = 1'000;
    bool is_generator_separate = false;  // Separation
    std::vector<ProcessorPair> processors;
    double patience_s = 20;  // of each, for processors that are as far apart as they were
    std::function<bool(const std::string& what)> goes_on;
    std::function<void(const std::string& line)> tell;  // what has come of a step
};

struct CalibrationRun {
    Calibration calibration;
    std::vector<Phase> phases;
    std::vector<MemorySample> memory;
    /// False: the generator or the machine was the limit, so nothing is known of waits under load.
    bool knows_waits = true;
    /// What a reader has to know about it: the machine disturbed it, the generator was the limit.
    std::vector<std::string> warnings;
};

/// Throws load::Unreachable, load::CannotRun, CannotMeasure.
[[nodiscard]] CalibrationRun calibrate(const CalibrateOptions& options);

/// "2026-11-22 08:50 UTC".
[[nodiscard]] std::string now_text();

/// "mosquitto version 2.0.11", from the topic that brokers have for it, or the program's name.
[[nodiscard]] std::string broker_name(const load::Target& target, int pid);

}  // namespace touchstone::planner
