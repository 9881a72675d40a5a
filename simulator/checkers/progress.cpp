// W3: what is due is sent. Every packet that asks for an answer gets one within progress_time on a
// connection that lasts, and at the end of an undisturbed time no session has messages waiting
// while its window has room; neither has a client.

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "simulator/checkers/client_backlog.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

std::optional<PacketType> answer_to(const TracedPacket& packet) {
    switch (packet.type) {
        case PacketType::connect: return PacketType::connack;
        case PacketType::publish:
            if (packet.qos == QoS::at_least_once) return PacketType::puback;
            if (packet.qos == QoS::exactly_once) return PacketType::pubrec;
            return std::nullopt;
        case PacketType::pubrec:
            if (is_failure(packet.reason)) return std::nullopt;
            return PacketType::pubrel;
        case PacketType::pubrel: return PacketType::pubcomp;
        case PacketType::subscribe: return PacketType::suback;
        case PacketType::unsubscribe: return PacketType::unsuback;
        case PacketType::pingreq: return PacketType::pingresp;
        case PacketType::connack:
        case PacketType::puback:
        case PacketType::pubcomp:
        case PacketType::suback:
        case PacketType::unsuback:
        case PacketType::pingresp:
        case PacketType::disconnect:
        case PacketType::auth: return std::nullopt;
    }
    return std::nullopt;
}

struct Asked {
    PacketType type;
    PacketType answer;
    std::uint16_t packet_id;
    std::size_t entry;
};

void check_answers(const Trace& trace, const History& history, Failures& failures) {
    std::map<ConnectionNumber, std::deque<Asked>> asked;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        if (const auto* packet = taken_by_broker(trace, trace.entries[index])) {
            if (const auto answer = answer_to(*packet)) {
                asked[packet->connection].push_back(
                    {packet->type, *answer, packet->packet_id, index});
            }
        } else if (const auto* answer = sent_by_broker(trace, trace.entries[index])) {
            auto& list = asked[answer->connection];
            const auto found = std::ranges::find_if(list, [&](const Asked& one) {
                return one.answer == answer->type && one.packet_id == answer->packet_id;
            });
            if (found != list.end()) list.erase(found);
        }
    }
    for (const auto& [number, list] : asked) {
        for (const auto& one : list) {
            const Instant since = trace.entries[one.entry].at;
            if (!history.lives_on(trace, number, since, progress_time)) continue;
            // Another shard owes a receipt, and cannot store what it is for.
            const Actor node = history.of(number).node;
            if (history.is_refusing(node, since) ||
                history.is_refusing(node, since + progress_time)) {
                continue;
            }
            failures.push_back(
                {one.entry, fmt::format("{} (id {}) of '{}' was never answered with {}",
                                        wire::name_of(one.type), one.packet_id,
                                        history.of(number).client_id, wire::name_of(one.answer))});
        }
    }
}

/// Sessions with messages waiting at the end of the run, although nothing holds them up.
void check_backlog(const Trace& trace, const History& history, Failures& failures) {
    const auto settled =
        std::ranges::find(trace.entries, TraceEntry::Kind::settle_began, &TraceEntry::kind);
    if (!trace.end.known || settled == trace.entries.end()) return;
    const auto& flows = history.flows(Direction::to_client);
    std::map<ConnectionNumber, Instant> last_moved;
    for (const auto& step : flows.steps())
        last_moved[step.seen.packet->connection] = trace.entries[step.entry].at;
    const Instant end = history.end_of_run(trace);
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        const auto& session = history.sessions[index];
        const auto number = session.connections.back();
        const auto& connection = history.of(number);
        if (session.end_entry != no_entry || connection.end_entry != no_entry) continue;
        const auto view =
            std::ranges::find(trace.end.sessions, session.client_id, &TracedSession::client_id);
        if (view == trace.end.sessions.end() || view->queue.empty()) continue;
        const auto in_flight =
            std::ranges::count(flows.unfinished(index), number, &Flow::connection);
        if (static_cast<std::uint64_t>(in_flight) >= connection.window) continue;
        const Instant begin = trace.entries[connection.connack_entry].at;
        const Instant moved = std::max(begin, last_moved[number]);
        if (end - std::max(settled->at, moved) < progress_time) continue;
        failures.push_back(
            {no_entry,
             fmt::format("{} messages wait for '{}', the first is {}, although only {} "
                         "of {} are in flight and nothing has moved for {} ms",
                         view->queue.size(), session.client_id, label_of(view->queue.front()),
                         in_flight, connection.window, (end - moved).count() / 1'000)});
    }
}

}  // namespace

Failures check_progress(const Trace& trace, const History& history) {
    Failures failures;
    check_answers(trace, history, failures);
    check_backlog(trace, history, failures);
    check_client_backlog(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
