// O3: the broker acknowledges in the order in which it received: PUBACKs as QoS 1 PUBLISHes,
// PUBRECs as QoS 2 PUBLISHes, PUBCOMPs as PUBRELs, and its PUBRELs go out as PUBRECs came (v5
// [MQTT-4.6.0-2] to [MQTT-4.6.0-4]).

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

/// What answers a packet that came; PUBACK for all that are no flow's, which are not asked for.
std::optional<PacketType> answer_to(const TracedPacket& packet) {
    if (packet.type == PacketType::publish && packet.qos == QoS::at_least_once) {
        return PacketType::puback;
    }
    if (packet.type == PacketType::publish && packet.qos == QoS::exactly_once) {
        return PacketType::pubrec;
    }
    if (packet.type == PacketType::pubrec && !is_failure(packet.reason)) return PacketType::pubrel;
    if (packet.type == PacketType::pubrel) return PacketType::pubcomp;
    return std::nullopt;
}

}  // namespace

Failures check_acknowledgement_order(const Trace& trace, const History& history) {
    // connection, type of the answer → identifiers in the order of their coming
    std::map<std::pair<ConnectionNumber, PacketType>, std::deque<std::uint16_t>> owed;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        if (const auto* packet = taken_by_broker(trace, trace.entries[index])) {
            if (const auto answer = answer_to(*packet)) {
                owed[{packet->connection, *answer}].push_back(packet->packet_id);
            }
            continue;
        }
        const auto* answer = sent_by_broker(trace, trace.entries[index]);
        if (answer == nullptr) continue;
        const auto list = owed.find({answer->connection, answer->type});
        if (list == owed.end()) continue;
        auto& queue = list->second;
        const auto place = std::ranges::find(queue, answer->packet_id);
        // A PUBREL of its own accord, for a resumed or repeated flow.
        if (place == queue.end()) continue;
        if (place != queue.begin()) {
            failures.push_back(
                {index, fmt::format("{} for id {} went to '{}' before the one for id {}, which is "
                                    "owed longer",
                                    wire::name_of(answer->type), answer->packet_id,
                                    history.of(answer->connection).client_id, queue.front())});
        }
        queue.erase(place);
    }
    return failures;
}

}  // namespace touchstone::simulator
