// The subcommand `touchstone report merge`.
#pragma once

namespace touchstone::reports {

/// Joins the shards of a sweep. `arguments[0]` is the subcommand's name. Returns the exit code:
/// that of the whole sweep (exit_code_of), or 2.
int merge_command(int argument_count, char** arguments);

}  // namespace touchstone::reports
