// P1: no two unfinished flows of one sender share a Packet Identifier (v5 [MQTT-2.2.1-4], v3.1.1
// [MQTT-2.3.1-4]).

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_packet_id_uniqueness(const Trace& trace, const History& history) {
    FlowTracker tracker;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        if (seen.what != FlowTracker::What::started_in_use) continue;
        failures.push_back({index, fmt::format("{} was sent to '{}' while another flow with this "
                                               "identifier was unfinished",
                                               describe(trace, seen.flow),
                                               history.sessions[seen.session].client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
