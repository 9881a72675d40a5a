#pragma once

namespace touchstone::simulator {

/// `touchstone simulate shrink …`; arguments[0] is "shrink". Returns the exit code.
int shrink_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator
