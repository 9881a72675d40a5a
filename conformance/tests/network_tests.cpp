// The targets over a network, against brokers of the tests' own on 127.0.0.1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conformance/command.hpp"
#include "conformance/suite/runner.hpp"
#include "conformance/targets/network.hpp"
#include "conformance/tests/loopback.hpp"

namespace touchstone::conformance {
namespace {

using testing::HasSubstr;

constexpr unsigned opcode_continuation = 0;
constexpr unsigned opcode_text = 1;
constexpr unsigned opcode_binary = 2;
constexpr unsigned opcode_close = 8;
constexpr unsigned opcode_ping = 9;
constexpr unsigned opcode_pong = 10;

const Identity& authority() {
    static const Identity made{Identity::Kind::authority, ""};
    return made;
}

const Identity& host() {
    static const Identity made{Identity::Kind::host, "DNS:localhost,IP:127.0.0.1", &authority()};
    return made;
}

/// A client at `address`, which is trusted when it is of TLS.
std::unique_ptr<Target> target_at(NetworkAddress address) {
    if (has_tls(address.transport) && address.tls.authorities_file.empty()) {
        address.tls.authorities_file = authority().certificate_file();
    }
    std::string problem;
    const auto source = make_network_source(address, problem);
    EXPECT_NE(source, nullptr) << problem;
    return source->make(0);
}

std::unique_ptr<Connection> open_at(const NetworkAddress& address) {
    std::string problem;
    auto connection = target_at(address)->open(problem);
    EXPECT_NE(connection, nullptr) << problem;
    return connection;
}

/// Why there is no connection to `address`.
std::string refusal_at(const NetworkAddress& address) {
    std::string problem;
    EXPECT_EQ(target_at(address)->open(problem), nullptr);
    return problem;
}

Instant soon(Target& target) {
    return target.now() + std::chrono::seconds{10};
}

/// What comes, until it ends as something else than bytes.
struct Received {
    std::string bytes;
    Arrival end = Arrival::bytes;
};

Received receive_all(Connection& connection, Target& target) {
    Buffer bytes;
    Received received;
    while (received.end == Arrival::bytes) received.end = connection.receive(bytes, soon(target));
    received.bytes = as_text(bytes);
    const bool is_over = received.end == Arrival::closed || received.end == Arrival::reset;
    EXPECT_TRUE(!is_over || connection.receive(bytes, target.now()) == received.end);
    return received;
}

std::string receive_bytes(Connection& connection, Target& target, std::size_t size_bytes) {
    Buffer bytes;
    while (bytes.size() < size_bytes && connection.receive(bytes, soon(target)) == Arrival::bytes) {
    }
    return std::string{as_text(bytes)};
}

class AllTransports : public testing::TestWithParam<Transport> {
protected:
    static LoopbackBroker::Options options() {
        return {.transport = GetParam(), .identity = &host()};
    }
    /// `serve` after the handshake that GetParam() begins with.
    static std::function<void(LoopbackConnection&)>
    behind_handshake(std::function<void(LoopbackConnection&)> serve) {
        return [serve = std::move(serve)](LoopbackConnection& client) {
            if (is_web_socket(GetParam())) accept_web_socket(client);
            serve(client);
        };
    }
    /// `bytes` as they go to the client.
    static std::string wrapped(std::string_view bytes) {
        return is_web_socket(GetParam()) ? frame(opcode_binary, bytes) : std::string{bytes};
    }
    static std::string read_one(LoopbackConnection& client, std::size_t size_bytes) {
        return is_web_socket(GetParam()) ? read_frame(client).payload : client.read(size_bytes);
    }
};

INSTANTIATE_TEST_SUITE_P(Transports, AllTransports,
                         testing::Values(Transport::tcp, Transport::tls, Transport::ws,
                                         Transport::wss),
                         [](const auto& one) { return text_of(one.param); });

TEST_P(AllTransports, carry_bytes_both_ways) {
    LoopbackBroker broker{options(), behind_handshake([](LoopbackConnection& client) {
                              client.write(wrapped("you said " + read_one(client, 5)));
                              client.await_end();
                          })};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    EXPECT_TRUE(connection->send(as_bytes("hello")));
    EXPECT_EQ(receive_bytes(*connection, *target, 14), "you said hello");
}

TEST_P(AllTransports, lose_nothing_that_comes_after_a_deadline) {
    LoopbackBroker broker{options(), behind_handshake([](LoopbackConnection& client) {
                              read_one(client, 1);
                              client.write(wrapped("late"));
                              client.await_end();
                          })};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    Buffer bytes;
    EXPECT_EQ(connection->receive(bytes, target->now()), Arrival::deadline);
    EXPECT_TRUE(connection->send(as_bytes("x")));
    EXPECT_EQ(receive_bytes(*connection, *target, 4), "late");
}

TEST_P(AllTransports, see_what_came_before_an_end_of_tcp_in_order) {
    LoopbackBroker broker{options(), behind_handshake([](LoopbackConnection& client) {
                              client.write(wrapped("bye"));
                              client.send_finish();
                              client.await_end();
                          })};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    const auto received = receive_all(*connection, *target);
    EXPECT_EQ(received.bytes, "bye");
    EXPECT_EQ(received.end, Arrival::closed);
    EXPECT_EQ(connection->problem(), "");
}

TEST_P(AllTransports, know_a_reset) {
    // Not before the client knows that it is connected.
    LoopbackBroker broker{options(), behind_handshake([](LoopbackConnection& client) {
                              read_one(client, 5);
                              client.reset();
                          })};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    EXPECT_TRUE(connection->send(as_bytes("hello")));
    EXPECT_EQ(receive_all(*connection, *target).end, Arrival::reset);
    EXPECT_EQ(connection->problem(), "");
}

TEST_P(AllTransports, end_in_order_or_as_if_the_network_had_failed) {
    for (const auto ending : {Ending::finish, Ending::abort}) {
        std::string last;
        auto end = ClientEnd::none;
        LoopbackBroker broker{options(), behind_handshake([&](LoopbackConnection& client) {
                                  if (is_web_socket(GetParam()) && ending == Ending::finish) {
                                      const auto goodbye = read_frame(client);
                                      EXPECT_EQ(goodbye.opcode, opcode_close);
                                      EXPECT_EQ(goodbye.payload, "\x03\xE8");  // 1000
                                  }
                                  end = client.await_end();
                              })};
        open_at(broker.address())->close(ending);
        broker.finish();
        EXPECT_EQ(end, ending == Ending::abort ? ClientEnd::reset
                       : has_tls(GetParam())   ? ClientEnd::close_notify
                                               : ClientEnd::finish);
    }
}

TEST_P(AllTransports, answer_an_orderly_end_at_once) {
    auto end = ClientEnd::none;
    LoopbackBroker broker{options(), behind_handshake([&](LoopbackConnection& client) {
                              client.write(wrapped("bye"));
                              if (!has_tls(GetParam())) {
                                  client.send_finish();  // which needs no answer
                                  return;
                              }
                              client.send_close_notify();
                              end = client.await_end();
                          })};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    const auto received = receive_all(*connection, *target);
    EXPECT_EQ(received.bytes, "bye");
    EXPECT_EQ(received.end, Arrival::closed);
    broker.finish();  // The client is still there.
    EXPECT_EQ(end, has_tls(GetParam()) ? ClientEnd::close_notify : ClientEnd::none);
}

TEST_P(AllTransports, say_that_nothing_listens) {
    NetworkAddress address;
    {
        const LoopbackBroker broker{options(), [](LoopbackConnection&) {}};
        address = broker.address();
    }
    EXPECT_THAT(refusal_at(address), HasSubstr("nothing accepts connections at 127.0.0.1:"));
}

// --- TLS -----------------------------------------------------------------------------------------

TEST(Tls, names_the_host_it_wants_unless_that_is_an_address) {
    std::vector<std::string> names;
    LoopbackBroker broker{{.transport = Transport::tls, .identity = &host()},
                          [&](LoopbackConnection& client) {
                              names.push_back(client.server_name());
                              client.await_end();
                          }};
    auto address = broker.address();
    open_at(address)->close(Ending::finish);
    address.host = "localhost";
    open_at(address)->close(Ending::finish);
    broker.finish();
    EXPECT_EQ(names, (std::vector<std::string>{"", "localhost"}));
}

TEST(Tls, trusts_nobody_it_was_not_told_to) {
    LoopbackBroker broker{{.transport = Transport::tls, .identity = &host()},
                          [](LoopbackConnection& client) { client.await_end(); }};
    const Identity stranger{Identity::Kind::authority, ""};
    auto address = broker.address();
    address.tls.authorities_file = stranger.certificate_file();
    const auto problem = refusal_at(address);
    EXPECT_THAT(problem, HasSubstr("no TLS with 127.0.0.1:"));
    EXPECT_THAT(problem, HasSubstr("unable to get local issuer certificate"));
    EXPECT_THAT(problem, HasSubstr("--ca-file names whom to trust, --insecure"));
    address.tls.checks_certificate = false;
    EXPECT_NE(open_at(address), nullptr);
}

TEST(Tls, wants_a_certificate_for_the_host_it_asked_for) {
    const Identity other{Identity::Kind::host, "DNS:elsewhere.example,IP:127.0.0.2", &authority()};
    LoopbackBroker broker{{.transport = Transport::tls, .identity = &other},
                          [](LoopbackConnection& client) { client.await_end(); }};
    auto address = broker.address();
    EXPECT_THAT(refusal_at(address), HasSubstr("IP address mismatch"));
    address.host = "localhost";
    EXPECT_THAT(refusal_at(address), HasSubstr("hostname mismatch"));
    address.tls.checks_certificate = false;
    EXPECT_NE(open_at(address), nullptr);
}

TEST(Tls, shows_its_certificate) {
    const Identity mine{Identity::Kind::host, "", &authority()};
    bool has_certificate = false;
    LoopbackBroker broker{
        {.transport = Transport::tls, .identity = &host(), .client_issuer = &authority()},
        [&](LoopbackConnection& client) {
            has_certificate = client.has_client_certificate();
            client.await_end();
        }};
    auto address = broker.address();
    address.tls.certificate_file = mine.certificate_file();
    address.tls.key_file = mine.key_file();
    open_at(address)->close(Ending::finish);
    broker.finish();
    EXPECT_TRUE(has_certificate);
}

TEST(Tls, is_told_after_the_handshake_that_its_certificate_is_missing) {
    LoopbackBroker broker{
        {.transport = Transport::tls, .identity = &host(), .client_issuer = &authority()},
        [](LoopbackConnection& client) { client.await_end(); }};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    EXPECT_EQ(receive_all(*connection, *target).end, Arrival::refused);
    EXPECT_THAT(connection->problem(), HasSubstr("certificate required"));

    auto address = broker.address();
    address.tls.authorities_file = authority().certificate_file();
    std::string problem;
    const auto source = make_network_source(address, problem);
    const auto record = run_cases(*source, {}, {});
    EXPECT_EQ(record.exit_code, ExitCode::target_unreachable);
    EXPECT_THAT(record.problem, HasSubstr("certificate required"));
}

TEST(Tls, needs_a_broker_that_speaks_it) {
    LoopbackBroker broker{{.transport = Transport::tcp}, [](LoopbackConnection& client) {
                              client.write("220 here is a mail server\r\n");
                              client.await_end();
                          }};
    auto address = broker.address();
    address.transport = Transport::tls;
    EXPECT_THAT(refusal_at(address), HasSubstr("no TLS with 127.0.0.1:"));
}

TEST(Tls, names_a_file_that_is_not_what_it_should_be) {
    const auto problem_with = [](const TlsOptions& options) {
        std::string problem;
        EXPECT_EQ(make_network_source({.transport = Transport::wss, .host = "h", .tls = options},
                                      problem),
                  nullptr);
        return problem;
    };
    EXPECT_THAT(problem_with({.authorities_file = "missing.pem"}),
                HasSubstr("missing.pem has no certificate in PEM: No such file"));
    EXPECT_THAT(
        problem_with({.certificate_file = host().key_file(), .key_file = host().key_file()}),
        HasSubstr(".key has no certificate in PEM"));
    EXPECT_THAT(problem_with({.certificate_file = host().certificate_file(),
                              .key_file = authority().key_file()}),
                HasSubstr("has no private key of this certificate in PEM: key values mismatch"));
}

// --- WebSocket -----------------------------------------------------------------------------------

TEST(WebSocket, asks_for_the_subprotocol_mqtt_at_its_path) {
    std::string request;
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              request = accept_web_socket(client);
                              client.await_end();
                          }};
    auto address = broker.address();
    address.path = "/some/where?x=1";
    open_at(address)->close(Ending::finish);
    broker.finish();
    EXPECT_THAT(request, testing::StartsWith("GET /some/where?x=1 HTTP/1.1\r\n"));
    EXPECT_THAT(request, HasSubstr("Host: 127.0.0.1:" + std::to_string(address.port) + "\r\n"));
    EXPECT_THAT(request, HasSubstr("Sec-WebSocket-Protocol: mqtt\r\n"));
    EXPECT_THAT(request, HasSubstr("Sec-WebSocket-Version: 13\r\n"));
    EXPECT_THAT(request, testing::Not(HasSubstr("Sec-WebSocket-Extensions")));
}

