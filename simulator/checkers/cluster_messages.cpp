// O1, Q1 and L1 of clusters: what a client publishes at one node reaches those who have subscribed
// at any, in order, Will Messages included; and B1: what is kept for a node that does not take it
// has a bound. Few models promise the first three, so only scenarios that name them ask for them.
// Judged by Client Identifier, as sessions go from node to node with their clients.

#include "simulator/checkers/cluster_messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// Until all nodes know of a subscription, once they all reach each other and know it.
constexpr Duration routing_time_max = std::chrono::seconds{2};

/// When nodes were down, stood still, or did not reach each other.
class Calm {
public:
    explicit Calm(const Trace& trace) : needed_{trace.cluster.notices_within + routing_time_max} {
        for (const auto& one : trace.faults) {
            const bool is_of_nodes = one.kind == "partition" || one.kind == "cut one way" ||
                                     one.kind == "pause" || one.kind == "crash" ||
                                     one.kind == "stop";
            if (is_of_nodes) disturbances_.emplace_back(one.began_at, one.ended_at);
        }
        std::ranges::sort(disturbances_);
    }
    /// Whether what happened at `since` was known to all nodes at `until`.
    [[nodiscard]] bool is_known(Instant since, Instant until) const {
        for (const auto& [from, to] : disturbances_) {
            if (from >= until) break;
            if (since + needed_ <= from) return true;
            since = std::max(since, to);
        }
        return since != never && since + needed_ <= until;
    }

private:
    Duration needed_;
    std::vector<std::pair<Instant, Instant>> disturbances_;
};

/// A subscription that lasts from one entry of the trace to another one.
struct Interest {
    const SubscriptionHistory* subscription = nullptr;
    std::size_t from = no_entry;
    std::size_t to = no_entry;
};

/// Clients with what they are subscribed to, and what their applications have got.
class Receivers {
public:
    Receivers(const Trace& trace, const History& history)
        : trace_{trace},
          history_{history},
          calm_{trace} {
        for (const auto& session : history.sessions)
            for (const auto& one : session.subscriptions)
                if (one.granted_entry != no_entry)
                    interests_[session.client_id].push_back(
                        {&one, one.granted_entry,
                         std::min(one.end_entry, end_of(session.client_id, one.granted_entry))});
        for (const auto& connection : history.connections)
            if (connection.is_accepted) names_[connection.client].insert(connection.client_id);
        for (const auto& entry : trace.entries) {
            if (entry.kind != TraceEntry::Kind::delivered) continue;
            for (const auto& name : names_[entry.actor])
                ++got_[{name, trace.packets[entry.index].message}];
        }
        for (const auto& session : trace.end.sessions)
            for (const auto* list : {&session.queue, &session.inflight})
                for (const auto& payload : *list)
                    waiting_.insert({session.client_id, trace.find_message(payload)});
    }

