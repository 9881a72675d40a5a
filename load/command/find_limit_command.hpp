// `touchstone load find-limit`.
#pragma once

namespace touchstone::load {

int find_limit_command(int argument_count, char** arguments);

}  // namespace touchstone::load
