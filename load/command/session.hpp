// One execution of the subcommand: watches its runs on a terminal, in metrics and for signals, and
// leaves the result directory and the last line.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/base/exit_code.hpp"
#include "load/command/options.hpp"
#include "load/engine.hpp"
#include "reports/results.pb.h"

namespace touchstone::load {

class Session {
public:
    /// `command`: what was typed. While it lives, SIGINT and SIGTERM end the run in order.
    Session(const CommonOptions& options, const std::string& name, std::string command);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Creates the result directory. Nothing when all is well, else the exit code; what is wrong
    /// has been said.
    [[nodiscard]] std::optional<int> prepare();

    /// run() of engine.hpp, watched. `label` stands before the progress.
    [[nodiscard]] Outcome run(const Workload& workload, const std::string& label = "");

    /// Writes and prints what is left to be. `interval_log` goes beside the run unless it is empty.
    int finish(results::Run run, ExitCode exit_code, const std::string& text,
               const std::string& interval_log);

    [[nodiscard]] const std::string& command() const { return command_; }
    [[nodiscard]] bool is_interrupted() const;
    /// To standard output, unless that is for JSON.
    void print(const std::string& text) const;
    /// What begins a run: its seed, in the line that all programs here print.
    void print_seed(std::uint64_t seed) const;

private:
    void show(const Glimpse& glimpse, const std::string& label);

    const CommonOptions& options_;
    std::string directory_;
    std::string command_;
    bool is_terminal_;
    bool is_line_shown_ = false;
    Nanos shown_at_ = 0;
    Nanos begun_at_;
    std::int64_t started_unix_ms_;
    std::unique_ptr<class Metrics> metrics_;
};

/// "touchstone load: " and the line, on standard error. Returns that code.
int say(ExitCode code, const std::string& line);

/// Calls `body` and turns what the engine throws into a line and an exit code.
int guarded(const std::function<int()>& body);

/// As typed, quoted for a shell. `seed` is added when it was drawn.
[[nodiscard]] std::string whole_command(int argument_count, char** arguments,
                                        std::optional<std::uint64_t> drawn_seed);

}  // namespace touchstone::load
