// Tables of descriptors of the shards' own: what they hold, how connections come into them and out
// again, and what happens when one is full. That a node with such tables does all else as any other
// is tested where that is, with Shards::with_own_tables.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
#include "broker/asio/tests/tls_client.hpp"
#include "broker/asio/tests/web_client.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;
using settings::Transport;

std::string name(std::string_view stem, unsigned number) {
    return std::string{stem} + std::to_string(number);
}

/// Runs `act` in a thread of its own; what it throws, or returns, comes from here.
template <class Act>
auto in_a_thread(Act act) {
    return std::async(std::launch::async, std::move(act)).get();
}

Descriptor some_descriptor() {
    return Descriptor{eventfd(0, EFD_CLOEXEC)};
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

struct Pair {
    Descriptor here;
    Descriptor there;
};
Pair pair_of_sockets() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}
bool has_ended(const Descriptor& socket) {
    std::byte byte{};
    return recv(socket.raw(), &byte, 1, MSG_DONTWAIT) == 0;
}

// --- A table -------------------------------------------------------------------------------------

class descriptor_table : public testing::Test {
protected:
    void SetUp() override {
        if (is_descriptor_table_watched) GTEST_SKIP() << "a sanitizer allows one table only";
    }
};

TEST_F(descriptor_table, of_a_thread_has_what_was_kept_and_room_for_as_many_as_it_says) {
    const Descriptor below = some_descriptor();
    const Descriptor kept = some_descriptor();
    const Descriptor other = some_descriptor();
    const OpenFilesLimit limit{100};
    in_a_thread([&] {
        const auto room = leave_shared_descriptor_table({kept.raw()});
        EXPECT_GE(fcntl(kept.raw(), F_GETFD), 0);
        EXPECT_LT(fcntl(below.raw(), F_GETFD), 0);
        EXPECT_LT(fcntl(other.raw(), F_GETFD), 0);
        std::size_t opened = 0;
        while (dup(kept.raw()) >= 0) ++opened;
        EXPECT_EQ(errno, EMFILE);
        EXPECT_GE(opened, room);
        EXPECT_LE(opened, room + 8);  // some are spare
    });
    EXPECT_GE(fcntl(other.raw(), F_GETFD), 0);
    EXPECT_TRUE(some_descriptor().is_open());  // those of the thread are no concern of this table
}

TEST_F(descriptor_table, of_a_thread_keeps_nothing_open_that_is_closed_elsewhere) {
    const Descriptor kept = some_descriptor();
    auto [here, there] = pair_of_sockets();
    std::promise<void> has_left;
    std::promise<void> is_seen;
    std::thread thread{[&] {
        leave_shared_descriptor_table({kept.raw()});
        has_left.set_value();
        is_seen.get_future().wait();
    }};
    has_left.get_future().wait();
    there.close();
    EXPECT_TRUE(has_ended(here));
    is_seen.set_value();
    thread.join();
}

TEST_F(descriptor_table, is_empty_once_it_was_closed_although_its_thread_lives) {
    auto [here, there] = pair_of_sockets();
    std::promise<void> has_closed;
    std::promise<void> is_seen;
    std::thread thread{[&] {
        leave_shared_descriptor_table({there.raw()});
        close_own_descriptor_table();
        has_closed.set_value();
        is_seen.get_future().wait();
    }};
    has_closed.get_future().wait();
    there.close();
    EXPECT_TRUE(has_ended(here));
    is_seen.set_value();
    thread.join();
}

TEST_F(descriptor_table, without_room_is_refused_with_what_to_do) {
    const OpenFilesLimit limit{8};
    try {
        in_a_thread([] { leave_shared_descriptor_table({3}); });
        FAIL() << "it was not refused";
    } catch (const OperatorError& error) {
        EXPECT_NE(std::string_view{error.what()}.find("ulimit -n"), std::string_view::npos)
            << error.what();
    }
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
constexpr std::size_t limit_of_files = 100;

/// A node whose shards have tables with room for fewer than limit_of_files connections, and clients
/// that have their descriptors already.
class small_tables : public descriptor_table {
protected:
    void start(DriverLimits limits = {}) {
        node_ = std::make_unique<Node>(
            Node::Options{.listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")}),
                          .shard_count = shard_count,
                          .descriptor_tables = settings::DescriptorTables::per_shard,
                          .limits = limits});
        for (unsigned i = 0; i < 4 * limit_of_files; ++i) {
            spare_.emplace_back(RawClient::Options{});
        }
        limit_.emplace(limit_of_files);
        node_->start();
    }
    /// Connected, but without CONNECT.
    RawClient open() {
        RawClient client = std::move(spare_.back());
        spare_.pop_back();
        client.open(node_->endpoints().front().port);
        return client;
    }
    /// Clients that this shard owns have other names for each `stem`.
    static std::string id_of(ShardIndex owner, std::string_view stem, unsigned number) {
        for (unsigned i = 0;; ++i) {
            auto id = name(name(stem, number) + "-", i);
            if (owner_of(id, shard_count) == owner) return id;
        }
    }
    RawClient connected(std::string_view id) {
        RawClient client = open();
        client.send(packet::connect(id));
        client.expect(packet::connack());
        return client;
    }
    template <class Member>
    std::uint64_t sum(Member member) {
        std::uint64_t all = 0;
        for (const auto& one : node_->figures(wait_max)) all += member(one.value());
        return all;
    }
    template <class Member>
    void await_sum(Member member, std::uint64_t wanted) {
        const auto deadline = std::chrono::steady_clock::now() + wait_max;
        while (sum(member) != wanted) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "still " << sum(member);
        }
    }

    std::unique_ptr<Node> node_;
    std::vector<RawClient> spare_;
    std::optional<OpenFilesLimit> limit_;
};