    /// Names of clients that are to get what `publisher` published at that entry, at QoS 1 or 2.
    [[nodiscard]] std::vector<std::string> owed(const std::string& publisher, std::uint32_t message,
                                                std::size_t entry) const {
        const auto& what = trace_.messages[message];
        std::vector<std::string> names;
        for (const auto& [name, interests] : interests_) {
            const auto is_its = [&, &name = name](const Interest& one) {
                const auto& subscription = *one.subscription;
                const bool is_known =
                    one.from < entry &&
                    calm_.is_known(trace_.entries[one.from].at, trace_.entries[entry].at);
                return is_known && one.to == no_entry && !subscription.is_shared &&
                       !(subscription.options.no_local && name == publisher) &&
                       min(what.qos, subscription.granted) != QoS::at_most_once &&
                       wire::matches(subscription.filter, what.topic);
            };
            if (std::ranges::any_of(interests, is_its)) names.push_back(name);
        }
        return names;
    }
    [[nodiscard]] bool has(const std::string& name, std::uint32_t message) const {
        return got_.contains({name, message}) || waiting_.contains({name, message});
    }
    /// How often each has got the message.
    [[nodiscard]] std::map<std::string, std::size_t> got(std::uint32_t message) const {
        std::map<std::string, std::size_t> times;
        for (const auto& [key, count] : got_)
            if (key.second == message) times[key.first] = count;
        return times;
    }
    /// Where it was connected last.
    [[nodiscard]] Actor node_of(const std::string& name) const {
        const ConnectionHistory* last = nullptr;
        for (const auto& one : history_.connections)
            if (one.is_accepted && one.client_id == name &&
                (last == nullptr || last->connack_entry < one.connack_entry))
                last = &one;
        return last == nullptr ? Actor{} : last->node;
    }
    [[nodiscard]] const std::set<std::string>& names_of(Actor client) const {
        static const std::set<std::string> none;
        const auto found = names_.find(client);
        return found == names_.end() ? none : found->second;
    }

private:
    /// The end of the session that the client had at that entry, as far as it is known.
    [[nodiscard]] std::size_t end_of(const std::string& client_id, std::size_t entry) const {
        const ConnectionHistory* last = nullptr;
        auto end = no_entry;
        for (const auto& one : history_.connections) {
            if (!one.is_accepted || one.client_id != client_id) continue;
            if (one.connack_entry < entry) {
                if (last == nullptr || last->connack_entry < one.connack_entry) last = &one;
            } else if (!one.session_present) {
                end = std::min(end, one.connack_entry);
            }
        }
        for (const auto* one = last; one != nullptr; one = next_of(*one, end)) {
            end = std::min(end, end_with(*one));
            if (end != no_entry) break;
        }
        return end;
    }
    /// The next connection of the session, if there is one before that entry.
    [[nodiscard]] const ConnectionHistory* next_of(const ConnectionHistory& connection,
                                                   std::size_t before) const {
        const ConnectionHistory* next = nullptr;
        for (const auto& one : history_.connections) {
            if (!one.is_accepted || one.client_id != connection.client_id) continue;
            if (one.connack_entry <= connection.connack_entry || one.connack_entry >= before)
                continue;
            if (next == nullptr || one.connack_entry < next->connack_entry) next = &one;
        }
        return next;
    }
    /// Whether the session ends with this connection, or with the process of its node while it is
    /// there.
    [[nodiscard]] std::size_t end_with(const ConnectionHistory& connection) const {
        const auto* const next = next_of(connection, no_entry);
        const auto until = next == nullptr ? trace_.entries.size() : next->connack_entry;
        for (auto index = connection.connack_entry; index < until; ++index) {
            const auto& entry = trace_.entries[index];
            const bool is_down = entry.kind == TraceEntry::Kind::node_crashed ||
                                 entry.kind == TraceEntry::Kind::node_stopped;
            if (is_down && entry.actor == connection.node) return index;
        }
        if (connection.end_entry == no_entry) return no_entry;
        const Instant over = trace_.entries[connection.end_entry].at +
                             std::chrono::seconds{connection.session_expiry_s};
        const Instant back =
            next == nullptr ? History::end_of_run(trace_) : trace_.entries[next->connack_entry].at;
        return over <= back ? connection.end_entry : no_entry;
    }

    const Trace& trace_;
    const History& history_;
    Calm calm_;
    std::map<std::string, std::vector<Interest>> interests_;
    std::map<Actor, std::set<std::string>> names_;
    std::map<std::pair<std::string, std::uint32_t>, std::size_t> got_;
    std::set<std::pair<std::string, std::uint32_t>> waiting_;
};

/// Messages that went nowhere and were counted, over all nodes.
std::uint64_t counted_drops(const Trace& trace) {
    auto sum = trace.end.dropped_messages;
    for (const auto& member : trace.agreement.members) sum += member.dropped_publications;
    return sum;
}

/// How often nodes took a PUBLISH of each message.
std::map<std::uint32_t, std::size_t> times_taken(const Trace& trace) {
    std::map<std::uint32_t, std::size_t> times;
    for (const auto& entry : trace.entries) {
        const auto* packet = taken_by_broker(trace, entry);
        if (packet != nullptr && packet->type == wire::PacketType::publish)
            ++times[packet->message];
    }
    return times;
}

/// What replicants write goes through the core that feeds them, so no core may feed most of them.
void check_shares_of_cores(const Trace& trace, Failures& failures) {
    std::size_t cores = 0;
    std::size_t replicants = 0;
    for (const auto& member : trace.agreement.members)
        if (member.is_serving) ++(trace.cluster.is_replicant(member.node) ? replicants : cores);
    if (replicants == 0 || cores == 0) return;
    // One more than its share: who loses its core goes to another one, and stays there.
    const auto most = (replicants + cores - 1) / cores + 1;
    for (const auto& member : trace.agreement.members) {
        if (member.fed_replicants <= most) continue;
        failures.push_back(
            {trace.agreement.entry,
             fmt::format("{} feeds {} of {} replicants, though there are {} cores",
                         trace.name_of(member.node), member.fed_replicants, replicants, cores)});
    }
}

bool may_be_published(const ConnectionHistory& connection) {
    return connection.end != ConnectionHistory::End::none &&
           connection.disconnect != ReasonCode::success;
}

}  // namespace

