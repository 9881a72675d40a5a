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

namespace {

/// 0 with fewer.
double tenfolds_beyond(double least, double connections) {
    return std::log10(std::max(1.0, connections / least));
}

}  // namespace

void add_uncached(OperationRates& rates, double connections) {
    const double packets = packets_in(rates) + packets_out(rates);
    at(rates, Operation::uncached) = packets * tenfolds_beyond(cached_connections, connections);
    at(rates, Operation::far_uncached) =
        packets * tenfolds_beyond(last_cached_connections, connections);
}

double uncached_s(const Calibration& calibration, double connections) {
    const auto cost = [&](Operation operation) {
        return calibration.cpu.coefficients[static_cast<std::size_t>(operation)];
    };
    return cost(Operation::uncached) * tenfolds_beyond(cached_connections, connections) +
           cost(Operation::far_uncached) * tenfolds_beyond(last_cached_connections, connections);
}

Figure work_of(const Calibration& calibration, OperationRates rates) {
    at(rates, Operation::read) = at(rates, Operation::look) = packets_in(rates);
    at(rates, Operation::write) = packets_out(rates);
    at(rates, Operation::wake) = 0;
    return calibration.cpu.mean_at(rates);
}

namespace {

double power_of_paces(double pace_s, double usual_s, double exponent) {
    return pace_s <= 0 || usual_s <= 0 ? 1 : std::pow(pace_s / usual_s, exponent);
}

}  // namespace

double cost_factor(double pace_s, double usual_s) {
    return power_of_paces(pace_s, usual_s, 0.85);
}

double latency_factor(double pace_s, double usual_s) {
    return power_of_paces(pace_s, usual_s, 1.1);
}

Calibration at_pace(Calibration calibration, double pace_s) {
    const double dearer = cost_factor(pace_s, calibration.pace_s);
    const double slower = latency_factor(pace_s, calibration.pace_s);
    calibration.cpu.scale(dearer);
    for (Figure* one : {&calibration.connect_s, &calibration.disconnect_s, &calibration.subscribe_s,
                        &calibration.tls_handshake_s}) {
        *one = {.value = one->value * dearer, .half_width = one->half_width * dearer};
    }
    calibration.wake_delay_s *= dearer;
    calibration.answer_s *= dearer;
    for (auto& one : calibration.latencies) one.seconds = one.seconds.times(slower);
    if (pace_s > 0) calibration.pace_s = pace_s;
    return calibration;
}

Figure memory_of(const Calibration& calibration, const Holdings& holdings) {
    return calibration.memory.mean_at(holdings);
}

}  // namespace touchstone::planner