std::uint64_t sockets(const ShardFigures& of) {
    return of.driver.sockets;
}
std::uint64_t own_descriptors(const ShardFigures& of) {
    return of.driver.own_descriptors;
}
std::uint64_t moves_refused(const ShardFigures& of) {
    return of.driver.moves_refused;
}

Buffer connack_busy() {
    return bytes_of({0x20, 2, 0, 3});  // Server unavailable, what MQTT 3.1.1 has for it
}

TEST_F(small_tables, hold_more_connections_together_than_the_limit_and_all_are_served) {
    start();
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < 2 * limit_of_files; ++i) {
        // As many for each: chance would make one of the tables full.
        clients.push_back(connected(id_of(ShardIndex{i % shard_count}, "client-", i)));
        clients.back().send(packet::subscribe("to/all"));
        clients.back().expect(packet::suback());
    }
    EXPECT_EQ(sum(sockets), 2 * limit_of_files);
    for (const unsigned publisher : {0U, 1U, 2U}) {
        const Buffer packet = packet::publish("to/all", name("from ", publisher));
        clients[publisher].send(packet);
        for (RawClient& client : clients) client.expect(packet);
    }
    EXPECT_EQ(sum(moves_refused), 0U);
}

TEST_F(small_tables, let_connections_through_that_come_all_at_once) {
    // The smallest messages, in the smallest buffer: they often have to wait. Nobody is refused for
    // want of a place, because all have one in the end.
    start({.place_wait_max = wait_max,
           .passage_wait_max = wait_max,
           .moves_per_message_max = 1,
           .passage_buffer_bytes = 1});
    std::vector<RawClient> clients;
    for (unsigned i = 0; i < 2 * limit_of_files; ++i) clients.push_back(open());
    for (unsigned i = 0; i < clients.size(); ++i) {
        clients[i].send(packet::connect(id_of(ShardIndex{i % shard_count}, "client-", i)));
    }
    for (RawClient& client : clients) client.expect(packet::connack());
    for (RawClient& client : clients) {
        client.send(packet::pingreq());
        client.expect(packet::pingresp());
    }
    EXPECT_EQ(sum(moves_refused), 0U);
}

TEST_F(small_tables, that_are_full_refuse_clients_of_their_shard_until_there_is_room_again) {
    start({.place_wait_max = {}});
    auto elsewhere = connected(id_of(ShardIndex{1}, "elsewhere-", 0));
    std::vector<RawClient> served;
    unsigned tried = 0;
    const auto try_next = [&] {
        RawClient client = open();
        client.send(packet::connect(id_of(ShardIndex{0}, "client-", tried++)));
        const Buffer answer = client.receive(4);
        if (answer == packet::connack()) {
            served.push_back(std::move(client));
            return true;
        }
        EXPECT_EQ(answer, connack_busy());
        EXPECT_TRUE(client.receive_to_end().empty());
        EXPECT_FALSE(client.was_reset());
        return false;
    };
    while (try_next()) ASSERT_LT(served.size(), limit_of_files);
    EXPECT_GT(served.size(), limit_of_files / 2);
    const auto full = served.size();
    for (unsigned i = 0; i < 10; ++i) EXPECT_FALSE(try_next());
    EXPECT_EQ(sum(moves_refused), 11U);

    // Those who were served are, and so are clients of other shards.
    for (RawClient& client : served) {
        client.send(packet::pingreq());
        client.expect(packet::pingresp());
    }
    auto another = connected(id_of(ShardIndex{2}, "another-", 0));

    served.front().send(packet::disconnect());
    EXPECT_TRUE(served.front().receive_to_end().empty());
    served.erase(served.begin());
    await_sum(sockets, full + 1);
    EXPECT_TRUE(try_next());
    EXPECT_FALSE(try_next());
}

TEST_F(small_tables, get_back_the_descriptors_of_connections_that_have_ended) {
    start();
    const auto before = sum(own_descriptors);
    EXPECT_GT(before, 0U);
    for (unsigned i = 0; i < 3 * limit_of_files; ++i) {
        auto client = connected(id_of(ShardIndex{i % shard_count}, "client-", i));
        switch (i % 4) {
            case 0: client.send(packet::disconnect()); break;
            case 1: client.end_output(); break;
            case 2: client.send(packet::connect("twice")); break;  // [MQTT-3.1.0-2]
            case 3: client.reset(); continue;
        }
        // The broker's end comes, so no table holds the connection open.
        EXPECT_TRUE(client.receive_to_end().empty());
    }
    await_sum(sockets, 0);
    EXPECT_EQ(sum(own_descriptors), before);
}

TEST_F(small_tables, keep_the_places_of_clients_that_leave_before_they_are_moved) {
    start();
    const auto before = sum(own_descriptors);
    for (unsigned i = 0; i < 3 * limit_of_files; ++i) {
        RawClient client = open();
        client.send(packet::connect(id_of(ShardIndex{i % shard_count}, "client-", i)));
        client.reset();
    }
    // Whatever became of each: all have been accepted, and none is left.
    const auto accepted = [](const ShardFigures& of) { return of.driver.accepted; };
    await_sum(accepted, 3 * limit_of_files);
    await_sum(sockets, 0);
    await_sum(own_descriptors, before);
}

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
