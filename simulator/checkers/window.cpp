// W1: on a connection, PUBLISHes of QoS 1 and 2 that were sent and are not acknowledged never
// exceed the receiver's Receive Maximum (v5 [MQTT-3.3.4-7], [MQTT-3.3.4-9]) or the sender's own
// limit.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    using What = FlowTracker::What;
    for (const auto& step : history.flows(direction).steps()) {
        const auto& seen = step.seen;
        if (seen.what == What::finished || seen.what == What::released) continue;
        const auto number = seen.flow.connection;
        const auto& connection = history.of(number);
        const auto window =
            direction == Direction::to_client ? connection.window : connection.client_window;
        if (step.in_flight <= window) continue;
        failures.push_back(
            {step.entry, fmt::format("{} messages are in flight {} with {}; the window "
                                     "is {}",
                                     step.in_flight, whose(history, seen),
                                     describe(trace, seen.flow), window)});
    }
}

}  // namespace

Failures check_window(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
