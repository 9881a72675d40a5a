// What O1, Q1, L1 and B1 mean in a cluster.
#pragma once

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_publisher_order_in_cluster(const Trace& trace, const History& history);
Failures check_at_least_once_in_cluster(const Trace& trace, const History& history);
/// Wills without a delay.
Failures check_will_once_in_cluster(const Trace& trace, const History& history);
Failures check_bounds_of_cluster(const Trace& trace);

}  // namespace touchstone::simulator
