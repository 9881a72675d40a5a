// TokenBucket: how long to pause so that bytes, packets or connections come at a rate. In whole
// numbers and handed-in time, so that the same inputs give the same pauses everywhere.
#pragma once

#include <cstdint>

#include "broker/base/instant.hpp"

namespace touchstone::access {

/// What may come per second in the long run, and at once after a silence.
struct Rate {
    static constexpr std::int64_t most = 1'000'000'000'000;

    std::int64_t per_second = 0;  // 1 … burst
    std::int64_t burst = 0;       // … most
    friend bool operator==(const Rate&, const Rate&) = default;
};

/// Full at first. What was taken beyond the content is a debt that time pays off, so over any time
/// no more than burst + rate × time is taken by a caller who keeps the pauses.
class TokenBucket {
public:
    /// 1 ≤ rate.per_second ≤ rate.burst ≤ Rate::most.
    TokenBucket(Rate rate, Instant now);

    /// `need` tokens, 0 … Rate::most, have been used at `now`, which never goes back. Returns how
    /// long to take nothing more: 0 while the bucket has them; else the time until the missing ones
    /// have come in, rounded up to a whole microsecond.
    [[nodiscard]] Duration take(std::int64_t need, Instant now);

    /// Goes on with another rate: what the bucket holds stays, up to the new burst; a debt stays.
    void change(Rate rate, Instant now);

    /// Whole tokens there at `now`; 0 when in debt.
    [[nodiscard]] std::int64_t available(Instant now) const;

private:
    [[nodiscard]] std::int64_t refilled(Instant now) const;

    Rate rate_;
    Instant filled_at_;
    std::int64_t millionths_;  // of a token, so that nothing is lost between two microseconds
};

}  // namespace touchstone::access
