// P1: no two unfinished flows of one sender share a Packet Identifier (v5 [MQTT-2.2.1-4], v3.1.1
// [MQTT-2.3.1-4]); a client's SUBSCRIBE and UNSUBSCRIBE count until they are answered (v5
// [MQTT-2.2.1-3], v3.1.1 [MQTT-2.3.1-2]).

#include <fmt/format.h>

#include <map>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"
#include "simulator/checkers/requests.hpp"

namespace touchstone::simulator {

namespace {

void check_flows(const Trace& trace, const History& history, Direction direction,
                 Failures& failures) {
    for (const auto& step : history.flows(direction).steps()) {
        const auto& seen = step.seen;
        if (seen.what != FlowTracker::What::started_in_use) continue;
        failures.push_back(
            {step.entry, fmt::format("{} was sent {} while another flow with this "
                                     "identifier was unfinished",
                                     describe(trace, seen.flow), whose(history, seen))});
    }
}

/// Requests of clients beside their flows.
void check_requests(const Trace& trace, const History& history, Failures& failures) {
    FlowTracker flows{Direction::to_broker};
    RequestTracker requests;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        const auto* packet = sent_by_client(trace, entry);
        const bool is_request = packet != nullptr && is_request_type(packet->type);
        const bool is_publish = packet != nullptr && packet->type == wire::PacketType::publish &&
                                !packet->dup && packet->packet_id != 0;
        const auto in_use_by = [&]() -> std::string_view {
            if (requests.is_open(entry.actor, packet->packet_id)) return "an unanswered request";
            if (is_publish) return "";  // check_flows
            for (const auto& flow : flows.unfinished(entry.actor.raw())) {
                if (flow.packet_id == packet->packet_id) return "an unfinished PUBLISH";
            }
            return "";
        };
        const auto other = is_request || is_publish ? in_use_by() : "";
        if (!other.empty()) {
            failures.push_back(
                {index,
                 fmt::format("{} of '{}' has the identifier {} of {}", wire::name_of(packet->type),
                             trace.name_of(entry.actor), packet->packet_id, other)});
        }
        flows.step(trace, history, entry);
        requests.step(trace, entry);
    }
}

}  // namespace

Failures check_packet_id_uniqueness(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto direction : both_flow_directions) {
        check_flows(trace, history, direction, failures);
    }
    check_requests(trace, history, failures);
    return failures;
}

}  // namespace touchstone::simulator
