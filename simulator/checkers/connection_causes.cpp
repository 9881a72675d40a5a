// causes: a client gives up a connection for a reason of this connection: its application says so,
// its process goes, an answer is overdue, or the server sent what ends one. Another connection's
// failure is none. And a session is taken over by somebody.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

/// Whether the server's packet ends the connection, or may make the client end it.
bool ends_connection(const TracedPacket& packet) {
    return packet.malformed || packet.type == PacketType::disconnect ||
           (packet.type == PacketType::connack && is_failure(packet.reason));
}

/// Who is told that its session was taken over: by whom?
void check_takeovers(const Trace& trace, const History& history, Failures& failures) {
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* const packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != PacketType::disconnect ||
            packet->reason != ReasonCode::session_taken_over)
            continue;
        const auto& mine = history.of(packet->connection);
        const auto takes_it = [&](const ConnectionHistory& other) {
            return &other != &mine && other.client_id == mine.client_id &&
                   other.connect_entry < index && other.end_entry > mine.connect_entry;
        };
        if (std::ranges::any_of(history.connections, takes_it)) continue;
        failures.push_back({index, fmt::format("'{}' is told that its session was taken over, and "
                                               "nobody has connected with its name",
                                               mine.client_id)});
    }
}

}  // namespace

Failures check_connection_causes(const Trace& trace, const History& history) {
    using Kind = TraceEntry::Kind;
    std::map<Actor, Instant> excused_at;              // a command, a crash
    std::map<ConnectionNumber, Instant> waits_since;  // for CONNACK or PINGRESP
    std::set<ConnectionNumber> ended_by_server;
    Failures failures;
    check_takeovers(trace, history, failures);
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind == Kind::commanded || entry.kind == Kind::crashed ||
            entry.kind == Kind::died) {
            excused_at[entry.actor] = entry.at;
        }
        if (const auto* sent = sent_by_client(trace, entry)) {
            if (sent->type == PacketType::connect || sent->type == PacketType::pingreq) {
                waits_since.try_emplace(sent->connection, entry.at);
            }
        }
        if (entry.kind == Kind::arrived) {
            const auto& packet = trace.packets[entry.index];
            if (packet.direction != Direction::to_client) continue;
            if (ends_connection(packet)) ended_by_server.insert(packet.connection);
            if (packet.type == PacketType::connack || packet.type == PacketType::pingresp) {
                waits_since.erase(packet.connection);
            }
        }
        const bool is_client_end = (entry.kind == Kind::closed || entry.kind == Kind::aborted) &&
                                   entry.direction == Direction::to_client;
        if (!is_client_end || ended_by_server.contains(entry.connection)) continue;
        const auto excuse = excused_at.find(entry.actor);
        if (excuse != excused_at.end() && excuse->second == entry.at) continue;
        const auto waits = waits_since.find(entry.connection);
        const auto timeout = settings_of(trace.clients, entry.actor).answer_timeout;
        if (waits != waits_since.end() &&
            trace.elapsed(entry.actor, waits->second, entry.at) >= timeout) {
            continue;
        }
        failures.push_back(
            {index, fmt::format("'{}' gave up a connection on which nothing was wrong",
                                trace.name_of(entry.actor))});
    }
    return failures;
}

}  // namespace touchstone::simulator
