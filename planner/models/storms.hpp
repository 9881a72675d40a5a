// When many clients come at once: after a crash, by a ramp, at the top of the minute.
#pragma once

#include <string>
#include <vector>

#include "planner/models/calibration.hpp"
#include "planner/models/demand.hpp"

namespace touchstone::planner {

struct StormForecast {
    std::string what;
    double clients = 0;
    double connects_per_s = 0;  // that the nodes can do beside their work
    double all_s = 0;           // until all are in, when all come at once
    double patience_s = 0;      // of a client
    double cap_s = 0;           // of the clients' backoff
    double cap_min_s = 0;       // that keeps 80 % of the rate
    bool holds = false;
    std::string words;
};

/// CPU seconds to let one of these in, with what it subscribes to and is sent.
[[nodiscard]] double admission_s(const Calibration& calibration, const Arrival& arrival);

/// `spare`: CPU seconds a second that the nodes have left beside their steady work. Ramps and
/// crashes of all that come.
[[nodiscard]] std::vector<StormForecast> forecast_arrivals(const Calibration& calibration,
                                                           const Demand& demand, double spare);

/// Messages that come all at once: until when the nodes have worked through them.
[[nodiscard]] std::vector<StormForecast> forecast_bursts(const Calibration& calibration,
                                                         const Demand& demand, double spare,
                                                         double latency_max_s);

}  // namespace touchstone::planner
