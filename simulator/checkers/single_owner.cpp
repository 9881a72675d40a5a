// S1: a client that connects again takes its session over: the older connection is closed before
// the newer one is accepted (v5 [MQTT-3.1.4-3], v3.1.1 [MQTT-3.1.4-2]).

#include <fmt/format.h>

#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_single_owner(const Trace& trace, const History& history) {
    if (is_cluster_of_brokers(trace)) return check_single_owner_of_cluster(trace, history);
    std::map<std::pair<Actor, std::string>, ConnectionNumber> newest;  // node, Client Identifier
    Failures failures;
    for (const auto index : history.landmarks) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::connack) continue;
        const auto& connection = history.of(packet->connection);
        // Without a Client Identifier each is another client (v3.1.1 [MQTT-3.1.3-6]).
        if (!connection.is_accepted || connection.client_id.empty()) continue;
        const auto [known, is_first] =
            newest.try_emplace({connection.node, connection.client_id}, packet->connection);
        if (is_first) continue;
        const auto& older = history.of(known->second);
        known->second = packet->connection;
        if (older.end_entry < index) continue;
        failures.push_back({index, fmt::format("'{}' was accepted on a second connection while its "
                                               "first one was still there",
                                               connection.client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
