#include "planner/models/scalability.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace touchstone::planner {

double Scalability::throughput(double servers) const {
    return lambda * servers / (1 + sigma * (servers - 1) + kappa * servers * (servers - 1));
}

double Scalability::peak() const {
    if (sigma >= 1) return 1;
    if (kappa <= 0) return std::numeric_limits<double>::infinity();
    return std::sqrt((1 - sigma) / kappa);
}

namespace {

std::vector<double> factors_at(double n) {
    return {1, n - 1, n * (n - 1)};
}

/// N / X is linear in 1 / lambda, sigma / lambda and kappa / lambda, and its relative error is that
/// of X. The law's bounds are those that the linear fit has anyway.
std::optional<LinearFit> fit_inverse(std::span<const ScalingPoint> points) {
    std::set<double> different;
    std::vector<Observation> observations;
    for (const auto& point : points) {
        if (!(point.servers >= 1) || !(point.throughput > 0)) return std::nullopt;
        different.insert(point.servers);
        const double value = point.servers / point.throughput;
        observations.push_back(
            {.factors = factors_at(point.servers), .value = value, .weight = 1 / (value * value)});
    }
    if (different.size() < 3) return std::nullopt;
    auto fit = fit_linear(observations);
    if (!fit || !(fit->coefficients[0] > 0)) return std::nullopt;
    return fit;
}

}  // namespace

std::optional<Scalability> fit_scalability(std::span<const ScalingPoint> points) {
    const auto fit = fit_inverse(points);
    if (!fit) return std::nullopt;
    return Scalability{.lambda = 1 / fit->coefficients[0],
                       .sigma = fit->coefficients[1] / fit->coefficients[0],
                       .kappa = fit->coefficients[2] / fit->coefficients[0],
                       .servers_max =
                           std::ranges::max_element(points, {}, &ScalingPoint::servers)->servers};
}

std::optional<Figure> predict_throughput(std::span<const ScalingPoint> points, double servers,
                                         bool is_forced) {
    const auto law = fit_scalability(points);
    if (!law) return std::nullopt;
    if (servers > law->servers_max * extrapolation_max && !is_forced) return std::nullopt;
    const auto inverse = fit_inverse(points)->mean_at(factors_at(servers));
    const double low = servers / (inverse.value + inverse.half_width);
    return Figure{.value = servers / inverse.value, .half_width = servers / inverse.value - low};
}

}  // namespace touchstone::planner
