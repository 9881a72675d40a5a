// R2: for a topic with Retained Messages of one publisher, what a session gets never goes back to
// an older value, whether it comes live or as a Retained Message for a new subscription (§4.6), and
// the last value does not get lost between the two.

#include <fmt/format.h>

#include <map>
#include <set>
#include <tuple>

#include "broker/wire/topics.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// Topics whose every message is retained, of one QoS and of one publisher: only they have an order
/// of values that can be seen from outside.
std::set<std::string> ordered_topics(const Trace& trace) {
    struct Source {
        Actor publisher;
        QoS qos;
        bool is_ordered;
    };
    std::map<std::string, Source> sources;
    for (const auto& message : trace.messages) {
        const auto [known, is_new] =
            sources.try_emplace(message.topic, Source{message.publisher, message.qos, true});
        auto& source = known->second;
        source.is_ordered &= message.retain && !message.is_will &&
                             source.publisher == message.publisher && source.qos == message.qos;
    }
    std::set<std::string> topics;
    for (const auto& [topic, source] : sources) {
        if (source.is_ordered) topics.insert(topic);
    }
    return topics;
}

/// The last message of each ordered topic, with the entry of its coming; not where the last PUBLISH
/// was one that deletes.
std::map<std::string, std::pair<std::uint32_t, std::size_t>>
last_values(const Trace& trace, const History& history, const std::set<std::string>& topics) {
    std::map<std::string, std::pair<std::uint32_t, std::size_t>> last;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = taken_by_broker(trace, trace.entries[index]);
        const bool is_restart = trace.entries[index].kind == TraceEntry::Kind::node_crashed ||
                                trace.entries[index].kind == TraceEntry::Kind::node_stopped;
        if (is_restart) {
            const Actor node = trace.entries[index].actor;
            const bool is_durable = settings_of(trace.nodes, node).has_storage;
            std::erase_if(last, [&](const auto& one) {
                return !is_durable ||
                       history.may_be_lost(trace, node, trace.entries[one.second.second].at);
            });
        }
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        if (!topics.contains(packet->topic)) continue;
        last[packet->topic] = {packet->message, index};
        // It may have been refused.
        const Actor node = history.of(packet->connection).node;
        if (history.is_refusing(node, trace.entries[index].at)) last.erase(packet->topic);
    }
    std::erase_if(last, [](const auto& one) { return one.second.first == no_message; });
    return last;
}

/// Subscribers that came behind the last value and have not got it. Those that were there before it
/// are Q1's business.
void check_last_value(const Trace& trace, const History& history,
                      const std::set<std::string>& topics, Failures& failures) {
    if (trace.end.dropped_messages != 0) return;
    const auto last = last_values(trace, history, topics);
    std::set<std::pair<std::uint32_t, std::uint32_t>> got;  // session, message
    for (const auto& entry : trace.entries) {
        const auto* packet = taken_by_client(trace, entry);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        got.insert({history.session_of(*packet), packet->message});
    }
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        const auto& session = history.sessions[index];
        if (session.end_entry != no_entry || session.connections.empty()) continue;
        for (const auto& one : session.subscriptions) {
            if (one.granted_entry == no_entry) continue;
            const auto number = trace.entries[one.granted_entry].connection;
            const bool asks = !one.is_shared && one.options.retain_handling == 0 &&
                              one.granted != QoS::at_most_once && one.end_entry == no_entry;
            if (!asks || history.of(number).end_entry != no_entry) continue;
            if (!history.lives_on(trace, number, trace.entries[one.granted_entry].at,
                                  progress_time)) {
                continue;
            }
            for (const auto& [topic, value] : last) {
                const bool is_later = value.second < one.requested_entry &&
                                      trace.messages[value.first].qos != QoS::at_most_once;
                if (!is_later || !wire::matches(one.filter, topic)) continue;
                if (got.contains({index, value.first})) continue;
                failures.push_back(
                    {one.granted_entry,
                     fmt::format("'{}' subscribed after {} had been published to '{}' and never "
                                 "got this value",
                                 session.client_id, label_of(trace, value.first), topic)});
            }
        }
    }
}

}  // namespace

Failures check_retained_order(const Trace& trace, const History& history) {
    const auto topics = ordered_topics(trace);
    std::map<std::tuple<std::uint32_t, std::string, QoS>, std::uint32_t> newest;
    std::map<std::uint32_t, std::size_t> times;  // message → how often the broker took it
    FlowReader flows{history};
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& seen = flows.at(index);
        if (const auto* taken = taken_by_broker(trace, trace.entries[index])) {
            if (taken->type == wire::PacketType::publish) ++times[taken->message];
        }
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish ||
            packet->message == no_message || !topics.contains(packet->topic)) {
            continue;
        }
        const auto session = history.session_of(*packet);
        const bool is_repetition =
            seen.what != FlowTracker::What::nothing && seen.what != FlowTracker::What::started;
        if (session == no_session || is_repetition) continue;
        const auto [known, is_new] =
            newest.try_emplace({session, packet->topic, packet->qos}, packet->message);
        if (is_new) continue;
        const auto& last = trace.messages[known->second];
        const auto& now = trace.messages[packet->message];
        // What its publisher sent again comes again, at QoS 1 as a new message.
        if (now.sequence < last.sequence && times[packet->message] > 1) continue;
        // Of the newer one the disk has kept what waits for the session, and not the value itself.
        const auto has_lost_value = [&, newer = known->second] {
            const auto came_at = first_arrivals(trace);
            const auto came = came_at.find(newer);
            return came != came_at.end() &&
                   history.is_broken(history.sessions[session].node, came->second);
        };
        if (now.sequence < last.sequence && has_lost_value()) {
            known->second = packet->message;
            continue;
        }
        if (now.sequence < last.sequence) {
            failures.push_back({index, fmt::format("'{}' got {} of '{}' after the newer {}",
                                                   history.sessions[session].client_id,
                                                   label_of(trace, packet->message), packet->topic,
                                                   label_of(trace, known->second))});
            continue;
        }
        known->second = packet->message;
    }
    check_last_value(trace, history, topics, failures);
    return failures;
}

}  // namespace touchstone::simulator
