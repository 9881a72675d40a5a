// resume: when a session is resumed, every PUBLISH that the client has not acknowledged is sent
// again, at once or as soon as the window has room (v5 [MQTT-4.4.0-1], v3.1.1 [MQTT-4.4.0-1]). The
// order is O2, the PUBRELs are Q5.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// What is owed on one connection since its CONNACK.
struct Owed {
    std::map<std::uint16_t, Flow> flows;  // by Packet Identifier
    std::int64_t in_flight = 0;           // PUBLISHes sent on the connection, not yet finished
    Instant room_since;                   // the window has had room since then
    std::size_t connack_entry = no_entry;
};

}  // namespace

Failures check_resume(const Trace& trace, const History& history) {
    using What = FlowTracker::What;
    FlowTracker tracker;
    std::map<ConnectionNumber, Owed> owed;
    Failures failures;
    const auto complain = [&](ConnectionNumber number, const Owed& one, Instant until) {
        const bool has_room = one.in_flight < history.of(number).window;
        const Actor node = history.of(number).node;
        if (one.flows.empty() || !has_room ||
            history.active(trace, node, one.room_since, until) < progress_time) {
            return false;
        }
        failures.push_back(
            {one.connack_entry,
             fmt::format("{} was owed to '{}' on this connection and not sent for {} ms although "
                         "{} of {} were in flight",
                         describe(trace, one.flows.begin()->second), history.of(number).client_id,
                         (until - one.room_since).count() / 1'000, one.in_flight,
                         history.of(number).window)});
        return true;
    };
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto seen = tracker.step(trace, history, entry);
        const auto* packet = sent_by_broker(trace, entry);
        if (packet != nullptr && packet->type == wire::PacketType::connack &&
            packet->session_present) {
            const auto session = history.session_of(*packet);
            if (session == no_session) continue;
            Owed now{.flows = {}, .room_since = entry.at, .connack_entry = index};
            for (const auto& flow : tracker.unfinished(session)) {
                if (!flow.is_released) now.flows.emplace(flow.packet_id, flow);
            }
            owed[packet->connection] = std::move(now);
        }
        if (seen.packet == nullptr) continue;
        const auto found = owed.find(seen.packet->connection);
        if (found == owed.end()) continue;
        auto& one = found->second;
        const auto window = static_cast<std::int64_t>(history.of(found->first).window);
        if (seen.packet->type == wire::PacketType::publish) {
            if (complain(found->first, one, entry.at)) one.flows.clear();
            // Under another identifier it was sent all the same; that is P2.
            std::erase_if(one.flows, [&](const auto& flow) {
                return flow.first == seen.flow.packet_id ||
                       (flow.second.message != no_message &&
                        flow.second.message == seen.flow.message);
            });
            one.in_flight += seen.flow.sends == 1 ? 1 : 0;
        } else if (seen.what == What::finished) {
            if (one.in_flight >= window) one.room_since = entry.at;
            const bool was_owed = one.flows.erase(seen.flow.packet_id) != 0;
            one.in_flight -= !was_owed && seen.flow.connection == found->first ? 1 : 0;
        }
        if (seen.what == What::released) one.flows.erase(seen.flow.packet_id);
    }
    for (const auto& [number, one] : owed) {
        const auto& connection = history.of(number);
        complain(number, one,
                 connection.end_entry == no_entry ? history.end_of_run(trace)
                                                  : trace.entries[connection.end_entry].at);
    }
    return failures;
}

}  // namespace touchstone::simulator
