#include "load/outcome.hpp"

namespace touchstone::load {

namespace {

double per_second(std::uint64_t count, Nanos length) {
    return length <= 0 ? 0 : static_cast<double>(count) / in_seconds(length);
}

}  // namespace

void Times::add(const Times& other) {
    connect.add(other.connect);
    delivery.add(other.delivery);
    acknowledge.add(other.acknowledge);
    ping.add(other.ping);
    lag.add(other.lag);
    connect_lag.add(other.connect_lag);
}

Counts Outcome::all() const {
    Counts sum;
    for (const auto& group : groups) sum.add(group);
    return sum;
}

double Outcome::sent_per_s() const {
    return per_second(all()[Count::sent_in_window], measured);
}

double Outcome::received_per_s() const {
    return per_second(all()[Count::received_in_window], measured);
}

double Outcome::offered_per_s() const {
    return per_second(all()[Count::offered_in_window], measured);
}

}  // namespace touchstone::load
