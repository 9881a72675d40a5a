// W1: on a connection, PUBLISHes of QoS 1 and 2 that were sent and are not acknowledged never
// exceed the receiver's Receive Maximum (v5 [MQTT-3.3.4-7], [MQTT-3.3.4-9]) or the sender's own
// limit.

#include <fmt/format.h>

#include <algorithm>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    using What = FlowTracker::What;
    FlowTracker tracker{direction};
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        if (seen.what == What::nothing || seen.what == What::finished ||
            seen.what == What::released) {
            continue;
        }
        const auto number = seen.flow.connection;
        const auto count =
            std::ranges::count(tracker.unfinished(seen.sender), number, &Flow::connection);
        const auto& connection = history.of(number);
        const auto window =
            direction == Direction::to_client ? connection.window : connection.client_window;
        if (static_cast<std::uint64_t>(count) <= window) continue;
        failures.push_back(
            {index, fmt::format("{} messages are in flight {} with {}; the window "
                                "is {}",
                                count, whose(history, seen), describe(trace, seen.flow), window)});
    }
}

}  // namespace

Failures check_window(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