/// The next `count` frames of the client, which `send` sends.
std::vector<ClientFrame> frames_of(std::size_t count,
                                   const std::function<void(Connection&)>& send) {
    std::vector<ClientFrame> frames;
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              accept_web_socket(client);
                              while (frames.size() < count) frames.push_back(read_frame(client));
                              client.await_end();
                          }};
    const auto connection = open_at(broker.address());
    send(*connection);
    connection->close(Ending::finish);
    broker.finish();
    return frames;
}

TEST(WebSocket, puts_each_write_into_one_binary_frame) {
    const std::string large(100'000, 'l');
    const auto frames = frames_of(2, [&](Connection& connection) {
        EXPECT_TRUE(connection.send(as_bytes("small")));
        EXPECT_TRUE(connection.send(as_bytes(large)));
    });
    for (const auto& one : frames) {
        EXPECT_TRUE(one.is_final);
        EXPECT_TRUE(one.is_masked);
        EXPECT_EQ(one.opcode, opcode_binary);
    }
    EXPECT_EQ(frames[0].payload, "small");
    EXPECT_EQ(frames[1].payload, large);
}

TEST(WebSocket, cuts_messages_as_it_is_told) {
    const auto buffer = [](std::string_view text) {
        const auto bytes = as_bytes(text);
        return Buffer{bytes.begin(), bytes.end()};
    };
    using Kind = WebSocketMessage::Kind;
    const auto frames = frames_of(5, [&](Connection& connection) {
        auto* const sender = connection.frames();
        ASSERT_NE(sender, nullptr);
        EXPECT_TRUE(sender->send({.fragments = {buffer("a"), buffer(""), buffer("bc")}}));
        EXPECT_TRUE(sender->send({.kind = Kind::text, .fragments = {buffer("text")}}));
        EXPECT_TRUE(sender->send({.kind = Kind::ping, .fragments = {buffer("p")}}));
    });
    const auto is = [&](std::size_t index, unsigned opcode, bool is_final, const char* payload) {
        return frames[index].opcode == opcode && frames[index].is_final == is_final &&
               frames[index].payload == payload;
    };
    EXPECT_TRUE(is(0, opcode_binary, false, "a"));
    EXPECT_TRUE(is(1, opcode_continuation, false, ""));
    EXPECT_TRUE(is(2, opcode_continuation, true, "bc"));
    EXPECT_TRUE(is(3, opcode_text, true, "text"));
    EXPECT_TRUE(is(4, opcode_ping, true, "p"));
}

TEST(WebSocket, answers_a_close_frame_at_once) {
    for (const auto transport : {Transport::ws, Transport::wss}) {
        ClientFrame answer;
        auto end = ClientEnd::finish;
        LoopbackBroker broker{{.transport = transport, .identity = &host()},
                              [&](LoopbackConnection& client) {
                                  accept_web_socket(client);
                                  client.write(frame(opcode_close, "\x03\xE8"));
                                  answer = read_frame(client);
                                  if (has_tls(transport)) end = client.await_end();
                              }};
        const auto target = target_at(broker.address());
        const auto connection = open_at(broker.address());
        EXPECT_EQ(receive_all(*connection, *target).end, Arrival::closed);
        broker.finish();  // The client is still there.
        EXPECT_EQ(answer.opcode, opcode_close);
        EXPECT_EQ(end, has_tls(transport) ? ClientEnd::close_notify : ClientEnd::finish);
    }
}

/// What a client receives when a broker sends `frames` and nothing more.
Received received_from(const std::string& frames) {
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              accept_web_socket(client);
                              client.write(frames);
                              client.await_end();
                          }};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    return receive_all(*connection, *target);
}

