// The Universal Scalability Law (N. J. Gunther, Guerrilla Capacity Planning, 2007): throughput of N
// servers, or with N requests under way,
//
//     X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))
//
// sigma is what has to be done one after the other, kappa what all have to agree about.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "planner/models/linear_fit.hpp"

namespace touchstone::planner {

struct ScalingPoint {
    double servers = 0;
    double throughput = 0;
};

struct Scalability {
    double lambda = 0;
    double sigma = 0;
    double kappa = 0;
    double servers_max = 0;  // that were measured

    [[nodiscard]] double throughput(double servers) const;
    /// Servers beyond which it gets worse; infinite without kappa.
    [[nodiscard]] double peak() const;
};

/// A law fitted to what was measured says nothing about what is far away from it.
inline constexpr double extrapolation_max = 2;

/// Least squares of relative errors, sigma and kappa not below 0. Nothing with fewer than four
/// points or three different numbers of servers, or when throughput is not positive everywhere.
[[nodiscard]] std::optional<Scalability> fit_scalability(std::span<const ScalingPoint> points);

/// The throughput at `servers` with its interval, by Student's t of N / X: the lower end, which is
/// the nearer one. Nothing beyond extrapolation_max times what was measured, unless it is forced.
[[nodiscard]] std::optional<Figure> predict_throughput(std::span<const ScalingPoint> points,
                                                       double servers, bool is_forced);

}  // namespace touchstone::planner
