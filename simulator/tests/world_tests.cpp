// Faults of the world that are neither a link's alone nor a client's: processes that stand still,
// paths that change.

#include "simulator/tests/world_fixture.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::PacketType;

constexpr Duration link_delay = milliseconds{1};

class Pause : public WorldTest {
protected:
    /// A client that is connected, and whose Keep Alive never makes it send.
    ClientIndex connected(std::uint16_t keep_alive_s = 0) {
        const auto client = add_client(
            "c", {.keep_alive_s = keep_alive_s, .ping_timeout = std::chrono::minutes{10}});
        world.connect(client);
        run_for(seconds{1});
        return client;
    }
    void publish(ClientIndex client, const std::string& payload) {
        world.publish(client, {.topic = "t",
                               .payload = payload,
                               .qos = QoS::at_least_once,
                               .retain = false,
                               .expiry_s = std::nullopt});
    }
};

TEST_F(Pause, what_comes_meanwhile_is_answered_afterwards_on_the_same_connection) {
    const auto client = connected();
    const auto pause = world.begin_pause(node, false);
    publish(client, "1");
    run_for(seconds{20});
    EXPECT_EQ(arrivals(PacketType::puback, Direction::to_client).size(), 0U);
    world.end_fault(pause);
    const Instant resumed_at = world.now();
    run_for(seconds{1});
    const auto answers = arrivals(PacketType::puback, Direction::to_client);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers.front().at, resumed_at + link_delay);
    EXPECT_EQ(closed_by_broker(), std::nullopt);
}

TEST_F(Pause, a_connection_that_is_opened_meanwhile_is_accepted_and_served_afterwards) {
    const auto client = add_client("c", {});
    const auto pause = world.begin_pause(node, false);
    world.connect(client);
    run_for(seconds{3});
    EXPECT_FALSE(world.client(client).is_connected());
    EXPECT_TRUE(world.client(client).connection().has_value());
    world.end_fault(pause);
    run_for(seconds{1});
    EXPECT_TRUE(world.client(client).is_connected());
}

TEST_F(Pause, one_that_came_and_went_meanwhile_leaves_nothing_behind) {
    const auto client = add_client("c", {});
    const auto pause = world.begin_pause(node, false);
    world.connect(client);
    run_for(seconds{1});
    world.vanish(client);
    run_for(seconds{1});
    world.end_fault(pause);
    run_for(seconds{1});
    EXPECT_EQ(world.node(node).gauges().connections, 0U);
}

TEST_F(Pause, what_fell_due_meanwhile_is_seen_at_its_end) {
    connected(10);
    const auto heard_at = arrivals(PacketType::connect, Direction::to_broker).front().at;
    world.half_open(ClientIndex{0}, Directions::to_broker);
    const auto pause = world.begin_pause(node, false);
    world.run_until(heard_at + seconds{40});
    EXPECT_EQ(closed_by_broker(), std::nullopt);
    world.end_fault(pause);
    run_for(seconds{1});
    EXPECT_EQ(closed_by_broker(), heard_at + seconds{40});
}

TEST_F(Pause, a_machine_that_sleeps_does_not_count_the_time) {
    connected(10);
    const auto heard_at = arrivals(PacketType::connect, Direction::to_broker).front().at;
    world.half_open(ClientIndex{0}, Directions::to_broker);
    world.run_until(heard_at + seconds{5});
    const auto sleep = world.begin_pause(node, true);
    run_for(seconds{100});
    world.end_fault(sleep);
    run_for(seconds{60});
    EXPECT_EQ(closed_by_broker(), heard_at + seconds{5 + 100 + 10});
}

TEST_F(Pause, two_that_overlap_end_with_the_later_one) {
    const auto client = connected();
    const auto first = world.begin_pause(node, false);
    const auto second = world.begin_pause(node, true);
    publish(client, "1");
    run_for(seconds{1});
    world.end_fault(first);
    run_for(seconds{1});
    EXPECT_EQ(arrivals(PacketType::puback, Direction::to_client).size(), 0U);
    world.end_fault(second);
    run_for(seconds{1});
    EXPECT_EQ(arrivals(PacketType::puback, Direction::to_client).size(), 1U);
}

TEST_F(Pause, ends_with_a_crash) {
    const auto client = connected();
    const auto pause = world.begin_pause(node, true);
    publish(client, "1");
    run_for(seconds{1});
    world.end_fault(world.begin_crash(node, false));
    run_for(seconds{5});
    EXPECT_EQ(world.trace().faults[pause].ended_at, world.trace().faults[pause + 1].began_at);
    EXPECT_TRUE(world.client(client).is_connected());
    world.end_fault(pause);
    run_for(seconds{1});
    EXPECT_TRUE(world.client(client).is_connected());
}

