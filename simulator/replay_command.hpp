#pragma once

namespace touchstone::simulator {

/// `touchstone simulate replay …`; arguments[0] is "replay". Returns the exit code.
int replay_command(int argument_count, char** arguments);

/// `touchstone simulate diff …`; arguments[0] is "diff". Returns the exit code.
int diff_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator
