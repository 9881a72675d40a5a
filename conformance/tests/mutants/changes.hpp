// What the lists of broken brokers are written with: changes of one packet on its way through.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance::mutants {

using enum PacketType;

// --- Bytes --------------------------------------------------------------------------------------

/// Where the body of a packet begins.
[[nodiscard]] std::size_t body_of(const Buffer& raw);
[[nodiscard]] Buffer body_bytes(const Packet& packet);
/// Without effect behind the end.
void set_byte(Packet& packet, std::size_t body_index, unsigned value);
/// The same packet type with another body.
void set_body(Packet& packet, const Buffer& body);

[[nodiscard]] bool is_v5(const Packet& packet);
/// Nothing is wrong with it by itself.
[[nodiscard]] bool is_sound(const Packet& packet);

// Write a packet anew after its fields were changed.
void rebuild_publish(Packet& packet);
void rebuild_connect(Packet& packet);
void rebuild_subscribe(Packet& packet);
void rebuild_connack(Packet& packet);

void erase(Properties& properties, PropertyId id);

// --- Makers of changes --------------------------------------------------------------------------

/// Applies `change` to sound packets of `type`.
template <class Change>
Tamper on(PacketType type, Change change) {
    return [type, change](Packet& packet, Wire& wire) {
        if (packet.type != type || !is_sound(packet)) return true;
        if constexpr (std::is_void_v<std::invoke_result_t<Change, Packet&, Wire&>>) {
            change(packet, wire);
            return true;
        } else {
            return change(packet, wire);
        }
    };
}

template <class Change>
Tamper publish_as(Change change) {
    return on(publish, [change](Packet& packet, Wire&) {
        change(packet);
        rebuild_publish(packet);
    });
}

template <class Change>
Tamper connect_as(Change change) {
    return on(PacketType::connect, [change](Packet& packet, Wire&) {
        change(packet);
        rebuild_connect(packet);
    });
}

template <class Change>
Tamper will_as(Change change) {
    return connect_as([change](Packet& packet) {
        if (packet.will.has_value()) change(*packet.will);
    });
}

template <class Change>
Tamper filters_as(Change change) {
    return on(subscribe, [change](Packet& packet, Wire&) {
        for (auto& filter : packet.filters) change(filter, packet);
        rebuild_subscribe(packet);
    });
}

template <class Change>
Tamper connack_as(Change change) {
    return on(connack, [change](Packet& packet, Wire&) {
        change(packet);
        rebuild_connack(packet);
    });
}

[[nodiscard]] Tamper drop(PacketType type);
[[nodiscard]] Tamper twice(PacketType type);
[[nodiscard]] Tamper wrong_id(PacketType type);
[[nodiscard]] Tamper wrong_flags(PacketType type);
[[nodiscard]] Tamper publish_without(PropertyId id);
[[nodiscard]] Tamper connect_without(PropertyId id);
[[nodiscard]] Tamper connack_with(Property property);
[[nodiscard]] Tamper acknowledgement_with_code(PacketType type, std::uint8_t code);
/// `property` comes on top of those that the packet has; 5.0 only. Not for PUBLISH and CONNACK.
[[nodiscard]] Tamper with_property(PacketType type, const Property& property);

[[nodiscard]] SimOptions with_defect(Defect defect);

/// Packet Identifiers of the broker that gives them out twice: reuse shows at once, and as many are
/// enough for every case on a broker that does not.
inline constexpr std::uint16_t mutant_packet_ids = 16;

// --- The lists ----------------------------------------------------------------------------------

void add_malformed(std::vector<Mutant>& mutants);
void add_connack(std::vector<Mutant>& mutants);
void add_sessions(std::vector<Mutant>& mutants);
void add_limits(std::vector<Mutant>& mutants);
void add_ending(std::vector<Mutant>& mutants);
void add_answers(std::vector<Mutant>& mutants);
void add_publish(std::vector<Mutant>& mutants);
void add_flows(std::vector<Mutant>& mutants);
void add_topics(std::vector<Mutant>& mutants);
void add_subscribe(std::vector<Mutant>& mutants);
void add_web_socket(std::vector<Mutant>& mutants);
void add_access(std::vector<Mutant>& mutants);
void add_published(std::vector<Mutant>& mutants);

}  // namespace touchstone::conformance::mutants
