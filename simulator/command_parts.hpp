// What the subcommand and its own subcommands say and read alike.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/scenario.hpp"

namespace touchstone::simulator {

/// Prints the line on standard error, behind the subcommand's name; returns the exit code of a
/// usage error.
int usage_error(std::string_view line);

/// As a shell takes it for one word.
[[nodiscard]] std::string shell_word(const std::string& text);

/// The scenario at `path`, which can be run with these values of --defect; else what is wrong has
/// been said on standard error, and the exit code is that of a usage error.
[[nodiscard]] std::optional<LoadedScenario> load_to_run(const std::string& path,
                                                        const std::vector<std::string>& defects);

/// Why the value of a --defect cannot be switched on in the scenario; nothing when it can.
[[nodiscard]] std::optional<std::string> problem_of_defects(const std::vector<std::string>& defects,
                                                            const LoadedScenario& loaded);

}  // namespace touchstone::simulator
