// S3: CONNACK says Session Present exactly when there is a session to resume (v5 [MQTT-3.2.2-2],
// [MQTT-3.2.2-3], v3.1.1 [MQTT-3.2.2-1] to [MQTT-3.2.2-3]).

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

enum class Expected : std::uint8_t { absent, present, either };

/// A session is over within this of its instant of expiry.
constexpr Duration expiry_tolerance = std::chrono::milliseconds{1'500};

Expected expected(const Trace& trace, const History& history, const ConnectionHistory& connection,
                  const ConnectionHistory* previous, std::size_t entry) {
    if (connection.clean_start || previous == nullptr) return Expected::absent;
    if (history.is_broken(trace, *previous)) return Expected::either;
    if (history.may_have_lost_expiry(trace, *previous)) return Expected::either;
    // Taken over: a session without expiry ends with its connection, a lasting one goes on.
    const auto expiry_s = previous->session_expiry_s;
    if (expiry_s == 0) return Expected::absent;
    if (previous->end_entry >= entry || expiry_s == 0xFFFF'FFFF) return Expected::present;
    const auto expires = History::over(trace, *previous, std::chrono::seconds{expiry_s});
    const Instant asked_at = trace.entries[connection.connect_entry].at;
    if (trace.entries[entry].at + expiry_tolerance < expires.earliest) return Expected::present;
    if (expires.latest != never && asked_at > expires.latest + expiry_tolerance)
        return Expected::absent;
    return Expected::either;
}

/// Whether a CONNECT of the same client came between the two whose outcome nobody saw, or which was
/// refused while the disk lied: then a part of what it was to be may be there. Of two that are
/// under way, at different nodes or shards, either may be carried out first, whichever came first.
bool has_unknown_between(const Trace& trace, const History& history,
                         const ConnectionHistory* previous, const ConnectionHistory& connection) {
    return std::ranges::any_of(history.connections, [&](const ConnectionHistory& other) {
        const bool is_unknown = other.is_unanswered() || history.is_broken(trace, other);
        return is_unknown && other.node == connection.node &&
               other.client_id == connection.client_id &&
               other.connect_entry < connection.connack_entry &&
               (previous == nullptr || previous->connect_entry < other.connect_entry);
    });
}

}  // namespace

Failures check_session_present(const Trace& trace, const History& history) {
    // node, Client Identifier → the last accepted connection since the process started
    std::map<std::pair<Actor, std::string>, ConnectionNumber> last;
    Failures failures;
    for (const auto index : history.landmarks) {
        const auto& entry = trace.entries[index];
        const bool is_down = entry.kind == TraceEntry::Kind::node_crashed ||
                             entry.kind == TraceEntry::Kind::node_stopped;
        if (is_down) {
            std::erase_if(last, [&](const auto& one) {
                return one.first.first == entry.actor && !history.of(one.second).is_durable;
            });
        }
        const auto* packet = sent_by_broker(trace, entry);
        if (packet == nullptr || packet->type != wire::PacketType::connack) continue;
        const auto& connection = history.of(packet->connection);
        if (!connection.is_accepted || connection.connect_entry == no_entry) continue;
        const auto [known, is_first] =
            last.try_emplace({connection.node, connection.client_id}, packet->connection);
        const auto* previous = is_first ? nullptr : &history.of(known->second);
        const auto truth = expected(trace, history, connection, previous, index);
        known->second = packet->connection;
        if (truth == Expected::either) continue;
        if (packet->session_present == (truth == Expected::present)) continue;
        if (!connection.clean_start && has_unknown_between(trace, history, previous, connection))
            continue;
        failures.push_back(
            {index, fmt::format("'{}' was told Session Present {}, but there was {} session",
                                connection.client_id, packet->session_present ? 1 : 0,
                                truth == Expected::present ? "a" : "no")});
    }
    return failures;
}

}  // namespace touchstone::simulator
