// Broken brokers: what becomes of a flow over several connections, of the send quota, of Topic
// Aliases and Subscription Identifiers.
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_flows(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "unsubscribe_ends_flows",
         .story = "UNSUBSCRIBE drops what is in flight: no PUBREL comes any more",
         .breaks = {"v5/MQTT-3.10.4-3", "v3.1.1/MQTT-3.10.4-3"},
         .on_client =
             on(unsubscribe, [](Packet&, Wire& wire) { wire.memory["has unsubscribed"] = 1; }),
         .on_broker =
             on(pubrel, [](Packet&, Wire& wire) { return wire.memory["has unsubscribed"] == 0; })});
    add({.name = "acknowledged_before_it_is_owned",
         .story = "a QoS 1 message is acknowledged, and lost when its publisher goes",
         .breaks = {"v5/MQTT-4.3.2-4", "v3.1.1/MQTT-4.3.2-2:puback"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (!wire.held.empty() && packet.type != disconnect) {
                 wire.to_broker(std::exchange(wire.held, {}));
             }
             if (packet.type != publish || packet.qos != 1 || !is_sound(packet)) return true;
             wire.held = packet.raw;
             wire.to_client(
                 build_acknowledgement(packet.version, puback, packet.packet_id).bytes());
             return false;
         }});
    add({.name = "qos2_publish_not_resent",
         .story = "a QoS 2 PUBLISH without PUBREC is not sent again",
         .breaks = {"v5/MQTT-4.3.3-3", "v3.1.1/MQTT-4.3.3-1"},
         .on_broker =
             on(publish, [](Packet& packet, Wire&) { return packet.qos != 2 || !packet.dup; })});
    add({.name = "sent_messages_expire",
         .story = "a message expires though it was sent already",
         .breaks = {"v5/MQTT-4.3.3-7", "v5/X5-51"},
         .on_broker = on(publish, [](Packet& packet, Wire&) {
             const bool can_expire =
                 find(packet.properties, PropertyId::message_expiry_interval) != nullptr;
             return !packet.dup || !can_expire;
         })});
    add({.name = "no_quota_no_answer",
         .story = "without send quota nothing is sent any more but resends",
         .breaks = {"v5/MQTT-3.3.4-10", "v5/MQTT-4.9.0-3"},
         .on_client = on(PacketType::connect,
                         [](Packet& packet, Wire& wire) {
                             const auto maximum =
                                 number_of(packet.properties, PropertyId::receive_maximum);
                             wire.memory["quota"] = static_cast<int>(maximum.value_or(65'535));
                         }),
         .on_broker = [](Packet& packet, Wire& wire) {
             if (packet.type == publish && packet.qos > 0) {
                 --wire.memory["quota"];
                 return true;
             }
             return wire.memory["quota"] > 0 || packet.type == connack;
         }});
    add({.name = "topic_alias_survives",
         .story = "a Topic Alias holds on the next connection of the client, too",
         .breaks = {"v5/MQTT-3.3.2-7", "v5/X5-07"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (packet.type != publish || !packet.is_decodable) return true;
             if (find(packet.properties, PropertyId::topic_alias) == nullptr) return true;
             const auto key = "alias of " + wire.client_id;
             if (!packet.topic.empty()) {
                 (*wire.shared)[key] = 1;
                 wire.memory["is set here"] = 1;
                 return true;
             }
             if ((*wire.shared)[key] == 0 || wire.memory["is set here"] != 0) return true;
             packet.topic = wire.topic("t");
             rebuild_publish(packet);
             return true;
         }});
    add({.name = "one_identifier_of_several",
         .story = "of the Subscription Identifiers of one message only the first is sent",
         .breaks = {"v5/MQTT-3.3.4-4"},
         .on_broker = publish_as([](Packet& packet) {
             const auto all = all_of(packet.properties, PropertyId::subscription_identifier);
             if (all.size() < 2) return;
             erase(packet.properties, PropertyId::subscription_identifier);
             packet.properties.push_back(all.front());
         })});
    add({.name = "identifier_of_publisher",
         .story = "a Subscription Identifier in a client's PUBLISH is forwarded",
         .breaks = {"v5/MQTT-3.3.4-6"},
         .on_client =
             [](Packet& packet, Wire& wire) {
                 if (packet.type != publish || !packet.is_decodable) return true;
                 const auto number =
                     number_of(packet.properties, PropertyId::subscription_identifier);
                 if (!number.has_value()) return true;
                 (*wire.shared)["identifier"] = static_cast<int>(*number);
                 erase(packet.properties, PropertyId::subscription_identifier);
                 rebuild_publish(packet);
                 return true;
             },
         .on_broker = on(publish, [](Packet& packet, Wire& wire) {
             const auto number = (*wire.shared)["identifier"];
             if (number == 0 || !is_v5(packet)) return;
             packet.properties.push_back(number_property(PropertyId::subscription_identifier,
                                                         static_cast<std::uint32_t>(number)));
             rebuild_publish(packet);
         })});
    add({.name = "error_disturbs_others",
         .story = "after a client's mistake nobody is served any more",
         .breaks = {"v5/X5-84"},
         .on_client = [](Packet& packet, Wire& wire) {
             if (!is_sound(packet)) (*wire.shared)["mistake"] = 1;
             return !is_sound(packet) || (*wire.shared)["mistake"] == 0;
         }});
}

}  // namespace touchstone::conformance::mutants
