// §3.8 of 5.0: Subscription Options and Identifiers; §4.8 Shared Subscriptions.
#include <algorithm>
#include <array>
#include <set>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;
using enum PropertyId;
using std::chrono::seconds;

std::multiset<std::uint32_t> identifiers_of(const Packet& packet) {
    std::multiset<std::uint32_t> identifiers;
    for (const auto& property : all_of(packet.properties, subscription_identifier)) {
        identifiers.insert(property.number);
    }
    return identifiers;
}

/// Whether a SUBSCRIBE to `filter` is granted. A broker may also end the connection for it.
bool is_granted(Peer client, const Topic& filter) {
    client.send(client.subscribe_packet({{filter}})).send(build_pingreq());
    for (;;) {
        const auto packet = client.next();
        if (!packet.has_value() || packet->type == PacketType::pingresp) return false;
        if (packet->type != PacketType::suback) continue;
        client.next();  // PINGRESP
        return !packet->reason_codes.empty() && packet->reason_codes[0] < 0x80;
    }
}

Properties identifier(std::uint32_t number) {
    return {number_property(subscription_identifier, number)};
}

}  // namespace

CASE("v5/MQTT-3.8.3-3 v5/X5-67",
     "No Local: a message does not come back to the Client Identifier that published it",
     needs.session_expiry()) {
    auto client = peer("client").connect(kept_session());
    client.subscribe("t", {.no_local = true});
    client.publish("t", at_most_once, "own");
    client.expect_nothing();
    peer("other").connect().publish("t", at_most_once, "other");
    client.expect_publish({.topic = "t", .payload = "other"});
    step("the same client on a new connection");
    client.disconnect();
    client.connect_expecting_session(true, kept_session());
    client.publish("t", at_most_once, "own again");
    client.expect_nothing();
    step("No Local off");
    client.subscribe("u", {.no_local = false});
    client.publish("u", at_most_once, "back");
    client.expect_publish({.topic = "u", .payload = "back"});
}

CASE("v5/MQTT-3.8.3-4", "No Local on a Shared Subscription ends the connection",
     needs.shared_subscriptions()) {
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{shared("g", "t"), {.no_local = true}}}));
    client.expect_rejected({0x82}, Detection::free);
}

CASE("v5/MQTT-3.8.4-3:options",
     "subscribing again replaces options and Subscription Identifier, too",
     needs.qos(1).retain().subscription_identifiers()) {
    auto subscriber = peer("subscriber").connect().acknowledging();
    subscriber.subscribe("t", {.qos = at_most_once}, identifier(1));
    subscriber.subscribe("t", {.qos = at_least_once, .retain_as_published = true}, identifier(2));
    peer("publisher")
        .connect()
        .publish({.topic = "t", .qos = at_least_once, .payload = "x", .retain = Retain::yes});
    const auto packet = subscriber.expect_publish(
        {.topic = "t", .payload = "x", .qos = at_least_once, .retain = Retain::yes});
    demand(identifiers_of(packet) == std::multiset<std::uint32_t>{2}, "identifier 2 alone",
           describe(packet));
    subscriber.expect_nothing();
}

CASE("v5/X5-60", "Subscription Identifier 0, or two of them, end the connection",
     needs.subscription_identifiers()) {
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{"t"}}, identifier(0)));
    client.expect_rejected({0x82, 0x81}, Detection::free);
    client.connect();
    client.send(client.subscribe_packet({{"t"}}, {number_property(subscription_identifier, 1),
                                                  number_property(subscription_identifier, 2)}));
    client.expect_rejected({0x82, 0x81}, Detection::free);
}

CASE("v5/X5-60:all-filters",
     "a Subscription Identifier holds for all filters of its SUBSCRIBE, until the next one",
     needs.subscription_identifiers()) {
    auto subscriber = peer("subscriber").connect();
    subscriber.try_subscribe({{"a"}, {"b"}}, identifier(268'435'455));
    auto publisher = peer("publisher").connect();
    for (const auto* topic : {"a", "b"}) {
        publisher.publish(topic, at_most_once, "x");
        const auto packet = subscriber.expect_publish({.topic = topic});
        demand(identifiers_of(packet) == std::multiset<std::uint32_t>{268'435'455},
               "identifier 268435455", describe(packet));
    }
    subscriber.subscribe("a", at_most_once);
    publisher.publish("a", at_most_once, "x");
    const auto packet = subscriber.expect_publish({.topic = "a"});
    demand(identifiers_of(packet).empty(), "no identifier any more", describe(packet));
}

