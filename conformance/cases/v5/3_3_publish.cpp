// §3.3 of 5.0: properties of PUBLISH, Topic Aliases, Retain Handling, flow control (§4.9).
#include <algorithm>
#include <array>
#include <set>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;
using enum PropertyId;
using std::chrono::seconds;

/// A PUBLISH of a size that the filter of a small Maximum Packet Size tells apart.
std::string payload_of(std::size_t bytes) {
    return std::string(bytes, 'x');
}

}  // namespace

CASE("v5/MQTT-3.3.1-9", "Retain Handling 0: Retained Messages come at each SUBSCRIBE",
     needs.qos(1).retain()) {
    peer("publisher")
        .connect()
        .publish({.topic = "t", .qos = at_least_once, .payload = "kept", .retain = Retain::yes});
    auto reader = peer("reader").connect().settle().acknowledging();
    for (int i = 0; i < 3; ++i) {
        reader.subscribe("t", {.qos = at_least_once, .retain_handling = 0});
        reader.expect_publish({.topic = "t", .payload = "kept", .retain = Retain::yes});
        reader.expect_nothing_by_ping();
    }
}

CASE("v5/MQTT-3.3.1-10",
     "Retain Handling 1: Retained Messages come only if the subscription is new",
     needs.qos(1).retain()) {
    peer("publisher")
        .connect()
        .publish({.topic = "t", .qos = at_least_once, .payload = "kept", .retain = Retain::yes});
    auto reader = peer("reader").connect().settle().acknowledging();
    const SubscriptionOptions options{.qos = at_least_once, .retain_handling = 1};
    reader.subscribe("t", options);
    reader.expect_publish({.topic = "t", .payload = "kept", .retain = Retain::yes});
    reader.subscribe("t", options);
    reader.expect_nothing_by_ping();
    reader.unsubscribe({"t"});
    reader.subscribe("t", options);
    reader.expect_publish({.topic = "t", .payload = "kept", .retain = Retain::yes});
}

CASE("v5/MQTT-3.3.1-11", "Retain Handling 2: no Retained Messages come at SUBSCRIBE",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "kept", .retain = Retain::yes});
    auto reader = peer("reader").connect().settle().acknowledging();
    reader.subscribe("t", {.qos = at_least_once, .retain_handling = 2});
    reader.expect_nothing_by_ping();
    publisher.publish("t", at_least_once, "live");
    reader.expect_publish({.topic = "t", .payload = "live"});
}

CASE("v5/MQTT-3.3.1-13", "Retain As Published 1: RETAIN is as the publisher sent it",
     needs.qos(1).retain()) {
    auto reader = peer("reader").connect().settle().acknowledging();
    reader.subscribe("t", {.qos = at_least_once, .retain_as_published = true});
    auto publisher = peer("publisher").connect();
    for (const auto retain : {Retain::yes, Retain::no}) {
        publisher.publish({.topic = "t", .qos = at_least_once, .payload = "x", .retain = retain});
        reader.expect_publish({.topic = "t", .payload = "x", .retain = retain});
    }
}

CASE("v5/X5-63", "Retain Handling acts at SUBSCRIBE only, Retain As Published afterwards only",
     needs.qos(1).retain()) {
    auto publisher = peer("publisher").connect();
    auto reader = peer("reader").connect().settle().acknowledging();
    reader.subscribe("t",
                     {.qos = at_least_once, .retain_as_published = true, .retain_handling = 2});
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "live", .retain = Retain::yes});
    reader.expect_publish({.topic = "t", .payload = "live", .retain = Retain::yes});
    reader.unsubscribe({"t"});
    reader.subscribe("t", {.qos = at_least_once});
    reader.expect_publish({.topic = "t", .payload = "live", .retain = Retain::yes});
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "next", .retain = Retain::yes});
    reader.expect_publish({.topic = "t", .payload = "next", .retain = Retain::no});
}

CASE("v5/X5-63:reserved", "QoS 3 and Retain Handling 3 in SUBSCRIBE end the connection") {
    for (const auto* bits : {"03", "30"}) {
        auto client = peer("client").connect();
        client.send(client.subscribe_packet({{"t"}}).set("options_0", hex(bits)));
        client.expect_rejected({0x82, 0x81}, Detection::free);
    }
}

