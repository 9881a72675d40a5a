#include "planner/models/calibration.hpp"

namespace touchstone::planner {

double packets_in(const OperationRates& rates) {
    using enum Operation;
    return at(rates, publish_0) + at(rates, publish_1) + 2 * at(rates, publish_2) +
           at(rates, deliver_1) + 2 * at(rates, deliver_2) + at(rates, ping);
}

Figure work_of(const Calibration& calibration, OperationRates rates) {
    at(rates, Operation::wake) = 0;
    return calibration.cpu.mean_at(rates);
}

double wake_of(const Calibration& calibration, double arrivals_per_s) {
    return calibration.cpu.coefficients[static_cast<std::size_t>(Operation::wake)] /
           (1 + arrivals_per_s * calibration.wake_delay_s);
}

Figure processor_time(const Calibration& calibration, OperationRates rates, std::uint32_t servers) {
    const double work = work_of(calibration, rates).value / servers;
    const double arrivals = packets_in(rates) / servers;
    const double wake_s = wake_of(calibration, arrivals);
    // u = work + arrivals wake (1 - u); a server that cannot keep up never sleeps.
    const double busy = work >= 1 ? work : (work + arrivals * wake_s) / (1 + arrivals * wake_s);
    at(rates, Operation::wake) =
        work >= 1 ? 0 : servers * arrivals * (1 - busy) / (1 + arrivals * calibration.wake_delay_s);
    return calibration.cpu.mean_at(rates);
}

Figure memory_of(const Calibration& calibration, const Holdings& holdings) {
    return calibration.memory.mean_at(holdings);
}

}  // namespace touchstone::planner
