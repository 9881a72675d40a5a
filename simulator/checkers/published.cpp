// published: what a client is sent was published: nobody's message has another payload than its
// publisher gave it. Not of the server's own topics below $SYS (§4.7.2).

#include <fmt/format.h>

#include <set>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

Bytes payload_of(const Trace& trace, const History& history, const TracedPacket& packet) {
    const auto version = history.of(packet.connection).version;
    return wire::decode_publish(trace.frame_of(packet), version).value().payload;
}

}  // namespace

Failures check_published(const Trace& trace, const History& history) {
    // Of clients that are told which bytes to send: their messages are no application's.
    std::set<std::string_view> others;
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.type != wire::PacketType::publish && entry.type != wire::PacketType::connect)
            continue;
        const auto* const taken = taken_by_broker(trace, entry);
        const auto* const packet = taken != nullptr ? taken : sent_by_broker(trace, entry);
        if (packet == nullptr || packet->message != no_message) continue;
        if (taken != nullptr && taken->type == wire::PacketType::connect) {
            const auto connect = wire::decode_connect(trace.frame_of(*taken)).value();
            if (connect.will) others.insert(as_text(connect.will->payload));
        }
        if (packet->type != wire::PacketType::publish) continue;
        const auto payload = as_text(payload_of(trace, history, *packet));
        if (taken != nullptr) {
            others.insert(payload);
            continue;
        }
        if (payload.empty() || packet->topic.starts_with("$SYS/") || others.contains(payload)) {
            continue;
        }
        failures.push_back({index, fmt::format("'{}' was sent {} of '{}', which nobody has "
                                               "published",
                                               history.of(packet->connection).client_id,
                                               label_of(payload), packet->topic)});
    }
    return failures;
}

}  // namespace touchstone::simulator
