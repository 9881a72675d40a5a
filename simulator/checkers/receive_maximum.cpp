// receive-maximum: a v5 client that has more QoS 2 messages unfinished than the server's Receive
// Maximum is disconnected (v5 §3.3.4, Reason Code 0x93). QoS 1 messages are acknowledged as they
// are taken, so only those of QoS 2 can pile up.

#include <fmt/format.h>

#include <set>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PacketType;

namespace {

/// The Receive Maximum that CONNACK announced.
std::uint32_t announced(const Trace& trace, const TracedPacket& connack) {
    const auto decoded = wire::decode_connack(trace.frame_of(connack), ProtocolVersion::v5).value();
    return decoded.properties.integer(wire::PropertyId::receive_maximum).value_or(65'535);
}

}  // namespace

Failures check_receive_maximum(const Trace& trace, const History& history) {
    struct Watched {
        bool is_on = false;  // the broker has sent something on it
        std::uint32_t maximum = 65'535;
        std::set<std::uint16_t> unfinished;
        std::size_t overrun_entry = no_entry;
    };
    std::vector<Watched> watched(history.connections.size());
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (const auto* packet = sent_by_broker(trace, entry)) {
            if (history.of(packet->connection).version != ProtocolVersion::v5) continue;
            auto& one = watched[packet->connection.raw()];
            one.is_on = true;
            if (packet->type == PacketType::connack && !is_failure(packet->reason)) {
                one.maximum = announced(trace, *packet);
            }
            const bool refuses = packet->type == PacketType::pubrec && is_failure(packet->reason);
            if (refuses) one.unfinished.erase(packet->packet_id);
        } else if (const auto* taken = taken_by_broker(trace, entry)) {
            auto& one = watched[taken->connection.raw()];
            if (!one.is_on) continue;
            if (taken->type == PacketType::pubrel) one.unfinished.erase(taken->packet_id);
            if (taken->type != PacketType::publish || taken->qos != QoS::exactly_once) continue;
            one.unfinished.insert(taken->packet_id);
            const bool is_overrun = one.unfinished.size() > one.maximum;
            if (is_overrun && one.overrun_entry == no_entry) one.overrun_entry = index;
        }
    }
    Failures failures;
    for (std::uint32_t raw = 0; raw < watched.size(); ++raw) {
        const ConnectionNumber number{raw};
        const auto& one = watched[raw];
        if (one.overrun_entry == no_entry) continue;
        const Instant at = trace.entries[one.overrun_entry].at;
        if (!history.lives_on(trace, number, at, progress_time)) continue;
        failures.push_back({one.overrun_entry,
                            fmt::format("'{}' exceeded the server's Receive Maximum of {} and was "
                                        "not disconnected",
                                        history.of(number).client_id, one.maximum)});
    }
    return failures;
}

}  // namespace touchstone::simulator
