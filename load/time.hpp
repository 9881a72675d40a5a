// Time in a load run: nanoseconds of the monotonic clock. Who reads the clock is told by name; all
// else is handed the time.
#pragma once

#include <cstdint>
#include <limits>

namespace touchstone::load {

using Nanos = std::int64_t;

inline constexpr Nanos microsecond = 1'000;
inline constexpr Nanos millisecond = 1'000'000;
inline constexpr Nanos second = 1'000'000'000;
inline constexpr Nanos no_time = std::numeric_limits<Nanos>::max();

[[nodiscard]] constexpr double in_seconds(Nanos time) {
    return static_cast<double>(time) / static_cast<double>(second);
}
[[nodiscard]] constexpr Nanos from_seconds(double seconds) {
    return static_cast<Nanos>(seconds * static_cast<double>(second));
}

}  // namespace touchstone::load
