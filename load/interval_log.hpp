// The log of a run's histograms, interval by interval, in HdrHistogram's format (1.3, histograms in
// V2): what its viewers and its tools for merging and cutting read. Each line has a tag:
// "delivery", "connect", "acknowledge".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "load/histogram.hpp"

namespace touchstone::load {

class IntervalLog {
public:
    /// `started_unix_ms`: the instant that times count from.
    explicit IntervalLog(std::int64_t started_unix_ms);

    /// An interval without values is left out.
    void add(std::string_view tag, Nanos from, Nanos length, const Histogram& histogram);

    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

}  // namespace touchstone::load