Failures check_publisher_order_in_cluster(const Trace& trace, const History& history) {
    const Receivers receivers{trace, history};
    const auto taken = times_taken(trace);
    // receiver, publisher, topic, QoS of publishing, QoS of delivery → message
    std::map<std::tuple<std::string, Actor, std::string, QoS, QoS>, std::uint32_t> newest;
    std::set<std::pair<std::string, std::uint32_t>> delivered;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        if (trace.entries[index].kind != TraceEntry::Kind::delivered) continue;
        const auto& packet = trace.packets[trace.entries[index].index];
        if (packet.retain || packet.message == no_message) continue;
        const auto& message = trace.messages[packet.message];
        const auto times = taken.find(packet.message);
        // What was published again may come again, and late.
        if (message.is_will || times == taken.end() || times->second > 1) continue;
        for (const auto& name : receivers.names_of(trace.entries[index].actor)) {
            if (!delivered.insert({name, packet.message}).second) continue;
            const auto [last, is_first] = newest.try_emplace(
                {name, message.publisher, message.topic, message.qos, packet.qos}, packet.message);
            if (is_first) continue;
            if (message.sequence < trace.messages[last->second].sequence) {
                failures.push_back(
                    {index,
                     fmt::format("'{}' received {} for the first time after {}, which {} "
                                 "published later to '{}' at QoS {}",
                                 name, label_of(trace, packet.message),
                                 label_of(trace, last->second), trace.name_of(message.publisher),
                                 message.topic, static_cast<unsigned>(message.qos))});
                continue;
            }
            last->second = packet.message;
        }
    }
    return failures;
}

Failures check_at_least_once_in_cluster(const Trace& trace, const History& history) {
    const Receivers receivers{trace, history};
    std::set<std::pair<std::string, std::uint32_t>> lost;
    Failures failures;
    for (const auto& one : history.accepted) {
        const auto& publisher = history.of(one.connection).client_id;
        for (const auto& name : receivers.owed(publisher, one.message, one.arrived_entry)) {
            if (receivers.has(name, one.message) || !lost.insert({name, one.message}).second)
                continue;
            failures.push_back(
                {one.acknowledged_entry,
                 fmt::format("{} was acknowledged to its publisher and matches a subscription of "
                             "'{}', but neither reached it nor waits for it, and was not counted "
                             "as dropped",
                             label_of(trace, one.message), name)});
        }
    }
    // What is dropped on its way to a node is counted once for all who wait for it there.
    std::set<std::pair<std::uint32_t, Actor>> missing;
    for (const auto& [name, message] : lost) missing.insert({message, receivers.node_of(name)});
    if (missing.size() <= counted_drops(trace)) failures.clear();
    return failures;
}

Failures check_will_once_in_cluster(const Trace& trace, const History& history) {
    const Receivers receivers{trace, history};
    Failures failures;
    std::size_t lost = 0;
    for (const auto& connection : history.connections) {
        if (!connection.is_accepted || !connection.will) continue;
        const auto& will = *connection.will;
        if (will.message == no_message || will.delay != Duration::zero()) continue;
        const auto label = label_of(trace, will.message);
        const bool may = may_be_published(connection);
        for (const auto& [name, times] : receivers.got(will.message)) {
            if (may && times == 1) continue;
            failures.push_back(
                {connection.connack_entry,
                 fmt::format("the Will Message {} of '{}' came {} to '{}'", label,
                             connection.client_id,
                             may ? fmt::format("{} times", times)
                                 : std::string{"although its connection did not end without "
                                               "DISCONNECT"},
                             name)});
        }
        // With its process goes what the node knew of the Will.
        if (!may || connection.end == ConnectionHistory::End::with_process) continue;
        for (const auto& name :
             receivers.owed(connection.client_id, will.message, connection.end_entry)) {
            if (receivers.has(name, will.message)) continue;
            ++lost;
            failures.push_back(
                {connection.end_entry,
                 fmt::format("the Will Message {} of '{}' never came to '{}', and was not counted "
                             "as dropped",
                             label, connection.client_id, name)});
        }
    }
    if (lost == failures.size() && lost <= counted_drops(trace)) failures.clear();
    return failures;
}

Failures check_bounds_of_cluster(const Trace& trace) {
    Failures failures;
    check_shares_of_cores(trace, failures);
    for (const auto& member : trace.agreement.members) {
        if (member.kept_messages_most <= trace.cluster.kept_messages_max) continue;
        failures.push_back(
            {trace.agreement.entry,
             fmt::format("{} kept {} publications for a node that did not take them; it has room "
                         "for {}",
                         trace.name_of(member.node), member.kept_messages_most,
                         trace.cluster.kept_messages_max)});
    }
    return failures;
}

}  // namespace touchstone::simulator
