// A whole node over real sockets on 127.0.0.1, with 1 and with 2 shards.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "broker/asio/node.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/asio/tests/running_node.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

class node_of_shards : public testing::TestWithParam<Shards> {};
INSTANTIATE_TEST_SUITE_P(shards, node_of_shards,
                         testing::Values(Shards{1}, Shards{2}, Shards::with_own_tables(1),
                                         Shards::with_own_tables(3)),
                         [](const auto& shards) { return shards.param.to_text(); });

std::string name(std::string_view stem, unsigned number) {
    return std::string{stem} + std::to_string(number);
}

TEST_P(node_of_shards, brings_a_message_from_every_client_to_every_other) {
    RunningNode node{GetParam()};
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < 8; ++i) {
        clients.push_back(RawClient::subscribed(node.port(), name("client-", i), "to/all"));
    }
    for (unsigned i = 0; i < clients.size(); ++i) {
        const Buffer packet = packet::publish("to/all", name("from ", i));
        clients[i].send(packet);
        for (RawClient& client : clients) client.expect(packet);
    }
}

TEST_P(node_of_shards, serves_each_client_on_the_shard_that_owns_it) {
    RunningNode node{GetParam()};
    std::vector<RawClient> clients;
    std::vector<std::uint64_t> expected(GetParam().count);
    for (unsigned i = 0; i < 32; ++i) {
        ++expected[owner_of(name("client-", i), GetParam().count).raw()];
        clients.push_back(RawClient::connected(node.port(), name("client-", i)));
    }
    const auto figures = node.figures();
    for (unsigned shard = 0; shard < GetParam().count; ++shard) {
        EXPECT_EQ(figures[shard].gauges.sessions, expected[shard]);
        EXPECT_EQ(figures[shard].driver.sockets, expected[shard]);
    }
}

TEST_P(node_of_shards, takes_packets_that_come_byte_by_byte) {
    RunningNode node{GetParam()};
    for (unsigned i = 0; i < 4; ++i) {  // of either owner
        RawClient client{node.port()};
        const Buffer message = packet::publish("a/b", "c");
        const Buffer all = packet::connect(name("slow-", i)) + packet::subscribe("a/+") + message;
        for (const std::byte& byte : all) client.send({&byte, 1});
        client.expect(packet::connack() + packet::suback() + message);
    }
}

TEST_P(node_of_shards, takes_many_packets_that_come_at_once) {
    RunningNode node{GetParam()};
    for (unsigned i = 0; i < 4; ++i) {
        constexpr unsigned messages = 20'000;
        Buffer all = packet::connect(name("quick-", i));
        Buffer answers = packet::connack();
        for (unsigned id = 1; id <= messages; ++id) {
            append(all, packet::publish_qos_1("nobody/listens", "x", id));
            append(answers, packet::puback(id));
        }
        RawClient client{node.port()};
        std::thread writer{[&] { client.send(all); }};
        client.expect(answers);
        writer.join();
    }
}

TEST_P(node_of_shards, brings_large_messages_whole) {
    RunningNode node{GetParam()};
    auto subscriber = RawClient::subscribed(node.port(), "subscriber", "large");
    auto publisher = RawClient::connected(node.port(), "publisher");
    for (const std::size_t size_bytes : {1, 2000, 2048, 2049, 70'000, 1'000'000}) {
        std::string payload(size_bytes, '\0');
        std::iota(payload.begin(), payload.end(), '\0');
        const Buffer packet = packet::publish("large", payload);
        std::thread writer{[&] { publisher.send(packet); }};
        subscriber.expect(packet);
        writer.join();
    }
}

TEST_P(node_of_shards, closes_a_connection_that_announces_too_large_a_packet) {
    RunningNode node{GetParam(), {.packet_size_bytes_max = 1024}};
    auto client = RawClient::connected(node.port(), "greedy");
    client.send(bytes_of({0x30, 0xFF, 0xFF, 0xFF, 0x7F}));
    client.receive_to_end();
}

TEST_P(node_of_shards, ends_a_connection_in_order_although_it_has_not_read_all_of_it) {
    RunningNode node{GetParam()};
    for (unsigned i = 0; i < 4; ++i) {
        RawClient client{node.port()};
        // Packet type 0 is malformed; nobody wants what follows, but a reset could destroy answers.
        client.send(packet::connect(name("wrong-", i)) + packet::pingreq() +
                    bytes_of({0x00, 0x00}) + Buffer(200'000));
        EXPECT_EQ(client.receive_to_end(), packet::connack() + packet::pingresp());
        EXPECT_FALSE(client.was_reset());
    }
}

TEST_P(node_of_shards, ends_the_first_connection_of_a_client_that_connects_again) {
    RunningNode node{GetParam()};
    for (unsigned i = 0; i < 4; ++i) {
        auto first = RawClient::connected(node.port(), name("twice-", i));
        auto second = RawClient::connected(node.port(), name("twice-", i));
        first.receive_to_end();
        second.send(packet::pingreq());
        second.expect(packet::pingresp());
    }
}

TEST_P(node_of_shards, answers_a_client_that_has_ended_its_own_direction) {
    RunningNode node{GetParam()};
    for (unsigned i = 0; i < 4; ++i) {
        RawClient client{node.port()};
        client.send(packet::connect(name("half-", i)) + packet::pingreq());
        client.end_output();
        EXPECT_EQ(client.receive_to_end(), packet::connack() + packet::pingresp());
    }
}

TEST_P(node_of_shards, notices_a_reset_in_the_middle_of_a_packet) {
    RunningNode node{GetParam()};
    auto watcher = RawClient::subscribed(node.port(), "watcher", "will/+");
    for (unsigned i = 0; i < 4; ++i) {
        auto client = RawClient::connected(node.port(), name("lost-", i),
                                           {.topic = "will/x", .payload = "!"});
        client.send(bytes_of({0x30, 0x7F, 0x00}));
        client.reset();
        watcher.expect(packet::publish("will/x", "!"));
    }
    EXPECT_EQ(node.sum([](const ShardFigures& of) { return of.driver.sockets; }), 1);
}

TEST_P(node_of_shards, closes_after_a_clients_disconnect) {
    RunningNode node{GetParam()};
    for (unsigned i = 0; i < 4; ++i) {
        auto client = RawClient::connected(node.port(), name("polite-", i));
        client.send(packet::disconnect());
        EXPECT_TRUE(client.receive_to_end().empty());
    }
    EXPECT_EQ(node.sum([](const ShardFigures& of) { return of.driver.sockets; }), 0);
}

/// A subscriber that has not read, so that the system takes no more for it and the node holds
/// output.
struct LateReader {
    explicit LateReader(RunningNode& node) {
        client.open(node.port());
        client.send(packet::connect("late") + packet::subscribe("much"));
        client.expect(packet::connack() + packet::suback());
        auto publisher = RawClient::connected(node.port(), "publisher");
        node.await([&] {
            // In pieces that are referred to and in pieces that are copied.
            for (const std::size_t size_bytes : {60'000, 50}) {
                const Buffer packet = packet::publish("much", std::string(size_bytes, 'x'));
                publisher.send(packet);
                append(sent, packet);
            }
            publisher.send(packet::pingreq());
            publisher.expect(packet::pingresp());
            return node.sum([](const ShardFigures& of) { return of.driver.output_bytes; }) > 0;
        });
    }
    RawClient client{RawClient::Options{}};
    Buffer sent;
};

TEST_P(node_of_shards, writes_all_to_a_client_that_reads_late) {
    RunningNode node{GetParam()};
    LateReader late{node};
    late.client.expect(late.sent);
    EXPECT_EQ(node.sum([](const ShardFigures& of) { return of.driver.output_bytes; }), 0);
}

TEST_P(node_of_shards, writes_all_to_a_client_that_has_ended_its_own_direction) {
    RunningNode node{GetParam()};
    LateReader late{node};
    late.client.end_output();
    node.await([&] {
        return node.sum([](const ShardFigures& of) { return of.gauges.connections; }) == 0;
    });
    EXPECT_EQ(late.client.receive_to_end(), late.sent);
}

TEST_P(node_of_shards, keeps_a_client_that_does_not_read_from_harming_the_others) {
    Settings settings;
    settings.queue_bytes_max = 100'000;
    RunningNode node{GetParam(), settings};
    RawClient stuck{{.receive_buffer_bytes = 4096}};
    stuck.open(node.port());
    stuck.send(packet::connect("stuck") + packet::subscribe("flood"));
    stuck.expect(packet::connack() + packet::suback());
    auto reader = RawClient::subscribed(node.port(), "reader", "flood");
    auto publisher = RawClient::connected(node.port(), "publisher");

    constexpr unsigned messages = 4000;  // 40 MB; the system takes a few of them
    const Buffer packet = packet::publish("flood", std::string(10'000, 'x'));
    std::uint64_t output_bytes_most = 0;
    for (unsigned i = 0; i < messages; ++i) {
        publisher.send(packet);
        reader.expect(packet);
        if (i % 100 != 0) continue;
        const auto output_bytes =
            node.sum([](const ShardFigures& of) { return of.driver.output_bytes; });
        output_bytes_most = std::max(output_bytes_most, output_bytes);
    }
    // What the driver holds for it is what Settings allow, and the pieces it is kept in.
    EXPECT_LT(output_bytes_most, 2 * settings.unwritten_bytes_max);
    EXPECT_GT(node.sum([](const ShardFigures& of) {
        return of.counters.of(Counter::dropped_queue_full);
    }),
              0);
}

TEST_P(node_of_shards, does_not_keep_all_that_a_burst_to_many_receivers_multiplies) {
    RunningNode node{GetParam(), {}, 30s, {.new_output_bytes_max = 100'000}};
    std::vector<RawClient> receivers;
    for (unsigned i = 0; i < 100; ++i) {
        receivers.push_back(RawClient::subscribed(node.port(), name("receiver-", i), "burst"));
    }
    auto publisher = RawClient::connected(node.port(), "publisher");
    const Buffer packet = packet::publish("burst", std::string(30, 'x'));
    Buffer all;
    for (int i = 0; i < 1000; ++i) append(all, packet);
    std::thread writer{[&] { publisher.send(all); }};
    for (RawClient& receiver : receivers) receiver.expect(all);
    writer.join();
    // 3.9 MB in all. Beyond the limit there can be what becomes of one slice of input.
    for (const ShardFigures& of : node.figures()) {
        EXPECT_LT(of.driver.output_bytes_most, 1'000'000);
    }
}

TEST_P(node_of_shards, does_not_wait_for_ever_for_a_client_to_end_its_direction) {
    RunningNode node{GetParam(), {}, 30s, {.ending_time_max = 1us}};
    auto first = RawClient::connected(node.port(), "twice");
    const auto second = RawClient::connected(node.port(), "twice");
    first.receive_to_end();  // and keep it open
    node.await(
        [&] { return node.sum([](const ShardFigures& of) { return of.driver.sockets; }) == 1; });
}

TEST_P(node_of_shards, tells_its_clients_when_it_stops_and_accepts_no_more) {
    RunningNode node{GetParam()};
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < 8; ++i) {
        clients.push_back(RawClient::connected(node.port(), name("client-", i)));
    }
    RawClient v5{node.port()};
    v5.send(packet::with_fixed_header(0x10, packet::text("MQTT") + bytes_of({5, 2, 0, 0, 0}) +
                                                packet::text("v5")));
    const Buffer start = v5.receive(2);
    v5.receive(std::to_integer<std::size_t>(start[1]));  // its CONNACK has Properties

    node.stop();
    EXPECT_THROW(RawClient{node.port()}, std::system_error);
    for (RawClient& client : clients) EXPECT_TRUE(client.receive_to_end().empty());
    const Buffer last = v5.receive_to_end();
    ASSERT_GE(last.size(), 3);
    EXPECT_EQ(last[0], std::byte{0xE0});  // DISCONNECT
    EXPECT_EQ(last[2], std::byte{0x8B});  // Server shutting down
    // They have not closed their sides yet, and the node waits for them.
    clients.clear();
    v5.reset();
    node.await_stopped();
}

TEST_P(node_of_shards, stops_in_time_although_a_client_does_not_read) {
    RunningNode node{GetParam(), {}, Duration{1}};
    RawClient stuck{{.receive_buffer_bytes = 4096}};
    stuck.open(node.port());
    stuck.send(packet::connect("stuck") + packet::subscribe("flood"));
    stuck.expect(packet::connack() + packet::suback());
    auto publisher = RawClient::connected(node.port(), "publisher");
    for (unsigned i = 0; i < 100; ++i) {
        publisher.send(packet::publish("flood", std::string(50'000, 'x')));
    }
    publisher.send(packet::pingreq());
    publisher.expect(packet::pingresp());
    node.stop();
    node.await_stopped();
}

TEST_P(node_of_shards, stops_although_a_client_has_not_connected_yet) {
    RunningNode node{GetParam(), {}, Duration{1}};
    RawClient silent{node.port()};
    node.await(
        [&] { return node.sum([](const ShardFigures& of) { return of.driver.accepted; }) == 1; });
    node.stop();
    node.await_stopped();
}

TEST_P(node_of_shards, accepts_again_after_descriptors_had_run_out) {
    RunningNode node{GetParam()};
    auto first = RawClient::connected(node.port(), "first");
    RawClient second{RawClient::Options{}};  // has its descriptor, and is not connected yet
    {
        // The smallest free number of the process's table is above; a table of a shard's own still
        // has some, so that it is without any only when there may be none but 0.
        const bool is_shared = GetParam().tables == settings::DescriptorTables::shared;
        const OpenFilesLimit none_left{is_shared ? static_cast<std::size_t>(second.raw()) + 1 : 1};
        second.open(node.port());  // the system accepts it in the node's name
        node.await([&] {
            return node.sum([](const ShardFigures& of) { return of.driver.accept_pauses; }) >= 2;
        });
        first.send(packet::pingreq());
        first.expect(packet::pingresp());
    }
    second.send(packet::connect("second"));
    second.expect(packet::connack());
}

TEST(endpoint, is_read_and_written_as_on_the_command_line) {
    for (const char* text : {"127.0.0.1:1883", "[::1]:0", "0.0.0.0:65535", "[::]:1"}) {
        EXPECT_EQ(Endpoint::from_text(text).to_text(), text);
    }
    EXPECT_TRUE(Endpoint::from_text("127.1.2.3:1").is_loopback);
    EXPECT_TRUE(Endpoint::from_text("[::1]:1").is_loopback);
    EXPECT_FALSE(Endpoint::from_text("0.0.0.0:1").is_loopback);
    EXPECT_FALSE(Endpoint::from_text("[::]:1").is_loopback);
}

TEST(endpoint, is_refused_with_an_example_when_it_is_not_address_and_port) {
    for (const char* text :
         {"", ":", "1883", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
          "127.0.0.1:1 ", "::1:1883", "[::1]", "localhost:1883"}) {
        try {
            Endpoint::from_text(text);
            ADD_FAILURE() << text << " was taken";
        } catch (const OperatorError& error) {
            EXPECT_NE(std::string{error.what()}.find("127.0.0.1:1883"), std::string::npos);
        }
    }
}

TEST(listener, names_the_place_and_the_remedy_when_the_port_is_in_use) {
    const ListeningSocket first = ListeningSocket::open(Endpoint::from_text("127.0.0.1:0"));
    try {
        ListeningSocket::open(first.endpoint);
        ADD_FAILURE() << "two listeners on one port";
    } catch (const OperatorError& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find(first.endpoint.to_text()), std::string::npos);
        EXPECT_NE(text.find("choose another port"), std::string::npos);
    }
}

TEST(listener, hands_no_delay_down_to_what_it_accepts) {
    const ListeningSocket listener = ListeningSocket::open(Endpoint::from_text("127.0.0.1:0"));
    const RawClient client{listener.endpoint.port};
    const Descriptor accepted{accept4(listener.socket.raw(), nullptr, nullptr, SOCK_CLOEXEC)};
    ASSERT_TRUE(accepted.is_open());
    int is_set = 0;
    socklen_t size = sizeof is_set;
    ASSERT_EQ(getsockopt(accepted.raw(), IPPROTO_TCP, TCP_NODELAY, &is_set, &size), 0);
    EXPECT_NE(is_set, 0);
}

}  // namespace

}  // namespace touchstone::asio_driver
