// §4.3 Quality of Service levels, §4.4 delivery retry, §4.6 ordering, §3.6 PUBREL.
#include <algorithm>
#include <array>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-3.6.1-1 v3.1.1/MQTT-3.6.1-1",
     "a PUBREL whose reserved flag bits are wrong ends the connection", needs.qos(2)) {
    for (const std::uint8_t first_byte : std::array<std::uint8_t, 4>{0x60, 0x61, 0x63, 0x6A}) {
        auto client = peer("client").connect();
        const auto id = client.send_publish({.topic = "t", .qos = exactly_once});
        client.expect_acknowledgement(PacketType::pubrec, id);
        client.send(
            build_acknowledgement(client.version(), PacketType::pubrel, id).first_byte(first_byte));
        const auto end = client.expect_rejected({0x81});
        demand(end.others.empty(), "no PUBCOMP",
               end.others.empty() ? "" : describe(end.others.front()));
    }
}

CASE("v5/MQTT-4.3.2-3 v3.1.1/MQTT-4.3.2-1",
     "a QoS 1 message is resent until its own PUBACK has come, and not after",
     needs.qos(1).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "one");
    publisher.publish("t", at_least_once, "two");
    const auto packets = subscriber.expect_publishes(2);
    subscriber.acknowledge(packets[0]);
    subscriber.ping();
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    const auto again =
        subscriber.expect_publish({.topic = "t", .payload = packets[1].payload, .dup = Dup::yes});
    demand(again.packet_id == packets[1].packet_id, "the same Packet Identifier", describe(again));
    subscriber.acknowledge(again);
    subscriber.expect_nothing_by_ping();
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.3.2-4 v3.1.1/MQTT-4.3.2-2:puback",
     "PUBACK means that the broker owns the message: it arrives although the publisher is gone",
     needs.qos(1)) {
    auto subscriber = peer("subscriber").connect().subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    const auto id =
        publisher.send_publish({.topic = "t", .qos = at_least_once, .payload = "owned"});
    publisher.expect_acknowledgement(PacketType::puback, id);
    publisher.cut();
    subscriber.expect_message({.topic = "t", .payload = "owned"});
}

CASE("v5/MQTT-4.3.2-5 v3.1.1/MQTT-4.3.2-2",
     "after PUBACK a PUBLISH with the same Packet Identifier is a new message, whatever its DUP",
     needs.qos(1)) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (const auto* payload : {"A", "B", "B"}) {
        const auto dup = payload == std::string_view{"A"} ? Dup::no : Dup::yes;
        publisher.publish({.topic = "t",
                           .qos = at_least_once,
                           .payload = payload,
                           .dup = dup,
                           .packet_id = std::uint16_t{7}});
        subscriber.expect_publish({.topic = "t", .payload = std::string{payload}});
    }
}

CASE("v5/MQTT-4.3.3-3 v3.1.1/MQTT-4.3.3-1", "a QoS 2 PUBLISH is resent until its PUBREC has come",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", exactly_once);
    peer("publisher").connect().publish("t", exactly_once, "x");
    const auto first = subscriber.expect_publish({.topic = "t", .payload = "x"});
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    const auto again = subscriber.expect_publish({.topic = "t", .payload = "x", .dup = Dup::yes});
    demand(again.packet_id == first.packet_id, "the same Packet Identifier", describe(again));
    subscriber.acknowledge(again);
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.3.3-3:puback v3.1.1/MQTT-4.3.3-1:puback", "a PUBACK does not end a QoS 2 flow",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", exactly_once);
    peer("publisher").connect().publish("t", exactly_once, "x");
    const auto first = subscriber.expect_publish({.topic = "t", .payload = "x"});
    subscriber.send(build_acknowledgement(version(), PacketType::puback, first.packet_id));
    // A broker may close at such a mistake; what was not acknowledged is owed all the same.
    subscriber.wait_for_close(now() + tolerances().close_before_asking());
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    const auto again = subscriber.expect_publish({.topic = "t", .payload = "x", .dup = Dup::yes});
    demand(again.packet_id == first.packet_id, "the same Packet Identifier", describe(again));
    subscriber.acknowledge(again);
}

CASE("v5/MQTT-4.3.3-4 v3.1.1/MQTT-4.3.3-1:pubrel", "PUBREC is answered with PUBREL", needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", exactly_once, "short");
    auto packet = subscriber.expect_publish({.topic = "t", .payload = "short"});
    subscriber.acknowledge(packet);
    if (!is_v5()) return;
    for (const auto* tail : {"00", "00 00"}) {
        publisher.publish("t", exactly_once, tail);
        packet = subscriber.expect_publish({.topic = "t", .payload = std::string{tail}});
        subscriber.send(
            build_acknowledgement(subscriber.version(), PacketType::pubrec, packet.packet_id)
                .append(hex(tail)));
        subscriber.expect_acknowledgement(PacketType::pubrel, packet.packet_id);
        subscriber.send_acknowledgement(PacketType::pubcomp, packet.packet_id);
    }
}

