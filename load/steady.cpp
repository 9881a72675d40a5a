#include "load/steady.hpp"

#include <cmath>

namespace touchstone::load {

namespace {

/// Means over the intervals; of the medians, where there are any.
Pace mean_of(std::span<const Pace> paces) {
    double rates = 0;
    double medians = 0;
    double timed = 0;
    for (const auto& pace : paces) {
        rates += pace.received_per_s;
        if (!pace.median_us) continue;
        medians += *pace.median_us;
        ++timed;
    }
    Pace mean{.received_per_s = rates / static_cast<double>(paces.size())};
    if (timed > 0) mean.median_us = medians / timed;
    return mean;
}

bool are_alike(const Pace& one, const Pace& mean) {
    if (std::abs(one.received_per_s - mean.received_per_s) >
        steady_rate_spread * mean.received_per_s) {
        return false;
    }
    if (!one.median_us || !mean.median_us) return true;
    return std::abs(*one.median_us - *mean.median_us) <= steady_median_spread * *mean.median_us;
}

}  // namespace

bool is_steady(std::span<const Pace> paces) {
    if (paces.size() < steady_intervals) return false;
    const auto last = paces.last(steady_intervals);
    const auto mean = mean_of(last);
    if (mean.received_per_s <= 0) return false;
    for (const auto& pace : last) {
        if (!are_alike(pace, mean)) return false;
    }
    return true;
}

bool has_no_drift(std::span<const Pace> paces) {
    if (paces.size() < steady_intervals) return true;
    const auto half = paces.size() / 2;
    return are_alike(mean_of(paces.first(half)), mean_of(paces)) &&
           are_alike(mean_of(paces.last(half)), mean_of(paces));
}

}  // namespace touchstone::load
