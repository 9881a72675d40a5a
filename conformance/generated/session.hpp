// What the subcommands of this folder share: the options that say which broker is meant, the run
// with its report, and how a command ends.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/base/exit_code.hpp"
#include "conformance/generated/search.hpp"
#include "conformance/target_options.hpp"
#include "reports/results.pb.h"

namespace touchstone::conformance::generated {

struct CommonArguments {
    TargetOptions target{};
    std::string name{};
    std::string out{};
    double slow = 1.0;
    std::optional<unsigned> time_budget_s{};
};

/// `arguments` outlives the parsing.
void add_common_options(CLI::App& app, CommonArguments& arguments);

/// Parses, runs `body`, and turns every kind of refusal into its line and exit code.
[[nodiscard]] int run_command(CLI::App& app, int argument_count, char** arguments,
                              const std::function<ExitCode()>& body);

/// First and last of "7" or "1..200". Throws Refusal.
[[nodiscard]] std::pair<std::uint64_t, std::uint64_t> parse_seeds(const std::string& text);

/// The broker to play on. `sim` has small limits here, so that wrap-around and exhaustion happen.
[[nodiscard]] std::unique_ptr<TargetSource> make_played_source(const TargetOptions& options);

/// What the broker's file says it can do; without a file the standard's defaults. Throws Refusal.
[[nodiscard]] Capabilities declared_limits(const TargetOptions& options);

/// One run of a subcommand: while it lives, SIGINT and SIGTERM ask it to end with a partial report.
class CommandSession {
public:
    /// `options`: those of the subcommand, as they are repeated in the command to reproduce.
    CommandSession(std::string subcommand, const CommonArguments& arguments, std::string options,
                   std::uint64_t seed);
    CommandSession(const CommandSession&) = delete;
    CommandSession& operator=(const CommandSession&) = delete;
    ~CommandSession();

    /// Prepares the result directory, reaches the broker, prints the first line. An exit code when
    /// the run cannot begin.
    [[nodiscard]] std::optional<ExitCode> begin();
    [[nodiscard]] TargetSource& source() { return *source_; }
    [[nodiscard]] const SearchSettings& settings() const { return settings_; }
    [[nodiscard]] results::Run& run() { return run_; }
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
    /// Interrupted, or the time budget is used up.
    [[nodiscard]] bool is_over() const;
    [[nodiscard]] static bool is_interrupted();
    /// Puts the script into the result directory. Returns where it is.
    [[nodiscard]] std::string write_script(const std::string& id, const Script& script,
                                           const std::string& comment);
    [[nodiscard]] std::string replay_command(const std::string& path) const;
    /// The subcommand with other `options`, on the same target.
    [[nodiscard]] std::string again_command(const std::string& options) const;
    /// Writes the report and prints the last line.
    [[nodiscard]] ExitCode finish(ExitCode exit_code);

private:
    std::string subcommand_;
    const CommonArguments& arguments_;
    std::string options_;
    std::uint64_t seed_;
    std::unique_ptr<TargetSource> source_;
    SearchSettings settings_{};
    results::Run run_{};
    std::filesystem::path directory_{};
    std::chrono::steady_clock::time_point began_{};
};

}  // namespace touchstone::conformance::generated
