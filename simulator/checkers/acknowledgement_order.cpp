// O3: who receives acknowledges in that order, broker and client alike: PUBACKs as QoS 1 PUBLISHes,
// PUBRECs as QoS 2 PUBLISHes, PUBCOMPs as PUBRELs, and PUBRELs go out as PUBRECs came (v5
// [MQTT-4.6.0-2] to [MQTT-4.6.0-4]).

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <vector>

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

/// What one end of a connection owes the other: for each type of answer, the identifiers in the
/// order of their coming.
class Owed {
public:
    void add(PacketType answer, std::uint16_t packet_id) { list_of(answer).push_back(packet_id); }
    /// The identifier that is owed longer than this one, which is not owed any more; nothing: none
    /// is, or this was of its own accord, for a resumed or repeated flow.
    std::optional<std::uint16_t> take(PacketType answer, std::uint16_t packet_id) {
        auto& list = list_of(answer);
        const auto place = std::ranges::find(list, packet_id);
        if (place == list.end()) return std::nullopt;
        const auto longest = list.front();
        const bool is_longest = place == list.begin();
        list.erase(place);
        return is_longest ? std::nullopt : std::optional{longest};
    }

private:
    std::vector<std::uint16_t>& list_of(PacketType answer) {
        return lists_[static_cast<std::size_t>(answer) -
                      static_cast<std::size_t>(PacketType::puback)];
    }
    std::array<std::vector<std::uint16_t>, 4> lists_;  // PUBACK to PUBCOMP
};

constexpr bool is_answer_type(PacketType type) {
    return type == PacketType::puback || type == PacketType::pubrec || type == PacketType::pubrel ||
           type == PacketType::pubcomp;
}

/// Answers in `direction`.
void check(const Trace& trace, const History& history, Direction direction, Failures& failures) {
    const bool is_of_broker = direction == Direction::to_client;
    std::vector<Owed> owed(history.connections.size());
    std::set<Actor> scripted;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        // What it answers from now on may be what the scenario says.
        if (entry.kind == TraceEntry::Kind::scripted && !is_of_broker) scripted.insert(entry.actor);
        if (!entry.is_flow && !is_answer_type(entry.type)) continue;
        const auto* packet =
            is_of_broker ? taken_by_broker(trace, entry) : taken_by_client(trace, entry);
        if (packet != nullptr) {
            if (const auto answer = answer_to(*packet))
                owed[packet->connection.raw()].add(*answer, packet->packet_id);
            continue;
        }
        const auto* answer =
            is_of_broker ? sent_by_broker(trace, entry) : sent_by_client(trace, entry);
        if (answer == nullptr || !is_answer_type(answer->type) || scripted.contains(entry.actor))
            continue;
        const auto longer = owed[answer->connection.raw()].take(answer->type, answer->packet_id);
        if (!longer) continue;
        failures.push_back(
            {index,
             fmt::format("{} for id {} was sent {} '{}' before the one for id {}, which "
                         "is owed longer",
                         wire::name_of(answer->type), answer->packet_id, is_of_broker ? "to" : "by",
                         history.of(answer->connection).client_id, *longer)});
    }
}

}  // namespace

Failures check_acknowledgement_order(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) check(trace, history, direction, failures);
    return failures;
}

}  // namespace touchstone::simulator
