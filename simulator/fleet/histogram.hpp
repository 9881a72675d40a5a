// Counts of times, exact to 1.6 %: 64 slots per power of two.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "simulator/fleet/bucket_list.hpp"

namespace touchstone::simulator::fleet {

class Histogram {
public:
    void add(Time value, std::uint64_t times = 1) {
        slots_[slot_of(value)] += times;
        count_ += times;
        sum_ += value * times;
        greatest_ = std::max(greatest_, value);
    }
    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i] += other.slots_[i];
        count_ += other.count_;
        sum_ += other.sum_;
        greatest_ = std::max(greatest_, other.greatest_);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] Time greatest() const { return greatest_; }
    /// Of all values, nanoseconds; exact.
    [[nodiscard]] std::uint64_t sum() const { return sum_; }
    /// The time that `per_million` of all are below. Nothing when the sample cannot support it:
    /// fewer than ten values lie beyond.
    [[nodiscard]] std::optional<Time> quantile(std::uint32_t per_million) const {
        constexpr std::uint64_t beyond_min = 10;
        const std::uint64_t rank =
            count_ / 1'000'000 * per_million + count_ % 1'000'000 * per_million / 1'000'000;
        if (count_ == 0 || count_ - rank < beyond_min) return std::nullopt;
        std::uint64_t seen = 0;
        for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
            seen += slots_[slot];
            if (seen > rank) return std::min(middle_of(slot), greatest_);
        }
        return greatest_;
    }

private:
    static constexpr unsigned bits = 6;

    static std::size_t slot_of(Time value) {
        const auto width = static_cast<unsigned>(std::bit_width(value | 1U));
        if (width <= bits + 1) return static_cast<std::size_t>(value);
        const unsigned shift = width - bits - 1;
        return (std::size_t{shift} << bits) + static_cast<std::size_t>(value >> shift);
    }
    static Time middle_of(std::size_t slot) {
        const std::size_t shift = slot < (std::size_t{2} << bits) ? 0 : (slot >> bits) - 1;
        const Time low = static_cast<Time>(slot - (shift << bits)) << shift;
        return low + ((Time{1} << shift) >> 1U);
    }

    std::array<std::uint64_t, 64U << bits> slots_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_ = 0;
    Time greatest_ = 0;
};

}  // namespace touchstone::simulator::fleet
