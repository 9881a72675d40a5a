// Tasks done by child processes, several at a time. A process, not a thread: a task that ends its
// process, by a failed CHECK say, is then reported as such, and all others are done.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace touchstone::simulator {

struct TaskEnd {
    std::uint64_t task = 0;
    std::optional<std::string> answer;
    /// Without an answer: how the process ended, and the last line that it wrote to standard error.
    std::string death;
};

struct TaskWork {
    std::uint64_t task_count = 0;
    unsigned process_count = 1;  // at least 1
    /// Called in a child, which is a copy of this process as it was when the tasks began. What it
    /// writes to standard output is lost.
    std::function<std::string(std::uint64_t task)> work;
    /// Called here, in no particular order. False: enough, nothing more is begun and what is being
    /// done is given up.
    std::function<bool(TaskEnd end)> on_end;
    /// Asked several times a second. True: enough, as above.
    std::function<bool()> is_enough = [] { return false; };
};

/// Does the tasks 0 .. task_count - 1. True: all of them. Throws std::runtime_error when the system
/// gives no process.
bool do_in_processes(const TaskWork& tasks);

}  // namespace touchstone::simulator