TEST(WebSocket, is_a_stream_whatever_the_frames) {
    const auto received =
        received_from(frame(opcode_binary, "one ") + frame(opcode_binary, "") +
                      frame(opcode_binary, "tw", false) + frame(opcode_ping, "?") +
                      frame(opcode_continuation, "o") + frame(opcode_close, "\x03\xE8"));
    EXPECT_EQ(received.bytes, "one two");
    EXPECT_EQ(received.end, Arrival::closed);
}

TEST(WebSocket, ends_with_a_close_frame_though_tcp_goes_on) {
    EXPECT_EQ(received_from(frame(opcode_close, "\x03\xE9")).end, Arrival::closed);
    EXPECT_EQ(received_from(frame(opcode_close, "")).end, Arrival::closed);
}

TEST(WebSocket, tells_a_text_frame) {
    const auto received = received_from(frame(opcode_binary, "b") + frame(opcode_text, "t"));
    EXPECT_EQ(received.bytes, "b");
    EXPECT_EQ(received.end, Arrival::text_frame);
}

TEST(WebSocket, is_broken_by_a_frame_that_is_none) {
    ClientFrame answer;
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              accept_web_socket(client);
                              client.write(frame(3, "reserved"));
                              answer = read_frame(client);
                              client.send_finish();
                              client.await_end();
                          }};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    EXPECT_EQ(receive_all(*connection, *target).end, Arrival::reset);
    EXPECT_THAT(connection->problem(), HasSubstr("opcode"));
    broker.finish();
    EXPECT_EQ(answer.opcode, opcode_close);
    EXPECT_EQ(answer.payload, "\x03\xEA");  // 1002, protocol error
}

