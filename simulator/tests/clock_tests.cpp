// Clocks that are wrong: exact by themselves, and for those who live by one.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "simulator/checkers/checkers.hpp"
#include "simulator/tests/trace_builder.hpp"
#include "simulator/tests/world_fixture.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::PacketType;

/// Every third microsecond counts twice, so that whole seconds stay whole.
constexpr Drift half_faster{500'000};
constexpr Drift half_as_fast{-500'000};

TEST(Clock, is_right_when_nothing_is_said) {
    const Clock clock;
    const Instant later = run_begin + std::chrono::hours{1'000'000};
    EXPECT_EQ(clock.steady_at(later), later);
    EXPECT_EQ(clock.wall_at(later), later);
    EXPECT_EQ(clock.when_steady_shows(later), later);
}

TEST(Clock, gains_what_its_drift_says) {
    const Clock clock{Drift{100}};
    EXPECT_EQ(clock.elapsed(run_begin, run_begin + std::chrono::hours{24}),
              std::chrono::hours{24} + microseconds{8'640'000});
}

Clock arbitrary_clock(Instant& changed_at) {
    const auto drift = [] { return Drift{*rc::gen::inRange(drift_min.ppm, drift_max.ppm + 1)}; };
    Clock clock{drift()};
    changed_at = run_begin;
    const auto changes = *rc::gen::inRange(0, 4);
    for (int i = 0; i < changes; ++i) {
        changed_at += microseconds{*rc::gen::inRange(0, 3'000'000)};
        clock.set_drift(changed_at, drift());
    }
    return clock;
}

RC_GTEST_PROP(Clock, shows_a_reading_at_the_first_instant_at_which_it_does, ()) {
    Instant changed_at;
    const auto clock = arbitrary_clock(changed_at);
    const auto reading =
        run_begin + microseconds{*rc::gen::inRange<std::int64_t>(0, 10'000'000'000'000)};
    const auto at = clock.when_steady_shows(reading);
    RC_ASSERT(clock.steady_at(at) >= reading);
    if (at > run_begin) RC_ASSERT(clock.steady_at(at - microseconds{1}) < reading);
}

RC_GTEST_PROP(Clock, never_goes_back, ()) {
    Instant changed_at;
    const auto clock = arbitrary_clock(changed_at);
    const auto at = run_begin + microseconds{*rc::gen::inRange(0, 20'000'000)};
    RC_ASSERT(clock.steady_at(at) <= clock.steady_at(at + microseconds{1}));
}

TEST(Clock, a_deadline_farther_than_time_goes_is_never) {
    const Clock clock{drift_min};
    EXPECT_EQ(clock.when_steady_shows(never - seconds{1}), never);
}

TEST(Clock, when_set_shows_another_date_and_runs_on) {
    Clock clock;
    clock.jump(run_begin + seconds{10}, -seconds{3});
    EXPECT_EQ(clock.wall_at(run_begin + seconds{9}), run_begin + seconds{9});
    EXPECT_EQ(clock.wall_at(run_begin + seconds{11}), run_begin + seconds{8});
    EXPECT_EQ(clock.steady_at(run_begin + seconds{11}), run_begin + seconds{11});
}

TEST(Clock, stands_still_while_the_machine_sleeps) {
    Clock clock;
    clock.sleep(run_begin + seconds{10});
    EXPECT_EQ(clock.when_steady_shows(run_begin + seconds{11}), never);
    clock.wake(run_begin + seconds{15});
    EXPECT_EQ(clock.steady_at(run_begin + seconds{14}), run_begin + seconds{10});
    EXPECT_EQ(clock.when_steady_shows(run_begin + seconds{11}), run_begin + seconds{16});
}

class ClockWorld : public WorldTest {};

TEST_F(ClockWorld, a_fast_node_ends_a_silent_connection_when_its_own_clock_says_so) {
    world.set_clock(node, Clock{half_faster});
    const auto client = add_client("c", {.keep_alive_s = 10});
    world.connect(client);
    run_for(seconds{1});
    world.half_open(client, Directions::to_broker);
    run_for(seconds{30});
    const auto heard_at = arrivals(PacketType::connect, Direction::to_broker).front().at;
    // One and a half times 10 s, of which it counts 1.5 for each that passes.
    EXPECT_EQ(closed_by_broker(), heard_at + seconds{10});
}

TEST_F(ClockWorld, a_node_that_becomes_slower_on_the_way_waits_for_the_rest_at_its_new_rate) {
    const auto client =
        add_client("c", {.keep_alive_s = 10, .ping_timeout = std::chrono::minutes{10}});
    world.connect(client);
    run_for(seconds{1});
    const auto heard_at = arrivals(PacketType::connect, Direction::to_broker).front().at;
    world.half_open(client, Directions::to_broker);
    world.run_until(heard_at + seconds{5});
    world.change_clock(node, half_as_fast, Duration::zero());
    run_for(seconds{60});
    EXPECT_EQ(closed_by_broker(), heard_at + seconds{5 + 20});
}

TEST_F(ClockWorld, setting_the_wall_clock_moves_no_deadline_of_a_running_node) {
    const auto client = add_client("c", {.keep_alive_s = 10});
    world.connect(client);
    run_for(seconds{1});
    const auto heard_at = arrivals(PacketType::connect, Direction::to_broker).front().at;
    world.half_open(client, Directions::to_broker);
    world.change_clock(node, std::nullopt, std::chrono::hours{24 * 365});
    run_for(seconds{60});
    EXPECT_EQ(closed_by_broker(), heard_at + seconds{15});
}

TEST_F(ClockWorld, a_slow_client_pings_when_its_own_clock_says_so) {
    const auto client = add_client("c", {.keep_alive_s = 10});
    world.set_clock(client, Clock{half_as_fast});
    world.connect(client);
    run_for(seconds{18});
    EXPECT_TRUE(arrivals(PacketType::pingreq, Direction::to_broker).empty());
    // It would at 20 s, but by then a server whose clock is right has given it up.
    run_for(seconds{1});
    const auto heard_at = arrivals(PacketType::connect, Direction::to_broker).front().at;
    EXPECT_EQ(closed_by_broker(), heard_at + seconds{15});
    EXPECT_TRUE(check_keep_alive(world.trace(), History{world.trace()}).empty());
}

/// A message with Message Expiry Interval 30 s waits on a node that is 1.5 times too fast.
class ExpiryByClock : public ClockWorld {
protected:
    /// The subscriber's CONNECT arrives so long after the message did.
    std::vector<Arrival> received_after(Duration wait) {
        world.set_clock(node, Clock{half_faster});
        const auto subscriber =
            add_client("s", {.clean_start = false, .session_expiry_s = 600, .keep_alive_s = 0});
        const auto publisher = add_client("p", {.keep_alive_s = 0});
        world.subscribe(subscriber, {{.filter = "t", .options = {.qos = QoS::at_least_once}}});
        const Instant asked_at = world.now();
        world.connect(subscriber);
        run_for(seconds{1});
        const Duration way =
            arrivals(PacketType::connect, Direction::to_broker).front().at - asked_at;
        world.vanish(subscriber);
        world.connect(publisher);
        run_for(seconds{1});
        world.publish(publisher, {.topic = "t",
                                  .payload = "1",
                                  .qos = QoS::at_least_once,
                                  .retain = false,
                                  .expiry_s = 30});
        run_for(seconds{1});
        const auto came_at = arrivals(PacketType::publish, Direction::to_broker).front().at;
        world.run_until(came_at + wait - way);
        world.connect(subscriber);
        run_for(seconds{1});
        return arrivals(PacketType::publish, Direction::to_client);
    }
    std::optional<std::uint32_t> expiry_s(const Arrival& arrival) {
        return wire::decode_publish(world.trace().frame_of(*arrival.packet), ProtocolVersion::v5)
            .value()
            .properties.integer(wire::PropertyId::message_expiry_interval);
    }
};

TEST_F(ExpiryByClock, a_message_is_sent_with_what_the_nodes_clock_leaves_of_its_interval) {
    const auto received = received_after(seconds{10});
    ASSERT_EQ(received.size(), 1U);
    EXPECT_EQ(expiry_s(received.front()), 15U);
}

TEST_F(ExpiryByClock, a_message_is_sent_up_to_the_last_microsecond) {
    EXPECT_EQ(received_after(seconds{20} - microseconds{1}).size(), 1U);
}

TEST_F(ExpiryByClock, a_message_is_gone_when_its_interval_is_over_by_the_nodes_clock) {
    EXPECT_EQ(received_after(seconds{20}).size(), 0U);
}

/// A client with Keep Alive 10 s that the node closes after so long a silence.
TraceBuilder closed_after(Duration silence) {
    TraceBuilder trace;
    const auto number = trace.connect("c", {.keep_alive_s = 10});
    trace.pass(silence - milliseconds{20});
    trace.closed_by_broker(number);
    return trace;
}

TEST(CheckerClock, a_disconnect_is_judged_by_the_clock_of_the_node) {
    auto trace = closed_after(seconds{10});
    EXPECT_EQ(check_keep_alive(trace.finished(), History{trace.finished()}).size(), 1U);
    trace.finished().clocks.emplace(trace.node(), Clock{half_faster});
    EXPECT_TRUE(check_keep_alive(trace.finished(), History{trace.finished()}).empty());
}

TEST(CheckerClock, the_drift_excuses_no_more_than_it_explains) {
    auto early = closed_after(seconds{10} - milliseconds{20});
    early.finished().clocks.emplace(early.node(), Clock{half_faster});
    EXPECT_EQ(check_keep_alive(early.finished(), History{early.finished()}).size(), 1U);
    // 15 s and 1.5 s of tolerance by its own clock.
    auto late = closed_after(seconds{11} + milliseconds{20});
    EXPECT_EQ(check_keep_alive(late.finished(), History{late.finished()}).size(), 1U);
    late.finished().clocks.emplace(late.node(), Clock{half_faster});
    EXPECT_EQ(check_keep_alive(late.finished(), History{late.finished()}).size(), 1U);
}

}  // namespace
}  // namespace touchstone::simulator