CASE("v5/MQTT-4.3.3-5 v5/MQTT-4.3.3-6 v3.1.1/MQTT-4.3.3-1:resume",
     "after PUBREC only the PUBREL is resent, until its PUBCOMP has come",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", exactly_once);
    peer("publisher").connect().publish("t", exactly_once, "x");
    const auto first = subscriber.expect_publish({.topic = "t", .payload = "x"});
    subscriber.send_acknowledgement(PacketType::pubrec, first.packet_id);
    subscriber.expect_acknowledgement(PacketType::pubrel, first.packet_id);
    for (int round = 0; round < 2; ++round) {
        subscriber.cut();
        subscriber.connect_expecting_session(true, kept_session());
        subscriber.expect_acknowledgement(PacketType::pubrel, first.packet_id);
        subscriber.expect_nothing_by_ping();
    }
    subscriber.send_acknowledgement(PacketType::pubcomp, first.packet_id);
    subscriber.ping();
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.3.3-8 v5/MQTT-4.3.3-10 v3.1.1/MQTT-4.3.3-2",
     "a QoS 2 PUBLISH that is repeated before PUBREL gets PUBREC again, and goes on once",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect(kept_session());
    Publication publication{
        .topic = "t", .qos = exactly_once, .payload = "once", .packet_id = std::uint16_t{5}};
    publisher.send_publish(publication);
    publisher.expect_acknowledgement(PacketType::pubrec, 5);
    publication.dup = Dup::yes;
    const auto repeat = [&] {
        publisher.send_publish(publication);
        const auto pubrec = publisher.expect_acknowledgement(PacketType::pubrec, 5);
        demand(pubrec.reason_code < 0x80, "no refusal of what was taken", describe(pubrec));
    };
    repeat();
    step("again, after a reconnect");
    publisher.cut();
    publisher.connect_expecting_session(true, kept_session());
    repeat();
    publisher.send_acknowledgement(PacketType::pubrel, 5);
    publisher.expect_acknowledgement(PacketType::pubcomp, 5);
    subscriber.expect_publish({.topic = "t", .payload = "once"});
    subscriber.expect_nothing();
}

CASE("v5/MQTT-4.3.3-11 v3.1.1/MQTT-4.3.3-2:pubcomp", "PUBREL is answered with PUBCOMP, each time",
     needs.qos(2)) {
    auto publisher = peer("publisher").connect();
    publisher.publish("t", exactly_once, "x");
    publisher.send_publish({.topic = "t", .qos = exactly_once, .packet_id = std::uint16_t{9}});
    publisher.expect_acknowledgement(PacketType::pubrec, 9);
    for (int i = 0; i < 2; ++i) {
        publisher.send_acknowledgement(PacketType::pubrel, 9);
        publisher.expect_acknowledgement(PacketType::pubcomp, 9);
    }
}

CASE("v5/MQTT-4.3.3-12 v3.1.1/MQTT-4.3.3-2:new",
     "after PUBCOMP a PUBLISH with the same Packet Identifier is a new message", needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    for (const auto dup : {Dup::no, Dup::yes, Dup::no}) {
        publisher.publish({.topic = "t",
                           .qos = exactly_once,
                           .payload = "again",
                           .dup = dup,
                           .packet_id = std::uint16_t{5}});
        subscriber.expect_publish({.topic = "t", .payload = "again"});
    }
    subscriber.expect_nothing();
}

CASE("v3.1.1/X3-04", "when a QoS 2 message is passed on: at PUBLISH or at PUBREL", needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.send_publish(
        {.topic = "t", .qos = exactly_once, .payload = "x", .packet_id = std::uint16_t{5}});
    publisher.expect_acknowledgement(PacketType::pubrec, 5);
    observed(subscriber.collect().empty() ? "passed on at PUBREL" : "passed on at PUBLISH");
    publisher.send_acknowledgement(PacketType::pubrel, 5);
    publisher.expect_acknowledgement(PacketType::pubcomp, 5);
}

