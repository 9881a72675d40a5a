// Broken brokers: What it does not look at: what clients send.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_malformed(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "faulty_packets_ignored",
         .story = "malformed packets of clients are skipped, the connection lives on",
         .breaks = {"v3.1.1/MQTT-2.2.2-2",
                    "v3.1.1/MQTT-4.8.0-1",
                    "v5/MQTT-3.6.1-1",
                    "v5/MQTT-3.8.1-1",
                    "v5/MQTT-3.8.3-5",
                    "v5/MQTT-3.10.1-1",
                    "v5/MQTT-3.14.1-1",
                    "v5/MQTT-3.15.1-1",
                    "v5/MQTT-4.13.1-1",
                    "v3.1.1/MQTT-3.8.3-3",
                    "v3.1.1/MQTT-1.5.3-1:topic-filter",
                    "v3.1.1/MQTT-3.8.3-1",
                    "v3.1.1/MQTT-1.5.3-2",
                    "v3.1.1/MQTT-1.5.3-2:topic-filter",
                    "v3.1.1/MQTT-1.5.3-2:topic-name",
                    "v3.1.1/MQTT-2.3.1-1",
                    "v3.1.1/MQTT-3.10.1-1",
                    "v3.1.1/MQTT-3.10.3-1",
                    "v3.1.1/MQTT-3.10.3-2",
                    "v3.1.1/MQTT-3.3.1-2:probe",
                    "v3.1.1/MQTT-3.3.2-1",
                    "v3.1.1/MQTT-3.6.1-1",
                    "v3.1.1/MQTT-3.8.1-1",
                    "v3.1.1/MQTT-3.8.3-4",
                    "v3.1.1/MQTT-4.8.0-1:five-byte-length",
                    "v3.1.1/MQTT-4.8.0-1:lengths",
                    "v5/MQTT-1.5.4-1:topic-filter",
                    "v5/MQTT-3.8.3-1",
                    "v5/MQTT-1.5.4-2:topic-filter",
                    "v5/MQTT-1.5.5-1:five-bytes",
                    "v5/MQTT-2.1.3-1:probe",
                    "v5/MQTT-2.2.1-3",
                    "v5/MQTT-3.10.3-1",
                    "v5/MQTT-3.10.3-2",
                    "v5/MQTT-3.3.1-2:probe",
                    "v5/MQTT-3.3.2-1",
                    "v5/MQTT-3.3.2-8",
                    "v5/MQTT-3.8.3-2",
                    "v5/MQTT-4.13.1-1:types",
                    "v5/X5-41",
                    "v5/X5-55:publish",
                    "v5/X5-55:repeated",
                    "v5/X5-55:subscribe",
                    "v5/X5-60",
                    "v5/X5-63:reserved",
                    "v5/X5-90:lengths",
                    "v5/MQTT-1.5.7-1"},
         .on_client = [](Packet& packet, Wire&) { return is_sound(packet); }});
    add({.name = "faulty_connect_accepted",
         .story = "a malformed CONNECT is taken as if it were right",
         .breaks = {"v5/MQTT-3.1.2-1",
                    "v5/MQTT-3.1.2-2",
                    "v5/MQTT-3.1.2-3",
                    "v5/MQTT-3.1.4-1",
                    "v3.1.1/MQTT-3.1.2-14",
                    "v3.1.1/MQTT-3.1.2-15",
                    "v3.1.1/MQTT-3.1.3-3",
                    "v5/MQTT-3.1.3-4",
                    "v5/MQTT-3.1.3-11",
                    "v5/MQTT-3.1.3-12",
                    "v5/X5-21",
                    "v3.1.1/MQTT-1.5.3-2:client-id",
                    "v3.1.1/MQTT-3.1.2-1",
                    "v3.1.1/MQTT-3.1.2-2",
                    "v3.1.1/MQTT-3.1.2-3",
                    "v3.1.1/MQTT-3.1.2-9",
                    "v3.1.1/MQTT-3.1.2-11",
                    "v3.1.1/MQTT-3.1.2-13",
                    "v3.1.1/MQTT-3.1.2-18",
                    "v3.1.1/MQTT-3.1.2-19",
                    "v3.1.1/MQTT-3.1.2-20",
                    "v3.1.1/MQTT-3.1.2-21",
                    "v3.1.1/MQTT-3.1.2-22",
                    "v3.1.1/MQTT-3.1.3-4",
                    "v3.1.1/MQTT-3.1.3-10",
                    "v3.1.1/MQTT-3.1.3-11",
                    "v5/MQTT-1.5.4-2:client-id",
                    "v5/MQTT-1.5.7-1:connect",
                    "v5/MQTT-2.2.2-1:connect",
                    "v5/MQTT-3.1.2-9",
                    "v5/MQTT-3.1.2-11",
                    "v5/MQTT-3.1.2-12",
                    "v5/MQTT-3.1.2-13",
                    "v5/MQTT-3.1.2-16",
                    "v5/MQTT-3.1.2-17",
                    "v5/MQTT-3.1.2-18",
                    "v5/MQTT-3.1.2-19",
                    "v5/MQTT-3.1.3-3",
                    "v5/MQTT-3.1.4-1:flags",
                    "v5/MQTT-3.1.4-1:properties",
                    "v5/X5-28"},
         .on_client = [](Packet& packet, Wire& wire) {
             const bool is_first = wire.memory["connect"]++ == 0;
             // Right for the reader, and still not for a broker: other names and levels.
             const bool is_known = packet.protocol_name == "MQTT" &&
                                   (packet.protocol_version == 4 || packet.protocol_version == 5);
             if (packet.type != PacketType::connect || !is_first) return true;
             if (is_sound(packet) && is_known) return true;
             packet.raw = build_connect({.version = packet.version, .client_id = "mutant"}).bytes();
             return true;
         }});
    add({.name = "refused_connect_served",
         .story = "a malformed CONNECT is refused, and what follows it is processed",
         .breaks = {"v5/MQTT-3.1.4-6", "v3.1.1/MQTT-3.1.4-5"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (packet.type != PacketType::connect || is_sound(packet)) return true;
                 wire.memory["is refused"] = 1;
                 packet.raw =
                     build_connect({.version = packet.version, .client_id = "mutant"}).bytes();
                 return true;
             },
         .on_broker =
             [](Packet& packet, Wire& wire) {
                 if (wire.memory["is refused"] == 0) return true;
                 if (packet.type != connack) return false;
                 packet.raw = is_v5(packet) ? hex("20 03 00 81 00") : hex("20 02 00 05");
                 return true;
             }});
    add({.name = "first_packet_need_not_be_connect",
         .story = "a PINGREQ before CONNECT is answered",
         .breaks = {"v5/MQTT-3.1.0-1", "v3.1.1/MQTT-3.1.0-1"},
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
         .breaks = {"v5/MQTT-3.1.0-2", "v3.1.1/MQTT-3.1.0-2", "v5/MQTT-3.2.0-2"},
         .on_client = [](Packet& packet, Wire& wire) {
             return packet.type != PacketType::connect || wire.memory["connects"]++ == 0;
         }});
    add({.name = "second_connect_answered",
         .story = "a second CONNECT gets a second CONNACK",
         .breaks = {"v5/MQTT-3.2.0-2", "v5/MQTT-3.1.0-2", "v3.1.1/MQTT-3.1.0-2"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (packet.type != PacketType::connect || wire.memory["connects"]++ == 0) return true;
             wire.to_client(is_v5(packet) ? hex("20 03 00 00 00") : hex("20 02 00 00"));
             return true;
         }});
}

}  // namespace touchstone::conformance::mutants
