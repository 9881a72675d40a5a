// limits: what the server announced in the CONNACK of this connection is kept by its client:
// Maximum Packet Size [MQTT-3.2.2-15], Maximum QoS [MQTT-3.2.2-11], Topic Alias Maximum
// [MQTT-3.2.2-17]. v5 only.

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

using wire::PropertyId;

namespace {

struct Limits {
    std::uint32_t packet_size_bytes_max = wire::packet_size_bytes_max;
    std::uint32_t qos_max = 2;
    std::uint32_t topic_alias_max = 0;
};

/// What the packet does that it may not; empty when it may.
std::string excess_of(const TracedPacket& packet, const Limits& limits) {
    if (packet.size_bytes > limits.packet_size_bytes_max) {
        return fmt::format("has {} bytes, the server takes {}", packet.size_bytes,
                           limits.packet_size_bytes_max);
    }
    if (packet.type != wire::PacketType::publish) return {};
    if (static_cast<std::uint32_t>(packet.qos) > limits.qos_max) {
        return fmt::format("has QoS {}, the server takes {}", static_cast<unsigned>(packet.qos),
                           limits.qos_max);
    }
    if (packet.topic_alias > limits.topic_alias_max) {
        return fmt::format("has Topic Alias {}, the server takes {}", packet.topic_alias,
                           limits.topic_alias_max);
    }
    return {};
}

}  // namespace

Failures check_peer_limits(const Trace& trace, const History& history) {
    std::vector<std::optional<Limits>> announced(history.connections.size());  // as the client
                                                                               // knows them
    Failures failures;
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (const auto* packet = taken_by_client(trace, entry)) {
            if (packet->type != wire::PacketType::connack) continue;
            const auto version = history.of(packet->connection).version;
            if (version != ProtocolVersion::v5) continue;
            const auto connack = wire::decode_connack(trace.frame_of(*packet), version).value();
            const auto& properties = connack.properties;
            Limits limits;
            limits.packet_size_bytes_max = properties.integer(PropertyId::maximum_packet_size)
                                               .value_or(limits.packet_size_bytes_max);
            limits.qos_max = properties.integer(PropertyId::maximum_qos).value_or(limits.qos_max);
            limits.topic_alias_max =
                properties.integer(PropertyId::topic_alias_maximum).value_or(0);
            announced[packet->connection.raw()] = limits;
        } else if (const auto* sent = sent_by_client(trace, entry)) {
            const auto& limits = announced[sent->connection.raw()];
            if (!limits) continue;
            const auto excess = excess_of(*sent, *limits);
            if (excess.empty()) continue;
            failures.push_back({index, fmt::format("{} of '{}' {}", wire::name_of(sent->type),
                                                   trace.name_of(entry.actor), excess)});
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
