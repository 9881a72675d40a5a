// The list of broken brokers. Each names the cases that have to catch it; mutants_tests.cpp runs
// them, and shows that no case passes on all of them.
#include "conformance/tests/mutants.hpp"

#include <algorithm>
#include <utility>

namespace touchstone::conformance {

namespace {

using enum PacketType;

/// Where the body of a packet begins.
std::size_t body_of(const Buffer& raw) {
    std::size_t index = 1;
    while (index < raw.size() && (std::to_integer<unsigned>(raw[index]) & 0x80U) != 0) ++index;
    return index + 1;
}

void set_byte(Packet& packet, std::size_t body_index, unsigned value) {
    const auto index = body_of(packet.raw) + body_index;
    if (index < packet.raw.size()) packet.raw[index] = static_cast<std::byte>(value);
}

/// The same packet type with another body.
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

/// Writes a PUBLISH anew after its fields were changed.
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

// --- Makers of changes
// -----------------------------------------------------------------------------

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

template <class Change>
Tamper publish_as(Change change) {
    return on(publish, [change](Packet& packet, Wire&) {
        change(packet);
        rebuild_publish(packet);
    });
}

Tamper publish_without(PropertyId id) {
    return publish_as([id](Packet& packet) { erase(packet.properties, id); });
}

template <class Change>
Tamper connect_as(Change change) {
    return on(PacketType::connect, [change](Packet& packet, Wire&) {
        change(packet);
        rebuild_connect(packet);
    });
}

Tamper connect_without(PropertyId id) {
    return connect_as([id](Packet& packet) { erase(packet.properties, id); });
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

Tamper with_reason_string(PacketType type) {
    return on(type, [](Packet& packet, Wire&) {
        if (!is_v5(packet)) return;
        auto properties = packet.properties;
        properties.push_back(text_property(PropertyId::reason_string, std::string(80, 'r')));
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

/// What faulty packets of clients do to a broker that does not look: nothing.
bool swallow_faulty(Packet& packet, Wire&) {
    return packet.is_decodable && packet.faults.empty();
}

SimOptions with_defect(Defect defect) {
    SimOptions options;
    options.defects.turn_on(defect);
    return options;
}

std::vector<Mutant> make_mutants() {
    std::vector<Mutant> mutants;
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    // --- It does not look at what clients send ---------------------------------------------------
    add({.name = "faulty_packets_ignored",
         .story = "malformed packets of clients are skipped, the connection lives on",
         .killed_by = {"v3.1.1/MQTT-2.2.2-2", "v3.1.1/MQTT-4.8.0-1", "v5/MQTT-3.6.1-1",
                       "v5/MQTT-3.8.1-1", "v5/MQTT-3.8.3-5", "v5/MQTT-3.10.1-1", "v5/MQTT-3.14.1-1",
                       "v5/MQTT-3.15.1-1", "v5/MQTT-4.13.1-1", "v3.1.1/MQTT-3.8.3-3"},
         .on_client = swallow_faulty});
    add({.name = "faulty_connect_accepted",
         .story = "a malformed CONNECT is taken as if it were right",
         .killed_by = {"v5/MQTT-3.1.2-1", "v5/MQTT-3.1.2-2", "v5/MQTT-3.1.2-3", "v5/MQTT-3.1.4-1",
                       "v3.1.1/MQTT-3.1.2-14", "v3.1.1/MQTT-3.1.2-15", "v3.1.1/MQTT-3.1.3-3",
                       "v5/MQTT-3.1.3-4", "v5/MQTT-3.1.3-11", "v5/MQTT-3.1.3-12", "v5/X5-21"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_first = wire.memory["connect"]++ == 0;
             if (packet.type != PacketType::connect || !is_first) return true;
             // Right for the reader, and still not for a broker: level 6 and other names.
             packet.raw = build_connect({.version = packet.version, .client_id = "mutant"}).bytes();
             return true;
         }});
    add({.name = "first_packet_need_not_be_connect",
         .story = "a PINGREQ before CONNECT is answered",
         .killed_by = {"v5/MQTT-3.1.0-1", "v3.1.1/MQTT-3.1.0-1"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (packet.type == PacketType::connect) wire.memory["connected"] = 1;
             if (wire.memory["connected"] == 0 && packet.type == pingreq) {
                 wire.to_client(hex("d0 00"));
                 return false;
             }
             return true;
         }});
    add({.name = "second_connect_ignored",
         .story = "a second CONNECT is skipped",
         .killed_by = {"v5/MQTT-3.1.0-2", "v3.1.1/MQTT-3.1.0-2", "v5/MQTT-3.2.0-2"},
         .on_client = [](Packet& packet, Wire& wire) {
             return packet.type != PacketType::connect || wire.memory["connects"]++ == 0;
         }});
    add({.name = "second_connect_answered",
         .story = "a second CONNECT gets a second CONNACK",
         .killed_by = {"v5/MQTT-3.2.0-2", "v5/MQTT-3.1.0-2", "v3.1.1/MQTT-3.1.0-2"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (packet.type != PacketType::connect || wire.memory["connects"]++ == 0) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 00 00") : hex("20 02 00 00"));
             return true;
         }});

    // --- CONNACK
    // -----------------------------------------------------------------------------------
    add({.name = "connack_reserved_flag",
         .story = "a reserved Connect Acknowledge Flag is 1",
         .killed_by = {"v5/MQTT-3.2.2-1", "v3.1.1/X3-01"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             set_byte(packet, 0, packet.acknowledge_flags | 0x02U);
         })});
    add({.name = "session_present_always_0",
         .story = "CONNACK never says Session Present",
         .killed_by = {"v5/MQTT-3.2.2-3", "v3.1.1/MQTT-3.2.2-2", "v5/MQTT-3.1.2-5"},
         .on_broker = connack_as([](Packet& packet) { packet.acknowledge_flags = 0; })});
    add({.name = "session_present_always_1",
         .story = "CONNACK always says Session Present",
         .killed_by = {"v5/MQTT-3.2.2-2", "v3.1.1/MQTT-3.2.2-1", "v3.1.1/MQTT-3.2.2-2",
                       "v3.1.1/MQTT-3.2.2-4"},
         .on_broker = [](Packet& packet, Wire&) {
             if (packet.type == connack) packet.raw[2] = std::byte{1};
             return true;
         }});
    add({.name = "connack_unknown_code",
         .story = "a refusal has a code that is not in the table",
         .killed_by = {"v5/MQTT-3.2.2-8", "v3.1.1/MQTT-3.2.2-6"},
         .on_broker = connack_as([](Packet& packet) {
             if (packet.reason_code != 0) packet.reason_code = 0x77;
         })});
    add({.name = "connack_for_malformed_3_1_1",
         .story = "a malformed CONNECT of 3.1.1 is refused with a CONNACK",
         .killed_by = {"v3.1.1/MQTT-3.1.4-1", "v3.1.1/MQTT-3.1.4-1:flags"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_bad = packet.type == PacketType::connect && !is_sound(packet);
             if (is_bad && !is_v5(packet)) wire.to_client(hex("20 02 00 02"));
             return true;
         }});
    add({.name = "no_close_after_refusal",
         .story = "a refused client is not disconnected",
         .killed_by = {"v5/MQTT-3.2.2-7", "v3.1.1/MQTT-3.2.2-5", "v5/MQTT-4.12.0-1",
                       "v3.1.1/MQTT-3.1.3-8"},
         .on_broker = [](Packet& packet, Wire& wire) {
             // By its bytes: the refusal of an unknown version has the format of another one.
             const bool is_refusal =
                 packet.type == connack && packet.raw.size() > 3 && packet.raw[3] != std::byte{0};
             if (is_refusal) wire.keep_alive_for_ever();
             return true;
         }});
    add({.name = "connack_dropped",
         .story = "a CONNECT gets no CONNACK",
         .killed_by = {"v5/MQTT-3.1.4-5", "v3.1.1/MQTT-3.1.4-4"},
         .on_broker = drop(connack)});
    add({.name = "connack_late",
         .story = "other answers overtake CONNACK",
         .killed_by = {"v5/MQTT-3.2.0-1", "v3.1.1/MQTT-3.2.0-1"},
         .on_broker = [](Packet& packet, Wire& wire) {
             if (packet.type == connack) wire.to_client(hex("d0 00"));
             return true;
         }});
    add({.name = "connack_without_property_length",
         .story = "CONNACK of 5.0 has no Property Length",
         .killed_by = {"v5/MQTT-2.2.2-1"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             if (is_v5(packet)) packet.raw = hex("20 02 00 00");
         })});
    add({.name = "publish_without_property_length",
         .story = "PUBLISH of 5.0 has no Property Length",
         .killed_by = {"v5/MQTT-2.2.2-1"},
         .on_broker = on(publish, [](Packet& packet, Wire&) {
             packet.raw =
                 build_publish(ProtocolVersion::v3_1_1, {.topic = packet.topic,
                                                         .payload = packet.payload,
                                                         .qos = static_cast<QoS>(packet.qos),
                                                         .packet_id = packet.packet_id})
                     .bytes();
         })});
    add({.name = "response_information_unasked",
         .story = "CONNACK has Response Information that nobody asked for",
         .killed_by = {"v5/MQTT-3.1.2-28"},
         .on_broker = connack_with(text_property(PropertyId::response_information, "r"))});
    add({.name = "authentication_method_unasked",
         .story = "CONNACK names an Authentication Method that CONNECT did not",
         .killed_by = {"v5/MQTT-4.12.0-6"},
         .on_broker = connack_with(text_property(PropertyId::authentication_method, "m"))});
    add({.name = "auth_unasked",
         .story = "AUTH follows CONNACK",
         .killed_by = {"v5/MQTT-4.12.0-6"},
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             wire.to_client(packet.raw);
             if (is_v5(packet)) wire.to_client(hex("f0 00"));
             return false;
         })});
    add({.name = "assigned_identifier_missing",
         .story = "no Assigned Client Identifier",
         .killed_by = {"v5/MQTT-3.1.3-7", "v5/MQTT-3.1.3-6", "v5/MQTT-3.2.2-16"},
         .on_broker = connack_as([](Packet& packet) {
             erase(packet.properties, PropertyId::assigned_client_identifier);
         })});
    add({.name = "assigned_identifier_constant",
         .story = "all clients without an identifier get the same one",
         .killed_by = {"v5/MQTT-3.1.3-6", "v5/MQTT-3.2.2-16", "v3.1.1/MQTT-3.1.3-6"},
         .on_client = on(PacketType::connect,
                         [](Packet& packet, Wire& wire) {
                             if (!packet.client_id.empty()) return;
                             wire.memory["was_empty"] = 1;
                             packet.client_id = "assigned";
                             rebuild_connect(packet);
                         }),
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (!is_v5(packet) || wire.memory["was_empty"] == 0) return;
             packet.properties.push_back(
                 text_property(PropertyId::assigned_client_identifier, "assigned"));
             rebuild_connack(packet);
         })});
    add({.name = "empty_identifier_with_kept_session",
         .story = "3.1.1: an empty Client Identifier is taken with CleanSession 0",
         .killed_by = {"v3.1.1/MQTT-3.1.3-8"},
         .on_client = connect_as([](Packet& packet) {
             if (packet.client_id.empty()) packet.connect_flags |= 2U;
         })});
    add({.name = "short_identifiers_refused",
         .story = "a Client Identifier of one character is refused",
         .killed_by = {"v5/MQTT-3.1.3-5", "v3.1.1/MQTT-3.1.3-5"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (packet.client_id.size() != 1) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 85 00") : hex("20 02 00 02"));
             return false;
         })});
    add({.name = "identifiers_ignore_case",
         .story = "Client Identifiers are compared without regard to case",
         .killed_by = {"v5/MQTT-3.1.3-2", "v3.1.1/MQTT-3.1.3-2"},
         .on_client = connect_as([](Packet& packet) {
             std::ranges::transform(packet.client_id, packet.client_id.begin(), [](char letter) {
                 return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
             });
         })});

    // --- Sessions
    // ----------------------------------------------------------------------------------
    add({.name = "clean_start_ignored",
         .story = "the old Session is resumed although a new one was asked for",
         .killed_by = {"v5/MQTT-3.1.2-4", "v3.1.1/MQTT-3.1.2-6", "v5/MQTT-3.1.4-4"},
         .on_client = connect_as([](Packet& packet) { packet.connect_flags &= 0xFDU; }),
         .on_broker = connack_as([](Packet& packet) { packet.acknowledge_flags = 0; })});
    add({.name = "sessions_never_kept",
         .story = "every Session is a new one",
         .killed_by = {"v5/MQTT-3.1.2-5", "v5/MQTT-3.1.2-23", "v3.1.1/MQTT-3.1.2-4",
                       "v3.1.1/MQTT-4.1.0-1"},
         .on_client = connect_as([](Packet& packet) { packet.connect_flags |= 2U; })});
    add({.name = "sessions_never_expire",
         .story = "the Session Expiry Interval is taken for never",
         .killed_by = {"v5/X5-01", "v5/MQTT-4.1.0-2"},
         .on_client = connect_as([](Packet& packet) {
             erase(packet.properties, PropertyId::session_expiry_interval);
             packet.properties.push_back(
                 number_property(PropertyId::session_expiry_interval, 0xFFFF'FFFF));
         })});
    add({.name = "expiry_in_disconnect_ignored",
         .story = "a Session Expiry Interval in DISCONNECT changes nothing",
         .killed_by = {"v5/X5-03"},
         .on_client = on(disconnect, [](Packet& packet, Wire&) {
             if (packet.reason_code == 0) packet.raw = hex("e0 00");
         })});
    add({.name = "session_expires_while_connected",
         .story = "the Session is thrown away while its client is connected",
         .killed_by = {"v5/MQTT-4.1.0-1"},
         .on_client = on(pubrel, [](Packet&, Wire&) { return false; })});

    // --- Wills
    // ---------------------------------------------------------------------------------------
    add({.name = "will_never_published",
         .story = "Wills are lost",
         .killed_by = {"v5/MQTT-3.1.2-7", "v3.1.1/MQTT-3.1.2-8", "v5/MQTT-3.1.2-8",
                       "v5/MQTT-3.1.2-8:session-end"},
         .options = with_defect(Defect::will_never_published)});
    add({.name = "will_on_normal_disconnect",
         .story = "DISCONNECT leaves the Will",
         .killed_by = {"v5/MQTT-3.14.4-3", "v3.1.1/MQTT-3.14.4-3", "v5/MQTT-3.1.2-10"},
         .options = with_defect(Defect::will_on_normal_disconnect)});
    add({.name = "will_twice",
         .story = "a Will is published twice",
         .killed_by = {"v5/MQTT-3.1.2-10", "v3.1.1/MQTT-3.1.2-10"},
         .options = with_defect(Defect::will_twice)});
    add({.name = "will_dropped_at_any_disconnect",
         .story = "DISCONNECT removes the Will whatever its code",
         .killed_by = {"v5/MQTT-3.1.2-8"},
         .on_client = on(disconnect, [](Packet& packet, Wire&) { packet.raw = hex("e0 00"); })});
    add({.name = "will_dropped_at_error",
         .story = "a client that makes a mistake loses its Will",
         .killed_by = {"v5/MQTT-3.1.2-8:protocol-error", "v3.1.1/MQTT-3.1.2-8:protocol-error",
                       "v5/MQTT-3.14.1-1"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_second_connect =
                 packet.type == PacketType::connect && wire.memory["connects"]++ > 0;
             if (!is_sound(packet) || is_second_connect) {
                 wire.to_broker(hex("e0 00"));
                 return false;
             }
             return true;
         }});
    add({.name = "will_delay_ignored",
         .story = "the Will is published at once, whatever its delay",
         .killed_by = {"v5/MQTT-3.1.2-8:delay", "v5/MQTT-3.1.3-9"},
         .on_client = will_as(
             [](WillFields& will) { erase(will.properties, PropertyId::will_delay_interval); })});
    add({.name = "will_waits_for_its_delay_only",
         .story = "the end of the Session does not publish the Will",
         .killed_by = {"v5/MQTT-3.1.2-8:session-end", "v5/MQTT-3.1.2-8:session-expiry-0",
                       "v5/MQTT-4.1.0-2"},
         .on_client = connect_as([](Packet& packet) {
             erase(packet.properties, PropertyId::session_expiry_interval);
             packet.properties.push_back(
                 number_property(PropertyId::session_expiry_interval, 3'600));
         })});
    add({.name = "will_properties_lost",
         .story = "Wills are published without properties",
         .killed_by = {"v5/X5-11"},
         .on_client = will_as([](WillFields& will) { will.properties.clear(); })});
    add({.name = "will_retain_ignored",
         .story = "a Will is never retained",
         .killed_by = {"v5/MQTT-3.1.2-15", "v3.1.1/MQTT-3.1.2-17"},
         .on_client = will_as([](WillFields& will) { will.retain = false; })});
    add({.name = "will_always_retained",
         .story = "a Will is always retained",
         .killed_by = {"v5/MQTT-3.1.2-14", "v3.1.1/MQTT-3.1.2-16"},
         .on_client = will_as([](WillFields& will) { will.retain = true; })});
    add({.name = "will_at_qos_0",
         .story = "a Will is published at QoS 0",
         .killed_by = {"v5/MQTT-3.1.2-7", "v3.1.1/MQTT-3.1.2-8"},
         .on_client = will_as([](WillFields& will) { will.qos = QoS::at_most_once; })});
    add({.name = "will_topic_and_payload_swapped",
         .story = "the fields of the payload are taken in another order",
         .killed_by = {"v5/MQTT-3.1.3-1", "v3.1.1/MQTT-3.1.3-1"},
         .on_client = will_as([](WillFields& will) { std::swap(will.topic, will.payload); })});
    add({.name = "will_invented",
         .story = "a client without a Will leaves one",
         .killed_by = {"v3.1.1/MQTT-3.1.2-12", "v5/MQTT-3.1.2-10:no-will"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (packet.client_id.empty()) return;
             auto& count = (*wire.shared)[packet.client_id];
             const auto topic = packet.client_id.substr(1, 10) + "/will";
             if (!packet.will.has_value() && count > 0) {
                 packet.will = WillFields{.topic = topic, .payload = "old"};
                 rebuild_connect(packet);
             }
             if (packet.will.has_value()) count = 1;
         })});

    // --- Limits
    // -------------------------------------------------------------------------------------
    const auto announcing = [](std::initializer_list<Property> limits) {
        return on(connack, [limits = Properties{limits}](Packet& packet, Wire&) {
            if (!is_v5(packet) || packet.reason_code != 0) return;
            for (const auto& limit : limits) {
                erase(packet.properties, limit.id);
                packet.properties.push_back(limit);
            }
            rebuild_connack(packet);
        });
    };
    add({.name = "announced_limits_not_kept",
         .story = "CONNACK announces limits that the broker does not care for",
         .killed_by = {"v5/MQTT-3.2.2-11", "v5/MQTT-3.2.2-12", "v5/MQTT-3.2.2-13",
                       "v5/MQTT-3.2.2-14", "v5/X5-26", "v5/X5-27", "v5/MQTT-3.2.2-15",
                       "v5/MQTT-3.2.2-18", "v3.1.1/MQTT-3.8.3-2"},
         .on_broker = announcing({number_property(PropertyId::maximum_qos, 1),
                                  number_property(PropertyId::retain_available, 0),
                                  number_property(PropertyId::topic_alias_maximum, 0),
                                  number_property(PropertyId::maximum_packet_size, 1'000),
                                  number_property(PropertyId::wildcard_subscription_available, 0),
                                  number_property(PropertyId::subscription_identifier_available, 0),
                                  number_property(PropertyId::shared_subscription_available, 0)}),
         .announces_limits = true});
    add({.name = "server_keep_alive_not_kept",
         .story = "CONNACK announces a Server Keep Alive that the broker does not enforce",
         .killed_by = {"v5/X5-29"},
         .on_broker = announcing({number_property(PropertyId::server_keep_alive, 2)}),
         .announces_limits = true});
    add({.name = "retain_flag_of_a_broker_that_retains_nothing",
         .story = "a broker that announces to retain nothing delivers with RETAIN 1",
         .killed_by = {"v5/X5-64"},
         .on_broker =
             [announce = announcing({number_property(PropertyId::retain_available, 0)})](
                 Packet& packet, Wire& wire) {
                 if (packet.type == publish) {
                     packet.retain = true;
                     rebuild_publish(packet);
                 }
                 return announce(packet, wire);
             },
         .announces_limits = true});
    add({.name = "low_quotas_not_kept",
         .story =
             "CONNACK announces a Receive Maximum and a Topic Alias Maximum below the true ones",
         .killed_by = {"v5/MQTT-3.3.4-7", "v5/MQTT-3.3.2-9"},
         .on_broker = announcing({number_property(PropertyId::receive_maximum, 10),
                                  number_property(PropertyId::topic_alias_maximum, 3)}),
         .announces_limits = true});
    add({.name = "maximum_qos_refuses_subscriptions",
         .story = "a broker with Maximum QoS 1 refuses subscriptions at QoS 2",
         .killed_by = {"v5/MQTT-3.2.2-10"},
         .on_client = on(subscribe,
                         [](Packet& packet, Wire& wire) {
                             wire.memory["asked"] = packet.filters.back().options & 3;
                         }),
         .on_broker =
             [announce = announcing({number_property(PropertyId::maximum_qos, 1)})](Packet& packet,
                                                                                    Wire& wire) {
                 if (packet.type == suback && wire.memory["asked"] == 2) {
                     packet.raw.back() = std::byte{0x80};
                 }
                 return announce(packet, wire);
             },
         .announces_limits = true});
    add({.name = "limited_broker_keeps_everything_else",
         .story = "CONNACK lacks a Maximum QoS that the broker has",
         .killed_by = {"v5/MQTT-3.2.2-9"},
         .on_broker =
             connack_as([](Packet& packet) { erase(packet.properties, PropertyId::maximum_qos); }),
         .options =
             [] {
                 SimOptions options;
                 options.settings.maximum_qos = QoS::at_most_once;
                 return options;
             }(),
         .announces_limits = true});
    add({.name = "connect_awaited_for_ever",
         .story = "a connection without CONNECT stays open",
         .killed_by = {"v5/X5-32", "v3.1.1/X3-05:silence"},
         .options = [] {
             SimOptions options;
             options.settings.connect_timeout = std::chrono::hours{1};
             return options;
         }()});
    add({.name = "long_identifiers_refused_badly",
         .story = "a long Client Identifier is refused with the wrong code, and without a close",
         .killed_by = {"v5/MQTT-3.1.3-8", "v3.1.1/MQTT-3.1.3-9"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (packet.client_id.size() < 100) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 85 00") : hex("20 02 00 05"));
             return false;
         })});
    add({.name = "password_needs_user_name",
         .story = "5.0: a Password without a User Name is refused as malformed",
         .killed_by = {"v5/MQTT-3.1.2-19:without-user-name"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (!packet.password.has_value() || packet.user_name.has_value()) return true;
             wire.to_client(hex("20 03 00 81 00"));
             return false;
         })});
    add({.name = "clean_start_0_needs_a_session",
         .story = "a client that asks for a Session that is not there is refused",
         .killed_by = {"v5/MQTT-3.1.2-6"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             const bool is_clean = (packet.connect_flags & 2U) != 0;
             if (is_clean || (*wire.shared)[packet.client_id]++ > 0) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 83 00") : hex("20 02 00 02"));
             return false;
         })});
    add({.name = "early_packets_dropped",
         .story = "what a client sends before CONNACK is lost",
         .killed_by = {"v5/X5-31", "v5/MQTT-3.2.0-1"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 return packet.type == PacketType::connect || wire.memory["accepted"] == 1;
             },
         .on_broker = on(connack, [](Packet&, Wire& wire) { wire.memory["accepted"] = 1; })});

    // --- Keep Alive, takeover, DISCONNECT
    // ------------------------------------------------------------
    add({.name = "keep_alive_ignored",
         .story = "silent clients are never disconnected",
         .killed_by = {"v5/MQTT-3.1.2-22", "v3.1.1/MQTT-3.1.2-24"},
         .options = with_defect(Defect::keep_alive_ignored)});
    add({.name = "keep_alive_halved",
         .story = "clients are disconnected after half of their Keep Alive",
         .killed_by = {"v5/MQTT-3.1.2-22:any-packet", "v5/MQTT-3.2.2-22",
                       "v3.1.1/MQTT-3.1.2-24:any-packet"},
         .on_client = connect_as([](Packet& packet) {
             packet.keep_alive_s = static_cast<std::uint16_t>(packet.keep_alive_s / 4);
             if (packet.keep_alive_s == 0) packet.keep_alive_s = 1;
         })});
    add({.name = "no_takeover",
         .story = "two connections of one client live side by side",
         .killed_by = {"v5/MQTT-3.1.4-3", "v3.1.1/MQTT-3.1.4-2"},
         .options = with_defect(Defect::no_takeover)});
    add({.name = "takeover_without_close",
         .story = "after DISCONNECT the broker does not close",
         .killed_by = {"v5/MQTT-3.1.4-3", "v5/MQTT-3.14.2-1", "v5/MQTT-4.13.1-1"},
         .on_broker = on(disconnect, [](Packet&, Wire& wire) { wire.keep_alive_for_ever(); })});
    add({.name = "packet_after_disconnect",
         .story = "a packet follows the broker's DISCONNECT",
         .killed_by = {"v5/MQTT-3.14.2-1"},
         .on_broker = on(disconnect, [](Packet& packet, Wire& wire) {
             wire.to_client(packet.raw);
             wire.to_client(hex("d0 00"));
             return false;
         })});
    add({.name = "disconnect_with_session_expiry",
         .story = "the broker's DISCONNECT has a Session Expiry Interval",
         .killed_by = {"v5/MQTT-3.14.2-1"},
         .on_broker = on(disconnect, [](Packet& packet, Wire&) {
             packet.raw = hex("e0 07 82 05 11 00 00 00 01");
         })});
    add({.name = "disconnect_with_client_code",
         .story = "the broker's DISCONNECT has a code that only clients use",
         .killed_by = {"v5/MQTT-3.14.2-1", "v5/MQTT-3.1.4-3"},
         .on_broker = on(disconnect, [](Packet& packet, Wire&) { packet.raw = hex("e0 01 04"); })});
    add({.name = "disconnect_before_connack",
         .story = "a refused CONNECT is answered with DISCONNECT",
         .killed_by = {"v5/MQTT-3.14.0-1"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (wire.memory["first"]++ == 0 && !is_sound(packet)) wire.to_client(hex("e0 01 81"));
             return true;
         }});
    add({.name = "disconnect_without_code",
         .story = "errors are answered with DISCONNECT 0x80 (non-strict)",
         .killed_by = {},
         .on_broker = on(disconnect, [](Packet& packet, Wire&) { packet.raw = hex("e0 01 80"); })});
    add({.name = "client_disconnect_ignored",
         .story = "a client's DISCONNECT does not end its connection",
         .killed_by = {"v5/MQTT-4.13.2-1:client", "v5/MQTT-3.14.4-3", "v3.1.1/MQTT-3.14.4-3"},
         .on_client = on(disconnect, [](Packet&, Wire&) { return false; })});

    // --- Answers
    // ---------------------------------------------------------------------------------------
    for (const auto type : {puback, pubrec, pubrel, pubcomp, suback, unsuback, pingresp}) {
        const std::string name{name_of(type)};
        add({.name = name + "_dropped", .story = name + " is not sent", .on_broker = drop(type)});
        add({.name = name + "_twice", .story = name + " is sent twice", .on_broker = twice(type)});
        add({.name = name + "_flags",
             .story = name + " has wrong flags",
             .killed_by = {"v5/MQTT-2.1.3-1", "v3.1.1/MQTT-2.2.2-1"},
             .on_broker = wrong_flags(type)});
        if (type == pingresp) continue;
        add({.name = name + "_wrong_id",
             .story = name + " has another Packet Identifier",
             .on_broker = wrong_id(type)});
    }
    const auto killed = [&mutants](const std::string& name, std::vector<std::string> cases) {
        std::ranges::find(mutants, name, &Mutant::name)->killed_by = std::move(cases);
    };
    killed("PUBACK_dropped", {"v5/MQTT-3.3.4-1", "v3.1.1/MQTT-3.3.4-1", "v5/MQTT-4.3.2-4"});
    killed("PUBREC_dropped", {"v5/MQTT-3.3.4-1", "v5/MQTT-4.3.3-8"});
    killed("PUBREL_dropped", {"v5/MQTT-4.3.3-4", "v3.1.1/MQTT-4.3.3-1:pubrel"});
    killed("PUBCOMP_dropped", {"v5/MQTT-4.3.3-11", "v5/MQTT-4.3.3-13"});
    killed("SUBACK_dropped", {"v5/MQTT-3.8.4-1", "v3.1.1/MQTT-3.8.4-1"});
    killed("UNSUBACK_dropped", {"v5/MQTT-3.10.4-4", "v3.1.1/MQTT-3.10.4-5"});
    killed("PINGRESP_dropped", {"v5/MQTT-3.12.4-1", "v3.1.1/MQTT-3.12.4-1"});
    killed("SUBACK_twice", {"v5/MQTT-3.8.4-1"});
    killed("UNSUBACK_twice", {"v5/MQTT-3.10.4-4"});
    killed("PINGRESP_twice", {"v5/MQTT-3.12.4-1", "v3.1.1/MQTT-3.12.4-1"});
    killed("PUBACK_twice", {"v5/MQTT-3.3.4-1"});
    killed("PUBACK_wrong_id", {"v5/MQTT-2.2.1-5", "v3.1.1/MQTT-2.3.1-6"});
    killed("PUBREC_wrong_id", {"v5/MQTT-2.2.1-5", "v3.1.1/MQTT-2.3.1-6"});
    killed("PUBREL_wrong_id", {"v5/MQTT-2.2.1-5:sender", "v3.1.1/MQTT-2.3.1-6:sender"});
    killed("PUBCOMP_wrong_id", {"v5/MQTT-2.2.1-5", "v3.1.1/MQTT-2.3.1-6"});
    killed("SUBACK_wrong_id", {"v5/MQTT-2.2.1-6", "v3.1.1/MQTT-2.3.1-7"});
    killed("UNSUBACK_wrong_id", {"v5/MQTT-2.2.1-6", "v3.1.1/MQTT-2.3.1-7"});
    add({.name = "puback_listless_code",
         .story = "PUBACK has a code that is not in its table",
         .killed_by = {"v5/MQTT-3.4.2-1"},
         .on_broker = acknowledgement_with_code(puback, 0x92)});
    add({.name = "pubrec_listless_code",
         .story = "PUBREC has a code that is not in its table",
         .killed_by = {"v5/MQTT-3.4.2-1"},
         .on_broker = acknowledgement_with_code(pubrec, 0x92)});
    add({.name = "pubrel_listless_code",
         .story = "PUBREL has a code that is not in its table",
         .killed_by = {"v5/MQTT-3.4.2-1"},
         .on_broker = acknowledgement_with_code(pubrel, 0x10)});
    add({.name = "pubcomp_listless_code",
         .story = "PUBCOMP has a code that is not in its table",
         .killed_by = {"v5/MQTT-3.4.2-1"},
         .on_broker = acknowledgement_with_code(pubcomp, 0x80)});
    for (const auto type : {puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect}) {
        const std::string name{name_of(type)};
        add({.name = name + "_with_long_reason",
             .story = name + " has a Reason String of 80 characters, whatever the client takes",
             .killed_by = type == disconnect ? std::vector<std::string>{"v5/MQTT-3.14.2-3"}
                                             : std::vector<std::string>{"v5/MQTT-3.1.2-29"},
             .on_broker = with_reason_string(type)});
    }
    killed("PUBREL_with_long_reason", {});
    killed("SUBACK_with_long_reason", {"v5/MQTT-3.1.2-29"});
    add({.name = "connack_with_long_reason",
         .story = "a refusing CONNACK has a Reason String of 80 characters",
         .killed_by = {"v5/MQTT-3.2.2-19"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             if (packet.reason_code == 0) return;
             packet.properties.push_back(
                 text_property(PropertyId::reason_string, std::string(80, 'r')));
             rebuild_connack(packet);
         })});

    // --- PUBLISH
    // -----------------------------------------------------------------------------------------
    add({.name = "publish_dropped",
         .story = "nothing is delivered",
         .killed_by = {"v3.1.1/MQTT-7.0.0-2", "v5/X5-31"},
         .on_broker = drop(publish)});
    add({.name = "publish_twice",
         .story = "QoS 0 messages are delivered twice",
         .on_broker = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos == 0) wire.to_client(packet.raw);
         })});
    add({.name = "publish_again_at_once",
         .story = "QoS 1 and 2 messages are sent again on the same connection",
         .killed_by = {"v5/MQTT-4.4.0-1:live"},
         .on_broker = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos == 0) return true;
             wire.to_client(packet.raw);
             packet.dup = true;
             rebuild_publish(packet);
             return true;
         })});
    add({.name = "dup_on_first",
         .story = "DUP is 1 on every QoS 1 and 2 message",
         .killed_by = {"v5/MQTT-3.3.1-3", "v3.1.1/MQTT-3.3.1-3"},
         .on_broker = publish_as([](Packet& packet) { packet.dup = packet.qos > 0; })});
    add({.name = "dup_at_qos_0",
         .story = "DUP is 1 at QoS 0",
         .killed_by = {"v5/MQTT-3.3.1-2", "v3.1.1/MQTT-3.3.1-2"},
         .on_broker = publish_as([](Packet& packet) { packet.dup = true; })});
    add({.name = "dup_flag_missing",
         .story = "DUP is 0 on a resend",
         .killed_by = {"v5/MQTT-3.3.1-1", "v3.1.1/MQTT-3.3.1-1"},
         .options = with_defect(Defect::dup_flag_missing)});
    add({.name = "pid_fresh_on_redelivery",
         .story = "a resend has a new Packet Identifier",
         .killed_by = {"v5/MQTT-3.3.1-1", "v5/MQTT-4.3.2-3", "v5/MQTT-4.3.3-3"},
         .options = with_defect(Defect::pid_fresh_on_redelivery)});
    add({.name = "redeliver_unordered",
         .story = "resends come in another order",
         .killed_by = {"v5/MQTT-4.6.0-5:queued", "v3.1.1/MQTT-4.6.0-6:queued"},
         .options = with_defect(Defect::redeliver_unordered)});
    add({.name = "new_before_retransmit",
         .story = "queued messages come before the resends",
         .killed_by = {"v5/MQTT-4.6.0-5:queued", "v3.1.1/MQTT-4.6.0-6:queued"},
         .options = with_defect(Defect::new_before_retransmit)});
    add({.name = "qos2_pubrel_not_resumed",
         .story = "an owed PUBREL is not sent again",
         .killed_by = {"v5/MQTT-4.3.3-5", "v3.1.1/MQTT-4.3.3-1:resume"},
         .options = with_defect(Defect::qos2_pubrel_not_resumed)});
    add({.name = "qos2_publish_duplicates",
         .story = "a repeated QoS 2 PUBLISH goes on twice",
         .killed_by = {"v5/MQTT-4.3.3-8", "v3.1.1/MQTT-4.3.3-2"},
         .options = with_defect(Defect::qos2_publish_duplicates)});
    add({.name = "pid_no_in_use_check",
         .story = "Packet Identifiers are given out while in use",
         .killed_by = {"v5/MQTT-2.2.1-4"},
         .options = [] {
             auto options = with_defect(Defect::pid_no_in_use_check);
             options.settings.packet_id_max = 4;  // reuse shows at once
             return options;
         }()});
    add({.name = "window_not_enforced",
         .story = "more is in flight than the client's Receive Maximum",
         .killed_by = {"v5/MQTT-3.3.4-9", "v5/MQTT-4.9.0-1", "v5/X5-22"},
         .options = with_defect(Defect::window_not_enforced)});
    add({.name = "receive_maximum_ignored",
         .story = "the client's Receive Maximum is not read",
         .killed_by = {"v5/MQTT-3.3.4-9", "v5/MQTT-4.9.0-1", "v5/X5-22"},
         .on_client = connect_without(PropertyId::receive_maximum)});
    add({.name = "pubrec_frees_a_place",
         .story = "PUBREC counts as if the flow were complete",
         .killed_by = {"v5/MQTT-3.3.4-9"},
         .on_client = on(pubrec, [](Packet& packet, Wire& wire) {
             if (!is_v5(packet)) return;
             wire.to_broker(packet.raw);
             packet.raw = build_acknowledgement(packet.version, pubcomp, packet.packet_id).bytes();
         })});
    add({.name = "refusing_pubrec_is_a_pubrec",
         .story = "PUBREC 0x80 and above is taken for success",
         .killed_by = {"v5/MQTT-4.3.3-4:refused", "v5/MQTT-4.4.0-2", "v5/MQTT-4.8.2-6"},
         .on_client = on(pubrec, [](Packet& packet, Wire&) {
             packet.raw = build_acknowledgement(packet.version, pubrec, packet.packet_id).bytes();
         })});
    add({.name = "refusing_puback_ignored",
         .story = "PUBACK 0x80 and above does not settle the message",
         .killed_by = {"v5/MQTT-4.4.0-2"},
         .on_client = on(puback, [](Packet& packet, Wire&) { return packet.reason_code < 0x80; })});
    add({.name = "puback_of_client_ignored",
         .story = "a client's PUBACK settles nothing",
         .killed_by = {"v5/MQTT-4.3.2-3", "v3.1.1/MQTT-4.3.2-1"},
         .on_client = on(puback, [](Packet&, Wire&) { return false; })});
    add({.name = "pubcomp_of_client_ignored",
         .story = "a client's PUBCOMP settles nothing",
         .killed_by = {"v5/MQTT-4.3.3-5", "v3.1.1/MQTT-4.3.3-1:resume"},
         .on_client = on(pubcomp, [](Packet&, Wire&) { return false; })});
    add({.name = "first_flow_only",
         .story = "a Packet Identifier is never new: repeated QoS 1 messages are dropped",
         .killed_by = {"v5/MQTT-4.3.2-5", "v3.1.1/MQTT-4.3.2-2"},
         .on_client = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos != 1 || !packet.dup) return true;
             wire.to_client(
                 build_acknowledgement(packet.version, puback, packet.packet_id).bytes());
             return false;
         })});
    add({.name = "qos2_dup_is_old",
         .story = "a QoS 2 PUBLISH with DUP 1 is taken for known",
         .killed_by = {"v5/MQTT-4.3.3-12", "v3.1.1/MQTT-4.3.3-2:new"},
         .on_client = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos != 2 || !packet.dup) return true;
             wire.to_client(
                 build_acknowledgement(packet.version, pubrec, packet.packet_id).bytes());
             return false;
         })});
    add({.name = "qos_1_and_2_not_taken",
         .story = "QoS 1 and 2 are passed on at QoS 0",
         .on_broker = publish_as([](Packet& packet) { packet.qos = 0; })});
    add({.name = "qos_not_lowered",
         .story = "messages are delivered at the QoS of the publication",
         .killed_by = {"v5/MQTT-3.8.4-7", "v3.1.1/MQTT-3.8.4-6"},
         .options = with_defect(Defect::qos_not_lowered)});
    add({.name = "subscriptions_at_qos_0",
         .story = "every subscription is served at QoS 0",
         .killed_by = {"v5/MQTT-3.8.4-7", "v3.1.1/MQTT-3.8.4-6", "v5/MQTT-3.3.4-2",
                       "v3.1.1/MQTT-3.3.5-1", "v5/MQTT-4.8.2-3"},
         .on_client = on(subscribe,
                         [](Packet& packet, Wire& wire) {
                             for (std::size_t i = 0; i < packet.filters.size(); ++i) {
                                 auto& options = packet.filters[i].options;
                                 wire.memory["granted " + std::to_string(i)] = options & 3;
                                 options = static_cast<std::uint8_t>(options & 0xFCU);
                             }
                             rebuild_subscribe(packet);
                         }),
         .on_broker = on(suback, [](Packet& packet, Wire& wire) {
             const auto first = packet.raw.size() - packet.reason_codes.size();
             for (std::size_t i = 0; i < packet.reason_codes.size(); ++i) {
                 if (packet.reason_codes[i] >= 0x80) continue;
                 packet.raw[first + i] =
                     static_cast<std::byte>(wire.memory["granted " + std::to_string(i)]);
             }
         })});
    add({.name = "retain_always_0",
         .story = "RETAIN is 0 on everything delivered",
         .killed_by = {"v3.1.1/MQTT-3.3.1-8", "v5/X5-62", "v5/MQTT-3.3.1-13"},
         .on_broker = publish_as([](Packet& packet) { packet.retain = false; })});
    add({.name = "retain_always_1",
         .story = "RETAIN is 1 on everything delivered",
         .killed_by = {"v3.1.1/MQTT-3.3.1-9", "v5/MQTT-3.3.1-12", "v5/MQTT-3.3.1-13"},
         .on_broker = publish_as([](Packet& packet) { packet.retain = true; })});
    add({.name = "nothing_retained",
         .story = "RETAIN of a client's PUBLISH is ignored",
         .killed_by = {"v5/MQTT-3.3.1-5", "v3.1.1/MQTT-3.3.1-5", "v3.1.1/MQTT-3.1.2-7", "v5/X5-06"},
         .on_client = publish_as([](Packet& packet) { packet.retain = false; })});
    add({.name = "everything_retained",
         .story = "every PUBLISH is retained",
         .killed_by = {"v5/MQTT-3.3.1-8", "v3.1.1/MQTT-3.3.1-12"},
         .on_client = publish_as([](Packet& packet) { packet.retain = true; })});
    add({.name = "retained_never_replaced",
         .story = "the first Retained Message of a topic stays",
         .killed_by = {"v5/MQTT-3.3.1-5", "v5/MQTT-3.3.1-6", "v3.1.1/MQTT-3.3.1-7",
                       "v3.1.1/MQTT-3.3.1-10"},
         .on_client = on(publish, [](Packet& packet, Wire& wire) {
             if (!packet.retain) return;
             if ((*wire.shared)[packet.topic]++ == 0) return;
             packet.retain = false;
             rebuild_publish(packet);
         })});
    add({.name = "empty_retained_stored",
         .story = "an empty Retained Message is stored like any other",
         .killed_by = {"v5/MQTT-3.3.1-6", "v5/MQTT-3.3.1-7", "v3.1.1/MQTT-3.3.1-10",
                       "v3.1.1/MQTT-3.3.1-11"},
         .on_client = publish_as([](Packet& packet) {
             if (packet.retain && packet.payload.empty()) packet.payload = " ";
         })});
    add({.name = "payload_damaged",
         .story = "the first byte of a payload gets lost",
         .killed_by = {"v5/MQTT-2.2.1-2", "v3.1.1/MQTT-2.3.1-5"},
         .on_broker = publish_as([](Packet& packet) {
             if (!packet.payload.empty()) packet.payload.erase(0, 1);
         })});
    add({.name = "large_payload_cut",
         .story = "payloads are cut at 100 bytes",
         .killed_by = {"v5/MQTT-1.5.5-1", "v3.1.1/X3-10:lengths"},
         .on_broker = publish_as([](Packet& packet) {
             if (packet.payload.size() > 100) packet.payload.resize(100);
         })});
    add({.name = "length_not_shortest",
         .story = "Remaining Length has one byte more than it needs",
         .killed_by = {"v5/MQTT-1.5.5-1"},
         .on_broker = on(publish, [](Packet& packet, Wire&) {
             if (!is_v5(packet)) return;
             auto& last = packet.raw[body_of(packet.raw) - 1];
             last |= std::byte{0x80};
             packet.raw.insert(packet.raw.begin() +
                                   static_cast<std::ptrdiff_t>(body_of(packet.raw)) - 1,
                               std::byte{0});
         })});
    add({.name = "publish_order_reversed",
         .story = "neighbouring messages change places",
         .killed_by = {"v5/MQTT-4.6.0-5", "v3.1.1/MQTT-4.6.0-5"},
         .on_broker = [](Packet& packet, Wire& wire) {
             if (packet.type == publish && wire.held.empty()) {
                 wire.held = packet.raw;
                 return false;
             }
             append(packet.raw, std::exchange(wire.held, {}));
             return true;
         }});
    add({.name = "pubrels_reversed",
         .story = "PUBRELs come in another order than the PUBRECs",
         .killed_by = {"v3.1.1/MQTT-4.6.0-4", "v5/X5-05:pubrel"},
         .on_client = on(pubrec, [](Packet& packet, Wire& wire) {
             // The first two PUBRECs change places.
             const auto count = ++wire.memory["pubrecs"];
             if (count == 1) {
                 wire.memory["first"] = packet.packet_id;
                 return false;
             }
             if (count == 2) {
                 wire.to_broker(packet.raw);
                 packet.raw =
                     build_acknowledgement(packet.version, pubrec,
                                           static_cast<std::uint16_t>(wire.memory["first"]))
                         .bytes();
             }
             return true;
         })});
    for (const auto id :
         {PropertyId::payload_format_indicator, PropertyId::content_type,
          PropertyId::response_topic, PropertyId::correlation_data, PropertyId::user_property}) {
        const std::string name{find_property_rule(static_cast<std::uint32_t>(id))->name};
        add({.name = name + "_lost",
             .story = name + " is not forwarded",
             .killed_by = {"v5/MQTT-3.3.2-4", "v5/X5-11"},
             .on_broker = publish_without(id)});
    }
    add({.name = "user_properties_reversed",
         .story = "User Properties are forwarded in another order",
         .killed_by = {"v5/MQTT-3.3.2-4", "v5/X5-11"},
         .on_broker = publish_as([](Packet& packet) { std::ranges::reverse(packet.properties); })});
    add({.name = "expiry_ignored",
         .story = "messages never expire",
         .killed_by = {"v5/MQTT-3.3.2-5", "v5/MQTT-3.3.2-5:held-back", "v5/MQTT-3.3.2-6"},
         .on_client = publish_without(PropertyId::message_expiry_interval)});
    add({.name = "expiry_not_counted_down",
         .story = "the Message Expiry Interval is forwarded as it came",
         .killed_by = {"v5/MQTT-3.3.2-6"},
         .on_broker = publish_as([](Packet& packet) {
             for (auto& property : packet.properties) {
                 if (property.id == PropertyId::message_expiry_interval) property.number = 30;
             }
         })});
    add({.name = "properties_of_others_forwarded",
         .story = "a User Property of PUBREC comes back in PUBREL, those of CONNECT in PUBLISH",
         .killed_by = {"v5/X5-54"},
         .on_broker = publish_as([](Packet& packet) {
             if (is_v5(packet)) packet.properties.push_back(pair_property("secret", "hop"));
         })});
    add({.name = "topic_alias_unasked",
         .story = "PUBLISH has a Topic Alias that the client does not take",
         .killed_by = {"v5/MQTT-3.1.2-27", "v5/MQTT-3.1.2-26", "v5/X5-42"},
         .on_broker = publish_as([](Packet& packet) {
             if (is_v5(packet))
                 packet.properties.push_back(number_property(PropertyId::topic_alias, 9));
         })});
    add({.name = "topic_alias_without_mapping",
         .story = "PUBLISH has a Topic Alias that was never set",
         .killed_by = {"v5/MQTT-3.1.2-26"},
         .on_broker = publish_as([](Packet& packet) {
             if (!is_v5(packet)) return;
             erase(packet.properties, PropertyId::topic_alias);
             packet.properties.push_back(number_property(PropertyId::topic_alias, 1));
             packet.topic.clear();
         })});
    add({.name = "topic_alias_of_client_ignored",
         .story = "a Topic Alias that a client sets is forgotten",
         .killed_by = {"v5/MQTT-3.3.2-12"},
         .on_client = on(publish, [](Packet& packet, Wire&) {
             if (packet.topic.empty()) return;
             erase(packet.properties, PropertyId::topic_alias);
             rebuild_publish(packet);
         })});
    add({.name = "maximum_packet_size_ignored",
         .story = "the client's Maximum Packet Size is not read",
         .killed_by = {"v5/MQTT-3.1.2-24", "v5/MQTT-3.1.2-25"},
         .on_client = connect_without(PropertyId::maximum_packet_size)});
    add({.name = "too_large_goes_to_nobody",
         .story = "small messages are taken for too large",
         .killed_by = {"v5/MQTT-3.1.2-24"},
         .on_client = connect_as([](Packet& packet) {
             for (auto& property : packet.properties) {
                 if (property.id == PropertyId::maximum_packet_size) property.number -= 2;
             }
         })});

    // --- Topics
    // ------------------------------------------------------------------------------------------
    add({.name = "topics_ignore_case",
         .story = "topics are compared without regard to case",
         .killed_by = {"v5/MQTT-3.3.2-3", "v5/MQTT-4.7.3-4", "v3.1.1/MQTT-4.7.3-4"},
         .on_client = publish_as([](Packet& packet) {
             std::ranges::transform(packet.topic, packet.topic.begin(), [](char letter) {
                 return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
             });
         })});
    add({.name = "empty_levels_removed",
         .story = "doubled separators are made one",
         .killed_by = {"v5/MQTT-4.7.3-4", "v5/MQTT-3.3.2-3"},
         .on_client = publish_as([](Packet& packet) {
             for (auto at = packet.topic.find("//"); at != std::string::npos;
                  at = packet.topic.find("//")) {
                 packet.topic.erase(at, 1);
             }
         })});
    add({.name = "byte_order_mark_stripped",
         .story = "U+FEFF at the beginning of a topic is taken away",
         .killed_by = {"v5/MQTT-1.5.4-3", "v3.1.1/MQTT-1.5.3-3"},
         .on_client = publish_as([](Packet& packet) {
             if (packet.topic.starts_with("\xEF\xBB\xBF")) packet.topic.erase(0, 3);
         })});
    add({.name = "wrong_topic_delivered",
         .story = "what is delivered has another Topic Name",
         .on_broker = publish_as([](Packet& packet) { packet.topic += "/x"; })});
    add({.name = "topic_with_wildcard_delivered",
         .story = "a Topic Name with a wildcard is delivered",
         .on_broker = publish_as([](Packet& packet) { packet.topic += "/+"; })});
    add({.name = "dollar_matched",
         .story = "wildcards match topics that begin with $",
         .killed_by = {"v5/MQTT-4.7.2-1", "v3.1.1/MQTT-4.7.2-1"},
         .options = with_defect(Defect::dollar_matched)});
    add({.name = "everything_to_everybody",
         .story = "every subscription is one to #",
         .killed_by = {"v5/MQTT-3.3.2-3", "v3.1.1/MQTT-3.3.2-3", "v5/MQTT-4.7.3-4"},
         .on_client =
             filters_as([](FilterFields& filter, const Packet&) { filter.filter = "#"; })});
    add({.name = "bad_filters_granted",
         .story = "filters with misplaced wildcards are granted",
         .killed_by = {"v5/MQTT-4.7.1-1", "v5/MQTT-4.7.1-2", "v3.1.1/MQTT-4.7.1-2",
                       "v3.1.1/MQTT-4.7.1-3"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             std::erase_if(filter.filter, [](char c) { return c == '+' || c == '#'; });
         })});
    add({.name = "empty_filters_granted",
         .story = "an empty filter is granted",
         .killed_by = {"v5/MQTT-4.7.3-1", "v3.1.1/MQTT-4.7.3-1"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             if (filter.filter.empty()) filter.filter = "x";
         })});
    add({.name = "wildcard_topics_forwarded",
         .story = "a PUBLISH to a topic with wildcards goes on, without the wildcards",
         .killed_by = {"v5/MQTT-3.3.2-2", "v3.1.1/MQTT-3.3.2-2"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != publish || !packet.is_decodable) return true;
             std::ranges::replace(packet.topic, '+', 'p');
             std::ranges::replace(packet.topic, '#', 'h');
             rebuild_publish(packet);
             return true;
         }});
    add({.name = "faulty_publish_repaired",
         .story = "a PUBLISH with a bad topic or bad flags is repaired and goes on",
         .killed_by = {"v5/MQTT-1.5.4-1:topic-name", "v5/MQTT-1.5.4-2:topic-name",
                       "v3.1.1/MQTT-1.5.3-1:topic-name", "v5/MQTT-3.3.1-4", "v3.1.1/MQTT-3.3.1-4"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != publish || is_sound(packet)) return true;
             std::erase_if(packet.topic,
                           [](char c) { return c == 0 || static_cast<unsigned char>(c) >= 0x80; });
             packet.qos = packet.qos == 3 ? 2 : packet.qos;
             if (packet.qos > 0 && packet.packet_id == 0) packet.packet_id = 9;
             rebuild_publish(packet);
             return true;
         }});
    add({.name = "bad_response_topic_forwarded",
         .story = "a Response Topic with a wildcard, or ill-formed, is delivered",
         .killed_by = {"v5/MQTT-3.3.2-14"},
         .on_client =
             [](Packet& packet, Wire&) {
                 if (packet.type != publish || is_sound(packet)) return true;
                 for (auto& property : packet.properties) property.text = "good";
                 rebuild_publish(packet);
                 return true;
             },
         .on_broker = publish_as([](Packet& packet) {
             if (find(packet.properties, PropertyId::response_topic) == nullptr) return;
             erase(packet.properties, PropertyId::response_topic);
             packet.properties.push_back(text_property(PropertyId::response_topic, "a/+"));
         })});

    // --- SUBSCRIBE and UNSUBSCRIBE
    // -------------------------------------------------------------------------
    add({.name = "suback_code_missing",
         .story = "SUBACK has one code less than there are filters",
         .killed_by = {"v5/MQTT-3.8.4-6", "v3.1.1/MQTT-3.8.4-5"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             auto body = body_bytes(packet);
             if (packet.reason_codes.size() > 1) body.pop_back();
             set_body(packet, body);
         })});
    add({.name = "suback_codes_reversed",
         .story = "the codes of SUBACK are in another order",
         .killed_by = {"v5/MQTT-3.9.3-1", "v3.1.1/MQTT-3.9.3-1"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             const auto count = static_cast<std::ptrdiff_t>(packet.reason_codes.size());
             std::reverse(packet.raw.end() - count, packet.raw.end());
         })});
    add({.name = "suback_listless_code",
         .story = "SUBACK has a code that is not in its table",
         .killed_by = {"v5/MQTT-3.9.3-2", "v3.1.1/MQTT-3.9.3-2"},
         .on_broker =
             on(suback, [](Packet& packet, Wire&) { packet.raw.back() = std::byte{0x03}; })});
    add({.name = "suback_grants_more",
         .story = "SUBACK grants QoS 2, whatever was asked for",
         .killed_by = {"v5/MQTT-3.8.4-7", "v3.1.1/MQTT-3.8.4-6"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             if (packet.reason_codes.back() < 2) packet.raw.back() = std::byte{0x02};
         })});
    add({.name = "unsuback_always_success",
         .story = "UNSUBACK says 0x00 for everything",
         .killed_by = {"v5/MQTT-3.10.4-4", "v5/MQTT-3.10.4-6"},
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             for (std::size_t i = 0; i < packet.reason_codes.size(); ++i) {
                 packet.raw[packet.raw.size() - 1 - i] = std::byte{0};
             }
         })});
    add({.name = "unsuback_codes_reversed",
         .story = "the codes of UNSUBACK are in another order",
         .killed_by = {},
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             const auto count = static_cast<std::ptrdiff_t>(packet.reason_codes.size());
             std::reverse(packet.raw.end() - count, packet.raw.end());
         })});
    add({.name = "unsuback_listless_code",
         .story = "UNSUBACK has a code that is not in its table",
         .killed_by = {"v5/MQTT-3.10.4-6"},
         .on_broker = on(unsuback, [](Packet& packet, Wire&) {
             if (is_v5(packet)) packet.raw.back() = std::byte{0x92};
         })});
    add({.name = "unsubscribe_ignored",
         .story = "UNSUBSCRIBE is answered and has no effect",
         .killed_by = {"v5/MQTT-3.10.4-2", "v5/MQTT-3.10.4-1", "v3.1.1/MQTT-3.10.4-2",
                       "v3.1.1/MQTT-3.10.4-1", "v5/X5-74"},
         .on_client = on(unsubscribe, [](Packet& packet, Wire& wire) {
             Buffer body;
             put_u16(body, packet.packet_id);
             if (is_v5(packet)) {
                 body.push_back(std::byte{0});
                 body.resize(body.size() + packet.filters.size());
             }
             Packet answer;
             answer.raw = {std::byte{0xB0}};
             set_body(answer, body);
             wire.to_client(answer.raw);
             return false;
         })});
    add({.name = "unsubscribe_removes_everything",
         .story = "UNSUBSCRIBE removes the first filter that was ever subscribed, too",
         .killed_by = {"v5/MQTT-3.10.4-1", "v3.1.1/MQTT-3.10.4-1"},
         .on_client = on(unsubscribe, [](Packet& packet, Wire&) {
             const auto word = packet.filters.front().filter.substr(0, 10);
             std::vector<std::string> filters;
             for (const auto& filter : packet.filters) filters.push_back(filter.filter);
             filters.push_back(word + "/b/c");
             filters.push_back(word + "/a/+");
             packet.raw = build_unsubscribe(packet.version, packet.packet_id, filters).bytes();
         })});
    add({.name = "only_first_filter",
         .story = "of several filters in a SUBSCRIBE only the first counts",
         .killed_by = {"v5/MQTT-3.8.4-5", "v3.1.1/MQTT-3.8.4-4", "v5/MQTT-3.8.4-6"},
         .on_client = on(subscribe, [](Packet& packet, Wire&) {
             packet.filters.resize(1);
             rebuild_subscribe(packet);
         })});
    add({.name = "resubscribe_ignored",
         .story = "a second SUBSCRIBE of a filter changes nothing",
         .killed_by = {"v5/MQTT-3.8.4-3", "v5/MQTT-3.8.4-3:options", "v3.1.1/MQTT-3.8.4-3"},
         .on_client = on(subscribe, [](Packet& packet, Wire& wire) {
             bool is_known = true;
             for (const auto& filter : packet.filters) {
                 is_known = is_known && wire.memory[filter.filter]++ > 0;
             }
             if (!is_known) return true;
             Buffer body;
             put_u16(body, packet.packet_id);
             if (is_v5(packet)) body.push_back(std::byte{0});
             for (const auto& filter : packet.filters) {
                 body.push_back(static_cast<std::byte>(filter.options & 3U));
             }
             Packet answer;
             answer.raw = {std::byte{0x90}};
             set_body(answer, body);
             wire.to_client(answer.raw);
             return false;
         })});
    add({.name = "no_local_ignored",
         .story = "No Local is ignored",
         .killed_by = {"v5/MQTT-3.8.3-3", "v5/MQTT-3.8.3-4"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) filter.options &= 0xFBU;
         })});
    add({.name = "retain_as_published_ignored",
         .story = "Retain As Published is ignored",
         .killed_by = {"v5/MQTT-3.3.1-13", "v5/X5-63"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) filter.options &= 0xF7U;
         })});
    add({.name = "retain_handling_0",
         .story = "Retain Handling is taken for 0",
         .killed_by = {"v5/MQTT-3.3.1-10", "v5/MQTT-3.3.1-11"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) filter.options &= 0xCFU;
         })});
    add({.name = "retain_handling_2",
         .story = "Retain Handling is taken for 2",
         .killed_by = {"v5/MQTT-3.3.1-9", "v5/MQTT-3.3.1-10", "v5/MQTT-3.8.4-4"},
         .on_client = filters_as([](FilterFields& filter, const Packet& packet) {
             if (is_v5(packet)) {
                 filter.options = static_cast<std::uint8_t>((filter.options & 0xCFU) | 0x20U);
             }
         })});
    add({.name = "identifiers_lost",
         .story = "Subscription Identifiers are not sent",
         .killed_by = {"v5/MQTT-3.3.4-3", "v5/X5-60:all-filters", "v5/X5-61:retained",
                       "v5/MQTT-4.8.2-3"},
         .on_broker = publish_without(PropertyId::subscription_identifier)});
    add({.name = "identifiers_wrong",
         .story = "Subscription Identifiers are those of other subscriptions",
         .killed_by = {"v5/MQTT-3.3.4-3", "v5/X5-60:all-filters"},
         .on_broker = publish_as([](Packet& packet) {
             for (auto& property : packet.properties) {
                 if (property.id == PropertyId::subscription_identifier) property.number ^= 64;
             }
         })});
    add({.name = "share_is_plain",
         .story = "a Shared Subscription is an ordinary one",
         .killed_by = {"v5/X5-70", "v5/X5-72"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             constexpr std::string_view prefix = "$share/";
             if (!filter.filter.starts_with(prefix)) return;
             const auto slash = filter.filter.find('/', prefix.size());
             if (slash != std::string::npos) filter.filter = filter.filter.substr(slash + 1);
         })});
    add({.name = "share_without_name",
         .story = "a Shared Subscription without a right ShareName is granted and served",
         .killed_by = {"v5/MQTT-4.8.2-1", "v5/MQTT-4.8.2-2"},
         .on_client = filters_as([](FilterFields& filter, const Packet&) {
             constexpr std::string_view prefix = "$share/";
             if (!filter.filter.starts_with(prefix)) return;
             const auto slash = filter.filter.find('/', prefix.size());
             if (slash == std::string::npos) return;
             filter.filter = "$share/x" + filter.filter.substr(slash);
         })});
    add({.name = "refused_share_goes_to_another",
         .story = "a message that a member refuses is sent to another member",
         .killed_by = {"v5/MQTT-4.8.2-6"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_refusal =
                 (packet.type == puback || packet.type == pubrec) && packet.reason_code >= 0x80;
             if (!is_refusal || wire.client_id.empty()) return true;
             wire.to_broker(packet.raw);
             const auto word = wire.client_id.substr(1, 10);
             const auto topic = word + (packet.type == puback ? "/t/1" : "/t/2");
             packet.raw =
                 build_publish(packet.version, {.topic = topic, .payload = "refused"}).bytes();
             return true;
         }});
    add({.name = "lost_share_goes_to_another",
         .story = "a QoS 2 message of a member that was cut off is sent to another member",
         .killed_by = {"v5/MQTT-4.8.2-4", "v5/MQTT-4.8.2-5"},
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (wire.client_id.empty() || (*wire.shared)[wire.client_id]++ == 0) return;
             wire.to_broker(
                 build_publish(packet.version,
                               {.topic = wire.client_id.substr(1, 10) + "/t", .payload = "begun"})
                     .bytes());
         })});
    add({.name = "retain_on_resume",
         .story = "Retained Messages are sent again without a SUBSCRIBE",
         .killed_by = {},
         .options = with_defect(Defect::retain_on_resume)});
    add({.name = "retain_flag_lost",
         .story = "Retained Messages for a new subscription have RETAIN 0",
         .killed_by = {"v3.1.1/MQTT-3.3.1-8", "v5/X5-62"},
         .options = with_defect(Defect::retain_flag_lost)});
    add({.name = "session_present_lies",
         .story = "CONNACK says Session Present without a Session",
         .killed_by = {"v5/MQTT-3.2.2-3", "v5/X5-01"},
         .options = with_defect(Defect::session_present_lies)});
    const auto add_web_socket = [&add](const char* name, const char* story, FrameDefect defect,
                                       std::initializer_list<const char*> cases) {
        Mutant mutant{.name = name, .story = story, .frames = defect};
        for (const std::string one : cases) {
            mutant.killed_by.push_back("v5/MQTT-6.0.0-" + one);
            mutant.killed_by.push_back("v3.1.1/MQTT-6.0.0-" + one);
        }
        add(std::move(mutant));
    };
    using enum FrameDefect;
    add_web_socket("text_is_taken", "text frames are as good as binary ones", text_is_taken,
                   {"1", "1:publish"});
    add_web_socket("text_is_ignored", "text frames are not looked at", text_is_ignored,
                   {"1", "1:publish"});
    add_web_socket("text_is_sent", "PINGRESP comes in a text frame", text_is_sent, {"1:answers"});
    add_web_socket("ping_closes", "a Ping frame ends the connection", ping_closes,
                   {"1:ping-frame"});
    add_web_socket("first_packet_only", "only the first Control Packet of a frame is seen",
                   first_packet_only, {"2:merged", "2:with-connect"});
    add_web_socket("whole_packets_only", "a Control Packet has to be in one frame",
                   whole_packets_only, {"2", "2:across", "2:fragmented", "2:large"});
    add_web_socket("first_fragment_only", "continuation frames are not looked at",
                   first_fragment_only, {"2:fragmented"});
    add_web_socket("first_32767_bytes_only", "frames are cut at 32,767 bytes",
                   first_32767_bytes_only, {"2:large"});
    add_web_socket("mqtt_always_selected", "the subprotocol is \"mqtt\", offered or not",
                   mqtt_always_selected, {"3"});
    add_web_socket("first_offered_selected", "the subprotocol is the first that is offered",
                   first_offered_selected, {"4"});
    add_web_socket("nothing_selected", "no subprotocol is selected", nothing_selected, {"4"});
    add({.name = "puback_missing",
         .story = "QoS 1 publications are never acknowledged",
         .killed_by = {"v5/MQTT-3.3.4-1", "v3.1.1/MQTT-3.3.4-1"},
         .options = with_defect(Defect::puback_missing)});
    // --- Users, access rules, enhanced authentication
    // ---------------------------------------------
    const auto set_method = [](std::string_view from, std::string_view to) {
        return on(auth, [from, to](Packet& packet, Wire&) {
            for (auto& property : packet.properties) {
                if (property.id == PropertyId::authentication_method && property.text == from) {
                    property.text = to;
                }
            }
            packet.raw = build_auth(packet.reason_code, packet.properties).bytes();
        });
    };
    const auto set_auth_code = [](std::uint8_t code) {
        return on(auth, [code](Packet& packet, Wire&) {
            packet.raw = build_auth(code, packet.properties).bytes();
        });
    };
    add({.name = "any_password",
         .story = "a wrong password is as good as the right one",
         .killed_by = {"v5/MQTT-3.1.4-2", "v3.1.1/X3-02"},
         .on_client = connect_as([](Packet& packet) {
             if (!packet.password.has_value()) return;
             packet.user_name = "conformance";
             packet.password = "stone";
         })});
    add({.name = "forbidden_publish_ignored",
         .story = "a forbidden PUBLISH is dropped without an acknowledgement",
         .killed_by = {"v3.1.1/MQTT-3.3.5-2", "v5/X5-85:forbidden"},
         .on_client = on(publish, [](Packet& packet, Wire&) {
             return packet.topic != "touchstone/forbidden";
         })});
    add({.name = "refused_identifier_remembered",
         .story = "a Packet Identifier whose message was refused stays in use",
         .killed_by = {"v5/MQTT-4.3.3-9"},
         .on_client =
             on(publish,
                [](Packet& packet, Wire& wire) {
                    if (wire.memory["refused"] != packet.packet_id || packet.qos != 2) {
                        return true;
                    }
                    wire.to_client(
                        build_acknowledgement(packet.version, pubrec, packet.packet_id).bytes());
                    return false;
                }),
         .on_broker = on(pubrec, [](Packet& packet, Wire& wire) {
             if (packet.reason_code >= 0x80) wire.memory["refused"] = packet.packet_id;
         })});
    add({.name = "forbidden_filter_left_out",
         .story = "SUBACK has no code for a filter that the access rules forbid",
         .killed_by = {"v5/MQTT-3.9.3-1:forbidden", "v3.1.1/MQTT-3.9.3-1:forbidden"},
         .on_broker = on(suback, [](Packet& packet, Wire&) {
             const auto refused = static_cast<std::uint8_t>(is_v5(packet) ? 0x87 : 0x80);
             auto body = body_bytes(packet);
             std::erase(packet.reason_codes, refused);
             const auto header_size = is_v5(packet) ? 3U : 2U;
             body.resize(header_size);
             for (const auto code : packet.reason_codes)
                 body.push_back(static_cast<std::byte>(code));
             set_body(packet, body);
         })});
    add({.name = "auth_with_code_0",
         .story = "the AUTH of the broker in the middle of an exchange has Reason Code 0x00",
         .killed_by = {"v5/X5-80", "v5/MQTT-4.12.1-1"},
         .on_broker = set_auth_code(0)});
    add({.name = "connack_without_method",
         .story = "CONNACK after an exchange does not name the Authentication Method",
         .killed_by = {"v5/MQTT-4.12.0-5"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             if (!is_v5(packet)) return;
             erase(packet.properties, PropertyId::authentication_method);
             erase(packet.properties, PropertyId::authentication_data);
             rebuild_connack(packet);
         })});
    add({.name = "auth_with_any_method",
         .story = "the Authentication Method of AUTH is not looked at",
         .killed_by = {"v5/MQTT-4.12.0-5:of-client", "v5/MQTT-4.12.1-1:another-method"},
         .on_client = set_method("SCRAM-SHA-1", "SCRAM-SHA-256")});
    add({.name = "auth_with_any_code",
         .story = "the Reason Code of AUTH is not looked at",
         .killed_by = {"v5/MQTT-4.12.0-3", "v5/MQTT-3.15.2-1"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != auth || !packet.is_decodable) return true;
             packet.raw = build_auth(0x18, packet.properties).bytes();
             return true;
         }});
    add({.name = "any_proof",
         .story = "who does not prove who it is gets in all the same",
         .killed_by = {"v5/MQTT-4.12.0-4"},
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (packet.reason_code != 0x87 || !is_v5(packet)) return;
             wire.keep_alive_for_ever();
             packet.reason_code = 0;
             rebuild_connack(packet);
         })});
    add({.name = "serves_before_authentication",
         .story = "a SUBSCRIBE in the middle of an exchange is answered",
         .killed_by = {"v5/MQTT-3.1.2-30"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (wire.memory["is in exchange"] == 0) return true;
                 if (packet.type == publish) return false;
                 if (packet.type != subscribe) return true;
                 Draft answer{0x90};
                 answer.u16("packet_id", packet.packet_id)
                     .properties("properties", {})
                     .byte("code", 0);
                 wire.to_client(answer.bytes());
                 return false;
             },
         .on_broker =
             [](Packet& packet, Wire& wire) {
                 if (packet.type == auth) wire.memory["is in exchange"] = 1;
                 if (packet.type == connack) wire.memory["is in exchange"] = 0;
                 return true;
             }});
    add({.name = "auth_too_large",
         .story = "AUTH has a Reason String, whatever the client takes",
         .killed_by = {"v5/MQTT-3.15.2-2"},
         .on_broker = on(auth, [](Packet& packet, Wire&) {
             auto properties = packet.properties;
             properties.push_back(text_property(PropertyId::reason_string, std::string(300, 'r')));
             packet.raw = build_auth(packet.reason_code, properties).bytes();
         })});
    add({.name = "any_proof_again",
         .story = "a re-authentication that fails is taken for one that succeeds",
         .killed_by = {"v5/MQTT-4.12.1-2"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (packet.type != auth || wire.memory["is accepted"] == 0) return true;
                 if (packet.reason_code != 0x18) return true;
                 wire.to_client(build_auth(0, {text_property(PropertyId::authentication_method,
                                                             "SCRAM-SHA-256")})
                                    .bytes());
                 return false;
             },
         .on_broker = on(connack, [](Packet&, Wire& wire) { wire.memory["is accepted"] = 1; })});
    return mutants;
}

}  // namespace

const std::vector<Mutant>& all_mutants() {
    static const auto mutants = make_mutants();
    return mutants;
}

}  // namespace touchstone::conformance
