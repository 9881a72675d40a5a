// §1.5 Data representation: strings and integers, in packets where every version has them.
#include <array>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

/// A surrogate, an overlong "/", a sequence that ends too early, a byte that UTF-8 never has.
constexpr std::array<std::string_view, 4> ill_formed{"\xED\xA0\x80", "\xC0\xAF", "\xE2\x82",
                                                     "\xF5\x80\x80\x80"};
constexpr std::string_view null_character{"a\0b", 3};

}  // namespace

CASE("v5/MQTT-1.5.4-1:topic-name v3.1.1/MQTT-1.5.3-1:topic-name",
     "a PUBLISH whose Topic Name is not well-formed UTF-8 goes nowhere, and its sender is "
     "disconnected",
     needs.wildcards()) {
    auto subscriber = peer("subscriber").connect().subscribe("#");
    for (const auto bad : ill_formed) {
        auto publisher = peer("publisher").connect();
        publisher.send(publisher.publish_packet({.topic = "bad", .payload = "x"})
                           .set("topic_name", full("bad/") + std::string{bad}));
        // §1.5.3 of 3.1.1 demands the close; §4.13.1 of 5.0 leaves it to the implementation.
        publisher.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
        subscriber.expect_nothing();
    }
}

CASE("v5/MQTT-1.5.4-1:topic-filter v3.1.1/MQTT-1.5.3-1:topic-filter v5/MQTT-3.8.3-1 "
     "v3.1.1/MQTT-3.8.3-1",
     "a SUBSCRIBE whose Topic Filter is not well-formed UTF-8 is not granted") {
    for (const auto bad : ill_formed) {
        auto client = peer("client").connect();
        client.send(
            client.subscribe_packet({{"bad"}}).set("filter_0", full("bad/") + std::string{bad}));
        const auto end =
            client.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
        for (const auto& packet : end.others) {
            const bool is_granted = packet.type == PacketType::suback &&
                                    !packet.reason_codes.empty() && packet.reason_codes[0] < 0x80;
            demand(!is_granted || end.is_closed || is_v5(), "no subscription", describe(packet));
        }
    }
}

CASE("v5/MQTT-3.10.3-1 v3.1.1/MQTT-3.10.3-1",
     "an UNSUBSCRIBE whose Topic Filter is not well-formed UTF-8 ends the connection") {
    for (const auto bad : ill_formed) {
        auto client = peer("client").connect();
        client.send(
            client.unsubscribe_packet({"bad"}).set("filter_0", full("bad/") + std::string{bad}));
        client.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
    }
}

CASE("v5/MQTT-1.5.4-2:topic-name v3.1.1/MQTT-1.5.3-2:topic-name v5/MQTT-4.7.3-2 "
     "v3.1.1/MQTT-4.7.3-2",
     "a Topic Name with U+0000 goes nowhere, and its sender is disconnected", needs.wildcards()) {
    auto subscriber = peer("subscriber").connect().subscribe("#");
    auto publisher = peer("publisher").connect();
    publisher.send(publisher.publish_packet({.topic = "bad", .payload = "x"})
                       .set("topic_name", full("bad/") + std::string{null_character}));
    publisher.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
    subscriber.expect_nothing();
}

CASE("v5/MQTT-1.5.4-2:topic-filter v3.1.1/MQTT-1.5.3-2:topic-filter",
     "a Topic Filter with U+0000 ends the connection") {
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{"bad"}}).set("filter_0",
                                                       full("bad/") + std::string{null_character}));
    client.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
    client.connect();
    client.send(client.unsubscribe_packet({"bad"}).set("filter_0",
                                                       full("bad/") + std::string{null_character}));
    client.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
}

CASE("v5/MQTT-1.5.4-2:client-id v3.1.1/MQTT-1.5.3-2:client-id",
     "a Client Identifier with U+0000 is refused") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet().set("client_id", unique() + std::string{null_character}),
        {0x81, 0x85});
}

CASE("v5/MQTT-1.5.4-3 v3.1.1/MQTT-1.5.3-3",
     "EF BB BF is the character U+FEFF: it is kept, and a topic with it differs from one without") {
    const std::string mark = "\xEF\xBB\xBF";
    const auto marked = absolute(mark + unique() + "/t");
    const auto plain = absolute(unique() + "/t");
    auto with_mark = peer("with_mark").connect().subscribe(marked);
    auto without_mark = peer("without_mark").connect().subscribe(plain);
    auto publisher = peer("publisher").connect();
    publisher.publish(marked, at_most_once, "marked");
    with_mark.expect_publish({.topic = marked, .payload = "marked"});
    without_mark.expect_nothing();
    publisher.publish(plain, at_most_once, "plain");
    without_mark.expect_publish({.topic = plain, .payload = "plain"});
    with_mark.expect_nothing();
}

CASE("v5/MQTT-1.5.5-1 v3.1.1/X3-10:lengths",
     "lengths that the broker sends are right, and in 5.0 in their shortest form", needs.qos(1)) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    // Remaining Length just below and above each border: 5 bytes of header fields, and the topic.
    const auto overhead = full("t").size() + 4 + (is_v5() ? 1 : 0);
    for (const std::size_t border : {128U, 16'384U}) {
        for (const std::size_t length : {border - 1, border, border + 1}) {
            const std::string payload(length - overhead, 'x');
            publisher.publish("t", at_least_once, payload);
            subscriber.expect_publish({.topic = "t", .payload = payload});
        }
    }
}

CASE("v5/MQTT-1.5.5-1:five-bytes v3.1.1/MQTT-4.8.0-1:five-byte-length",
     "a Remaining Length of five bytes ends the connection") {
    auto client = peer("client").connect();
    client.send(hex("c0 80 80 80 80 00"));
    client.expect_rejected({0x81}, is_v5() ? Detection::free : Detection::binding);
}

}  // namespace touchstone::conformance
