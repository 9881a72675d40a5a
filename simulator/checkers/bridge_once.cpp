// bridges: a bridge publishes each message at most once on each side, and never on the side that
// has it already, where it came from. A message is known by its payload on both.

#include <fmt/format.h>

#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_bridge_once(const Trace& trace, const History& history) {
    struct Seen {
        std::size_t entry = no_entry;
        Actor client;
    };
    std::map<std::pair<Actor, std::uint32_t>, Seen> published;  // node, message → first time
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto* packet = sent_by_client(trace, entry);
        const bool is_first = packet != nullptr && packet->type == wire::PacketType::publish &&
                              !packet->dup && packet->message != no_message;
        if (!is_first) continue;
        const auto node = history.of(packet->connection).node;
        const auto [known, is_new] =
            published.try_emplace({node, packet->message}, Seen{index, entry.actor});
        const bool is_bridge = trace.messages[packet->message].publisher != entry.actor;
        if (is_new || !is_bridge) continue;
        failures.push_back(
            {index, fmt::format("the bridge '{}' published {} to '{}', where '{}' "
                                "had published it",
                                trace.name_of(entry.actor), label_of(trace, packet->message),
                                trace.name_of(node), trace.name_of(known->second.client))});
    }
    return failures;
}

}  // namespace touchstone::simulator
