// §3.1.2.5 to §3.1.2.7 Wills, §3.1.2.10 Keep Alive, §3.14 DISCONNECT.
#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;
using std::chrono::seconds;

}  // namespace

CASE("v5/MQTT-3.1.2-7 v5/X5-10 v3.1.1/MQTT-3.1.2-8",
     "the Will is published when the connection breaks", needs.qos(2)) {
    auto watcher = peer("watcher").connect().acknowledging().subscribe("will", exactly_once);
    for (const auto qos : {at_most_once, at_least_once, exactly_once}) {
        const auto payload = "QoS " + std::to_string(static_cast<int>(qos));
        peer("client").connect({.will = Will{.payload = payload, .qos = qos}}).cut();
        watcher.expect_publish(
            {.topic = "will", .payload = payload, .qos = qos, .retain = Retain::no});
    }
}

CASE("v5/MQTT-3.1.2-8:protocol-error v3.1.1/MQTT-3.1.2-8:protocol-error",
     "the Will is published when the broker ends the connection for an error of the client") {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client");
    step("a SUBSCRIBE with wrong flags");
    client.connect({.will = Will{.payload = "subscribe"}});
    client.send(client.subscribe_packet({{"t"}}).first_byte(0x80));
    client.expect_rejected({0x81});
    watcher.expect_publish({.topic = "will", .payload = "subscribe"});
    step("a second CONNECT");
    client.connect({.will = Will{.payload = "connect"}});
    client.send(client.connect_packet());
    client.expect_rejected({0x82});
    watcher.expect_publish({.topic = "will", .payload = "connect"});
}

CASE("v5/MQTT-3.1.2-10 v3.1.1/MQTT-3.1.2-10", "a Will is published once, or not after DISCONNECT",
     needs.session_expiry()) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client");
    auto options = kept_session();
    options.will = Will{.payload = "once"};
    client.connect(options).cut();
    watcher.expect_publish({.topic = "will", .payload = "once"});
    step("the same Session, now without a Will");
    client.connect(kept_session()).cut();
    peer("other").connect().publish("other", at_most_once);
    watcher.expect_nothing();
    step("a Will that DISCONNECT removes; then a connection without one breaks");
    client.connect(options).disconnect();
    client.connect(kept_session()).cut();
    peer("other").connect().publish("other", at_most_once);
    watcher.expect_nothing();
}

CASE("v5/MQTT-3.14.4-3 v3.1.1/MQTT-3.14.4-3", "DISCONNECT removes the Will") {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client");
    client.connect({.will = Will{}}).disconnect();
    if (is_v5()) {
        for (const auto* bytes : {"e0 01 00", "e0 02 00 00"}) {
            client.connect({.will = Will{}});
            client.send(hex(bytes));
            client.wait_for_close(now() + tolerances().close_before_asking());
            client.cut();
        }
    }
    peer("other").connect().publish("other", at_most_once);
    watcher.expect_nothing();
}

CASE("v3.1.1/MQTT-3.1.2-12 v5/MQTT-3.1.2-10:no-will",
     "without a Will nothing is published, also if an earlier connection had one") {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client = peer("client").connect({.will = Will{}});
    client.disconnect();
    client.connect().cut();
    peer("other").connect().publish("other", at_most_once);
    watcher.expect_nothing();
}

CASE("v5/MQTT-3.1.2-14 v3.1.1/MQTT-3.1.2-16",
     "a Will with Will Retain 0 is not retained, and leaves the Retained Message alone",
     needs.qos(1).retain()) {
    auto watcher = peer("watcher").connect();
    if (is_v5()) {
        watcher.subscribe("will", {.qos = at_least_once, .retain_as_published = true});
    } else {
        watcher.subscribe("will", at_least_once);
    }
    auto client = peer("client").connect({.will = Will{.payload = "passing"}});
    client.cut();
    watcher.expect_message({.topic = "will", .payload = "passing", .retain = Retain::no});
    peer("reader").connect().settle().subscribe("will", at_least_once).expect_nothing_by_ping();
    peer("keeper").connect().publish(
        {.topic = "will", .qos = at_least_once, .payload = "kept", .retain = Retain::yes});
    watcher.expect_message({.topic = "will", .payload = "kept"});
    client.connect({.will = Will{.payload = "passing"}}).cut();
    watcher.expect_message({.topic = "will", .payload = "passing"});
    peer("second reader")
        .connect()
        .settle()
        .subscribe("will", at_least_once)
        .expect_message({.topic = "will", .payload = "kept", .retain = Retain::yes});
}

CASE("v5/MQTT-3.1.2-15 v3.1.1/MQTT-3.1.2-17", "a Will with Will Retain 1 is retained",
     needs.qos(1).retain()) {
    auto watcher = peer("watcher").connect().subscribe("will", at_least_once);
    auto client = peer("client").connect(
        {.will = Will{.payload = "kept", .qos = at_least_once, .retain = Retain::yes}});
    client.cut();
    watcher.expect_message({.topic = "will", .payload = "kept", .retain = Retain::no});
    client.connect();
    peer("reader")
        .connect()
        .settle()
        .subscribe("will", at_least_once)
        .expect_message({.topic = "will", .payload = "kept", .retain = Retain::yes});
}

CASE("v5/MQTT-4.7.0-1:will v3.1.1/MQTT-4.7.1-1:will",
     "a CONNECT whose Will Topic has a wildcard is refused, or its Will goes nowhere",
     needs.wildcards()) {
    auto watcher = peer("watcher").connect().subscribe("w/#");
    for (const auto* topic : {"w/+", "w/#"}) {
        auto client = peer("client");
        client.open().send(client.connect_packet({.will = Will{.topic = topic}}));
        const auto end = client.wait_for_close(now() + tolerances().answer());
        const bool is_accepted = end.connack.has_value() && end.connack->reason_code == 0;
        if (is_accepted) {
            non_strict("accepted");
            client.cut();
        }
        peer("other").connect().publish("other", at_most_once);
        watcher.expect_nothing();
    }
}

