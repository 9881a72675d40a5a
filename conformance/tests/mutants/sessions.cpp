// Broken brokers: Sessions and Will Messages.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_sessions(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "clean_start_ignored",
         .story = "the old Session is resumed although a new one was asked for",
         .breaks = {"v5/MQTT-3.1.2-4", "v3.1.1/MQTT-3.1.2-6", "v5/MQTT-3.1.4-4",
                    "v3.1.1/MQTT-3.1.4-3"},
         .on_client = on(PacketType::connect,
                         [](Packet& packet, Wire& wire) {
                             wire.memory["is to be new"] = packet.connect_flags & 2;
                             packet.connect_flags &= 0xFDU;
                             rebuild_connect(packet);
                         }),
         .on_broker = on(connack, [](Packet& packet, Wire& wire) {
             if (wire.memory["is to be new"] == 0) return;
             packet.acknowledge_flags = 0;
             rebuild_connack(packet);
         })});
    add({.name = "nothing_waits_for_the_absent",
         .story = "a Session keeps its subscriptions, but no message of meanwhile",
         .breaks = {"v5/MQTT-4.5.0-1", "v3.1.1/MQTT-4.5.0-1", "v5/MQTT-3.1.2-5",
                    "v3.1.1/MQTT-3.1.2-5"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (packet.type != PacketType::connect) wire.memory["is back"] = 0;
                 return true;
             },
         .on_broker =
             [](Packet& packet, Wire& wire) {
                 if (packet.type == connack) wire.memory["is back"] = packet.acknowledge_flags;
                 return packet.type != publish || packet.dup || wire.memory["is back"] == 0;
             }});
    add({.name = "sessions_never_kept",
         .story = "every Session is a new one",
         .breaks = {"v5/MQTT-3.1.2-5", "v5/MQTT-3.1.2-23", "v3.1.1/MQTT-3.1.2-4",
                    "v3.1.1/MQTT-4.1.0-1", "v5/X5-02", "v5/X5-30"},
         .on_client = connect_as([](Packet& packet) { packet.connect_flags |= 2U; })});
    add({.name = "sessions_never_expire",
         .story = "the Session Expiry Interval is taken for never",
         .breaks = {"v5/X5-01", "v5/MQTT-4.1.0-2", "v5/X5-08"},
         .on_client = connect_as([](Packet& packet) {
             erase(packet.properties, PropertyId::session_expiry_interval);
             packet.properties.push_back(
                 number_property(PropertyId::session_expiry_interval, 0xFFFF'FFFF));
         })});
    add({.name = "expiry_in_disconnect_ignored",
         .story = "a Session Expiry Interval in DISCONNECT changes nothing",
         .breaks = {"v5/X5-03", "v5/X5-04"},
         .on_client = on(disconnect, [](Packet& packet, Wire&) {
             if (packet.reason_code == 0) packet.raw = hex("e0 00");
         })});
    add({.name = "session_expires_while_connected",
         .story = "the Session is thrown away while its client is connected",
         .breaks = {"v5/MQTT-4.1.0-1"},
         .on_client = on(pubrel, [](Packet&, Wire&) { return false; })});

    // --- Wills -----------------------------------------------------------------------------------
    add({.name = "will_never_published",
         .story = "Wills are lost",
         .breaks = {"v5/MQTT-3.1.2-7", "v3.1.1/MQTT-3.1.2-8", "v5/MQTT-3.1.2-8",
                    "v5/MQTT-3.1.2-8:session-end", "v5/MQTT-3.1.4-3:will",
                    "v3.1.1/MQTT-3.1.4-2:will", "v5/X5-10", "v5/X5-14"},
         .options = with_defect(Defect::will_never_published)});
    add({.name = "will_on_normal_disconnect",
         .story = "DISCONNECT leaves the Will",
         .breaks = {"v5/MQTT-3.14.4-3", "v3.1.1/MQTT-3.14.4-3", "v5/MQTT-3.1.2-10",
                    "v5/MQTT-3.1.2-10:delay"},
         .options = with_defect(Defect::will_on_normal_disconnect)});
    add({.name = "will_twice",
         .story = "a Will is published twice",
         .breaks = {"v5/MQTT-3.1.2-10", "v3.1.1/MQTT-3.1.2-10"},
         .options = with_defect(Defect::will_twice)});
    add({.name = "will_dropped_at_any_disconnect",
         .story = "DISCONNECT removes the Will whatever its code",
         .breaks = {"v5/MQTT-3.1.2-8", "v5/X5-12"},
         .on_client = on(disconnect, [](Packet& packet, Wire&) { packet.raw = hex("e0 00"); })});
    add({.name = "will_dropped_at_error",
         .story = "a client that makes a mistake loses its Will",
         .breaks = {"v5/MQTT-3.1.2-8:protocol-error", "v3.1.1/MQTT-3.1.2-8:protocol-error",
                    "v5/MQTT-3.14.1-1", "v3.1.1/MQTT-3.14.1-1"},
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
         .breaks = {"v5/MQTT-3.1.2-8:delay", "v5/MQTT-3.1.3-9"},
         .on_client = will_as(
             [](WillFields& will) { erase(will.properties, PropertyId::will_delay_interval); })});
    add({.name = "will_waits_for_its_delay_only",
         .story = "the end of the Session does not publish the Will",
         .breaks = {"v5/MQTT-3.1.2-8:session-end", "v5/MQTT-3.1.2-8:session-expiry-0",
                    "v5/MQTT-4.1.0-2"},
         .on_client = connect_as([](Packet& packet) {
             erase(packet.properties, PropertyId::session_expiry_interval);
             packet.properties.push_back(
                 number_property(PropertyId::session_expiry_interval, 3'600));
         })});
    add({.name = "will_properties_lost",
         .story = "Wills are published without properties",
         .breaks = {"v5/X5-11", "v5/X5-11"},
         .on_client = will_as([](WillFields& will) { will.properties.clear(); })});
    add({.name = "will_retain_ignored",
         .story = "a Will is never retained",
         .breaks = {"v5/MQTT-3.1.2-15", "v3.1.1/MQTT-3.1.2-17"},
         .on_client = will_as([](WillFields& will) { will.retain = false; })});
    add({.name = "will_always_retained",
         .story = "a Will is always retained",
         .breaks = {"v5/MQTT-3.1.2-14", "v3.1.1/MQTT-3.1.2-16"},
         .on_client = will_as([](WillFields& will) { will.retain = true; })});
    add({.name = "will_at_qos_0",
         .story = "a Will is published at QoS 0",
         .breaks = {"v5/MQTT-3.1.2-7", "v3.1.1/MQTT-3.1.2-8"},
         .on_client = will_as([](WillFields& will) { will.qos = QoS::at_most_once; })});
    add({.name = "will_topic_and_payload_swapped",
         .story = "the fields of the payload are taken in another order",
         .breaks = {"v5/MQTT-3.1.3-1", "v3.1.1/MQTT-3.1.3-1"},
         .on_client = will_as([](WillFields& will) { std::swap(will.topic, will.payload); })});
    add({.name = "will_topic_empty",
         .story = "an empty Will Topic is taken for another one",
         .breaks = {"v5/MQTT-4.7.3-1:will", "v3.1.1/MQTT-4.7.3-1:will"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != PacketType::connect || !packet.will.has_value()) return true;
             if (!packet.will->topic.empty()) return true;
             packet.will->topic = "empty";
             rebuild_connect(packet);
             return true;
         }});
    add({.name = "will_after_restart_twice",
         .story = "a broker that starts again publishes each Will Message of before twice",
         .breaks = {"v5/X5-15"},
         .on_client = on(subscribe,
                         [](Packet& packet, Wire& wire) {
                             const auto& filter = packet.filters.front().filter;
                             if (!filter.ends_with("/will")) return;
                             wire.memory["is again"] = (*wire.shared)[filter]++;
                         }),
         .on_broker = on(suback, [](Packet& packet, Wire& wire) {
             if (std::exchange(wire.memory["is again"], 0) == 0) return;
             const auto will =
                 build_publish(packet.version, {.topic = wire.topic("will"), .payload = "will"})
                     .bytes();
             wire.to_broker(will);
             wire.to_broker(will);
         })});
    add({.name = "will_topic_repaired",
         .story = "wildcards in a Will Topic are taken out, and the Will is published",
         .breaks = {"v5/MQTT-4.7.0-1:will", "v3.1.1/MQTT-4.7.1-1:will"},
         .on_client = [](Packet& packet, Wire&) {
             if (packet.type != PacketType::connect || !packet.will.has_value()) return true;
             auto& topic = packet.will->topic;
             if (topic.find_first_of("+#") == std::string::npos) return true;
             std::erase_if(topic, [](char c) { return c == '+' || c == '#'; });
             topic += "w";
             rebuild_connect(packet);
             return true;
         }});
    add({.name = "will_invented",
         .story = "a client without a Will leaves one",
         .breaks = {"v3.1.1/MQTT-3.1.2-12", "v5/MQTT-3.1.2-10:no-will"},
         .on_client = on(PacketType::connect, [](Packet& packet, Wire& wire) {
             if (packet.client_id.empty()) return;
             auto& count = (*wire.shared)[packet.client_id];
             const auto topic = wire.topic("will");
             if (!packet.will.has_value() && count > 0) {
                 packet.will = WillFields{.topic = topic, .payload = "old"};
                 rebuild_connect(packet);
             }
             if (packet.will.has_value()) count = 1;
         })});
}

}  // namespace touchstone::conformance::mutants
