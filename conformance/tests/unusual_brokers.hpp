// Brokers that make unusual use of a freedom, for the tests of the suite and of generated scripts.
#pragma once

#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance {

/// Has one flow to a client at a time (§4.9 sets the most, not the least).
inline Mutant one_message_at_a_time() {
    Mutant broker{.name = "one_message_at_a_time"};
    broker.options.settings.inflight_max = 1;
    return broker;
}

/// The same, and nothing else is sent meanwhile: QoS 0 messages wait, too, and what is queued waits
/// for the PUBCOMP of a flow that was resumed.
inline Mutant one_message_at_a_time_and_no_other() {
    auto broker = one_message_at_a_time();
    broker.on_broker = [](Packet& packet, Wire& wire) {
        auto& is_open = wire.memory["open"];
        if (packet.type == PacketType::pubrel) is_open = 1;
        if (packet.type != PacketType::publish) return true;
        if (is_open == 0) {
            is_open = packet.qos > 0 ? 1 : 0;
            return true;
        }
        append(wire.held, packet.raw);
        return false;
    };
    broker.on_client = [](Packet& packet, Wire& wire) {
        const bool ends_flow = packet.type == PacketType::puback ||
                               packet.type == PacketType::pubcomp ||
                               (packet.type == PacketType::pubrec && packet.reason_code >= 0x80);
        if (!ends_flow) return true;
        wire.memory["open"] = 0;
        // All at once: none of them is followed by another flow before it is acknowledged.
        wire.to_client(wire.held);
        wire.held.clear();
        return true;
    };
    return broker;
}

}  // namespace touchstone::conformance
