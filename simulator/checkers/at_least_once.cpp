// Q1: a QoS 1 or 2 message that the broker acknowledged, and that matched a session's subscription
// when it did, reaches that session, unless the session or the subscription ended first, the
// message expired, or it was dropped and counted (§4.3.2, §4.3.3). One that came with DUP 1 and was
// never seen before is Q4's business. A client hands over what it acknowledged, and sends what its
// application published although it crashed, if its store is durable.

#include <fmt/format.h>

#include <map>
#include <set>

#include "simulator/checkers/client_backlog.hpp"
#include "simulator/checkers/cluster_messages.hpp"
#include "simulator/checkers/flows.hpp"
#include "simulator/checkers/missing.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

/// What clients acknowledged and never handed over; the end of a run is late enough for any
/// application to have come.
void check_handing_over(const Trace& trace, const History& history, Failures& failures) {
    std::map<std::pair<ConnectionNumber, std::uint16_t>, std::size_t> arrived;  // → entry
    std::map<std::pair<Actor, std::uint32_t>, std::size_t> acknowledged;        // message → entry
    std::set<std::pair<Actor, std::uint32_t>> delivered;
    // QoS 2 messages that the client has, by identifier. One that the broker has forgotten, since
    // its disk lied, makes the client take the next one of that identifier for a repetition.
    std::map<std::pair<Actor, std::uint16_t>, std::uint32_t> held;
    std::set<std::pair<ConnectionNumber, std::uint16_t>> mistaken;
    // A new session that its client was not told of: the CONNACK was lost. Identifiers that the
    // client holds for unreleased messages are those of the former one, and mean others now.
    std::set<Actor> untold;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind == TraceEntry::Kind::crashed) {
            std::erase_if(acknowledged,
                          [&](const auto& one) { return one.first.first == entry.actor; });
        }
        if (entry.kind == TraceEntry::Kind::forgot) untold.erase(entry.actor);
        if (const auto* connack = sent_by_broker(trace, entry)) {
            const bool is_unheard = connack->type == PacketType::connack &&
                                    !connack->session_present && connack->arrived_at == never;
            if (is_unheard) untold.insert(trace.client_of(connack->connection));
        }
        if (entry.kind == TraceEntry::Kind::delivered) {
            delivered.insert({entry.actor, trace.packets[entry.index].message});
        }
        if (const auto* packet = taken_by_client(trace, entry)) {
            if (packet->type == PacketType::publish && packet->qos != QoS::at_most_once) {
                const std::pair flow{packet->connection, packet->packet_id};
                arrived[flow] = index;
                mistaken.erase(flow);
                if (packet->qos != QoS::exactly_once) continue;
                const auto first =
                    held.try_emplace({entry.actor, packet->packet_id}, packet->message).first;
                const Actor node = history.of(packet->connection).node;
                if (first->second != packet->message &&
                    history.is_broken(node, Instant{}, entry.at)) {
                    mistaken.insert(flow);
                }
            } else if (packet->type == PacketType::pubrel) {
                held.erase({entry.actor, packet->packet_id});
            }
        } else if (const auto* answer = sent_by_client(trace, entry)) {
            const bool takes_over =
                (answer->type == PacketType::puback || answer->type == PacketType::pubrec) &&
                !is_failure(answer->reason);
            const auto found = arrived.find({answer->connection, answer->packet_id});
            if (!takes_over || found == arrived.end()) continue;
            if (answer->type == PacketType::pubrec && untold.contains(entry.actor)) continue;
            const auto message = trace.packets[trace.entries[found->second].index].message;
            if (mistaken.contains({answer->connection, answer->packet_id})) continue;
            if (message != no_message) acknowledged.try_emplace({entry.actor, message}, index);
        }
    }
    if (!trace.end.known) return;
    for (const auto& [key, entry] : acknowledged) {
        if (delivered.contains(key)) continue;
        failures.push_back(
            {entry, fmt::format("'{}' acknowledged {} and never handed it to its "
                                "application",
                                trace.name_of(key.first), label_of(trace, key.second))});
    }
}

}  // namespace

Failures check_at_least_once(const Trace& trace, const History& history) {
    if (judged_as(trace) == JudgedAs::keepers) return check_delivery_in_cluster(trace, history);
    if (judged_as(trace) == JudgedAs::cluster)
        return check_at_least_once_in_cluster(trace, history);
    Failures failures;
    for (const auto& missing : history.missing) {
        if (came_first_with_dup(trace, missing.accepted)) continue;
        failures.push_back(failure_of(trace, history, missing, ""));
    }
    check_handing_over(trace, history, failures);
    check_client_store(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
