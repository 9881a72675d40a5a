// Tier T0: the real core behind light clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "simulator/fleet/real_core/core_fleet.hpp"
#include "simulator/fleet/tests/fleet_models.hpp"

namespace touchstone::simulator::fleet {
namespace {

using testing::HasSubstr;
using testing::Optional;

TEST(CoreFleet, connects_all_in_its_ramp_and_pings_once_a_keep_alive) {
    auto model = fleet_of({idle(2'000)}, 605 * s);
    model.cost.servers = 3;
    const auto outcome = CoreFleet{model}.run();
    const auto& counts = outcome.classes[0];
    EXPECT_EQ(outcome.connected, 2'000U);
    EXPECT_EQ(counts.connects, 2'000U);
    EXPECT_NEAR(static_cast<double>(counts.pings), 20'000, 250);
    EXPECT_EQ(outcome.latencies.ping.count(), counts.pings);
    EXPECT_GE(*outcome.latencies.ping.quantile(10'000), 10 * ms);
    EXPECT_LE(outcome.latencies.ping.greatest(), 31 * ms);
    ASSERT_TRUE(outcome.core);
    EXPECT_EQ(outcome.core->sessions, 2'000U);
    EXPECT_EQ(outcome.core->packets_taken, 2'000 + counts.pings);
    EXPECT_EQ(outcome.core->surprises, 0U);
}

TEST(CoreFleet, the_same_seed_is_the_same_run_and_another_is_not) {
    auto model = fleet_of({idle(500)}, 200 * s);
    model.crashes = {{.at = 70 * s, .down = 5 * s}};
    const auto once = CoreFleet{model}.run();
    const auto again = CoreFleet{model}.run();
    model.seed = 2;
    const auto other = CoreFleet{model}.run();
    EXPECT_EQ(once.digest, again.digest);
    EXPECT_NE(once.digest, other.digest);
}

class CoreFleetByQoS : public testing::TestWithParam<unsigned> {};

TEST_P(CoreFleetByQoS, every_message_gets_to_whom_it_is_for) {
    auto sensors = idle(200);
    sensors.publishing = {.process = PublishProcess::periodic,
                          .every = 5 * s,
                          .phase_spread = 5 * s,
                          .qos = GetParam(),
                          .payload_min = 20,
                          .payload_max = 200};
    sensors.fan_out = {.to_class = 1, .receivers = 3};
    auto readers = idle(20);
    auto callers = idle(5);
    callers.ramp_start = 20 * s;
    callers.publishing = {.process = PublishProcess::periodic, .every = 20 * s, .phase_spread = s};
    callers.fan_out = {.to_class = 1, .receivers = 0};
    sensors.ramp_start = 10 * s;
    auto model = fleet_of({sensors, readers, callers}, 120 * s);
    model.cost.servers = 4;
    const auto outcome = CoreFleet{model}.run();
    const auto due = 3 * outcome.classes[0].published + 20 * outcome.classes[2].published;
    EXPECT_GT(due, 10'000U);
    // A few may still be on their way.
    EXPECT_LE(outcome.classes[1].delivered, due);
    EXPECT_GE(outcome.classes[1].delivered + 60, due);
    EXPECT_EQ(outcome.latencies.delivery.count(), outcome.classes[1].delivered);
    EXPECT_GE(*outcome.latencies.delivery.quantile(1'000), 10 * ms);
    const auto acknowledged = GetParam() > 0 ? outcome.classes[0].published : 0;
    EXPECT_NEAR(static_cast<double>(outcome.latencies.publish.count()),
                static_cast<double>(acknowledged), 20);
    EXPECT_EQ(outcome.core->surprises, 0U);
    EXPECT_TRUE(outcome.core->drops.empty());
}

INSTANTIATE_TEST_SUITE_P(QoS, CoreFleetByQoS, testing::Values(0U, 1U, 2U));

TEST(CoreFleet, after_a_crash_all_come_back_to_a_core_that_knows_nothing) {
    auto model = fleet_of({idle(1'000)}, 300 * s);
    model.cost.nodes = 2;
    model.cost.servers = 2;
    model.crashes = {{.at = 100 * s, .down = 10 * s}, {.at = 200 * s, .down = 5 * s, .node = 1}};
    const auto outcome = CoreFleet{model}.run();
    EXPECT_EQ(outcome.connected, 1'000U);
    EXPECT_GT(outcome.classes[0].cut_off, 1'000U);
    EXPECT_LT(outcome.classes[0].cut_off, 2'000U);
    EXPECT_GT(outcome.classes[0].refused, 0U);
    EXPECT_EQ(outcome.core->sessions, 1'000U);
}

TEST(CoreFleet, the_core_publishes_the_will_messages_of_those_that_a_cut_silences) {
    auto meters = idle(400);
    meters.has_will = true;
    meters.will_to = {.to_class = 1, .receivers = 0};
    auto model = fleet_of({meters, idle(3)}, 400 * s);
    model.cuts = {
        {.at = 100 * s, .duration = 200 * s, .device_class = 0, .share = std::uint64_t{1} << 31U}};
    const auto outcome = CoreFleet{model}.run();
    const auto& counts = outcome.classes[0];
    EXPECT_NEAR(static_cast<double>(counts.cut_off), 200, 40);
    EXPECT_EQ(counts.wills, counts.cut_off);
    EXPECT_EQ(outcome.classes[1].delivered, 3 * counts.wills);
    EXPECT_EQ(outcome.connected, 403U);
}

TEST(CoreFleet, sleepers_disconnect_and_a_nat_that_forgets_costs_the_connection) {
    auto sleepers = idle(100);
    sleepers.awake = 30 * s;
    sleepers.asleep = 60 * s;
    auto forgotten = idle(100);
    forgotten.link.nat_timeout = 30 * s;
    const auto outcome = CoreFleet{fleet_of({sleepers, forgotten}, 300 * s)}.run();
    EXPECT_NEAR(static_cast<double>(outcome.classes[0].connects), 350, 60);
    EXPECT_EQ(outcome.classes[0].closed_by_broker, 0U);
    EXPECT_GT(outcome.classes[1].nat_losses, 200U);
    EXPECT_EQ(outcome.classes[1].answer_timeouts, 0U);
    EXPECT_EQ(outcome.core->surprises, 0U);
}

TEST(CoreFleet, subscribers_are_sent_the_retained_messages_that_there_are) {
    auto dashboards = idle(5);
    dashboards.subscriptions = 3;
    dashboards.retained = 700;
    dashboards.retained_bytes = 900;
    auto model = fleet_of({dashboards}, 100 * s);
    model.cost.servers = 2;
    const auto outcome = CoreFleet{model}.run();
    EXPECT_EQ(outcome.classes[0].delivered, 5U * 700);
    EXPECT_EQ(outcome.core->subscriptions, 5U * 3);
}

TEST(CoreFleet, the_work_takes_the_time_that_the_cost_model_says) {
    auto model = fleet_of({idle(1'000)}, 100 * s);
    model.classes[0].ramp_every = 0;
    model.classes[0].link.latency_spread = 0;
    model.cost.connect = 5 * ms;
    const auto outcome = CoreFleet{model}.run();
    // All at once: the last one waits for the work of all others.
    EXPECT_NEAR(static_cast<double>(outcome.latencies.connect.greatest()), 5e9, 3e8);
    EXPECT_EQ(outcome.classes[0].connects, 1'000U);
    model.classes[0].connect_patience = 2 * s;
    model.classes[0].reconnecting = {.policy = ReconnectPolicy::fixed, .base = 60 * s};
    const auto impatient = CoreFleet{model}.run();
    EXPECT_NEAR(static_cast<double>(impatient.classes[0].connects), 800, 60);
    EXPECT_GT(impatient.classes[0].connect_timeouts, 500U);
}

TEST(CoreFleet, says_what_it_cannot_and_what_to_give_instead) {
    auto fan = idle(1);
    fan.fan_out = {.to_class = 0, .receivers = 17};
    EXPECT_THAT(what_t0_cannot(fleet_of({fan}, s)), Optional(HasSubstr("at most 16 in T0")));
    fan.fan_out.receivers = 1;
    auto nodes = fleet_of({fan}, s);
    EXPECT_EQ(what_t0_cannot(nodes), std::nullopt);
    nodes.cost.nodes = 2;
    EXPECT_THAT(what_t0_cannot(nodes), Optional(HasSubstr("there are several nodes")));
    auto shards = fleet_of({idle(1)}, s);
    shards.cost.servers = 65;
    EXPECT_THAT(what_t0_cannot(shards), Optional(HasSubstr("at most 64 shards")));
    shards.cost.servers = 2;
    shards.cost.any_server = true;
    EXPECT_THAT(what_t0_cannot(shards), Optional(HasSubstr("shared_queue")));
    EXPECT_THAT(what_t0_cannot(fleet_of({idle(5'000'001)}, s)), Optional(HasSubstr("--tier T2")));
    auto many = idle(1);
    many.subscriptions = 1'001;
    EXPECT_THAT(what_t0_cannot(fleet_of({many}, s)), Optional(HasSubstr("at most 1000")));
}

}  // namespace
}  // namespace touchstone::simulator::fleet
