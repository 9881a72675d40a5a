// B1: what one client makes the broker keep has a bound that the operator sets, whatever the client
// does: the messages that wait for it, and the time that it may say nothing.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// A driver's timer may be as coarse as this.
constexpr Duration tolerance = std::chrono::milliseconds{1'500};

const TracedNode* node_of(const Trace& trace, Actor node) {
    const auto found = std::ranges::find(trace.nodes, node, &TracedNode::actor);
    return found == trace.nodes.end() ? nullptr : &*found;
}

/// Retained Messages for a new subscription do not count: the node holds them anyway.
void check_queues(const Trace& trace, const History& history, Failures& failures) {
    for (const auto& session : history.sessions) {
        const auto view =
            std::ranges::find(trace.end.sessions, session.client_id, &TracedSession::client_id);
        const auto* node = node_of(trace, session.node);
        if (session.end_entry != no_entry || view == trace.end.sessions.end() || node == nullptr) {
            continue;
        }
        const auto waiting = std::ranges::count_if(view->queue, [&](const std::string& payload) {
            const auto message = trace.find_message(payload);
            return message == no_message || !trace.messages[message].retain;
        });
        if (static_cast<std::uint64_t>(waiting) <= node->queue_messages_max) continue;
        failures.push_back(
            {no_entry, fmt::format("{} messages wait for '{}'; its queue has room "
                                   "for {}",
                                   waiting, session.client_id, node->queue_messages_max)});
    }
}

void check_silence(const Trace& trace, const History& history, Failures& failures) {
    std::map<ConnectionNumber, std::size_t> last_heard;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        if (taken_by_broker(trace, trace.entries[index]) == nullptr) continue;
        last_heard[trace.entries[index].connection] = index;
    }
    for (const auto& [number, entry] : last_heard) {
        const auto& connection = history.of(number);
        const auto* node = node_of(trace, connection.node);
        const bool is_limited = node != nullptr && node->keep_alive_s_max != 0 &&
                                connection.is_accepted && connection.version == ProtocolVersion::v5;
        if (!is_limited) continue;
        const auto limit = std::chrono::milliseconds{1'500} * node->keep_alive_s_max + tolerance;
        const Instant heard_at = trace.entries[entry].at;
        if (!history.lives_on(trace, number, heard_at, limit)) continue;
        failures.push_back({entry, fmt::format("'{}' was silent for more than {} s, the longest "
                                               "Keep Alive that the server allows, and a half",
                                               connection.client_id, node->keep_alive_s_max)});
    }
}

}  // namespace

Failures check_bounds(const Trace& trace, const History& history) {
    Failures failures;
    check_queues(trace, history, failures);
    check_silence(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
