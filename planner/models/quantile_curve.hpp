// A measured distribution, as its quantiles.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace touchstone::planner {

/// A quantile is told when at least so many values lie beyond it.
inline constexpr std::uint64_t beyond_min = 10;

/// Whether a sample supports a quantile (0..1): beyond_min values lie on its scarcer side.
[[nodiscard]] bool supports(std::uint64_t samples, double quantile);

/// The quantile of `values`, which is sorted for it. Nothing when there are too few.
[[nodiscard]] std::optional<double> quantile_of(std::span<float> values, double quantile);

class QuantileCurve {
public:
    QuantileCurve() = default;
    /// (quantile, value), rising in both.
    explicit QuantileCurve(std::vector<std::pair<double, double>> points);

    [[nodiscard]] bool is_empty() const { return points_.empty(); }
    /// Between the points by a straight line; beyond them the first and the last value.
    [[nodiscard]] double at(double quantile) const;
    /// All values so many times as much.
    [[nodiscard]] QuantileCurve times(double factor) const;
    [[nodiscard]] const std::vector<std::pair<double, double>>& points() const { return points_; }

private:
    std::vector<std::pair<double, double>> points_;
};

}  // namespace touchstone::planner
