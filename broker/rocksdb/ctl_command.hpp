// The subcommand `ctl`: what an operator does with a data directory while no broker uses it.
#pragma once

namespace touchstone::rocksdb_driver {

/// Gets the arguments from its own name on; returns the exit code.
int ctl_command(int argument_count, char** arguments);

}  // namespace touchstone::rocksdb_driver
