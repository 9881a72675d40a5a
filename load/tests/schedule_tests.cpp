#include "load/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace touchstone::load {
namespace {

using Process = Publishing::Process;

/// Virtual time: what a client publishes until `end`.
std::vector<Nanos> until(Nanos end, const Publishing& publishing, std::uint32_t client,
                         std::uint64_t seed = 1) {
    std::vector<Nanos> all;
    for (Nanos at = next_publication(publishing, seed, client, -1); at < end;
         at = next_publication(publishing, seed, client, at)) {
        all.push_back(at);
    }
    return all;
}

TEST(Schedule, a_periodic_client_keeps_its_phase) {
    const Publishing publishing{.process = Process::periodic, .every = second};
    const auto all = until(10 * second, publishing, 5);
    ASSERT_EQ(all.size(), 10U);
    EXPECT_LT(all.front(), second);
    for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(all[i] - all[i - 1], second);
    EXPECT_EQ(next_publication(publishing, 1, 5, all[3] + 1), all[4])
        << "wherever it begins to ask";
    EXPECT_NE(until(second, publishing, 6), until(second, publishing, 5));
    EXPECT_NE(until(second, publishing, 5, 2), until(second, publishing, 5, 1));
}

TEST(Schedule, bursts_come_in_groups) {
    const Publishing publishing{.process = Process::bursts,
                                .every = second,
                                .burst_count = 3,
                                .burst_spacing = 10 * millisecond};
    const auto all = until(2 * second, publishing, 1);
    ASSERT_GE(all.size(), 4U);
    const auto is_inner = [](Nanos gap) { return gap == 10 * millisecond; };
    std::vector<Nanos> gaps;
    for (std::size_t i = 1; i < all.size(); ++i) gaps.push_back(all[i] - all[i - 1]);
    EXPECT_EQ(std::ranges::count_if(gaps, is_inner), 4);
    EXPECT_EQ(std::ranges::count(gaps, 980 * millisecond),
              static_cast<std::ptrdiff_t>(gaps.size()) - 4);
}

TEST(Schedule, a_burst_without_spacing_has_all_its_messages) {
    const Publishing publishing{.process = Process::bursts, .every = second, .burst_count = 20};
    EXPECT_EQ(until(10 * second, publishing, 1).size(), 200U);
}

TEST(Schedule, aligned_clients_are_late_by_their_clocks_error_only) {
    const Publishing publishing{
        .process = Process::aligned, .every = 60 * second, .clock_error = 2 * second};
    for (std::uint32_t client = 0; client < 50; ++client) {
        for (const auto at : until(200 * second, publishing, client))
            EXPECT_LE(at % (60 * second), 2 * second);
    }
}

TEST(Schedule, random_clients_have_their_mean_interval) {
    const Publishing publishing{.process = Process::poisson, .every = millisecond};
    const auto all = until(20 * second, publishing, 9);
    EXPECT_NEAR(static_cast<double>(all.size()), 20'000, 600);  // four standard deviations
    EXPECT_EQ(all, until(20 * second, publishing, 9));
}

TEST(Schedule, sizes_are_drawn_by_their_weight) {
    Publishing publishing;
    publishing.sizes = {{10, 3}, {1'000, 1}};
    Draws draws{1, Purpose::sizes, 0};
    int large = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto size = draw_size(publishing, draws);
        ASSERT_TRUE(size == 10 || size == 1'000);
        large += size == 1'000 ? 1 : 0;
    }
    EXPECT_NEAR(large, 2'500, 180);
    publishing = {.size_min = 5, .size_max = 7};
    std::vector<int> counts(8);
    for (int i = 0; i < 3'000; ++i) ++counts[draw_size(publishing, draws)];
    for (const auto size : {5U, 6U, 7U}) EXPECT_NEAR(counts[size], 1'000, 110);
}

TEST(Schedule, backoff_doubles_up_to_its_cap) {
    Draws draws{1, Purpose::backoff, 0};
    Reconnecting how{
        .policy = Reconnecting::Policy::exponential, .base = second, .cap = 10 * second};
    EXPECT_EQ(backoff(how, 1, draws), second);
    EXPECT_EQ(backoff(how, 3, draws), 4 * second);
    EXPECT_EQ(backoff(how, 5, draws), 10 * second);
    EXPECT_EQ(backoff(how, 255, draws), 10 * second);
    how.policy = Reconnecting::Policy::full_jitter;
    for (int i = 0; i < 100; ++i) EXPECT_LE(backoff(how, 2, draws), 2 * second);
    how.policy = Reconnecting::Policy::fixed;
    EXPECT_EQ(backoff(how, 9, draws), second);
    how.policy = Reconnecting::Policy::never;
    EXPECT_EQ(backoff(how, 1, draws), no_time);
}

}  // namespace
}  // namespace touchstone::load
