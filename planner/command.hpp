// `touchstone plan`: calibrate, estimate, validate.
#pragma once

namespace touchstone::planner {

/// Gets the arguments from its own name on; returns the exit code.
int plan_command(int argument_count, char** arguments);

// Its subcommands; the same from their names on.
int calibrate_command(int argument_count, char** arguments);
int estimate_command(int argument_count, char** arguments);
int validate_command(int argument_count, char** arguments);

}  // namespace touchstone::planner
