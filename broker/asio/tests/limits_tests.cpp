// What a listener lets in, and how fast.
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

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

ListenerOptions listener(const std::string& address = "127.0.0.1:0") {
    return plain_listeners({Endpoint::from_text(address)}).front();
}

access::AddressAccess access_of(std::initializer_list<const char*> entries) {
    access::AddressAccess access;
    for (const char* const entry : entries) {
        access.add(access::AddressAccess::Entry::from_text(entry).value());
    }
    return access;
}

std::uint64_t refused(RunningNode& node, Refusal reason) {
    return node.sum([reason](const ShardFigures& of) {
        return of.driver.refused[static_cast<std::size_t>(reason)];
    });
}

Buffer connack_busy() {
    return bytes_of({0x20, 2, 0, 3});  // Server unavailable, what MQTT 3.1.1 has for it
}

class limited_node : public testing::TestWithParam<Shards> {};
INSTANTIATE_TEST_SUITE_P(shards, limited_node,
                         testing::Values(Shards{1}, Shards{2}, Shards::with_own_tables(2)),
                         [](const auto& shards) { return shards.param.to_text(); });

TEST_P(limited_node, lets_in_the_addresses_on_the_list) {
    auto open = listener();
    open.settings.access = access_of({"allow 127.0.0.0/8"});
    auto closed = listener();
    closed.settings.access = access_of({"deny 127.0.0.1", "allow all"});
    RunningNode node{{.listeners = {open, closed},
                      .shard_count = GetParam().count,
                      .descriptor_tables = GetParam().tables}};
    RawClient::connected(node.port(0), "client");
    RawClient stranger{node.port(1)};
    EXPECT_TRUE(stranger.receive_to_end().empty());
    node.await([&] { return refused(node, Refusal::address_not_allowed) == 1; });
}

TEST_P(limited_node, knows_ipv4_clients_of_a_socket_for_both_by_their_address) {
    auto both = listener("[::]:0");
    both.settings.access = access_of({"allow 127.0.0.1"});
    RunningNode node{{.listeners = {both},
                      .shard_count = GetParam().count,
                      .descriptor_tables = GetParam().tables}};
    RawClient::connected(node.port(), "client");
}

TEST_P(limited_node, serves_no_more_connections_than_it_is_to) {
    for (const bool is_of_node : {false, true}) {
        auto one = listener();
        auto rules = std::make_shared<access::NodeRules>(*access::open_rules({}));
        (is_of_node ? rules->policy.limits.connections_max : one.settings.connections_max) = 3;
        RunningNode node{{.listeners = {one},
                          .rules = rules,
                          .shard_count = GetParam().count,
                          .descriptor_tables = GetParam().tables}};
        std::vector<RawClient> served;
        for (unsigned i = 0; i < 3; ++i) {
            served.push_back(RawClient::connected(node.port(), "client-" + std::to_string(i)));
        }
        for (unsigned i = 0; i < 4; ++i) {
            RawClient further{node.port()};
            further.send(packet::connect("further-" + std::to_string(i)));
            further.expect(connack_busy());
            further.receive_to_end();
        }
        served.pop_back();
        const auto sockets = [](const ShardFigures& of) { return of.driver.sockets; };
        node.await([&] { return node.sum(sockets) == 2; });
        served.push_back(RawClient::connected(node.port(), "next"));
    }
}

TEST_P(limited_node, answers_only_so_many_above_the_limit) {
    auto one = listener();
    one.settings.connections_max = 1;
    RunningNode node{{.listeners = {one},
                      .shard_count = GetParam().count,
                      .descriptor_tables = GetParam().tables}};
    const auto first = RawClient::connected(node.port(), "first");
    std::vector<RawClient> waiting;
    for (unsigned i = 0; i < 256 + 10; ++i) waiting.emplace_back(node.port());
    node.await([&] { return refused(node, Refusal::listener_full) == 10; });
}

