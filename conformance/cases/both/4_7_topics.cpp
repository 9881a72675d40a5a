// §4.7 Topic Names and Topic Filters.
#include <array>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

}  // namespace

CASE("v5/MQTT-4.7.1-1 v3.1.1/MQTT-4.7.1-2", "# is taken only alone, after a separator, and last",
     needs.wildcards()) {
    auto client = peer("client");
    for (const auto* filter : {"a#", "#/a", "a/#/b", "a/b#"}) {
        client.connect();
        client.send(client.subscribe_packet({{filter}})).send(build_pingreq());
        while (const auto packet = client.next()) {
            if (packet->type == PacketType::pingresp) break;
            if (packet->type != PacketType::suback || packet->reason_codes.empty()) continue;
            demand(packet->reason_codes[0] >= 0x80, "no grant of " + std::string{filter},
                   describe(*packet));
        }
    }
    client.connect();
    for (const auto* filter : {"#", "a/#", "a/b/#"}) client.subscribe(filter);
}

CASE("v5/MQTT-4.7.1-2 v3.1.1/MQTT-4.7.1-3", "+ is taken only as a whole level", needs.wildcards()) {
    auto client = peer("client");
    for (const auto* filter : {"a+", "+a", "a/b+/c", "a/+b"}) {
        client.connect();
        client.send(client.subscribe_packet({{filter}})).send(build_pingreq());
        while (const auto packet = client.next()) {
            if (packet->type == PacketType::pingresp) break;
            if (packet->type != PacketType::suback || packet->reason_codes.empty()) continue;
            demand(packet->reason_codes[0] >= 0x80, "no grant of " + std::string{filter},
                   describe(*packet));
        }
    }
    client.connect();
    for (const auto* filter : {"+", "+/+", "/+", "a/+/c", "+/#"}) client.subscribe(filter);
}

CASE("v5/MQTT-4.7.2-1 v3.1.1/MQTT-4.7.2-1",
     "filters that begin with a wildcard do not match topics that begin with $",
     needs.wildcards()) {
    auto subscriber = peer("subscriber").connect();
    const auto word = unique();
    for (const auto& filter :
         {std::string{"#"}, "+/" + word, std::string{"+/#"}, "+/" + word + "/#"}) {
        subscriber.subscribe(absolute(filter));
    }
    auto publisher = peer("publisher").connect();
    publisher.send_publish({.topic = absolute("$touchstone/" + word), .payload = "hidden"});
    publisher.send_publish({.topic = absolute("$touchstone/" + word + "/x"), .payload = "hidden"});
    // A broker may refuse such topics from a client: then the publisher is gone, and that is fine.
    const auto end = publisher.wait_for_close(now() + tolerances().close_before_asking());
    if (end.is_closed) publisher.connect();
    publisher.publish("visible", at_most_once, "x");
    subscriber.expect_publish({.topic = "visible"});
    for (const auto& packet : subscriber.collect()) {
        demand(!packet.topic.starts_with('$'), "no topic that begins with $", describe(packet));
    }
}

CASE("v5/MQTT-4.7.3-1 v3.1.1/MQTT-4.7.3-1", "an empty Topic Name or Topic Filter is not taken",
     needs.qos(1)) {
    auto client = peer("client").connect();
    client.send_publish({.topic = absolute(""), .qos = at_least_once, .payload = "x"});
    client.expect_rejected({0x82, 0x81, 0x90}, Detection::free);
    client.connect();
    client.send(client.subscribe_packet({{absolute("")}})).send(build_pingreq());
    while (const auto packet = client.next()) {
        if (packet->type == PacketType::pingresp) break;
        if (packet->type != PacketType::suback || packet->reason_codes.empty()) continue;
        demand(packet->reason_codes[0] >= 0x80, "no grant of an empty filter", describe(*packet));
    }
}

CASE("v5/MQTT-4.7.3-4 v3.1.1/MQTT-4.7.3-4",
     "topics are compared byte for byte and delivered as they were sent") {
    struct Pair {
        const char* filter;
        const char* topic;
    };
    constexpr std::array<Pair, 8> pairs{{
        {"\xC3\xA9", "e\xCC\x81"},  // é, composed and decomposed
        {"a", "A"},
        {"x//y", "x/y"},
        {"x/", "x"},
        {"x%20y", "x y"},
        {"blank", "blank "},
        {"\xEF\xBF\xBD", "?"},
        {"\xC5\xBF", "s"},  // long s
    }};
    auto publisher = peer("publisher").connect();
    auto subscriber = peer("subscriber").connect();
    for (const auto& pair : pairs) subscriber.subscribe(pair.filter);
    for (const auto& pair : pairs) {
        publisher.publish(pair.topic, at_most_once, "other");
        subscriber.expect_nothing();
        publisher.publish(pair.filter, at_most_once, "same");
        subscriber.expect_publish({.topic = pair.filter, .payload = "same"});
    }
}

}  // namespace touchstone::conformance
