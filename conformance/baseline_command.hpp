// `touchstone conform baseline`: brings the file of known failures in line with a run.
#pragma once

namespace touchstone::conformance {

/// `arguments[0]` is the subcommand's name. Exit code: 0 the file is as it should be now, 2 bad
/// arguments, or a file that cannot be read or written.
int baseline_command(int argument_count, char** arguments);

}  // namespace touchstone::conformance
