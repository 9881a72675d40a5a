// §2 Control Packet format: flags of the fixed header, Packet Identifiers.
#include <array>
#include <set>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-2.1.3-1 v3.1.1/MQTT-2.2.2-1",
     "the reserved flag bits of every packet that the broker sends have their value",
     needs.qos(2)) {
    // The reader judges each packet; here all types that a broker sends are drawn out.
    auto client = peer("client").connect();
    client.subscribe("t", exactly_once);
    client.publish("t", at_least_once, "1");
    client.acknowledge(client.expect_publish({.topic = "t", .payload = "1"}));
    client.publish("t", exactly_once, "2");
    client.acknowledge(client.expect_publish({.topic = "t", .payload = "2"}));
    client.unsubscribe({"t"});
    client.ping();
}

CASE("v5/MQTT-2.1.3-1:probe v3.1.1/MQTT-2.2.2-2",
     "a packet whose reserved flag bits are wrong ends the connection", needs.qos(1)) {
    const auto detection = is_v5() ? Detection::free : Detection::binding;
    for (const int first_byte : {0xC1, 0xC8, 0x41, 0x51, 0x71}) {
        auto client = peer("client").connect();
        const bool is_pingreq = (first_byte >> 4) == 12;
        const auto draft = is_pingreq
                               ? build_pingreq()
                               : build_acknowledgement(client.version(), PacketType::puback, 1);
        client.send(Draft{draft}.first_byte(static_cast<std::uint8_t>(first_byte)));
        client.expect_rejected({0x81}, detection);
    }
}

CASE("v5/MQTT-3.1.4-1:flags v3.1.1/MQTT-3.1.4-1:flags",
     "a CONNECT whose reserved flag bits are not 0 is refused") {
    auto client = peer("client");
    for (const int first_byte : {0x11, 0x12, 0x18}) {
        client.expect_connect_refused(
            client.connect_packet().first_byte(static_cast<std::uint8_t>(first_byte)), {0x81},
            is_v5() ? RefusalAnswer::optional_connack : RefusalAnswer::silence);
    }
}

CASE("v5/MQTT-2.2.1-2 v3.1.1/MQTT-2.3.1-5",
     "a QoS 0 PUBLISH has no Packet Identifier: the payload is the same to the byte, both ways") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    using namespace std::string_literals;
    for (const auto& payload : {"\0\1payload"s, "\0\0"s, "\377"s, ""s}) {
        publisher.publish("t", at_most_once, payload);
        subscriber.expect_publish({.topic = "t", .payload = payload, .qos = at_most_once});
    }
}

CASE("v5/MQTT-2.2.1-3 v3.1.1/MQTT-2.3.1-1", "Packet Identifier 0 ends the connection",
     needs.qos(2)) {
    const auto detection = is_v5() ? Detection::free : Detection::binding;
    for (const auto qos : {at_least_once, exactly_once}) {
        auto publisher = peer("publisher").connect();
        publisher.send_publish({.topic = "t", .qos = qos, .packet_id = std::uint16_t{0}});
        publisher.expect_rejected({0x81, 0x82}, detection);
    }
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{"t"}}).set("packet_id", hex("00 00")));
    client.expect_rejected({0x81, 0x82}, detection);
    client.connect();
    client.send(client.unsubscribe_packet({"t"}).set("packet_id", hex("00 00")));
    client.expect_rejected({0x81, 0x82}, detection);
}