CASE("v5/MQTT-3.3.2-4 v5/MQTT-3.3.2-15 v5/MQTT-3.3.2-16 v5/MQTT-3.3.2-17 v5/MQTT-3.3.2-18 "
     "v5/MQTT-3.3.2-20 v5/X5-53",
     "the properties of a PUBLISH reach every receiver unchanged: live, queued and retained",
     needs.qos(1).retain().session_expiry()) {
    const Properties user_properties{
        pair_property("a", "1"), pair_property("b", "2"),
        pair_property("a", "0"), pair_property("a", "1"),
        pair_property("", ""),   pair_property("\xC3\xBC", "\xE2\x82\xAC")};
    struct Variant {
        const char* what;
        std::optional<std::uint32_t> format;
        std::string correlation;
    };
    using namespace std::string_literals;
    const std::array<Variant, 3> variants{{{"format 1", 1U, "\0\377\1"s},
                                           {"format 0", 0U, ""s},
                                           {"no format", std::nullopt, std::string(500, '\377')}}};
    auto live = peer("live").connect().acknowledging().subscribe("t", at_least_once);
    auto queued = peer("queued").connect(kept_session()).acknowledging();
    queued.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (const auto& variant : variants) {
        step(variant.what);
        queued.disconnect();
        Properties properties;
        if (variant.format.has_value()) {
            properties.push_back(number_property(payload_format_indicator, *variant.format));
        }
        properties.push_back(text_property(content_type, "application/json;x=y"));
        properties.push_back(text_property(response_topic, "r/1"));
        properties.push_back(text_property(correlation_data, variant.correlation));
        properties.insert(properties.end(), user_properties.begin(), user_properties.end());
        publisher.publish({.topic = "t",
                           .qos = at_least_once,
                           .payload = "text",
                           .retain = Retain::yes,
                           .properties = properties});
        const auto check = [&](const Packet& packet) {
            const auto& got = packet.properties;
            demand(number_of(got, payload_format_indicator).value_or(0) ==
                       variant.format.value_or(0),
                   "the Payload Format Indicator", describe(packet));
            demand(text_of(got, content_type) == "application/json;x=y", "the Content Type",
                   describe(packet));
            demand(text_of(got, response_topic) == "r/1", "the Response Topic", describe(packet));
            demand(text_of(got, correlation_data) == variant.correlation, "the Correlation Data",
                   describe(packet));
            demand(all_of(got, user_property) == user_properties,
                   "the User Properties in their order", describe(packet));
        };
        check(live.expect_publish({.topic = "t"}));
        check(peer(variant.what).connect().settle().subscribe("t", at_least_once).expect_message());
        queued.connect_expecting_session(true, kept_session()).acknowledging();
        check(queued.expect_publish({.topic = "t"}));
    }
}

CASE("v5/MQTT-3.3.2-5 v5/X5-50",
     "a message whose Message Expiry Interval has passed is not delivered, nor retained any longer",
     needs.qos(1).retain().session_expiry().time(seconds{6})) {
    auto subscriber = peer("subscriber").connect(kept_session()).acknowledging();
    subscriber.subscribe("t", at_least_once);
    subscriber.disconnect();
    auto publisher = peer("publisher").connect();
    const auto expiring = [](std::uint32_t interval_s) {
        return Properties{number_property(message_expiry_interval, interval_s)};
    };
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "short", .properties = expiring(2)});
    publisher.publish(
        {.topic = "t", .qos = at_least_once, .payload = "long", .properties = expiring(60)});
    publisher.publish({.topic = "r",
                       .qos = at_least_once,
                       .payload = "short",
                       .retain = Retain::yes,
                       .properties = expiring(2)});
    wait(seconds{2} + tolerances().timer_late(), "until the messages have expired");
    subscriber.connect_expecting_session(true, kept_session());
    subscriber.expect_publish({.topic = "t", .payload = "long"});
    subscriber.expect_nothing_by_ping();
    peer("reader").connect().settle().subscribe("r", at_least_once).expect_nothing_by_ping();
}

CASE("v5/MQTT-3.3.2-5:held-back",
     "a message that expires while Receive Maximum holds it back is not delivered",
     needs.qos(1).time(seconds{6})) {
    auto subscriber = peer("subscriber").connect({.receive_maximum = 1});
    subscriber.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "first");
    const auto first = subscriber.expect_publish({.topic = "t", .payload = "first"});
    publisher.publish({.topic = "t",
                       .qos = at_least_once,
                       .payload = "expires",
                       .properties = {number_property(message_expiry_interval, 1)}});
    publisher.publish("t", at_least_once, "last");
    wait(seconds{1} + tolerances().timer_late(), "until the message has expired");
    subscriber.acknowledge(first);
    publisher.publish("t", at_most_once, "QoS 0");
    bool has_last = false;
    for (const auto& packet : subscriber.collect()) {
        demand(packet.payload != "expires", "no expired message", describe(packet));
        has_last = has_last || packet.payload == "last";
    }
    // No statement says when a message has to be sent.
    if (!has_last) non_strict("the message behind the expired one does not follow");
}

