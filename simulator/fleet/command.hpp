// `touchstone simulate FLEET --tier T2`: fleets of millions of devices, against a cost model of the
// broker.
#pragma once

namespace touchstone::simulator::fleet {

/// Whether the arguments of `simulate` are about a fleet: a file *.fleet, the name of one below
/// scenarios/, or --tier.
[[nodiscard]] bool is_for_fleet(int argument_count, char** arguments);

/// `arguments[0]` is the subcommand's name. Returns the exit code: 0 all runs ended as expected, 1
/// one did not, 2 bad arguments or file, 6 no memory for so many devices, 7 the time budget is used
/// up, 130 interrupted.
int fleet_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator::fleet
