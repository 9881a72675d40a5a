// The search for the highest rate that holds: doubling until one does not, then bisection. A rate
// is measured again before it is believed not to hold, and before it is the answer: what a single
// window shows may be chance.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace touchstone::load {

struct Step {
    double rate = 0;
    unsigned attempt = 1;  // at this rate
    bool holds = false;
    bool is_valid =
        true;  // false: the generator was the limit, so it says nothing about the target
};

struct SearchOptions {
    double first_rate = 1'000;
    double rate_max = 1e9;
    double precision =
        0.05;  // of the answer: the lowest rate that failed is at most so much above it
    unsigned confirmations =
        2;  // measurements that a rate has to pass, and to fail before it is given up
    unsigned invalid_max =
        3;  // measurements that the generator spoils before the rate is out of its reach
    unsigned steps_max = 60;
};

struct SearchResult {
    std::optional<double>
        limit;  // the highest rate that held each time; nothing: not even the lowest tried
    std::optional<double> lowest_failed;
    bool was_generator_limit = false;  // above `limit` only the generator's limit was found
    bool was_cut_short = false;        // interrupted, or steps_max
};

/// `measure` does a step; nothing from it ends the search.
[[nodiscard]] SearchResult
find_highest_rate(const SearchOptions& options,
                  const std::function<std::optional<Step>(double rate, unsigned attempt)>& measure);

}  // namespace touchstone::load