CASE("v5/MQTT-3.3.2-6",
     "the Message Expiry Interval is forwarded less the time that the message waited",
     needs.qos(1).retain().session_expiry().time(seconds{5})) {
    auto live = peer("live").connect().acknowledging().subscribe("t", at_least_once);
    auto queued = peer("queued").connect(kept_session()).acknowledging();
    queued.subscribe("t", at_least_once);
    queued.disconnect();
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t",
                       .qos = at_least_once,
                       .payload = "x",
                       .retain = Retain::yes,
                       .properties = {number_property(message_expiry_interval, 30)}});
    const auto published = now();
    const auto check = [&](const Packet& packet) {
        const auto waited = std::chrono::duration_cast<seconds>(now() - published).count();
        const auto left = number_of(packet.properties, message_expiry_interval);
        demand(left.has_value(), "a Message Expiry Interval", describe(packet));
        // Brokers round either way, and their clocks tick in seconds.
        const auto slack = 1 + std::chrono::duration_cast<seconds>(tolerances().round_trip).count();
        const auto expected = 30 - waited;
        demand(*left <= static_cast<std::uint64_t>(expected + slack) &&
                   *left + static_cast<std::uint64_t>(slack) + 1 >=
                       static_cast<std::uint64_t>(std::max<std::int64_t>(0, expected)),
               "an interval of about " + std::to_string(expected), describe(packet));
    };
    check(live.expect_publish({.topic = "t"}));
    wait(seconds{4}, "while the message waits");
    queued.connect_expecting_session(true, kept_session());
    check(queued.expect_publish({.topic = "t"}));
    check(peer("reader").connect().settle().subscribe("t", at_least_once).expect_message());
}

CASE("v5/MQTT-3.3.2-13 v5/MQTT-3.3.2-19",
     "a Response Topic or Content Type that is not well-formed UTF-8 is not forwarded") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    using namespace std::string_literals;
    for (const auto id : {response_topic, content_type}) {
        for (const auto& bad : {"\xED\xA0\x80"s, "a\0b"s}) {
            auto publisher = peer("publisher").connect();
            publisher.send_publish({.topic = "t", .properties = {text_property(id, bad)}});
            // A broker that passes it on breaks the statement: the reader would object.
            publisher.expect_rejected({0x81}, Detection::free);
            subscriber.collect();
        }
    }
}

CASE("v5/MQTT-3.3.2-14", "a Response Topic with wildcards is not forwarded") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    for (const auto* bad : {"a/#", "a/+"}) {
        auto publisher = peer("publisher").connect();
        publisher.send_publish({.topic = "t", .properties = {text_property(response_topic, bad)}});
        publisher.expect_rejected({0x82, 0x81, 0x90}, Detection::free);
        subscriber.collect();
    }
}

CASE("v5/X5-52", "whether a payload is checked against its Payload Format Indicator",
     needs.qos(1)) {
    auto client = peer("client").connect();
    const auto id =
        client.send_publish({.topic = "t",
                             .qos = at_least_once,
                             .payload = "\xFF",
                             .properties = {number_property(payload_format_indicator, 1)}});
    const auto end = client.wait_for_close(now() + tolerances().close_before_asking());
    bool is_accepted = false;
    for (const auto& packet : end.others) {
        if (packet.type != PacketType::puback || packet.packet_id != id) continue;
        is_accepted = packet.reason_code < 0x80;
    }
    observed(is_accepted ? "not checked" : "checked");
}