TEST(WebSocket, answers_a_ping) {
    ClientFrame answer;
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              accept_web_socket(client);
                              client.write(frame(opcode_ping, "who?"));
                              answer = read_frame(client);
                              client.send_finish();
                              client.await_end();
                          }};
    const auto target = target_at(broker.address());
    const auto connection = open_at(broker.address());
    EXPECT_EQ(receive_all(*connection, *target).end, Arrival::closed);
    connection->close(Ending::finish);
    broker.finish();
    EXPECT_EQ(answer.opcode, opcode_pong);
    EXPECT_EQ(answer.payload, "who?");
}

/// Why there is no WebSocket with a broker that does `serve`.
std::string refusal_of(std::function<void(LoopbackConnection&)> serve) {
    LoopbackBroker broker{{.transport = Transport::ws}, std::move(serve)};
    return refusal_at(broker.address());
}

void decline(LoopbackConnection& client) {
    client.read_until("\r\n\r\n");
    client.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    client.await_end();
}

TEST(WebSocket, says_why_there_is_none) {
    EXPECT_THAT(refusal_of(decline), testing::AllOf(HasSubstr("no WebSocket at ws://127.0.0.1:"),
                                                    HasSubstr("/mqtt: HTTP status 404 Not Found")));
    EXPECT_THAT(refusal_of([](LoopbackConnection& client) {
                    accept_web_socket(client, std::nullopt);
                    client.await_end();
                }),
                HasSubstr("selects no subprotocol"));
    EXPECT_THAT(refusal_of([](LoopbackConnection& client) {
                    accept_web_socket(client, "chat");
                    client.await_end();
                }),
                HasSubstr("selects the subprotocol 'chat' instead of 'mqtt'"));
    EXPECT_THAT(refusal_of([](LoopbackConnection& client) {
                    client.read_until("\r\n\r\n");
                    client.send_finish();
                    client.await_end();
                }),
                HasSubstr("end of stream"));
}

