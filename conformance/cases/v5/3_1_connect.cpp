// §3.1 and §3.2 of 5.0: versions, properties of CONNECT, what CONNACK announces.
#include <array>
#include <set>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;
using enum PropertyId;

}  // namespace

CASE("v5/MQTT-3.1.2-2", "a CONNECT of a version that the broker does not speak is refused") {
    auto client = peer("client");
    for (const auto* level : {"00", "02", "06", "7f", "ff"}) {
        client.expect_connect_refused(client.connect_packet().set("protocol_version", hex(level)),
                                      {0x84}, RefusalAnswer::any_version);
    }
}

CASE("v5/MQTT-3.1.4-1:properties",
     "a CONNECT with properties that are not allowed, or with forbidden values, is refused") {
    auto client = peer("client");
    struct Mistake {
        const char* what;
        const char* bytes;
    };
    constexpr std::array<Mistake, 9> mistakes{{
        {"Receive Maximum twice", "21 00 0a 21 00 0a"},
        {"Session Expiry Interval twice", "11 00 00 00 01 11 00 00 00 01"},
        {"Topic Alias, a property of PUBLISH", "23 00 01"},
        {"Server Keep Alive, a property of CONNACK", "13 00 01"},
        {"an unknown property", "7f 00"},
        {"Receive Maximum 0", "21 00 00"},
        {"Maximum Packet Size 0", "27 00 00 00 00"},
        {"a value that ends too early", "11 00 00"},
        {"Topic Alias Maximum twice", "22 00 01 22 00 01"},
    }};
    for (const auto& mistake : mistakes) {
        step(mistake.what);
        client.expect_connect_refused(client.connect_packet().add_raw(hex(mistake.bytes)),
                                      {0x81, 0x82});
    }
}

CASE("v5/X5-21", "Receive Maximum 0 and Maximum Packet Size 0 are refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet({.receive_maximum = 0}), {0x82});
    client.expect_connect_refused(client.connect_packet({.maximum_packet_size_bytes = 0}), {0x82});
}

CASE("v5/X5-28", "properties that are flags take only 0 and 1") {
    auto client = peer("client");
    for (const auto id : {request_problem_information, request_response_information}) {
        client.expect_connect_refused(
            client.connect_packet({.properties = {number_property(id, 2)}}), {0x82},
            RefusalAnswer::optional_connack, Detection::free);
        for (const std::uint32_t value : {0U, 1U}) {
            client.connect({.properties = {number_property(id, value)}}).disconnect();
        }
    }
}

CASE("v5/X5-81", "Authentication Data without Authentication Method is refused") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.properties = {text_property(authentication_data, "x")}}), {0x82},
        RefusalAnswer::optional_connack, Detection::free);
}

CASE("v5/MQTT-3.1.2-19:without-user-name",
     "a Password without a User Name is not refused as malformed") {
    auto client = peer("client");
    client.open().send(client.connect_packet({.password = "pass"}));
    const auto end = client.wait_for_close(now() + tolerances().answer());
    if (!end.connack.has_value()) {
        demand(end.is_closed, "an answer", "none");
        // Who is not let in need not be told why (§3.1.4).
        non_strict("closed without a CONNACK that says why");
        return;
    }
    demand(end.connack->reason_code != 0x81 && end.connack->reason_code != 0x82,
           "a CONNACK that does not call it malformed", describe(*end.connack));
}

CASE("v5/MQTT-3.1.2-28", "no Response Information unless it was requested", needs.reduced()) {
    auto client = peer("client");
    client.connect().disconnect();
    client.connect({.properties = {number_property(request_response_information, 0)}}).disconnect();
    client.connect({.properties = {number_property(request_response_information, 1)}});
    observed(find(client.connack().properties, response_information) != nullptr
                 ? "Response Information is given on request"
                 : "no Response Information, even on request");
}