CASE("v5/MQTT-3.3.4-3 v5/MQTT-3.3.4-4 v5/MQTT-3.3.4-5 v5/X5-61",
     "the Subscription Identifiers of all subscriptions that match come with the message: in one "
     "copy, or each with its own",
     needs.subscription_identifiers().wildcards()) {
    auto subscriber = peer("subscriber").connect();
    subscriber.subscribe("t/a", SubscriptionOptions{}, identifier(1));
    subscriber.subscribe("t/+", SubscriptionOptions{}, identifier(2));
    subscriber.subscribe("t/#", SubscriptionOptions{}, identifier(2));
    subscriber.subscribe("+/a", SubscriptionOptions{});
    peer("publisher").connect().publish("t/a", at_most_once, "x");
    const auto first = subscriber.expect_publish({.topic = "t/a", .payload = "x"});
    auto copies = subscriber.collect();
    copies.push_back(first);
    std::multiset<std::uint32_t> all;
    for (const auto& copy : copies) all.merge(identifiers_of(copy));
    const std::multiset<std::uint32_t> expected{1, 2, 2};
    demand(all == expected, "identifiers 1, 2, 2 in " + std::to_string(copies.size()) + " copies",
           describe(first));
    if (copies.size() == 1) return;
    for (const auto& copy : copies) {
        demand(identifiers_of(copy).size() <= 1, "one identifier in each of several copies",
               describe(copy));
    }
}

CASE("v5/X5-61:retained", "Retained Messages at SUBSCRIBE carry the Subscription Identifier",
     needs.retain().subscription_identifiers()) {
    peer("publisher")
        .connect()
        .publish({.topic = "t", .payload = "kept", .retain = Retain::yes})
        .ping();
    auto subscriber = peer("subscriber").connect().settle();
    subscriber.subscribe("t", SubscriptionOptions{}, identifier(7));
    const auto packet = subscriber.expect_publish({.topic = "t", .payload = "kept"});
    demand(identifiers_of(packet) == std::multiset<std::uint32_t>{7}, "identifier 7",
           describe(packet));
}

CASE("v5/X5-68", "whether clients can talk through topics that begin with $") {
    const auto topic = absolute("$touchstone/" + unique());
    auto subscriber = peer("subscriber").connect();
    const auto suback = subscriber.try_subscribe({{topic}});
    auto publisher = peer("publisher").connect();
    publisher.send_publish({.topic = topic, .payload = "x"});
    publisher.wait_for_close(now() + tolerances().close_before_asking());
    const bool has_arrived = suback.reason_codes[0] < 0x80 && !subscriber.collect().empty();
    observed(has_arrived ? "they can (the standard advises against it)" : "they cannot");
}

CASE("v5/X5-87", "whether control characters are taken in a Topic Name", needs.qos(1)) {
    auto client = peer("client").connect();
    const auto id =
        client.send_publish({.topic = "control\x01", .qos = at_least_once, .payload = "x"});
    bool is_taken = false;
    client.send(build_pingreq());
    while (const auto packet = client.next()) {
        if (packet->type == PacketType::pingresp) break;
        if (packet->type != PacketType::puback || packet->packet_id != id) continue;
        is_taken = packet->reason_code < 0x80;
    }
    observed(is_taken ? "they are taken" : "they are refused");
}

// --- Shared Subscriptions ------------------------------------------------------------------------

CASE("v5/MQTT-4.8.2-1", "a filter without a ShareName does not act as a Shared Subscription",
     needs.shared_subscriptions()) {
    const auto word = unique();
    auto client = peer("client").connect();
    if (!is_granted(client, absolute("$share//" + word))) return;
    // What was granted may be an ordinary subscription to a topic that begins with $.
    peer("publisher").connect().publish(absolute(word), at_most_once, "x");
    client.expect_nothing();
    non_strict("granted");
}

