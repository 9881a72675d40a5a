// §3.3 PUBLISH: DUP, QoS, RETAIN, Topic Name, and what a broker does with it.
#include <algorithm>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-3.3.1-1 v5/MQTT-4.4.0-1 v3.1.1/MQTT-3.3.1-1 v3.1.1/MQTT-4.4.0-1",
     "what was not acknowledged comes again after a reconnect, with DUP 1 and the same Packet "
     "Identifier",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session());
    subscriber.subscribe("t/1", at_least_once).subscribe("t/2", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t/1", at_least_once, "one");
    publisher.publish("t/2", exactly_once, "two");
    auto first = subscriber.expect_publishes(2);
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    auto again = subscriber.expect_publishes(2);
    for (auto* packets : {&first, &again}) std::ranges::sort(*packets, {}, &Packet::topic);
    for (std::size_t i = 0; i < 2; ++i) {
        demand(again[i].topic == first[i].topic && again[i].payload == first[i].payload,
               "the same message", describe(again[i]));
        demand(again[i].dup, "DUP 1", describe(again[i]));
        demand(again[i].packet_id == first[i].packet_id,
               "Packet Identifier " + std::to_string(first[i].packet_id), describe(again[i]));
        subscriber.acknowledge(again[i]);
    }
}

CASE("v5/MQTT-3.3.1-2 v5/MQTT-4.3.1-1 v5/MQTT-4.5.0-1:dup v3.1.1/MQTT-3.3.1-2 "
     "v3.1.1/MQTT-4.3.1-1 v3.1.1/MQTT-4.5.0-1:dup",
     "a QoS 0 message comes with DUP 0, also when the publisher's PUBLISH had DUP 1",
     needs.qos(1)) {
    auto subscriber = peer("subscriber").connect().subscribe("t", at_most_once);
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "a", .dup = Dup::yes});
    subscriber.expect_publish({.topic = "t", .payload = "a", .qos = at_most_once, .dup = Dup::no});
    publisher.publish("t", at_most_once, "b");
    subscriber.expect_publish({.topic = "t", .payload = "b", .qos = at_most_once, .dup = Dup::no});
}

CASE("v5/MQTT-3.3.1-2:probe v3.1.1/MQTT-3.3.1-2:probe",
     "a PUBLISH with QoS 0 and DUP 1 ends the connection") {
    auto client = peer("client").connect();
    client.send(client.publish_packet({.topic = "t", .payload = "x", .dup = Dup::yes}));
    // 3.1.1 calls it no violation by number where the receiver is concerned: not binding either.
    client.expect_rejected({0x81, 0x82}, Detection::free);
}

CASE("v5/MQTT-3.3.1-3 v5/MQTT-4.3.2-2 v5/MQTT-4.3.3-2 v3.1.1/MQTT-3.3.1-3 "
     "v3.1.1/MQTT-4.3.2-1:first v3.1.1/MQTT-4.3.3-1:first",
     "DUP is 0 on a first transmission, whatever the publisher's PUBLISH had", needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    for (const auto qos : {at_least_once, exactly_once}) {
        for (const auto dup : {Dup::no, Dup::yes}) {
            publisher.publish({.topic = "t", .qos = qos, .payload = "x", .dup = dup});
            subscriber.expect_publish({.topic = "t", .payload = "x", .qos = qos, .dup = Dup::no});
        }
    }
}

CASE("v5/MQTT-3.3.1-4 v3.1.1/MQTT-3.3.1-4",
     "a PUBLISH with both QoS bits set goes nowhere and ends the connection") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    publisher.send(publisher.publish_packet({.topic = "t", .qos = exactly_once, .payload = "x"})
                       .first_byte(0x36));
    publisher.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.3.1-5 v3.1.1/MQTT-3.3.1-5",
     "a Retained Message is stored with its QoS, the last one counts", needs.qos(2).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t", .qos = exactly_once, .payload = "A", .retain = Retain::yes});
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "B", .retain = Retain::yes});
    auto reader = peer("reader").connect().settle().subscribe("t", exactly_once);
    reader.expect_message(
        {.topic = "t", .payload = "B", .qos = at_least_once, .retain = Retain::yes});
    reader.expect_nothing_by_ping();
    auto modest = peer("modest reader").connect().settle().subscribe("t", at_most_once);
    modest.expect_publish(
        {.topic = "t", .payload = "B", .qos = at_most_once, .retain = Retain::yes});
}