TEST_P(limited_node, pauses_accepting_above_the_rate_and_refuses_nobody) {
    auto one = listener();
    one.settings.connection_rate = access::Rate{.per_second = 20, .burst = 20};
    RunningNode node{{.listeners = {one},
                      .shard_count = GetParam().count,
                      .descriptor_tables = GetParam().tables}};
    const auto begin = std::chrono::steady_clock::now();
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < 27; ++i) {
        clients.push_back(RawClient::connected(node.port(), "client-" + std::to_string(i)));
    }
    // 20 at once, 7 at a rate of 20 a second; each shard lets in one before it pauses.
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 200ms);
    EXPECT_GE(node.sum([](const ShardFigures& of) { return of.driver.accept_rate_pauses; }), 3U);

    // A reload takes the limit away, from the next connection on.
    one.settings.connection_rate.reset();
    node.node().reload({one});
    const auto pauses = [](const ShardFigures& of) { return of.driver.accept_rate_pauses; };
    clients.push_back(RawClient::connected(node.port(), "last-of-the-slow"));
    const auto before = node.sum(pauses);
    for (unsigned i = 0; i < 20; ++i) clients.push_back(RawClient::connected(node.port(), "quick"));
    EXPECT_EQ(node.sum(pauses), before);
}

TEST_P(limited_node, reads_no_faster_than_the_rate) {
    auto slow = listener();
    slow.settings.byte_rate = access::Rate{.per_second = 40'000, .burst = 40'000};
    RunningNode node{{.listeners = {slow},
                      .shard_count = GetParam().count,
                      .descriptor_tables = GetParam().tables}};
    for (const char* const id : {"client-0", "client-1"}) {  // of either owner
        auto client = RawClient::connected(node.port(), id);
        Buffer all;
        Buffer answers;
        for (unsigned packet = 1; packet <= 920; ++packet) {
            append(all, packet::publish_qos_1("t", std::string(93, 'x'), packet));
            append(answers, packet::puback(packet));
        }
        const auto begin = std::chrono::steady_clock::now();
        client.send(all);  // 92,000 bytes: 40,000 at once, and as many before there is a pause
        client.expect(answers);
        EXPECT_GE(std::chrono::steady_clock::now() - begin, 250ms);
    }
    EXPECT_GE(node.sum([](const ShardFigures& of) { return of.driver.read_rate_pauses; }), 2U);
}

TEST_P(limited_node, closes_connections_whose_output_does_not_move) {
    auto one = listener();
    one.settings.send_timeout = 200ms;
    one.settings.send_buffer_bytes = 4'096;
    RunningNode node{{.listeners = {one},
                      .shard_count = GetParam().count,
                      .descriptor_tables = GetParam().tables}};
    RawClient deaf{RawClient::Options{.receive_buffer_bytes = 4'096}};
    deaf.open(node.port());
    deaf.send(packet::connect("deaf"));
    deaf.expect(packet::connack());
    deaf.send(packet::subscribe("t"));
    deaf.expect(packet::suback());
    auto listening = RawClient::subscribed(node.port(), "listening", "t");
    auto publisher = RawClient::connected(node.port(), "publisher");
    const Buffer message = packet::publish("t", std::string(100'000, 'x'));
    for (unsigned i = 0; i < 4; ++i) {
        publisher.send(message);
        listening.expect(message);
    }
    node.await([&] {
        return node.sum([](const ShardFigures& of) {
            return of.counters.of(DisconnectReason::etimedout);
        }) == 1;
    });
    EXPECT_EQ(node.sum([](const ShardFigures& of) { return of.driver.send_timeouts; }), 1U);
    publisher.send(message);  // whoever reads is not concerned
    listening.expect(message);
}

TEST(listening_socket, of_ipv6_leaves_the_port_to_one_of_ipv4) {
    auto v4 = ListeningSocket::open(Endpoint::from_text("0.0.0.0:0"));
    const std::string v6_text = "[::]:" + std::to_string(v4.endpoint.port);
    EXPECT_THROW(ListeningSocket::open(Endpoint::from_text(v6_text), {.is_v6_only = false}),
                 OperatorError);
    const auto port = std::to_string(v4.endpoint.port);
    v4.socket.close();
    // The same two as listeners of a node.
    Node node{{.listeners = {listener("0.0.0.0:" + port), listener("[::]:" + port)}}};
    EXPECT_EQ(node.endpoints().size(), 2U);
}

}  // namespace

}  // namespace touchstone::asio_driver
