// What a run measures with: the clock, a histogram, and what the kernel says about the broker's
// process.
#pragma once

#include <sys/types.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace touchstone::bench {

/// Monotonic, in nanoseconds.
std::int64_t now_ns();

/// Counts of times in nanoseconds, exact to 1.6 %.
class Histogram {
public:
    void add(std::uint64_t value_ns);
    [[nodiscard]] std::uint64_t count() const { return count_; }
    /// The value that `share` (0 to 1) of all are below; 0 when there is none.
    [[nodiscard]] std::uint64_t quantile_ns(double share) const;

private:
    // 64 buckets per power of two.
    static constexpr unsigned bits = 6;
    static std::size_t bucket_of(std::uint64_t value_ns);
    static std::uint64_t middle_of(std::size_t bucket);

    std::array<std::uint64_t, 64U << bits> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t greatest_ns_ = 0;
};

/// What a process has used up to now.
struct ProcessUsage {
    std::int64_t at_ns = 0;
    std::int64_t cpu_ns = 0;
    std::uint64_t resident_bytes = 0;
    std::vector<std::int64_t> thread_cpu_ns;  // by thread id, ascending

    /// Throws std::runtime_error when there is no such process.
    static ProcessUsage of(pid_t process);
};

/// CPU time of this process.
std::int64_t own_cpu_ns();

}  // namespace touchstone::bench
