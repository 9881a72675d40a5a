// §3.1 CONNECT: the fixed and the variable header. Wills are in 3_1_will.cpp, Sessions in
// 3_1_session.cpp.
#include <array>

#include "conformance/suite/case.hpp"

namespace touchstone::conformance {

namespace {

using enum QoS;

/// What 3.1.1 §3.1.4 demands of a server that finds a CONNECT malformed, and 5.0 permits.
RefusalAnswer answer_to_malformed(ProtocolVersion version) {
    return version == ProtocolVersion::v5 ? RefusalAnswer::optional_connack
                                          : RefusalAnswer::silence;
}

}  // namespace

CASE("v5/MQTT-3.1.0-1 v3.1.1/MQTT-3.1.0-1",
     "a first packet that is no CONNECT gets no answer and has no effect", needs.qos(1).retain()) {
    // Any answer would be noticed: the first packet from a broker is CONNACK.
    auto client = peer("client").open();
    const auto version_used = version();
    const std::array drafts{
        build_pingreq(),
        build_subscribe(version_used, 1, {{.filter = full("t")}}),
        build_publish(version_used, {.topic = full("t"),
                                     .payload = "too early",
                                     .qos = at_least_once,
                                     .retain = true,
                                     .packet_id = 1}),
    };
    for (const auto& draft : drafts) {
        client.open().send(draft);
        const auto end = client.wait_for_close(now() + tolerances().answer());
        if (!end.is_closed) {
            // §4.8 of 3.1.1 demands the close; §4.13.1 of 5.0 leaves the rigour to the broker.
            if (!is_v5()) fail("a close", "the connection stays open");
            non_strict("the connection stays open");
        }
    }
    auto reader = peer("reader").connect().settle().subscribe("t", at_least_once);
    reader.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.1.0-2 v3.1.1/MQTT-3.1.0-2",
     "a second CONNECT ends the connection, without a second CONNACK") {
    auto client = peer("client").connect();
    client.send(client.connect_packet());
    const auto end = client.expect_rejected({0x82});
    for (const auto& packet : end.others) {
        demand(packet.type != PacketType::connack, "no second CONNACK", describe(packet));
    }
}

CASE("v5/MQTT-3.1.2-1 v3.1.1/MQTT-3.1.2-1",
     "a CONNECT with another Protocol Name is not served as this version") {
    auto client = peer("client");
    for (const auto* name : {"MQTx", "mqtt", "MQTT ", "MQT", "MQTTT", ""}) {
        client.expect_connect_refused(client.connect_packet().set("protocol_name", name), {},
                                      RefusalAnswer::any_version);
    }
}

CASE("v5/MQTT-3.1.2-3 v3.1.1/MQTT-3.1.2-3",
     "a CONNECT whose reserved Connect Flag is 1 is refused") {
    auto client = peer("client");
    for (const auto clean_start : {CleanStart::yes, CleanStart::no}) {
        client.expect_connect_refused(
            client.connect_packet({.clean_start = clean_start}).flip("connect_flags", 0x01),
            {0x81, 0x82}, answer_to_malformed(version()));
    }
}

CASE("v5/MQTT-3.1.2-9 v3.1.1/MQTT-3.1.2-9",
     "a CONNECT with Will Flag 1 and no Will fields is refused") {
    auto client = peer("client");
    const ConnectOptions with_will{.will = Will{}};
    auto nothing = client.connect_packet(with_will);
    nothing.drop("will_topic").drop("will_payload");
    if (is_v5()) nothing.drop("will_properties");
    client.expect_connect_refused(nothing, {0x81, 0x82}, answer_to_malformed(version()));
    client.expect_connect_refused(client.connect_packet(with_will).drop("will_payload"),
                                  {0x81, 0x82}, answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.2-11 v3.1.1/MQTT-3.1.2-13 v3.1.1/MQTT-3.1.2-11",
     "a CONNECT with Will Flag 0 and a Will QoS is refused") {
    auto client = peer("client");
    for (const auto will_qos : std::array<std::uint8_t, 3>{0x08, 0x10, 0x18}) {
        client.expect_connect_refused(client.connect_packet().flip("connect_flags", will_qos),
                                      {0x81, 0x82}, answer_to_malformed(version()));
    }
}

CASE("v5/MQTT-3.1.2-12 v3.1.1/MQTT-3.1.2-14", "a CONNECT with Will QoS 3 is refused") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.will = Will{}}).flip("connect_flags", 0x18), {0x81, 0x82},
        answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.2-13 v3.1.1/MQTT-3.1.2-15",
     "a CONNECT with Will Flag 0 and Will Retain 1 is refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet().flip("connect_flags", 0x20), {0x81, 0x82},
                                  answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.2-16 v3.1.1/MQTT-3.1.2-18",
     "a CONNECT with a User Name that its flag does not announce is refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet().append(hex("00 04 75 73 65 72")),
                                  {0x81, 0x82}, answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.2-17 v3.1.1/MQTT-3.1.2-19",
     "a CONNECT without the User Name that its flag announces is refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet({.user_name = "user"}).drop("user_name"),
                                  {0x81, 0x82}, answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.2-18 v3.1.1/MQTT-3.1.2-20",
     "a CONNECT with a Password that its flag does not announce is refused") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.user_name = "user"}).append(hex("00 04 70 61 73 73")), {0x81, 0x82},
        answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.2-19 v3.1.1/MQTT-3.1.2-21",
     "a CONNECT without the Password that its flag announces is refused") {
    auto client = peer("client");
    client.expect_connect_refused(
        client.connect_packet({.user_name = "user"}).set("connect_flags", hex("c2")), {0x81, 0x82},
        answer_to_malformed(version()));
}

