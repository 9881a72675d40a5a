// A fleet's file, read and checked, and turned into what the engine takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulator/fleet/fleet.pb.h"
#include "simulator/fleet/model.hpp"

namespace touchstone::simulator::fleet {

/// One run that a file asks for.
struct FleetRun {
    std::string name;  // of the variant; empty when there is none
    FleetModel model;
    touchstone::fleet::Fleet description;  // with the variant's changes
};

struct LoadedFleet {
    std::string path;
    touchstone::fleet::Fleet fleet;
    std::vector<FleetRun> runs;
    /// "path:line: field: what is wrong; what to do". The rest means nothing when there are any.
    std::vector<std::string> problems;
};

/// Whether the argument names a fleet's file: by its ending, or without it, below `scenarios`.
[[nodiscard]] bool names_fleet(const std::string& argument);

/// The file at `path`, or at scenarios/`path`.fleet.
[[nodiscard]] LoadedFleet load_fleet(const std::string& path);

/// Connects a second that the broker's servers can do, by the model's costs, of devices as those of
/// the class.
[[nodiscard]] double connects_per_second(const FleetModel& model, const DeviceClass& one);

}  // namespace touchstone::simulator::fleet
