// D1: a filter that begins with a wildcard does not match a topic that begins with $
// (v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]). More: what a session gets matches a subscription of
// it.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_dollar_rule(const Trace& trace, const History& history) {
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        const auto session = history.session_of(*packet);
        // An empty topic stands for an alias, which the simulated clients do not offer.
        if (session == no_session || packet->topic.empty()) continue;
        if (!history.ever_matching(session, packet->topic).empty()) continue;
        // A message may come before the SUBACK that grants what it matches, never after none.
        failures.push_back(
            {index, fmt::format("'{}' got a message to '{}', which none of its "
                                "subscriptions matches",
                                history.sessions[session].client_id, packet->topic)});
    }
    return failures;
}

}  // namespace touchstone::simulator
