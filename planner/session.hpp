// One execution of a subcommand: its result directory, progress, signals, last line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/base/exit_code.hpp"
#include "planner/command_parts.hpp"
#include "reports/results.pb.h"
#include "simulator/interruption.hpp"

namespace touchstone::planner {

class Session {
public:
    Session(const OutputOptions& options, const std::string& name, std::string command,
            std::uint64_t seed);

    /// Creates the result directory and prints the seed. Nothing when all is well, else the exit
    /// code; what is wrong has been said.
    [[nodiscard]] std::optional<int> prepare();
    /// Shows what is done on a terminal. False: SIGINT has come.
    [[nodiscard]] bool goes_on(const std::string& what);
    /// To standard output, unless that is for JSON.
    void print(const std::string& text);
    /// Writes the result directory and prints the last line, or the JSON.
    int finish(results::Run run, ExitCode exit_code);

    [[nodiscard]] const std::string& command() const { return command_; }
    [[nodiscard]] const std::string& directory() const { return directory_; }

private:
    const OutputOptions& options_;
    std::string name_;
    std::string directory_;
    std::string command_;
    std::uint64_t seed_;
    std::int64_t started_unix_ms_;
    double started_s_;
    simulator::Interruption interruption_;
    Progress progress_;
};

}  // namespace touchstone::planner
