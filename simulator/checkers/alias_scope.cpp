// A1: a Topic Alias means what was said on this Network Connection and nothing else (v5
// [MQTT-3.3.2-7]): a PUBLISH without a Topic Name uses one that was set on its connection before.

#include <fmt/format.h>

#include <set>
#include <tuple>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_alias_scope(const Trace& trace, const History& history) {
    std::set<std::tuple<ConnectionNumber, Direction, std::uint16_t>> known;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.type != wire::PacketType::publish) continue;
        const auto* by_client = sent_by_client(trace, entry);
        const auto* packet = by_client != nullptr ? by_client : sent_by_broker(trace, entry);
        const bool has_alias = packet != nullptr && packet->type == wire::PacketType::publish &&
                               packet->topic_alias != 0;
        if (!has_alias) continue;
        const std::tuple key{packet->connection, packet->direction, packet->topic_alias};
        if (!packet->topic.empty()) {
            known.insert(key);
            continue;
        }
        if (known.contains(key)) continue;
        failures.push_back(
            {index,
             fmt::format("{} was sent {} '{}' with Topic Alias {} alone, which was never set "
                         "on this connection",
                         label_of(trace, packet->message), by_client != nullptr ? "by" : "to",
                         history.of(packet->connection).client_id, packet->topic_alias)});
    }
    return failures;
}

}  // namespace touchstone::simulator