TEST_F(Pause, of_a_node_that_is_down_is_nothing) {
    const auto crash = world.begin_crash(node, false);
    const auto pause = world.begin_pause(node, true);
    world.end_fault(crash);
    const auto client = connected();
    EXPECT_TRUE(world.client(client).is_connected());
    world.end_fault(pause);
}

class PauseWithDisk : public WorldTest {
protected:
    PauseWithDisk() : WorldTest({.storage = DiskOptions{}}) {}
};

TEST_F(PauseWithDisk, takes_what_came_with_it_if_the_node_crashes) {
    run_for(seconds{1});
    const auto paused_at = world.now();
    world.begin_pause(node, false);
    run_for(seconds{1});
    world.begin_crash(node, false);
    ASSERT_EQ(world.trace().losses.size(), 1U);
    EXPECT_EQ(world.trace().losses.front().unsynced_since, paused_at);
}

TEST_F(PauseWithDisk, takes_nothing_if_the_node_crashes_long_after_it) {
    const auto pause = world.begin_pause(node, false);
    run_for(seconds{1});
    world.end_fault(pause);
    run_for(seconds{1});
    world.begin_crash(node, false);
    ASSERT_EQ(world.trace().losses.size(), 1U);
    EXPECT_EQ(world.trace().losses.front().unsynced_since, world.now());
}

class Paths : public WorldTest {};

TEST_F(Paths, what_was_on_the_old_path_stays_there_and_the_new_one_has_its_own_delay) {
    const auto client = add_client("c", {.clean_start = false, .session_expiry_s = 600});
    world.add_path(client, {.delay = {.low = milliseconds{30}}});
    world.connect(client);
    run_for(seconds{1});
    world.publish(client, {.topic = "t",
                           .payload = "1",
                           .qos = QoS::at_least_once,
                           .retain = false,
                           .expiry_s = std::nullopt});
    const Instant changed_at = world.now();
    world.change_path(client, 1);
    world.connect(client);
    run_for(seconds{1});
    EXPECT_TRUE(world.client(client).is_connected());
    const auto connects = arrivals(PacketType::connect, Direction::to_broker);
    ASSERT_EQ(connects.size(), 2U);
    EXPECT_EQ(connects.back().at, changed_at + milliseconds{30});
    // The message was under way when the path was left; it comes again on the new one.
    const auto publishes = arrivals(PacketType::publish, Direction::to_broker);
    ASSERT_EQ(publishes.size(), 1U);
    EXPECT_TRUE(publishes.front().packet->dup);
}

TEST_F(Paths, a_fault_stays_with_the_path_that_it_hit) {
    const auto client = add_client("c", {});
    world.add_path(client, {});
    const auto stall = world.begin_stall(client, Directions::both);
    world.change_path(client, 1);
    world.connect(client);
    run_for(seconds{1});
    EXPECT_TRUE(world.client(client).is_connected());
    world.end_fault(stall);
}

TEST_F(Paths, a_link_that_was_changed_twice_is_itself_again_when_both_are_over) {
    const auto client = add_client("c", {.keep_alive_s = 0});
    world.connect(client);
    run_for(seconds{1});
    const auto travel_time = [&](const std::string& payload) -> Duration {
        const Instant sent_at = world.now();
        world.publish(client, {.topic = "t",
                               .payload = payload,
                               .qos = QoS::at_most_once,
                               .retain = false,
                               .expiry_s = std::nullopt});
        run_for(seconds{1});
        return arrivals(PacketType::publish, Direction::to_broker).back().at - sent_at;
    };
    const auto first = world.begin_set_link(client, {.delay = {.low = milliseconds{70}}});
    EXPECT_EQ(travel_time("1"), milliseconds{70});
    const auto second = world.begin_set_link(client, {.delay = {.low = milliseconds{9}}});
    world.end_fault(first);
    EXPECT_EQ(travel_time("2"), milliseconds{9});
    world.end_fault(second);
    EXPECT_EQ(travel_time("3"), link_delay);
}

/// Two shards, and 100 ms from one to the other.
class Moving : public WorldTest {
protected:
    Moving()
        : WorldTest{{.shard_count = 2,
                     .peer_delay_low = milliseconds{100},
                     .peer_delay_high = milliseconds{100}}} {}
};

TEST_F(Moving, a_connection_that_is_reset_between_two_shards_is_over_when_it_arrives) {
    for (int i = 0; i < 8; ++i) {
        const auto client = add_client("c" + std::to_string(i), {.keep_alive_s = 0});
        world.connect(client);
        run_for(milliseconds{50});
        world.vanish(client);
        run_for(seconds{1});
    }
    EXPECT_EQ(world.node(node).gauges().connections, 0U);
}

}  // namespace
}  // namespace touchstone::simulator
