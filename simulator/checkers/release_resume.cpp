// Q5: after a successful PUBREC the sender, broker or client, never sends that PUBLISH again; it
// sends PUBREL, on each connection anew, until PUBCOMP comes (v5 [MQTT-4.3.3-4] to [MQTT-4.3.3-6],
// [MQTT-4.4.0-1]).

#include <fmt/format.h>

#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    using What = FlowTracker::What;
    const bool is_of_broker = direction == Direction::to_client;
    FlowTracker tracker{direction};
    // Connection, identifier → the entry since when PUBREL is owed on that connection.
    std::map<std::pair<ConnectionNumber, std::uint16_t>, std::size_t> owed;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto seen = tracker.step(trace, history, entry);
        if (seen.what == What::resent_released) {
            failures.push_back(
                {index, fmt::format("PUBLISH {} was sent {} again although PUBREC "
                                    "had come",
                                    describe(trace, seen.flow), whose(history, seen))});
        }
        if (seen.what == What::released) {
            owed.try_emplace({seen.packet->connection, seen.flow.packet_id}, index);
        }
        if (seen.what == What::finished) {
            owed.erase({seen.packet->connection, seen.flow.packet_id});
        }
        const auto* sent =
            is_of_broker ? sent_by_broker(trace, entry) : sent_by_client(trace, entry);
        if (sent != nullptr && sent->type == PacketType::pubrel) {
            owed.erase({sent->connection, sent->packet_id});
        }
        // Both sides resume with CONNACK: the broker when it sends it, the client when it has it.
        const auto* connack = is_of_broker ? sent : taken_by_client(trace, entry);
        if (connack == nullptr || connack->type != PacketType::connack) continue;
        const auto session = history.session_of(*connack);
        if (!connack->session_present || session == no_session) continue;
        for (const auto& flow : tracker.unfinished(is_of_broker ? session : entry.actor.raw())) {
            if (flow.is_released) owed[{connack->connection, flow.packet_id}] = index;
        }
    }
    for (const auto& [key, entry] : owed) {
        const Instant since = trace.entries[entry].at;
        if (!history.lives_on(trace, key.first, since, progress_time)) continue;
        if (!is_of_broker && !history.client_stays(trace, key.first, since, progress_time))
            continue;
        failures.push_back({entry, fmt::format("PUBREL for id {} was owed {} '{}' on this "
                                               "connection and never sent",
                                               key.second, is_of_broker ? "to" : "by",
                                               history.of(key.first).client_id)});
    }
}

}  // namespace

Failures check_release_resume(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
