// `touchstone simulate kill`: the node is killed at every write of a scenario.
#pragma once

namespace touchstone::simulator {

/// Runs the subcommand; returns its exit code. `arguments[0]` is its name.
int kill_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator
