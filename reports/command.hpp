// The subcommand `touchstone report`.
#pragma once

namespace touchstone::reports {

/// Merges results of several runs into one report, side by side. `arguments[0]` is the subcommand's
/// name. Returns the exit code: 0 written; 1 a run named by --gate has a fail or crash; 2 bad input
/// or not writable.
int report_command(int argument_count, char** arguments);

}  // namespace touchstone::reports
