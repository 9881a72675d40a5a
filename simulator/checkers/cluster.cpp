// C1 to C6, and what S1 and R1 mean across nodes: what the members of a cluster have, once enough
// time has passed since the last fault for its model to have put everything in order.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

using Rows = std::vector<std::string>;

/// What of `all` is not in `others`, the first few; both are sorted.
std::string missing_in(const Rows& all, const Rows& others) {
    constexpr std::size_t shown_max = 3;
    Rows missing;
    std::ranges::set_difference(all, others, std::back_inserter(missing));
    const auto count = missing.size();
    if (count > shown_max) missing.resize(shown_max);
    return fmt::format("{}{}", fmt::join(missing, ", "),
                       count > shown_max ? fmt::format(" and {} more", count - shown_max) : "");
}

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
        if (member.is_up) all.insert(member.node);
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

Failures check_silent_divergence(const Trace& trace, const History&) {
    Failures failures;
    if (!is_judged(trace)) return failures;
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

Failures check_declared_availability(const Trace& trace, const History& history) {
    Failures failures;
    if (!trace.cluster.minority_refuses) return failures;
    // A verdict may come that late, and a CONNECT may have been on its way then.
    const Duration excused = trace.cluster.notices_within + progress_time;
    std::vector<Actor> nodes;
    for (const auto& node : trace.nodes)
        if (node.actor != trace.cluster.one_broker) nodes.push_back(node.actor);
    std::map<std::pair<Actor, Actor>, unsigned> cuts;
    std::map<Actor, Instant> minority_since;
    std::size_t next = 0;
    const auto review = [&](Instant at) {
        for (const auto node : nodes) {
            const auto is_reached = [&](Actor other) {
                if (other == node) return true;
                return cuts[{node, other}] == 0 && cuts[{other, node}] == 0 &&
                       cuts[{other, other}] == 0;
            };
            const auto reached = static_cast<std::size_t>(std::ranges::count_if(nodes, is_reached));
            if (2 * reached > nodes.size())
                minority_since.erase(node);
            else
                minority_since.try_emplace(node, at);
        }
    };
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        for (; next < trace.reach.size() && trace.reach[next].at <= entry.at; ++next) {
            const auto& one = trace.reach[next];
            auto& count = cuts[{one.from, one.to}];
            one.is_cut ? ++count : --count;
            review(one.at);
        }
        const auto* packet = sent_by_broker(trace, entry);
        if (packet == nullptr || packet->type != wire::PacketType::connack ||
            is_failure(packet->reason))
            continue;
        const auto& connection = history.of(packet->connection);
        const auto since = minority_since.find(connection.entrance);
        if (since == minority_since.end() || entry.at < since->second + excused) continue;
        failures.push_back(
            {index,
             fmt::format(
                 "{} lets '{}' in, though it has not reached most of the nodes for {} ms",
                 trace.name_of(connection.entrance), connection.client_id,
                 std::chrono::duration_cast<std::chrono::milliseconds>(entry.at - since->second)
                     .count())});
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

Failures check_retained_in_cluster(const Trace& trace, const History&) {
    Failures failures;
    if (!is_judged(trace) || !trace.cluster.shares_retained) return failures;
    const TracedMember* first = nullptr;
    for (const auto& member : trace.agreement.members) {
        if (!member.is_serving) continue;
        if (first == nullptr) first = &member;
        if (member.own_retained == first->own_retained) continue;
        const auto only_one = missing_in(first->own_retained, member.own_retained);
        const auto only_other = missing_in(member.own_retained, first->own_retained);
        failures.push_back(
            {trace.agreement.entry,
             fmt::format("{} retains {}, {} {}", trace.name_of(first->node),
                         only_one.empty() ? "nothing more" : only_one, trace.name_of(member.node),
                         only_other.empty() ? "nothing more" : only_other)});
    }
    return failures;
}

}  // namespace touchstone::simulator
