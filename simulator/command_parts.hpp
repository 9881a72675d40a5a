// What the subcommand and its own subcommands say and read alike.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/run.hpp"
#include "simulator/scenario.hpp"

namespace CLI {
class App;
}

namespace touchstone::simulator {

/// --defect and --shards, as every subcommand that makes runs takes them.
void add_run_options(CLI::App& app, RunOptions& run);

/// Reads the arguments. Nothing when there is something to do; else the exit code, after the help,
/// or what is wrong, has been printed. `name`: of the subcommand of `simulate`; empty for itself.
[[nodiscard]] std::optional<int> parse_or_answer(CLI::App& app, std::string_view name,
                                                 int argument_count, char** arguments);

/// Prints the line on standard error, behind the subcommand's name; returns the exit code of a
/// usage error.
int usage_error(std::string_view line);

/// As a shell takes it for one word.
[[nodiscard]] std::string shell_word(const std::string& text);

/// Files stay as they are, folders become the scenarios in them, in the order of their names.
/// Nothing, or what is wrong.
[[nodiscard]] std::optional<std::string> expand_folders(std::vector<std::string>& paths);

/// The scenario at `path`, which can be run with these values of --defect; else what is wrong has
/// been said on standard error, and the exit code is that of a usage error.
[[nodiscard]] std::optional<LoadedScenario> load_to_run(const std::string& path,
                                                        const std::vector<std::string>& defects);

/// Why the value of a --defect cannot be switched on in the scenario; nothing when it can.
[[nodiscard]] std::optional<std::string> problem_of_defects(const std::vector<std::string>& defects,
                                                            const LoadedScenario& loaded);

}  // namespace touchstone::simulator
