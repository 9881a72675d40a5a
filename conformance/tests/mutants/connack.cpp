// Broken brokers: CONNACK, and what a CONNECT leads to.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_connack(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "connack_reserved_flag",
         .story = "a reserved Connect Acknowledge Flag is 1",
         .breaks = {"v5/MQTT-3.2.2-1", "v3.1.1/X3-01"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             set_byte(packet, 0, packet.acknowledge_flags | 0x02U);
         })});
    add({.name = "session_present_always_0",
         .story = "CONNACK never says Session Present",
         .breaks = {"v5/MQTT-3.2.2-3", "v3.1.1/MQTT-3.2.2-2", "v5/MQTT-3.1.2-5"},
         .on_broker = connack_as([](Packet& packet) { packet.acknowledge_flags = 0; })});
    add({.name = "session_present_always_1",
         .story = "CONNACK always says Session Present",
         .breaks = {"v5/MQTT-3.2.2-2", "v3.1.1/MQTT-3.2.2-1", "v3.1.1/MQTT-3.2.2-2",
                    "v3.1.1/MQTT-3.2.2-4", "v3.1.1/MQTT-3.2.2-3"},
         .on_broker = [](Packet& packet, Wire&) {
             if (packet.type == connack) packet.raw[2] = std::byte{1};
             return true;
         }});
    add({.name = "session_present_on_refusal",
         .story = "a CONNACK that refuses says Session Present",
         .breaks = {"v5/MQTT-3.2.2-6", "v3.1.1/MQTT-3.2.2-4"},
         .on_broker = [](Packet& packet, Wire&) {
             // By its bytes: the refusal of an unknown version has the format of another one.
             const bool is_refusal =
                 packet.type == connack && packet.raw.size() > 3 && packet.raw[3] != std::byte{0};
             if (is_refusal) set_byte(packet, 0, 1);
             return true;
         }});
    add({.name = "connack_unknown_code",
         .story = "a refusal has a code that is not in the table",
         .breaks = {"v5/MQTT-3.2.2-8", "v3.1.1/MQTT-3.2.2-6"},
         .on_broker = connack_as([](Packet& packet) {
             if (packet.reason_code != 0) packet.reason_code = 0x77;
         })});
    add({.name = "connack_for_malformed_3_1_1",
         .story = "a malformed CONNECT of 3.1.1 is refused with a CONNACK",
         .breaks = {"v3.1.1/MQTT-3.1.4-1", "v3.1.1/MQTT-3.1.4-1:flags"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_bad = packet.type == PacketType::connect && !is_sound(packet);
             if (is_bad && !is_v5(packet)) wire.to_client(hex("20 02 00 02"));
             return true;
         }});
    add({.name = "no_close_after_refusal",
         .story = "a refused client is not disconnected",
         .breaks = {"v5/MQTT-3.2.2-7", "v3.1.1/MQTT-3.2.2-5", "v5/MQTT-4.12.0-1",
                    "v3.1.1/MQTT-3.1.3-8"},
         .on_broker = [](Packet& packet, Wire& wire) {
             // By its bytes: the refusal of an unknown version has the format of another one.
             const bool is_refusal =
                 packet.type == connack && packet.raw.size() > 3 && packet.raw[3] != std::byte{0};
             if (is_refusal) wire.keep_alive_for_ever();
             return true;
         }});
    add({.name = "refused_connect_takes_over",
         .story = "a CONNECT that is refused ends the service of who has its Client Identifier",
         .breaks = {"v5/MQTT-3.1.4-3:refused", "v3.1.1/MQTT-3.1.4-2:refused"},
         .on_client = [](Packet&,
                         Wire& wire) { return (*wire.shared)["refused " + wire.client_id] == 0; },
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (packet.reason_code != 0) (*wire.shared)["refused " + wire.client_id] = 1;
         })});
    add({.name = "connack_dropped",
         .story = "a CONNECT gets no CONNACK",
         .breaks = {"v5/MQTT-3.1.4-5", "v3.1.1/MQTT-3.1.4-4"},
         .on_broker = drop(connack)});
    add({.name = "connack_late",
         .story = "other answers overtake CONNACK",
         .breaks = {"v5/MQTT-3.2.0-1", "v3.1.1/MQTT-3.2.0-1"},
         .on_broker = [](Packet& packet, Wire& wire) {
             if (packet.type == connack) wire.to_client(hex("d0 00"));
             return true;
         }});
    add({.name = "connack_without_property_length",
         .story = "CONNACK of 5.0 has no Property Length",
         .breaks = {"v5/MQTT-2.2.2-1"},
         .on_broker = on(connack, [](Packet& packet, Wire&) {
             if (is_v5(packet)) packet.raw = hex("20 02 00 00");
         })});
    add({.name = "publish_without_property_length",
         .story = "PUBLISH of 5.0 has no Property Length",
         .breaks = {"v5/MQTT-2.2.2-1"},
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
         .breaks = {"v5/MQTT-3.1.2-28"},
         .on_broker = connack_with(text_property(PropertyId::response_information, "r"))});
    add({.name = "authentication_method_unasked",
         .story = "CONNACK names an Authentication Method that CONNECT did not",
         .breaks = {"v5/MQTT-4.12.0-6"},
         .on_broker = connack_with(text_property(PropertyId::authentication_method, "m"))});
    add({.name = "auth_unasked",
         .story = "AUTH follows CONNACK",
         .breaks = {"v5/MQTT-4.12.0-6"},
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             wire.to_client(packet.raw);
             if (is_v5(packet)) wire.to_client(hex("f0 00"));
             return false;
         })});
    add({.name = "assigned_identifier_missing",
         .story = "no Assigned Client Identifier",
         .breaks = {"v5/MQTT-3.1.3-7", "v5/MQTT-3.1.3-6", "v5/MQTT-3.2.2-16"},
         .on_broker = connack_as([](Packet& packet) {
             erase(packet.properties, PropertyId::assigned_client_identifier);
         })});
    add({.name = "assigned_identifier_constant",
         .story = "all clients without an identifier get the same one",
         .breaks = {"v5/MQTT-3.1.3-6", "v5/MQTT-3.2.2-16", "v3.1.1/MQTT-3.1.3-6"},
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
         .breaks = {"v3.1.1/MQTT-3.1.3-8", "v3.1.1/MQTT-3.1.3-7"},
         .on_client = connect_as([](Packet& packet) {
             if (packet.client_id.empty()) packet.connect_flags |= 2U;
         })});
    add({.name = "short_identifiers_refused",
         .story = "a Client Identifier of one character is refused",
         .breaks = {"v5/MQTT-3.1.3-5", "v3.1.1/MQTT-3.1.3-5"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (packet.client_id.size() != 1) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 85 00") : hex("20 02 00 02"));
             return false;
         })});
    add({.name = "identifiers_ignore_case",
         .story = "Client Identifiers are compared without regard to case",
         .breaks = {"v5/MQTT-3.1.3-2", "v3.1.1/MQTT-3.1.3-2"},
         .on_client = connect_as([](Packet& packet) {
             std::ranges::transform(packet.client_id, packet.client_id.begin(), [](char letter) {
                 return static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
             });
         })});
}

}  // namespace touchstone::conformance::mutants