TEST(WebSocket, that_cannot_be_had_makes_the_broker_unreachable) {
    LoopbackBroker broker{{.transport = Transport::ws}, decline};
    std::string problem;
    const auto source = make_network_source(broker.address(), problem);
    const auto record = run_cases(*source, {}, {});
    EXPECT_EQ(record.exit_code, ExitCode::target_unreachable);
    EXPECT_THAT(record.problem, HasSubstr("HTTP status 404"));
}

TEST(WebSocket, handshake_tells_what_was_answered) {
    std::vector<std::string> requests;
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              if (requests.size() == 2) {
                                  decline(client);
                                  return;
                              }
                              requests.push_back(accept_web_socket(client, "chat"));
                              client.await_end();
                          }};
    const auto target = target_at(broker.address());
    std::string problem;
    auto handshake = target->shake_hands({"chat", "mqtt"}, problem);
    ASSERT_TRUE(handshake.has_value()) << problem;
    EXPECT_EQ(handshake->status, 101U);
    EXPECT_EQ(handshake->subprotocol, "chat");
    EXPECT_EQ(handshake->problem, "");
    handshake = target->shake_hands({}, problem);
    ASSERT_TRUE(handshake.has_value()) << problem;
    handshake = target->shake_hands({"mqtt"}, problem);
    ASSERT_TRUE(handshake.has_value()) << problem;
    EXPECT_EQ(handshake->status, 404U);
    EXPECT_EQ(handshake->subprotocol, std::nullopt);
    EXPECT_THAT(handshake->problem, HasSubstr("404"));
    broker.finish();
    EXPECT_THAT(requests[0], HasSubstr("Sec-WebSocket-Protocol: chat, mqtt\r\n"));
    EXPECT_THAT(requests[1], testing::Not(HasSubstr("Sec-WebSocket-Protocol")));
    EXPECT_EQ(target->shake_hands({"mqtt"}, problem), std::nullopt);
    EXPECT_THAT(problem, HasSubstr("nothing accepts connections"));
}