CASE("v5/MQTT-4.8.2-2",
     "a ShareName with wildcards, or without a filter behind it, does not act as a Shared "
     "Subscription",
     needs.shared_subscriptions().wildcards()) {
    auto client = peer("client");
    auto publisher = peer("publisher").connect();
    const auto word = unique();
    for (const auto& filter : {std::string{"$share/g"}, std::string{"$share/g/"},
                               "$share/+/" + word, "$share/g#/" + word, "$share/a+b/" + word}) {
        client.connect();
        if (!is_granted(client, absolute(filter))) continue;
        publisher.publish(absolute(word), at_most_once, "x");
        client.expect_nothing();
        non_strict("granted: " + filter);
    }
}

CASE("v5/X5-71", "the filter of a Shared Subscription may begin with /",
     needs.shared_subscriptions()) {
    const auto word = unique();
    auto client = peer("client").connect().subscribe(absolute("$share/g//" + word));
    auto publisher = peer("publisher").connect();
    publisher.publish(absolute(word), at_most_once, "no");
    publisher.publish(absolute("/" + word), at_most_once, "yes");
    client.expect_publish({.topic = absolute("/" + word), .payload = "yes"});
    client.expect_nothing();
}

CASE("v5/X5-70", "each share group gets one copy, and ordinary subscriptions theirs",
     needs.shared_subscriptions()) {
    auto one_a = peer("one a").connect().subscribe(shared("one", "t"));
    auto one_b = peer("one b").connect().subscribe(shared("one", "t"));
    auto two = peer("two").connect().subscribe(shared("two", "t"));
    auto plain = peer("plain").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    constexpr std::size_t count = 10;
    for (std::size_t i = 0; i < count; ++i) publisher.publish("t", at_most_once, std::to_string(i));
    const auto shared_count = one_a.collect().size() + one_b.collect().size();
    demand(shared_count == count, "10 copies in the group of two", std::to_string(shared_count));
    const auto other_count = two.collect().size();
    demand(other_count == count, "10 copies in the group of one", std::to_string(other_count));
    const auto plain_count = plain.collect().size();
    demand(plain_count == count, "10 copies for the plain subscription",
           std::to_string(plain_count));
}

CASE("v5/X5-72", "a Shared Subscription gets no Retained Messages at SUBSCRIBE",
     needs.shared_subscriptions().retain()) {
    peer("publisher")
        .connect()
        .publish({.topic = "t", .payload = "kept", .retain = Retain::yes})
        .ping();
    auto member = peer("member").connect().settle();
    for (const std::uint8_t handling : std::array<std::uint8_t, 3>{0, 1, 2}) {
        member.subscribe(shared("g", "t"), {.retain_handling = handling});
        member.expect_nothing_by_ping();
    }
}

CASE("v5/X5-74", "subscribing twice counts once; one UNSUBSCRIBE leaves the group",
     needs.shared_subscriptions()) {
    auto member = peer("member").connect();
    member.subscribe(shared("g", "t")).subscribe(shared("g", "t"));
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_most_once, "once");
    member.expect_publish({.topic = "t", .payload = "once"});
    member.expect_nothing();
    const auto unsuback = member.unsubscribe({shared("g", "t")});
    demand(unsuback.reason_codes == std::vector<std::uint8_t>{0}, "code 0x00", describe(unsuback));
    publisher.publish("t", at_most_once, "gone");
    member.expect_nothing();
}

CASE("v5/MQTT-4.8.2-3 v5/X5-76",
     "each member gets messages at the QoS granted to it, with its own Subscription Identifier",
     needs.qos(2).shared_subscriptions()) {
    const bool has_identifiers = capabilities().subscription_identifiers_available;
    auto low = peer("low").connect().acknowledging();
    low.subscribe(shared("g", "t"), {.qos = at_most_once},
                  has_identifiers ? identifier(10) : Properties{});
    auto high = peer("high").connect().acknowledging();
    high.subscribe(shared("g", "t"), {.qos = exactly_once},
                   has_identifiers ? identifier(20) : Properties{});
    auto publisher = peer("publisher").connect();
    constexpr std::size_t count = 20;
    for (std::size_t i = 0; i < count; ++i) publisher.publish("t", exactly_once, std::to_string(i));
    const auto low_packets = low.collect();
    const auto high_packets = high.collect();
    for (const auto& packet : low_packets) {
        demand(packet.qos == 0, "QoS 0 for this member", describe(packet));
        demand(!has_identifiers || identifiers_of(packet) == std::multiset<std::uint32_t>{10},
               "identifier 10", describe(packet));
    }
    for (const auto& packet : high_packets) {
        demand(packet.qos == 2, "QoS 2 for this member", describe(packet));
        demand(!has_identifiers || identifiers_of(packet) == std::multiset<std::uint32_t>{20},
               "identifier 20", describe(packet));
    }
    const auto total = low_packets.size() + high_packets.size();
    demand(total == count, "20 messages among the members", std::to_string(total));
}

