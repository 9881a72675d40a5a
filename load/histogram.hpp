// Counts of times in buckets that are log-linear: every value is kept to three decimal digits,
// whatever its size. The buckets are those of HdrHistogram (2,048 in the first power of two, 1,024
// in each that follows), so its viewers can read what is written here (interval_log.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load/time.hpp"

namespace touchstone::load {

class Histogram {
public:
    /// Longer times are counted as this one: 73 minutes.
    static constexpr Nanos value_max = (Nanos{1} << 42U) - 1;
    static constexpr int significant_digits = 3;
    /// A quantile is told when at least so many values lie beyond it, on its scarcer side.
    static constexpr std::uint64_t beyond_min = 10;

    void add(Nanos value) { add(value, 1); }
    /// A negative value, which a clock that is read by two processors can give, counts as 0.
    void add(Nanos value, std::uint64_t count);
    void add(const Histogram& other);
    void clear();

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] Nanos max() const { return max_; }
    [[nodiscard]] double mean() const;
    /// The value that a share `quantile` (0..1) of all values does not exceed, to three digits;
    /// nothing when fewer than beyond_min values lie on either side of it.
    [[nodiscard]] std::optional<Nanos> quantile(double quantile) const;
    /// How many values are above `bound`, to the width of a bucket.
    [[nodiscard]] std::uint64_t count_above(Nanos bound) const;

    /// In HdrHistogram's encoding V2: not compressed; and compressed, then in Base64, as logs have
    /// it.
    [[nodiscard]] std::string encode() const;
    [[nodiscard]] std::string encode_compressed_base64() const;

    /// The largest value that is counted in the same bucket.
    [[nodiscard]] static Nanos largest_equivalent(Nanos value);

private:
    [[nodiscard]] static std::size_t index_of(Nanos value);
    [[nodiscard]] static Nanos lowest_of(std::size_t index);
    [[nodiscard]] static Nanos highest_of(std::size_t index);

    std::vector<std::uint64_t> counts_;  // grows to the largest value
    std::uint64_t count_ = 0;
    Nanos max_ = 0;
    double sum_ = 0;
};

}  // namespace touchstone::load
