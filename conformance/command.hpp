// The subcommand `touchstone conform`.
#pragma once

namespace touchstone::conformance {

/// Judges a broker. `arguments[0]` is the subcommand's name. Returns the exit code: 0 no case
/// failed, 1 one did (or is flaky), 2 bad arguments, 3 the broker cannot be reached, 6 no case came
/// to a verdict, 7 the time budget is used up, 130 interrupted; the last three leave a partial
/// report.
int conform_command(int argument_count, char** arguments);

}  // namespace touchstone::conformance
