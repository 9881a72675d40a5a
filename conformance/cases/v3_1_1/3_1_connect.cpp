// §3.1 and §3.2 of 3.1.1.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

CASE("v3.1.1/MQTT-3.1.2-2",
     "a CONNECT of a level that the broker does not speak gets CONNACK 0x01 and a close") {
    auto client = peer("client");
    for (const auto* level : {"02", "06", "7f"}) {
        const auto end = client.expect_connect_refused(
            client.connect_packet().set("protocol_version", hex(level)), {},
            RefusalAnswer::any_version);
        const auto seen = end.connack.has_value() ? to_hex(end.connack->raw) : "a bare close";
        if (seen == "20 02 00 01") continue;
        // A broker of 5.0 may answer as that version has it (§3.1.2.2 there), or not at all.
        if (!capabilities().speaks_v5) fail("20 02 00 01", seen);
        non_strict("level " + std::string{level} + ": " + seen + " instead of 20 02 00 01");
    }
}

CASE("v3.1.1/MQTT-3.1.3-6",
     "clients without a Client Identifier are all taken, or all refused with CONNACK 0x02") {
    auto first = peer("first");
    first.open().send(first.connect_packet({.client_id = ""}));
    const auto end = first.wait_for_close(now() + tolerances().answer());
    demand(end.connack.has_value(), "a CONNACK", "a bare close");
    if (end.connack->reason_code != 0) {
        demand(end.connack->reason_code == 2, "CONNACK 0x02", describe(*end.connack));
        demand(end.is_closed, "a close after the refusal", "no close");
        not_applicable("the broker does not take an empty Client Identifier");
    }
    auto second = peer("second").connect({.client_id = ""});
    // Were both the same client, the second would have thrown out the first.
    first.ping();
    second.ping();
}

CASE("v3.1.1/MQTT-3.1.3-8 v3.1.1/MQTT-3.1.3-7",
     "an empty Client Identifier with CleanSession 0 gets CONNACK 0x02 and a close") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.clean_start = CleanStart::no, .client_id = ""}), {2},
        RefusalAnswer::connack);
}

CASE("v3.1.1/MQTT-3.8.3-2", "a broker without wildcards refuses subscriptions that use them",
     needs.reduced()) {
    if (capabilities().wildcards_available) not_applicable("the broker has wildcards");
    for (const auto* filter : {"t/+", "t/#", "+", "#"}) {
        auto client = peer("client").connect();
        client.send(client.subscribe_packet({{filter}})).send(build_pingreq());
        while (const auto packet = client.next()) {
            if (packet->type == PacketType::pingresp) break;
            if (packet->type != PacketType::suback) continue;
            demand(packet->reason_codes[0] == 0x80, "code 0x80, or a close", describe(*packet));
        }
    }
}

CASE("v3.1.1/MQTT-7.0.0-2",
     "a client that uses nothing but the standard can work with the broker") {
    auto client = peer("client").connect();
    client.subscribe("t", QoS::at_most_once);
    client.publish("t", QoS::at_most_once, "plain");
    client.expect_publish({.topic = "t", .payload = "plain"});
    client.unsubscribe({"t"});
    client.ping();
    client.disconnect();
}

}  // namespace touchstone::conformance
