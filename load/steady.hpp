// Whether a run has settled. By its own figures, interval by interval: a target that warms up
// (caches, connections that grow their windows, a just-in-time compiler) shows in the rate or in
// the median.
#pragma once

#include <optional>
#include <span>

namespace touchstone::load {

struct Pace {
    double received_per_s = 0;
    std::optional<double> median_us;  // nothing: too few to tell
};

inline constexpr std::size_t steady_intervals = 4;
/// How far a rate, or a median, of one of these intervals may be from their mean.
inline constexpr double steady_rate_spread = 0.10;
inline constexpr double steady_median_spread = 0.25;

/// The last steady_intervals of `paces` are alike.
[[nodiscard]] bool is_steady(std::span<const Pace> paces);

/// The means of both halves are alike: nothing drifts. Too few intervals drift nowhere.
[[nodiscard]] bool has_no_drift(std::span<const Pace> paces);

}  // namespace touchstone::load
