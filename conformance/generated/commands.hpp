// `touchstone conform generate`, `replay`, `explore`, `fuzz` and `compare`: arguments, progress,
// and the files of the report. Each gets the arguments from its own name on, and returns the exit
// code.
#pragma once

namespace touchstone::conformance::generated {

int generate_command(int argument_count, char** arguments);
int replay_command(int argument_count, char** arguments);
int explore_command(int argument_count, char** arguments);
int fuzz_command(int argument_count, char** arguments);
int compare_command(int argument_count, char** arguments);

}  // namespace touchstone::conformance::generated