CASE("v5/X5-54", "properties of acknowledgements and requests stay on their connection",
     needs.qos(2)) {
    const Properties mine{pair_property("secret", "hop")};
    auto subscriber = peer("subscriber").connect({.properties = mine});
    subscriber.send(subscriber.subscribe_packet({{"t", {.qos = exactly_once}}}, mine));
    subscriber.expect(PacketType::suback);
    auto publisher = peer("publisher").connect({.properties = mine});
    const auto id = publisher.send_publish({.topic = "t", .qos = exactly_once, .payload = "x"});
    publisher.expect_acknowledgement(PacketType::pubrec, id);
    publisher.send_acknowledgement(PacketType::pubrel, id, 0, mine);
    publisher.expect_acknowledgement(PacketType::pubcomp, id);
    const auto packet = subscriber.expect_publish({.topic = "t", .payload = "x"});
    demand(packet.properties.empty(), "no property", describe(packet));
    subscriber.send_acknowledgement(PacketType::pubrec, packet.packet_id, 0, mine);
    const auto pubrel = subscriber.expect_acknowledgement(PacketType::pubrel, packet.packet_id);
    for (const auto& property : pubrel.properties) {
        demand(property.text != "secret", "no property of another packet", describe(pubrel));
    }
    subscriber.send_acknowledgement(PacketType::pubcomp, packet.packet_id, 0, mine);
    subscriber.ping();
}

CASE("v5/X5-56", "between 5.0 and 3.1.1 messages pass without their properties", needs.qos(1)) {
    if (!capabilities().speaks_v3_1_1) not_applicable("the broker does not speak MQTT 3.1.1");
    auto old = peer("3.1.1").connect({.version = ProtocolVersion::v3_1_1}).acknowledging();
    old.subscribe("t", at_least_once);
    auto young = peer("5.0").connect().acknowledging().subscribe("t", at_least_once);
    young.publish({.topic = "t",
                   .qos = at_least_once,
                   .payload = "from 5.0",
                   .properties = {pair_property("a", "b"), text_property(content_type, "c")}});
    old.expect_publish({.topic = "t", .payload = "from 5.0"});
    young.expect_publish({.topic = "t", .payload = "from 5.0"});
    old.publish("t", at_least_once, "from 3.1.1");
    old.expect_publish({.topic = "t", .payload = "from 3.1.1"});
    const auto packet = young.expect_publish({.topic = "t", .payload = "from 3.1.1"});
    demand(packet.properties.empty(), "no properties", describe(packet));
}

// --- Topic Aliases -------------------------------------------------------------------------------

CASE("v5/MQTT-3.3.2-7 v5/X5-07", "a Topic Alias ends with its connection",
     needs.topic_aliases(1).session_expiry()) {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect(kept_session());
    publisher.publish(
        {.topic = "t", .payload = "set", .properties = {number_property(topic_alias, 1)}});
    subscriber.expect_publish({.topic = "t", .payload = "set"});
    publisher.disconnect();
    publisher.connect_expecting_session(true, kept_session());
    publisher.send_publish({.topic = absolute(""),
                            .payload = "stale",
                            .properties = {number_property(topic_alias, 1)}});
    publisher.expect_rejected({0x82}, Detection::free);
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.3.2-8", "a Topic Alias of 0 ends the connection") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    publisher.send_publish({.topic = "t", .properties = {number_property(topic_alias, 0)}});
    const auto end = publisher.expect_rejected({0x94}, Detection::free);
    if (end.is_closed) subscriber.expect_nothing();
}

CASE("v5/MQTT-3.3.2-9 v5/MQTT-3.2.2-17 v5/X5-41:maximum",
     "a Topic Alias above the broker's maximum ends the connection", needs.topic_aliases(1)) {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    const auto maximum = capabilities().topic_alias_maximum;
    std::vector<std::uint32_t> aliases;
    if (maximum < 65'535) aliases = {maximum + 1U, 65'535U};
    if (aliases.empty()) not_applicable("every Topic Alias is allowed");
    for (const auto alias : aliases) {
        auto publisher = peer("publisher").connect();
        publisher.send_publish({.topic = "t", .properties = {number_property(topic_alias, alias)}});
        const auto end = publisher.expect_rejected({0x94}, Detection::free);
        if (end.is_closed) subscriber.expect_nothing();
        subscriber.collect();
    }
}

CASE("v5/MQTT-3.2.2-18", "a broker that announces no Topic Alias Maximum takes none",
     needs.reduced()) {
    if (capabilities().topic_alias_maximum > 0) not_applicable("the broker takes Topic Aliases");
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    publisher.send_publish({.topic = "t", .properties = {number_property(topic_alias, 1)}});
    const auto end = publisher.expect_rejected({0x94}, Detection::free);
    if (end.is_closed) subscriber.expect_nothing();
}

