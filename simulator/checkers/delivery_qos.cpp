// qos: a message is delivered at the lower one of the QoS it was published with and the QoS that
// was granted, no lower (v5 [MQTT-3.8.4-8], v3.1.1 [MQTT-3.8.4-6]). That it is no higher is part of
// D1.

#include <fmt/format.h>

#include <algorithm>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_delivery_qos(const Trace& trace, const History& history) {
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        const auto session = history.session_of(*packet);
        if (session == no_session || packet->message == no_message) continue;
        const auto subscriptions = history.ever_matching(session, packet->topic);
        if (subscriptions.empty()) continue;  // D1
        const auto published = trace.messages[packet->message].qos;
        QoS lowest = published;
        for (const auto* one : subscriptions) lowest = min(lowest, one->granted);
        if (packet->qos >= lowest) continue;
        failures.push_back(
            {index,
             fmt::format("'{}' got {} at QoS {}; it was published at QoS {} and at least QoS "
                         "{} was granted",
                         history.sessions[session].client_id, label_of(trace, packet->message),
                         static_cast<unsigned>(packet->qos), static_cast<unsigned>(published),
                         static_cast<unsigned>(lowest))});
    }
    return failures;
}

}  // namespace touchstone::simulator
