#include "load/histogram.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace touchstone::load {
namespace {

RC_GTEST_PROP(Histogram, keeps_values_to_three_digits, ()) {
    const auto bits = *rc::gen::inRange(0, 41);
    const auto value = *rc::gen::inRange<Nanos>(0, (Nanos{1} << bits) + 1);
    const auto largest = Histogram::largest_equivalent(value);
    RC_ASSERT(largest >= value);
    RC_ASSERT(largest - value <= std::max<Nanos>(0, value / 1'000));
}

RC_GTEST_PROP(Histogram, has_the_quantiles_of_the_sorted_values, ()) {
    auto values =
        *rc::gen::container<std::vector<Nanos>>(200, rc::gen::inRange<Nanos>(0, 5 * millisecond));
    Histogram histogram;
    for (const auto value : values) histogram.add(value);
    std::ranges::sort(values);
    for (const double quantile : {0.05, 0.5, 0.9, 0.95}) {
        const auto rank = static_cast<std::size_t>(std::ceil(quantile * 200 - 1e-9));
        const auto exact = values[std::max<std::size_t>(rank, 1) - 1];
        const auto found = histogram.quantile(quantile);
        RC_ASSERT(found.has_value());
        RC_ASSERT(*found >= exact);
        RC_ASSERT(*found <= Histogram::largest_equivalent(exact));
    }
}

TEST(Histogram, tells_no_quantile_that_fewer_than_ten_values_lie_beyond) {
    Histogram histogram;
    histogram.add(millisecond, 999);
    EXPECT_FALSE(histogram.quantile(0.99));
    EXPECT_TRUE(histogram.quantile(0.9));
    histogram.add(millisecond);
    EXPECT_TRUE(histogram.quantile(0.99));
    EXPECT_FALSE(histogram.quantile(0.999));
    EXPECT_FALSE(Histogram{}.quantile(0.5));
}

TEST(Histogram, counts_a_negative_time_as_none_and_a_huge_one_as_the_longest) {
    Histogram histogram;
    histogram.add(-5);
    histogram.add(no_time);
    EXPECT_EQ(histogram.count(), 2U);
    EXPECT_EQ(histogram.max(), Histogram::value_max);
    EXPECT_EQ(histogram.count_above(0), 1U);
}

TEST(Histogram, of_two_is_the_sum_of_both) {
    Histogram one;
    Histogram other;
    one.add(10, 30);
    other.add(second, 20);
    one.add(other);
    EXPECT_EQ(one.count(), 50U);
    EXPECT_EQ(one.max(), second);
    EXPECT_EQ(one.quantile(0.5), 10);
    EXPECT_EQ(one.count_above(millisecond), 20U);
    one.clear();
    EXPECT_EQ(one.count(), 0U);
    EXPECT_EQ(one.count_above(0), 0U);
}

// What HdrHistogram's own libraries write for this histogram.
TEST(Histogram, is_encoded_as_the_format_says) {
    Histogram histogram;
    histogram.add(1, 2);
    histogram.add(3);
    const std::string expected{"\x1c\x84\x93\x13"  // cookie of V2, words of variable length
                               "\x00\x00\x00\x04"  // bytes of counts
                               "\x00\x00\x00\x00"  // not shifted
                               "\x00\x00\x00\x03"  // digits
                               "\x00\x00\x00\x00\x00\x00\x00\x01"  // lowest value
                               "\x00\x00\x03\xff\xff\xff\xff\xff"  // highest value
                               "\x3f\xf0\x00\x00\x00\x00\x00\x00"  // 1.0
                               "\x00"                              // one 0 at index 0
                               "\x04"                              // 2, ZigZag
                               "\x00"                              // one 0
                               "\x02",                             // 1
                               44};
    EXPECT_EQ(histogram.encode(), expected);
}

TEST(Histogram, writes_a_run_of_empty_buckets_as_a_negative_number) {
    Histogram histogram;
    histogram.add(100);
    // 100 zeros: -100, ZigZag 199, in two bytes of seven bits.
    EXPECT_EQ(histogram.encode().substr(40), std::string("\xc7\x01\x02"));
}

TEST(Histogram, begins_in_a_log_as_all_of_them_do) {
    Histogram histogram;
    histogram.add(millisecond);
    EXPECT_TRUE(histogram.encode_compressed_base64().starts_with("HISTFAAAA"));
    EXPECT_EQ(histogram.encode_compressed_base64().size() % 4, 0U);
}

}  // namespace
}  // namespace touchstone::load