CASE("v3.1.1/MQTT-3.1.2-22", "a CONNECT with a Password and no User Name is refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet({.password = "pass"}), {},
                                  RefusalAnswer::silence);
}

CASE("v5/MQTT-3.1.3-3 v3.1.1/MQTT-3.1.3-3", "a CONNECT without a Client Identifier is refused") {
    auto client = peer("client");
    client.expect_connect_refused(client.connect_packet().drop("client_id"), {0x81, 0x82},
                                  answer_to_malformed(version()));
}

CASE("v5/MQTT-3.1.3-4 v3.1.1/MQTT-3.1.3-4",
     "a CONNECT whose Client Identifier is not well-formed UTF-8 is refused") {
    auto client = peer("client");
    for (const auto* bad : {"\xED\xA0\x80", "\xC0\xAF", "\xE2\x82", "\xFF"}) {
        client.expect_connect_refused(client.connect_packet().set("client_id", unique() + bad),
                                      {0x81, 0x82, 0x85});
    }
}

CASE("v5/MQTT-3.1.3-11 v3.1.1/MQTT-3.1.3-10",
     "a CONNECT whose Will Topic is not well-formed UTF-8 is refused") {
    auto client = peer("client");
    for (const auto* bad : {"\xED\xA0\x80", "\xC0\xAF", "\xE2\x82", "\xFF"}) {
        client.expect_connect_refused(
            client.connect_packet({.will = Will{}}).set("will_topic", full("will") + bad),
            {0x81, 0x82, 0x90});
    }
}

CASE("v5/MQTT-3.1.3-12 v3.1.1/MQTT-3.1.3-11",
     "a CONNECT whose User Name is not well-formed UTF-8 is refused") {
    auto client = peer("client");
    for (const auto* bad : {"\xED\xA0\x80", "\xC0\xAF", "\xE2\x82", "\xFF"}) {
        client.expect_connect_refused(
            client.connect_packet({.user_name = "user", .password = "pass"}).set("user_name", bad),
            {0x81, 0x82, 0x86, 0x87});
    }
}

