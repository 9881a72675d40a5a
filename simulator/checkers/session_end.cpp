// S5: a session ends with the Session Expiry Interval of its last connection, neither earlier nor
// later, and not at all while the client is there (v5 [MQTT-3.1.2-23], §3.1.2.11.2, §3.14.2.2.2).
// Seen at the end of the run, where the node tells which sessions it has; S3 sees the same when a
// client comes back.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

namespace {

/// A session is over within this of its instant of expiry.
constexpr Duration expiry_tolerance = std::chrono::milliseconds{1'500};

}  // namespace

Failures check_session_end(const Trace& trace, const History& history) {
    if (!trace.end.known) return {};
    std::map<std::pair<Actor, std::string>, std::uint32_t> last;  // node, Client Identifier
    for (std::uint32_t index = 0; index < history.sessions.size(); ++index) {
        last[{history.sessions[index].node, history.sessions[index].client_id}] = index;
    }
    Failures failures;
    for (const auto& [key, index] : last) {
        const auto& session = history.sessions[index];
        const bool is_up = std::ranges::find(trace.end.balances, session.node,
                                             &TracedBalance::node) != trace.end.balances.end();
        if (!is_up || session.end_entry != no_entry) continue;
        const bool is_there =
            std::ranges::find(trace.end.sessions, session.client_id, &TracedSession::client_id) !=
            trace.end.sessions.end();
        const auto& connection = history.of(session.connections.back());
        if (history.is_broken(trace, connection) ||
            history.may_have_lost_expiry(trace, connection)) {
            continue;
        }
        if (connection.end_entry == no_entry || connection.session_expiry_s == 0xFFFF'FFFF) {
            if (!is_there) {
                failures.push_back({no_entry, fmt::format("the session of '{}' is gone at the end "
                                                          "of the run, but nothing has ended it",
                                                          session.client_id)});
            }
            continue;
        }
        const auto [ends_at, ends_at_the_latest] =
            History::over(trace, connection, std::chrono::seconds{connection.session_expiry_s});
        const Instant end = history.end_of_run(trace);
        const bool is_late =
            ends_at_the_latest != never &&
            history.active(trace, session.node, ends_at_the_latest, end) > expiry_tolerance;
        if (is_there && is_late) {
            failures.push_back({no_entry, fmt::format("the session of '{}' is there at the end of "
                                                      "the run, {} ms after its expiry",
                                                      session.client_id,
                                                      (end - ends_at_the_latest).count() / 1'000)});
        }
        if (!is_there && end + expiry_tolerance < ends_at) {
            failures.push_back(
                {no_entry, fmt::format("the session of '{}' is gone at the end of "
                                       "the run, {} ms before its expiry",
                                       session.client_id, (ends_at - end).count() / 1'000)});
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
