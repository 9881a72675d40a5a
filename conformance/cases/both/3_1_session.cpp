// §3.1.2.4 Clean Start / Clean Session, §3.1.3.1 Client Identifier, §3.1.4, §4.1: the life of a
// Session.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-3.1.2-4 v3.1.1/MQTT-3.1.2-6",
     "a client that asks for a new Session finds nothing of the old one",
     needs.qos(1).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", at_least_once);
    subscriber.disconnect();
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "waiting");
    subscriber.connect_expecting_session(false, {});
    subscriber.expect_nothing_by_ping();
    publisher.publish("t", at_least_once, "not subscribed any more");
    subscriber.expect_nothing();
    // The new Session ends with its connection.
    subscriber.disconnect();
    subscriber.connect_expecting_session(false, {.clean_start = CleanStart::no});
    publisher.publish("t", at_least_once, "nor now");
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.1.2-5 v5/MQTT-4.5.0-1:offline v5/X5-05 v3.1.1/MQTT-3.1.2-4 v3.1.1/MQTT-3.1.2-5 "
     "v3.1.1/MQTT-4.5.0-1:offline",
     "a client that comes back finds its subscriptions and the QoS 1 and 2 messages of meanwhile",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).acknowledging();
    subscriber.subscribe("t/1", at_least_once).subscribe("t/2", exactly_once);
    subscriber.disconnect();
    auto publisher = peer("publisher").connect();
    publisher.publish("t/1", at_least_once, "one");
    publisher.publish("t/2", exactly_once, "two");
    subscriber.connect_expecting_session(true, kept_session());
    subscriber.expect_publish({.topic = "t/1", .payload = "one", .qos = at_least_once});
    subscriber.expect_publish({.topic = "t/2", .payload = "two", .qos = exactly_once});
    publisher.publish("t/1", at_least_once, "live");
    subscriber.expect_publish({.topic = "t/1", .payload = "live"});
}

CASE("v5/MQTT-3.1.2-6", "Clean Start 0 without a Session makes a new one") {
    auto client = peer("client").connect_expecting_session(false, {.clean_start = CleanStart::no});
    client.subscribe("t");
    client.publish("t", at_most_once, "works");
    client.expect_publish({.topic = "t", .payload = "works"});
}

CASE("v5/MQTT-3.1.2-23 v3.1.1/MQTT-4.1.0-1",
     "a Session outlives its connection, however that ends, and several times",
     needs.qos(1).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).acknowledging();
    subscriber.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (int round = 0; round < 3; ++round) {
        subscriber.ping();  // or the cut might lose the PUBACK
        if (round % 2 == 0) {
            subscriber.disconnect();
        } else {
            subscriber.cut();
        }
        const auto payload = std::to_string(round);
        publisher.publish("t", at_least_once, payload);
        subscriber.connect_expecting_session(true, kept_session());
        subscriber.expect_publish({.topic = "t", .payload = payload});
    }
}

CASE("v5/X5-06 v3.1.1/MQTT-3.1.2-7", "Retained Messages outlive the Session that published them",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "kept", .retain = Retain::yes});
    publisher.disconnect();
    publisher.connect();
    peer("reader")
        .connect()
        .settle()
        .subscribe("t", at_least_once)
        .expect_message({.topic = "t", .payload = "kept"});
}

CASE("v5/MQTT-3.1.3-2 v3.1.1/MQTT-3.1.3-2",
     "the Client Identifier decides which Session it is, byte for byte",
     needs.qos(1).session_expiry()) {
    const auto id = unique() + "abcdef";
    auto options = kept_session();
    options.client_id = id;
    auto first = peer("first").connect(options).subscribe("t", at_least_once);
    first.disconnect();
    for (const auto& other : {unique() + "ABCDEF", unique() + "abcdeg", unique() + "abcde"}) {
        auto stranger_options = kept_session();
        stranger_options.client_id = other;
        peer("stranger").connect_expecting_session(false, stranger_options).disconnect();
    }
    // Another connection, another port, the same identifier.
    auto second = peer("second").connect_expecting_session(true, options);
    peer("publisher").connect().publish("t", at_least_once, "x");
    second.expect_message({.topic = "t", .payload = "x"});
}

