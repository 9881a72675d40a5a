// §3.1.2.5 and §3.1.3.2 of 5.0: Will Delay, Will Properties; §3.1.2.11.2 Session Expiry Interval;
// §3.14 DISCONNECT.
#include <array>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;
using enum PropertyId;
using std::chrono::seconds;

}  // namespace

CASE("v5/MQTT-3.1.2-8 v5/X5-12",
     "DISCONNECT with a code other than 0 leaves the Will to be published") {
    auto watcher = peer("watcher").connect().subscribe("will");
    for (const std::uint8_t code : std::array<std::uint8_t, 4>{0x04, 0x80, 0x82, 0x97}) {
        const auto payload = "code " + std::to_string(code);
        auto client = peer("client").connect({.will = Will{.payload = payload}});
        client.disconnect(code);
        watcher.expect_publish({.topic = "will", .payload = payload});
    }
}

CASE("v5/MQTT-3.1.2-8:delay v5/MQTT-3.1.2-7:delay",
     "a Will with a delay is published when the delay is over, not before",
     needs.session_expiry().time(seconds{8})) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect(
        {.session_expiry_s = 60, .will = Will{.payload = "delayed", .delay_s = 3}});
    const auto cut_at = now();
    client.cut();
    watcher.expect_publish({.topic = "will",
                            .payload = "delayed",
                            .within = seconds{3} + tolerances().timer_very_late()});
    const auto waited = now() - cut_at;
    const auto text = "after " + std::to_string(waited.count() / 1'000) + " ms";
    demand(waited >= seconds{3} - tolerances().timer_early(), "the Will after 3 s", text);
    if (waited > seconds{3} + tolerances().timer_late()) non_strict("published late, " + text);
}

CASE("v5/MQTT-3.1.2-8:session-end",
     "a Will with a delay is published when its Session ends before the delay",
     needs.session_expiry().time(seconds{7})) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect(
        {.session_expiry_s = 2, .will = Will{.payload = "session ends", .delay_s = 60}});
    const auto cut_at = now();
    client.cut();
    watcher.expect_publish({.topic = "will",
                            .payload = "session ends",
                            .within = seconds{2} + tolerances().timer_very_late()});
    const auto waited = now() - cut_at;
    const auto text = "after " + std::to_string(waited.count() / 1'000) + " ms";
    demand(waited >= seconds{2} - tolerances().timer_early(), "the Will after 2 s", text);
    if (waited > seconds{2} + tolerances().timer_late()) non_strict("published late, " + text);
}

CASE("v5/MQTT-3.1.2-8:session-expiry-0",
     "a Will with a delay is published at once when the Session ends with the connection") {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect({.will = Will{.payload = "no session", .delay_s = 60}});
    client.cut();
    watcher.expect_publish({.topic = "will", .payload = "no session"});
}

CASE("v5/MQTT-3.1.3-9", "a client that is back before the Will Delay is over: its Will is not sent",
     needs.session_expiry().time(seconds{7})) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect({.clean_start = CleanStart::no,
                                          .session_expiry_s = 60,
                                          .will = Will{.payload = "must not come", .delay_s = 3}});
    client.cut();
    wait(seconds{1}, "less than the Will Delay");
    client.connect_expecting_session(true, {.clean_start = CleanStart::no, .session_expiry_s = 60});
    wait(seconds{5}, "until the delay would be over");
    peer("other").connect().publish("other", at_most_once);
    watcher.expect_nothing();
}

CASE("v5/X5-14", "a new Session ends the old one, so a Will that waits is published",
     needs.session_expiry()) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect(
        {.session_expiry_s = 60, .will = Will{.payload = "session ended", .delay_s = 30}});
    client.cut();
    client.connect();
    peer("other").connect().publish("other", at_most_once);
    // "Defects of the standards": two sentences disagree, so this is no fail.
    if (watcher.collect().empty()) non_strict("the Will is not published");
}

CASE("v5/MQTT-3.1.2-10:delay v5/MQTT-3.14.4-3:delay",
     "DISCONNECT removes a Will with a delay for good", needs.session_expiry().time(seconds{5})) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect(
        {.session_expiry_s = 2, .will = Will{.payload = "must not come", .delay_s = 1}});
    client.disconnect();
    wait(seconds{4}, "past the Will Delay and the end of the Session");
    peer("other").connect().publish("other", at_most_once);
    watcher.expect_nothing();
}