CASE("v5/MQTT-3.3.2-12 v5/X5-40", "every Topic Alias up to the announced maximum can be used",
     needs.topic_aliases(1).wildcards()) {
    const std::uint32_t count = std::min<std::uint32_t>(capabilities().topic_alias_maximum, 40);
    auto subscriber = peer("subscriber").connect().subscribe("t/+");
    auto publisher = peer("publisher").connect();
    const auto publish = [&](std::uint32_t alias, const Topic& topic) {
        publisher.publish(
            {.topic = topic, .payload = "x", .properties = {number_property(topic_alias, alias)}});
    };
    const auto topic_of = [](std::uint32_t alias) { return "t/" + std::to_string(alias); };
    // The largest one, too, however many there are.
    std::vector<std::uint32_t> aliases;
    for (std::uint32_t alias = 1; alias < count; ++alias) aliases.push_back(alias);
    aliases.push_back(capabilities().topic_alias_maximum);
    for (const auto alias : aliases) {
        publish(alias, topic_of(alias));
        subscriber.expect_publish({.topic = topic_of(alias)});
    }
    for (const auto alias : aliases) {
        publish(alias, absolute(""));
        subscriber.expect_publish({.topic = topic_of(alias)});
    }
    step("one of them gets another topic");
    publish(aliases.back(), "t/new");
    subscriber.expect_publish({.topic = "t/new"});
    publish(aliases.back(), absolute(""));
    subscriber.expect_publish({.topic = "t/new"});
}

CASE("v5/X5-41", "an empty Topic Name with an unknown Topic Alias, or none, ends the connection",
     needs.topic_aliases(1)) {
    auto publisher = peer("publisher").connect();
    publisher.send_publish(
        {.topic = absolute(""), .properties = {number_property(topic_alias, 1)}});
    publisher.expect_rejected({0x82}, Detection::free);
    publisher.connect();
    publisher.send_publish({.topic = absolute("")});
    publisher.expect_rejected({0x82, 0x81, 0x90}, Detection::free);
}

CASE("v5/X5-42", "the publisher's Topic Alias is not forwarded", needs.topic_aliases(1)) {
    // A client that takes no aliases: the monitor objects to any.
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    publisher.publish(
        {.topic = "t", .payload = "x", .properties = {number_property(topic_alias, 1)}});
    const auto packet = subscriber.expect_publish({.topic = "t", .payload = "x"});
    demand(find(packet.properties, topic_alias) == nullptr, "no Topic Alias", describe(packet));
}

CASE("v5/MQTT-3.1.2-26 v5/MQTT-3.3.2-11 v5/X5-43",
     "the broker's Topic Aliases keep to the client's maximum, and can be resolved",
     needs.wildcards()) {
    // The monitor judges each alias and puts the Topic Name in place.
    for (const std::uint16_t maximum : std::array<std::uint16_t, 2>{1, 5}) {
        auto subscriber = peer("subscriber").connect({.topic_alias_maximum = maximum});
        subscriber.subscribe("t/+");
        auto publisher = peer("publisher").connect();
        for (int i = 0; i < 24; ++i) {
            const auto topic = "t/" + std::to_string(i % 8);
            publisher.publish(topic, at_most_once, std::to_string(i));
            subscriber.expect_publish({.topic = topic, .payload = std::to_string(i)});
        }
    }
}

CASE("v5/MQTT-3.1.2-27", "a client that takes no Topic Aliases gets none") {
    for (const auto& options :
         {ConnectOptions{}, ConnectOptions{.topic_alias_maximum = std::uint16_t{0}}}) {
        auto subscriber = peer("subscriber").connect(options).subscribe("t");
        auto publisher = peer("publisher").connect();
        for (int i = 0; i < 4; ++i) {
            publisher.publish("t", at_most_once, "x");
            const auto packet = subscriber.expect_publish({.topic = "t", .payload = "x"});
            demand(find(packet.properties, topic_alias) == nullptr, "no Topic Alias",
                   describe(packet));
        }
    }
}

// --- Maximum Packet Size -------------------------------------------------------------------------

CASE("v5/MQTT-3.1.2-24", "no packet is larger than the client's Maximum Packet Size") {
    constexpr std::uint32_t limit = 64;
    auto subscriber = peer("subscriber").connect({.maximum_packet_size_bytes = limit});
    subscriber.subscribe("t");
    auto publisher = peer("publisher").connect();
    // Fixed header 2, Topic Name with length, Property Length 1.
    const std::size_t overhead = 2 + 2 + full("t").size() + 1;
    for (const std::size_t size : {limit - 1, limit, limit + 1, 2 * limit}) {
        const auto payload = payload_of(size - overhead);
        publisher.publish("t", at_most_once, payload);
        if (size <= limit) subscriber.expect_publish({.topic = "t", .payload = payload});
    }
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.1.2-24:connack",
     "CONNACK, too, keeps to the client's Maximum Packet Size, or the broker closes") {
    // The monitor compares each packet with the limit.
    auto client = peer("client");
    for (const std::uint32_t limit : {1U, 4U, 5U, 12U}) {
        client.open().send(client.connect_packet({.maximum_packet_size_bytes = limit}));
        const auto end = client.wait_for_close(now() + tolerances().answer());
        demand(end.is_closed || end.connack.has_value(), "a CONNACK that fits, or a close",
               "neither");
    }
}

