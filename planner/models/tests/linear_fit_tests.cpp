// Fits recover what the data was made with, inside the intervals that they state, as often as these
// promise.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "planner/models/linear_fit.hpp"
#include "planner/models/student.hpp"
#include "simulator/fleet/draws.hpp"

namespace touchstone::planner {
namespace {

/// Nearly normal, variance 1: the sum of twelve uniform draws.
double noise(simulator::fleet::Draws& draws) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(draws.next() >> 11U) * 0x1p-53;
    return sum;
}

constexpr std::array truth{3.0, 0.25, 12.0};

std::vector<Observation> made_with(std::uint64_t seed, double deviation) {
    simulator::fleet::Draws draws{seed};
    std::vector<Observation> observations;
    for (int i = 0; i < 16; ++i) {
        const double calls = 10 + i;
        const double bytes = static_cast<double>(100 * (i % 4));
        const double value = truth[0] * calls + truth[1] * bytes + truth[2];
        observations.push_back(
            {.factors = {calls, bytes, 1}, .value = value + deviation * noise(draws)});
    }
    return observations;
}

TEST(StudentT, quantiles_are_those_of_the_tables) {
    EXPECT_NEAR(student_t_quantile(0.975, 1), 12.7062, 1e-4);
    EXPECT_NEAR(student_t_quantile(0.975, 4), 2.77645, 1e-5);
    EXPECT_NEAR(student_t_quantile(0.975, 29), 2.04523, 1e-5);
    EXPECT_NEAR(student_t_quantile(0.95, 10), 1.81246, 1e-5);
    EXPECT_NEAR(student_t_quantile(0.975, 1e6), 1.95996, 1e-4);
    EXPECT_NEAR(student_t_quantile(0.025, 4), -2.77645, 1e-5);
}

TEST(StudentT, incomplete_beta_is_that_of_the_tables) {
    EXPECT_NEAR(incomplete_beta(2, 3, 0.4), 0.5248, 1e-10);  // 1 - sum of a binomial
    EXPECT_NEAR(incomplete_beta(0.5, 0.5, 0.25), 1.0 / 3, 1e-10);
}

TEST(LinearFit, data_without_noise_gives_its_coefficients_back) {
    const auto fit = fit_linear(made_with(1, 0));
    ASSERT_TRUE(fit);
    for (std::size_t i = 0; i < truth.size(); ++i) {
        EXPECT_NEAR(fit->coefficients[i], truth[i], 1e-9);
        EXPECT_LT(fit->coefficient(i).half_width, 1e-6);
    }
    EXPECT_EQ(fit->degrees_of_freedom, 13U);
}

TEST(LinearFit, intervals_hold_the_truth_as_often_as_they_say) {
    std::array<int, truth.size()> inside{};
    int mean_inside = 0;
    constexpr int runs = 400;
    const std::array factors{20.0, 50.0, 1.0};
    const double mean = truth[0] * 20 + truth[1] * 50 + truth[2];
    for (std::uint64_t seed = 1; seed <= runs; ++seed) {
        const auto fit = fit_linear(made_with(seed, 2));
        ASSERT_TRUE(fit);
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const auto one = fit->coefficient(i);
            inside[i] += std::abs(one.value - truth[i]) <= one.half_width ? 1 : 0;
        }
        const auto at = fit->mean_at(factors);
        mean_inside += std::abs(at.value - mean) <= at.half_width ? 1 : 0;
    }
    // 380 are expected; fewer than 365 or more than 395 come in one of a thousand cases.
    for (const int count : inside) {
        EXPECT_GE(count, 365);
        EXPECT_LE(count, 396);
    }
    EXPECT_GE(mean_inside, 365);
    EXPECT_LE(mean_inside, 396);
}

TEST(LinearFit, a_bootstrapped_interval_is_about_as_wide_as_that_of_students_t) {
    const auto observations = made_with(7, 2);
    const auto slope = [](std::span<const Observation> drawn) -> std::optional<double> {
        const auto fit = fit_linear(drawn);
        if (!fit) return std::nullopt;
        return fit->coefficients[0];
    };
    const auto interval = bootstrap(observations, slope, 1'000, 42);
    ASSERT_TRUE(interval);
    const double by_t = fit_linear(observations)->coefficient(0).half_width;
    EXPECT_GT(interval->half_width, by_t * 0.5);
    EXPECT_LT(interval->half_width, by_t * 1.6);
    EXPECT_EQ(interval->half_width, bootstrap(observations, slope, 1'000, 42)->half_width);
}

TEST(LinearFit, a_cost_that_would_be_negative_is_held_at_nothing) {
    std::vector<Observation> observations;
    for (int i = 1; i <= 10; ++i) {
        observations.push_back({.factors = {double(i), double(i % 3)}, .value = 2.0 * i - (i % 3)});
    }
    const auto fit = fit_linear(observations);
    ASSERT_TRUE(fit);
    EXPECT_EQ(fit->coefficients[1], 0);
    EXPECT_EQ(fit->coefficient(1).half_width, 0);
    EXPECT_NEAR(fit->coefficients[0], 1.85, 0.1);
}

TEST(LinearFit, factors_that_cannot_be_told_apart_are_refused) {
    std::vector<Observation> observations;
    for (int i = 1; i <= 10; ++i) {
        observations.push_back({.factors = {double(i), 2.0 * i}, .value = 3.0 * i});
    }
    EXPECT_FALSE(fit_linear(observations));
    EXPECT_FALSE(fit_linear(std::span{observations}.first(2)));
    EXPECT_FALSE(fit_linear({}));
}

TEST(LinearFit, a_heavy_observation_draws_the_fit_to_itself) {
    const std::vector<Observation> observations{{.factors = {1}, .value = 10, .weight = 100},
                                                {.factors = {1}, .value = 20, .weight = 1}};
    EXPECT_NEAR(fit_linear(observations)->coefficients[0], (1'000 + 20) / 101.0, 1e-12);
}

}  // namespace
}  // namespace touchstone::planner