CASE("v5/MQTT-4.4.0-1:live", "nothing is sent again on a connection that lives",
     needs.qos(2).time(std::chrono::seconds{22})) {
    auto subscriber = peer("subscriber").connect();
    subscriber.subscribe("t/1", at_least_once).subscribe("t/2", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t/1", at_least_once, "one");
    publisher.publish("t/2", exactly_once, "two");
    publisher.publish("t/2", exactly_once, "three");
    const auto packets = subscriber.expect_publishes(3);
    for (const auto& packet : packets) {
        if (packet.payload == "three") {
            subscriber.send_acknowledgement(PacketType::pubrec, packet.packet_id);
            subscriber.expect_acknowledgement(PacketType::pubrel, packet.packet_id);
        }
    }
    wait(std::chrono::seconds{20}, "resends that must not come");
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.6.0-5 v5/MQTT-4.6.0-6 v3.1.1/MQTT-4.6.0-5 v3.1.1/MQTT-4.6.0-6",
     "messages of one publisher, topic and QoS come in the order in which they were sent",
     needs.qos(2).wildcards()) {
    constexpr int count = 60;
    auto exact = peer("exact").connect().acknowledging().subscribe("t", exactly_once);
    auto wildcard = peer("wildcard").connect().acknowledging().subscribe("#", exactly_once);
    auto publisher = peer("publisher").connect();
    for (const auto qos : {at_most_once, at_least_once, exactly_once}) {
        for (int i = 0; i < count; ++i) publisher.publish("t", qos, std::to_string(i));
        for (auto* subscriber : {&exact, &wildcard}) {
            for (int i = 0; i < count; ++i) {
                subscriber->expect_publish(
                    {.topic = "t", .payload = std::to_string(i), .qos = qos});
            }
        }
    }
}

CASE("v5/MQTT-4.6.0-5:queued v3.1.1/MQTT-4.6.0-6:queued v3.1.1/MQTT-4.6.0-1",
     "messages that waited, and those that are sent again, come in their order",
     needs.qos(2).session_expiry()) {
    constexpr int count = 12;
    for (const auto qos : {at_least_once, exactly_once}) {
        const auto name = std::to_string(static_cast<int>(qos));
        auto subscriber = peer("subscriber " + name).connect(kept_session());
        subscriber.subscribe("t/" + name, qos);
        auto publisher = peer("publisher").connect();
        step("begun on the first connection");
        for (int i = 0; i < 4; ++i) publisher.publish("t/" + name, qos, std::to_string(i));
        subscriber.expect_publishes(4);
        subscriber.cut();
        step("while the subscriber is away");
        for (int i = 4; i < count; ++i) publisher.publish("t/" + name, qos, std::to_string(i));
        subscriber.connect_expecting_session(true, kept_session()).acknowledging();
        for (int i = 0; i < count; ++i) {
            subscriber.expect_publish({.topic = "t/" + name, .payload = std::to_string(i)});
        }
        subscriber.expect_nothing_by_ping();
    }
}

CASE("v3.1.1/MQTT-4.6.0-4 v5/X5-05:pubrel", "PUBRELs come in the order of the PUBRECs",
     needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    for (int i = 0; i < 4; ++i) publisher.publish("t", exactly_once, std::to_string(i));
    auto packets = subscriber.expect_publishes(4);
    std::ranges::reverse(packets);
    for (const auto& packet : packets) {
        subscriber.send_acknowledgement(PacketType::pubrec, packet.packet_id);
    }
    for (const auto& packet : packets) {
        const auto pubrel = subscriber.expect(PacketType::pubrel);
        demand(pubrel.packet_id == packet.packet_id,
               "PUBREL id=" + std::to_string(packet.packet_id), describe(pubrel));
        subscriber.send_acknowledgement(PacketType::pubcomp, packet.packet_id);
    }
}

CASE("v3.1.1/MQTT-4.8.0-1 v5/MQTT-4.13.1-1:types",
     "a packet type that a client does not send, or that does not exist, ends the connection") {
    const std::vector<const char*> packets =
        is_v5() ? std::vector<const char*>{"00 00", "20 03 00 00 00", "90 04 00 01 00 00",
                                           "b0 04 00 01 00 00", "d0 00"}
                : std::vector<const char*>{"00 00",       "20 02 00 00", "90 03 00 01 00",
                                           "b0 02 00 01", "d0 00",       "f0 00"};
    for (const auto* bytes : packets) {
        auto client = peer("client").connect();
        client.send(hex(bytes));
        client.expect_rejected({0x81, 0x82}, is_v5() ? Detection::free : Detection::binding);
    }
}

CASE("v3.1.1/MQTT-4.8.0-1:lengths v5/X5-90:lengths",
     "a packet of fixed length with another length ends the connection") {
    const std::vector<const char*> packets =
        is_v5() ? std::vector<const char*>{"c0 01 00", "40 01 00", "62 00"}
                : std::vector<const char*>{"c0 01 00", "40 01 00", "40 03 00 01 00", "62 00",
                                           "62 04 00 01 00 00"};
    for (const auto* bytes : packets) {
        auto client = peer("client").connect();
        client.send(hex(bytes));
        client.expect_rejected({0x81, 0x82}, is_v5() ? Detection::free : Detection::binding);
    }
}

}  // namespace touchstone::conformance
