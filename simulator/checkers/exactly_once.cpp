// Q2: one QoS 2 publication is sent to a session once per matching subscription, however often it
// was repeated by its publisher, and its application gets what arrives at QoS 2 once per such
// sending (§4.3.3). A client makes one flow of one publication.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

using Key = std::pair<std::uint32_t, std::uint32_t>;  // session, message

/// How often each QoS 2 message was published as a new one: 1, or more where its publisher's
/// session was lost and it published anew, or did not learn of the loss and repeated it to the next
/// session.
std::map<std::uint32_t, std::uint64_t> publications(const Trace& trace, const History& history) {
    std::map<std::uint32_t, std::uint64_t> fresh;
    std::map<std::uint32_t, std::set<std::uint32_t>> sessions;
    const auto is_publish = [](const TracedPacket& packet) {
        return !packet.malformed && packet.direction == Direction::to_broker &&
               packet.type == PacketType::publish;
    };
    for (const auto& packet : trace.packets) {
        if (!is_publish(packet)) continue;
        if (!packet.dup) ++fresh[packet.message];
        if (packet.arrived_at != never) {
            sessions[packet.message].insert(history.session_of(packet));
        }
    }
    std::map<std::uint32_t, std::uint64_t> counts;
    for (const auto& [message, list] : sessions) {
        counts[message] = std::max<std::uint64_t>(fresh[message], list.size());
    }
    return counts;
}

/// When all shards of a node have stored a message that has come at that instant: they begin with
/// its acknowledgement, and a slow disk has time for the batch of each.
Instant spread_by(const Trace& trace, const History& history, std::uint32_t message, Instant came) {
    constexpr Duration spreading_time_max = std::chrono::seconds{2};
    Instant acknowledged = came;
    for (const auto& one : history.accepted) {
        if (one.message != message) continue;
        acknowledged = std::max(acknowledged, trace.entries[one.acknowledged_entry].at);
    }
    return acknowledged + spreading_time_max;
}

/// A client that makes two flows of one publication, without having lost the first with its state.
void check_publishers(const Trace& trace, const History& history, Failures& failures) {
    using What = FlowTracker::What;
    FlowReader flows{history, Direction::to_broker};
    std::map<Actor, std::set<std::uint32_t>> started;  // messages of unforgotten flows
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind == TraceEntry::Kind::forgot) started.erase(entry.actor);
        const auto& seen = flows.at(index);
        const bool is_start = seen.what == What::started || seen.what == What::started_in_use ||
                              seen.what == What::started_with_dup;
        if (!is_start || seen.flow.message == no_message || seen.flow.qos != QoS::exactly_once) {
            continue;
        }
        if (started[entry.actor].insert(seen.flow.message).second) continue;
        failures.push_back(
            {index, fmt::format("{}, published once at QoS 2, was sent by '{}' as "
                                "another message",
                                label_of(trace, seen.flow.message), trace.name_of(entry.actor))});
    }
}

}  // namespace

Failures check_exactly_once(const Trace& trace, const History& history) {
    using What = FlowTracker::What;
    const auto published = publications(trace, history);
    FlowReader flows{history};
    std::map<Key, std::uint64_t> sent;
    std::map<Key, std::uint64_t> delivered;
    Failures failures;

    const auto count = [&](std::map<Key, std::uint64_t>& counts, std::uint32_t session,
                           std::uint32_t message, std::size_t entry, std::string_view what) {
        const auto publication = published.find(message);
        const auto times = publication == published.end() ? 1 : publication->second;
        // A subscription that is replaced counts once; overlapping ones may each get a copy.
        std::set<std::pair<std::string_view, std::string_view>> filters;
        for (const auto* one : history.ever_matching(session, trace.messages[message].topic)) {
            filters.insert({one->share_name, one->filter});
        }
        const auto allowed = times * std::max<std::uint64_t>(1, filters.size());
        if (++counts[{session, message}] <= allowed) return;
        // It came to its node, or went to the other shards, when the disk lied, which then knows
        // one part of it and not the other.
        const auto arrived = first_arrivals(trace);
        const auto came = arrived.find(message);
        if (came != arrived.end() &&
            history.is_broken(history.sessions[session].node, came->second,
                              spread_by(trace, history, message, came->second))) {
            return;
        }
        failures.push_back(
            {entry, fmt::format("{}, published at QoS 2, was {} '{}' more than {}",
                                label_of(trace, message), what, history.sessions[session].client_id,
                                allowed == 1 ? "once" : fmt::format("{} times", allowed))});
    };
    const auto is_exactly_once = [&](std::uint32_t message) {
        return message != no_message && !trace.messages[message].is_will &&
               trace.messages[message].qos == QoS::exactly_once;
    };

    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto& seen = flows.at(index);
        if (const auto* packet = sent_by_broker(trace, entry)) {
            const auto session = history.session_of(*packet);
            const bool is_first = packet->qos == QoS::at_most_once || seen.what == What::started ||
                                  seen.what == What::started_in_use;
            if (packet->type == PacketType::publish && session != no_session && is_first &&
                !packet->retain && is_exactly_once(packet->message)) {
                count(sent, session, packet->message, index, "sent to");
            }
        } else if (entry.kind == TraceEntry::Kind::delivered) {
            const auto& handed = trace.packets[entry.index];
            const auto session = history.session_of(handed);
            if (session == no_session || handed.qos != QoS::exactly_once || handed.retain ||
                !is_exactly_once(handed.message)) {
                continue;
            }
            count(delivered, session, handed.message, index, "handed to the application of");
        }
    }
    check_publishers(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
