// Q5: after a successful PUBREC the broker never sends that PUBLISH again; it sends PUBREL, on each
// connection anew, until PUBCOMP comes (v5 [MQTT-4.3.3-5] to [MQTT-4.3.3-7], [MQTT-4.4.0-1]).

#include <fmt/format.h>

#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

Failures check_release_resume(const Trace& trace, const History& history) {
    using What = FlowTracker::What;
    FlowTracker tracker;
    // Connection, identifier → the entry since when PUBREL is owed on that connection.
    std::map<std::pair<ConnectionNumber, std::uint16_t>, std::size_t> owed;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto seen = tracker.step(trace, history, trace.entries[index]);
        if (seen.what == What::resent_released) {
            failures.push_back({index, fmt::format("PUBLISH {} was sent to '{}' again although "
                                                   "PUBREC had come",
                                                   describe(trace, seen.flow),
                                                   history.sessions[seen.session].client_id)});
        }
        if (seen.what == What::released) {
            owed.try_emplace({seen.packet->connection, seen.flow.packet_id}, index);
        }
        if (seen.what == What::finished) {
            owed.erase({seen.packet->connection, seen.flow.packet_id});
        }
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr) continue;
        if (packet->type == PacketType::pubrel) owed.erase({packet->connection, packet->packet_id});
        if (packet->type == PacketType::connack && packet->session_present) {
            const auto session = history.session_of(*packet);
            if (session == no_session) continue;
            for (const auto& flow : tracker.unfinished(session)) {
                if (flow.is_released) owed[{packet->connection, flow.packet_id}] = index;
            }
        }
    }
    for (const auto& [key, entry] : owed) {
        if (!history.lives_on(trace, key.first, trace.entries[entry].at, progress_time)) continue;
        failures.push_back({entry, fmt::format("PUBREL for id {} was owed to '{}' on this "
                                               "connection and never sent",
                                               key.second, history.of(key.first).client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
