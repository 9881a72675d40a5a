// The probe of a cluster: clients that are there for nothing else, once everything is to be in
// order again. What one of them publishes comes to each once, and the one that goes from node to
// node finds its session. So it tells what is broken for good from what was lost while faults
// lasted.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"
#include "simulator/probe_names.hpp"

namespace touchstone::simulator {

namespace {

void check_roaming(const Trace& trace, const History& history, Failures& failures) {
    std::size_t attempts = 0;
    for (const auto& connection : history.connections) {
        if (trace.name_of(connection.client) != roaming_probe) continue;
        ++attempts;
        const auto& node = trace.name_of(connection.entrance);
        if (!connection.is_accepted)
            failures.push_back(
                {no_entry,
                 fmt::format("the client that goes from node to node is not let in at {}", node)});
        else if (attempts > 1 && trace.cluster.has_registry && !connection.session_present)
            failures.push_back(
                {connection.connack_entry,
                 fmt::format("the client that goes from node to node does not find its session at "
                             "{}",
                             node)});
    }
    const auto nodes =
        std::ranges::count_if(trace.agreement.members, [](const auto& one) { return one.is_up; });
    if (attempts >= static_cast<std::size_t>(nodes)) return;
    failures.push_back({no_entry, "the client that goes from node to node was stopped on its way"});
}

}  // namespace

Failures check_probe(const Trace& trace, const History& history) {
    Failures failures;
    if (trace.agreement.at == never) return failures;
    std::set<Actor> probes;
    for (std::uint32_t index = 0; index < trace.actors.size(); ++index) {
        const std::string_view name = trace.actors[index];
        if (!name.starts_with(probe_prefix)) continue;
        const auto is_its = [&](const TracedMember& member) {
            return trace.name_of(member.node) == name.substr(probe_prefix.size());
        };
        const auto member = std::ranges::find_if(trace.agreement.members, is_its);
        if (member == trace.agreement.members.end() || member->is_up) probes.insert(Actor{index});
    }
    if (probes.empty()) return failures;

    std::map<std::pair<Actor, std::uint32_t>, std::size_t> deliveries;  // to whom, message
    for (const auto& entry : trace.entries) {
        if (entry.kind != TraceEntry::Kind::delivered || !probes.contains(entry.actor)) continue;
        ++deliveries[{entry.actor, trace.packets[entry.index].message}];
    }
    std::size_t published = 0;
    for (std::uint32_t index = 0; index < trace.messages.size(); ++index) {
        const auto& message = trace.messages[index];
        if (!probes.contains(message.publisher)) continue;
        ++published;
        for (const auto probe : probes) {
            const auto found = deliveries.find({probe, index});
            const auto count = found == deliveries.end() ? 0 : found->second;
            if (count == 1) continue;
            failures.push_back(
                {no_entry,
                 fmt::format("{} of {}, long after the last fault, came "
                             "{} to {}",
                             label_of(message.payload), trace.name_of(message.publisher),
                             count == 0 ? std::string{"never"} : fmt::format("{} times", count),
                             trace.name_of(probe))});
        }
    }
    if (published == 0) failures.push_back({no_entry, "the clients of the probe publish nothing"});
    check_roaming(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
