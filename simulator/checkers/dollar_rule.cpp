// D1: a filter that begins with a wildcard does not match a topic that begins with $
// (v5 [MQTT-4.7.2-1], v3.1.1 [MQTT-4.7.2-1]). More: what a session gets matches a subscription of
// it.

#include <fmt/format.h>

#include <algorithm>

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
        const auto subscriptions = history.ever_matching(session, packet->topic);
        const auto& client_id = history.sessions[session].client_id;
        if (subscriptions.empty()) {
            failures.push_back({index, fmt::format("'{}' got a message to '{}', which none of its "
                                                   "subscriptions matches",
                                                   client_id, packet->topic)});
            continue;
        }
        const auto is_enough = [&](const auto* one) { return one->granted >= packet->qos; };
        if (std::ranges::any_of(subscriptions, is_enough)) continue;
        failures.push_back(
            {index, fmt::format("'{}' got {} of '{}' at QoS {}, more than it was granted",
                                client_id, label_of(trace, packet->message), packet->topic,
                                static_cast<unsigned>(packet->qos))});
    }
    return failures;
}

}  // namespace touchstone::simulator
