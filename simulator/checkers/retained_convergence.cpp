// R1: at rest every shard of a node holds the same Retained Message for a topic.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_retained_convergence(const Trace& trace, const History&) {
    Failures failures;
    const auto shown = [](const std::string& payload) {
        return payload.empty() ? std::string{"nothing"} : label_of(payload);
    };
    for (const auto& [topic, per_shard] : trace.end.retained) {
        for (std::size_t shard = 1; shard < per_shard.size(); ++shard) {
            if (per_shard[shard] == per_shard[0]) continue;
            failures.push_back({no_entry, fmt::format("shard 0 retains {} for '{}', shard {} {}",
                                                      shown(per_shard[0]), topic, shard,
                                                      shown(per_shard[shard]))});
            break;
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
