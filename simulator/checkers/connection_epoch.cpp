// S4: what concerns an older connection of a client, its end or its refusal, does nothing to a
// newer one. Seen as an end of a connection for which its client gave no reason (§4.13 knows none
// other), and a DISCONNECT for a takeover that nobody made.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// When the broker last took a packet of each connection.
std::map<ConnectionNumber, Instant> last_heard(const Trace& trace) {
    std::map<ConnectionNumber, Instant> heard;
    for (const auto& entry : trace.entries) {
        if (taken_by_broker(trace, entry) != nullptr) heard[entry.connection] = entry.at;
    }
    return heard;
}

/// What the broker gave as its reason; nothing when it said none.
std::map<ConnectionNumber, ReasonCode> reasons_given(const Trace& trace) {
    std::map<ConnectionNumber, ReasonCode> reasons;
    for (const auto& packet : trace.packets) {
        if (!packet.malformed && packet.direction == Direction::to_client &&
            packet.type == wire::PacketType::disconnect) {
            reasons.emplace(packet.connection, packet.reason);
        }
    }
    return reasons;
}

bool is_same_client(const ConnectionHistory& a, const ConnectionHistory& b) {
    return &a != &b && a.node == b.node && a.client_id == b.client_id;
}

}  // namespace

Failures check_connection_epoch(const Trace& trace, const History& history) {
    const auto heard = last_heard(trace);
    const auto reasons = reasons_given(trace);
    Failures failures;
    for (std::uint32_t raw = 0; raw < history.connections.size(); ++raw) {
        const ConnectionNumber number{raw};
        const auto& connection = history.of(number);
        if (!connection.is_accepted || connection.end != ConnectionHistory::End::by_broker)
            continue;
        if (connection.has_malformed || connection.connect_count > 1 || connection.disconnect) {
            continue;
        }
        const auto reason = reasons.find(number);
        if (reason != reasons.end() && reason->second != ReasonCode::session_taken_over) continue;
        // It takes the session before the disk, that had no trouble yet, has the answer.
        const auto is_refused_late = [&](const ConnectionHistory& other) {
            return other.is_durable && !other.is_accepted && other.connack_entry != no_entry &&
                   history.is_refusing(other.node, trace.entries[other.connack_entry].at);
        };
        const auto took_over = [&](const ConnectionHistory& other) {
            // The one that came first may be accepted last, when a shard hands it over to another.
            return is_same_client(other, connection) &&
                   (other.is_accepted || other.is_unanswered() || is_refused_late(other)) &&
                   other.connect_entry < connection.end_entry &&
                   (connection.connect_entry < other.connect_entry ||
                    connection.end_entry < other.connack_entry);
        };
        const auto is_older = [&](const ConnectionHistory& other) {
            return is_same_client(other, connection) && other.connect_entry < connection.end_entry;
        };
        if (std::ranges::any_of(history.connections, took_over) ||
            std::ranges::none_of(history.connections, is_older)) {
            continue;
        }
        if (history.is_refusing(connection.node, trace.entries[connection.end_entry].at)) {
            continue;  // before v5 there is no word for it
        }
        const Duration silence = trace.elapsed(connection.node, heard.at(number),
                                               trace.entries[connection.end_entry].at);
        if (connection.keep_alive_s != 0 &&
            silence >= std::chrono::milliseconds{1'500} * connection.keep_alive_s) {
            continue;
        }
        failures.push_back(
            {connection.end_entry,
             fmt::format("the connection of '{}' was closed although its client gave no reason and "
                         "no newer connection took its session; another connection of this client "
                         "had ended, or was refused, before",
                         connection.client_id)});
    }
    return failures;
}

}  // namespace touchstone::simulator
