// Loops whose figures are known: queues of the textbook, and counts by hand.
#include <gtest/gtest.h>

#include <array>

#include "planner/models/event_loop.hpp"
#include "planner/models/waiting.hpp"

namespace touchstone::planner {
namespace {

constexpr double us = 1e-6;

PacketStream pairs(double per_s, double take_s, unsigned qos = 0) {
    return {.per_s = per_s,
            .sources = 20,
            .receivers = 1,
            .has_own_sinks = true,
            .qos = qos,
            .take_s = take_s};
}

LoopRun run_of(const PacketStream& stream, const LoopCosts& costs, std::size_t events = 200'000) {
    return run_loop(std::array{stream}, costs, events, 1);
}

double mean_s(const LoopRun& run) {
    double sum = 0;
    for (const auto& one : run.deliveries) sum += static_cast<double>(one.took_s);
    return sum / static_cast<double>(run.deliveries.size());
}

TEST(EventLoop, packets_one_by_one_wait_as_in_the_formula_of_pollaczek_and_khinchine) {
    for (const double load : {0.3, 0.6, 0.8}) {
        const auto run = run_of(pairs(load / (10 * us), 10 * us), {.gathers = false});
        EXPECT_NEAR(run.busy, load, 0.01);
        EXPECT_NEAR(run.wakes, 1 - load, 0.01) << "who finds it asleep wakes it";
        const Work work{.rate_per_s = load / (10 * us), .service_s = 10 * us};
        const auto wait = mean_wait_one_server(moments_of(std::array{work}), 0);
        ASSERT_TRUE(wait);
        EXPECT_NEAR(mean_s(run), *wait + 10 * us, 0.07 * *wait);
    }
}

TEST(EventLoop, what_waking_up_costs_comes_back_as_in_the_formula_of_welch) {
    const auto run = run_of(pairs(50'000, 10 * us), {.wake_s = 10 * us, .gathers = false});
    EXPECT_NEAR(run.busy, 2.0 / 3, 0.01);
    EXPECT_NEAR(run.wakes, 1.0 / 3, 0.01);
}

TEST(EventLoop, on_a_quiet_broker_each_packet_is_read_and_written_by_itself) {
    const LoopCosts costs{.look_s = us, .read_s = us, .write_s = us, .answer_s = 10 * us};
    const std::array<double, 3> packets{1, 2, 4};  // each way, of a message to one receiver
    for (const unsigned qos : {0U, 1U, 2U}) {
        const auto run = run_of(pairs(50, us, qos), costs, 20'000);
        EXPECT_NEAR(run.reads, packets[qos], 0.01);
        EXPECT_NEAR(run.writes, packets[qos], 0.01);
        // The PUBACK of the receiver and the PUBREL of the publisher come at different instants.
        EXPECT_NEAR(run.wakes, qos == 2 ? 3 : packets[qos], 1.01);
    }
}

TEST(EventLoop, a_message_alone_takes_what_its_parts_take) {
    const LoopCosts costs{.look_s = us,
                          .read_s = 2 * us,
                          .write_s = 3 * us,
                          .wake_s = 4 * us,
                          .wake_delay_s = 5 * us};
    auto stream = pairs(10, 6 * us);
    stream.copy_s = 7 * us;
    EXPECT_NEAR(alone_s(stream, costs), 28 * us, 1e-12);
    EXPECT_NEAR(mean_s(run_of(stream, costs, 5'000)), 28 * us, 0.1 * us);
}

TEST(EventLoop, the_busier_it_is_the_more_packets_share_a_look_a_read_and_a_write) {
    const LoopCosts costs{.look_s = us, .read_s = us, .write_s = 3 * us};
    const auto quiet = run_of(pairs(1'000, 0.5 * us), costs);
    // Alone it would take 5.5 us: 110 % of the time.
    const auto busy = run_of(pairs(200'000, 0.5 * us), costs);
    EXPECT_NEAR(quiet.writes, 1, 0.01);
    EXPECT_TRUE(busy.keeps_up);
    EXPECT_LT(busy.looks, 0.5);
    EXPECT_LT(busy.writes, 0.95);
    EXPECT_EQ(busy.reads, busy.writes) << "of pairs";
    const auto one_by_one =
        run_of(pairs(200'000, 0.5 * us),
               {.look_s = us, .read_s = us, .write_s = 3 * us, .gathers = false});
    EXPECT_NEAR(one_by_one.writes, 1, 1e-3);
    // Only looks are shared.
    EXPECT_LT(one_by_one.looks, 1);
}

TEST(EventLoop, a_fleet_of_many_connections_shares_nothing_but_looks) {
    const LoopCosts costs{.look_s = us, .read_s = us, .write_s = 3 * us};
    auto many = pairs(150'000, 0.5 * us);
    many.sources = 10'000;
    const auto run = run_of(many, costs);
    EXPECT_GT(run.reads, 0.99);
    EXPECT_LT(run.looks, 0.7);
}

TEST(EventLoop, copies_to_few_receivers_share_writes) {
    const LoopCosts costs{.look_s = us, .read_s = us, .write_s = 3 * us};
    PacketStream fan_in{
        .per_s = 150'000, .sources = 1'000, .receivers = 1, .sinks = 2, .take_s = us};
    const auto run = run_of(fan_in, costs);
    EXPECT_GT(run.reads, 0.95);
    EXPECT_LT(run.writes, 0.85);
}

TEST(EventLoop, nothing_keeps_up_with_more_work_than_time) {
    EXPECT_FALSE(run_of(pairs(110'000, 10 * us), {}).keeps_up);
    EXPECT_TRUE(run_of(pairs(90'000, 10 * us), {}).keeps_up);
    EXPECT_FALSE(run_of(pairs(110'000, 5 * us), {.read_s = 5 * us, .gathers = false}).keeps_up);
}

TEST(EventLoop, a_fan_out_leaves_by_all_of_its_connections) {
    PacketStream stream{.per_s = 10, .receivers = 300, .sinks = 300, .copy_s = us};
    const auto run = run_of(stream, {.write_s = us}, 60'000);
    EXPECT_NEAR(run.writes, 300, 1e-6);
    // All copies are made before the first one is written.
    EXPECT_NEAR(mean_s(run), 450 * us, 5 * us);
}

TEST(EventLoop, the_seed_decides_all) {
    const auto stream = pairs(100'000, 5 * us, 1);
    const LoopCosts costs{.read_s = us, .answer_s = 20 * us};
    const auto one = run_loop(std::array{stream}, costs, 5'000, 7);
    const auto same = run_loop(std::array{stream}, costs, 5'000, 7);
    const auto other = run_loop(std::array{stream}, costs, 5'000, 8);
    EXPECT_EQ(mean_s(one), mean_s(same));
    EXPECT_NE(mean_s(one), mean_s(other));
}

}  // namespace
}  // namespace touchstone::planner