CASE("v5/MQTT-3.1.2-29",
     "with Request Problem Information 0, Reason String and User Property only where allowed",
     needs.qos(2)) {
    // The monitor judges each packet; here come those that a broker might explain.
    auto client =
        peer("client").connect({.properties = {number_property(request_problem_information, 0)}});
    client.unsubscribe({"never/subscribed"});
    client.publish("nobody", at_least_once, "x");
    client.publish("nobody", exactly_once, "x");
    client.send_acknowledgement(PacketType::pubrel, 4'711);
    client.expect_acknowledgement(PacketType::pubcomp, 4'711);
    client.subscribe("t");
    peer("publisher")
        .connect()
        .publish({.topic = "t", .properties = {pair_property("stays", "here")}});
    const auto publish = client.expect_publish({.topic = "t"});
    demand(count(publish.properties, PropertyId::user_property) == 1,
           "the User Property of the PUBLISH", describe(publish));
}

CASE("v5/MQTT-3.1.3-6", "clients without a Client Identifier get different ones, or are refused") {
    auto first = peer("first");
    first.open().send(first.connect_packet({.client_id = ""}));
    const auto end = first.wait_for_close(now() + tolerances().answer());
    if (!end.connack.has_value() || end.connack->reason_code != 0) {
        demand(end.is_closed, "a close", "no close after the refusal");
        not_applicable("the broker does not take an empty Client Identifier");
    }
    auto second = peer("second").connect({.client_id = ""});
    const auto one = text_of(end.connack->properties, assigned_client_identifier);
    const auto other = text_of(second.connack().properties, assigned_client_identifier);
    demand(one.has_value() && other.has_value(), "Assigned Client Identifiers", "none");
    demand(*one != *other, "different Assigned Client Identifiers", "both are " + *one);
    first.ping();
    second.ping();
}

CASE("v5/MQTT-3.1.3-7 v5/X5-30", "a client can come back with the Assigned Client Identifier",
     needs.session_expiry()) {
    auto client = peer("client");
    client.open().send(client.connect_packet(
        {.clean_start = CleanStart::no, .session_expiry_s = 300, .client_id = ""}));
    const auto end = client.wait_for_close(now() + tolerances().answer());
    if (!end.connack.has_value() || end.connack->reason_code != 0) {
        not_applicable("the broker does not take an empty Client Identifier");
    }
    const auto assigned = text_of(end.connack->properties, assigned_client_identifier);
    demand(assigned.has_value(), "an Assigned Client Identifier", describe(*end.connack));
    client.subscribe("t");
    client.disconnect();
    client.connect_expecting_session(
        true, {.clean_start = CleanStart::no, .session_expiry_s = 300, .client_id = *assigned});
    peer("publisher").connect().publish("t", at_most_once, "found");
    client.expect_publish({.topic = "t", .payload = "found"});
    // Leaves nothing behind: the suite cannot know this identifier.
    client.disconnect(0, {number_property(session_expiry_interval, 0)});
}

CASE("v5/MQTT-3.2.2-16", "Assigned Client Identifiers are used by no other Session") {
    std::set<std::string> assigned;
    for (int i = 0; i < 8; ++i) {
        auto client = peer("client" + std::to_string(i));
        client.open().send(client.connect_packet({.client_id = ""}));
        const auto end = client.wait_for_close(now() + tolerances().answer());
        if (!end.connack.has_value() || end.connack->reason_code != 0) {
            not_applicable("the broker does not take an empty Client Identifier");
        }
        const auto given = end.connack->properties;
        demand(count(given, assigned_client_identifier) == 1, "one Assigned Client Identifier",
               describe(*end.connack));
        demand(assigned.insert(*text_of(given, assigned_client_identifier)).second,
               "an identifier that is not in use", describe(*end.connack));
    }
}

CASE("v5/MQTT-3.2.0-2", "there is one CONNACK on a Network Connection") {
    auto client = peer("client").connect();
    client.ping();
    client.send(client.connect_packet());
    const auto end = client.expect_rejected({0x82});
    demand(!std::ranges::any_of(
               end.others, [](const Packet& packet) { return packet.type == PacketType::connack; }),
           "no second CONNACK", "a second CONNACK");
}

CASE("v5/MQTT-3.2.2-9", "a broker that announces no Maximum QoS takes QoS 1 and QoS 2",
     needs.qos(2)) {
    auto client = peer("client").connect();
    client.publish("t", at_least_once, "1");
    client.publish("t", exactly_once, "2");
}

CASE("v5/MQTT-3.2.2-10",
     "a broker that publishes at low QoS only still accepts subscriptions at any QoS",
     needs.reduced()) {
    if (capabilities().maximum_qos == 2) not_applicable("the broker announces no Maximum QoS");
    auto client = peer("client").connect();
    const auto suback = client.try_subscribe({{"t0", {.qos = at_most_once}},
                                              {"t1", {.qos = at_least_once}},
                                              {"t2", {.qos = exactly_once}}});
    for (const auto code : suback.reason_codes) {
        demand(code <= 2, "a granted QoS for each filter", describe(suback));
    }
}

CASE("v5/MQTT-3.2.2-11 v5/X5-25:qos", "a PUBLISH above the Maximum QoS ends the connection",
     needs.reduced()) {
    const auto maximum = capabilities().maximum_qos;
    if (maximum == 2) not_applicable("the broker announces no Maximum QoS");
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto client = peer("client").connect();
    client.send_publish({.topic = "t", .qos = static_cast<QoS>(maximum + 1)});
    client.expect_rejected({0x9B});
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.2.2-12", "a Will above the Maximum QoS is refused", needs.reduced()) {
    const auto maximum = capabilities().maximum_qos;
    if (maximum == 2) not_applicable("the broker announces no Maximum QoS");
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.will = Will{.qos = static_cast<QoS>(maximum + 1)}}), {0x9B});
}

