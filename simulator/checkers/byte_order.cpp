// O5: what the broker sends on a connection arrives as it was sent: packet behind packet, whole.
// What gets out of order on the way into the connection can no longer be read.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_byte_order(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto index : history.landmarks) {
        const auto& entry = trace.entries[index];
        if (entry.kind != TraceEntry::Kind::sent) continue;
        const auto& packet = trace.packets[entry.index];
        // Who sent what is no packet may have spoken another version than it seems.
        if (packet.direction != Direction::to_client || !packet.malformed ||
            history.of(packet.connection).has_malformed ||
            trace.connections[packet.connection.raw()].is_forged) {
            continue;
        }
        failures.push_back(
            {index, fmt::format("{} bytes that the broker sent to '{}' are no packet",
                                packet.size_bytes, history.of(packet.connection).client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
