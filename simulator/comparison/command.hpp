// `touchstone simulate cluster/x-matrix`: every experiment on every model, one table.
#pragma once

namespace touchstone::simulator::comparison {

/// Whether the arguments name a comparison: cluster/x-matrix, or the path of its file.
[[nodiscard]] bool is_for_comparison(int argument_count, char** arguments);

/// Returns the exit code: 1 when a cell differs from what was expected and nobody explains it.
int comparison_command(int argument_count, char** arguments);

}  // namespace touchstone::simulator::comparison
