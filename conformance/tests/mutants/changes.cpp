#include "conformance/tests/mutants/changes.hpp"

#include <utility>

namespace touchstone::conformance {

namespace mutants {

std::size_t body_of(const Buffer& raw) {
    std::size_t index = 1;
    while (index < raw.size() && (std::to_integer<unsigned>(raw[index]) & 0x80U) != 0) ++index;
    return index + 1;
}

void set_byte(Packet& packet, std::size_t body_index, unsigned value) {
    const auto index = body_of(packet.raw) + body_index;
    if (index < packet.raw.size()) packet.raw[index] = static_cast<std::byte>(value);
}

void set_body(Packet& packet, const Buffer& body) {
    Buffer raw{packet.raw[0]};
    put_variable(raw, static_cast<std::uint32_t>(body.size()));
    append(raw, body);
    packet.raw = std::move(raw);
}

Buffer body_bytes(const Packet& packet) {
    return {packet.raw.begin() + static_cast<std::ptrdiff_t>(body_of(packet.raw)),
            packet.raw.end()};
}

bool is_v5(const Packet& packet) {
    return packet.version == ProtocolVersion::v5;
}

void rebuild_publish(Packet& packet) {
    packet.raw = build_publish(packet.version, {.topic = packet.topic,
                                                .payload = packet.payload,
                                                .qos = static_cast<QoS>(packet.qos),
                                                .retain = packet.retain,
                                                .dup = packet.dup,
                                                .packet_id = packet.packet_id,
                                                .properties = packet.properties})
                     .bytes();
}

void rebuild_connect(Packet& packet) {
    packet.raw = build_connect({.version = packet.version,
                                .client_id = packet.client_id,
                                .clean_start = (packet.connect_flags & 2U) != 0,
                                .keep_alive_s = packet.keep_alive_s,
                                .properties = packet.properties,
                                .will = packet.will,
                                .user_name = packet.user_name,
                                .password = packet.password})
                     .bytes();
}

void rebuild_subscribe(Packet& packet) {
    packet.raw =
        build_subscribe(packet.version, packet.packet_id, packet.filters, packet.properties)
            .bytes();
}

void rebuild_connack(Packet& packet) {
    Draft draft{0x20};
    draft.byte("flags", packet.acknowledge_flags).byte("code", packet.reason_code);
    if (is_v5(packet)) draft.properties("properties", packet.properties);
    packet.raw = draft.bytes();
}

void erase(Properties& properties, PropertyId id) {
    std::erase_if(properties, [id](const Property& property) { return property.id == id; });
}

bool is_sound(const Packet& packet) {
    return packet.is_decodable && packet.faults.empty();
}

Tamper drop(PacketType type) {
    return on(type, [](Packet&, Wire&) { return false; });
}

Tamper twice(PacketType type) {
    return on(type, [](Packet& packet, Wire& wire) { wire.to_client(packet.raw); });
}

Tamper wrong_id(PacketType type) {
    return on(type, [](Packet& packet, Wire&) {
        const std::size_t place = packet.type == publish ? 2 + packet.topic.size() : 0;
        if (packet.type == publish && packet.qos == 0) return;
        set_byte(packet, place + 1, (packet.packet_id & 0xFFU) ^ 0x55U);
    });
}

Tamper wrong_flags(PacketType type) {
    return on(type, [](Packet& packet, Wire&) { packet.raw[0] ^= std::byte{0x04}; });
}

Tamper publish_without(PropertyId id) {
    return publish_as([id](Packet& packet) { erase(packet.properties, id); });
}

Tamper connect_without(PropertyId id) {
    return connect_as([id](Packet& packet) { erase(packet.properties, id); });
}

Tamper connack_with(Property property) {
    return on(connack, [property](Packet& packet, Wire&) {
        if (!is_v5(packet)) return;
        packet.properties.push_back(property);
        rebuild_connack(packet);
    });
}

Tamper acknowledgement_with_code(PacketType type, std::uint8_t code) {
    return on(type, [code](Packet& packet, Wire&) {
        if (!is_v5(packet)) return;
        Buffer body;
        put_u16(body, packet.packet_id);
        body.push_back(static_cast<std::byte>(code));
        set_body(packet, body);
    });
}

Tamper with_property(PacketType type, const Property& property) {
    return on(type, [property](Packet& packet, Wire&) {
        if (!is_v5(packet)) return;
        auto properties = packet.properties;
        properties.push_back(property);
        const bool is_disconnect = packet.type == disconnect;
        const bool has_codes = packet.type == suback || packet.type == unsuback;
        Draft draft{std::to_integer<std::uint8_t>(packet.raw[0])};
        if (!is_disconnect) draft.u16("packet_id", packet.packet_id);
        if (!has_codes) draft.byte("code", packet.reason_code);
        draft.properties("properties", properties);
        for (const auto code : packet.reason_codes) draft.byte("code", code);
        packet.raw = draft.bytes();
    });
}

SimOptions with_defect(Defect defect) {
    SimOptions options;
    options.defects.turn_on(defect);
    return options;
}

}  // namespace mutants

const std::vector<Mutant>& all_mutants() {
    static const auto all = [] {
        std::vector<Mutant> list;
        for (const auto add :
             {mutants::add_malformed, mutants::add_connack, mutants::add_sessions,
              mutants::add_limits, mutants::add_ending, mutants::add_answers, mutants::add_publish,
              mutants::add_flows, mutants::add_topics, mutants::add_subscribe,
              mutants::add_web_socket, mutants::add_access, mutants::add_published}) {
            add(list);
        }
        return list;
    }();
    return all;
}

}  // namespace touchstone::conformance
