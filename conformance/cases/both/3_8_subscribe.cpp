// §3.8 to §3.11: SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.
#include <algorithm>
#include <array>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-3.8.1-1 v3.1.1/MQTT-3.8.1-1",
     "a SUBSCRIBE whose reserved flag bits are wrong ends the connection, without SUBACK") {
    for (const std::uint8_t first_byte : std::array<std::uint8_t, 4>{0x80, 0x81, 0x83, 0x8A}) {
        auto client = peer("client").connect();
        client.send(client.subscribe_packet({{"t"}}).first_byte(first_byte));
        const auto end = client.expect_rejected({0x81});
        demand(end.others.empty(), "no answer",
               end.others.empty() ? "" : describe(end.others.front()));
    }
}

CASE("v5/MQTT-3.8.3-2 v3.1.1/MQTT-3.8.3-3",
     "a SUBSCRIBE without a Topic Filter ends the connection") {
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({}));
    // What is not noticed may be answered: a code for each of no filters.
    client.expect_rejected({0x82, 0x81}, is_v5() ? Detection::free : Detection::binding);
}

CASE("v5/MQTT-3.8.3-5 v3.1.1/MQTT-3.8.3-4",
     "a SUBSCRIBE with reserved option bits set ends the connection") {
    // What is reserved: the upper two bits in 5.0, the upper six in 3.1.1.
    std::vector<const char*> options{"40", "80", "c1"};
    if (!is_v5()) options.insert(options.end(), {"03", "04", "08", "10", "20"});
    for (const auto* bits : options) {
        auto client = peer("client").connect();
        client.send(client.subscribe_packet({{"t"}}).set("options_0", hex(bits)));
        const auto end = client.expect_rejected({0x81});
        demand(end.others.empty(), "no SUBACK",
               end.others.empty() ? "" : describe(end.others.front()));
    }
}

CASE("v5/MQTT-3.8.4-1 v3.1.1/MQTT-3.8.4-1", "each SUBSCRIBE gets one SUBACK") {
    auto client = peer("client").connect();
    for (const auto* filter : {"a", "b", "a"}) {
        client.try_subscribe({{filter}});
        client.expect_nothing_by_ping();
    }
}

CASE("v5/MQTT-3.8.4-3 v3.1.1/MQTT-3.8.4-3",
     "subscribing again to a filter replaces the subscription", needs.qos(1)) {
    auto subscriber = peer("subscriber").connect().acknowledging();
    subscriber.subscribe("t", at_most_once).subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "x");
    subscriber.expect_publish({.topic = "t", .payload = "x", .qos = at_least_once});
    subscriber.expect_nothing();
    subscriber.unsubscribe({"t"});
    publisher.publish("t", at_least_once, "y");
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.8.4-4 v3.1.1/MQTT-3.8.4-3:stream",
     "replacing a subscription sends the Retained Message again, and loses no message",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "kept", .retain = Retain::yes});
    auto subscriber = peer("subscriber").connect().settle().acknowledging();
    subscriber.subscribe("t", at_least_once);
    subscriber.expect_publish({.payload = "kept", .retain = Retain::yes});
    constexpr int rounds = 5;
    for (int i = 0; i < rounds; ++i) {
        // Published while the SUBSCRIBE is on its way.
        subscriber.send(subscriber.subscribe_packet({{"t", {.qos = at_least_once}}}));
        publisher.publish("t", at_least_once, std::to_string(i));
        subscriber.expect(PacketType::suback);
    }
    int next = 0;
    int kept = 0;
    while (next < rounds || kept < rounds) {
        const auto packet = subscriber.expect_publish({.topic = "t"});
        if (packet.payload == "kept") {
            ++kept;
            continue;
        }
        demand(packet.payload == std::to_string(next), "message " + std::to_string(next),
               describe(packet));
        ++next;
    }
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.8.4-5 v3.1.1/MQTT-3.8.4-4",
     "a SUBSCRIBE with several filters is like several, with one SUBACK", needs.qos(2)) {
    auto subscriber = peer("subscriber").connect().acknowledging();
    const auto suback = subscriber.try_subscribe({{"a", {.qos = at_least_once}},
                                                  {"b", {.qos = at_least_once}},
                                                  {"a", {.qos = exactly_once}}});
    demand(suback.reason_codes.size() == 3, "three codes", describe(suback));
    if (suback.reason_codes != std::vector<std::uint8_t>{1, 1, 2}) {
        not_applicable("the broker grants less: " + describe(suback));
    }
    auto publisher = peer("publisher").connect();
    publisher.publish("a", exactly_once, "1");
    subscriber.expect_publish({.topic = "a", .payload = "1", .qos = exactly_once});
    publisher.publish("b", exactly_once, "2");
    subscriber.expect_publish({.topic = "b", .payload = "2", .qos = at_least_once});
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.8.4-6 v5/X5-65 v3.1.1/MQTT-3.8.4-5", "SUBACK has one code for each filter") {
    auto client = peer("client").connect();
    for (const std::size_t count : {1U, 3U, 50U}) {
        std::vector<Subscription> subscriptions;
        for (std::size_t i = 0; i < count; ++i) {
            subscriptions.push_back({.filter = "t/" + std::to_string(i)});
        }
        const auto suback = client.try_subscribe(subscriptions);
        demand(suback.reason_codes.size() == count, std::to_string(count) + " codes",
               std::to_string(suback.reason_codes.size()) + " codes");
    }
}

