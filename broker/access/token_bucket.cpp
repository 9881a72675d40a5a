#include "broker/access/token_bucket.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::access {

namespace {

// A rate per second is as many millionths per microsecond.
constexpr std::int64_t millionths_per_token = 1'000'000;
static_assert(Duration::period::den == millionths_per_token);
static_assert(Rate::most <= INT64_MAX / millionths_per_token / 4);

// A caller that ignores the pauses owes no more than this: about as long a pause as it has earned,
// and no overflow.
constexpr std::int64_t millionths_min = -2 * Rate::most * millionths_per_token;

void check(Rate rate) {
    CHECK(rate.per_second >= 1);
    CHECK(rate.per_second <= rate.burst);
    CHECK(rate.burst <= Rate::most);
}

}  // namespace

TokenBucket::TokenBucket(Rate rate, Instant now)
    : rate_{rate},
      filled_at_{now},
      millionths_{rate.burst * millionths_per_token} {
    check(rate);
}

std::int64_t TokenBucket::refilled(Instant now) const {
    CHECK(now >= filled_at_);
    const std::int64_t full = rate_.burst * millionths_per_token;
    const std::int64_t elapsed_us = (now - filled_at_).count();
    // Rounded down; so much time and one microsecond fill it, and the product below has room.
    const std::int64_t missing_us = (full - millionths_) / rate_.per_second;
    if (elapsed_us > missing_us) return full;
    return millionths_ + elapsed_us * rate_.per_second;
}

Duration TokenBucket::take(std::int64_t need, Instant now) {
    CHECK(need >= 0 && need <= Rate::most);
    millionths_ = std::max(millionths_min, refilled(now) - need * millionths_per_token);
    filled_at_ = now;
    if (millionths_ >= 0) return Duration::zero();
    return Duration{(-millionths_ + rate_.per_second - 1) / rate_.per_second};
}

void TokenBucket::change(Rate rate, Instant now) {
    check(rate);
    millionths_ = std::min(refilled(now), rate.burst * millionths_per_token);
    filled_at_ = now;
    rate_ = rate;
}

std::int64_t TokenBucket::available(Instant now) const {
    return std::max<std::int64_t>(0, refilled(now)) / millionths_per_token;
}

}  // namespace touchstone::access
