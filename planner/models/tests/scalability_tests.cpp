// The Universal Scalability Law: parameters come back from data that was made with them.
#include <gtest/gtest.h>

#include <cmath>

#include "planner/models/scalability.hpp"
#include "simulator/fleet/draws.hpp"

namespace touchstone::planner {
namespace {

constexpr Scalability truth{.lambda = 995.65, .sigma = 0.02671, .kappa = 0.000769};

std::vector<ScalingPoint> points_of(const Scalability& law, double noise, std::uint64_t seed) {
    simulator::fleet::Draws draws{seed};
    std::vector<ScalingPoint> points;
    for (const double n : {1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0}) {
        const double off = (static_cast<double>(draws.next() >> 11U) * 0x1p-53 - 0.5) * 2 * noise;
        points.push_back({.servers = n, .throughput = law.throughput(n) * (1 + off)});
    }
    return points;
}

TEST(Scalability, exact_data_gives_its_parameters_back) {
    const auto fit = fit_scalability(points_of(truth, 0, 1));
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->lambda, truth.lambda, 1e-6);
    EXPECT_NEAR(fit->sigma, truth.sigma, 1e-9);
    EXPECT_NEAR(fit->kappa, truth.kappa, 1e-9);
    // Gunther's optimum: sqrt((1 - sigma) / kappa).
    EXPECT_NEAR(fit->peak(), std::sqrt((1 - truth.sigma) / truth.kappa), 1e-6);
}

TEST(Scalability, without_contention_it_is_linear_and_has_no_peak) {
    const auto fit = fit_scalability(points_of({.lambda = 500}, 0, 1));
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->throughput(16), 8'000, 1e-6);
    EXPECT_TRUE(fit->sigma < 1e-9 && fit->kappa < 1e-9);
}

TEST(Scalability, an_interval_holds_the_truth_nearly_as_often_as_it_says) {
    int inside = 0;
    constexpr int runs = 60;
    for (std::uint64_t seed = 1; seed <= runs; ++seed) {
        const auto at = predict_throughput(points_of(truth, 0.03, seed), 24, false);
        ASSERT_TRUE(at);
        inside += std::abs(at->value - truth.throughput(24)) <= at->half_width ? 1 : 0;
    }
    EXPECT_GE(inside, 52);
}

TEST(Scalability, more_than_twice_what_was_measured_is_refused_unless_forced) {
    const auto points = points_of(truth, 0.01, 3);
    EXPECT_TRUE(predict_throughput(points, 32, false));
    EXPECT_FALSE(predict_throughput(points, 33, false));
    EXPECT_TRUE(predict_throughput(points, 33, true));
}

TEST(Scalability, three_numbers_of_servers_are_the_least) {
    auto points = points_of(truth, 0, 1);
    points.resize(2);
    points.insert(points.end(), points.begin(), points.begin() + 2);
    EXPECT_FALSE(fit_scalability(points));
    points.push_back({.servers = 3, .throughput = truth.throughput(3)});
    EXPECT_TRUE(fit_scalability(points));
    points.push_back({.servers = 4, .throughput = 0});
    EXPECT_FALSE(fit_scalability(points));
}

}  // namespace
}  // namespace touchstone::planner
