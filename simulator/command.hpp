// The subcommand `touchstone simulate`.
#pragma once

namespace touchstone::simulator {

/// Runs scenarios in virtual time. `arguments[0]` is the subcommand's name. Returns the exit code:
/// 0 every scenario ended as it declares, 1 one did not, 2 bad arguments or an unreadable scenario.
int simulate_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator
