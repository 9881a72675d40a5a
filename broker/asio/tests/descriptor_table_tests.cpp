// How connections come into tables of descriptors of the shards' own and out again. What a table
// holds is in own_descriptor_table_tests; that a node with such tables does all else as any other
// is tested where that is, with Shards::with_own_tables.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/asio/descriptor_table.hpp"
#include "broker/asio/node.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/asio/tests/running_node.hpp"
#include "broker/asio/tests/sandbox.hpp"
#include "broker/asio/tests/some_descriptor.hpp"
#include "broker/asio/tests/tls_client.hpp"
#include "broker/asio/tests/web_client.hpp"
#include "broker/base/strong.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;
using settings::Transport;

std::string name(std::string_view stem, unsigned number) {
    return std::string{stem} + std::to_string(number);
}

/// Tells which eventfd it is, in any table: they count.
std::uint64_t count_of(const Descriptor& event) {
    std::uint64_t count = 0;
    EXPECT_EQ(read(event.raw(), &count, sizeof count), sizeof count);
    return count;
}
Descriptor with_count(std::uint64_t count) {
    Descriptor event = some_descriptor();
    EXPECT_EQ(write(event.raw(), &count, sizeof count), sizeof count);
    return event;
}

// --- A passage -----------------------------------------------------------------------------------

TEST(descriptor_passage, brings_all_that_it_takes_in_the_order_of_each_sender) {
    DescriptorPassage passage{1};  // the system makes the buffer as small as it can
    std::uint64_t sent = 0;
    while (true) {
        const std::array<Descriptor, 2> both{with_count(10 * sent + 1), with_count(10 * sent + 2)};
        const std::array<int, 2> raw{both[0].raw(), both[1].raw()};
        if (!passage.send(ShardIndex{static_cast<unsigned>(sent % 3)}, raw)) break;
        ++sent;
        ASSERT_LT(sent, 1'000U) << "it takes without end";
    }
    ASSERT_GE(sent, 3U);
    for (std::uint64_t i = 0; i < sent; ++i) {
        const auto arrival = passage.receive();
        ASSERT_TRUE(arrival.has_value());
        EXPECT_EQ(arrival->from.raw(), i % 3);
        ASSERT_EQ(arrival->descriptors.size(), 2U);
        EXPECT_EQ(count_of(arrival->descriptors[0]), 10 * i + 1);
        EXPECT_EQ(count_of(arrival->descriptors[1]), 10 * i + 2);
    }
    EXPECT_FALSE(passage.receive().has_value());
    const Descriptor again = some_descriptor();
    EXPECT_TRUE(passage.send(ShardIndex{0}, std::array{again.raw()}));
}

TEST(descriptor_passage, takes_as_many_at_once_as_it_says) {
    DescriptorPassage passage;
    const Descriptor one = some_descriptor();
    const std::vector<int> many(DescriptorPassage::per_message_max, one.raw());
    EXPECT_TRUE(passage.send(ShardIndex{1}, many));
    EXPECT_EQ(passage.receive().value().descriptors.size(), many.size());
}

TEST(descriptor_passage, says_which_ones_are_lost_when_there_is_no_place) {
    DescriptorPassage passage;
    const Descriptor first = with_count(1);
    const Descriptor second = with_count(2);
    EXPECT_TRUE(passage.send(ShardIndex{0}, std::array{first.raw(), second.raw()}));
    const auto lowest_free = some_descriptor().raw();
    const OpenFilesLimit limit{static_cast<std::size_t>(lowest_free) + 1};
    const auto arrival = passage.receive().value();
    ASSERT_EQ(arrival.descriptors.size(), 2U);
    EXPECT_EQ(count_of(arrival.descriptors[0]), 1U);
    EXPECT_FALSE(arrival.descriptors[1].is_open());
}

// --- A node --------------------------------------------------------------------------------------

constexpr unsigned shard_count = 3;

TEST(own_tables, leave_no_room_when_the_limit_is_too_low) {
    Node node{{.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}),
               .shard_count = shard_count,
               .descriptor_tables = settings::DescriptorTables::per_shard}};
    const OpenFilesLimit limit{12};
    EXPECT_THROW(node.start(), OperatorError);
}

TEST(own_tables, give_the_port_back_at_once) {
    std::uint16_t port = 0;
    for (unsigned i = 0; i < 20; ++i) {
        Node node{{.listeners =
                       plain_listeners({Endpoint::from_text("127.0.0.1:" + std::to_string(port))}),
                   .shard_count = shard_count,
                   .descriptor_tables = settings::DescriptorTables::per_shard}};
        node.start();
        port = node.endpoints().front().port;
    }
}

std::uint64_t own_descriptors(const ShardFigures& of) {
    return of.driver.own_descriptors;
}

TEST(own_tables, can_be_had_where_unshare_is_forbidden) {
    in_a_thread([] {
        forbid_system_calls({SYS_unshare});
        RunningNode node{Shards::with_own_tables(2)};
        for (unsigned i = 0; i < 4; ++i) RawClient::connected(node.port(), name("client-", i));
        EXPECT_GT(node.sum(own_descriptors), 0U);
    });
}

// --- Moves from each shard to each other ---------------------------------------------------------

/// The next client is accepted by another shard than the last ones: who has accepted pauses.
ListenerOptions slow_listener(Transport transport) {
    auto one = plain_listeners({Endpoint::from_text("127.0.0.1:0")}).front();
    one.settings.transport = transport;
    one.settings.path = "/mqtt";
    one.settings.connection_rate = access::Rate{.per_second = 1, .burst = 1};
    if (transport == Transport::ssl || transport == Transport::wss) {
        static const TestIdentity identity{"broker"};
        one.settings.tls.emplace().identity = identity.settings();
        one.settings.tls->handshake_timeout = wait_max;
    }
    return one;
}

template <class Prepare>
void move_from_each_to_each(Transport transport, Prepare prepare) {
    for (unsigned further = 0; further < shard_count; ++further) {
        RunningNode node{{.listeners = {slow_listener(transport)},
                          .shard_count = shard_count,
                          .descriptor_tables = settings::DescriptorTables::per_shard}};
        std::vector<decltype(prepare(node.port()))> clients;
        std::vector<std::uint64_t> accepted_before(shard_count);
        std::uint64_t moves = 0;
        while (std::ranges::count(accepted_before, 0U) > 0) {
            clients.push_back(prepare(node.port()));
            std::vector<std::uint64_t> accepted;
            node.await([&] {
                accepted.clear();
                for (const auto& one : node.figures()) accepted.push_back(one.driver.accepted);
                return accepted != accepted_before;
            });
            const auto [now, before] = std::ranges::mismatch(accepted, accepted_before);
            const auto acceptor = static_cast<unsigned>(now - accepted.begin());
            const ShardIndex owner{(acceptor + further) % shard_count};
            accepted_before = accepted;
            if (further > 0) ++moves;

            std::string id;
            for (unsigned i = 0; id.empty() || owner_of(id, shard_count) != owner; ++i) {
                id = name(name("client-", static_cast<unsigned>(clients.size())) + "-", i);
            }
            // What follows the CONNECT in the same piece moves with it.
            clients.back().send(packet::connect(id) + packet::subscribe("to/all"));
            clients.back().expect(packet::connack() + packet::suback());
        }
        const auto moved = [](const ShardFigures& of) { return of.driver.moved_here; };
        EXPECT_EQ(node.sum(moved), moves);
        for (auto& publisher : clients) {
            // More than a record, or what a socket takes at once.
            const Buffer packet = packet::publish("to/all", std::string(300'000, 'x'));
            std::thread writer{[&] { publisher.send(packet); }};
            for (auto& client : clients) client.expect(packet);
            writer.join();
        }
    }
}

TEST(own_tables, take_plain_connections_from_each_shard_to_each) {
    move_from_each_to_each(Transport::tcp, [](std::uint16_t port) { return RawClient{port}; });
}

TEST(own_tables, take_tls_connections_from_each_shard_to_each) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        move_from_each_to_each(Transport::ssl, [&](std::uint16_t port) {
            TlsClient client{port, {.version = version}};
            client.shake_hands();
            return client;
        });
    }
}

TEST(own_tables, take_web_sockets_from_each_shard_to_each) {
    move_from_each_to_each(Transport::ws, [](std::uint16_t port) {
        WebClient client{RawClient{port}};
        client.open();
        return client;
    });
    move_from_each_to_each(Transport::wss, [](std::uint16_t port) {
        TlsClient stream{port, {}};
        stream.shake_hands();
        WebClient client{std::move(stream)};
        client.open();
        return client;
    });
}

}  // namespace

}  // namespace touchstone::asio_driver
