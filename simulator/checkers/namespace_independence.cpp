// P3: the two directions of a connection have Packet Identifiers of their own (§2.2.1). A PUBLISH
// to a client that has the identifier of something the client waits for is a PUBLISH all the same,
// and is handed over.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/requests.hpp"

namespace touchstone::simulator {

Failures check_namespace_independence(const Trace& trace, const History& history) {
    FlowTracker flows{Direction::to_broker};
    RequestTracker requests;
    std::map<std::uint32_t, std::size_t> crossing;  // packet that is not handed over yet → entry
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto* packet = entry.is_flow ? taken_by_client(trace, entry) : nullptr;
        const bool is_new = packet != nullptr && !packet->dup;
        if (is_new) {
            const auto& unfinished = flows.unfinished(entry.actor.raw());
            const bool is_crossing = requests.is_open(entry.actor, packet->packet_id) ||
                                     std::ranges::find(unfinished, packet->packet_id,
                                                       &Flow::packet_id) != unfinished.end();
            if (is_crossing) crossing.emplace(entry.index, index);
        }
        if (entry.kind == TraceEntry::Kind::delivered && !crossing.empty())
            crossing.erase(entry.index);
        flows.step(trace, history, entry);
        requests.step(trace, entry);
    }
    Failures failures;
    for (const auto& [number, entry] : crossing) {
        const auto& packet = trace.packets[number];
        const Instant since = trace.entries[entry].at;
        if (!history.client_stays(trace, packet.connection, since, progress_time)) continue;
        // Under an identifier that the broker forgot since its disk lied, the client has a message
        // already.
        if (history.is_broken(history.of(packet.connection).node, Instant{}, since)) continue;
        failures.push_back(
            {entry,
             fmt::format("{} was never handed to the application of '{}', which waited for "
                         "an answer with the same identifier, {}",
                         label_of(trace, packet.message),
                         trace.name_of(trace.client_of(packet.connection)), packet.packet_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
