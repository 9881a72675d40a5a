// O1: what one publisher published to one topic at one QoS is first delivered in the order of
// publishing (§4.6). Retained Messages for a new subscription are R2's business.

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

Failures check_publisher_order(const Trace& trace, const History& history) {
    struct Last {
        std::uint64_t sequence = 0;
        std::uint32_t message = no_message;
    };
    // session, publisher, topic, QoS of publishing, QoS of delivery
    std::map<std::tuple<std::uint32_t, Actor, std::string, QoS, QoS>, Last> newest;
    std::set<std::pair<std::uint32_t, std::uint32_t>> delivered;  // session, message
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = taken_by_client(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish || packet->retain ||
            packet->message == no_message) {
            continue;
        }
        const auto session = history.session_of(*packet);
        const auto& message = trace.messages[packet->message];
        if (session == no_session || message.is_will) continue;
        if (!delivered.insert({session, packet->message}).second) continue;
        auto& last = newest[{session, message.publisher, message.topic, message.qos, packet->qos}];
        if (message.sequence < last.sequence) {
            failures.push_back(
                {index,
                 fmt::format("'{}' received {} for the first time after {}, which {} "
                             "published later to '{}' at QoS {}",
                             history.sessions[session].client_id, label_of(trace, packet->message),
                             label_of(trace, last.message), trace.name_of(message.publisher),
                             message.topic, static_cast<unsigned>(message.qos))});
            continue;
        }
        last = {message.sequence, packet->message};
    }
    return failures;
}

}  // namespace touchstone::simulator
