// `touchstone load`: real load on a real broker.
#pragma once

namespace touchstone::load {

/// Gets the arguments from its own name on; returns the exit code.
int load_command(int argument_count, char** arguments);

}  // namespace touchstone::load
