// SUBSCRIBEs and UNSUBSCRIBEs of clients that are not answered yet. They share the Packet
// Identifiers of a client's publications (§2.2.1) and end with their connection.
#pragma once

#include <map>
#include <set>

#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

[[nodiscard]] constexpr bool is_request_type(wire::PacketType type) {
    return type == wire::PacketType::subscribe || type == wire::PacketType::unsubscribe;
}

class RequestTracker {
public:
    /// To be called for every entry in order.
    void step(const Trace& trace, const TraceEntry& entry) {
        if (entry.kind == TraceEntry::Kind::opening) {
            open_.erase(entry.actor);
            newest_[entry.actor] = entry.connection;
        }
        // What a client hears on an older connection is nothing.
        const auto newest = newest_.find(entry.actor);
        if (newest != newest_.end() && newest->second != entry.connection) return;
        if (const auto* packet = sent_by_client(trace, entry)) {
            if (is_request_type(packet->type)) open_[entry.actor].insert(packet->packet_id);
        } else if (const auto* answer = taken_by_client(trace, entry)) {
            const bool is_answer = answer->type == wire::PacketType::suback ||
                                   answer->type == wire::PacketType::unsuback;
            if (is_answer) open_[entry.actor].erase(answer->packet_id);
        }
    }
    [[nodiscard]] bool is_open(Actor client, std::uint16_t packet_id) const {
        const auto found = open_.find(client);
        return found != open_.end() && found->second.contains(packet_id);
    }

private:
    std::map<Actor, std::set<std::uint16_t>> open_;
    std::map<Actor, ConnectionNumber> newest_;
};

}  // namespace touchstone::simulator
