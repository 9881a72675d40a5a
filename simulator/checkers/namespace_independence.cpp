// P3: the two directions of a connection have Packet Identifiers of their own (§2.2.1). A PUBLISH
// to a client that has the identifier of something the client waits for is a PUBLISH all the same,
// and is handed over.
//
// Not if the client has a QoS 2 message under that identifier that was never released: then it is
// the same again to it, whatever the client itself waits for (§4.3.3). That is so where somebody
// else has gone on with its session under the same Client Identifier, and where a disk that lied
// has lost the identifier.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/requests.hpp"

namespace touchstone::simulator {

namespace {

/// Identifiers of QoS 2 messages that clients have, and that were not released.
class UnreleasedTracker {
public:
    /// To be called for every entry in order.
    void step(const Trace& trace, const TraceEntry& entry) {
        if (entry.kind == TraceEntry::Kind::forgot) unreleased_.erase(entry.actor);
        const auto* const packet = taken_by_client(trace, entry);
        if (packet == nullptr) return;
        if (packet->type == wire::PacketType::publish && packet->qos == QoS::exactly_once)
            unreleased_[entry.actor].insert(packet->packet_id);
        else if (packet->type == wire::PacketType::pubrel)
            unreleased_[entry.actor].erase(packet->packet_id);
    }
    /// Whether the client takes the PUBLISH for one that it has.
    [[nodiscard]] bool has(Actor client, const TracedPacket& publish) const {
        if (publish.qos != QoS::exactly_once) return false;
        const auto found = unreleased_.find(client);
        return found != unreleased_.end() && found->second.contains(publish.packet_id);
    }

private:
    std::map<Actor, std::set<std::uint16_t>> unreleased_;
};

}  // namespace

Failures check_namespace_independence(const Trace& trace, const History& history) {
    FlowTracker flows{Direction::to_broker};
    RequestTracker requests;
    UnreleasedTracker unreleased;
    std::map<std::uint32_t, std::size_t> crossing;  // packet that is not handed over yet → entry
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto* packet = entry.is_flow ? taken_by_client(trace, entry) : nullptr;
        const bool is_new =
            packet != nullptr && !packet->dup && !unreleased.has(entry.actor, *packet);
        if (is_new) {
            const auto& unfinished = flows.unfinished(entry.actor.raw());
            const bool is_crossing = requests.is_open(entry.actor, packet->packet_id) ||
                                     std::ranges::find(unfinished, packet->packet_id,
                                                       &Flow::packet_id) != unfinished.end();
            if (is_crossing) crossing.emplace(entry.index, index);
        }
        if (entry.kind == TraceEntry::Kind::delivered && !crossing.empty())
            crossing.erase(entry.index);
        flows.step(trace, history, entry);
        requests.step(trace, entry);
        unreleased.step(trace, entry);
    }
    Failures failures;
    for (const auto& [number, entry] : crossing) {
        const auto& packet = trace.packets[number];
        const Instant since = trace.entries[entry].at;
        if (!history.client_stays(trace, packet.connection, since, progress_time)) continue;
        failures.push_back(
            {entry,
             fmt::format("{} was never handed to the application of '{}', which waited for "
                         "an answer with the same identifier, {}",
                         label_of(trace, packet.message),
                         trace.name_of(trace.client_of(packet.connection)), packet.packet_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
