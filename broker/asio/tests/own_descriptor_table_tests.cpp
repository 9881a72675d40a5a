// A thread's own table of descriptors. In a program of its own, which is not built where a
// sanitizer keeps all threads in one table.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/asio/descriptor_table.hpp"
#include "broker/asio/node.hpp"
#include "broker/asio/tests/broker_command.hpp"
#include "broker/asio/tests/raw_client.hpp"
#include "broker/asio/tests/running_node.hpp"
#include "broker/asio/tests/sandbox.hpp"
#include "broker/asio/tests/some_descriptor.hpp"
#include "broker/base/exit_code.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

std::string name(std::string_view stem, unsigned number) {
    return std::string{stem} + std::to_string(number);
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

TEST(descriptor_table, of_a_thread_has_what_was_kept_and_room_for_as_many_as_it_says) {
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

TEST(descriptor_table, of_a_thread_keeps_nothing_open_that_is_closed_elsewhere) {
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

TEST(descriptor_table, is_empty_once_it_was_closed_although_its_thread_lives) {
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

TEST(descriptor_table, without_room_is_refused_with_what_to_do) {
    const OpenFilesLimit limit{8};
    try {
        in_a_thread([] { leave_shared_descriptor_table({3}); });
        FAIL() << "it was not refused";
    } catch (const OperatorError& error) {
        EXPECT_NE(std::string_view{error.what()}.find("ulimit -n"), std::string_view::npos)
            << error.what();
    }
}

// --- A node with small tables ------------------------------------------------------------------

constexpr unsigned shard_count = 3;
constexpr std::size_t limit_of_files = 100;

/// A node whose shards have tables with room for fewer than limit_of_files connections, and clients
/// that have their descriptors already.
class small_tables : public testing::Test {
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

TEST(broker_command, says_that_the_system_refuses_tables_of_descriptors) {
    CommandRefusal refusal{};
    std::thread sandbox{[&] {
        forbid_system_calls({SYS_unshare, SYS_close_range});
        refusal = refusal_of({"--listen", "127.0.0.1:0", "--shards", "2", "--set",
                              "node.descriptor_tables=per_shard"});
    }};
    sandbox.join();
    EXPECT_EQ(refusal.exit_code, to_int(ExitCode::usage_error));
    EXPECT_EQ(
        refusal.text,
        "touchstone broker: node.descriptor_tables = per_shard: the system refuses a thread a "
        "table of descriptors of its own: Operation not permitted; set it to shared, or allow "
        "unshare or close_range in the sandbox\n");
}

}  // namespace

}  // namespace touchstone::asio_driver
