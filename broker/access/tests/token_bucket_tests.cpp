#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "broker/access/token_bucket.hpp"

namespace touchstone::access {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant start{};

TEST(token_bucket, lets_the_burst_through_at_once_and_then_makes_wait_for_what_is_missing) {
    TokenBucket bucket{{.per_second = 1024, .burst = 4096}, start};
    EXPECT_EQ(bucket.take(4096, start), Duration::zero());
    EXPECT_EQ(bucket.take(1024, start), seconds{1});
    EXPECT_EQ(bucket.available(start + seconds{1}), 0);
    EXPECT_EQ(bucket.take(512, start + seconds{1}), milliseconds{500});
    EXPECT_EQ(bucket.available(start + seconds{60}), 4096);
}

TEST(token_bucket, counts_what_came_in_since_the_last_time_towards_the_pause) {
    TokenBucket bucket{{.per_second = 1000, .burst = 1000}, start};
    EXPECT_EQ(bucket.take(1000, start), Duration::zero());
    // 250 have come in, 400 are needed: 150 are missing. The reference counts what was there
    // before, and would pause for 400 ms.
    EXPECT_EQ(bucket.take(400, start + milliseconds{250}), milliseconds{150});
}

TEST(token_bucket, loses_nothing_between_two_microseconds) {
    TokenBucket bucket{{.per_second = 3, .burst = 3}, start};
    EXPECT_EQ(bucket.take(3, start), Duration::zero());
    for (int i = 1; i < 1'000'000; ++i)
        ASSERT_EQ(bucket.take(0, start + microseconds{i}), Duration::zero());
    EXPECT_EQ(bucket.available(start + microseconds{999'999}), 2);
    EXPECT_EQ(bucket.available(start + seconds{1}), 3);
}

/// Reads `size` bytes whenever it may, for ten minutes; returns how many went through.
std::int64_t passed_in_ten_minutes(std::int64_t size) {
    TokenBucket bucket{{.per_second = 1024, .burst = 4096}, start};
    std::int64_t passed = 0;
    for (auto now = start; now < start + seconds{600};) {
        passed += size;
        // A paused reader is back on time; the other one reads again after a millisecond.
        now += std::max<Duration>(bucket.take(size, now), milliseconds{1});
    }
    return passed;
}

TEST(token_bucket, keeps_the_rate_in_the_long_run_whatever_the_size_of_a_read) {
    for (const std::int64_t size : {1, 100, 1024, 4096, 65'536}) {
        const auto passed = passed_in_ten_minutes(size);
        const auto expected = std::int64_t{1024} * 600 + 4096;
        EXPECT_LE(passed, expected + size) << size;
        EXPECT_GE(passed, expected * 95 / 100) << size;
    }
}

struct Take {
    std::int64_t need;
    std::int64_t after_us;
};

/// The content as an exact fraction: millionths of a token in 128 bits.
struct Model {
    std::int64_t rate;
    std::int64_t burst;
    __int128 millionths = static_cast<__int128>(burst) * 1'000'000;

    std::int64_t pause_us(const Take& take) {
        millionths += static_cast<__int128>(take.after_us) * rate;
        const auto full = static_cast<__int128>(burst) * 1'000'000;
        if (millionths > full) millionths = full;
        millionths -= static_cast<__int128>(take.need) * 1'000'000;
        std::int64_t pause = 0;
        if (millionths < 0) {
            const __int128 owed = -millionths;
            pause = static_cast<std::int64_t>(owed / rate);
            if (owed % rate != 0) ++pause;
        }
        return pause;
    }
};

RC_GTEST_PROP(token_bucket, pauses_as_an_exact_model_does, ()) {
    const auto rate = *rc::gen::element<std::int64_t>(1, 3, 1000, 1024, 999'983, 1'000'000'000);
    const auto burst = rate * *rc::gen::inRange<std::int64_t>(1, 5) + *rc::gen::inRange(0, 7);
    TokenBucket bucket{{.per_second = rate, .burst = burst}, start};
    Model model{.rate = rate, .burst = burst};
    auto now = start;
    const auto count = *rc::gen::inRange(1, 50);
    for (int i = 0; i < count; ++i) {
        const Take take{.need = *rc::gen::inRange<std::int64_t>(0, 2 * burst + 1),
                        .after_us =
                            *rc::gen::element<std::int64_t>(0, 1, 999, 250'000, 86'400'000'000)};
        now += microseconds{take.after_us};
        RC_ASSERT(bucket.take(take.need, now).count() == model.pause_us(take));
    }
}

RC_GTEST_PROP(token_bucket, never_pauses_longer_than_the_reference_for_one_take, ()) {
    constexpr std::int64_t rate = 1000;  // a token per millisecond, so that both count without rest
    constexpr std::int64_t burst = 4000;
    const auto first = *rc::gen::inRange<std::int64_t>(0, burst + 1);
    const auto elapsed_ms = *rc::gen::inRange<std::int64_t>(0, 5000);
    const auto need = *rc::gen::inRange<std::int64_t>(0, 2 * burst);
    TokenBucket bucket{{.per_second = rate, .burst = burst}, start};
    RC_ASSERT(bucket.take(first, start) == Duration::zero());
    const auto tokens = burst - first;
    const auto available = std::min(burst, tokens + rate * elapsed_ms / 1000);
    const auto reference_ms = available >= need ? 0 : (need - tokens) * 1000 / rate;
    const auto ours_ms = available >= need ? 0 : (need - available) * 1000 / rate;
    RC_ASSERT(bucket.take(need, start + milliseconds{elapsed_ms}) == milliseconds{ours_ms});
    RC_ASSERT(ours_ms <= reference_ms);
}

TEST(token_bucket, bounds_the_debt_of_a_caller_who_does_not_pause) {
    TokenBucket bucket{{.per_second = 1, .burst = Rate::most}, start};
    Duration pause{};
    for (int i = 0; i < 100; ++i) pause = bucket.take(Rate::most, start);
    EXPECT_EQ(pause, seconds{2 * Rate::most});
}

TEST(token_bucket, changes_its_rate_and_keeps_debt_and_content) {
    TokenBucket bucket{{.per_second = 10, .burst = 100}, start};
    EXPECT_EQ(bucket.take(120, start), seconds{2});
    bucket.change({.per_second = 20, .burst = 20}, start);
    EXPECT_EQ(bucket.take(0, start), seconds{1});
    bucket.change({.per_second = 100, .burst = 100}, start + seconds{2});
    EXPECT_EQ(bucket.available(start + seconds{2}), 20);
}

}  // namespace
}  // namespace touchstone::access
