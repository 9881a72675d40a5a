// Predictions of a made-up calibration, by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "planner/models/activity.hpp"
#include "planner/models/estimate.hpp"
#include "planner/models/prices.hpp"

namespace touchstone::planner {
namespace {

constexpr double us = 1e-6;

/// A QoS 0 message costs 10 us to take and 10 us for each copy, a connect 100 us; a connection
/// takes 4,000 bytes. A quiet broker needs 100 us to 200 us.
Calibration made_up() {
    Calibration one;
    one.broker = "made up";
    one.gathers = false;
    one.cpu.coefficients = {10 * us, 15 * us, 25 * us, 10 * us, 15 * us, 25 * us, 0, 0,
                            5 * us,  0,       0,       0,       0,       0,       0};
    one.cpu.covariance.assign(operation_count * operation_count, 0);
    one.cpu.degrees_of_freedom = 20;
    one.connect_s = {.value = 100 * us};
    one.subscribe_s = {.value = 10 * us};
    one.memory.coefficients = {10e6, 4'000, 2'000, 200, 400, 1, 500, 1, 0};
    one.memory.covariance.assign(holding_count * holding_count, 0);
    one.memory.degrees_of_freedom = 20;
    one.memory_range = {1, 100'000, 1'000, 100'000, 1'000, 100'000, 1'000, 100'000, 1'000};
    one.latencies = {{.qos = 0,
                      .rate_per_s = 1'000,
                      .samples = 100'000,
                      .seconds = QuantileCurve{{{0, 100 * us}, {1, 200 * us}}}}};
    return one;
}

/// Messages a second, each to one receiver.
Demand messages(double per_s, double connections = 1'000) {
    Demand demand;
    demand.connections = connections;
    at(demand.holdings, Holding::process) = 1;
    at(demand.holdings, Holding::connection) = connections;
    demand.streams = {
        {.name = "sensors", .messages_per_s = per_s, .payload_bytes = 64, .receivers = 1}};
    return demand;
}

TEST(Estimate, processor_and_memory_are_sums) {
    const auto result = estimate(made_up(), messages(20'000), {});
    EXPECT_NEAR(result.busy.value, 0.4, 1e-9);
    EXPECT_NEAR(result.memory.value, 14e6, 1);
    EXPECT_NEAR(result.saturation, 2.5, 1e-9);
    ASSERT_EQ(result.memory_parts.size(), 2U);
    EXPECT_EQ(result.memory_parts[1].name, "connection");
    EXPECT_TRUE(result.fits) << result.words.front();
}

TEST(Estimate, waking_up_costs_less_the_busier_a_server_is) {
    auto calibration = made_up();
    calibration.cpu.coefficients[static_cast<std::size_t>(Operation::wake)] = 20 * us;
    const auto quiet = processor_time(calibration, messages(100), 1);
    EXPECT_NEAR(quiet.value, 100 * 40 * us, 100 * us);
    const auto busy = processor_time(calibration, messages(49'999), 1);
    EXPECT_NEAR(busy.value, 1, 5e-3);
}

TEST(Estimate, what_was_measured_at_a_low_load_comes_back_from_the_curve_at_rest) {
    auto calibration = made_up();
    calibration.wake_delay_s = 3 * us;
    calibration.cpu.coefficients[static_cast<std::size_t>(Operation::wake)] = 20 * us;
    std::vector<std::pair<double, double>> points;
    for (const double quantile : {0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99}) {
        points.emplace_back(quantile, (150 + 200 * quantile) * us);
    }
    const QuantileCurve measured{points};
    const MeasuredLatency little{.demand = messages(2'000),
                                 .lateness = QuantileCurve{{{0.1, 1 * us}, {0.9, 9 * us}}}};
    const auto alone = at_rest(calibration, little, 0, measured, 1);
    calibration.latencies = {{.qos = 0, .samples = 100'000, .seconds = alone}};
    const Question question{.lateness = &little.lateness};
    const auto point = load_point(calibration, little.demand, question, 1);
    for (const auto& [i, quantile] : {std::pair{0U, 0.5}, {1U, 0.9}, {2U, 0.99}}) {
        ASSERT_TRUE(point.latency_s[i]);
        EXPECT_NEAR(point.latency_s[i]->value, measured.at(quantile), 6 * us) << quantile;
    }
    EXPECT_GT(std::abs(alone.at(0.5) - measured.at(0.5)), 3 * us) << "waits and wake-ups are off";
}

TEST(Estimate, a_few_that_are_faster_than_the_model_says_do_not_lift_all_others_at_rest) {
    auto calibration = made_up();
    calibration.cpu.coefficients[static_cast<std::size_t>(Operation::wake)] = 60 * us;
    calibration.awake_factor = 1.5;  // who finds the server awake saves more than is so
    std::vector<std::pair<double, double>> points;
    for (const double quantile : {0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99}) {
        points.emplace_back(quantile, (150 + 20 * quantile) * us);
    }
    const QuantileCurve measured{points};
    const MeasuredLatency little{.demand = messages(1'000)};
    const auto alone = at_rest(calibration, little, 0, measured, 1);
    EXPECT_NEAR(alone.at(0.5), measured.at(0.5), 8 * us);
    EXPECT_NEAR(alone.at(0.9), measured.at(0.9), 12 * us);
}

TEST(Estimate, a_machine_that_is_slower_makes_everything_dearer_by_its_pace) {
    auto calibration = made_up();
    calibration.pace_s = 8 * us;
    calibration.wake_delay_s = 2 * us;
    const double dearer = std::pow(1.25, 0.85);
    EXPECT_NEAR(cost_factor(10 * us, 8 * us), dearer, 1e-12);
    const auto slow = at_pace(calibration, 10 * us);
    EXPECT_NEAR(slow.cpu.coefficients[0], 10 * us * dearer, 1e-12);
    EXPECT_NEAR(slow.connect_s.value, 100 * us * dearer, 1e-12);
    EXPECT_NEAR(slow.wake_delay_s, 2 * us * dearer, 1e-12);
    EXPECT_NEAR(slow.latencies[0].seconds.at(1), 200 * us * std::pow(1.25, 1.1), 1e-12);
    EXPECT_EQ(slow.pace_s, 10 * us);
    EXPECT_EQ(slow.memory.coefficients, calibration.memory.coefficients);
    // Back again; and what is not known changes nothing.
    EXPECT_NEAR(at_pace(slow, 8 * us).cpu.coefficients[0], 10 * us, 1e-12);
    EXPECT_EQ(at_pace(calibration, 0).cpu.coefficients, calibration.cpu.coefficients);
    EXPECT_EQ(at_pace(calibration, 0).pace_s, 8 * us);
    EXPECT_EQ(latency_factor(0, 8 * us), 1);
}

TEST(Estimate, packets_of_connections_that_caches_do_not_hold_cost_more) {
    auto calibration = made_up();
    const double few = processor_time(calibration, messages(10'000, 30), 1).value;
    calibration.cpu.coefficients[static_cast<std::size_t>(Operation::uncached)] = 2 * us;
    EXPECT_NEAR(processor_time(calibration, messages(10'000, 30), 1).value, few, 1e-9);
    // Two packets for each message, two tenfolds more.
    EXPECT_NEAR(processor_time(calibration, messages(10'000, 3'000), 1).value,
                few + 10'000 * 2 * 2 * 2 * us, 1e-6);
    // And one beyond what the last cache holds.
    calibration.cpu.coefficients[static_cast<std::size_t>(Operation::uncached)] = 0;
    calibration.cpu.coefficients[static_cast<std::size_t>(Operation::far_uncached)] = 3 * us;
    EXPECT_NEAR(processor_time(calibration, messages(10'000, 1'000), 1).value, few, 1e-6);
    EXPECT_NEAR(processor_time(calibration, messages(10'000, 10'000), 1).value,
                few + 10'000 * 2 * 3 * us, 1e-6);
}

TEST(Estimate, latency_at_rest_is_that_of_a_quiet_broker_and_grows_with_the_wait) {
    const auto calibration = made_up();
    const auto quiet = load_point(calibration, messages(100), {}, 1);
    ASSERT_TRUE(quiet.latency_s[0]);
    EXPECT_NEAR(quiet.latency_s[0]->value, 150 * us, 2 * us);
    ASSERT_TRUE(quiet.latency_s[2]);
    EXPECT_NEAR(quiet.latency_s[2]->value, 199 * us, 2 * us);
    // M/D/1 at 0.8 waits 40 us in the mean.
    const auto busy = load_point(calibration, messages(40'000), {}, 1);
    ASSERT_TRUE(busy.latency_s[0]);
    EXPECT_NEAR(busy.latency_s[0]->value, 185 * us, 12 * us);
    const auto too_much = load_point(calibration, messages(60'000), {}, 1);
    EXPECT_FALSE(too_much.latency_s[0]);
    EXPECT_GT(too_much.busy, 1);
}

TEST(Estimate, a_quantile_that_the_measurement_cannot_support_is_not_told) {
    auto calibration = made_up();
    calibration.latencies[0].samples = 2'000;
    const auto point = load_point(calibration, messages(100), {}, 1);
    EXPECT_TRUE(point.latency_s[2]);
    EXPECT_FALSE(point.latency_s[3]);
}

TEST(Estimate, the_knee_is_below_saturation_and_lower_for_a_stricter_limit) {
    const auto result = estimate(made_up(), messages(10'000), {.latency_max_s = 0.0005});
    ASSERT_TRUE(result.knee);
    EXPECT_LT(result.knee->value, result.saturation);
    EXPECT_GT(result.knee->value, result.saturation * 0.8);
    const auto strict = estimate(made_up(), messages(10'000), {.latency_max_s = 0.00022});
    ASSERT_TRUE(strict.knee);
    EXPECT_LT(strict.knee->value, result.knee->value * 0.8);
}

TEST(Estimate, what_does_not_fit_says_why) {
    const auto busy = estimate(made_up(), messages(45'000), {});
    EXPECT_FALSE(busy.fits);
    EXPECT_NE(busy.words.front().find("busy 90 %"), std::string::npos) << busy.words.front();
    EXPECT_NE(busy.words.front().find("2 nodes would do"), std::string::npos);
    const auto fat = estimate(made_up(), messages(1'000, 1'000'000), {.memory_bytes = 4e9});
    EXPECT_FALSE(fat.fits);
    EXPECT_NE(fat.words.front().find("4.01 GB of memory"), std::string::npos) << fat.words.front();
}

TEST(Estimate, servers_far_beyond_what_was_measured_are_refused_unless_forced) {
    const auto demand = messages(1'000);
    EXPECT_FALSE(refusal_of(made_up(), demand, {.servers = 2}));
    EXPECT_TRUE(refusal_of(made_up(), demand, {.servers = 3}));
    EXPECT_FALSE(refusal_of(made_up(), demand, {.servers = 3, .is_forced = true}));
    const auto forced = estimate(made_up(), demand, {.servers = 3, .is_forced = true});
    ASSERT_FALSE(forced.marks.empty());
    EXPECT_NE(forced.marks.front().find("forced"), std::string::npos);
    // A law that is linear is not refused, but marked.
    const auto many = estimate(made_up(), messages(1'000, 1'000'000), {});
    ASSERT_FALSE(many.marks.empty());
    EXPECT_NE(many.marks.front().find("connection: 1000000"), std::string::npos);
}

TEST(Estimate, of_two_nodes_one_carries_all_when_the_other_is_lost) {
    const auto result = estimate(made_up(), messages(40'000), {.nodes = 2});
    EXPECT_NEAR(result.busy.value, 0.4, 1e-9);
    ASSERT_TRUE(result.one_node_lost);
    EXPECT_NEAR(result.one_node_lost->busy, 0.8, 1e-9);
}

TEST(Estimate, a_storm_that_lasts_longer_than_clients_wait_needs_jitter) {
    auto demand = messages(10'000);
    // 0.7 of a server less 0.2 of messages: 5,000 connects a second.
    demand.arrivals = {
        {.name = "sensors", .clients = 100'000, .patience_s = 10, .backoff_cap_s = 5}};
    const auto result = estimate(made_up(), demand, {});
    ASSERT_EQ(result.storms.size(), 1U);
    EXPECT_NEAR(result.storms[0].connects_per_s, 5'000, 1e-6);
    EXPECT_NEAR(result.storms[0].all_s, 20, 1e-6);
    EXPECT_NEAR(result.storms[0].cap_min_s, 25, 1e-6);
    EXPECT_FALSE(result.storms[0].holds);
    demand.arrivals[0].has_jitter = true;
    demand.arrivals[0].backoff_cap_s = 30;
    EXPECT_TRUE(estimate(made_up(), demand, {}).storms[0].holds);
}

TEST(Estimate, messages_at_the_top_of_the_minute_are_late_by_their_own_work) {
    auto demand = messages(1'000);
    demand.bursts = {{.name = "sensors", .messages = 60'000, .within_s = 0.2, .every_s = 60}};
    const auto result = estimate(made_up(), demand, {});
    ASSERT_EQ(result.storms.size(), 1U);
    EXPECT_NEAR(result.storms[0].all_s, 60'000 * 20 * us / 0.98, 1e-6);
    EXPECT_FALSE(result.storms[0].holds);
}

TEST(Estimate, what_moves_the_nodes_most_stands_first) {
    const auto result = estimate(made_up(), messages(20'000), {});
    ASSERT_FALSE(result.sensitivities.empty());
    EXPECT_EQ(result.sensitivities.front().what, "message rate + 10 %");
    EXPECT_NEAR(result.sensitivities.front().nodes, 0.1, 1e-9);
    const auto by_memory = estimate(made_up(), messages(10, 500'000), {.memory_bytes = 4e9});
    EXPECT_EQ(by_memory.sensitivities.front().what, "connections + 10 %");
}

TEST(Estimate, the_wait_factor_that_data_was_made_with_comes_back) {
    auto calibration = made_up();
    calibration.wait_factor = {.value = 3};
    std::vector<MeasuredLatency> measured;
    for (const double rate : {10'000.0, 20'000.0, 30'000.0, 35'000.0}) {
        MeasuredLatency one{.demand = messages(rate)};
        const auto point = load_point(calibration, one.demand, {.seed = 77}, 1);
        for (std::size_t i = 0; i < 4; ++i) {
            if (point.latency_s[i]) one.quantiles_s[i] = point.latency_s[i]->value;
        }
        measured.push_back(one);
    }
    const auto fit = fit_waits(made_up(), measured, 5);
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->factor.value, 3, 0.4);
    EXPECT_LT(fit->factor.half_width, 1.5);
    auto slow = measured;
    for (auto& one : slow) {
        for (auto& quantile : one.quantiles_s) {
            if (quantile) *quantile += 0.5;
        }
    }
    EXPECT_FALSE(fit_waits(made_up(), slow, 5)) << "no queue waits half a second at 0.2";
    measured.resize(2);
    EXPECT_FALSE(fit_waits(made_up(), measured, 5));
}

TEST(Offers, are_the_cheapest_first_and_have_one_node_to_lose) {
    const PriceList prices{
        .currency = "EUR",
        .nodes = {{.name = "large", .servers = 2, .memory_bytes = 16e9, .per_month = 100},
                  {.name = "small", .servers = 1, .memory_bytes = 4e9, .per_month = 30},
                  {.name = "tiny", .servers = 1, .memory_bytes = 5e6, .per_month = 1}}};
    // 1.6 servers of work at 70 %: 3 small ones (2.29) and one to lose, or 2 large (1.14) and one.
    const auto all = offers(made_up(), messages(80'000), {}, prices);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].node, "small");
    EXPECT_EQ(all[0].nodes, 4U);
    EXPECT_EQ(all[0].per_month, 120);
    EXPECT_EQ(all[0].bound_by, "processor");
    EXPECT_EQ(all[1].nodes, 3U);
    EXPECT_NEAR(all[1].busy_with_one_lost, 0.4, 1e-9);
}

}  // namespace
}  // namespace touchstone::planner
