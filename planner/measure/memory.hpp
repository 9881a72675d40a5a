// What things take in a broker's memory: puts them there step by step, and reads the process after
// each.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "load/workload.hpp"
#include "planner/models/calibration.hpp"

namespace touchstone::planner {

struct MemorySample {
    Holdings holdings{};
    double private_bytes = 0;
};

/// How much of everything, in eight steps each: memory grows in larger ones.
struct MemoryPlan {
    std::uint32_t connections = 4'000;
    std::uint32_t subscriptions = 20'000;
    std::uint32_t retained = 16'000;
    std::uint32_t sessions = 4'000;  // of clients that are away, with a subscription each
    std::uint32_t queued_each = 12;  // messages for each of these
    /// Bytes of payloads, each message of a step another. Pairs of steps take the lists in turn:
    /// one is of small ones and one of large ones, so that messages and their bytes can be told
    /// apart (in pairs, since every other step adds a message more to each queue); many in each,
    /// since brokers keep bytes in pieces of certain sizes.
    std::vector<std::vector<std::uint32_t>> payloads{{24, 40, 64, 100, 120, 180},
                                                     {220, 260, 300, 340, 420, 512}};
    unsigned steps = 8;
};

/// The first sample is the process as it was found. Takes everything away again. Throws
/// CannotMeasure. `goes_on` is told what is done and asked whether to.
[[nodiscard]] std::vector<MemorySample>
measure_memory(const load::Target& target, int pid, const MemoryPlan& plan,
               const std::string& run_id, const std::function<bool(const std::string&)>& goes_on);

/// Bytes for each holding, from samples. Nothing when there are too few.
[[nodiscard]] std::optional<LinearFit> fit_memory(const std::vector<MemorySample>& samples);

}  // namespace touchstone::planner