CASE("v5/MQTT-2.2.1-4 v5/MQTT-4.3.2-1 v5/MQTT-4.3.3-1 v3.1.1/MQTT-2.3.1-4 "
     "v3.1.1/MQTT-2.3.1-1:server v3.1.1/MQTT-4.3.2-1:identifiers",
     "messages that are not acknowledged yet have different Packet Identifiers, none of them 0",
     needs.qos(2)) {
    constexpr int count = 8;
    auto subscriber = peer("subscriber").connect().subscribe("t/1", at_least_once);
    subscriber.subscribe("t/2", exactly_once);
    auto publisher = peer("publisher").connect();
    std::set<std::uint16_t> in_use;
    for (int i = 0; i < count; ++i) {
        publisher.publish("t/1", at_least_once, "a" + std::to_string(i));
        publisher.publish("t/2", exactly_once, "b" + std::to_string(i));
    }
    const auto packets = subscriber.expect_publishes(std::size_t{2} * count);
    for (const auto& packet : packets) {
        demand(packet.packet_id != 0, "a Packet Identifier above 0", describe(packet));
        demand(in_use.insert(packet.packet_id).second, "a Packet Identifier that is not in use",
               describe(packet));
    }
    // One is free again, all the others are not.
    subscriber.acknowledge(packets[3]);
    in_use.erase(packets[3].packet_id);
    publisher.publish("t/1", at_least_once, "again");
    const auto again = subscriber.expect_publish({.topic = "t/1", .payload = "again"});
    demand(!in_use.contains(again.packet_id), "a Packet Identifier that is not in use",
           describe(again));
}

CASE("v5/MQTT-2.2.1-5 v3.1.1/MQTT-2.3.1-6",
     "acknowledgements carry the Packet Identifier of the PUBLISH they belong to, also when flows "
     "are interleaved",
     needs.qos(2)) {
    auto client = peer("client").connect();
    // Ids and QoS such that order alone gives no right answer.
    const auto publish = [&client](std::uint16_t id, QoS qos) {
        client.send_publish({.topic = "nobody", .qos = qos, .packet_id = id});
    };
    publish(1, exactly_once);
    publish(65'535, at_least_once);
    publish(256, exactly_once);
    publish(2, at_least_once);
    client.expect_acknowledgement(PacketType::pubrec, 1);
    client.expect_acknowledgement(PacketType::puback, 65'535);
    client.expect_acknowledgement(PacketType::pubrec, 256);
    client.expect_acknowledgement(PacketType::puback, 2);
    client.send_acknowledgement(PacketType::pubrel, 256);
    client.send_acknowledgement(PacketType::pubrel, 1);
    client.expect_acknowledgement(PacketType::pubcomp, 256);
    client.expect_acknowledgement(PacketType::pubcomp, 1);
}

CASE("v5/MQTT-2.2.1-5:sender v3.1.1/MQTT-2.3.1-6:sender",
     "PUBREL carries the Packet Identifier of its PUBLISH", needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    for (int i = 0; i < 3; ++i) publisher.publish("t", exactly_once, std::to_string(i));
    const auto packets = subscriber.expect_publishes(3);
    subscriber.send_acknowledgement(PacketType::pubrec, packets[2].packet_id);
    subscriber.expect_acknowledgement(PacketType::pubrel, packets[2].packet_id);
    subscriber.send_acknowledgement(PacketType::pubrec, packets[0].packet_id);
    subscriber.expect_acknowledgement(PacketType::pubrel, packets[0].packet_id);
    subscriber.send_acknowledgement(PacketType::pubcomp, packets[0].packet_id);
    subscriber.send_acknowledgement(PacketType::pubcomp, packets[2].packet_id);
}

CASE("v5/MQTT-2.2.1-6 v5/MQTT-3.8.4-2 v5/MQTT-3.10.4-5:identifier v3.1.1/MQTT-2.3.1-7 "
     "v3.1.1/MQTT-3.8.4-2 v3.1.1/MQTT-3.10.4-4",
     "SUBACK and UNSUBACK carry the Packet Identifier of what they answer") {
    auto client = peer("client").connect();
    const auto version_used = client.version();
    Buffer pipelined;
    constexpr std::array<std::uint16_t, 3> subscribing{1, 256, 65'535};
    constexpr std::array<std::uint16_t, 2> unsubscribing{255, 32'768};
    for (const auto id : subscribing) {
        append(pipelined, build_subscribe(version_used, id, {{.filter = full("t")}}).bytes());
    }
    for (const auto id : unsubscribing) {
        append(pipelined, build_unsubscribe(version_used, id, {full("t")}).bytes());
    }
    client.send(pipelined);
    for (const auto id : subscribing) client.expect_acknowledgement(PacketType::suback, id);
    for (const auto id : unsubscribing) client.expect_acknowledgement(PacketType::unsuback, id);
    client.expect_nothing_by_ping();
}

}  // namespace touchstone::conformance
