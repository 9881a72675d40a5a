// W1: on a connection, PUBLISHes of QoS 1 and 2 that were sent and are not acknowledged never
// exceed the client's Receive Maximum (v5 [MQTT-3.3.4-9]) or the broker's own limit.

#include <fmt/format.h>

#include <algorithm>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_window(const Trace& trace, const History& history) {
    using What = FlowTracker::What;
    FlowTracker tracker;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        if (seen.what == What::nothing || seen.what == What::finished ||
            seen.what == What::released) {
            continue;
        }
        const auto connection = seen.flow.connection;
        const auto count =
            std::ranges::count(tracker.unfinished(seen.session), connection, &Flow::connection);
        const auto window = history.of(connection).window;
        if (static_cast<std::uint64_t>(count) <= window) continue;
        failures.push_back({index, fmt::format("{} messages are in flight to '{}' with {}; its "
                                               "window is {}",
                                               count, history.of(connection).client_id,
                                               describe(trace, seen.flow), window)});
    }
    return failures;
}

}  // namespace touchstone::simulator
