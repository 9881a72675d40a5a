// §1.5 and §2.2.2 of 5.0: string pairs, properties.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-1.5.7-1", "a User Property that is not well-formed UTF-8 is not forwarded") {
    using namespace std::string_literals;
    auto subscriber = peer("subscriber").connect().subscribe("t");
    for (const auto& bad : {"\xED\xA0\x80"s, "a\0b"s}) {
        for (const bool in_name : {true, false}) {
            auto publisher = peer("publisher").connect();
            publisher.send_publish(
                {.topic = "t",
                 .properties = {in_name ? pair_property(bad, "v") : pair_property("n", bad)}});
            const auto end = publisher.expect_rejected({0x81}, Detection::free);
            // A broker that does not look may drop it, but not pass it on: the reader would object.
            if (end.is_closed) subscriber.expect_nothing();
            subscriber.collect();
        }
    }
}

CASE("v5/MQTT-1.5.7-1:connect", "a CONNECT with an ill-formed User Property is refused") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.properties = {pair_property("\xC0\xAF", "v")}}), {0x81});
}

CASE("v5/MQTT-2.2.2-1", "packets without properties have a Property Length of 0") {
    // The reader misses a Property Length that is not there; these are the packets that have one.
    auto client = peer("client").connect();
    client.subscribe("t");
    client.publish("t", at_most_once, "x");
    client.expect_publish({.topic = "t", .payload = "x"});
    client.unsubscribe({"t"});
}

CASE("v5/MQTT-2.2.2-1:connect", "a CONNECT without Property Length is refused") {
    auto client = peer("client");
    // The length of the Client Identifier is then read as a Property Length of 0 and what follows
    // does not fit.
    client.expect_connect_refused(client.connect_packet().drop("properties"), {0x81, 0x82});
}

CASE("v5/X5-55:publish", "a property that does not belong into the packet, or that does not exist, "
                         "ends the connection") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    for (const char* property : {"21 00 0a", "11 00 00 00 01", "7f 00", "00 00"}) {
        auto publisher = peer("publisher").connect();
        publisher.send(publisher.publish_packet({.topic = "t"}).add_raw(hex(property)));
        publisher.expect_rejected({0x81, 0x82}, Detection::free);
    }
    subscriber.collect();
}

CASE("v5/X5-55:subscribe", "SUBSCRIBE and UNSUBSCRIBE with a property of another packet end the "
                           "connection") {
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{"t"}}).add_raw(hex("23 00 01")));
    client.expect_rejected({0x81, 0x82}, Detection::free);
    client.connect();
    client.send(client.unsubscribe_packet({"t"}).add_raw(hex("0b 01")));
    client.expect_rejected({0x81, 0x82}, Detection::free);
}

CASE("v5/X5-55:repeated", "a property that may be there once only, twice in a PUBLISH, ends the "
                          "connection") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    for (const char* property : {"03 00 01 61", "08 00 01 61", "09 00 01 61", "02 00 00 00 09"}) {
        auto publisher = peer("publisher").connect();
        publisher.send(
            publisher.publish_packet({.topic = "t"}).add_raw(hex(property)).add_raw(hex(property)));
        publisher.expect_rejected({0x82}, Detection::free);
    }
    subscriber.collect();
}

CASE("v5/MQTT-4.13.1-1",
     "what the broker notices as malformed or as a Protocol Error ends the connection, and no "
     "other") {
    auto bystander = peer("bystander").connect().subscribe("quiet");
    // Packets whose treatment the standard demands, so that every broker notices them.
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{"t"}}).first_byte(0x80));
    client.expect_rejected({0x81});
    client.connect();
    client.send(client.subscribe_packet({{"t"}}).set("options_0", hex("c0")));
    client.expect_rejected({0x81});
    client.connect();
    client.send(client.connect_packet());
    client.expect_rejected({0x82});
    // X5-84: errors affect only the session concerned.
    bystander.ping();
    auto publisher = peer("publisher").connect();
    publisher.publish("quiet", at_most_once, "still here");
    bystander.expect_publish({.topic = "quiet", .payload = "still here"});
}

CASE("v5/X5-84", "a client that is disconnected for an error does not disturb another Session") {
    auto bystander = peer("bystander").connect().acknowledging().subscribe("t", at_most_once);
    auto publisher = peer("publisher").connect();
    for (const char* garbage : {"00 00", "f0 7f ff", "82 02 00 01", "30 02 ff ff"}) {
        auto client = peer("client").connect();
        client.send(hex(garbage));
        client.cut();
        publisher.publish("t", at_most_once, garbage);
        bystander.expect_publish({.topic = "t", .payload = std::string{garbage}});
    }
}

}  // namespace touchstone::conformance
