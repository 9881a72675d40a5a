// M2: a peer makes the broker set aside no more room than the operator allows for one packet,
// whatever Remaining Length it announces (v5 §3.1.2.11.4).

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_intake_room(const Trace& trace, const History&) {
    Failures failures;
    for (const auto& memory : trace.end.memory) {
        const auto limit_bytes = settings_of(trace.nodes, memory.node).packet_size_bytes_max;
        if (memory.wanted_bytes_max <= limit_bytes) continue;
        failures.push_back(
            {no_entry,
             fmt::format("'{}' wanted room for {} bytes of one packet; its limit is {}",
                         trace.name_of(memory.node), memory.wanted_bytes_max, limit_bytes)});
    }
    return failures;
}

}  // namespace touchstone::simulator
