// S2: nothing disappears while a session passes from one connection to the next. What was accepted
// from the moment when the older connection could not take it any more, or while the newer CONNECT
// was handled, has reached the client or waits for it (v5 §3.1.4, [MQTT-4.4.0-1]).

#include <algorithm>

#include "simulator/checkers/missing.hpp"

namespace touchstone::simulator {

namespace {

/// Whether the message was accepted during a takeover: while there was a connection that another
/// one took over, or between CONNECT and CONNACK of one that resumed the session.
bool is_of_takeover(const History& history, const Missing& missing) {
    const auto& connections = history.sessions[missing.session].connections;
    const auto entry = missing.accepted.arrived_entry;
    for (std::size_t next = 1; next < connections.size(); ++next) {
        const auto& older = history.of(connections[next - 1]);
        const auto& newer = history.of(connections[next]);
        const bool took_over = older.end_entry > newer.connect_entry;
        const auto begin = took_over ? older.connack_entry : newer.connect_entry;
        if (begin < entry && entry < newer.connack_entry) return true;
    }
    return false;
}

}  // namespace

Failures check_takeover_continuity(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto& missing : history.missing) {
        if (!is_of_takeover(history, missing)) continue;
        failures.push_back(
            failure_of(trace, history, missing, "; it came while the session was taken over"));
    }
    return failures;
}

}  // namespace touchstone::simulator