CASE("v5/MQTT-3.1.2-25",
     "a message too large for the client counts as delivered: no quota used, no later delivery",
     needs.qos(2).session_expiry()) {
    for (const auto qos : {at_least_once, exactly_once}) {
        const auto name = std::to_string(static_cast<int>(qos));
        const ConnectOptions small{.clean_start = CleanStart::no,
                                   .session_expiry_s = 60,
                                   .receive_maximum = 1,
                                   .maximum_packet_size_bytes = 80};
        auto subscriber = peer("subscriber " + name).connect(small).subscribe("t/" + name, qos);
        auto publisher = peer("publisher").connect();
        publisher.publish("t/" + name, qos, payload_of(200));
        publisher.publish("t/" + name, qos, "small 1");
        publisher.publish("t/" + name, qos, "small 2");
        subscriber.expect_message({.topic = "t/" + name, .payload = "small 1"});
        subscriber.expect_message({.topic = "t/" + name, .payload = "small 2"});
        subscriber.disconnect();
        subscriber.connect_expecting_session(true, kept_session());
        subscriber.expect_nothing_by_ping();
    }
}

CASE("v5/MQTT-3.4.2-2 v5/MQTT-3.4.2-3 v5/MQTT-3.5.2-2 v5/MQTT-3.5.2-3 v5/MQTT-3.6.2-2 "
     "v5/MQTT-3.6.2-3 v5/MQTT-3.7.2-2 v5/MQTT-3.7.2-3 v5/MQTT-3.11.2-1 v5/MQTT-3.11.2-2 "
     "v5/MQTT-3.9.2-1 v5/MQTT-3.9.2-2",
     "acknowledgements keep to the client's Maximum Packet Size, whatever they could explain",
     needs.qos(2)) {
    // The monitor compares each packet with the limit: as low as the broker's CONNACK allows.
    auto client = peer("client").connect();
    const auto limit = static_cast<std::uint32_t>(client.connack().raw.size());
    client.disconnect();
    client.connect({.maximum_packet_size_bytes = limit});
    client.publish("nobody", at_least_once, "x");
    client.publish("nobody", exactly_once, "x");
    client.send_acknowledgement(PacketType::pubrel, 999);
    client.expect_acknowledgement(PacketType::pubcomp, 999);
    client.unsubscribe({"never/subscribed"});
    client.send(client.subscribe_packet({{"$share/g"}}));
    client.wait_for_close(now() + tolerances().close_before_asking());
    client.connect({.maximum_packet_size_bytes = limit});
    client.send_acknowledgement(PacketType::pubrec, 998);
    client.wait_for_close(now() + tolerances().close_before_asking());
}

// --- Acknowledgements ----------------------------------------------------------------------------

