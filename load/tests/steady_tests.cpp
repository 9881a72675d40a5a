#include "load/steady.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace touchstone::load {
namespace {

std::vector<Pace> paces(const std::vector<double>& rates, double median_us = 100) {
    std::vector<Pace> all;
    for (const double rate : rates) all.push_back({.received_per_s = rate, .median_us = median_us});
    return all;
}

TEST(Steady, is_a_run_whose_last_intervals_are_alike) {
    EXPECT_TRUE(is_steady(paces({10, 500, 1'000, 1'020, 990, 1'005})));
    EXPECT_FALSE(is_steady(paces({500, 700, 900, 1'100}))) << "it still rises";
    EXPECT_FALSE(is_steady(paces({1'000, 1'000, 1'000}))) << "too few to tell";
    EXPECT_FALSE(is_steady(paces({0, 0, 0, 0}))) << "nothing comes";
}

TEST(Steady, looks_at_the_median_too) {
    auto all = paces({1'000, 1'000, 1'000, 1'000});
    all.back().median_us = 180;
    EXPECT_FALSE(is_steady(all));
    all.back().median_us.reset();
    EXPECT_TRUE(is_steady(all)) << "an interval with too few messages has none";
}

TEST(Steady, sees_a_drift_between_two_halves) {
    EXPECT_TRUE(has_no_drift(paces({100, 104, 98, 101, 99, 103})));
    EXPECT_FALSE(has_no_drift(paces({100, 100, 100, 130, 140, 150})));
    EXPECT_TRUE(has_no_drift(paces({100, 300})));
}

}  // namespace
}  // namespace touchstone::load
