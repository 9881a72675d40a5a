// refusal: a connection whose CONNECT was refused is closed, so that it costs nothing any more (v5
// [MQTT-3.2.2-7], v3.1.1 [MQTT-3.2.2-5]).

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_refusal(const Trace& trace, const History& history) {
    Failures failures;
    for (std::uint32_t raw = 0; raw < history.connections.size(); ++raw) {
        const auto& connection = history.connections[raw];
        if (connection.connack_entry == no_entry || connection.is_accepted) continue;
        const Instant refused_at = trace.entries[connection.connack_entry].at;
        if (!history.lives_on(trace, ConnectionNumber{raw}, refused_at, progress_time)) continue;
        failures.push_back({connection.connack_entry,
                            fmt::format("the connection of '{}' was refused and not closed",
                                        connection.client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
