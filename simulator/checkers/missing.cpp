#include "simulator/checkers/missing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "broker/base/check.hpp"
#include "simulator/checkers/access_rules.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

std::vector<Accepted> History::accepted_messages(const Trace& trace, const History& history) {
    std::map<std::pair<ConnectionNumber, std::uint16_t>, Accepted> waiting;
    // A repetition is accepted again but does not go on again (QoS 2), so what counts is who had
    // subscribed when the message came first.
    std::vector<std::size_t> first_arrival(trace.messages.size(), no_entry);
    std::size_t first_arrival_of_others = no_entry;  // that nobody published
    // Of each client: Packet Identifiers that it has released, and of these the ones that came back
    // with a disk that had lied. Nobody asks for them where none did.
    const bool has_broken = history.has_broken();
    std::map<std::pair<Actor, std::uint16_t>, Instant> released;
    std::set<std::pair<Actor, std::uint16_t>> revived;
    std::vector<Accepted> accepted;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind == TraceEntry::Kind::node_crashed &&
            history.is_broken(entry.actor, entry.at)) {
            for (const auto& [identifier, at] : released)
                if (history.is_broken(entry.actor, at)) revived.insert(identifier);
        }
        if (!entry.is_flow && entry.type != PacketType::pubrel &&
            entry.type != PacketType::puback && entry.type != PacketType::pubrec)
            continue;
        if (const auto* packet = taken_by_broker(trace, trace.entries[index])) {
            if (packet->type == PacketType::pubrel && has_broken) {
                released.insert_or_assign({entry.actor, packet->packet_id}, entry.at);
                revived.erase({entry.actor, packet->packet_id});
            }
            if (packet->type != PacketType::publish || packet->qos == QoS::at_most_once) continue;
            auto& first = packet->message == no_message ? first_arrival_of_others
                                                        : first_arrival[packet->message];
            first = std::min(first, index);
            // Before v5 the acknowledgement of what the rules deny says nothing (v3.1.1 §3.3.5),
            // nor does that of its duplicates.
            if (is_denied(trace, history.of(packet->connection), first, access::Action::publish,
                          packet->topic)) {
                continue;
            }
            waiting.try_emplace({packet->connection, packet->packet_id},
                                Accepted{packet->message, first, no_entry, packet->connection});
            continue;
        }
        const auto* answer = sent_by_broker(trace, trace.entries[index]);
        if (answer == nullptr) continue;
        if (answer->type != PacketType::puback && answer->type != PacketType::pubrec) continue;
        const auto found = waiting.find({answer->connection, answer->packet_id});
        if (found == waiting.end()) continue;
        const bool is_revived = answer->type == PacketType::pubrec &&
                                revived.contains({entry.actor, answer->packet_id});
        if (found->second.message != no_message && !is_failure(answer->reason) && !is_revived) {
            accepted.push_back(found->second);
            accepted.back().acknowledged_entry = index;
        }
        waiting.erase(found);
    }
    return accepted;
}

namespace {

/// Pairs of a session and a published message.
class SessionMessages {
public:
    SessionMessages(const Trace& trace, const History& history)
        : messages_{trace.messages.size()},
          is_in_(history.sessions.size() * messages_) {}

    void insert(std::uint32_t session, std::uint32_t message) {
        if (session != no_session && message != no_message) is_in_[place(session, message)] = true;
    }
    [[nodiscard]] bool contains(std::uint32_t session, std::uint32_t message) const {
        return is_in_[place(session, message)];
    }

private:
    [[nodiscard]] std::size_t place(std::uint32_t session, std::uint32_t message) const {
        return session * messages_ + message;
    }

    std::size_t messages_;
    std::vector<bool> is_in_;
};

/// What reached a client, or waits for it at the end of the run, or is then on its way to the
/// session's shard: it was acknowledged without waiting for that (ARCHITECTURE.md).
SessionMessages reached(const Trace& trace, const History& history) {
    SessionMessages all{trace, history};
    for (const auto& entry : trace.entries) {
        if (entry.type != PacketType::publish) continue;
        if (const auto* packet = taken_by_client(trace, entry))
            all.insert(history.session_of(*packet), packet->message);
    }
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        if (history.sessions[index].end_entry != no_entry) continue;
        const auto view = std::ranges::find(trace.end.sessions, history.sessions[index].client_id,
                                            &TracedSession::client_id);
        if (view == trace.end.sessions.end()) continue;
        for (const auto* list : {&view->queue, &view->inflight}) {
            for (const auto& payload : *list) all.insert(index, trace.find_message(payload));
        }
        for (const auto& one : trace.end.underway) {
            if (one.node == history.sessions[index].node && one.shard == view->shard &&
                one.group.empty()) {
                all.insert(index, trace.find_message(one.payload));
            }
        }
    }
    return all;
}

/// Of a session that is there at the end of the run.
bool is_owed(const Trace& trace, const History& history, std::uint32_t session,
             const Accepted& one) {
    const auto& message = trace.messages[one.message];
    const auto& owner = history.sessions[session];
    if (owner.node != history.of(one.connection).node) return false;
    if (owner.begin_entry > one.arrived_entry) return false;
    if (history.was_over(trace, session, trace.entries[one.acknowledged_entry].at)) return false;
    if (history.is_broken(owner.node, trace.entries[one.arrived_entry].at,
                          trace.entries[one.acknowledged_entry].at)) {
        return false;
    }
    const bool is_own = owner.client_id == history.of(one.connection).client_id;
    bool is_matched = false;
    for (const auto* subscription : history.matching(session, message.topic, one.arrived_entry)) {
        if (is_own && subscription->options.no_local) continue;
        // Replaced or given up later: whether this message was sent before is a race.
        if (subscription->end_entry != no_entry) return false;
        const auto qos = min(message.qos, subscription->granted);
        is_matched |= qos != QoS::at_most_once;
    }
    return is_matched;
}

/// Whether its Message Expiry Interval is over by the end of the run.
bool may_have_expired(const Trace& trace, const History& history, const Accepted& one) {
    const auto& arrived = trace.entries[one.arrived_entry];
    const auto& packet = trace.packets[arrived.index];
    const auto& connection = history.of(packet.connection);
    if (connection.version != ProtocolVersion::v5) return false;
    const auto publish = wire::decode_publish(trace.frame_of(packet), connection.version);
    CHECK(publish.has_value());  // or it would be no PUBLISH in the trace
    const auto expiry_s =
        publish.value().properties.integer(wire::PropertyId::message_expiry_interval);
    return expiry_s && trace.elapsed(connection.node, arrived.at, History::end_of_run(trace)) >=
                           std::chrono::seconds{*expiry_s};
}

}  // namespace

std::vector<Missing> History::missing_messages(const Trace& trace, const History& history) {
    auto there = reached(trace, history);
    std::vector<std::uint32_t> lasting;  // sessions that are there at the end
    for (std::uint32_t session = 0; session < history.sessions.size(); ++session)
        if (history.sessions[session].end_entry == no_entry && !history.expiry_of(trace, session))
            lasting.push_back(session);
    std::vector<Missing> missing;
    for (const auto& one : history.accepted) {
        for (const auto session : lasting) {
            if (there.contains(session, one.message)) continue;
            if (!is_owed(trace, history, session, one)) continue;
            if (may_have_expired(trace, history, one)) continue;
            // What is missing counts once, however often it was accepted.
            there.insert(session, one.message);
            missing.push_back({one, session});
        }
    }
    if (missing.size() <= trace.end.dropped_messages) missing.clear();
    return missing;
}

bool came_first_with_dup(const Trace& trace, const Accepted& accepted) {
    return trace.packets[trace.entries[accepted.arrived_entry].index].dup;
}

Failure failure_of(const Trace& trace, const History& history, const Missing& missing,
                   std::string_view remark) {
    return {missing.accepted.acknowledged_entry,
            fmt::format("{} was acknowledged to its publisher and matches a subscription of '{}', "
                        "but neither reached it nor waits for it{}",
                        label_of(trace, missing.accepted.message),
                        history.sessions[missing.session].client_id, remark)};
}

}  // namespace touchstone::simulator
