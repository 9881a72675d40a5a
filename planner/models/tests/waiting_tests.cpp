// Waits against published formulas, and the run of the queues against both.
#include <gtest/gtest.h>

#include <cmath>

#include "planner/models/quantile_curve.hpp"
#include "planner/models/waiting.hpp"

namespace touchstone::planner {
namespace {

constexpr double ms = 1e-3;

/// Exponential service with that mean has a second moment of twice its square.
Moments exponential(double rate, double mean) {
    return {.rate_per_s = rate, .mean_s = mean, .second_s2 = 2 * mean * mean};
}

TEST(Waiting, mm1_is_the_special_case) {
    // W = rho / (1 - rho) * s.
    EXPECT_NEAR(*mean_wait_one_server(exponential(700, ms), 0), 0.7 / 0.3 * ms, 1e-12);
    EXPECT_NEAR(*mean_wait_shared_queue(exponential(700, ms), 1), 0.7 / 0.3 * ms, 1e-12);
    EXPECT_FALSE(mean_wait_one_server(exponential(1'000, ms), 0));
}

TEST(Waiting, md1_waits_half_as_long) {
    const Moments constant{.rate_per_s = 800, .mean_s = ms, .second_s2 = ms * ms};
    EXPECT_NEAR(*mean_wait_one_server(constant, 0), 0.8 / 0.2 * ms / 2, 1e-12);
}

TEST(Waiting, erlang_c_is_that_of_the_tables) {
    EXPECT_NEAR(erlang_c(1, 0.6), 0.6, 1e-12);
    EXPECT_NEAR(erlang_c(2, 1), 1.0 / 3, 1e-12);  // 2 rho^2 / (1 + rho)
    EXPECT_NEAR(erlang_c(4, 3), 0.50943, 1e-5);
    EXPECT_NEAR(erlang_c(10, 8), 0.40918, 1e-5);
}

TEST(Waiting, quantiles_of_mmc_are_the_inverse_of_its_tail) {
    const double waits = erlang_c(4, 3);
    const double at = wait_quantile_exponential(4, 3, ms, 0.99);
    EXPECT_NEAR(waits * std::exp(-(4 - 3) * at / ms), 0.01, 1e-12);
    EXPECT_EQ(wait_quantile_exponential(4, 3, ms, 0.3), 0);
}

/// Runs whose interval holds `theory`, of twenty.
int hits(const std::vector<Work>& work, const Station& station, double theory) {
    int inside = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto run = run_queues(work, station, 60'000, seed);
        inside += std::abs(run.mean_wait_s - theory) <= run.mean_wait_half_width ? 1 : 0;
    }
    return inside;
}
// Of 20 intervals of 95 % fewer than 17 hold the truth in one of 60 cases.
constexpr int hits_min = 17;

TEST(RunOfTheQueues, mg1_of_two_kinds_waits_as_pollaczek_and_khinchine_say) {
    const std::vector<Work> work{{.rate_per_s = 900, .service_s = 0.4 * ms, .is_message = true},
                                 {.rate_per_s = 100, .service_s = 2 * ms}};
    const auto theory = mean_wait_one_server(moments_of(work), 0);
    ASSERT_TRUE(theory);
    EXPECT_GE(hits(work, {}, *theory), hits_min);
    const auto run = run_queues(work, {}, 60'000, 1);
    EXPECT_NEAR(run.busy, 0.56, 0.02);
    EXPECT_NEAR(static_cast<double>(run.messages.size()), 54'000, 600);
}

TEST(RunOfTheQueues, an_idle_server_that_has_to_wake_up_waits_as_welch_says) {
    const std::vector<Work> work{{.rate_per_s = 500, .service_s = ms}};
    const Station station{.wake_s = ms};
    const auto theory = mean_wait_one_server(moments_of(work), ms);
    ASSERT_TRUE(theory);
    EXPECT_GT(*theory, *mean_wait_one_server(moments_of(work), 0) * 1.5);
    EXPECT_GE(hits(work, station, *theory), hits_min);
    // u = (0.5 + 0.5) / (1 + 0.5).
    EXPECT_NEAR(utilization_of(moments_of(work), station), 2.0 / 3, 1e-12);
    EXPECT_NEAR(run_queues(work, station, 100'000, 1).busy, 2.0 / 3, 0.01);
}

TEST(RunOfTheQueues, servers_with_a_queue_each_wait_as_so_many_single_ones) {
    const std::vector<Work> work{{.rate_per_s = 3'000, .service_s = ms}};
    const Station station{.servers = 5};
    const Moments one{.rate_per_s = 600, .mean_s = ms, .second_s2 = ms * ms};
    EXPECT_GE(hits(work, station, *mean_wait_one_server(one, 0)), hits_min);
    const auto shared = run_queues(work, {.servers = 5, .shares_queue = true}, 60'000, 1);
    EXPECT_LT(shared.mean_wait_s, *mean_wait_one_server(one, 0) / 2);
    // An approximation: Lee and Longton.
    EXPECT_NEAR(shared.mean_wait_s, *mean_wait_shared_queue(moments_of(work), 5),
                0.2 * shared.mean_wait_s);
}

TEST(RunOfTheQueues, md1_quantiles_are_those_of_erlangs_formula) {
    // P(W <= t) for M/D/1 with service 1, Erlang 1909: (1 - r) sum (r (k - t))^k / k! e^(r (t -
    // k)).
    const auto below = [](double load, double t) {
        double sum = 0;
        double factorial = 1;
        for (int k = 0; k <= static_cast<int>(t); ++k) {
            if (k > 0) factorial *= k;
            sum += std::pow(load * (k - t), k) / factorial * std::exp(load * (t - k));
        }
        return (1 - load) * sum;
    };
    const std::vector<Work> work{{.rate_per_s = 700, .service_s = ms, .is_message = true}};
    const auto run = run_queues(work, {}, 400'000, 5);
    std::vector<float> waits;
    for (const auto& message : run.messages) waits.push_back(message.wait_s);
    for (const double quantile : {0.5, 0.9, 0.99}) {
        const auto wait = quantile_of(waits, quantile);
        ASSERT_TRUE(wait);
        EXPECT_NEAR(below(0.7, *wait / ms), quantile, 0.01) << quantile;
    }
}

TEST(RunOfTheQueues, copies_of_a_fan_out_leave_one_by_one) {
    const std::vector<Work> work{
        {.rate_per_s = 10, .service_s = 10 * ms, .copies_s = 8 * ms, .is_message = true}};
    const auto run = run_queues(work, {}, 20'000, 1);
    double sum = 0;
    double most = 0;
    for (const auto& message : run.messages) {
        sum += static_cast<double>(message.copies_s);
        most = std::max(most, static_cast<double>(message.copies_s));
    }
    EXPECT_NEAR(sum / static_cast<double>(run.messages.size()), 4 * ms, 0.05 * ms);
    EXPECT_LE(most, 8.001 * ms);
}

TEST(RunOfTheQueues, the_same_seed_gives_the_same_run) {
    const std::vector<Work> work{{.rate_per_s = 700, .service_s = ms}};
    EXPECT_EQ(run_queues(work, {}, 5'000, 9).mean_wait_s,
              run_queues(work, {}, 5'000, 9).mean_wait_s);
    EXPECT_NE(run_queues(work, {}, 5'000, 9).mean_wait_s,
              run_queues(work, {}, 5'000, 10).mean_wait_s);
}

TEST(QuantileCurve, a_quantile_that_the_sample_cannot_support_is_not_told) {
    EXPECT_TRUE(supports(10'000, 0.999));
    EXPECT_FALSE(supports(9'999, 0.999));
    EXPECT_TRUE(supports(20, 0.5));
    std::vector<float> values(100);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(99 - i);
    EXPECT_EQ(quantile_of(values, 0.9), 90);
    EXPECT_FALSE(quantile_of(values, 0.99));
}

TEST(QuantileCurve, values_lie_on_straight_lines_between_its_points) {
    const QuantileCurve curve{{{0.1, 1}, {0.5, 3}, {0.9, 11}}};
    EXPECT_EQ(curve.at(0), 1);
    EXPECT_NEAR(curve.at(0.3), 2, 1e-12);
    EXPECT_NEAR(curve.at(0.7), 7, 1e-12);
    EXPECT_EQ(curve.at(1), 11);
}

}  // namespace
}  // namespace touchstone::planner
