#include "planner/models/calibration.hpp"

#include <algorithm>
#include <cmath>

namespace touchstone::planner {

double packets_in(const OperationRates& rates) {
    using enum Operation;
    return at(rates, publish_0) + at(rates, publish_1) + 2 * at(rates, publish_2) +
           at(rates, deliver_1) + 2 * at(rates, deliver_2) + at(rates, ping);
}

double packets_out(const OperationRates& rates) {
    using enum Operation;
    return at(rates, publish_1) + 2 * at(rates, publish_2) + at(rates, deliver_0) +
           at(rates, deliver_1) + 2 * at(rates, deliver_2) + at(rates, ping);
}

double tenfolds_uncached(double connections) {
    return std::log10(std::max(1.0, connections / cached_connections));
}

Figure work_of(const Calibration& calibration, OperationRates rates) {
    at(rates, Operation::read) = at(rates, Operation::look) = packets_in(rates);
    at(rates, Operation::write) = packets_out(rates);
    at(rates, Operation::wake) = 0;
    return calibration.cpu.mean_at(rates);
}

Figure memory_of(const Calibration& calibration, const Holdings& holdings) {
    return calibration.memory.mean_at(holdings);
}

}  // namespace touchstone::planner
