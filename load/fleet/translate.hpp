// A simulated fleet as a workload: the same devices, on real connections.
#pragma once

#include <string>
#include <vector>

#include "load/workload.hpp"
#include "simulator/fleet/model.hpp"

namespace touchstone::load {

struct LiveFleet {
    Workload workload;                   // without target, seed and run id
    simulator::fleet::FleetModel model;  // what the virtual run beside it is to be of
    std::vector<std::string> left_out;   // of the file, in sentences
};

/// `scale`: of the number of devices of each class, of which one is left at least, and of the pace
/// of its ramp. `duration_max`: of the run, which ends then if it is not over; 0: no bound. What
/// cannot be made on a real broker (links, crashes, cuts, the broker's costs and limits) is left
/// out of both.
[[nodiscard]] LiveFleet translate(simulator::fleet::FleetModel model, double scale,
                                  Nanos duration_max);

}  // namespace touchstone::load
