// M1: whatever bytes a peer sends, they are a packet, part of one, or an error. No process ends by
// them.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_survival(const Trace& trace, const History&) {
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind != TraceEntry::Kind::died) continue;
        failures.push_back(
            {index, fmt::format("'{}' died of what it was sent", trace.name_of(entry.actor))});
    }
    return failures;
}

}  // namespace touchstone::simulator
