// O4: a client first sends what its application published in the order of the calls, for each topic
// and QoS, those made while it was away included (v5 [MQTT-4.6.0-1] for repetitions; what a client
// queues before is its own, and applications rely on it).

#include <fmt/format.h>

#include <map>
#include <tuple>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_application_order(const Trace& trace, const History&) {
    std::map<std::tuple<Actor, std::string, QoS>, std::uint32_t> newest;  // → message
    std::vector<bool> was_sent(trace.messages.size());
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_client(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish ||
            packet->message == no_message) {
            continue;
        }
        const auto& message = trace.messages[packet->message];
        // A bridge publishes what other applications made, and each only once here.
        if (message.publisher != trace.entries[index].actor || was_sent[packet->message]) continue;
        was_sent[packet->message] = true;
        const auto [last, is_first] =
            newest.try_emplace({message.publisher, message.topic, message.qos}, packet->message);
        if (is_first) continue;
        if (message.sequence > trace.messages[last->second].sequence) {
            last->second = packet->message;
            continue;
        }
        failures.push_back(
            {index, fmt::format("'{}' first sent {} after {}, which its application "
                                "published later to '{}'",
                                trace.name_of(message.publisher), label_of(trace, packet->message),
                                label_of(trace, last->second), message.topic)});
    }
    return failures;
}

}  // namespace touchstone::simulator
