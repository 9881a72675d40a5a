#include "planner/models/quantile_curve.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::planner {

bool supports(std::uint64_t samples, double quantile) {
    // A hair more, so that the 0.1 % of 10,000 are 10 in floating point as well.
    const double beyond = static_cast<double>(samples) * std::min(quantile, 1 - quantile);
    return beyond * (1 + 1e-9) >= static_cast<double>(beyond_min);
}

std::optional<double> quantile_of(std::span<float> values, double quantile) {
    if (!supports(values.size(), quantile)) return std::nullopt;
    const auto rank = static_cast<std::ptrdiff_t>(static_cast<double>(values.size()) * quantile);
    std::ranges::nth_element(values, values.begin() + rank);
    return static_cast<double>(values[static_cast<std::size_t>(rank)]);
}

QuantileCurve::QuantileCurve(std::vector<std::pair<double, double>> points)
    : points_{std::move(points)} {
    for (std::size_t i = 1; i < points_.size(); ++i) {
        CHECK(points_[i].first > points_[i - 1].first);
        CHECK(points_[i].second >= points_[i - 1].second);
    }
}

double QuantileCurve::at(double quantile) const {
    CHECK(!points_.empty());
    const auto above =
        std::ranges::lower_bound(points_, quantile, {}, &std::pair<double, double>::first);
    if (above == points_.begin()) return points_.front().second;
    if (above == points_.end()) return points_.back().second;
    const auto below = above - 1;
    const double part = (quantile - below->first) / (above->first - below->first);
    return below->second + part * (above->second - below->second);
}

QuantileCurve QuantileCurve::times(double factor) const {
    auto points = points_;
    for (auto& [quantile, value] : points) value *= factor;
    return QuantileCurve{std::move(points)};
}

}  // namespace touchstone::planner