CASE("v5/MQTT-3.8.4-7 v5/MQTT-3.8.4-8 v3.1.1/MQTT-3.8.4-6 v3.1.1/MQTT-3.8.4-5:granted",
     "a message is delivered at the lower of its own and the granted QoS", needs.qos(2)) {
    auto publisher = peer("publisher").connect();
    for (const auto granted : {at_most_once, at_least_once, exactly_once}) {
        const auto name = std::to_string(static_cast<int>(granted));
        auto subscriber = peer("granted " + name).connect().acknowledging();
        const auto suback = subscriber.try_subscribe({{"t", {.qos = granted}}});
        const auto code = suback.reason_codes.empty() ? 0x80 : suback.reason_codes[0];
        demand(code >= 0x80 || code <= static_cast<int>(granted),
               "at most the QoS that was asked for", describe(suback));
        for (const auto published : {at_most_once, at_least_once, exactly_once}) {
            publisher.publish("t", published, "x");
            if (code >= 0x80) {
                subscriber.expect_nothing();
                continue;
            }
            const auto expected = min(published, static_cast<QoS>(code));
            subscriber.expect_publish({.topic = "t", .payload = "x", .qos = expected});
        }
        // A QoS 1 message to a QoS 0 subscription may come twice (freedom 3).
        if (granted != at_most_once) subscriber.expect_nothing();
        subscriber.disconnect();
    }
}

CASE("v5/MQTT-3.9.3-1 v3.1.1/MQTT-3.9.3-1", "the codes of SUBACK are in the order of the filters",
     needs.qos(2)) {
    auto client = peer("client").connect();
    const auto suback = client.try_subscribe({{"a", {.qos = exactly_once}},
                                              {"b", {.qos = at_most_once}},
                                              {"c", {.qos = at_least_once}}});
    demand(suback.reason_codes.size() == 3, "three codes", describe(suback));
    constexpr std::array<int, 3> asked{2, 0, 1};
    bool is_less = false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const int code = suback.reason_codes[i];
        demand(code <= asked[i] || code >= 0x80, "codes 2, 0, 1, or lower ones", describe(suback));
        is_less = is_less || code != asked[i];
    }
    if (is_less) not_applicable("the broker grants less: " + describe(suback));
}

CASE("v5/MQTT-3.9.3-2 v3.1.1/MQTT-3.9.3-2", "SUBACK has codes of the table, also for bad filters") {
    auto client = peer("client");
    // The reader judges each code.
    for (const auto* filter : {"good", "a/#/b", "a+", "#a", "$share", "$share//x"}) {
        client.connect();
        client.send(client.subscribe_packet({{filter}, {"other"}}));
        client.wait_for_close(now() + tolerances().close_before_asking());
    }
}

CASE("v5/MQTT-3.10.1-1 v3.1.1/MQTT-3.10.1-1",
     "an UNSUBSCRIBE whose reserved flag bits are wrong ends the connection, without UNSUBACK") {
    for (const std::uint8_t first_byte : std::array<std::uint8_t, 4>{0xA0, 0xA1, 0xA3, 0xAA}) {
        auto client = peer("client").connect().subscribe("t");
        client.send(client.unsubscribe_packet({"t"}).first_byte(first_byte));
        const auto end = client.expect_rejected({0x81});
        demand(end.others.empty(), "no answer",
               end.others.empty() ? "" : describe(end.others.front()));
    }
}