CASE("v5/MQTT-3.2.2-13", "a Will with Will Retain 1 is refused by a broker that retains nothing",
     needs.reduced()) {
    if (capabilities().retain_available) not_applicable("the broker retains messages");
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet({.will = Will{.retain = Retain::yes}}),
                                  {0x9A});
}

CASE("v5/MQTT-3.2.2-14 v5/X5-25:retain",
     "a PUBLISH with RETAIN 1 ends the connection of a broker that retains nothing",
     needs.reduced()) {
    if (capabilities().retain_available) not_applicable("the broker retains messages");
    auto client = peer("client").connect();
    client.send_publish({.topic = "t", .payload = "x", .retain = Retain::yes});
    client.expect_rejected({0x9A});
}

CASE("v5/MQTT-3.2.2-15 v5/X5-24",
     "a packet above the broker's Maximum Packet Size ends the connection; one that just fits is "
     "taken",
     needs.qos(1).maximum_packet_size()) {
    const std::size_t limit = *capabilities().maximum_packet_size_bytes;
    constexpr std::size_t affordable_bytes = 4'194'304;
    if (limit > affordable_bytes) not_applicable("Maximum Packet Size is too large to be reached");
    auto client = peer("client").connect();
    const auto packet_of_size = [&](std::size_t size) {
        const auto empty = client.publish_packet(
            {.topic = "t", .qos = at_least_once, .packet_id = std::uint16_t{7}});
        auto payload_bytes = size - empty.bytes().size();
        auto draft = Draft{empty}.set("payload", std::string(payload_bytes, 'x'));
        while (draft.bytes().size() > size) {  // the Remaining Length grew as well
            draft.set("payload", std::string(--payload_bytes, 'x'));
        }
        return draft;
    };
    client.send(packet_of_size(limit));
    client.expect_acknowledgement(PacketType::puback, 7);
    client.send(packet_of_size(limit + 1));
    client.expect_rejected({0x95});
}

CASE("v5/MQTT-3.2.2-19 v5/MQTT-3.2.2-20",
     "a CONNACK that refuses keeps to the client's Maximum Packet Size") {
    auto client = peer("client");
    // The monitor compares each packet with the limit.
    const auto end = client.expect_connect_refused(
        client.connect_packet({.maximum_packet_size_bytes = 20,
                               .properties = {text_property(authentication_method, "none")}}),
        {0x87, 0x8C});
    if (!end.connack.has_value()) not_applicable("the broker refuses without CONNACK");
}

CASE("v5/MQTT-4.12.0-1", "an Authentication Method that the broker does not support is refused") {
    auto client = peer("client");
    const auto end = client.expect_connect_refused(
        client.connect_packet(
            {.properties = {text_property(authentication_method, "x-" + unique())}}),
        {0x8C, 0x87});
    demand(!std::ranges::any_of(
               end.others, [](const Packet& packet) { return packet.type == PacketType::auth; }),
           "no AUTH", "an AUTH");
}

CASE("v5/MQTT-4.12.0-6",
     "without an Authentication Method in CONNECT the broker sends no AUTH and no method") {
    auto client = peer("client").connect();
    demand(find(client.connack().properties, authentication_data) == nullptr,
           "no Authentication Data", describe(client.connack()));
    client.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.12.0-7",
     "an AUTH of a client that gave no Authentication Method ends the connection") {
    for (const std::uint8_t code : std::array<std::uint8_t, 2>{0x18, 0x19}) {
        auto client = peer("client").connect();
        client.send(build_auth(code, {text_property(authentication_method, "none")}));
        client.expect_rejected({0x82}, Detection::free);
    }
}

