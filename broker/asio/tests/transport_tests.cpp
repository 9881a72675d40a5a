// A whole node whose clients do not come over plain TCP: TLS, WebSocket, PROXY headers.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/asio/node.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/asio/tests/running_node.hpp"
#include "broker/asio/tests/tls_client.hpp"
#include "broker/asio/tests/web_client.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using settings::Transport;

const TestIdentity& authority() {
    static const TestIdentity made{"authority"};
    return made;
}
const TestIdentity& broker_identity() {
    static const TestIdentity made{"broker", {.issuer = &authority()}};
    return made;
}

settings::TlsSettings tls_settings() {
    settings::TlsSettings tls;
    tls.identity = broker_identity().settings();
    tls.authorities_pem = authority().certificate_pem();
    tls.handshake_timeout = 30s;
    return tls;
}

ListenerOptions listener(Transport transport, const std::string& address = "127.0.0.1:0") {
    auto one = plain_listeners({Endpoint::from_text(address)}).front();
    one.settings.transport = transport;
    one.settings.path = "/mqtt";
    one.settings.proxy_header_timeout = 30s;
    if (transport == Transport::ssl || transport == Transport::wss) {
        one.settings.tls = tls_settings();
    }
    return one;
}

ListenerOptions proxied(Transport transport) {
    auto one = listener(transport);
    one.settings.has_proxy_header = true;
    return one;
}

Node::Options options(std::vector<ListenerOptions> listeners, Shards shards = 1) {
    return {.listeners = std::move(listeners),
            .shard_count = shards.count,
            .descriptor_tables = shards.tables};
}

std::string name(std::string_view stem, unsigned number) {
    return std::string{stem} + std::to_string(number);
}

std::uint64_t handshakes_full(const ShardFigures& of) {
    return of.driver.handshakes_full;
}
std::uint64_t handshakes_resumed(const ShardFigures& of) {
    return of.driver.handshakes_resumed;
}
auto refused(Refusal reason) {
    return [reason](const ShardFigures& of) {
        return of.driver.refused[static_cast<std::size_t>(reason)];
    };
}
auto alerts(transport::TlsAlert alert) {
    return [alert](const ShardFigures& of) {
        return of.driver.tls_alerts[static_cast<std::size_t>(alert)];
    };
}

/// Whoever bears this User Name, or comes from this address, is told so in the CONNACK.
std::shared_ptr<const access::NodeRules> rules_with_ban(access::BanKind kind,
                                                        const std::string& who) {
    auto rules = std::make_shared<access::NodeRules>(*access::open_rules({}));
    rules->zones[0].policy.has_bans = true;
    EXPECT_TRUE(rules->bans.ban(kind, who, {}));
    return rules;
}
Buffer connack_banned() {
    return bytes_of({0x20, 2, 0, 5});  // Not authorized, the nearest that MQTT 3.1.1 has
}

// --- TLS -----------------------------------------------------------------------------------------

struct Version {
    int tls;
    Shards shards;
};
class tls_node : public testing::TestWithParam<Version> {
protected:
    [[nodiscard]] TlsClient::Options client() const {
        return {.version = GetParam().tls, .trusted = &authority()};
    }
    [[nodiscard]] Node::Options node(std::vector<ListenerOptions> listeners) const {
        return options(std::move(listeners), GetParam().shards);
    }
};
INSTANTIATE_TEST_SUITE_P(versions, tls_node,
                         testing::Values(Version{TLS1_2_VERSION, 1}, Version{TLS1_2_VERSION, 2},
                                         Version{TLS1_2_VERSION, Shards::with_own_tables(2)},
                                         Version{TLS1_3_VERSION, 1}, Version{TLS1_3_VERSION, 2},
                                         Version{TLS1_3_VERSION, Shards::with_own_tables(2)}),
                         [](const auto& version) {
                             return "tls_1_"s + (version.param.tls == TLS1_2_VERSION ? "2" : "3") +
                                    "_shards_" + version.param.shards.to_text();
                         });

