// Least squares: what each of several causes contributes to a measured sum, with intervals. Costs
// of operations and the memory law are fits of this kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace touchstone::planner {

/// value = sum of factors[i] * coefficient i + an error whose deviation is proportional to 1 /
/// sqrt(weight).
struct Observation {
    std::vector<double> factors;
    double value = 0;
    double weight = 1;
};

/// A value and half the width of its interval.
struct Figure {
    double value = 0;
    double half_width = 0;
};

struct LinearFit {
    std::vector<double> coefficients;
    /// Row by row. Rows and columns of coefficients that are held at 0 are 0.
    std::vector<double> covariance;
    /// Of an observation with weight 1.
    double residual_variance = 0;
    std::size_t degrees_of_freedom = 0;

    /// Of a coefficient, by Student's t.
    [[nodiscard]] Figure coefficient(std::size_t i, double level = 0.95) const;
    /// All coefficients so many times as much, and as sure in proportion.
    void scale(double factor);
    /// The mean of observations with these factors.
    [[nodiscard]] Figure mean_at(std::span<const double> factors, double level = 0.95) const;
};

/// Nothing: there are not more observations than factors, or a factor is a combination of others.
/// Costs and sizes cannot be negative: a coefficient that would be is held at 0, and the others are
/// fitted again. So is one whose factor is 0 in all observations.
[[nodiscard]] std::optional<LinearFit> fit_linear(std::span<const Observation> observations);

/// The interval of a statistic of the observations: it is computed `replications` times of as many
/// observations, drawn with replacement. Nothing when fewer than nine tenths of them could be
/// computed.
[[nodiscard]] std::optional<Figure>
bootstrap(std::span<const Observation> observations,
          const std::function<std::optional<double>(std::span<const Observation>)>& statistic,
          std::size_t replications, std::uint64_t seed, double level = 0.95);

}  // namespace touchstone::planner