CASE("v5/MQTT-3.10.3-2 v3.1.1/MQTT-3.10.3-2",
     "an UNSUBSCRIBE without a Topic Filter ends the connection") {
    auto client = peer("client").connect();
    client.send(client.unsubscribe_packet({}));
    client.expect_rejected({0x82, 0x81}, is_v5() ? Detection::free : Detection::binding);
}

CASE("v5/MQTT-3.10.4-1 v3.1.1/MQTT-3.10.4-1",
     "UNSUBSCRIBE removes the subscription with exactly this filter, and no other",
     needs.wildcards()) {
    auto subscriber = peer("subscriber").connect().subscribe("a/+").subscribe("b/c");
    auto publisher = peer("publisher").connect();
    step("filters that match, but are not the ones subscribed");
    subscriber.unsubscribe({"a/#", "b/+", "+/c", "A/+", "b/C", "#"});
    publisher.publish("a/x", at_most_once, "1");
    subscriber.expect_publish({.topic = "a/x", .payload = "1"});
    publisher.publish("b/c", at_most_once, "2");
    subscriber.expect_publish({.topic = "b/c", .payload = "2"});
    step("one of the two");
    subscriber.unsubscribe({"a/+"});
    publisher.publish("a/x", at_most_once, "3");
    publisher.publish("b/c", at_most_once, "4");
    subscriber.expect_publish({.topic = "b/c", .payload = "4"});
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.10.4-2 v3.1.1/MQTT-3.10.4-2", "after UNSUBACK no new message comes", needs.qos(1)) {
    auto subscriber = peer("subscriber").connect().acknowledging().subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "before");
    subscriber.expect_publish({.topic = "t", .payload = "before"});
    subscriber.unsubscribe({"t"});
    publisher.publish("t", at_least_once, "after");
    publisher.publish("t", at_most_once, "after");
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.10.4-3 v3.1.1/MQTT-3.10.4-3",
     "a delivery that was begun is completed after UNSUBSCRIBE", needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session());
    subscriber.subscribe("t/1", at_least_once).subscribe("t/2", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t/2", exactly_once, "two");
    const auto two = subscriber.expect_publish({.topic = "t/2", .payload = "two"});
    publisher.publish("t/1", at_least_once, "one");
    const auto one = subscriber.expect_publish({.topic = "t/1", .payload = "one"});
    subscriber.unsubscribe({"t/1", "t/2"});
    subscriber.acknowledge(two);
    subscriber.ping();  // or the cut might lose the PUBCOMP
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    const auto again =
        subscriber.expect_publish({.topic = "t/1", .payload = "one", .dup = Dup::yes});
    demand(again.packet_id == one.packet_id, "the same Packet Identifier", describe(again));
    subscriber.acknowledge(again);
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.10.4-4 v5/MQTT-3.10.4-5 v5/X5-66 v3.1.1/MQTT-3.10.4-5",
     "each UNSUBSCRIBE gets one UNSUBACK, also when there was nothing to remove") {
    auto client = peer("client").connect();
    const auto unsuback = client.unsubscribe({"never/subscribed"});
    if (is_v5()) {
        // The table says what the codes mean; no statement demands the right one of the two.
        if (unsuback.reason_codes != std::vector<std::uint8_t>{0x11})
            non_strict(describe(unsuback));
    }
    client.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.10.4-6 v5/MQTT-3.11.3-1 v5/MQTT-3.11.3-2 v3.1.1/MQTT-3.10.4-6",
     "an UNSUBSCRIBE with several filters is like several, with one UNSUBACK") {
    auto client = peer("client").connect().subscribe("a").subscribe("b").subscribe("c");
    const auto unsuback = client.unsubscribe({"a", "nope", "b", "a"});
    if (is_v5()) {
        const auto& codes = unsuback.reason_codes;
        if (std::ranges::count(codes, 0) == std::ssize(codes)) {
            non_strict("0x00 also where there was nothing to remove");
        } else {
            demand(codes == std::vector<std::uint8_t>{0x00, 0x11, 0x00, 0x11},
                   "codes 0x00 0x11 0x00 0x11", describe(unsuback));
        }
    }
    client.expect_nothing_by_ping();
    auto publisher = peer("publisher").connect();
    for (const auto* topic : {"a", "b", "c"}) publisher.publish(topic, at_most_once, topic);
    client.expect_publish({.topic = "c", .payload = "c"});
    client.expect_nothing();
}

}  // namespace touchstone::conformance
