// The subcommand `touchstone broker`.
#pragma once

namespace touchstone::asio_driver {

/// Runs the broker until SIGTERM or SIGINT. `arguments[0]` is the subcommand's name. Returns an
/// ExitCode (broker/base/exit_code.hpp).
int broker_command(int argument_count, char** arguments);

}  // namespace touchstone::asio_driver
