// C5: who may connect gets in. A CONNECT is not refused for reasons that lie in the server (v5
// §3.2.2.2: Unspecified error, Implementation specific error, Server unavailable; v3.1.1 §3.2.2.3:
// 3). Of clusters: checkers/cluster.cpp.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_availability(const Trace& trace, const History& history) {
    if (is_cluster_of_brokers(trace)) return check_declared_availability(trace, history);
    Failures failures;
    if (judged_as(trace) == JudgedAs::one_broker)
        failures = check_declared_availability(trace, history);
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::connack) continue;
        if (packet->reason != ReasonCode::unspecified_error &&
            packet->reason != ReasonCode::implementation_specific_error &&
            packet->reason != ReasonCode::server_unavailable) {
            continue;
        }
        // A session that cannot be stored is not promised.
        if (history.is_refusing(history.of(packet->connection).node, trace.entries[index].at)) {
            continue;
        }
        failures.push_back(
            {index, fmt::format("'{}' was refused: {}", history.of(packet->connection).client_id,
                                name_of(packet->reason))});
    }
    return failures;
}

}  // namespace touchstone::simulator
