// The engine against queueing theory: mean waits inside their 95 % confidence intervals (batch
// means, the warm-up discarded).
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "simulator/fleet/fleet.hpp"

namespace touchstone::simulator::fleet {
namespace {

constexpr Time us = 1'000;
constexpr Time s = 1'000'000'000;
constexpr int batches = 30;
constexpr double student_t = 2.045;  // 97.5 % of 29 degrees of freedom

/// 200 Poisson publishers, together 10,000 packets a second.
FleetModel poisson_fleet(std::uint64_t seed) {
    DeviceClass source;
    source.name = "source";
    source.count = 200;
    source.keep_alive = source.ping_every = 3'600 * s;
    source.publishing = {.process = PublishProcess::poisson, .every = 20'000 * us};
    source.link.latency_min = 1'000 * us;
    source.connect_patience = source.answer_patience = 60 * s;
    FleetModel model;
    model.seed = seed;
    model.duration = (batches + 1) * s;
    model.sample_every = s;
    model.classes = {source};
    return model;
}

struct Interval {
    double mean = 0;
    double half_width = 0;
    [[nodiscard]] bool contains(double value) const { return std::abs(value - mean) <= half_width; }
};

/// Of the mean wait, in microseconds.
Interval wait_of(const Outcome& outcome) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 1; i <= batches; ++i) {
        const auto& sample = outcome.samples[i];
        const double mean =
            static_cast<double>(sample.wait_sum) / static_cast<double>(sample.waits) / us;
        sum += mean;
        squares += mean * mean;
    }
    const double mean = sum / batches;
    const double variance = (squares - sum * mean) / (batches - 1);
    return {mean, student_t * std::sqrt(variance / batches)};
}

/// In how many of 20 runs the interval of the mean wait contains `theory_us`.
int hits(const CostModel& cost, double theory_us) {
    int inside = 0;
    double mean = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        auto model = poisson_fleet(seed);
        model.cost = cost;
        const auto interval = wait_of(Fleet{model}.run());
        inside += interval.contains(theory_us) ? 1 : 0;
        mean += interval.mean / 20;
    }
    EXPECT_NEAR(mean, theory_us, theory_us * 0.05);
    return inside;
}

constexpr double rate = 10'000e-6;  // per microsecond
// Of 20 intervals of 95 % fewer than 17 hold the truth in one of 60 cases.
constexpr int hits_min = 17;

TEST(Queueing, mm1_mean_wait_is_inside_its_interval) {
    CostModel cost{.variation = Variation::exponential};
    cost.publish[0] = 70 * us;
    const double utilization = rate * 70;
    EXPECT_GE(hits(cost, utilization * 70 / (1 - utilization)), hits_min);
}

TEST(Queueing, md1_mean_wait_is_inside_its_interval_and_that_of_mm1_is_not) {
    CostModel cost;
    cost.publish[0] = 80 * us;
    const double utilization = rate * 80;
    EXPECT_GE(hits(cost, utilization * 80 / (2 * (1 - utilization))), hits_min);
    auto model = poisson_fleet(1);
    model.cost = cost;
    EXPECT_FALSE(wait_of(Fleet{model}.run()).contains(utilization * 80 / (1 - utilization)));
}

TEST(Queueing, mg1_mean_wait_is_that_of_pollaczek_and_khinchine) {
    // A tenth of the packets takes five times the mean.
    CostModel cost{.variation = Variation::two_kinds,
                   .slow_share = (std::uint64_t{1} << 32U) / 10,
                   .slow_per_mille = 5'000};
    cost.publish[0] = 50 * us;
    const double utilization = rate * 50;
    const double fast = 0.5 / 0.9;
    const double second_moment = 50 * 50 * (0.1 * 25 + 0.9 * fast * fast);
    EXPECT_GE(hits(cost, rate * second_moment / (2 * (1 - utilization))), hits_min);
}

TEST(Queueing, mmc_mean_wait_is_that_of_erlang) {
    CostModel cost{.servers = 4, .any_server = true, .variation = Variation::exponential};
    cost.publish[0] = 300 * us;
    const double load = rate * 300;  // 3 Erlang on 4 servers
    double below = 0;
    double term = 1;
    for (int k = 0; k < 4; ++k) {
        below += term;
        term *= load / (k + 1);
    }
    const double at_all = term / (1 - load / 4);
    const double waits = at_all / (below + at_all);
    EXPECT_GE(hits(cost, waits * 300 / (4 - load)), hits_min);
}

TEST(Queueing, a_queue_with_servers_of_its_own_for_each_device_waits_as_many_mm1) {
    CostModel cost{.servers = 4, .variation = Variation::exponential};
    cost.publish[0] = 200 * us;
    auto model = poisson_fleet(3);
    model.cost = cost;
    // Devices are shared out by a hash: 200 on 4 servers come to about 50 each.
    const auto interval = wait_of(Fleet{model}.run());
    EXPECT_NEAR(interval.mean, 0.5 * 200 / 0.5, 30);
}

}  // namespace
}  // namespace touchstone::simulator::fleet
