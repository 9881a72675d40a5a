// Q3: between PUBLISH and PUBREL of a QoS 2 flow, any number of repetitions of that PUBLISH is
// answered with a successful PUBREC, and the connection stays (§4.3.3, figure 4.3). That nothing
// goes on twice is Q2.

#include <fmt/format.h>

#include <map>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

Failures check_duplicate_before_release(const Trace& trace, const History& history) {
    std::map<std::uint32_t, std::set<std::uint16_t>> unreleased;  // session → identifiers
    std::map<std::pair<ConnectionNumber, std::uint16_t>, std::size_t> repeated;  // not yet answered
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (const auto* packet = taken_by_broker(trace, entry)) {
            const auto session = history.session_of(*packet);
            if (session == no_session) continue;
            auto& waiting = unreleased[session];
            if (packet->type == PacketType::pubrel) waiting.erase(packet->packet_id);
            const bool is_flow =
                packet->type == PacketType::publish && packet->qos == QoS::exactly_once;
            if (is_flow && waiting.contains(packet->packet_id)) {
                repeated.try_emplace({packet->connection, packet->packet_id}, index);
            }
        } else if (const auto* answer = sent_by_broker(trace, entry)) {
            const auto session = history.session_of(*answer);
            if (session == no_session || answer->type != PacketType::pubrec) continue;
            const bool is_refused = is_failure(answer->reason);
            if (!is_refused) unreleased[session].insert(answer->packet_id);
            if (repeated.erase({answer->connection, answer->packet_id}) == 0 || !is_refused) {
                continue;
            }
            failures.push_back({index, fmt::format("'{}' repeated the PUBLISH with id {} before "
                                                   "PUBREL and was refused: {}",
                                                   history.of(answer->connection).client_id,
                                                   answer->packet_id, name_of(answer->reason))});
        }
    }
    for (const auto& [key, entry] : repeated) {
        const auto& connection = history.of(key.first);
        const bool was_closed = connection.end == ConnectionHistory::End::by_broker &&
                                trace.entries[connection.end_entry].at == trace.entries[entry].at;
        const bool was_silent =
            history.lives_on(trace, key.first, trace.entries[entry].at, progress_time);
        if (!was_closed && !was_silent) continue;
        failures.push_back(
            {entry, fmt::format("'{}' repeated the PUBLISH with id {} before PUBREL "
                                "and {}",
                                connection.client_id, key.second,
                                was_closed ? "its connection was closed" : "got no PUBREC")});
    }
    return failures;
}

}  // namespace touchstone::simulator