CASE("v5/X5-11 v5/MQTT-3.1.3-10",
     "the Will is published with its properties, User Properties in their order") {
    const Properties user_properties{pair_property("a", "1"), pair_property("b", "2"),
                                     pair_property("a", "3"), pair_property("a", "1")};
    Properties properties{
        number_property(payload_format_indicator, 1), number_property(message_expiry_interval, 60),
        text_property(content_type, "text/plain"), text_property(response_topic, full("response")),
        text_property(correlation_data, std::string_view{"\0\xFF", 2})};
    properties.insert(properties.end(), user_properties.begin(), user_properties.end());
    auto watcher = peer("watcher").connect().subscribe("will");
    peer("client")
        .connect({.will = Will{.payload = "text", .delay_s = 0, .properties = properties}})
        .cut();
    const auto will = watcher.expect_publish({.topic = "will", .payload = "text"});
    const auto& got = will.properties;
    demand(number_of(got, payload_format_indicator) == 1U, "Payload Format Indicator 1",
           describe(will));
    const auto expiry = number_of(got, message_expiry_interval).value_or(0);
    demand(expiry >= 55 && expiry <= 60, "Message Expiry Interval of about 60", describe(will));
    demand(text_of(got, content_type) == "text/plain", "the Content Type", describe(will));
    demand(text_of(got, response_topic) == full("response"), "the Response Topic", describe(will));
    demand(text_of(got, correlation_data) == std::string("\0\xFF", 2), "the Correlation Data",
           describe(will));
    demand(all_of(got, user_property) == user_properties, "the User Properties in their order",
           describe(will));
}

CASE("v5/X5-13", "a CONNECT with a Will whose payload is not of its format may be refused") {
    auto client = peer("client");
    client.open().send(client.connect_packet(
        {.will = Will{.payload = "\xFF\xFE",
                      .properties = {number_property(payload_format_indicator, 1)}}}));
    const auto end = client.wait_for_close(now() + tolerances().answer());
    demand(end.connack.has_value() || end.is_closed, "an answer", "nothing");
    if (end.connack.has_value() && end.connack->reason_code == 0) {
        client.disconnect();
        observed("the payload of a Will is not checked");
    } else {
        observed("the payload of a Will is checked");
    }
}

CASE("v5/X5-01", "without a Session Expiry Interval the Session ends with its connection",
     needs.qos(1)) {
    auto client = peer("client").connect().subscribe("t", at_least_once);
    client.disconnect();
    peer("publisher").connect().publish("t", at_least_once, "too late");
    client.connect_expecting_session(false, {.clean_start = CleanStart::no});
    client.expect_nothing_by_ping();
}