CASE("v5/MQTT-3.4.2-1 v5/MQTT-3.5.2-1 v5/MQTT-3.7.2-1 v5/MQTT-3.6.2-1",
     "acknowledgements have codes of their tables", needs.qos(2)) {
    // The reader judges each code.
    auto client = peer("client").connect().subscribe("t", exactly_once);
    client.publish("nobody", at_least_once, "x");
    client.publish("nobody", exactly_once, "x");
    client.publish("t", at_least_once, "x");
    client.expect_message({.topic = "t"});
    client.publish("t", exactly_once, "x");
    client.expect_message({.topic = "t"});
    client.send_acknowledgement(PacketType::pubrel, 4'711);
    const auto pubcomp = client.expect_acknowledgement(PacketType::pubcomp, 4'711);
    if (pubcomp.reason_code != 0x92) {
        non_strict("PUBREL with an unknown Packet Identifier: " + describe(pubcomp) +
                   " instead of 0x92");
    }
}

CASE("v5/MQTT-4.4.0-2 v5/X5-85",
     "an acknowledgement with 0x80 or above settles the message: no resend, no PUBREL, no close",
     needs.qos(2).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session());
    subscriber.subscribe("t/1", at_least_once).subscribe("t/2", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t/1", at_least_once, "one");
    publisher.publish("t/2", exactly_once, "two");
    for (const auto& packet : subscriber.expect_publishes(2)) {
        subscriber.send_acknowledgement(packet.qos == 1 ? PacketType::puback : PacketType::pubrec,
                                        packet.packet_id, packet.qos == 1 ? 0x80 : 0x97);
    }
    subscriber.expect_nothing();
    subscriber.cut();
    subscriber.connect_expecting_session(true, kept_session());
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.3.3-4:refused v5/X5-22:pubrec",
     "a PUBREC with 0x80 or above gets no PUBREL, and frees a place for the next message",
     needs.qos(2)) {
    auto subscriber = peer("subscriber").connect({.receive_maximum = 1});
    subscriber.subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish("t", exactly_once, "one");
    publisher.publish("t", exactly_once, "two");
    const auto one = subscriber.expect_publish({.topic = "t", .payload = "one"});
    subscriber.expect_nothing();
    subscriber.send_acknowledgement(PacketType::pubrec, one.packet_id, 0x83);
    subscriber.expect_message({.topic = "t", .payload = "two"});
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-4.3.3-7 v5/X5-51", "a QoS 2 message that was sent does not expire any more",
     needs.qos(2).session_expiry().time(seconds{6})) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", exactly_once);
    auto publisher = peer("publisher").connect();
    publisher.publish({.topic = "t",
                       .qos = exactly_once,
                       .payload = "sent",
                       .properties = {number_property(message_expiry_interval, 2)}});
    subscriber.expect_publish({.topic = "t", .payload = "sent"});
    subscriber.cut();
    wait(seconds{2} + tolerances().timer_late(), "longer than the Message Expiry Interval");
    subscriber.connect_expecting_session(true, kept_session());
    subscriber.expect_message({.topic = "t", .payload = "sent", .dup = Dup::yes});
}

CASE("v5/MQTT-4.3.3-13", "a QoS 2 exchange is completed although its message has expired",
     needs.qos(2).time(seconds{5})) {
    auto publisher = peer("publisher").connect();
    const auto id =
        publisher.send_publish({.topic = "t",
                                .qos = exactly_once,
                                .properties = {number_property(message_expiry_interval, 1)}});
    publisher.expect_acknowledgement(PacketType::pubrec, id);
    wait(seconds{1} + tolerances().timer_late(), "longer than the Message Expiry Interval");
    publisher.send_acknowledgement(PacketType::pubrel, id);
    const auto pubcomp = publisher.expect_acknowledgement(PacketType::pubcomp, id);
    demand(pubcomp.reason_code == 0, "PUBCOMP with code 0", describe(pubcomp));
}

CASE("v5/MQTT-3.3.4-6",
     "a PUBLISH of a client with a Subscription Identifier ends the connection") {
    auto subscriber = peer("subscriber").connect().subscribe("t");
    auto publisher = peer("publisher").connect();
    publisher.send_publish({.topic = "t",
                            .payload = "x",
                            .properties = {number_property(subscription_identifier, 4'711)}});
    publisher.expect_rejected({0x82, 0x81}, Detection::free);
    for (const auto& packet : subscriber.collect()) {
        demand(find(packet.properties, subscription_identifier) == nullptr,
               "no Subscription Identifier of the publisher", describe(packet));
    }
}

CASE("v5/MQTT-3.3.4-7 v5/X5-23",
     "more unacknowledged messages than the broker's Receive Maximum end the connection",
     needs.qos(2).receive_maximum_at_most(2'000)) {
    auto client = peer("client").connect();
    const unsigned maximum = capabilities().receive_maximum;
    // QoS 2 without PUBREL: each PUBLISH stays open.
    for (unsigned i = 0; i < maximum; ++i) {
        const auto id = client.send_publish({.topic = "t", .qos = exactly_once});
        client.expect_acknowledgement(PacketType::pubrec, id);
    }
    client.ping();
    client.send_publish({.topic = "t", .qos = exactly_once});
    client.expect_rejected({0x93}, Detection::free);
}

CASE("v5/MQTT-3.3.4-9 v5/MQTT-4.9.0-2 v5/MQTT-4.9.0-1:two",
     "no more than the client's Receive Maximum is unacknowledged; PUBREC alone frees no place",
     needs.qos(2)) {
    for (const auto qos : {at_least_once, exactly_once}) {
        auto subscriber = peer("subscriber").connect({.receive_maximum = 2});
        subscriber.subscribe("t", qos);
        auto publisher = peer("publisher").connect();
        for (int i = 0; i < 6; ++i) publisher.publish("t", qos, std::to_string(i));
        const auto packets = subscriber.expect_publishes(2);
        subscriber.expect_nothing();
        if (qos == exactly_once) {
            subscriber.send_acknowledgement(PacketType::pubrec, packets[0].packet_id);
            subscriber.expect_acknowledgement(PacketType::pubrel, packets[0].packet_id);
            subscriber.expect_nothing();
            subscriber.send_acknowledgement(PacketType::pubcomp, packets[0].packet_id);
        } else {
            subscriber.acknowledge(packets[0]);
        }
        subscriber.expect_publish({.topic = "t", .payload = "2"});
        subscriber.expect_nothing();
        subscriber.disconnect();
    }
}

CASE("v5/MQTT-4.9.0-1", "with Receive Maximum 1 one message comes before the first acknowledgement",
     needs.qos(1)) {
    auto subscriber = peer("subscriber").connect({.receive_maximum = 1});
    subscriber.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (int i = 0; i < 3; ++i) publisher.publish("t", at_least_once, std::to_string(i));
    for (int i = 0; i < 3; ++i) {
        const auto packet = subscriber.expect_publish({.topic = "t", .payload = std::to_string(i)});
        subscriber.expect_nothing();
        subscriber.acknowledge(packet);
    }
}

CASE("v5/X5-22", "the send quota starts anew with each connection, and never exceeds its start",
     needs.qos(1).session_expiry()) {
    auto options = kept_session();
    options.receive_maximum = 2;
    auto subscriber = peer("subscriber").connect(options).subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    step("acknowledgements that belong to nothing give no places");
    for (const std::uint16_t id : std::array<std::uint16_t, 3>{901, 902, 903}) {
        subscriber.send_acknowledgement(PacketType::puback, id);
    }
    const auto end = subscriber.wait_for_close(now() + tolerances().close_before_asking());
    if (end.is_closed) {
        // A stray PUBACK may be taken for a Protocol Error; then this part cannot be judged.
        subscriber.connect(options);
    }
    for (int i = 0; i < 5; ++i) publisher.publish("t", at_least_once, std::to_string(i));
    subscriber.expect_publishes(2);
    subscriber.expect_nothing();
    step("a new connection with another limit");
    subscriber.cut();
    options.receive_maximum = 3;
    subscriber.connect_expecting_session(true, options);
    subscriber.expect_publishes(3);
    subscriber.expect_nothing();
}

CASE("v5/MQTT-4.9.0-2:unknown", "an acknowledgement of nothing that was sent frees no place",
     needs.qos(1)) {
    auto subscriber = peer("subscriber").connect({.receive_maximum = 1});
    subscriber.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (int i = 0; i < 3; ++i) publisher.publish("t", at_least_once, std::to_string(i));
    const auto first = subscriber.expect_publish({.topic = "t", .payload = "0"});
    const auto unknown = static_cast<std::uint16_t>(first.packet_id ^ 0x4000U);
    subscriber.send(build_acknowledgement(version(), PacketType::puback, unknown));
    // It is the client's mistake, so the broker may close; a second message is one too many.
    subscriber.wait_for_close(now() + tolerances().close_before_asking());
    if (!subscriber.is_open()) return;
    subscriber.acknowledge(first);
    subscriber.expect_publish({.topic = "t", .payload = "1"});
    subscriber.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.3.4-10 v5/MQTT-4.9.0-3",
     "with no send quota left every other packet is still answered", needs.qos(1)) {
    auto subscriber = peer("subscriber").connect({.receive_maximum = 1});
    subscriber.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (int i = 0; i < 3; ++i) publisher.publish("t", at_least_once, std::to_string(i));
    subscriber.expect_publish({.topic = "t", .payload = "0"});
    subscriber.ping();
    subscriber.subscribe("u");
    subscriber.publish("u", at_least_once, "own");
    subscriber.unsubscribe({"u"});
    // §4.9 lets a server go on with QoS 0, or suspend it as well.
    bool has_own = false;
    for (auto packet = subscriber.next(); packet.has_value() && !has_own;) {
        has_own = packet->topic == full("u");
        demand(has_own, "no further message with a QoS above 0", describe(*packet));
    }
    if (!has_own) observed("QoS 0 messages wait, too");
}

}  // namespace touchstone::conformance
