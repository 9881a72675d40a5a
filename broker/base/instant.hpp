// Time as the core knows it: handed in by a driver, never read from a clock.
#pragma once

#include <chrono>

namespace touchstone {

/// A clock without now(): only a driver knows the time. Units still come from std::chrono.
struct DriverClock {
    using duration = std::chrono::microseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<DriverClock>;
    static constexpr bool is_steady = true;
};

using Instant = DriverClock::time_point;
using Duration = DriverClock::duration;

/// An instant no run reaches: "no deadline".
inline constexpr Instant never = Instant::max();

}  // namespace touchstone
