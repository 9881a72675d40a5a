// A calibration that nobody measured, for tests: a message at QoS 0 costs 10 us to take and 10 us
// for each copy.
#pragma once

#include "planner/plan_files.hpp"

namespace touchstone::planner {

inline CalibrationFile made_up_file() {
    constexpr double us = 1e-6;
    CalibrationFile file;
    auto& one = file.calibration;
    one.broker = "made up 1.0";
    one.measured_at = "2026-01-01 00:00 UTC";
    one.machine = {
        .processor = "a processor", .processors = 2, .kernel = "Linux", .memory_bytes = 8};
    one.cpu.coefficients = {10 * us, 15 * us, 25 * us, 10 * us, 15 * us, 25 * us, 0, 0.001 * us,
                            5 * us,  1 * us,  2 * us,  1 * us,  2 * us,  0,       0};
    one.cpu.covariance.assign(operation_count * operation_count, 0);
    for (std::size_t i = 0; i < operation_count; ++i) {
        const double deviation = one.cpu.coefficients[i] * 0.02;
        one.cpu.covariance[i * operation_count + i] = deviation * deviation;
    }
    one.cpu.degrees_of_freedom = 20;
    one.wake_delay_s = 1e-5;
    one.answer_s = 2e-5;
    one.pace_s = 9e-6;
    one.gathers = false;
    one.connect_s = {.value = 100 * us, .half_width = 5 * us};
    one.disconnect_s = {.value = 10 * us};
    one.subscribe_s = {.value = 10 * us};
    one.memory.coefficients = {10e6, 4'000, 2'000, 200, 400, 1, 500, 1, 100};
    one.memory.covariance.assign(holding_count * holding_count, 0);
    one.memory.degrees_of_freedom = 20;
    one.memory_range = {1, 100'000, 1'000, 100'000, 1'000, 100'000, 1'000, 100'000, 1'000};
    one.latencies = {{.qos = 0,
                      .rate_per_s = 1'000,
                      .samples = 100'000,
                      .seconds = QuantileCurve{{{0, 100 * us}, {0.99, 200 * us}, {1, 400 * us}}}}};
    one.wait_factor = {.value = 1.5, .half_width = 0.25};
    one.awake_factor = 0.75;
    one.scaling = {{1, 50'000}};
    one.concurrency = {{1, 5'000}, {2, 9'500}, {4, 17'000}, {8, 26'000}, {16, 33'000}};
    one.last_validation = {{.quantity = "p99",
                            .workload = "QoS 0",
                            .predicted = 0.002,
                            .measured = 0.0025,
                            .unit = "s"}};
    one.validated_at = "2026-01-02 00:00 UTC";
    file.warnings = {"the machine was busy"};
    file.command = "touchstone plan calibrate";
    return file;
}

}  // namespace touchstone::planner
