// N1: the access rules in force decide, also about what happens later than it was asked for: a
// subscription is granted, and a Will Message published, only to whom they allow it at that moment.

#include "simulator/checkers/access_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// The rules of the node at that entry; null where everything is allowed.
const access::AccessRules* rules_at(const Trace& trace, Actor node, std::size_t entry) {
    const access::AccessRules* rules = nullptr;
    for (const auto& one : trace.access) {
        if (one.node == node && one.from_entry <= entry) rules = one.rules.get();
    }
    return rules;
}

}  // namespace

bool is_denied(const Trace& trace, const ConnectionHistory& who, std::size_t entry,
               access::Action action, std::string_view topic) {
    const auto* rules = rules_at(trace, who.node, entry);
    if (rules == nullptr) return false;
    access::Client client{.client_id = who.client_id, .address = {}};
    if (who.user_name) client.user_name = *who.user_name;
    return rules->decide(client, action, topic).verdict == access::Verdict::deny;
}

bool is_denied_throughout(const Trace& trace, const ConnectionHistory& who, std::size_t from,
                          std::size_t to, access::Action action, std::string_view topic) {
    if (!is_denied(trace, who, from, action, topic)) return false;
    return std::ranges::all_of(trace.access, [&](const TracedRules& one) {
        const bool is_between =
            one.node == who.node && from < one.from_entry && one.from_entry <= to;
        return !is_between || is_denied(trace, who, one.from_entry, action, topic);
    });
}

Failures check_access_rules(const Trace& trace, const History& history) {
    if (trace.access.empty()) return {};
    Failures failures;
    for (const auto& session : history.sessions) {
        for (const auto& one : session.subscriptions) {
            if (one.granted_entry == no_entry) continue;
            const auto number = trace.entries[one.granted_entry].connection;
            if (!is_denied(trace, history.of(number), one.granted_entry, access::Action::subscribe,
                           one.filter)) {
                continue;
            }
            failures.push_back(
                {one.granted_entry, fmt::format("'{}' was granted '{}', which the rules deny it",
                                                session.client_id, one.filter)});
        }
    }
    std::map<std::uint32_t, std::size_t> published;  // message → entry of its first transmission
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto* packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::publish) continue;
        if (packet->message != no_message) published.emplace(packet->message, index);
    }
    for (const auto& connection : history.connections) {
        if (!connection.is_accepted || !connection.will) continue;
        const auto seen = published.find(connection.will->message);
        // It was published some time between the end of its connection and its first transmission.
        const auto ended = connection.end_entry;
        if (seen == published.end() || ended > seen->second ||
            !is_denied_throughout(trace, connection, ended, seen->second, access::Action::publish,
                                  connection.will->topic)) {
            continue;
        }
        failures.push_back(
            {seen->second, fmt::format("the Will Message of '{}' was published to '{}', which the "
                                       "rules deny it by now",
                                       connection.client_id, connection.will->topic)});
    }
    return failures;
}

}  // namespace touchstone::simulator
