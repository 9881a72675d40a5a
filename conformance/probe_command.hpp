// `touchstone conform probe`: what a broker can do, and the file that says so.
#pragma once

namespace touchstone::conformance {

/// `arguments[0]` is the subcommand's name. Exit code: 0 the file was written, 1 the broker does
/// something else than it announces, 2 bad arguments, 3 it cannot be reached, 6 it cannot be
/// judged.
int probe_command(int argument_count, char** arguments);

}  // namespace touchstone::conformance
