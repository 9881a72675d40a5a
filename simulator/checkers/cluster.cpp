// C1 to C4, C6, and what S1 means across nodes: what the members of a cluster have, once
// enough time has passed since the last fault for its model to have put everything in order.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"
#include "simulator/checkers/rows.hpp"

namespace touchstone::simulator {

namespace {

/// All that the members really have, in order.
Rows all_of(const Trace& trace, Rows TracedMember::*own) {
    Rows all;
    for (const auto& member : trace.agreement.members)
        all.insert(all.end(), (member.*own).begin(), (member.*own).end());
    std::ranges::sort(all);
    return all;
}

/// Where a member's table differs from what there is.
Failures compare(const Trace& trace, Rows TracedMember::*table, const Rows& truth,
                 std::string_view what) {
    Failures failures;
    for (const auto& member : trace.agreement.members) {
        if (!member.is_serving) continue;  // C6 has it
        auto rows = member.*table;
        std::ranges::sort(rows);
        if (rows == truth) continue;
        const auto ghosts = missing_in(rows, truth);
        const auto lacking = missing_in(truth, rows);
        failures.push_back(
            {trace.agreement.entry,
             fmt::format("the {} of {}{}{}{}", what, trace.name_of(member.node),
                         lacking.empty() ? "" : " lack " + lacking,
                         !lacking.empty() && !ghosts.empty() ? ", and" : "",
                         ghosts.empty() ? "" : " have " + ghosts + ", which is nowhere")});
    }
    return failures;
}

bool is_judged(const Trace& trace) {
    return trace.agreement.at != never;
}

/// Whose connection is ended for one at another node that has been there for long: the two were
/// united, and an operator is told.
void check_reports(const Trace& trace, const History& history, Failures& failures) {
    constexpr Duration long_ago = std::chrono::seconds{10};  // a takeover does not take so long
    for (const auto index : history.landmarks) {
        const auto* const packet = sent_by_broker(trace, trace.entries[index]);
        if (packet == nullptr || packet->type != wire::PacketType::disconnect ||
            packet->reason != ReasonCode::session_taken_over)
            continue;
        const auto& mine = history.of(packet->connection);
        const Instant at = trace.entries[index].at;
        const auto is_recent = [&](const ConnectionHistory& other) {
            return &other != &mine && other.client_id == mine.client_id &&
                   other.connect_entry < index &&
                   trace.entries[other.connect_entry].at + long_ago >= at;
        };
        // Of a session that has ended at the other node since nobody is told.
        const auto is_there = [&](const ConnectionHistory& other) {
            return &other != &mine && other.client_id == mine.client_id && other.is_accepted &&
                   other.connack_entry < index && other.end_entry > index;
        };
        if (std::ranges::any_of(history.connections, is_recent) ||
            std::ranges::none_of(history.connections, is_there))
            continue;
        const auto names_it = [&](const TracedAlarm& alarm) {
            return alarm.text.find("'" + mine.client_id + "'") != std::string::npos;
        };
        if (std::ranges::any_of(trace.alarms, names_it)) continue;
        failures.push_back({index, fmt::format("'{}' was connected to {} and another node at once, "
                                               "and no operator was told",
                                               mine.client_id, trace.name_of(mine.entrance))});
    }
}

}  // namespace

Failures check_registry_convergence(const Trace& trace, const History&) {
    if (!is_judged(trace) || !trace.cluster.has_registry || trace.cluster.one_broker) return {};
    return compare(trace, &TracedMember::sessions, all_of(trace, &TracedMember::own_sessions),
                   "sessions in the table");
}

Failures check_route_convergence(const Trace& trace, const History&) {
    if (!is_judged(trace) || trace.cluster.floods || trace.cluster.one_broker) return {};
    return compare(trace, &TracedMember::routes, all_of(trace, &TracedMember::own_routes),
                   "routes");
}

Failures check_membership_convergence(const Trace& trace, const History&) {
    Failures failures;
    if (!is_judged(trace)) return failures;
    std::set<Actor> all;
    for (const auto& member : trace.agreement.members)
        if (member.is_up && !trace.cluster.is_replicant(member.node)) all.insert(member.node);
    for (const auto& member : trace.agreement.members) {
        if (!member.is_up) continue;
        const std::set<Actor> running{member.running.begin(), member.running.end()};
        if (running == all) continue;
        Rows names;
        for (const auto node : running) names.push_back(trace.name_of(node));
        failures.push_back(
            {trace.agreement.entry,
             fmt::format("{} sees {} of {} nodes running: {}", trace.name_of(member.node),
                         running.size(), all.size(), fmt::join(names, ", "))});
    }
    return failures;
}

Failures check_silent_divergence(const Trace& trace, const History& history) {
    Failures failures;
    if (!is_judged(trace)) return failures;
    if (trace.cluster.reports_doubles) check_reports(trace, history, failures);
    const auto& members = trace.agreement.members;
    const bool is_healthy = std::ranges::all_of(
        members, [](const auto& member) { return !member.is_up || member.health == "healthy"; });
    if (!is_healthy) return failures;
    const TracedMember* first = nullptr;
    for (const auto& member : members) {
        if (!member.is_serving) continue;
        if (first == nullptr) {
            first = &member;
            continue;
        }
        const auto differs = [&](Rows TracedMember::*table, std::string_view what) {
            auto one = first->*table;
            auto other = member.*table;
            std::ranges::sort(one);
            std::ranges::sort(other);
            if (one == other) return;
            const auto only_one = missing_in(one, other);
            const auto only_other = missing_in(other, one);
            failures.push_back(
                {trace.agreement.entry,
                 fmt::format("all nodes say that they are healthy, but the {} of {} and {} differ: "
                             "{} only there, {} only here",
                             what, trace.name_of(first->node), trace.name_of(member.node),
                             only_one.empty() ? "nothing" : only_one,
                             only_other.empty() ? "nothing" : only_other)});
        };
        if (member.records != first->records)
            failures.push_back({trace.agreement.entry,
                                fmt::format("all nodes say that they are healthy, but the records "
                                            "of {} and {} differ: {} and {}",
                                            trace.name_of(first->node), trace.name_of(member.node),
                                            first->records, member.records)});
        if (!trace.cluster.floods) differs(&TracedMember::routes, "routes");
        if (trace.cluster.has_registry) differs(&TracedMember::sessions, "sessions in the tables");
        if (trace.cluster.shares_retained) differs(&TracedMember::retained, "Retained Messages");
    }
    return failures;
}

Failures check_heal_liveness(const Trace& trace, const History&) {
    Failures failures;
    if (!is_judged(trace)) return failures;
    for (const auto& member : trace.agreement.members) {
        if (!member.is_up || member.is_serving) continue;
        failures.push_back(
            {trace.agreement.entry, fmt::format("{} is up and takes no clients; it says: {}",
                                                trace.name_of(member.node), member.health)});
    }
    return failures;
}

Failures check_single_owner_of_cluster(const Trace& trace, const History& history) {
    Failures failures;
    if (!is_judged(trace)) return failures;
    std::map<std::string, std::vector<const ConnectionHistory*>> open;
    for (const auto& connection : history.connections) {
        if (!connection.is_accepted || connection.client_id.empty()) continue;
        if (connection.connack_entry >= trace.agreement.entry ||
            connection.end_entry < trace.agreement.entry)
            continue;
        open[connection.client_id].push_back(&connection);
    }
    for (const auto& [client_id, connections] : open) {
        if (connections.size() < 2) continue;
        Rows nodes;
        for (const auto* one : connections) nodes.push_back(trace.name_of(one->node));
        failures.push_back({trace.agreement.entry,
                            fmt::format("'{}' is connected to {} nodes at once: {}", client_id,
                                        connections.size(), fmt::join(nodes, ", "))});
    }
    return failures;
}

}  // namespace touchstone::simulator
