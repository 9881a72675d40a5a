// reading: a client that sends well-formed packets is not told that one is malformed (v5 §4.13.1):
// every Remaining Length up to 268,435,455 is one (§1.5.5). Before v5 no reason is given.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_reading(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto index : history.landmarks) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        const bool is_reproach = packet != nullptr &&
                                 packet->reason == ReasonCode::malformed_packet &&
                                 (packet->type == wire::PacketType::disconnect ||
                                  packet->type == wire::PacketType::connack);
        if (!is_reproach || history.of(packet->connection).has_malformed) continue;
        failures.push_back({index, fmt::format("'{}' was told of a Malformed Packet and sent none",
                                               history.of(packet->connection).client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