CASE("v3.1.1/MQTT-3.3.1-6 v3.1.1/X3-03 v5/MQTT-3.3.1-9:wildcard",
     "a new subscription gets the Retained Message of each topic that matches",
     needs.qos(1).retain().wildcards()) {
    auto publisher = peer("publisher").connect();
    for (const auto* topic : {"t/1", "t/2", "t/3"}) {
        publisher.publish(
            {.topic = topic, .qos = at_least_once, .payload = topic, .retain = Retain::yes});
    }
    auto reader = peer("reader").connect().settle().subscribe("t/+", at_least_once);
    auto packets = reader.expect_publishes(3);
    std::ranges::sort(packets, {}, &Packet::topic);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto topic = "t/" + std::to_string(i + 1);
        demand(packets[i].topic == full(topic) && packets[i].payload == topic && packets[i].retain,
               "the Retained Message of " + topic, describe(packets[i]));
    }
    reader.expect_nothing_by_ping();
}

CASE("v3.1.1/MQTT-3.3.1-7", "a QoS 0 Retained Message replaces the one before it",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "A", .retain = Retain::yes});
    publisher.publish({.topic = "t", .qos = at_most_once, .payload = "B", .retain = Retain::yes});
    publisher.ping();
    auto reader = peer("reader").connect().settle().subscribe("t", at_least_once);
    for (const auto& packet : reader.collect()) {
        demand(packet.payload == "B", "B, or nothing", describe(packet));
    }
}

CASE("v3.1.1/MQTT-3.3.1-8 v5/X5-62", "a Retained Message for a new subscription has RETAIN 1",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "x", .retain = Retain::yes});
    auto reader = peer("reader").connect().settle();
    for (const bool as_published : {false, true}) {
        if (is_v5()) {
            reader.subscribe("t", {.qos = at_least_once, .retain_as_published = as_published});
        } else {
            reader.subscribe("t", at_least_once);
        }
        reader.expect_message({.topic = "t", .payload = "x", .retain = Retain::yes});
    }
}

CASE("v3.1.1/MQTT-3.3.1-9 v5/MQTT-3.3.1-12",
     "a message for an established subscription has RETAIN 0", needs.qos(1).retain()) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (const auto qos : {at_most_once, at_least_once}) {
        publisher.publish({.topic = "t", .qos = qos, .payload = "x", .retain = Retain::yes});
        subscriber.expect_publish({.topic = "t", .payload = "x", .retain = Retain::no});
    }
}

CASE("v5/MQTT-3.3.1-6 v3.1.1/MQTT-3.3.1-10",
     "an empty Retained Message is passed on and removes the stored one", needs.qos(1).retain()) {
    auto live = peer("live").connect().subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "x", .retain = Retain::yes});
    live.expect_message({.topic = "t", .payload = "x"});
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "", .retain = Retain::yes});
    live.expect_message({.topic = "t", .payload = "", .retain = Retain::no});
    peer("reader").connect().settle().subscribe("t", at_least_once).expect_nothing_by_ping();
}

CASE("v5/MQTT-3.3.1-7 v3.1.1/MQTT-3.3.1-11", "an empty Retained Message is not stored",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "", .retain = Retain::yes});
    peer("reader").connect().settle().subscribe("t", at_least_once).expect_nothing_by_ping();
}

CASE("v5/MQTT-3.3.1-8 v3.1.1/MQTT-3.3.1-12",
     "a message with RETAIN 0 is not stored, and leaves the stored one alone",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish("empty", at_least_once, "B");
    peer("first reader")
        .connect()
        .settle()
        .subscribe("empty", at_least_once)
        .expect_nothing_by_ping();
    publisher.publish({.topic = "t", .qos = at_least_once, .payload = "A", .retain = Retain::yes});
    publisher.publish("t", at_least_once, "B");
    publisher.publish("t", at_least_once, "");
    auto reader = peer("reader").connect().settle().subscribe("t", at_least_once);
    reader.expect_message({.topic = "t", .payload = "A", .retain = Retain::yes});
    reader.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.3.2-1 v3.1.1/MQTT-3.3.2-1",
     "the Topic Name comes first: one that is longer than the packet ends the connection") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_most_once, "good");
    subscriber.expect_publish({.topic = "t", .payload = "good"});
    publisher.send(publisher.publish_packet({.topic = "t"}).set_length("topic_name", hex("ff ff")));
    publisher.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.3.2-2 v5/MQTT-4.7.0-1 v3.1.1/MQTT-3.3.2-2 v3.1.1/MQTT-4.7.1-1",
     "a PUBLISH to a topic with wildcards goes nowhere", needs.qos(1).wildcards()) {
    auto subscriber = peer("subscriber").connect().subscribe("t/#", at_least_once);
    for (const auto* topic : {"t/+", "t/#", "t/a+b", "t/#/c"}) {
        auto publisher = peer("publisher").connect();
        publisher.send_publish({.topic = topic, .qos = at_least_once, .payload = "x"});
        // No code is named, and a refusing PUBACK is an answer, too.
        auto end = publisher.expect_rejected({0x81, 0x82, 0x90}, Detection::free);
        subscriber.expect_nothing();
    }
}

