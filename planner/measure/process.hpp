// A broker's process and the machine, as the system sees them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/measure/pace.hpp"
#include "planner/models/calibration.hpp"

namespace touchstone::planner {

struct ThreadReading {
    int id = 0;
    double cpu_s = 0;
    double waited_s = 0;  // for a processor, ready to run
};

struct ProcessReading {
    double at_s = 0;      // of the monotonic clock
    double cpu_s = 0;     // of all threads, those that have ended included
    double waited_s = 0;  // of those that are there
    double sleeps = 0;    // how often they had nothing to do
    std::vector<ThreadReading> threads;

    /// The threads that do the work: with at least a third of the time of the busiest, since then.
    [[nodiscard]] std::uint32_t workers_since(const ProcessReading& earlier) const;
};

struct MemoryReading {
    /// What it has written, and nobody else has. Pages of its program are left out: they are its
    /// own until somebody else runs the same one.
    std::uint64_t private_bytes = 0;
    std::uint64_t proportional_bytes = 0;
    std::uint64_t resident_bytes = 0;
};

/// Nothing: there is no such process, or it is not ours to look at.
[[nodiscard]] std::optional<ProcessReading> read_process(int pid);
[[nodiscard]] std::optional<MemoryReading> read_memory(int pid);

/// What came of keeping the calling thread, and those that it will start, off the processors that a
/// process may use.
struct Separation {
    bool is_separate = false;
    std::string words;  // what was done, or what the user can do
    /// Some of the process's processors, each with one of the caller's.
    std::vector<ProcessorPair> pairs;
};
[[nodiscard]] Separation keep_off_processors_of(int pid);

/// Name of the program, without its path.
[[nodiscard]] std::string program_of(int pid);

/// "Pss:      1234 kB" in the text of smaps_rollup, in bytes; nothing when it is not there.
[[nodiscard]] std::optional<std::uint64_t> smaps_bytes(const std::string& text,
                                                       const std::string& name);

[[nodiscard]] Machine this_machine();

}  // namespace touchstone::planner
