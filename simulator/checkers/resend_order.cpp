// O2: unacknowledged PUBLISHes are sent again in the order of their first transmission, and nothing
// new of the same topic and QoS goes before them (v5 [MQTT-4.6.0-1] and its counterpart for
// servers). So whenever a PUBLISH is sent for the n-th time on a connection, every older one that
// is still unacknowledged has been sent n times on it.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    using What = FlowTracker::What;
    FlowTracker tracker{direction};
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        const bool is_new = seen.what == What::started;
        const bool is_resent = seen.what == What::resent || seen.what == What::resent_without_dup;
        if (!is_new && !is_resent) continue;
        for (const auto& older : tracker.unfinished(seen.sender)) {
            if (older.packet_id == seen.flow.packet_id) break;
            if (older.is_released) continue;
            const auto sends = older.connection == seen.flow.connection ? older.sends : 0;
            if (sends >= seen.flow.sends) continue;
            if (is_new && (older.topic != seen.flow.topic || older.qos != seen.flow.qos)) continue;
            failures.push_back(
                {index,
                 fmt::format("{} was sent {}{} before {}, which was first sent earlier and is not "
                             "acknowledged",
                             describe(trace, seen.flow), is_new ? "" : "again ",
                             whose(history, seen), describe(trace, older))});
            break;
        }
    }
}

}  // namespace

Failures check_resend_order(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
