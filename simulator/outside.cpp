#include "simulator/outside.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// What a broker took so shortly before the end may still be on its way.
constexpr Duration underway_time_max = std::chrono::seconds{1};

/// Whether nothing holds the session's messages up any more, and has not for long enough.
bool is_drained(const Trace& trace, const History& history, FlowTracker& tracker,
                std::uint32_t session) {
    const auto number = history.sessions[session].connections.back();
    const auto& connection = history.of(number);
    const bool is_there =
        connection.end_entry == no_entry && connection.client_end_entry == no_entry;
    return is_there && tracker.unfinished(session).empty() &&
           trace.entries[connection.connack_entry].at + underway_time_max <= trace.end.at;
}

/// QoS 2 messages whose PUBREL the broker never took. It may hand them on when that comes, and then
/// a publisher whose session ends before takes them along (§4.1, §4.3.3).
std::set<std::uint32_t> unreleased_messages(const Trace& trace) {
    std::set<std::uint32_t> unreleased;
    std::map<std::pair<Actor, std::uint16_t>, std::uint32_t> begun;
    for (const auto& entry : trace.entries) {
        const auto* packet = taken_by_broker(trace, entry);
        if (packet == nullptr) continue;
        if (packet->type == wire::PacketType::publish && packet->qos == QoS::exactly_once) {
            begun[{entry.actor, packet->packet_id}] = packet->message;
            unreleased.insert(packet->message);
        } else if (packet->type == wire::PacketType::pubrel) {
            const auto found = begun.find({entry.actor, packet->packet_id});
            if (found != begun.end()) unreleased.erase(found->second);
        }
    }
    return unreleased;
}

}  // namespace

void infer_end(Trace& trace) {
    trace.end.known = true;
    const History history{trace};
    FlowTracker tracker;
    std::set<std::uint32_t> sent;
    for (const auto& entry : trace.entries) {
        static_cast<void>(tracker.step(trace, history, entry));
        const auto* packet = sent_by_broker(trace, entry);
        if (packet != nullptr && packet->type == wire::PacketType::publish) {
            sent.insert(packet->message);
        }
    }
    auto late = unreleased_messages(trace);
    for (const auto& one : history.accepted) {
        if (trace.entries[one.acknowledged_entry].at + underway_time_max > trace.end.at) {
            late.insert(one.message);
        }
    }
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        const auto& session = history.sessions[index];
        if (session.end_entry != no_entry || history.expiry_of(trace, index)) continue;
        const bool has_all = is_drained(trace, history, tracker, index);
        TracedSession seen{.client_id = session.client_id, .queue = {}, .inflight = {}};
        for (std::uint32_t message = 0; message < trace.messages.size(); ++message) {
            if (has_all && !late.contains(message)) continue;
            const auto& one = trace.messages[message];
            const auto matching = history.ever_matching(index, one.topic);
            if (matching.empty()) continue;
            // One copy for a group: where a member was sent it, it waits for no other.
            const bool is_for_group_only = std::ranges::all_of(
                matching, [](const auto* subscription) { return subscription->is_shared; });
            if (is_for_group_only && sent.contains(message)) continue;
            // Not as what is queued: nobody knows whether the window has room for it.
            seen.inflight.push_back(one.payload);
        }
        trace.end.sessions.push_back(std::move(seen));
    }
}

}  // namespace touchstone::simulator