TEST(Network, does_not_wait_for_a_connection_that_is_broken_to_take_more_bytes) {
    LoopbackBroker broker{{}, [](LoopbackConnection& client) {
                              client.read(2);
                              client.reset();
                          }};
    const auto target = target_at(broker.address());
    std::string problem;
    const auto connection = target->open(problem);
    ASSERT_NE(connection, nullptr) << problem;
    EXPECT_TRUE(connection->send(hex("c0 00")));
    Buffer bytes;
    EXPECT_EQ(connection->receive(bytes, soon(*target)), Arrival::reset);
    // As the pieces of --split-bytes: none of them may cost the patience for a send.
    const auto before = target->now();
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(connection->send(hex("c0")));
    EXPECT_LT(target->now() - before, std::chrono::seconds{5});
}

TEST(Network, has_handshakes_and_frames_over_web_socket_alone) {
    LoopbackBroker broker{{.transport = Transport::tcp},
                          [](LoopbackConnection& client) { client.await_end(); }};
    std::string problem;
    EXPECT_EQ(target_at(broker.address())->shake_hands({"mqtt"}, problem), std::nullopt);
    EXPECT_EQ(problem, "this transport is no WebSocket");
    EXPECT_EQ(open_at(broker.address())->frames(), nullptr);
    EXPECT_FALSE(make_network_source(broker.address(), problem)->has_frames());
    auto address = broker.address();
    address.transport = Transport::ws;
    EXPECT_TRUE(make_network_source(address, problem)->has_frames());
}

