// Subcommands that make one run: connect, hold, pubsub.
#pragma once

#include <optional>

namespace CLI {
class App;
}

namespace touchstone::load {

int connect_command(int argument_count, char** arguments);
int hold_command(int argument_count, char** arguments);
int pubsub_command(int argument_count, char** arguments);

/// Reads the arguments. Nothing when there is something to do; else the exit code, after the help,
/// or what is wrong, has been printed.
[[nodiscard]] std::optional<int> parse_or_answer(CLI::App& app, int argument_count,
                                                 char** arguments);

}  // namespace touchstone::load
