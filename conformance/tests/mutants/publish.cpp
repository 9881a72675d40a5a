// Broken brokers: PUBLISH: what is delivered, and the flows of QoS 1 and 2.
#include <algorithm>
#include <utility>

#include "conformance/tests/mutants/changes.hpp"

namespace touchstone::conformance::mutants {

void add_publish(std::vector<Mutant>& mutants) {
    const auto add = [&mutants](Mutant mutant) { mutants.push_back(std::move(mutant)); };

    add({.name = "publish_dropped",
         .story = "nothing is delivered",
         .breaks = {"v3.1.1/MQTT-7.0.0-2", "v5/X5-31"},
         .on_broker = drop(publish)});
    add({.name = "publish_twice",
         .story = "QoS 0 messages are delivered twice",
         .breaks = {"v5/MQTT-4.3.1-1", "v3.1.1/MQTT-4.3.1-1"},
         .on_broker = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos == 0) wire.to_client(packet.raw);
         })});
    add({.name = "publish_again_at_once",
         .story = "QoS 1 and 2 messages are sent again on the same connection",
         .breaks = {"v5/MQTT-4.4.0-1:live"},
         .on_broker = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos == 0) return true;
             wire.to_client(packet.raw);
             packet.dup = true;
             rebuild_publish(packet);
             return true;
         })});
    add({.name = "dup_on_first",
         .story = "DUP is 1 on every QoS 1 and 2 message",
         .breaks = {"v5/MQTT-3.3.1-3", "v3.1.1/MQTT-3.3.1-3", "v5/MQTT-4.3.2-2", "v5/MQTT-4.3.3-2"},
         .on_broker = publish_as([](Packet& packet) { packet.dup = packet.qos > 0; })});
    add({.name = "dup_at_qos_0",
         .story = "DUP is 1 at QoS 0",
         .breaks = {"v5/MQTT-3.3.1-2", "v3.1.1/MQTT-3.3.1-2", "v3.1.1/MQTT-4.3.1-1",
                    "v5/MQTT-4.3.1-1"},
         .on_broker = publish_as([](Packet& packet) { packet.dup = true; })});
    add({.name = "dup_flag_missing",
         .story = "DUP is 0 on a resend",
         .breaks = {"v5/MQTT-3.3.1-1", "v3.1.1/MQTT-3.3.1-1"},
         .options = with_defect(Defect::dup_flag_missing)});
    add({.name = "pid_fresh_on_redelivery",
         .story = "a resend has a new Packet Identifier",
         .breaks = {"v5/MQTT-3.3.1-1", "v5/MQTT-4.3.2-3", "v5/MQTT-4.3.3-3", "v3.1.1/MQTT-4.4.0-1",
                    "v3.1.1/MQTT-4.3.3-1"},
         .options = with_defect(Defect::pid_fresh_on_redelivery)});
    add({.name = "redeliver_unordered",
         .story = "resends come in another order",
         .breaks = {"v5/MQTT-4.6.0-5:queued", "v3.1.1/MQTT-4.6.0-6:queued", "v3.1.1/MQTT-4.6.0-1"},
         .options = with_defect(Defect::redeliver_unordered)});
    add({.name = "new_before_retransmit",
         .story = "queued messages come before the resends",
         .breaks = {"v5/MQTT-4.6.0-5:queued", "v3.1.1/MQTT-4.6.0-6:queued"},
         .options = with_defect(Defect::new_before_retransmit)});
    add({.name = "qos2_pubrel_not_resumed",
         .story = "an owed PUBREL is not sent again",
         .breaks = {"v5/MQTT-4.3.3-5", "v3.1.1/MQTT-4.3.3-1:resume", "v5/MQTT-4.3.3-6"},
         .options = with_defect(Defect::qos2_pubrel_not_resumed)});
    add({.name = "qos2_publish_duplicates",
         .story = "a repeated QoS 2 PUBLISH goes on twice",
         .breaks = {"v5/MQTT-4.3.3-8", "v3.1.1/MQTT-4.3.3-2", "v5/MQTT-4.3.3-10"},
         .options = with_defect(Defect::qos2_publish_duplicates)});
    add({.name = "pid_no_in_use_check",
         .story = "Packet Identifiers are given out while in use",
         .breaks = {"v5/MQTT-2.2.1-4", "v3.1.1/MQTT-2.3.1-4", "v5/MQTT-4.3.2-1", "v5/MQTT-4.3.3-1"},
         .options = [] {
             auto options = with_defect(Defect::pid_no_in_use_check);
             options.settings.packet_id_max = mutant_packet_ids;
             return options;
         }()});
    add({.name = "window_not_enforced",
         .story = "more is in flight than the client's Receive Maximum",
         .breaks = {"v5/MQTT-3.3.4-9", "v5/MQTT-4.9.0-1", "v5/X5-22", "v5/MQTT-4.9.0-2"},
         .options = with_defect(Defect::window_not_enforced)});
    add({.name = "receive_maximum_ignored",
         .story = "the client's Receive Maximum is not read",
         .breaks = {"v5/MQTT-3.3.4-9", "v5/MQTT-4.9.0-1", "v5/X5-22"},
         .on_client = connect_without(PropertyId::receive_maximum)});
    add({.name = "pubrec_frees_a_place",
         .story = "PUBREC counts as if the flow were complete",
         .breaks = {"v5/MQTT-3.3.4-9"},
         .on_client = on(pubrec, [](Packet& packet, Wire& wire) {
             if (!is_v5(packet)) return;
             wire.to_broker(packet.raw);
             packet.raw = build_acknowledgement(packet.version, pubcomp, packet.packet_id).bytes();
         })});
    add({.name = "refusing_pubrec_is_a_pubrec",
         .story = "PUBREC 0x80 and above is taken for success",
         .breaks = {"v5/MQTT-4.3.3-4:refused", "v5/MQTT-4.4.0-2", "v5/MQTT-4.8.2-6"},
         .on_client = on(pubrec, [](Packet& packet, Wire&) {
             packet.raw = build_acknowledgement(packet.version, pubrec, packet.packet_id).bytes();
         })});
    add({.name = "refusing_puback_ignored",
         .story = "PUBACK 0x80 and above does not settle the message",
         .breaks = {"v5/MQTT-4.4.0-2"},
         .on_client = on(puback, [](Packet& packet, Wire&) { return packet.reason_code < 0x80; })});
    add({.name = "puback_of_client_ignored",
         .story = "a client's PUBACK settles nothing",
         .breaks = {"v5/MQTT-4.3.2-3", "v3.1.1/MQTT-4.3.2-1"},
         .on_client = on(puback, [](Packet&, Wire&) { return false; })});
    add({.name = "pubcomp_of_client_ignored",
         .story = "a client's PUBCOMP settles nothing",
         .breaks = {"v5/MQTT-4.3.3-5", "v3.1.1/MQTT-4.3.3-1:resume"},
         .on_client = on(pubcomp, [](Packet&, Wire&) { return false; })});
    add({.name = "first_flow_only",
         .story = "a Packet Identifier is never new: repeated QoS 1 messages are dropped",
         .breaks = {"v5/MQTT-4.3.2-5", "v3.1.1/MQTT-4.3.2-2"},
         .on_client = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos != 1 || !packet.dup) return true;
             wire.to_client(
                 build_acknowledgement(packet.version, puback, packet.packet_id).bytes());
             return false;
         })});
    add({.name = "qos2_dup_is_old",
         .story = "a QoS 2 PUBLISH with DUP 1 is taken for known",
         .breaks = {"v5/MQTT-4.3.3-12", "v3.1.1/MQTT-4.3.3-2:new"},
         .on_client = on(publish, [](Packet& packet, Wire& wire) {
             if (packet.qos != 2 || !packet.dup) return true;
             wire.to_client(
                 build_acknowledgement(packet.version, pubrec, packet.packet_id).bytes());
             return false;
         })});
    add({.name = "qos_1_and_2_not_taken",
         .story = "QoS 1 and 2 are passed on at QoS 0",
         .breaks = {"v5/MQTT-3.8.4-8", "v3.1.1/MQTT-3.8.4-6"},
         .on_broker = publish_as([](Packet& packet) { packet.qos = 0; })});
    add({.name = "qos_not_lowered",
         .story = "messages are delivered at the QoS of the publication",
         .breaks = {"v5/MQTT-3.8.4-7", "v3.1.1/MQTT-3.8.4-6", "v5/MQTT-3.8.4-8"},
         .options = with_defect(Defect::qos_not_lowered)});
    add({.name = "subscriptions_at_qos_0",
         .story = "every subscription is served at QoS 0",
         .breaks = {"v5/MQTT-3.8.4-7", "v3.1.1/MQTT-3.8.4-6", "v5/MQTT-3.3.4-2",
                    "v3.1.1/MQTT-3.3.5-1", "v5/MQTT-4.8.2-3", "v5/X5-76"},
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
         .breaks = {"v3.1.1/MQTT-3.3.1-8", "v5/X5-62", "v5/MQTT-3.3.1-13"},
         .on_broker = publish_as([](Packet& packet) { packet.retain = false; })});
    add({.name = "retain_always_1",
         .story = "RETAIN is 1 on everything delivered",
         .breaks = {"v3.1.1/MQTT-3.3.1-9", "v5/MQTT-3.3.1-12", "v5/MQTT-3.3.1-13"},
         .on_broker = publish_as([](Packet& packet) { packet.retain = true; })});
    add({.name = "nothing_retained",
         .story = "RETAIN of a client's PUBLISH is ignored",
         .breaks = {"v5/MQTT-3.3.1-5", "v3.1.1/MQTT-3.3.1-5", "v3.1.1/MQTT-3.1.2-7", "v5/X5-06",
                    "v3.1.1/MQTT-3.3.1-6", "v3.1.1/X3-03", "v5/MQTT-3.3.1-9:wildcard", "v5/X5-20"},
         .on_client = publish_as([](Packet& packet) { packet.retain = false; })});
    add({.name = "everything_retained",
         .story = "every PUBLISH is retained",
         .breaks = {"v5/MQTT-3.3.1-8", "v3.1.1/MQTT-3.3.1-12"},
         .on_client = publish_as([](Packet& packet) { packet.retain = true; })});
    add({.name = "retained_never_replaced",
         .story = "the first Retained Message of a topic stays",
         .breaks = {"v5/MQTT-3.3.1-5", "v5/MQTT-3.3.1-6", "v3.1.1/MQTT-3.3.1-7",
                    "v3.1.1/MQTT-3.3.1-10"},
         .on_client = on(publish, [](Packet& packet, Wire& wire) {
             if (!packet.retain) return;
             if ((*wire.shared)[packet.topic]++ == 0) return;
             packet.retain = false;
             rebuild_publish(packet);
         })});
    add({.name = "empty_retained_stored",
         .story = "an empty Retained Message is stored like any other",
         .breaks = {"v5/MQTT-3.3.1-6", "v5/MQTT-3.3.1-7", "v3.1.1/MQTT-3.3.1-10",
                    "v3.1.1/MQTT-3.3.1-11"},
         .on_client = publish_as([](Packet& packet) {
             if (packet.retain && packet.payload.empty()) packet.payload = " ";
         })});
    add({.name = "payload_damaged",
         .story = "the first byte of a payload gets lost",
         .breaks = {"v5/MQTT-2.2.1-2", "v3.1.1/MQTT-2.3.1-5"},
         .on_broker = publish_as([](Packet& packet) {
             if (!packet.payload.empty()) packet.payload.erase(0, 1);
         })});
    add({.name = "large_payload_cut",
         .story = "payloads are cut at 100 bytes",
         .breaks = {"v5/MQTT-1.5.5-1", "v3.1.1/X3-10:lengths", "v5/MQTT-4.2.0-1",
                    "v3.1.1/MQTT-7.1.1-1"},
         .on_broker = publish_as([](Packet& packet) {
             if (packet.payload.size() > 100) packet.payload.resize(100);
         })});
    add({.name = "length_not_shortest",
         .story = "Remaining Length has one byte more than it needs",
         .breaks = {"v5/MQTT-1.5.5-1"},
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
         .breaks = {"v5/MQTT-4.6.0-5", "v3.1.1/MQTT-4.6.0-5", "v5/MQTT-4.6.0-6"},
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
         .breaks = {"v3.1.1/MQTT-4.6.0-4", "v5/X5-05:pubrel"},
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
    const auto add_lost = [&add](PropertyId id, std::vector<std::string> ids) {
        const std::string name{find_property_rule(static_cast<std::uint32_t>(id))->name};
        ids.insert(ids.end(), {"v5/X5-11", "v5/X5-53"});
        add({.name = name + "_lost",
             .story = name + " is not forwarded",
             .breaks = std::move(ids),
             .on_broker = publish_without(id)});
    };
    add_lost(PropertyId::payload_format_indicator, {"v5/MQTT-3.3.2-4"});
    add_lost(PropertyId::content_type, {"v5/MQTT-3.3.2-20"});
    add_lost(PropertyId::response_topic, {"v5/MQTT-3.3.2-15"});
    add_lost(PropertyId::correlation_data, {"v5/MQTT-3.3.2-16"});
    add_lost(PropertyId::user_property, {"v5/MQTT-3.3.2-17"});
    add({.name = "user_properties_reversed",
         .story = "User Properties are forwarded in another order",
         .breaks = {"v5/MQTT-3.3.2-4", "v5/X5-11", "v5/MQTT-3.3.2-18", "v5/MQTT-3.1.3-10"},
         .on_broker = publish_as([](Packet& packet) { std::ranges::reverse(packet.properties); })});
    add({.name = "expiry_ignored",
         .story = "messages never expire",
         .breaks = {"v5/MQTT-3.3.2-5", "v5/MQTT-3.3.2-5:held-back", "v5/MQTT-3.3.2-6", "v5/X5-50"},
         .on_client = publish_without(PropertyId::message_expiry_interval)});
    add({.name = "expiry_not_counted_down",
         .story = "the Message Expiry Interval is forwarded as it came",
         .breaks = {"v5/MQTT-3.3.2-6"},
         .on_broker = publish_as([](Packet& packet) {
             for (auto& property : packet.properties) {
                 if (property.id == PropertyId::message_expiry_interval) property.number = 30;
             }
         })});
    add({.name = "properties_of_others_forwarded",
         .story = "a User Property of PUBREC comes back in PUBREL, those of CONNECT in PUBLISH",
         .breaks = {"v5/X5-54", "v5/X5-56"},
         .on_broker = publish_as([](Packet& packet) {
             if (is_v5(packet)) packet.properties.push_back(pair_property("secret", "hop"));
         })});
    add({.name = "topic_alias_unasked",
         .story = "PUBLISH has a Topic Alias that the client does not take",
         .breaks = {"v5/MQTT-3.1.2-27", "v5/MQTT-3.1.2-26", "v5/X5-42", "v5/MQTT-3.3.2-11"},
         .on_broker = publish_as([](Packet& packet) {
             if (!is_v5(packet) || packet.topic.empty()) return;
             erase(packet.properties, PropertyId::topic_alias);
             packet.properties.push_back(number_property(PropertyId::topic_alias, 9));
         })});
    add({.name = "topic_alias_without_mapping",
         .story = "PUBLISH has a Topic Alias that was never set",
         .breaks = {"v5/MQTT-3.1.2-26", "v5/X5-43"},
         .on_broker = publish_as([](Packet& packet) {
             if (!is_v5(packet)) return;
             erase(packet.properties, PropertyId::topic_alias);
             packet.properties.push_back(number_property(PropertyId::topic_alias, 1));
             packet.topic.clear();
         })});
    add({.name = "topic_alias_of_client_ignored",
         .story = "a Topic Alias that a client sets is forgotten",
         .breaks = {"v5/MQTT-3.3.2-12", "v5/X5-40"},
         .on_client = on(publish, [](Packet& packet, Wire&) {
             if (packet.topic.empty()) return;
             erase(packet.properties, PropertyId::topic_alias);
             rebuild_publish(packet);
         })});
    add({.name = "maximum_packet_size_ignored",
         .story = "the client's Maximum Packet Size is not read",
         .breaks = {"v5/MQTT-3.1.2-24", "v5/MQTT-3.1.2-25", "v5/MQTT-3.1.2-24:connack"},
         .on_client = connect_without(PropertyId::maximum_packet_size)});
    add({.name = "too_large_goes_to_nobody",
         .story = "small messages are taken for too large",
         .breaks = {"v5/MQTT-3.1.2-24"},
         .on_client = connect_as([](Packet& packet) {
             for (auto& property : packet.properties) {
                 if (property.id == PropertyId::maximum_packet_size) property.number -= 2;
             }
         })});
}

}  // namespace touchstone::conformance::mutants
