// What the servers of a node do when a demand is put on them: how often they look, read, write and
// wake up, and what that costs them.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/models/calibration.hpp"
#include "planner/models/demand.hpp"
#include "planner/models/event_loop.hpp"

namespace touchstone::planner {

[[nodiscard]] LoopCosts loop_costs_of(const Calibration& calibration);

/// What comes to one of a node's servers; the first ones are the demand's streams.
[[nodiscard]] std::vector<PacketStream> packets_of(const Calibration& calibration,
                                                   const Demand& demand, std::uint32_t servers);

/// Rates of all operations, of all servers of a node together.
struct Activity {
    OperationRates rates{};
    bool keeps_up = true;
};
[[nodiscard]] Activity activity_of(const Calibration& calibration, const Demand& demand,
                                   std::uint32_t servers);

/// CPU seconds a second of messages and pings, waking up included.
[[nodiscard]] Figure processor_time(const Calibration& calibration, const Demand& demand,
                                    std::uint32_t servers);

/// The same of connects and of what comes with them.
[[nodiscard]] double admissions_of(const Calibration& calibration, const Demand& demand);

}  // namespace touchstone::planner
