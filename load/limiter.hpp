// What kept a run from doing more: the generator, the target, or nothing. A figure that the
// generator limited says nothing about the target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "load/outcome.hpp"
#include "load/workload.hpp"

namespace touchstone::load {

enum class Limiter : std::uint8_t {
    none,
    files,     // the generator: no descriptor left
    ports,     // the generator: no local port left
    memory,    // the generator: no memory for sockets
    cpu,       // the generator: its threads had no processor time left, or others had it
    schedule,  // the generator: its threads were woken too late
    target,
};
[[nodiscard]] std::string_view name_of(Limiter limiter);

struct Limit {
    Limiter limiter = Limiter::none;
    bool is_generator = false;       // the run is invalid as a measurement of the target
    std::vector<std::string> words;  // sentences
};

/// A generator that is later than this at its 99th percentile, and than lag_share_max of the
/// delivery's, measures itself.
inline constexpr Nanos lag_max = 2 * millisecond;
inline constexpr double lag_share_max = 0.25;
inline constexpr double busy_max = 0.9;    // of a thread's time
inline constexpr double waited_max = 0.1;  // of the same, for a processor

[[nodiscard]] Limit judge(const Workload& workload, const Outcome& outcome);

}  // namespace touchstone::load
