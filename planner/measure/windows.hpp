// Quantiles of a measurement that the machine may disturb: what most pieces of it say, so that a
// pause of some milliseconds, which a virtual machine has every few seconds, is not taken for the
// broker's tail.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "load/outcome.hpp"
#include "planner/models/quantile_curve.hpp"

namespace touchstone::planner {

/// A piece has so many values at least: its p99 has ten values beyond.
inline constexpr std::uint64_t window_values_min = 1'000;

/// The measured part of a run in pieces of whole intervals, in the order of time. Runs of few
/// messages are one piece; what is left at the end belongs to the last one.
[[nodiscard]] std::vector<load::Histogram> windows_of(const load::Outcome& outcome,
                                                      const load::Histogram load::Times::*which);

/// As a curve of those quantiles that the sample supports.
[[nodiscard]] QuantileCurve curve_of(const load::Histogram& histogram);

/// The same of many pieces, those that follow each other put together until they support a
/// quantile: it is the median of what these say. Not told when these are fewer than three; of fewer
/// than three pieces all values count.
[[nodiscard]] QuantileCurve curve_of(std::span<const load::Histogram> windows);

/// p50, p90, p99, p999, as far as the curve has them.
[[nodiscard]] std::array<std::optional<double>, 4> told_of(const QuantileCurve& curve);

/// The middle one, or half-way between both. There are some.
[[nodiscard]] double median_of(std::vector<double> values);

}  // namespace touchstone::planner
