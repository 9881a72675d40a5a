// Users and access rules (§5.4): on a broker whose operator says who is known and what is
// forbidden.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

CASE("v5/MQTT-3.1.4-2 v3.1.1/X3-02", "a CONNECT with a wrong password is refused", needs.users()) {
    auto client = peer("client");
    const auto& right = *declaration().credentials;
    step("the right one");
    client.connect().disconnect();
    for (const auto& name : {right.user_name, unique()}) {
        step(name == right.user_name ? "a wrong one" : "a name that nobody has");
        const auto draft =
            client.connect_packet({.user_name = name, .password = right.password + "-wrong"});
        const auto end =
            is_v5() ? client.expect_connect_refused(draft, {0x80, 0x83, 0x85, 0x86, 0x87, 0x8A})
                    : client.expect_connect_refused(draft, {4, 5});
        if (!end.connack.has_value()) non_strict("no CONNACK says why");
    }
}

CASE("v5/MQTT-3.1.4-3:refused v3.1.1/MQTT-3.1.4-2:refused",
     "a CONNECT that is refused does not end the connection of the same Client Identifier",
     needs.users()) {
    const auto id = unique() + "same";
    auto first = peer("first").connect({.client_id = id}).subscribe("t");
    auto second = peer("second");
    second.expect_connect_refused(
        second.connect_packet({.client_id = id,
                               .user_name = declaration().credentials->user_name,
                               .password = declaration().credentials->password + "-wrong"}),
        {});
    first.ping();
    first.publish("t", QoS::at_most_once, "still here");
    first.expect_publish({.topic = "t", .payload = "still here"});
}

CASE("v3.1.1/MQTT-3.3.5-2 v5/X5-85:forbidden",
     "a PUBLISH that is forbidden is acknowledged, or the connection is closed",
     needs.forbidden()) {
    for (const auto qos : {QoS::at_least_once, QoS::exactly_once}) {
        if (static_cast<int>(qos) > capabilities().maximum_qos) continue;
        auto client = peer("client").connect();
        const auto packet_id = client.send_publish(
            {.topic = absolute(*declaration().forbidden_topic), .qos = qos, .payload = "secret"});
        const auto answer = client.next();
        if (!answer.has_value()) {
            demand(!client.is_open(), "an acknowledgement or a close", "neither");
            observed("closes the connection");
            continue;
        }
        if (is_v5() && answer->type == PacketType::disconnect) {
            observed("closes the connection");
            continue;
        }
        const auto wanted = qos == QoS::at_least_once ? PacketType::puback : PacketType::pubrec;
        demand(answer->type == wanted && answer->packet_id == packet_id,
               "an acknowledgement or a close", describe(*answer));
        if (wanted == PacketType::pubrec && answer->reason_code < 0x80) {
            client.send_acknowledgement(PacketType::pubrel, packet_id);
            client.expect_acknowledgement(PacketType::pubcomp, packet_id);
        }
        // A refusal ends the exchange and nothing else.
        client.ping().disconnect();
    }
}

CASE("v5/MQTT-4.3.3-9",
     "after a PUBREC that refuses, a PUBLISH with the same Packet Identifier is a new message",
     needs.forbidden().qos(2)) {
    auto watcher = peer("watcher").connect().subscribe("t", QoS::exactly_once);
    auto client = peer("client").connect();
    const auto packet_id = client.send_publish({.topic = absolute(*declaration().forbidden_topic),
                                                .qos = QoS::exactly_once,
                                                .payload = "secret"});
    const auto answer = client.next();
    if (!answer.has_value() || answer->type != PacketType::pubrec || answer->reason_code < 0x80) {
        not_applicable("the broker does not refuse a message by PUBREC");
    }
    client.send_publish(
        {.topic = "t", .qos = QoS::exactly_once, .payload = "allowed", .packet_id = packet_id});
    const auto second = client.expect_acknowledgement(PacketType::pubrec, packet_id);
    demand(second.reason_code < 0x80, "PUBREC below 0x80", describe(second));
    client.send_acknowledgement(PacketType::pubrel, packet_id);
    client.expect_acknowledgement(PacketType::pubcomp, packet_id);
    watcher.expect_message({.topic = "t", .payload = "allowed"});
}

CASE("v5/MQTT-3.9.3-1:forbidden v3.1.1/MQTT-3.9.3-1:forbidden",
     "a SUBSCRIBE with a forbidden Topic Filter gets a code for each of its filters",
     needs.forbidden()) {
    auto client = peer("client").connect();
    const auto suback = client.try_subscribe(
        {{.filter = "a"}, {.filter = absolute(*declaration().forbidden_topic)}, {.filter = "b"}});
    demand(suback.reason_codes.size() == 3, "three codes", describe(suback));
    demand(suback.reason_codes[0] < 0x80 && suback.reason_codes[2] < 0x80,
           "the filters that are allowed granted", describe(suback));
    // A broker may grant it and deliver nothing: no statement says when access is checked.
    if (suback.reason_codes[1] < 0x80) observed("the forbidden one is granted");
}

}  // namespace touchstone::conformance
