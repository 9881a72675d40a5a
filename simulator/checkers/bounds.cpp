// B1: what one client makes the broker keep has a bound that the operator sets, whatever the client
// does: the messages that wait for it, the time that it may say nothing, and what it has begun to
// send.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/cluster_messages.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// A driver's timer may be as coarse as this.
constexpr Duration tolerance = std::chrono::milliseconds{1'500};

const TracedNode* node_of(const Trace& trace, Actor node) {
    const auto found = std::ranges::find(trace.nodes, node, &TracedNode::actor);
    return found == trace.nodes.end() ? nullptr : &*found;
}

/// Retained Messages for a new subscription do not count: the node holds them anyway.
void check_queues(const Trace& trace, const History& history, Failures& failures) {
    for (const auto& session : history.sessions) {
        const auto view =
            std::ranges::find(trace.end.sessions, session.client_id, &TracedSession::client_id);
        const auto* node = node_of(trace, session.node);
        if (session.end_entry != no_entry || view == trace.end.sessions.end() || node == nullptr) {
            continue;
        }
        const auto waiting = std::ranges::count_if(view->queue, [&](const std::string& payload) {
            const auto message = trace.find_message(payload);
            return message == no_message || !trace.messages[message].retain;
        });
        if (static_cast<std::uint64_t>(waiting) <= node->queue_messages_max) continue;
        failures.push_back(
            {no_entry, fmt::format("{} messages wait for '{}'; its queue has room "
                                   "for {}",
                                   waiting, session.client_id, node->queue_messages_max)});
    }
}

void check_silence(const Trace& trace, const History& history, Failures& failures) {
    std::map<ConnectionNumber, std::size_t> last_heard;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        if (taken_by_broker(trace, trace.entries[index]) == nullptr) continue;
        last_heard[trace.entries[index].connection] = index;
    }
    for (const auto& [number, entry] : last_heard) {
        const auto& connection = history.of(number);
        const auto* node = node_of(trace, connection.node);
        const bool is_limited = node != nullptr && node->keep_alive_s_max != 0 &&
                                connection.is_accepted && connection.version == ProtocolVersion::v5;
        if (!is_limited) continue;
        const auto limit = std::chrono::milliseconds{1'500} * node->keep_alive_s_max + tolerance;
        const Instant heard_at = trace.entries[entry].at;
        if (!history.lives_on(trace, number, heard_at, limit)) continue;
        failures.push_back({entry, fmt::format("'{}' was silent for more than {} s, the longest "
                                               "Keep Alive that the server allows, and a half",
                                               connection.client_id, node->keep_alive_s_max)});
    }
}

/// What clients have begun and not finished costs an identifier for each QoS 2 message that is not
/// released, and a packet for each connection without CONNACK.
void check_intake(const Trace& trace, const History& history, Failures& failures) {
    std::map<std::pair<std::uint32_t, std::uint16_t>, Actor> unreleased;  // session, identifier
    for (const auto& entry : trace.entries) {
        const auto* packet = taken_by_broker(trace, entry);
        if (packet == nullptr) continue;
        const auto session = history.session_of(*packet);
        if (session == no_session || history.sessions[session].end_entry != no_entry) continue;
        const std::pair key{session, packet->packet_id};
        if (packet->type == wire::PacketType::pubrel) unreleased.erase(key);
        const bool is_qos_2 =
            packet->type == wire::PacketType::publish && packet->qos == QoS::exactly_once;
        if (is_qos_2) unreleased[key] = history.sessions[session].node;
    }
    // A PUBREC that refuses the message frees its identifier.
    for (const auto& entry : trace.entries) {
        const auto* packet = sent_by_broker(trace, entry);
        const bool refuses = packet != nullptr && packet->type == wire::PacketType::pubrec &&
                             is_failure(packet->reason);
        if (refuses) unreleased.erase({history.session_of(*packet), packet->packet_id});
    }
    for (const auto& memory : trace.end.memory) {
        std::uint64_t bound_bytes = 0;
        for (const auto& [key, node] : unreleased) {
            bound_bytes += node == memory.node ? sizeof(std::uint16_t) : 0;
        }
        const auto* node = node_of(trace, memory.node);
        for (const auto& connection : history.connections) {
            const bool is_waiting = connection.node == memory.node &&
                                    connection.end_entry == no_entry && !connection.is_accepted;
            bound_bytes += is_waiting && node != nullptr ? node->packet_size_bytes_max : 0;
        }
        if (memory.intake_bytes <= bound_bytes) continue;
        // What a client had released may be back with a disk that lied.
        if (history.is_broken(memory.node, Instant{}, history.end_of_run(trace))) continue;
        failures.push_back(
            {no_entry, fmt::format("'{}' keeps {} bytes for what its clients have not finished, "
                                   "which is {} bytes",
                                   trace.name_of(memory.node), memory.intake_bytes, bound_bytes)});
    }
}

/// What a slow connection has not taken: the limit, and what may come on top of it at once, a
/// window of resends and the packet that crosses the limit.
void check_unwritten(const Trace& trace, Failures& failures) {
    for (const auto& memory : trace.end.memory) {
        const auto* node = node_of(trace, memory.node);
        if (node == nullptr) continue;
        const auto bound_bytes =
            node->unwritten_bytes_max +
            std::uint64_t{node->packet_size_bytes_max} * (1U + node->inflight_max);
        if (memory.unwritten_bytes_max <= bound_bytes) continue;
        failures.push_back({no_entry, fmt::format("{} bytes waited for one connection of '{}'; it "
                                                  "may keep {}",
                                                  memory.unwritten_bytes_max,
                                                  trace.name_of(memory.node), bound_bytes)});
    }
}

void check_unlimited(const Trace& trace, Failures& failures) {
    for (const auto& memory : trace.end.memory) {
        const auto* node = node_of(trace, memory.node);
        const bool is_unlimited = node != nullptr && node->queue_messages_max == 0xFFFF'FFFF;
        if (!is_unlimited || memory.dropped_queue_full == 0) continue;
        failures.push_back(
            {no_entry, fmt::format("'{}' dropped {} messages for a full queue, but "
                                   "its queues have no limit",
                                   trace.name_of(memory.node), memory.dropped_queue_full)});
    }
}

}  // namespace

Failures check_bounds(const Trace& trace, const History& history) {
    if (is_cluster_of_brokers(trace)) return check_bounds_of_cluster(trace);
    Failures failures;
    check_queues(trace, history, failures);
    check_silence(trace, history, failures);
    check_intake(trace, history, failures);
    check_unwritten(trace, failures);
    check_unlimited(trace, failures);
    return failures;
}

}  // namespace touchstone::simulator