TEST(Network, targets_have_urls) {
    const auto url_of = [](NetworkAddress address) {
        address.host = "::1";
        address.port = 7;
        std::string problem;
        const auto source = make_network_source(address, problem);
        EXPECT_EQ(source->transport(), text_of(address.transport));
        return source->url();
    };
    EXPECT_EQ(url_of({.transport = Transport::tcp}), "mqtt://[::1]:7");
    EXPECT_EQ(url_of({.transport = Transport::tls}), "mqtts://[::1]:7");
    EXPECT_EQ(url_of({.transport = Transport::ws}), "ws://[::1]:7/mqtt");
    EXPECT_EQ(url_of({.transport = Transport::wss, .path = "/x"}), "wss://[::1]:7/x");
}

// --- The command ---------------------------------------------------------------------------------

struct Ran {
    int code = 0;
    std::string error{};
};

Ran run_command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "conform");
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Ran ran;
    ran.code = conform_command(static_cast<int>(pointers.size()), pointers.data());
    ran.error = testing::internal::GetCapturedStderr();
    testing::internal::GetCapturedStdout();
    return ran;
}

TEST(Command, refuses_what_would_change_nothing) {
    const auto refusal = [](std::vector<std::string> arguments) {
        const auto ran = run_command(std::move(arguments));
        EXPECT_EQ(ran.code, to_int(ExitCode::usage_error));
        EXPECT_EQ(std::ranges::count(ran.error, '\n'), 1);
        return ran.error;
    };
    EXPECT_THAT(refusal({"--target", "mqtt://h", "--insecure"}), HasSubstr("are for TLS"));
    EXPECT_THAT(refusal({"--target", "sim", "--ca-file", "f"}), HasSubstr("are for TLS"));
    EXPECT_THAT(refusal({"--target", "mqtts://h", "--ws-path", "/x"}),
                HasSubstr("is for WebSocket"));
    EXPECT_THAT(refusal({"--target", "mqtts://h/x"}), HasSubstr("only WebSocket has a path"));
    EXPECT_THAT(refusal({"--target", "ws://h/x", "--ws-path", "/y"}),
                HasSubstr("a path of its own"));
    EXPECT_THAT(refusal({"--target", "ws://h/x y"}), HasSubstr("HTTP wants as %XX"));
    EXPECT_THAT(refusal({"--target", "wss://h", "--cert", "f"}), HasSubstr("--key"));
    EXPECT_THAT(refusal({"--target", "wss://h", "--ca-file", "f", "--insecure"}),
                HasSubstr("excludes"));
    EXPECT_THAT(refusal({"--target", "wss://h", "--ca-file", "missing.pem"}),
                HasSubstr("missing.pem has no certificate"));
    EXPECT_THAT(refusal({"--target", "wss://h:0"}), HasSubstr("'0' is no port"));
    EXPECT_THAT(refusal({"--target", "wss:///mqtt"}), HasSubstr("the host is missing"));
    EXPECT_THAT(refusal({"--target", "http://h"}), HasSubstr("mqtt://, mqtts://, ws:// or wss://"));
}

TEST(Command, ends_with_3_and_a_line_when_there_is_no_web_socket) {
    std::string request;
    LoopbackBroker broker{{.transport = Transport::ws}, [&](LoopbackConnection& client) {
                              request = client.read_until("\r\n\r\n");
                              client.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                              client.await_end();
                          }};
    const auto folder =
        testing::TempDir() + "touchstone-conform-" + std::to_string(broker.address().port);
    const auto ran =
        run_command({"--target", "ws://127.0.0.1:" + std::to_string(broker.address().port),
                     "--ws-path", "bus", "--only", "v5/MQTT-3.12.4-1", "--out", folder});
    broker.finish();
    std::filesystem::remove_all(folder);
    EXPECT_EQ(ran.code, to_int(ExitCode::target_unreachable));
    EXPECT_THAT(ran.error, HasSubstr("HTTP status 403 Forbidden instead of 101"));
    EXPECT_THAT(request, testing::StartsWith("GET /bus HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace touchstone::conformance
