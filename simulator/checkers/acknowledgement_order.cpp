// O3: who receives acknowledges in that order, broker and client alike: PUBACKs as QoS 1 PUBLISHes,
// PUBRECs as QoS 2 PUBLISHes, PUBCOMPs as PUBRELs, and PUBRELs go out as PUBRECs came (v5
// [MQTT-4.6.0-2] to [MQTT-4.6.0-4]).

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

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

/// Answers in `direction`.
void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    const bool is_of_broker = direction == Direction::to_client;
    // connection, type of the answer → identifiers in the order of their coming
    std::map<std::pair<ConnectionNumber, PacketType>, std::deque<std::uint16_t>> owed;
    std::set<Actor> scripted;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        // What it answers from now on may be what the scenario says.
        if (entry.kind == TraceEntry::Kind::scripted && !is_of_broker) scripted.insert(entry.actor);
        const auto* packet =
            is_of_broker ? taken_by_broker(trace, entry) : taken_by_client(trace, entry);
        if (packet != nullptr) {
            if (const auto answer = answer_to(*packet)) {
                owed[{packet->connection, *answer}].push_back(packet->packet_id);
            }
            continue;
        }
        const auto* answer =
            is_of_broker ? sent_by_broker(trace, entry) : sent_by_client(trace, entry);
        if (answer == nullptr || scripted.contains(entry.actor)) continue;
        const auto list = owed.find({answer->connection, answer->type});
        if (list == owed.end()) continue;
        auto& queue = list->second;
        const auto place = std::ranges::find(queue, answer->packet_id);
        // A PUBREL of its own accord, for a resumed or repeated flow.
        if (place == queue.end()) continue;
        if (place != queue.begin()) {
            failures.push_back(
                {index, fmt::format("{} for id {} was sent {} '{}' before the one for id {}, which "
                                    "is owed longer",
                                    wire::name_of(answer->type), answer->packet_id,
                                    is_of_broker ? "to" : "by",
                                    history.of(answer->connection).client_id, queue.front())});
        }
        queue.erase(place);
    }
}

}  // namespace

Failures check_acknowledgement_order(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