CASE("v5/MQTT-3.15.1-1", "an AUTH whose reserved flag bits are not 0 ends the connection") {
    for (const std::uint8_t first_byte : std::array<std::uint8_t, 2>{0xF1, 0xF2}) {
        auto client = peer("client").connect();
        client.send(build_auth(0x19, {text_property(authentication_method, "none")})
                        .first_byte(first_byte));
        client.expect_rejected({0x81, 0x82});
    }
}

CASE("v5/X5-20", "what CONNACK does not announce is available, at its default",
     needs.qos(2).retain()) {
    auto client = peer("client").connect();
    const auto& announced = client.connack().properties;
    if (find(announced, wildcard_subscription_available) == nullptr) client.subscribe("w/+");
    if (find(announced, shared_subscription_available) == nullptr) {
        const auto suback = client.try_subscribe({{shared("g", "s"), {}}});
        demand(suback.reason_codes[0] != 0x9E, "Shared Subscriptions", describe(suback));
    }
    if (find(announced, subscription_identifier_available) == nullptr) {
        const auto suback =
            client.try_subscribe({{"i"}}, {number_property(subscription_identifier, 1)});
        demand(suback.reason_codes[0] != 0xA1, "Subscription Identifiers", describe(suback));
    }
    if (find(announced, retain_available) == nullptr) {
        client.publish({.topic = "r", .payload = "kept", .retain = Retain::yes});
        client.subscribe("r");
        client.expect_publish({.topic = "r", .payload = "kept", .retain = Retain::yes});
    }
}

CASE("v5/X5-29", "a Server Keep Alive is the one that counts",
     needs.time(std::chrono::seconds{33}).reduced()) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect(
        {.keep_alive = std::chrono::seconds{0}, .will = Will{.payload = "silent"}});
    const auto given = number_of(client.connack().properties, server_keep_alive);
    if (!given.has_value()) not_applicable("the broker leaves Keep Alive to the client");
    if (*given == 0 || *given > 20) not_applicable("its Server Keep Alive is too long to wait for");
    const auto silent_since = now();
    const auto limit = std::chrono::seconds{*given} * 3 / 2;
    const auto deadline = silent_since + limit + tolerances().timer_very_late();
    End end;
    while (!end.is_closed && now() < deadline) {
        end = client.wait_for_close(now() + std::chrono::milliseconds{500});
        watcher.ping();  // it has the same Server Keep Alive
    }
    demand(end.is_closed, "a close at about 1.5 times the Server Keep Alive",
           "the connection stays open");
    if (now() - silent_since < limit - tolerances().timer_early()) non_strict("closed early");
    watcher.expect_publish({.topic = "will", .payload = "silent"});
}

CASE("v5/X5-26", "a wildcard filter ends the connection of a broker that announces it has none",
     needs.reduced()) {
    if (capabilities().wildcards_available) not_applicable("the broker has wildcards");
    auto client = peer("client").connect();
    client.send(client.subscribe_packet({{"w/+"}}));
    client.expect_rejected({0xA2}, Detection::free);
}

CASE("v5/X5-64", "without Retained Messages all options about them act alike, and RETAIN is 0",
     needs.reduced()) {
    if (capabilities().retain_available) not_applicable("the broker retains messages");
    auto publisher = peer("publisher").connect();
    auto subscriber = peer("subscriber").connect();
    for (const std::uint8_t handling : std::array<std::uint8_t, 3>{0, 1, 2}) {
        subscriber.subscribe("t", {.retain_as_published = true, .retain_handling = handling});
        subscriber.expect_nothing();
        publisher.publish("t", at_most_once, "x");
        subscriber.expect_publish({.topic = "t", .payload = "x", .retain = Retain::no});
    }
}

CASE("v5/X5-27",
     "a Subscription Identifier or a Shared Subscription that the broker announces not "
     "to have ends the connection",
     needs.reduced()) {
    const auto& known = capabilities();
    if (known.subscription_identifiers_available && known.shared_subscriptions_available) {
        not_applicable("the broker has both");
    }
    auto client = peer("client").connect();
    if (!known.subscription_identifiers_available) {
        client.send(
            client.subscribe_packet({{"t"}}, {number_property(subscription_identifier, 1)}));
        client.expect_rejected({0xA1}, Detection::free);
        client.connect();
    }
    if (!known.shared_subscriptions_available) {
        client.send(client.subscribe_packet({{shared("g", "t")}}));
        client.expect_rejected({0x9E}, Detection::free);
    }
}

}  // namespace touchstone::conformance
