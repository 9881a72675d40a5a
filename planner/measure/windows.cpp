#include "planner/measure/windows.hpp"

#include <algorithm>

#include "broker/base/check.hpp"
#include "planner/models/estimate.hpp"

namespace touchstone::planner {

namespace {

constexpr std::array quantiles{0.001, 0.002, 0.005,  0.01,  0.02,   0.05,  0.1,   0.15,   0.2,
                               0.25,  0.3,   0.35,   0.4,   0.45,   0.5,   0.55,  0.6,    0.65,
                               0.7,   0.75,  0.8,    0.85,  0.9,    0.925, 0.95,  0.965,  0.98,
                               0.985, 0.99,  0.9925, 0.995, 0.9975, 0.998, 0.999, 0.9995, 0.9999};

double quantile_of_all(std::span<const load::Histogram> windows, double quantile) {
    load::Histogram all;
    for (const auto& window : windows) all.add(window);
    return load::in_seconds(all.quantile(quantile).value_or(0));
}

}  // namespace

std::vector<load::Histogram> windows_of(const load::Outcome& outcome,
                                        const load::Histogram load::Times::*which) {
    std::vector<load::Histogram> windows;
    load::Histogram rest;
    const auto end = outcome.measured_from + outcome.measured;
    for (const auto& interval : outcome.intervals) {
        if (interval.from < outcome.measured_from || interval.from + interval.length > end) {
            continue;
        }
        rest.add(interval.times.*which);
        if (rest.count() < window_values_min) continue;
        windows.push_back(std::exchange(rest, {}));
    }
    if (rest.count() > 0) {
        if (windows.empty()) windows.emplace_back();
        windows.back().add(rest);
    }
    return windows;
}

QuantileCurve curve_of(const load::Histogram& histogram) {
    std::vector<std::pair<double, double>> points;
    for (const double quantile : quantiles) {
        if (const auto value = histogram.quantile(quantile)) {
            points.emplace_back(quantile, load::in_seconds(*value));
        }
    }
    return QuantileCurve{std::move(points)};
}

QuantileCurve curve_of(std::span<const load::Histogram> windows) {
    constexpr std::size_t enough = 3;
    std::vector<std::pair<double, double>> points;
    double before = 0;
    for (const double quantile : quantiles) {
        // Windows in a row, as many as it takes.
        std::vector<double> values;
        load::Histogram some;
        for (const auto& window : windows) {
            some.add(window);
            const auto value = some.quantile(quantile);
            if (!value) continue;
            values.push_back(load::in_seconds(*value));
            some.clear();
        }
        if (values.empty() || (values.size() < enough && windows.size() >= enough)) continue;
        before = std::max(before, windows.size() < enough ? quantile_of_all(windows, quantile)
                                                          : median_of(std::move(values)));
        points.emplace_back(quantile, before);
    }
    return QuantileCurve{std::move(points)};
}

std::array<std::optional<double>, 4> told_of(const QuantileCurve& curve) {
    std::array<std::optional<double>, 4> values;
    if (curve.is_empty()) return values;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool is_in = told_quantiles[i] >= curve.points().front().first &&
                           told_quantiles[i] <= curve.points().back().first;
        if (is_in) values[i] = curve.at(told_quantiles[i]);
    }
    return values;
}

double median_of(std::vector<double> values) {
    CHECK(!values.empty());
    const auto middle = values.begin() + std::ssize(values) / 2;
    std::ranges::nth_element(values, middle);
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace touchstone::planner
