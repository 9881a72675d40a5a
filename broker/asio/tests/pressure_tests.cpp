// What is owed to somebody who does not take it stays bounded, and nobody is cut off for it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/asio/node.hpp"
#include "broker/asio/shard.hpp"
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
    node.await(
        [&] { return node.sum([](const ShardFigures& of) { return of.driver.sockets; }) == 0; });
}

// --- Between shards ------------------------------------------------------------------------------

/// A Client Identifier of a session that the shard owns.
std::string client_of(unsigned shard, unsigned shard_count, std::string_view stem) {
    for (unsigned i = 0;; ++i) {
        std::string client_id = std::string{stem} + std::to_string(i);
        if (owner_of(client_id, shard_count).raw() == shard) return client_id;
    }
}

/// Two shards in threads, one of which can be kept from its work.
class TwoShards {
public:
    explicit TwoShards(DriverLimits limits) {
        const auto listeners = plain_listeners({Endpoint::from_text("127.0.0.1:0")});
        auto socket = ListeningSocket::open(Endpoint::from_text("127.0.0.1:0"));
        port_ = socket.endpoint.port;
        shared_.listeners.push_back(
            std::make_unique<SharedListener>(std::move(socket), listeners[0].index));
        const Shard::Plans plans{
            std::make_shared<ListenerPlan>(ListenerPlan{listeners[0].settings, nullptr})};
        for (unsigned i = 0; i < 2; ++i) {
            shards_.push_back(std::make_unique<Shard>(
                shared_, plans, access::open_rules({}),
                Shard::Options{.self = ShardIndex{i}, .shard_count = 2, .limits = limits}));
        }
        for (const auto& shard : shards_) shard->meet(shards_);
        for (const auto& shard : shards_) {
            threads_.emplace_back([&shard = *shard] { shard.run(); });
        }
    }
    ~TwoShards() {
        release();
        for (const auto& shard : shards_) shard->stop(Duration::zero());
        for (std::thread& thread : threads_) thread.join();
    }
    TwoShards(const TwoShards&) = delete;
    TwoShards& operator=(const TwoShards&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// The shard does nothing until release(). Once.
    void hold(unsigned shard) {
        std::promise<void> holds;
        shards_[shard]->post([&] {
            holds.set_value();
            is_released_.wait();
        });
        holds.get_future().wait();
    }
    void release() {
        if (!std::exchange(was_released_, true)) is_released_.count_down();
    }
    ShardFigures figures(unsigned shard) {
        const auto answer = std::make_shared<std::promise<ShardFigures>>();
        shards_[shard]->post([answer, &of = *shards_[shard]] { answer->set_value(of.figures()); });
        return answer->get_future().get();
    }

private:
    SharedNode shared_;
    std::uint16_t port_ = 0;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::vector<std::thread> threads_;
    std::latch is_released_{1};
    bool was_released_ = false;
};

/// Again and again, for as long as a test may wait.
template <class Predicate>
void await(Predicate is_reached) {
    const auto deadline = std::chrono::steady_clock::now() + wait_max;
    while (!is_reached()) {
        if (std::chrono::steady_clock::now() > deadline) {
            throw std::runtime_error{"the shards have not come to that state in time"};
        }
    }
}

TEST(two_shards, stop_reading_while_the_other_one_takes_nothing) {
    constexpr std::size_t letter_bytes_max = 256 * 1024;
    constexpr std::size_t read_bytes_max = 4 * 1024;
    TwoShards shards{{.read_bytes_max = read_bytes_max, .letter_bytes_max = letter_bytes_max}};
    auto subscriber = RawClient::subscribed(shards.port(), client_of(1, 2, "subscriber-"), "t");
    auto publisher = RawClient::connected(shards.port(), client_of(0, 2, "publisher-"));
    auto other = RawClient::connected(shards.port(), client_of(0, 2, "other-"));
    shards.hold(1);

    const Buffer message = packet::publish("t", "payload");
    constexpr std::size_t count = 300'000;
    std::thread writer{[&publisher, all = many(message, count)] { publisher.send(all); }};
    await([&] { return shards.figures(0).driver.letter_pauses > 0; });
    other.send(packet::pingreq());
    const auto then = shards.figures(0);
    for (unsigned i = 0; i < 100; ++i) {
        const auto now = shards.figures(0);  // each a turn
        EXPECT_EQ(now.counters.of(Counter::bytes_received),
                  then.counters.of(Counter::bytes_received));
        EXPECT_EQ(now.driver.letter_bytes, then.driver.letter_bytes);
    }
    EXPECT_GT(then.driver.letter_bytes, letter_bytes_max);
    constexpr std::size_t letter_size_bytes_max = 512;
    EXPECT_LT(then.driver.letter_bytes,
              letter_bytes_max + read_bytes_max / message.size() * letter_size_bytes_max);

    shards.release();
    writer.join();
    other.expect(packet::pingresp());
    await([&] { return shards.figures(1).driver.peer_messages >= count; });
    await([&] { return shards.figures(0).driver.letter_bytes == 0; });
    subscriber.expect(message);
}

TEST_P(node_under_pressure, gets_on_although_all_shards_are_always_behind) {
    RunningNode node{GetParam(), {}, 30s, {.letter_bytes_max = 1}};
    constexpr unsigned messages = 5'000;
    const unsigned count = GetParam().count;
    std::vector<RawClient> subscribers;
    std::vector<RawClient> publishers;
    for (unsigned shard = 0; shard < count; ++shard) {
        subscribers.push_back(
            RawClient::subscribed(node.port(), client_of(shard, count, "subscriber-"), "t"));
        publishers.push_back(
            RawClient::connected(node.port(), client_of(shard, count, "publisher-")));
    }
    Buffer all;
    Buffer answers;
    for (unsigned id = 1; id <= messages; ++id) {
        append(all, packet::publish_qos_1("t", "x", id));
        append(answers, packet::puback(id));
    }
    std::vector<std::thread> threads;
    for (RawClient& publisher : publishers) {
        threads.emplace_back([&] { publisher.send(all); });
        threads.emplace_back([&] { publisher.expect(answers); });
    }
    const Buffer message = packet::publish("t", "x");
    for (RawClient& subscriber : subscribers) subscriber.expect(many(message, 1'000));
    for (std::thread& thread : threads) thread.join();
    const auto peer_messages = [](const ShardFigures& of) { return of.driver.peer_messages; };
    node.await(
        [&] { return node.sum(peer_messages) >= std::uint64_t{messages} * count * (count - 1); });
    const auto pauses = node.sum([](const ShardFigures& of) { return of.driver.letter_pauses; });
    EXPECT_EQ(pauses > 0, count > 1);
    node.await([&] {
        return node.sum([](const ShardFigures& of) { return of.driver.letter_bytes; }) == 0;
    });
}

}  // namespace

}  // namespace touchstone::asio_driver
