// P2: a PUBLISH that is sent again keeps its Packet Identifier and says DUP 1; one that is sent for
// the first time says DUP 0 (v5 [MQTT-3.3.1-1], [MQTT-2.2.1-6], v3.1.1 [MQTT-3.3.1-1]).

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    using What = FlowTracker::What;
    for (const auto& step : history.flows(direction).steps()) {
        const auto& seen = step.seen;
        const auto complain = [&](std::string_view what) {
            failures.push_back({step.entry, fmt::format("{} {} {}", describe(trace, seen.flow),
                                                        what, whose(history, seen))});
        };
        if (seen.what == What::started_with_dup) {
            complain("was sent with DUP 1, but has no unfinished flow with this identifier,");
        }
        if (seen.what == What::resent_without_dup) complain("was sent again with DUP 0");
        const bool is_other_message =
            seen.what == What::resent && seen.packet->message != seen.flow.message;
        if (is_other_message) {
            complain(fmt::format("was sent again as {}", label_of(trace, seen.packet->message)));
        }
    }
}

}  // namespace

Failures check_packet_id_stability(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