CASE("v5/X5-02", "a Session Expiry Interval in CONNACK replaces the requested one") {
    auto client = peer("client").connect({.session_expiry_s = 0xFFFF'FFFF});
    const auto given = number_of(client.connack().properties, session_expiry_interval);
    observed(given.has_value()
                 ? "a Session that shall never expire is given " + std::to_string(*given) + " s"
                 : "a Session may never expire");
    client.disconnect();
    if (given.has_value() && *given == 0) return;
    client.connect_expecting_session(true, {.clean_start = CleanStart::no, .session_expiry_s = 1});
}

CASE("v5/X5-03", "a Session Expiry Interval in DISCONNECT replaces that of CONNECT",
     needs.session_expiry()) {
    auto client = peer("client").connect(kept_session());
    client.disconnect(0, {number_property(session_expiry_interval, 0)});
    client.connect_expecting_session(false, kept_session());
}

CASE("v5/X5-04",
     "a Session Expiry Interval above 0 in DISCONNECT after 0 in CONNECT is a Protocol Error, so "
     "the Will is published") {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect({.will = Will{.payload = "no valid disconnect"}});
    client.send(
        build_disconnect(client.version(), 0, {number_property(session_expiry_interval, 9)}));
    const auto end = client.wait_for_close(now() + tolerances().answer());
    demand(end.is_closed, "a close", "the connection stays open");
    peer("other").connect().publish("other", at_most_once);
    if (watcher.collect().empty()) non_strict("the packet was taken for a valid DISCONNECT");
}

CASE("v5/MQTT-4.1.0-2 v5/X5-08",
     "a Session is gone when it had no connection for its Session Expiry Interval",
     needs.qos(1).session_expiry().time(seconds{10})) {
    auto subscriber =
        peer("subscriber").connect({.clean_start = CleanStart::no, .session_expiry_s = 2});
    subscriber.subscribe("t", at_least_once);
    wait(seconds{3}, "longer than the interval, but connected");
    subscriber.disconnect();
    auto publisher = peer("publisher").connect();
    publisher.publish("t", at_least_once, "lost with the session");
    const auto back = ConnectOptions{.clean_start = CleanStart::no, .session_expiry_s = 2};
    wait(seconds{2} + tolerances().timer_late(), "until the Session has expired");
    subscriber.connect(back);
    if (subscriber.connack().session_present()) {
        // Some brokers look for expired Sessions once in a while.
        subscriber.disconnect();
        wait(seconds{2} + tolerances().timer_very_late(), "much longer");
        subscriber.connect_expecting_session(false, back);
        non_strict("the Session lived longer than its interval");
    }
    subscriber.expect_nothing_by_ping();
    publisher.publish("t", at_least_once, "no subscription");
    subscriber.expect_nothing();
}

CASE("v5/MQTT-3.14.0-1", "no DISCONNECT comes before a successful CONNACK") {
    // The monitor objects to one.
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet().flip("connect_flags", 0x01), {});
    client.expect_connect_refused(client.connect_packet().set("protocol_name", "MQTx"), {},
                                  RefusalAnswer::any_version);
    client.open().send(hex("c0 00"));
    client.wait_for_close(now() + tolerances().close_before_asking());
    client.open().send(hex("00 00"));
    client.wait_for_close(now() + tolerances().close_before_asking());
}

CASE("v5/MQTT-3.14.2-1 v5/MQTT-3.14.2-2 v5/MQTT-3.14.4-1 v5/MQTT-3.14.4-2 v5/MQTT-4.13.2-1",
     "a DISCONNECT of the broker has a code of the table and no Session Expiry Interval, nothing "
     "comes after it, and the broker closes",
     needs.qos(1)) {
    auto subscriber = peer("subscriber").connect({.session_expiry_s = 60, .receive_maximum = 2});
    subscriber.subscribe("t", at_least_once);
    auto publisher = peer("publisher").connect();
    for (int i = 0; i < 5; ++i) publisher.publish("t", at_least_once, std::to_string(i));
    subscriber.expect_publishes(2);
    step("an error, while messages wait");
    subscriber.send(subscriber.subscribe_packet({{"u"}}).first_byte(0x80));
    auto end = subscriber.expect_rejected({0x81});
    bool has_disconnect = end.disconnect.has_value();
    step("a takeover, while messages wait");
    auto first = peer("first").connect({.client_id = unique() + "same"});
    peer("second").connect({.client_id = unique() + "same"});
    end = first.expect_close({0x8E});
    has_disconnect = has_disconnect || end.disconnect.has_value();
    if (!has_disconnect) not_applicable("the broker closes without DISCONNECT");
}

CASE("v5/MQTT-4.13.2-1:client", "after a DISCONNECT of the client with an error code the broker "
                                "closes, and no other connection") {
    auto other = peer("other").connect();
    auto client = peer("client").connect();
    client.send(build_disconnect(client.version(), 0x80));
    const auto end = client.wait_for_close(now() + tolerances().answer());
    demand(end.is_closed, "a close", "the connection stays open");
    other.ping();
}

CASE("v5/MQTT-3.14.2-3 v5/MQTT-3.14.2-4",
     "a DISCONNECT of the broker keeps to the client's Maximum Packet Size") {
    // The monitor compares each packet with the limit: as low as the broker's CONNACK allows.
    auto client = peer("client").connect();
    const auto limit = static_cast<std::uint32_t>(client.connack().raw.size());
    client.disconnect();
    client.connect({.maximum_packet_size_bytes = limit});
    client.send(client.subscribe_packet({{"t"}}).first_byte(0x80));
    const auto end = client.expect_rejected({0x81});
    if (!end.disconnect.has_value()) not_applicable("the broker closes without DISCONNECT");
}

}  // namespace touchstone::conformance
