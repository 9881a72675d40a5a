// The subcommand `touchstone simulate explore`.
#pragma once

namespace touchstone::simulator {

/// Searches for schedules that fail by changing schedules. Returns the exit code: 0 nothing failed,
/// 1 something did, 2 bad arguments, 7 the time was up, 130 interrupted.
int explore_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator
