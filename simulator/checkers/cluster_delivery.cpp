// Q1 across the nodes of a cluster that keeps publications until all nodes have them: what any node
// has acknowledged comes to every client that had subscribed to it anywhere, whatever was cut in
// between; it may come more than once. Asked for clients that are there at the end and whose
// session nothing ended meanwhile: no Clean Start, no UNSUBSCRIBE, no connection with which it
// ends, and no crash of a node that had the client or had taken the message, since such a cluster
// keeps all in memory.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "broker/wire/packets.hpp"
#include "broker/wire/topics.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// What is known of a Client Identifier over all nodes.
struct Life {
    /// The last entry that ended all that it had subscribed to before, or may have.
    std::size_t ended_by = 0;
    std::map<std::string, std::size_t> unsubscribed;  // filter → the last time
    bool is_here = false;                             // at the end, for long enough
    /// Filters to which one of its sessions had subscribed at QoS 0: when sessions are united the
    /// newer one's subscription holds, and what was published meanwhile need not wait for it.
    std::set<std::string> at_most_once;
    std::set<std::uint32_t> delivered;  // messages
    std::set<std::string> waiting;      // payloads, at the end
};

class Lives {
public:
    Lives(const Trace& trace, const History& history) : trace_{trace}, history_{history} {
        note_connections();
        for (std::size_t index = 0; index < trace.entries.size(); ++index) step(index);
        for (const auto& session : history.sessions)
            for (const auto& one : session.subscriptions)
                if (one.granted == QoS::at_most_once)
                    lives_[session.client_id].at_most_once.insert(one.filter);
        for (const auto& session : trace.end.sessions) {
            auto& life = lives_[session.client_id];
            life.waiting.insert(session.queue.begin(), session.queue.end());
            life.waiting.insert(session.inflight.begin(), session.inflight.end());
        }
    }

    /// Whether several programs have that name: they share a session, and its Packet Identifiers,
    /// so that a message of one of them can pass for a repetition of another one's (QoS 2).
    [[nodiscard]] bool is_shared(const std::string& client_id) const {
        return clients_of_.at(client_id).size() > 1;
    }
    [[nodiscard]] const Life& of(const std::string& client_id) const {
        return lives_.at(client_id);
    }
    /// The last crash of that node; 0: none.
    [[nodiscard]] std::size_t crash_of(Actor node) const {
        const auto found = crashed_.find(node);
        return found == crashed_.end() ? 0 : found->second;
    }

private:
    void note_connections() {
        const Instant end = History::end_of_run(trace_);
        for (const auto& connection : history_.connections) {
            if (connection.connect_entry == no_entry) continue;
            auto& life = lives_[connection.client_id];
            const bool ends = connection.clean_start || connection.session_expiry_s == 0;
            if (ends)
                life.ended_by = std::max(life.ended_by, connection.end_entry == no_entry
                                                            ? connection.connect_entry
                                                            : connection.end_entry);
            clients_of_[connection.client_id].insert(connection.client);
            nodes_of_[connection.client_id].insert(connection.entrance);
            const bool stays = connection.is_accepted && connection.end_entry == no_entry &&
                               connection.client_end_entry == no_entry;
            life.is_here =
                life.is_here ||
                (stays && trace_.entries[connection.connack_entry].at + progress_time <= end);
        }
    }

    void step(std::size_t index) {
        const auto& entry = trace_.entries[index];
        if (entry.kind == TraceEntry::Kind::node_crashed ||
            entry.kind == TraceEntry::Kind::node_stopped) {
            crashed_[entry.actor] = index;
            for (const auto& [client_id, nodes] : nodes_of_)
                if (nodes.contains(entry.actor))
                    lives_[client_id].ended_by = std::max(lives_[client_id].ended_by, index);
        }
        if (entry.kind == TraceEntry::Kind::delivered) {
            const auto& packet = trace_.packets[entry.index];
            lives_[history_.of(packet.connection).client_id].delivered.insert(packet.message);
        }
        const auto* const packet = taken_by_broker(trace_, entry);
        if (packet == nullptr || packet->type != wire::PacketType::unsubscribe) return;
        const auto& connection = history_.of(packet->connection);
        const auto request =
            wire::decode_unsubscribe(trace_.frame_of(*packet), connection.version).value();
        auto& unsubscribed = lives_[connection.client_id].unsubscribed;
        request.for_each(
            [&](std::string_view filter) { unsubscribed[std::string{filter}] = index; });
    }

    const Trace& trace_;
    const History& history_;
    std::map<std::string, Life> lives_;
    std::map<std::string, std::set<Actor>> nodes_of_;    // by client
    std::map<std::string, std::set<Actor>> clients_of_;  // by Client Identifier
    std::map<Actor, std::size_t> crashed_;
};

}  // namespace

Failures check_delivery_in_cluster(const Trace& trace, const History& history) {
    Failures failures;
    if (trace.agreement.at == never || trace.end.dropped_messages != 0) return failures;
    const Lives lives{trace, history};
    for (const auto& accepted : history.accepted) {
        const auto& message = trace.messages[accepted.message];
        const bool is_exactly_once = message.qos == QoS::exactly_once;
        if (is_exactly_once && lives.is_shared(history.of(accepted.connection).client_id)) continue;
        if (lives.crash_of(history.of(accepted.connection).entrance) > accepted.arrived_entry)
            continue;
        for (const auto& session : history.sessions) {
            const auto& life = lives.of(session.client_id);
            if (!life.is_here || life.delivered.contains(accepted.message) ||
                life.waiting.contains(message.payload) ||
                (is_exactly_once && lives.is_shared(session.client_id)))
                continue;
            const auto is_promised = [&](const SubscriptionHistory& one) {
                if (one.is_shared || one.granted == QoS::at_most_once || one.options.no_local ||
                    one.granted_entry == no_entry || one.granted_entry > accepted.arrived_entry ||
                    one.granted_entry < life.ended_by || life.at_most_once.contains(one.filter))
                    return false;
                const auto over = life.unsubscribed.find(one.filter);
                // What arrives behind a SUBSCRIBE counts, even before its SUBACK is sent: that
                // waits until other nodes or shards know of it.
                return (over == life.unsubscribed.end() || over->second < one.requested_entry) &&
                       wire::matches(one.filter, message.topic);
            };
            if (std::ranges::none_of(session.subscriptions, is_promised)) continue;
            failures.push_back(
                {accepted.acknowledged_entry,
                 fmt::format("{} was acknowledged to {} at {} and never came to '{}', which had "
                             "subscribed at {}",
                             label_of(message.payload), trace.name_of(message.publisher),
                             trace.name_of(history.of(accepted.connection).entrance),
                             session.client_id, trace.name_of(session.node))});
            break;
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