CASE("v5/MQTT-3.1.3-5 v3.1.1/MQTT-3.1.3-5",
     "Client Identifiers of 1 to 23 letters and digits are accepted") {
    auto client = peer("client");
    for (const auto* id :
         {"Z", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ0123456"}) {
        client.connect({.client_id = id}).disconnect();
    }
}

CASE("v5/MQTT-3.1.4-1 v3.1.1/MQTT-3.1.4-1",
     "a CONNECT that does not have the format of §3.1 is refused") {
    auto client = peer("client");
    const auto answer = answer_to_malformed(version());
    const ConnectOptions everything{
        .will = Will{.payload = "will"}, .user_name = "user", .password = "pass"};
    const auto whole_bytes = client.connect_packet(everything).bytes().size();
    step("bytes after the last field");
    client.expect_connect_refused(client.connect_packet().append(hex("00")), {0x81, 0x82}, answer);
    step("cut short in a field");
    for (const std::size_t missing : {1U, 5U, 7U, 13U}) {
        client.expect_connect_refused(
            client.connect_packet(everything).truncate(whole_bytes - 2 - missing), {0x81, 0x82},
            answer);
    }
    step("a length that points beyond the packet");
    client.expect_connect_refused(client.connect_packet().set_length("client_id", hex("ff ff")),
                                  {0x81, 0x82}, answer);
}

CASE("v5/MQTT-3.1.4-5 v3.1.1/MQTT-3.1.4-4", "a valid CONNECT gets one CONNACK, with code 0") {
    auto client = peer("client").connect();
    client.expect_nothing_by_ping();
    client.disconnect();
}

CASE("v5/MQTT-3.1.4-6 v3.1.1/MQTT-3.1.4-5", "what follows a refused CONNECT is not processed",
     needs.qos(1).retain()) {
    auto client = peer("client");
    // That these are refused, other cases judge; the first that is will do.
    const std::vector<Draft> connects{client.connect_packet().flip("connect_flags", 0x01),
                                      client.connect_packet().drop("client_id")};
    for (std::size_t i = 0; i < connects.size(); ++i) {
        const auto topic = "t/" + std::to_string(i);
        auto live = peer("live").connect().subscribe(topic, at_least_once);
        auto pipelined = connects[i].bytes();
        append(pipelined, build_publish(version(), {.topic = full(topic),
                                                    .payload = "not to be processed",
                                                    .qos = at_least_once,
                                                    .retain = true,
                                                    .packet_id = 1})
                              .bytes());
        append(pipelined, build_subscribe(version(), 2, {{.filter = full(topic)}}).bytes());
        client.open().send(pipelined);
        // An answer to one of them would be noticed: no packet comes before CONNACK, and none after
        // one that refuses.
        const auto end = client.wait_for_close(now() + tolerances().answer());
        if (end.connack.has_value() && end.connack->reason_code == 0) {
            client.cut();
            live.cut();
            continue;
        }
        live.expect_nothing_by_ping();
        auto later = peer("later").connect().settle().subscribe(topic, at_least_once);
        later.expect_nothing_by_ping();
        return;
    }
    not_applicable("the broker accepts a CONNECT that is wrong");
}

CASE("v5/MQTT-3.2.0-1 v3.1.1/MQTT-3.2.0-1",
     "CONNACK comes first, also when requests are pipelined and messages are waiting",
     needs.qos(1).session_expiry()) {
    auto subscriber = peer("subscriber").connect(kept_session()).subscribe("t", at_least_once);
    subscriber.disconnect();
    peer("publisher").connect().publish("t", at_least_once, "waiting");
    auto pipelined = subscriber.connect_packet(kept_session()).bytes();
    append(pipelined, build_pingreq().bytes());
    append(pipelined, build_subscribe(version(), 9, {{.filter = full("u")}}).bytes());
    subscriber.open().send(pipelined);
    const auto connack = subscriber.expect(PacketType::connack);
    demand(connack.reason_code == 0, "CONNACK with code 0", describe(connack));
    subscriber.expect(PacketType::pingresp);
    subscriber.expect(PacketType::suback);
    subscriber.expect_message({.topic = "t", .payload = "waiting"});
}

CASE("v5/X5-31", "packets sent before CONNACK are processed once the CONNECT is accepted") {
    auto client = peer("client");
    auto pipelined = client.connect_packet().bytes();
    append(pipelined, build_subscribe(version(), 1, {{.filter = full("t")}}).bytes());
    append(pipelined, build_publish(version(), {.topic = full("t"), .payload = "early"}).bytes());
    client.open().send(pipelined);
    client.expect(PacketType::connack);
    client.expect(PacketType::suback);
    client.expect_publish({.topic = "t", .payload = "early"});
}

CASE("v5/MQTT-3.2.2-1 v3.1.1/X3-01", "the reserved Connect Acknowledge Flags are 0",
     needs.session_expiry()) {
    // The reader judges each CONNACK: one for a new Session, one for a resumed one.
    auto client = peer("client").connect(kept_session());
    client.disconnect();
    client.connect(kept_session());
}

CASE("v5/MQTT-3.2.2-2 v3.1.1/MQTT-3.2.2-1",
     "CONNACK for a new Session says Session Present 0, whether there was one before or not",
     needs.session_expiry()) {
    auto client = peer("client").connect_expecting_session(false, {.session_expiry_s = 300});
    client.disconnect();
    client.connect(kept_session()).disconnect();
    client.connect_expecting_session(false, {});
}

CASE("v5/MQTT-3.2.2-3 v3.1.1/MQTT-3.2.2-2 v3.1.1/MQTT-3.2.2-3",
     "CONNACK says truly whether there is a Session, also when nothing is in it",
     needs.session_expiry()) {
    auto client = peer("client").connect_expecting_session(false, kept_session());
    client.disconnect();
    client.connect_expecting_session(true, kept_session());
}

CASE("v5/MQTT-3.2.2-6 v3.1.1/MQTT-3.2.2-4",
     "a CONNACK that refuses has Session Present 0, although there is a Session",
     needs.session_expiry()) {
    auto client = peer("client").connect(kept_session());
    client.disconnect();
    auto end = client.expect_connect_refused(
        client.connect_packet(kept_session()).set("protocol_version", hex("06")), {},
        RefusalAnswer::any_version);
    if (!end.connack.has_value()) {
        end = client.expect_connect_refused(
            client.connect_packet(kept_session()).flip("connect_flags", 0x01), {},
            RefusalAnswer::optional_connack, Detection::elsewhere);
    }
    if (!end.connack.has_value()) not_applicable("the broker refuses without CONNACK");
    if (end.connack->reason_code == 0) not_applicable("the broker accepts a CONNECT that is wrong");
    demand(!end.connack->session_present(), "Session Present 0", describe(*end.connack));
}

CASE("v5/MQTT-3.2.2-7 v3.1.1/MQTT-3.2.2-5",
     "after a CONNACK that refuses, the broker closes, although the client stays silent") {
    auto client = peer("client");
    const auto end = client.expect_connect_refused(
        client.connect_packet().set("protocol_version", hex("02")), {}, RefusalAnswer::any_version);
    if (!end.connack.has_value()) not_applicable("the broker refuses without CONNACK");
}

CASE("v5/MQTT-3.2.2-8 v3.1.1/MQTT-3.2.2-6", "a CONNACK has one of the codes of the table") {
    // The reader judges each code; here come the refusals that are easily had.
    auto client = peer("client").connect();
    client.disconnect();
    client.expect_connect_refused(client.connect_packet().set("protocol_name", "MQTx"), {},
                                  RefusalAnswer::any_version, Detection::elsewhere);
    const auto last =
        is_v5() ? client.connect_packet(
                      {.properties = {text_property(PropertyId::authentication_method, "none")}})
                : client.connect_packet({.clean_start = CleanStart::no, .client_id = ""});
    for (const auto& draft : {client.connect_packet().flip("connect_flags", 0x1C), last}) {
        client.expect_connect_refused(draft, {}, RefusalAnswer::optional_connack,
                                      Detection::elsewhere);
    }
}

CASE("v5/MQTT-3.1.3-1 v3.1.1/MQTT-3.1.3-1", "the fields of the payload are taken in their order") {
    auto watcher = peer("watcher").connect().subscribe("w");
    const auto user = declaration().credentials.value_or(NameAndPassword{"user", "pass"});
    auto client = peer("client");
    client.open().send(client.connect_packet({.will = Will{.topic = "w", .payload = "the payload"},
                                              .user_name = user.user_name,
                                              .password = user.password}));
    const auto connack = client.expect(PacketType::connack);
    // It lets in who names nobody, and knows nobody called "user".
    if (connack.reason_code != 0 && !declaration().credentials.has_value()) {
        not_applicable("the broker does not take any user; in a file for --broker: credentials: …");
    }
    demand(connack.reason_code == 0, "CONNACK with code 0", describe(connack));
    client.cut();
    watcher.expect_publish({.topic = "w", .payload = "the payload"});
}

CASE("v5/MQTT-3.1.3-8 v3.1.1/MQTT-3.1.3-9",
     "a Client Identifier that the broker does not take is refused with the code for that",
     needs.reduced()) {
    auto client = peer("client");
    for (const auto& id : {std::string(100, 'i'), std::string(1'000, 'i'), std::string(65'535, 'i'),
                           unique() + "/+#$ \xC3\xA9"}) {
        client.open().send(client.connect_packet({.client_id = id}));
        const auto end = client.wait_for_close(now() + tolerances().answer());
        if (end.connack.has_value() && end.connack->reason_code == 0) continue;
        demand(end.is_closed, "a close", "the connection stays open");
        if (!is_v5()) {
            // The whole packet may be more than the broker takes; then it need not say so.
            if (!end.connack.has_value() && id.size() == 65'535) continue;
            demand(end.connack.has_value() && end.connack->reason_code == 2, "CONNACK 0x02",
                   end.connack.has_value() ? describe(*end.connack) : "a bare close");
        }
        return;
    }
    not_applicable("the broker takes Client Identifiers of 65,535 bytes and of any characters");
}

CASE("v5/X5-32 v3.1.1/X3-05:silence",
     "a connection without CONNECT is closed after a reasonable time",
     needs.time(std::chrono::seconds{21})) {
    auto client = peer("client").open();
    const auto opened = now();
    const auto end = client.wait_for_close(opened + std::chrono::seconds{20});
    if (!end.is_closed) {
        non_strict("still open after 20 s");
        return;
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now() - opened);
    observed("closed after " + std::to_string(seconds.count()) + " s");
}

}  // namespace touchstone::conformance