CASE("v5/MQTT-4.8.2-4", "a QoS 2 delivery that was begun to a member is completed to that member",
     needs.qos(2).shared_subscriptions().session_expiry()) {
    auto first = peer("first").connect(kept_session()).subscribe(shared("g", "t"), exactly_once);
    peer("publisher").connect().publish("t", exactly_once, "begun");
    const auto packet = first.expect_publish({.topic = "t", .payload = "begun"});
    auto second = peer("second").connect().acknowledging();
    second.subscribe(shared("g", "t"), exactly_once);
    first.cut();
    second.expect_nothing();
    first.connect_expecting_session(true, kept_session());
    const auto again = first.expect_publish({.topic = "t", .payload = "begun", .dup = Dup::yes});
    demand(again.packet_id == packet.packet_id, "the same Packet Identifier", describe(again));
    first.send_acknowledgement(PacketType::pubrec, again.packet_id);
    first.expect_acknowledgement(PacketType::pubrel, again.packet_id);
    first.cut();
    second.expect_nothing();
    first.connect_expecting_session(true, kept_session());
    first.expect_acknowledgement(PacketType::pubrel, again.packet_id);
    first.send_acknowledgement(PacketType::pubcomp, again.packet_id);
}

CASE("v5/MQTT-4.8.2-5", "a QoS 2 message whose member ends its Session is not sent to another",
     needs.qos(2).shared_subscriptions().session_expiry()) {
    auto first = peer("first").connect(kept_session()).subscribe(shared("g", "t"), exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", exactly_once, "begun");
    first.expect_publish({.topic = "t", .payload = "begun"});
    auto second = peer("second").connect().acknowledging();
    second.subscribe(shared("g", "t"), exactly_once);
    first.cut();
    first.connect_expecting_session(false, {});
    second.expect_nothing();
    publisher.publish("t", exactly_once, "next");
    second.expect_publish({.topic = "t", .payload = "next"});
}

CASE("v5/MQTT-4.8.2-6", "a message that a member refuses is not tried with another",
     needs.qos(2).shared_subscriptions()) {
    auto publisher = peer("publisher").connect();
    for (const auto qos : {at_least_once, exactly_once}) {
        const auto name = std::to_string(static_cast<int>(qos));
        const Topic filter = shared("g", "t/" + name);
        auto first = peer("first " + name).connect().subscribe(filter, qos);
        publisher.publish("t/" + name, qos, "refused");
        const auto packet = first.expect_publish({.payload = "refused"});
        auto second = peer("second " + name).connect().acknowledging().subscribe(filter, qos);
        first.send_acknowledgement(qos == at_least_once ? PacketType::puback : PacketType::pubrec,
                                   packet.packet_id, 0x80);
        first.expect_nothing();
        second.expect_nothing();
    }
}

CASE("v5/X5-73", "what happens to a QoS 1 message whose member is cut off",
     needs.qos(1).shared_subscriptions()) {
    auto first = peer("first").connect().subscribe(shared("g", "t"), at_least_once);
    peer("publisher").connect().publish("t", at_least_once, "x");
    first.expect_publish({.topic = "t", .payload = "x"});
    auto second = peer("second").connect().acknowledging();
    second.subscribe(shared("g", "t"), at_least_once);
    first.cut();
    const auto packets = second.collect();
    for (const auto& packet : packets) {
        demand(packet.payload == "x", "the message of the other member", describe(packet));
    }
    observed(packets.empty() ? "not sent to another member at once"
                             : "sent to another member at once");
}

CASE("v5/X5-75", "a share group ends with its last Session", needs.qos(1).shared_subscriptions()) {
    auto member = peer("member").connect().subscribe(shared("g", "t"), at_least_once);
    member.disconnect();
    peer("publisher").connect().publish("t", at_least_once, "to nobody");
    auto later = peer("later").connect().settle().subscribe(shared("g", "t"), at_least_once);
    later.expect_nothing();
}

}  // namespace touchstone::conformance
