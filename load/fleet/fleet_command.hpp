// `touchstone load fleet FILE --target URL`, and `touchstone simulate FILE --live URL`, which is
// the same.
#pragma once

namespace touchstone::load {

int fleet_command(int argument_count, char** arguments);

/// Whether the arguments of `simulate` name a fleet and a broker to run it on.
[[nodiscard]] bool is_live_fleet(int argument_count, char** arguments);

/// `touchstone simulate` with such arguments.
int live_fleet_command(int argument_count, char** arguments);

}  // namespace touchstone::load