CASE("v5/MQTT-4.7.3-1:will v3.1.1/MQTT-4.7.3-1:will",
     "a CONNECT whose Will Topic is empty is refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet({.will = Will{}}).set("will_topic", ""),
                                  {0x81, 0x82, 0x90});
}

CASE(
    "v5/MQTT-3.1.2-22 v3.1.1/MQTT-3.1.2-24",
    "a client that is silent for one and a half times its Keep Alive is disconnected, and its Will "
    "is published",
    needs.time(seconds{15})) {
    auto watcher = peer("watcher").connect().subscribe("will");
    auto client =
        peer("client").connect({.keep_alive = seconds{2}, .will = Will{.payload = "silent"}});
    Duration in_force = seconds{2};
    if (is_v5()) {
        const auto assigned = number_of(client.connack().properties, PropertyId::server_keep_alive);
        if (assigned.has_value()) in_force = seconds{*assigned};
        if (in_force == Duration::zero()) not_applicable("the broker turns Keep Alive off");
        if (in_force > seconds{60}) not_applicable("the broker prescribes a long Keep Alive");
    }
    const auto silent_since = now();
    const auto limit = in_force * 3 / 2;
    const auto end = client.wait_for_close(silent_since + limit + tolerances().timer_very_late());
    demand(end.is_closed, "a close at about 1.5 times the Keep Alive", "the connection stays open");
    const auto waited = now() - silent_since;
    const auto text = std::to_string(waited.count() / 1'000) + " ms";
    if (waited > limit + tolerances().timer_late()) non_strict("closed late, after " + text);
    if (waited < limit - tolerances().timer_early()) non_strict("closed early, after " + text);
    watcher.expect_publish({.topic = "will", .payload = "silent"});
}

CASE("v5/MQTT-3.1.2-22:any-packet v3.1.1/MQTT-3.1.2-24:any-packet",
     "any packet of the client keeps the connection, not only PINGREQ",
     needs.qos(1).time(seconds{9})) {
    auto client = peer("client").connect({.keep_alive = seconds{2}});
    for (int i = 0; i < 4; ++i) {
        wait(std::chrono::milliseconds{1'900}, "less than the Keep Alive");
        if (i % 2 == 0) {
            client.publish("t", at_least_once, "alive");
        } else {
            client.try_subscribe({{"t" + std::to_string(i)}});
        }
    }
    client.ping();
}

CASE("v5/MQTT-3.2.2-22 v3.1.1/MQTT-3.1.2-24:long",
     "a Keep Alive that the broker does not change is kept: no close before it is over",
     needs.time(seconds{16})) {
    auto client = peer("client").connect({.keep_alive = seconds{12}});
    if (is_v5() && find(client.connack().properties, PropertyId::server_keep_alive) != nullptr) {
        not_applicable("the broker prescribes a Keep Alive");
    }
    const auto silent_since = now();
    const auto end = client.wait_for_close(silent_since + seconds{12});
    if (end.is_closed) {
        // Nobody is obliged to keep a client (§3.1.2.10); but this was not for its silence.
        const auto text = "closed after " + std::to_string((now() - silent_since).count() / 1'000) +
                          " ms, Keep Alive is 12 s";
        if (is_v5()) fail("an open connection", text);
        non_strict(text);
        return;
    }
    client.ping();
}

CASE("v5/MQTT-3.1.2-22:off v3.1.1/MQTT-3.1.2-24:off", "Keep Alive 0 turns the timer off",
     needs.time(seconds{9})) {
    auto client = peer("client").connect({.keep_alive = seconds{0}});
    if (is_v5() && find(client.connack().properties, PropertyId::server_keep_alive) != nullptr) {
        not_applicable("the broker prescribes a Keep Alive");
    }
    const auto end = client.wait_for_close(now() + seconds{8});
    if (end.is_closed) {
        non_strict("closed within 8 s");
        return;
    }
    client.ping();
}

CASE("v5/MQTT-3.14.1-1 v3.1.1/MQTT-3.14.1-1",
     "a DISCONNECT whose reserved flag bits are not 0 is none: the connection ends, the Will is "
     "published") {
    auto watcher = peer("watcher").connect().subscribe("will");
    for (const auto* bytes : {"e1 00", "e2 00", "e8 00"}) {
        auto client = peer("client").connect({.will = Will{.payload = bytes}});
        client.send(hex(bytes));
        client.expect_rejected({0x81});
        watcher.expect_publish({.topic = "will", .payload = std::string{bytes}});
    }
}

CASE("v5/MQTT-3.1.4-3:will v3.1.1/MQTT-3.1.4-2:will",
     "the Will of a connection that is taken over is published") {
    auto watcher = peer("watcher").connect().subscribe("will");
    ConnectOptions options{.will = Will{.payload = "taken over"}, .client_id = unique() + "same"};
    auto first = peer("first").connect(options);
    options.will.reset();
    auto second = peer("second").connect(options);
    first.expect_close({0x8E});
    if (is_v5()) {
        // [MQTT-3.1.2-8] can be read as if the new connection cancelled the Will: no fail for that.
        peer("other").connect().publish("other", at_most_once);
        const auto seen = watcher.collect();
        if (seen.empty()) non_strict("the Will of the old connection is not published");
        return;
    }
    watcher.expect_publish({.topic = "will", .payload = "taken over"});
    second.ping();
}

}  // namespace touchstone::conformance
