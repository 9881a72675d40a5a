// L2: the Will Message that is published is the one of the connection that died, never one of a
// connection of the same client that is there (v5 [MQTT-3.1.2-8]: the Will Message belongs to the
// Network Connection). That it is published once, and when, is L1.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_will_ownership(const Trace& trace, const History& history) {
    std::map<std::uint32_t, std::size_t> published;  // message → entry of its first transmission
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        if (packet->message == no_message || !trace.messages[packet->message].is_will) continue;
        published.emplace(packet->message, index);
    }
    Failures failures;
    for (const auto& living : history.connections) {
        if (!living.is_accepted || !living.will) continue;
        const auto seen = published.find(living.will->message);
        if (seen == published.end() || living.end_entry < seen->second) continue;
        const auto has_died = [&](const ConnectionHistory& other) {
            return &other != &living && other.node == living.node && other.will &&
                   other.client_id == living.client_id && other.end_entry < seen->second &&
                   other.connect_entry < living.connect_entry && !other.disconnect;
        };
        const auto dead = std::ranges::find_if(history.connections, has_died);
        if (dead == history.connections.end()) continue;
        failures.push_back(
            {seen->second,
             fmt::format("{}, the Will Message of the connection of '{}' that is there, was "
                         "published when an older connection died, whose own is {}",
                         label_of(trace, living.will->message), living.client_id,
                         label_of(trace, dead->will->message))});
    }
    return failures;
}

}  // namespace touchstone::simulator
