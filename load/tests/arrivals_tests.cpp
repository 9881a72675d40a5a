#include "load/arrivals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace touchstone::load {
namespace {

std::vector<Nanos> first_arrivals(Arrivals arrivals, std::size_t count) {
    std::vector<Nanos> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(arrivals.due());
        arrivals.take();
    }
    return all;
}

Arrivals poisson(std::uint64_t seed, double rate) {
    return {Spacing::poisson, rate, 0, 0, Draws{seed, Purpose::arrivals, 0}};
}

TEST(Arrivals, evenly_spaced_ones_do_not_drift) {
    const Arrivals arrivals{Spacing::constant, 3'000, second, 0.5, Draws{1, Purpose::arrivals, 0}};
    const auto all = first_arrivals(arrivals, 3'000'001);
    EXPECT_EQ(all.front(), second + second / 6'000);
    EXPECT_NEAR(static_cast<double>(all.back() - all.front()), 1'000.0 * second, 2.0);
}

TEST(Arrivals, of_one_seed_are_the_same_and_of_another_are_not) {
    EXPECT_EQ(first_arrivals(poisson(7, 1'000), 100), first_arrivals(poisson(7, 1'000), 100));
    EXPECT_NE(first_arrivals(poisson(7, 1'000), 100), first_arrivals(poisson(8, 1'000), 100));
}

TEST(Arrivals, at_random_have_exponential_gaps) {
    constexpr std::size_t count = 200'000;
    const auto all = first_arrivals(poisson(20'260'101, 10'000), count);
    EXPECT_TRUE(std::ranges::is_sorted(all));
    std::vector<double> gaps;
    for (std::size_t i = 1; i < all.size(); ++i)
        gaps.push_back(static_cast<double>(all[i] - all[i - 1]));
    double sum = 0;
    double squares = 0;
    for (const double gap : gaps) {
        sum += gap;
        squares += gap * gap;
    }
    const double mean = sum / static_cast<double>(gaps.size());
    const double deviation = std::sqrt(squares / static_cast<double>(gaps.size()) - mean * mean);
    EXPECT_NEAR(mean, 100'000, 1'000);       // 1 % is more than four standard errors
    EXPECT_NEAR(deviation, 100'000, 2'000);  // as large as the mean
    const auto longer = std::ranges::count_if(gaps, [](double gap) { return gap > 100'000; });
    EXPECT_NEAR(static_cast<double>(longer) / static_cast<double>(gaps.size()), std::exp(-1), 0.01);
}

TEST(Arrivals, of_several_threads_are_evenly_spaced_together) {
    std::vector<Nanos> all;
    for (int thread = 0; thread < 4; ++thread) {
        const auto more = first_arrivals(
            {Spacing::constant, 250, 0, thread / 4.0, Draws{1, Purpose::arrivals, 0}}, 10);
        all.insert(all.end(), more.begin(), more.end());
    }
    std::ranges::sort(all);
    for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(all[i] - all[i - 1], millisecond);
}

}  // namespace
}  // namespace touchstone::load
