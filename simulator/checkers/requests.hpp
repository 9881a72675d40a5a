// SUBSCRIBEs and UNSUBSCRIBEs of clients that are not answered yet. They share the Packet
// Identifiers of a client's publications (§2.2.1) and end with their connection.
#pragma once

#include <optional>
#include <set>
#include <vector>

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
            auto& client = this->client(entry.actor);
            client.open.clear();
            client.newest = entry.connection;
        }
        if (!is_request_type(entry.type) && !is_answer_type(entry.type)) return;
        auto& client = this->client(entry.actor);
        // What a client hears on an older connection is nothing.
        if (client.newest && client.newest != entry.connection) return;
        if (const auto* packet = sent_by_client(trace, entry)) {
            if (is_request_type(packet->type)) client.open.insert(packet->packet_id);
        } else if (const auto* answer = taken_by_client(trace, entry)) {
            if (is_answer_type(answer->type)) client.open.erase(answer->packet_id);
        }
    }
    [[nodiscard]] bool is_open(Actor client, std::uint16_t packet_id) const {
        return client.raw() < clients_.size() && clients_[client.raw()].open.contains(packet_id);
    }

private:
    struct Client {
        std::set<std::uint16_t> open;
        std::optional<ConnectionNumber> newest;
    };
    [[nodiscard]] static constexpr bool is_answer_type(wire::PacketType type) {
        return type == wire::PacketType::suback || type == wire::PacketType::unsuback;
    }
    [[nodiscard]] Client& client(Actor actor) {
        if (actor.raw() >= clients_.size()) clients_.resize(actor.raw() + 1);
        return clients_[actor.raw()];
    }

    std::vector<Client> clients_;  // by actor
};

}  // namespace touchstone::simulator
