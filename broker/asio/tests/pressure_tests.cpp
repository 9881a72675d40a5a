// What is owed to somebody who does not take it stays bounded, and nobody is cut off for it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "broker/asio/node.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/asio/tests/running_node.hpp"
#include "broker/asio/tests/tls_client.hpp"
#include "broker/asio/tests/web_client.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

/// What a zone lets the core owe in these tests; the driver stops reading at twice as much.
constexpr std::size_t unwritten_bytes_max = 4'096;
/// That, and what one read of 64 KiB becomes before anybody tries to write it.
constexpr std::size_t output_bytes_max = 2 * unwritten_bytes_max + 2 * 64 * 1024;

Node::Options tight_node(Shards shards, ListenerOptions listener) {
    listener.settings.send_buffer_bytes = 4'096;
    return {.listeners = {std::move(listener)},
            .rules = access::open_rules({.unwritten_bytes_max = unwritten_bytes_max}),
            .shard_count = shards.count,
            .descriptor_tables = shards.tables};
}

ListenerOptions plain_listener() {
    return plain_listeners({Endpoint::from_text("127.0.0.1:0")}).front();
}

Buffer many(const Buffer& packet, std::size_t count) {
    Buffer all;
    for (std::size_t i = 0; i < count; ++i) append(all, packet);
    return all;
}

std::uint64_t output_pauses(const ShardFigures& of) {
    return of.driver.output_pauses;
}
std::uint64_t output_bytes_most(const ShardFigures& of) {
    return of.driver.output_bytes_most;
}

class node_under_pressure : public testing::TestWithParam<Shards> {};
INSTANTIATE_TEST_SUITE_P(shards, node_under_pressure,
                         testing::Values(Shards{1}, Shards{2}, Shards::with_own_tables(2)),
                         [](const auto& shards) { return shards.param.to_text(); });

TEST_P(node_under_pressure, does_not_read_who_does_not_read_its_answers) {
    // PUBREL of an identifier that is not in use has an answer, too.
    const std::pair<Buffer, Buffer> exchanges[] = {
        {packet::pingreq(), packet::pingresp()},
        {bytes_of({0x62, 2, 0, 1}), bytes_of({0x70, 2, 0, 1})},
        {packet::publish_qos_1("t", "", 1), packet::puback(1)},
        {packet::subscribe("t"), packet::suback()},
        {bytes_of({0xA2, 5, 0, 1, 0, 1, 't'}), bytes_of({0xB0, 2, 0, 1})},
    };
    for (const auto& [request, answer] : exchanges) {
        RunningNode node{tight_node(GetParam(), plain_listener())};
        RawClient flood{RawClient::Options{.receive_buffer_bytes = 4'096}};
        flood.open(node.port());
        flood.send(packet::connect("flood"));
        flood.expect(packet::connack());
        constexpr std::size_t count = 500'000;
        std::thread writer{[&flood, all = many(request, count)] { flood.send(all); }};
        node.await([&] { return node.sum(output_pauses) > 0; });
        flood.expect(many(answer, count));  // nothing is lost
        writer.join();
        EXPECT_LE(node.sum(output_bytes_most), output_bytes_max);
    }
}

TEST_P(node_under_pressure, goes_on_reading_through_layers) {
    const TestIdentity identity{"broker"};
    auto listener = plain_listener();
    listener.settings.transport = settings::Transport::wss;
    listener.settings.path = "/mqtt";
    listener.settings.tls.emplace();
    listener.settings.tls->identity = identity.settings();
    listener.settings.tls->handshake_timeout = 30s;
    RunningNode node{tight_node(GetParam(), std::move(listener))};
    WebClient flood{TlsClient{node.port(), {.trusted = &identity}}};
    flood.stream().shake_hands();
    const int receive_bytes = 4'096;
    const int send_bytes = 212'992;
    const int socket = flood.stream().raw().raw();
    ASSERT_EQ(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    ASSERT_EQ(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes), 0);
    flood.connect("flood");
    // They fit the buffers of the system, so that one thread can send all before it receives.
    constexpr std::size_t count = 80'000;
    flood.send(many(packet::pingreq(), count));
    node.await([&] { return node.sum(output_pauses) > 0; });
    flood.expect(many(packet::pingresp(), count));
    EXPECT_LE(node.sum(output_bytes_most), output_bytes_max);
}

TEST_P(node_under_pressure, does_not_take_for_silent_whom_it_does_not_read) {
    const auto connect = [](std::string_view client_id) {
        return packet::with_fixed_header(0x10, packet::text("MQTT") + bytes_of({4, 2, 0, 1}) +
                                                   packet::text(client_id));
    };
    RunningNode node{tight_node(GetParam(), plain_listener())};
    RawClient flood{RawClient::Options{.receive_buffer_bytes = 4'096}};
    flood.open(node.port());
    flood.send(connect("flood"));
    flood.expect(packet::connack());
    constexpr std::size_t count = 500'000;
    std::thread writer{[&flood, all = many(packet::pingreq(), count)] { flood.send(all); }};
    node.await([&] { return node.sum(output_pauses) > 0; });
    // Whoever is silent by itself for as long is cut off.
    RawClient silent{node.port()};
    silent.send(connect("silent"));
    silent.expect(packet::connack());
    silent.receive_to_end();
    flood.expect(many(packet::pingresp(), count));
    writer.join();
}

TEST_P(node_under_pressure, notices_the_end_of_whom_it_does_not_read) {
    RunningNode node{tight_node(GetParam(), plain_listener())};
    RawClient flood{RawClient::Options{.receive_buffer_bytes = 4'096}};
    flood.open(node.port());
    flood.send(packet::connect("flood"));
    flood.expect(packet::connack());
    flood.send(many(packet::pingreq(), 50'000));
    node.await([&] { return node.sum(output_pauses) > 0; });
    flood.reset();
    node.await([&] {
        return node.sum([](const ShardFigures& of) { return of.driver.sockets; }) == 0;
    });
}

}  // namespace

}  // namespace touchstone::asio_driver
