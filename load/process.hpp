// What the system knows about processes and threads: processor time, memory, time spent waiting for
// a processor.
#pragma once

#include <optional>

#include "load/outcome.hpp"

namespace touchstone::load {

/// Nothing: there is no such process, or it is not ours to look at.
[[nodiscard]] std::optional<ProcessUse> use_of_process(int pid);

/// Of the calling thread, since its start, in nanoseconds.
struct ThreadClock {
    Nanos busy = 0;
    Nanos waited = 0;  // for a processor, ready to run; 0 where the system does not tell
};
[[nodiscard]] ThreadClock clock_of_this_thread();

/// How many processors this process may use.
[[nodiscard]] unsigned processors();

}  // namespace touchstone::load
