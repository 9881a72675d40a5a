// Enhanced authentication, by SCRAM-SHA-256: the one method that the suite speaks.
#include "conformance/suite/case.hpp"
#include "conformance/suite/scram.hpp"

namespace touchstone::conformance {

namespace {

using enum PropertyId;

constexpr std::uint8_t continue_authentication = 0x18;
constexpr std::uint8_t re_authenticate = 0x19;

Properties method_and_data(std::string_view data, std::string_view method = scram_method) {
    return {text_property(authentication_method, method), text_property(authentication_data, data)};
}

std::string data_of(const Packet& packet) {
    return text_of(packet.properties, authentication_data).value_or("");
}

/// Takes part in an exchange up to the packet before the server's last.
class Exchange {
public:
    Exchange(Peer client, const NameAndPassword& user, const std::string& nonce)
        : client_{client},
          scram_{user, nonce} {}

    /// CONNECT, and the AUTH that answers it.
    Packet begin(ConnectOptions options = {}) {
        options.is_anonymous = true;
        const auto ours = method_and_data(scram_.first_message());
        options.properties.insert(options.properties.end(), ours.begin(), ours.end());
        client_.open().send(client_.connect_packet(options));
        return client_.expect(PacketType::auth);
    }
    /// The AUTH that begins a re-authentication, and the one that answers it.
    Packet begin_again() {
        client_.send(build_auth(re_authenticate, method_and_data(scram_.first_message())));
        return client_.expect(PacketType::auth);
    }
    /// The answer to the server's first message; wrong where that one is not understood.
    [[nodiscard]] std::string answer_to(const Packet& auth) {
        return scram_.final_message(data_of(auth)).value_or("none");
    }
    void answer(const Packet& auth) {
        client_.send(build_auth(continue_authentication, method_and_data(answer_to(auth))));
    }
    [[nodiscard]] bool is_proven_by(const Packet& last) const {
        return scram_.is_proven_by(data_of(last));
    }
    void finish_connect() {
        answer(begin());
        const auto connack = client_.expect(PacketType::connack);
        if (connack.reason_code != 0) is_refused_ = true;
    }
    [[nodiscard]] bool is_refused() const { return is_refused_; }

private:
    Peer client_;
    ScramClient scram_;
    bool is_refused_ = false;
};

/// What ends an exchange before CONNACK: a close, at most a refusing CONNACK before it.
std::string mistake_in_refusal(const End& end) {
    if (end.connack.has_value() && end.connack->reason_code < 0x80) return describe(*end.connack);
    if (!end.others.empty()) return describe(end.others.front());
    return end.is_closed ? "" : "the connection stays open";
}

}  // namespace

CASE("v5/X5-80 v5/MQTT-4.12.0-2",
     "enhanced authentication: AUTH 0x18 from the broker, AUTH 0x18 to it, CONNACK 0x00",
     needs.scram()) {
    auto client = peer("client");
    Exchange exchange{client, *declaration().scram_sha_256, unique()};
    const auto auth = exchange.begin();
    demand(auth.reason_code == continue_authentication, "AUTH 0x18", describe(auth));
    exchange.answer(auth);
    const auto connack = client.expect(PacketType::connack);
    demand(connack.reason_code == 0, "CONNACK 0x00", describe(connack));
    demand(data_of(connack).empty() || exchange.is_proven_by(connack),
           "the server's proof, or none, in CONNACK", describe(connack));
    client.ping();
}

CASE("v5/MQTT-4.12.0-5", "every AUTH and the CONNACK name the Authentication Method of CONNECT",
     needs.scram()) {
    auto client = peer("client");
    Exchange exchange{client, *declaration().scram_sha_256, unique()};
    const auto auth = exchange.begin();
    demand(text_of(auth.properties, authentication_method) == scram_method,
           "Authentication Method SCRAM-SHA-256 in AUTH", describe(auth));
    exchange.answer(auth);
    const auto connack = client.expect(PacketType::connack);
    demand(connack.reason_code == 0, "CONNACK 0x00", describe(connack));
    demand(text_of(connack.properties, authentication_method) == scram_method,
           "Authentication Method SCRAM-SHA-256 in CONNACK", describe(connack));
}

CASE("v5/MQTT-4.12.0-5:of-client", "an AUTH with another Authentication Method is not accepted",
     needs.scram()) {
    auto client = peer("client");
    Exchange exchange{client, *declaration().scram_sha_256, unique()};
    const auto answer = exchange.answer_to(exchange.begin());
    client.send(build_auth(continue_authentication, method_and_data(answer, "SCRAM-SHA-1")));
    const auto mistake = mistake_in_refusal(client.wait_for_close(now() + tolerances().answer()));
    demand(mistake.empty(), "a refusing CONNACK or none, and a close", mistake);
}

CASE("v5/MQTT-4.12.0-3", "an AUTH of the client without 0x18 does not go on with the exchange",
     needs.scram()) {
    auto client = peer("client");
    for (const std::uint8_t code : {std::uint8_t{0x00}, re_authenticate}) {
        Exchange exchange{client, *declaration().scram_sha_256, unique()};
        const auto answer = exchange.answer_to(exchange.begin());
        client.send(build_auth(code, method_and_data(answer)));
        const auto mistake =
            mistake_in_refusal(client.wait_for_close(now() + tolerances().answer()));
        demand(mistake.empty(), "a refusing CONNACK or none, and a close", mistake);
    }
}

CASE("v5/MQTT-4.12.0-4", "a client that does not prove who it is gets no connection",
     needs.scram()) {
    auto client = peer("client");
    auto user = *declaration().scram_sha_256;
    user.password += "-wrong";
    Exchange exchange{client, user, unique()};
    exchange.answer(exchange.begin());
    const auto end = client.wait_for_close(now() + tolerances().answer());
    const auto mistake = mistake_in_refusal(end);
    demand(mistake.empty(), "a refusing CONNACK or none, and a close", mistake);
}

CASE("v5/MQTT-3.1.2-30", "what a client sends before its authentication has ended has no effect",
     needs.scram()) {
    auto watcher = peer("watcher").connect().subscribe("t");
    auto client = peer("client");
    Exchange exchange{client, *declaration().scram_sha_256, unique()};
    const auto auth = exchange.begin();
    client.send(client.publish_packet({.topic = "t", .payload = "too early"}));
    client.send(client.subscribe_packet({{.filter = "t"}}));
    const auto mistake =
        mistake_in_refusal(client.wait_for_close(now() + tolerances().close_before_asking()));
    if (mistake == "the connection stays open") {
        non_strict("a PUBLISH in the middle of the exchange does not end it");
    } else {
        demand(mistake.empty(), "nothing but AUTH, CONNACK or a close", mistake);
    }
    watcher.expect_nothing_by_ping();
}

CASE("v5/MQTT-3.15.2-1", "an AUTH with a code that is none of its own is not accepted",
     needs.scram()) {
    auto client = peer("client");
    for (const std::uint8_t code : {std::uint8_t{0x01}, std::uint8_t{0x80}}) {
        Exchange exchange{client, *declaration().scram_sha_256, unique()};
        const auto answer = exchange.answer_to(exchange.begin());
        client.send(build_auth(code, method_and_data(answer)));
        const auto mistake =
            mistake_in_refusal(client.wait_for_close(now() + tolerances().answer()));
        demand(mistake.empty(), "a refusing CONNACK or none, and a close", mistake);
    }
}

CASE("v5/MQTT-3.15.2-2 v5/MQTT-3.15.2-3",
     "Reason String and User Properties do not make an AUTH larger than the client takes",
     needs.scram()) {
    constexpr std::uint32_t size_bytes_max = 256;
    auto client = peer("client");
    Exchange exchange{client, *declaration().scram_sha_256, unique()};
    const auto auth = exchange.begin({.maximum_packet_size_bytes = size_bytes_max});
    demand(auth.raw.size() <= size_bytes_max, "an AUTH of at most 256 bytes",
           std::to_string(auth.raw.size()) + " bytes");
    exchange.answer(auth);
    const auto connack = client.expect(PacketType::connack);
    demand(connack.reason_code == 0, "CONNACK 0x00", describe(connack));
}

CASE("v5/MQTT-4.12.1-1 v5/X5-82",
     "a client authenticates again by AUTH 0x19, and goes on with its work meanwhile",
     needs.scram()) {
    auto client = peer("client");
    Exchange first{client, *declaration().scram_sha_256, unique()};
    first.finish_connect();
    demand(!first.is_refused(), "CONNACK 0x00", "a refusal");
    Exchange second{client, *declaration().scram_sha_256, unique() + "2"};
    const auto auth = second.begin_again();
    demand(auth.reason_code == continue_authentication, "AUTH 0x18", describe(auth));
    demand(text_of(auth.properties, authentication_method) == scram_method,
           "Authentication Method SCRAM-SHA-256 in AUTH", describe(auth));
    client.ping();
    second.answer(auth);
    const auto last = client.expect(PacketType::auth);
    demand(last.reason_code == 0, "AUTH 0x00", describe(last));
    client.ping();
}

CASE("v5/MQTT-4.12.1-1:another-method", "nobody authenticates again by another method",
     needs.scram()) {
    auto client = peer("client");
    Exchange first{client, *declaration().scram_sha_256, unique()};
    first.finish_connect();
    demand(!first.is_refused(), "CONNACK 0x00", "a refusal");
    const ScramClient scram{*declaration().scram_sha_256, unique() + "2"};
    client.send(build_auth(re_authenticate, method_and_data(scram.first_message(), "SCRAM-SHA-1")));
    client.expect_rejected({0x82, 0x8C});
}

CASE("v5/MQTT-4.12.1-2", "a client that fails to authenticate again loses its connection",
     needs.scram()) {
    auto client = peer("client");
    Exchange first{client, *declaration().scram_sha_256, unique()};
    first.finish_connect();
    demand(!first.is_refused(), "CONNACK 0x00", "a refusal");
    auto user = *declaration().scram_sha_256;
    user.password += "-wrong";
    Exchange second{client, user, unique() + "2"};
    second.answer(second.begin_again());
    client.expect_rejected({});
}

}  // namespace touchstone::conformance
