// A broker as a child process, started by a command line and ended with everything it started.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

namespace touchstone::conformance {

class Process {
public:
    /// `command` is for `/bin/sh -c`; what it prints goes to the end of `log_file`, or nowhere when
    /// that is empty.
    Process(std::string command, std::string log_file)
        : command_{std::move(command)},
          log_file_{std::move(log_file)} {}
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { stop(); }

    /// False when it cannot be started; `problem` then says why in one line.
    bool start(std::string& problem);
    /// SIGTERM; after 10 s SIGKILL. Returns when it has ended with all that it has started: a shell
    /// ends before the broker that it runs, and the next one needs the same port.
    void stop();
    [[nodiscard]] bool is_running();
    /// How it ended, in a few words; empty while it runs.
    [[nodiscard]] const std::string& fate() const { return fate_; }
    [[nodiscard]] const std::string& command() const { return command_; }

private:
    bool await_end_of_all(std::chrono::milliseconds patience);

    std::string command_;
    std::string log_file_;
    pid_t process_ = 0;  // also its process group; 0: none
    std::string fate_{};
};

/// Runs `command` with `/bin/sh -c` to its end. False when it does not end with 0.
bool run_command(const std::string& command, const std::string& log_file, std::string& problem);

/// A TCP port of 127.0.0.1 that nobody listens at; 0 when there is none.
[[nodiscard]] std::uint16_t free_port();

}  // namespace touchstone::conformance