TEST_P(tls_node, brings_a_message_from_every_client_to_every_other) {
    RunningNode node{this->node({listener(Transport::ssl)})};
    std::vector<TlsClient> clients;
    for (unsigned i = 0; i < 6; ++i) {
        clients.push_back(TlsClient::connected(node.port(), client(), name("client-", i)));
        clients.back().send(packet::subscribe("to/all"));
        clients.back().expect(packet::suback());
    }
    for (unsigned i = 0; i < clients.size(); ++i) {
        const Buffer packet = packet::publish("to/all", name("from ", i));
        clients[i].send(packet);
        for (TlsClient& one : clients) one.expect(packet);
    }
    EXPECT_EQ(node.sum(handshakes_full), 6U);
}

TEST_P(tls_node, brings_large_messages_whole) {
    RunningNode node{this->node({listener(Transport::ssl), listener(Transport::tcp)})};
    auto secret = TlsClient::connected(node.port(), client(), "secret");
    secret.send(packet::subscribe("large"));
    secret.expect(packet::suback());
    auto open = RawClient::connected(node.port(1), "open");
    for (const std::size_t size_bytes : {100U, 16'384U, 16'385U, 70'000U, 1'000'000U}) {
        const Buffer message = packet::publish("large", std::string(size_bytes, 'x'));
        open.send(message);
        secret.expect(message);
        secret.send(message);
        secret.expect(message);
    }
}

TEST_P(tls_node, takes_what_comes_right_behind_the_handshake) {
    RunningNode node{this->node({listener(Transport::ssl)})};
    for (unsigned i = 0; i < 4; ++i) {
        TlsClient one{node.port(), client()};
        one.shake_hands();
        Buffer all = packet::connect(name("quick-", i)) + packet::subscribe("t");
        Buffer answers = packet::connack() + packet::suback();
        for (unsigned id = 1; id <= 5'000; ++id) {
            append(all, packet::publish_qos_1("nobody/listens", "x", id));
            append(answers, packet::puback(id));
        }
        std::thread writer{[&] { one.send(all); }};
        writer.join();
        one.expect(answers);
    }
}

TEST_P(tls_node, resumes_sessions_on_every_shard_and_after_a_reload) {
    auto listeners = std::vector{listener(Transport::ssl)};
    RunningNode node{this->node(listeners)};
    for (const bool has_tickets : {true, false}) {
        if (!has_tickets && GetParam().tls == TLS1_3_VERSION) continue;  // there it has no ids
        auto wanted = client();
        wanted.has_tickets = has_tickets;
        auto first = TlsClient::connected(node.port(), wanted, "first");
        auto session = first.session();
        const auto before = node.sum(handshakes_resumed);
        const auto come_back = [&](unsigned times) {
            for (unsigned i = 0; i < times; ++i) {
                wanted.session = session.get();
                auto again = TlsClient::connected(node.port(), wanted, name("again-", i));
                EXPECT_TRUE(again.was_resumed());
                session = again.session();
            }
        };
        come_back(8);
        const TestIdentity renewed{"renewed", {.issuer = &authority()}};
        listeners[0].settings.tls->identity = renewed.settings();
        node.node().reload(listeners);
        node.figures();  // every shard has answered, so every shard has the new one
        come_back(8);
        EXPECT_EQ(node.sum(handshakes_resumed), before + 16);
    }
    // A session is no way around another decision about who is trusted.
    auto last = TlsClient::connected(node.port(), client(), "last");
    const auto session = last.session();
    listeners[0].settings.tls->verifies_client = true;
    node.node().reload(listeners);
    node.figures();
    auto wanted = client();
    wanted.session = session.get();
    EXPECT_FALSE(TlsClient::connected(node.port(), wanted, "other").was_resumed());
}

TEST_P(tls_node, resumes_nothing_when_it_is_not_to) {
    auto one = listener(Transport::ssl);
    one.settings.tls->resumes_sessions = false;
    RunningNode node{this->node({one})};
    const auto first = TlsClient::connected(node.port(), client(), "first");
    const auto session = first.session();
    auto wanted = client();
    wanted.session = session.get();
    EXPECT_FALSE(TlsClient::connected(node.port(), wanted, "again").was_resumed());
    EXPECT_EQ(node.sum(handshakes_full), 2U);
}

TEST_P(tls_node, takes_another_certificate_without_dropping_anyone) {
    auto listeners = std::vector{listener(Transport::ssl)};
    RunningNode node{this->node(listeners)};
    auto before = TlsClient::connected(node.port(), client(), "before");
    EXPECT_EQ(before.broker_name(), "broker");
    const TestIdentity renewed{"renewed", {.issuer = &authority()}};
    listeners[0].settings.tls->identity = renewed.settings();
    node.node().reload(listeners);
    node.figures();
    auto after = TlsClient::connected(node.port(), client(), "after");
    EXPECT_EQ(after.broker_name(), "renewed");
    before.send(packet::pingreq());
    before.expect(packet::pingresp());

    listeners[0].settings.tls->identity.key_pem = broker_identity().settings().key_pem;
    EXPECT_THROW(node.node().reload(listeners), OperatorError);
    EXPECT_EQ(TlsClient::connected(node.port(), client(), "again").broker_name(), "renewed");
}

TEST_P(tls_node, shows_the_certificate_of_the_host_that_was_asked_for) {
    auto one = listener(Transport::ssl);
    const TestIdentity other{"other", {.issuer = &authority()}};
    one.settings.tls->by_host.push_back(other.settings("Other.example.org"));
    RunningNode node{this->node({one})};
    const auto shown_for = [&](const std::string& host) {
        auto wanted = client();
        wanted.host = host;
        return TlsClient::connected(node.port(), wanted, "client").broker_name();
    };
    EXPECT_EQ(shown_for("other.Example.org"), "other");
    EXPECT_EQ(shown_for("else.example.org"), "broker");
    EXPECT_EQ(shown_for(""), "broker");
}

TEST_P(tls_node, asks_clients_for_certificates_and_says_what_is_wrong_with_them) {
    using enum transport::TlsAlert;
    auto one = listener(Transport::ssl);
    one.settings.tls->verifies_client = true;
    one.settings.tls->requires_client_certificate = true;
    RunningNode node{this->node({one})};
    const auto end_of = [&](const TestIdentity* identity) {
        auto wanted = client();
        wanted.identity = identity;
        TlsClient client{node.port(), wanted};
        try {
            client.shake_hands();
        } catch (const std::runtime_error& end) {
            return std::string{end.what()};
        }
        return client.receive_end();  // TLS 1.3: the client's handshake is over earlier
    };
    const TestIdentity stranger{"stranger"};
    const TestIdentity old{"old", {.issuer = &authority(), .is_expired = true}};
    EXPECT_NE(end_of(&stranger).find("unknown ca"), std::string::npos);
    EXPECT_NE(end_of(&old).find("certificate expired"), std::string::npos);
    EXPECT_NE(end_of(nullptr).find("alert"), std::string::npos);
    EXPECT_EQ(node.sum(alerts(unknown_ca)), 1U);
    EXPECT_EQ(node.sum(alerts(certificate_expired)), 1U);
    const auto missing =
        GetParam().tls == TLS1_3_VERSION ? certificate_required : handshake_failure;
    EXPECT_EQ(node.sum(alerts(missing)), 1U);
    const TestIdentity known{"known", {.issuer = &authority()}};
    auto wanted = client();
    wanted.identity = &known;
    auto good = TlsClient::connected(node.port(), wanted, "client");
    good.send(packet::pingreq());
    good.expect(packet::pingresp());
}

TEST_P(tls_node, knows_clients_by_their_certificates) {
    using settings::CertificateName;
    const TestIdentity sensor{"sensor-7", {.issuer = &authority()}};
    for (const auto& [from, user_name] :
         {std::pair{CertificateName::common_name, "sensor-7"s},
          std::pair{CertificateName::subject, "O=Touchstone,CN=sensor-7"s}}) {
        auto one = listener(Transport::ssl);
        one.settings.tls->verifies_client = true;
        one.settings.tls->user_name_from = from;
        auto all = this->node({one});
        all.rules = rules_with_ban(access::BanKind::user_name, user_name);
        RunningNode node{std::move(all)};
        auto wanted = client();
        wanted.identity = &sensor;
        for (unsigned i = 0; i < 4; ++i) {  // of either owner; the later ones by resumption
            TlsClient banned{node.port(), wanted};
            banned.shake_hands();
            banned.send(packet::connect(name("client-", i)));
            banned.expect(connack_banned());
        }
        TlsClient::connected(node.port(), client(), "without");
    }
}

TEST_P(tls_node, ends_with_close_notify) {
    RunningNode node{this->node({listener(Transport::ssl)})};
    auto one = TlsClient::connected(node.port(), client(), "one");
    one.send(packet::disconnect());
    EXPECT_EQ(one.receive_end(), "close_notify");
    auto wrong = TlsClient::connected(node.port(), client(), "wrong");
    wrong.send(packet::connect("wrong"));
    EXPECT_EQ(wrong.receive_end(), "close_notify");
    auto last = TlsClient::connected(node.port(), client(), "last");
    node.stop();
    EXPECT_EQ(last.receive_end(), "close_notify");
    last.raw().end_output();
    wrong.raw().end_output();
    one.raw().end_output();
    node.await_stopped();
}

TEST(tls, counts_why_handshakes_fail) {
    using enum transport::TlsAlert;
    auto one = listener(Transport::ssl);
    one.settings.tls->has_tls_1_2 = false;
    auto rsa_only = listener(Transport::ssl);
    rsa_only.settings.tls->ciphers_1_2 = "ECDHE-RSA-AES128-GCM-SHA256";  // the certificate is ECDSA
    RunningNode node{options({one, rsa_only})};
    const TestIdentity stranger{"stranger"};
    const auto is_refused = [&](std::size_t place, const TlsClient::Options& wanted) {
        TlsClient client{node.port(place), wanted};
        EXPECT_THROW(client.shake_hands(), std::runtime_error);
    };
    is_refused(0, {.version = TLS1_2_VERSION});
    node.await([&] { return node.sum(alerts(protocol_version)) == 1; });
    is_refused(1, {.version = TLS1_2_VERSION});
    node.await([&] { return node.sum(alerts(no_suitable_cipher)) == 1; });
    is_refused(0, {.version = TLS1_3_VERSION, .trusted = &stranger});
    node.await([&] { return node.sum(alerts(unknown_ca)) == 1; });
    RawClient plain{node.port()};
    plain.send(packet::connect("plain"));
    plain.receive_to_end();
    plain.end_output();
    RawClient gone{node.port()};
    gone.end_output();
    gone.receive_to_end();
    node.await([&] { return node.sum(refused(Refusal::left)) == 1; });
    node.await(
        [&] { return node.sum([](const ShardFigures& of) { return of.driver.sockets; }) == 0; });
}

TEST(tls, does_not_wait_for_ever) {
    auto one = listener(Transport::ssl);
    one.settings.tls->handshake_timeout = 50ms;
    RunningNode node{options({one})};
    RawClient silent{node.port()};
    EXPECT_TRUE(silent.receive_to_end().empty());
    EXPECT_EQ(node.sum(refused(Refusal::tls_handshake_timeout)), 1U);
}

// --- WebSocket -----------------------------------------------------------------------------------

class web_node : public testing::TestWithParam<Shards> {};
INSTANTIATE_TEST_SUITE_P(shards, web_node,
                         testing::Values(Shards{1}, Shards{2}, Shards::with_own_tables(2)),
                         [](const auto& shards) { return shards.param.to_text(); });

TEST_P(web_node, takes_packets_split_and_merged_over_frames_byte_by_byte) {
    RunningNode node{options({listener(Transport::ws)}, GetParam())};
    for (unsigned i = 0; i < 4; ++i) {
        WebClient client{RawClient{node.port()}};
        const Buffer message = packet::publish("a/b", "c");
        const Buffer all = packet::connect(name("slow-", i)) + packet::subscribe("a/+") + message;
        // Frames of three bytes end in the middle of packets; the first one begins with three.
        Buffer frames;
        append(frames, as_bytes(upgrade_request()));
        for (std::size_t begin = 0; begin < all.size(); begin += 3) {
            append(frames, web_frame(0x82, Bytes{all}.subspan(begin, std::min<std::size_t>(
                                                                         3, all.size() - begin))));
        }
        for (const std::byte& byte : frames) client.stream().send({&byte, 1});
        EXPECT_TRUE(client.receive_answer().starts_with("HTTP/1.1 101 "));
        client.expect(packet::connack() + packet::suback() + message);
    }
}

TEST_P(web_node, takes_everything_at_once) {
    RunningNode node{options({listener(Transport::ws)}, GetParam())};
    for (unsigned i = 0; i < 4; ++i) {
        WebClient client{RawClient{node.port()}};
        Buffer all = packet::connect(name("quick-", i));
        Buffer answers = packet::connack();
        for (unsigned id = 1; id <= 10'000; ++id) {
            append(all, packet::publish_qos_1("nobody/listens", "x", id));
            append(answers, packet::puback(id));
        }
        Buffer frames;
        append(frames, as_bytes(upgrade_request()));
        append(frames, web_frame(0x82, all));
        std::thread writer{[&] { client.stream().send(frames); }};
        client.receive_answer();
        client.expect(answers);
        writer.join();
    }
}

TEST_P(web_node, takes_fragments_and_answers_pings_between_them) {
    RunningNode node{options({listener(Transport::ws)}, GetParam())};
    for (unsigned i = 0; i < 4; ++i) {
        WebClient client{RawClient{node.port()}};
        client.open();
        const Buffer packet = packet::connect(name("client-", i));
        const Bytes all{packet};
        client.stream().send(web_frame(0x02, all.first(5)));
        client.stream().send(web_frame(0x89, as_bytes("are you there")));
        const auto pong = client.receive_frame();
        EXPECT_EQ(pong.first, 0x8AU);
        EXPECT_EQ(as_text(pong.payload), "are you there");
        client.stream().send(web_frame(0x00, all.subspan(5, 4)));
        client.stream().send(web_frame(0x80, all.subspan(9)));
        client.expect(packet::connack());
    }
}

TEST_P(web_node, brings_messages_of_any_size_to_both_kinds_of_clients) {
    RunningNode node{options({listener(Transport::ws), listener(Transport::wss)}, GetParam())};
    WebClient plain{RawClient{node.port(0)}};
    TlsClient tls{node.port(1), {.trusted = &authority()}};
    tls.shake_hands();
    WebClient secret{std::move(tls)};
    plain.connect("plain");
    plain.send(packet::subscribe("to/plain"));
    plain.expect(packet::suback());
    secret.connect("secret");
    secret.send(packet::subscribe("to/secret"));
    secret.expect(packet::suback());
    for (const std::size_t size_bytes : {1U, 120U, 130U, 66'000U, 1'000'000U}) {
        const Buffer to_plain = packet::publish("to/plain", std::string(size_bytes, 'x'));
        secret.send(to_plain);
        plain.expect(to_plain);
        const Buffer to_secret = packet::publish("to/secret", std::string(size_bytes, 'x'));
        plain.send(to_secret);
        secret.expect(to_secret);
    }
}

TEST_P(web_node, closes_with_the_code_that_says_why) {
    RunningNode node{options({listener(Transport::ws)}, GetParam())};
    const auto close_after = [&](const Buffer& bytes) {
        WebClient client{RawClient{node.port()}};
        client.connect("client");
        client.stream().send(bytes);
        const auto code = client.receive_close();
        EXPECT_TRUE(client.stream().receive_to_end().empty());
        return code;
    };
    EXPECT_EQ(close_after(web_frame(0x81, as_bytes("text"))), 1003U);
    EXPECT_EQ(close_after(bytes_of({0x82, 1, 0xC0})), 1002U);              // no mask
    EXPECT_EQ(close_after(web_frame(0xC2, as_bytes("x"))), 1002U);         // a reserved bit
    EXPECT_EQ(close_after(web_frame(0x89, Buffer(126))), 1002U);           // a long control frame
    EXPECT_EQ(close_after(web_frame(0x88, as_bytes("\x03\xE8"))), 1000U);  // the client's own
    EXPECT_EQ(close_after(web_frame(0x88, {})), 0U);
    EXPECT_EQ(close_after(web_frame(0x82, packet::disconnect())), 1000U);
    EXPECT_EQ(close_after(web_frame(0x82, packet::connect("client"))), 1000U);
    const auto failures = [](const ShardFigures& of) {
        return of.driver.web_protocol_errors * 100 + of.driver.web_text_frames;
    };
    EXPECT_EQ(node.sum(failures), 301U);
    WebClient last{RawClient{node.port()}};
    last.connect("last");
    node.stop();
    EXPECT_EQ(last.receive_close(), 1001U);
    last.stream().end_output();
    node.await_stopped();
}

TEST(web, refuses_requests_that_are_not_for_it) {
    auto secure = listener(Transport::wss);
    RunningNode node{options({listener(Transport::ws), secure})};
    const auto status_of = [&](const std::string& request) {
        WebClient client{RawClient{node.port()}};
        const auto answer = client.upgrade(request);
        client.stream().receive_to_end();
        return answer.substr(9, 3);
    };
    EXPECT_EQ(status_of(upgrade_request("/mqtt", "/other")), "404");
    EXPECT_EQ(status_of(upgrade_request("GET", "PUT")), "405");
    EXPECT_EQ(status_of(upgrade_request("Version: 13", "Version: 8")), "426");
    EXPECT_EQ(status_of(upgrade_request("Protocol: mqtt", "Protocol: chat")), "400");
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nX: " + std::string(9'000, 'x') + "\r\n\r\n"), "431");
    EXPECT_EQ(status_of(upgrade_request("GET /mqtt HTTP/1.1", "hello")), "400");
    TlsClient tls{node.port(1), {.trusted = &authority()}};
    tls.shake_hands();
    tls.send(as_bytes(upgrade_request("/mqtt", "/other")));
    EXPECT_EQ(as_text(tls.receive(12)), "HTTP/1.1 404");
    EXPECT_EQ(tls.receive_end(), "close_notify");
    const auto count = [&](transport::UpgradeRefusal refusal) {
        return node.sum([refusal](const ShardFigures& of) {
            return of.driver.upgrades_refused[static_cast<std::size_t>(refusal)];
        });
    };
    using enum transport::UpgradeRefusal;
    EXPECT_EQ(count(wrong_path), 2U);
    EXPECT_EQ(count(wrong_method), 1U);
    EXPECT_EQ(count(wrong_version), 1U);
    EXPECT_EQ(count(no_subprotocol), 1U);
    EXPECT_EQ(count(header_too_large), 1U);
    EXPECT_EQ(count(malformed_request), 1U);
}

TEST(web, does_not_wait_for_ever) {
    auto all = options({listener(Transport::ws)});
    Settings settings;
    settings.connect_timeout = 50ms;
    all.rules = access::open_rules(settings);
    RunningNode node{std::move(all)};
    RawClient silent{node.port()};
    silent.send(as_bytes("GET /mqtt HTTP/1.1\r\n"));
    EXPECT_TRUE(silent.receive_to_end().empty());
    EXPECT_EQ(node.sum(refused(Refusal::upgrade_timeout)), 1U);
}

// --- PROXY headers -------------------------------------------------------------------------------

const std::string header_v1 = "PROXY TCP4 192.0.2.1 192.0.2.2 49152 1883\r\n";

/// A header of version 2 from 192.0.2.1, with the name of a certificate that was checked.
std::string header_v2() {
    const std::string addresses = "\xC0\x00\x02\x01\xC0\x00\x02\x02\xC0\x00\x07\x5B"s;
    const std::string name = "\x22\x00\x08sensor-7"s;
    const std::string tls = "\x20\x00\x10\x07\0\0\0\0"s + name;
    return "\r\n\r\n\0\r\nQUIT\n\x21\x11"s + "\0"s +
           static_cast<char>(addresses.size() + tls.size()) + addresses + tls;
}

class proxied_node : public testing::TestWithParam<Shards> {};
INSTANTIATE_TEST_SUITE_P(shards, proxied_node,
                         testing::Values(Shards{1}, Shards{2}, Shards::with_own_tables(2)),
                         [](const auto& shards) { return shards.param.to_text(); });

TEST_P(proxied_node, knows_clients_by_the_address_in_the_header) {
    for (const std::string& header : {header_v1, header_v2()}) {
        auto all = options({proxied(Transport::tcp)}, GetParam());
        all.rules = rules_with_ban(access::BanKind::address, "192.0.2.1");
        RunningNode node{std::move(all)};
        for (unsigned i = 0; i < 4; ++i) {
            RawClient banned{node.port()};
            Buffer bytes;
            append(bytes, as_bytes(header));
            append(bytes, packet::connect(name("client-", i)));
            for (const std::byte& byte : bytes) banned.send({&byte, 1});
            banned.expect(connack_banned());
            RawClient at_once{node.port()};
            at_once.send(bytes);
            at_once.expect(connack_banned());
            RawClient itself{node.port()};
            itself.send(as_bytes("PROXY UNKNOWN\r\n"));
            itself.send(packet::connect(name("client-", i)));
            itself.expect(packet::connack());
        }
    }
}

TEST_P(proxied_node, knows_clients_by_the_certificate_in_the_header) {
    auto listeners = std::vector{proxied(Transport::tcp), proxied(Transport::tcp)};
    listeners[0].settings.proxied_name_is_user_name = true;
    auto all = options(listeners, GetParam());
    all.rules = rules_with_ban(access::BanKind::user_name, "sensor-7");
    RunningNode node{std::move(all)};
    RawClient banned{node.port(0)};
    banned.send(as_bytes(header_v2()));
    banned.send(packet::connect("client"));
    banned.expect(connack_banned());
    // Where nobody has asked for it, the name in the header says nothing.
    RawClient unnamed{node.port(1)};
    unnamed.send(as_bytes(header_v2()));
    unnamed.send(packet::connect("client"));
    unnamed.expect(packet::connack());
}

TEST_P(proxied_node, takes_the_header_before_tls_and_web_socket) {
    RunningNode node{options(
        {proxied(Transport::ssl), proxied(Transport::ws), proxied(Transport::wss)}, GetParam())};
    const auto header = header_v2();
    TlsClient::connected(node.port(0), {.before = as_bytes(header)}, "over-tls");
    RawClient raw{node.port(1)};
    raw.send(as_bytes(header_v1));
    WebClient web{std::move(raw)};
    web.connect("over-web-socket");
    TlsClient tls{node.port(2), {.before = as_bytes(header)}};
    tls.shake_hands();
    WebClient both{std::move(tls)};
    both.connect("over-both");
}

TEST(proxied, refuses_what_is_no_header) {
    auto impatient = proxied(Transport::tcp);
    impatient.settings.proxy_header_timeout = 50ms;
    RunningNode node{options({proxied(Transport::tcp), impatient})};
    RawClient direct{node.port()};
    direct.send(packet::connect("direct"));
    EXPECT_TRUE(direct.receive_to_end().empty());
    EXPECT_EQ(node.sum(refused(Refusal::proxy_header_malformed)), 1U);
    RawClient slow{node.port(1)};
    slow.send(as_bytes("PROXY TCP4 "));
    EXPECT_TRUE(slow.receive_to_end().empty());
    EXPECT_EQ(node.sum(refused(Refusal::proxy_header_timeout)), 1U);
    RawClient gone{node.port()};
    gone.send(as_bytes("PROXY TCP4 "));
    gone.end_output();
    EXPECT_TRUE(gone.receive_to_end().empty());
    EXPECT_EQ(node.sum(refused(Refusal::left)), 1U);
}

}  // namespace

}  // namespace touchstone::asio_driver