CASE("v5/MQTT-3.1.4-3 v3.1.1/MQTT-3.1.4-2",
     "a second connection with the same Client Identifier ends the first") {
    auto first = peer("first").connect({.client_id = unique() + "same"});
    auto second = peer("second").connect({.client_id = unique() + "same"});
    const auto end = first.expect_close({0x8E});
    if (end.disconnect.has_value() && end.disconnect->reason_code != 0x8E) {
        // [MQTT-3.1.4-3] names the code.
        fail("DISCONNECT 0x8e session_taken_over", describe(*end.disconnect));
    }
    second.ping();
}

CASE("v5/MQTT-3.1.4-4 v3.1.1/MQTT-3.1.4-3",
     "Clean Start is obeyed also when a connection is taken over", needs.qos(1).session_expiry()) {
    auto options = kept_session();
    options.client_id = unique() + "same";
    auto first = peer("first").connect(options).subscribe("t", at_least_once);
    auto second = peer("second").connect_expecting_session(true, options);
    first.expect_close({0x8E});
    peer("publisher").connect().publish("t", at_least_once, "to the second");
    second.expect_message({.topic = "t", .payload = "to the second"});
    options.clean_start = CleanStart::yes;
    auto third = peer("third").connect_expecting_session(false, options);
    second.expect_close({0x8E});
    peer("publisher").publish("t", at_least_once, "to nobody");
    third.expect_nothing();
}

CASE("v5/MQTT-4.1.0-1 v3.1.1/MQTT-4.1.0-2",
     "nothing of a Session is lost while the connection is open",
     needs.qos(2).time(std::chrono::seconds{4})) {
    auto subscriber = peer("subscriber").connect({.session_expiry_s = 1});
    subscriber.subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", exactly_once, "before");
    const auto before = subscriber.expect_publish({.topic = "t", .payload = "before"});
    publisher.send_publish({.topic = "u", .qos = exactly_once, .packet_id = std::uint16_t{77}});
    publisher.expect_acknowledgement(PacketType::pubrec, 77);
    wait(std::chrono::seconds{3}, "longer than the Session Expiry Interval");
    subscriber.acknowledge(before);
    publisher.send_acknowledgement(PacketType::pubrel, 77);
    publisher.expect_acknowledgement(PacketType::pubcomp, 77);
    publisher.publish("t", exactly_once, "after");
    subscriber.expect_message({.topic = "t", .payload = "after"});
}

CASE("v5/MQTT-3.3.1-12:resume v3.1.1/MQTT-3.3.1-9:resume",
     "Retained Messages are for new subscriptions: who resumes a Session is not sent them again",
     needs.retain().session_expiry()) {
    peer("publisher").connect().publish({.topic = "t", .payload = "kept", .retain = Retain::yes});
    auto client = peer("client").connect(kept_session()).subscribe("t");
    client.expect_publish({.topic = "t", .payload = "kept", .retain = Retain::yes});
    client.disconnect();
    client.connect_expecting_session(true, kept_session());
    for (const auto& packet : client.collect()) {
        // With RETAIN 0 it breaks no statement, and is still one message too many.
        demand(!packet.retain, "no Retained Message without a SUBSCRIBE", describe(packet));
        non_strict("without a SUBSCRIBE comes " + describe(packet));
    }
}

CASE("v5/X5-86 v3.1.1/X3-06", "the broker closes the connection after DISCONNECT") {
    auto client = peer("client").connect();
    client.send(build_disconnect(client.version()));
    const auto end = client.wait_for_close(now() + tolerances().answer());
    if (!end.is_closed) non_strict("the connection stays open after DISCONNECT");
}

}  // namespace touchstone::conformance
