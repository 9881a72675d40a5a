// What a fleet asks for, counted by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "planner/models/demand.hpp"

namespace touchstone::planner {
namespace {

namespace fleet = simulator::fleet;
constexpr fleet::Time s = 1'000'000'000;

fleet::FleetModel sensors_and_a_consumer() {
    fleet::DeviceClass sensors{.name = "sensors", .count = 1'000};
    sensors.keep_alive = sensors.ping_every = 60 * s;
    sensors.publishing = {.process = fleet::PublishProcess::periodic,
                          .every = 10 * s,
                          .phase_spread = 10 * s,
                          .qos = 1,
                          .payload_min = 100,
                          .payload_max = 300};
    sensors.fan_out = {.to_class = 1, .receivers = 1};
    fleet::DeviceClass consumers{.name = "consumers", .count = 4, .subscriptions = 2};
    consumers.ping_every = 20 * s;
    fleet::FleetModel model;
    model.classes = {sensors, consumers};
    return model;
}

TEST(Demand, of_a_fan_in_is_what_its_devices_send) {
    const auto demand = demand_of(sensors_and_a_consumer());
    EXPECT_EQ(demand.connections, 1'004);
    const auto rates = demand.rates();
    EXPECT_NEAR(at(rates, Operation::publish_1), 100, 1e-9);
    EXPECT_NEAR(at(rates, Operation::deliver_1), 100, 1e-9);
    EXPECT_NEAR(at(rates, Operation::byte_in), 20'000, 1e-9);
    // Sensors send before they would have to ping; four consumers ping every 20 s.
    EXPECT_NEAR(at(rates, Operation::ping), 0.2, 1e-9);
    EXPECT_EQ(at(demand.holdings, Holding::subscription), 8);
    // PUBLISH and the consumer's PUBACK.
    EXPECT_NEAR(packets_in(rates), 200.2, 1e-9);
    EXPECT_TRUE(demand.bursts.empty());
}

TEST(Demand, a_message_to_all_goes_to_those_who_are_awake) {
    auto model = sensors_and_a_consumer();
    model.classes[0].fan_out.receivers = 0;
    model.classes[1].awake = 30 * s;
    model.classes[1].asleep = 90 * s;
    const auto demand = demand_of(model);
    EXPECT_NEAR(at(demand.rates(), Operation::deliver_1), 100, 1e-9);  // 4 of them, a quarter there
    EXPECT_NEAR(demand.connects_per_s, 4.0 / 120, 1e-12);
    EXPECT_NEAR(demand.subscribes_per_s, 8.0 / 120, 1e-12);
    EXPECT_NEAR(demand.connections, 1'001, 1e-9);
}

TEST(Demand, pings_fill_the_gaps_between_messages) {
    auto model = sensors_and_a_consumer();
    model.classes[0].publishing.every = 150 * s;
    model.classes[0].publishing.phase_spread = 150 * s;
    // Two in each gap of 150 s.
    EXPECT_NEAR(demand_of(model).pings_per_s, 1'000 * 2.0 / 150 + 0.2, 1e-9);
    model.classes[0].publishing.process = fleet::PublishProcess::poisson;
    model.classes[0].publishing.every = 60 * s;
    EXPECT_NEAR(demand_of(model).pings_per_s, 1'000 / (std::exp(1.0) - 1) / 60 + 0.2, 1e-9);
}

TEST(Demand, devices_that_publish_at_the_same_time_are_a_burst) {
    auto model = sensors_and_a_consumer();
    model.classes[0].publishing.every = 60 * s;
    model.classes[0].publishing.phase_spread = s / 2;
    const auto demand = demand_of(model);
    ASSERT_EQ(demand.bursts.size(), 1U);
    EXPECT_EQ(demand.bursts[0].messages, 1'000);
    EXPECT_NEAR(demand.bursts[0].within_s, 0.5, 1e-12);
}

TEST(Demand, twice_the_demand_is_twice_of_everything_but_the_process) {
    const auto once = demand_of(sensors_and_a_consumer());
    const auto twice = once.scaled(2);
    EXPECT_EQ(at(twice.holdings, Holding::process), 1);
    EXPECT_EQ(at(twice.holdings, Holding::connection), 2'008);
    const auto rates = once.rates();
    const auto more = twice.rates();
    for (std::size_t i = 0; i < operation_count; ++i) {
        if (i >= static_cast<std::size_t>(Operation::uncached)) continue;
        EXPECT_NEAR(more[i], 2 * rates[i], 1e-9);
    }
    // Twice the packets, and 2,008 connections are 1.826 tenfolds more than 30.
    EXPECT_NEAR(at(more, Operation::uncached), (packets_in(more) + packets_out(more)) * 1.8257,
                0.5);
    // And 0.303 more than 1,000.
    EXPECT_NEAR(at(more, Operation::far_uncached), (packets_in(more) + packets_out(more)) * 0.3028,
                0.5);
    auto few = more;
    add_uncached(few, 29);
    EXPECT_EQ(at(few, Operation::uncached), 0);
    EXPECT_EQ(at(few, Operation::far_uncached), 0);
    add_uncached(few, 900);
    EXPECT_GT(at(few, Operation::uncached), 0);
    EXPECT_EQ(at(few, Operation::far_uncached), 0);
    EXPECT_NEAR(network_of(twice).out, 2 * network_of(once).out, 1e-6);
}

}  // namespace
}  // namespace touchstone::planner