CASE("v5/MQTT-3.3.2-3 v3.1.1/MQTT-3.3.2-3",
     "what is delivered matches the filter of the subscription", needs.wildcards()) {
    struct Row {
        const char* filter;
        std::vector<const char*> matching;
        std::vector<const char*> others;
    };
    const std::vector<Row> rows{
        {"a/#", {"a", "a/", "a/b", "a/b/c"}, {"ab", "A/b", "b/a", "/a"}},
        {"a/+", {"a/", "a/b"}, {"a", "a/b/c", "A/b"}},
        {"+/b", {"a/b", "/b"}, {"b", "a/b/c", "a/B"}},
        {"+/+/c", {"a/b/c", "//c"}, {"a/c", "a/b/c/d"}},
        {"a/+/c", {"a/b/c", "a//c"}, {"a/b/d", "a/c"}},
        {"a", {"a"}, {"a/", "/a", "A", "aa"}},
        {"a//b", {"a//b"}, {"a/b", "a/x/b"}},
    };
    auto publisher = peer("publisher").connect();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        step(row.filter);
        auto subscriber = peer("subscriber" + std::to_string(i)).connect().subscribe(row.filter);
        for (const auto* topic : row.others) publisher.publish(topic, at_most_once, "no");
        for (const auto* topic : row.matching) {
            publisher.publish(topic, at_most_once, "yes");
            subscriber.expect_publish({.topic = topic, .payload = "yes"});
        }
        subscriber.expect_nothing();
        subscriber.disconnect();
    }
}

CASE("v5/MQTT-3.3.4-1 v3.1.1/MQTT-3.3.4-1",
     "PUBLISH is answered by nothing, PUBACK or PUBREC, by its QoS", needs.qos(2)) {
    auto client = peer("client").connect();
    client.publish("nobody", at_most_once, "0");
    client.expect_nothing_by_ping();
    client.send_publish({.topic = "nobody", .qos = at_least_once, .packet_id = std::uint16_t{11}});
    client.expect_acknowledgement(PacketType::puback, 11);
    client.expect_nothing_by_ping();
    client.send_publish({.topic = "nobody", .qos = exactly_once, .packet_id = std::uint16_t{12}});
    client.expect_acknowledgement(PacketType::pubrec, 12);
    client.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.3.4-2 v3.1.1/MQTT-3.3.5-1",
     "of overlapping subscriptions the highest QoS is respected", needs.qos(2).wildcards()) {
    auto subscriber = peer("subscriber").connect().acknowledging();
    subscriber.subscribe("t/#", exactly_once).subscribe("t/a", at_most_once);
    peer("publisher").connect().publish("t/a", exactly_once, "x");
    const auto first = subscriber.expect_publish({.topic = "t/a", .payload = "x"});
    auto copies = subscriber.collect();
    copies.push_back(first);
    demand(std::ranges::any_of(copies, [](const Packet& packet) { return packet.qos == 2; }),
           "a copy with QoS 2", describe(first));
    demand(copies.size() <= 2, "at most one copy for each subscription",
           std::to_string(copies.size()) + " copies");
}

CASE("v5/MQTT-4.5.0-1 v3.1.1/MQTT-4.5.0-1",
     "a message reaches every client with a matching subscription, connected or not",
     needs.qos(2).session_expiry()) {
    auto offline = peer("offline").connect(kept_session()).acknowledging();
    offline.subscribe("t", exactly_once);
    offline.disconnect();
    auto first = peer("first").connect().acknowledging().subscribe("t", at_least_once);
    auto second = peer("second").connect().acknowledging().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "one");
    publisher.publish("t", exactly_once, "two");
    publisher.cut();
    offline.connect_expecting_session(true, kept_session());
    for (auto* subscriber : {&first, &second, &offline}) {
        std::vector<std::string> payloads;
        for (const auto& packet : subscriber->expect_publishes(2))
            payloads.push_back(packet.payload);
        std::ranges::sort(payloads);
        demand(payloads == std::vector<std::string>{"one", "two"}, "both messages",
               payloads[0] + ", " + payloads[1]);
    }
}

}  // namespace touchstone::conformance
