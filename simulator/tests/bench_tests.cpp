// The bench: raw bytes against a node of the real core.

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "simulator/bench.hpp"

namespace touchstone::simulator {
namespace {

using Kind = Bench::Arrival::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

Buffer bytes(std::initializer_list<int> values) {
    Buffer buffer;
    for (const int value : values) buffer.push_back(static_cast<std::byte>(value));
    return buffer;
}

const Buffer& connect_packet() {
    static const Buffer packet = bytes({
        0x10, 0x0D,                      // CONNECT, Remaining Length
        0x00, 0x04, 'M', 'Q', 'T', 'T',  // Protocol Name
        0x04, 0x02, 0x00, 0x02,          // version 3.1.1, Clean Session, Keep Alive 2 s
        0x00, 0x01, 'c',                 // Client Identifier
    });
    return packet;
}

const Buffer& connack_packet() {
    static const Buffer packet = bytes({0x20, 0x02, 0x00, 0x00});
    return packet;
}

const Buffer& subscribe_packet() {
    static const Buffer packet = bytes({
        0x82, 0x06,             // SUBSCRIBE
        0x00, 0x01,             // Packet Identifier
        0x00, 0x01, 't', 0x00,  // filter "t", QoS 0
    });
    return packet;
}

class BenchTest : public testing::TestWithParam<unsigned> {
protected:
    Bench bench{Settings{}, GetParam(), 1};

    Bench::Handle connected() {
        const auto handle = bench.open();
        bench.send(handle, connect_packet());
        EXPECT_EQ(bench.receive(handle, seconds{1}).bytes, connack_packet());
        return handle;
    }
};

TEST_P(BenchTest, answers_a_connect_that_comes_in_single_bytes) {
    const auto handle = bench.open();
    for (const auto byte : connect_packet()) {
        bench.send(handle, std::array{byte});
        bench.advance(milliseconds{1});
    }
    const auto arrival = bench.receive(handle, seconds{1});
    EXPECT_EQ(arrival.kind, Kind::bytes);
    EXPECT_EQ(arrival.bytes, connack_packet());
}

TEST_P(BenchTest, times_out_when_nothing_comes_and_time_has_passed) {
    const auto handle = connected();
    const auto begin = bench.now();
    EXPECT_EQ(bench.receive(handle, milliseconds{1'500}).kind, Kind::timeout);
    EXPECT_EQ(bench.now(), begin + milliseconds{1'500});
}

TEST_P(BenchTest, tells_when_the_broker_ends_the_connection) {
    const auto handle = connected();
    const auto begin = bench.now();
    const auto arrival = bench.receive(handle, seconds{60});  // Keep Alive is 2 s
    EXPECT_TRUE(arrival.kind == Kind::closed || arrival.kind == Kind::reset);
    EXPECT_GE(bench.now() - begin, seconds{2});
    EXPECT_LE(bench.now() - begin, seconds{4});
    EXPECT_EQ(bench.receive(handle, seconds{1}).kind, arrival.kind);
}

TEST_P(BenchTest, a_restart_resets_connections_and_accepts_new_ones) {
    const auto handle = connected();
    bench.restart();
    EXPECT_EQ(bench.receive(handle, seconds{1}).kind, Kind::reset);
    connected();
}

TEST_P(BenchTest, a_stopped_node_refuses_connections_until_it_is_restarted) {
    connected();
    bench.stop();
    const auto handle = bench.open();
    EXPECT_EQ(bench.receive(handle, seconds{1}).kind, Kind::reset);
    bench.restart();
    connected();
}

TEST_P(BenchTest, a_stalled_reader_gets_everything_later) {
    const auto handle = connected();
    bench.stall_reading(handle);
    bench.send(handle, bytes({0xC0, 0x00}));  // PINGREQ
    EXPECT_EQ(bench.receive(handle, milliseconds{500}).kind, Kind::timeout);
    bench.resume_reading(handle);
    EXPECT_EQ(bench.receive(handle, milliseconds{500}).bytes, bytes({0xD0, 0x00}));
}

TEST_P(BenchTest, an_orderly_close_comes_behind_what_was_sent) {
    const auto subscriber = connected();
    bench.send(subscriber, subscribe_packet());
    EXPECT_EQ(bench.receive(subscriber, seconds{1}).bytes, bytes({0x90, 0x03, 0x00, 0x01, 0x00}));
    const auto publisher = bench.open();
    Buffer both = connect_packet();
    both[both.size() - 1] = std::byte{'p'};
    const Buffer publish = bytes({0x30, 0x04, 0x00, 0x01, 't', '!'});
    append(both, publish);
    bench.send(publisher, both);
    bench.close(publisher);
    EXPECT_EQ(bench.receive(subscriber, seconds{1}).bytes, publish);
    EXPECT_EQ(bench.receive(publisher, seconds{1}).kind, Kind::closed);
}

TEST_P(BenchTest, equal_calls_give_equal_digests_and_other_calls_others) {
    const auto run = [&](std::uint64_t seed, bool pings) {
        Bench one{Settings{}, GetParam(), seed};
        const auto handle = one.open();
        one.send(handle, connect_packet());
        one.advance(seconds{1});
        if (pings) one.send(handle, bytes({0xC0, 0x00}));
        one.advance(seconds{10});
        return one.digest();
    };
    EXPECT_EQ(run(5, true), run(5, true));
    EXPECT_NE(run(5, true), run(5, false));
}

INSTANTIATE_TEST_SUITE_P(Shards, BenchTest, testing::Values(1U, 2U, 5U));

}  // namespace
}  // namespace touchstone::simulator
