// What the checkers that ask for every message say of one that is missing. What is missing is
// worked out once, with the History.
#pragma once

#include <string_view>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

/// Whether the PUBLISH that brought the message first had DUP 1.
[[nodiscard]] bool came_first_with_dup(const Trace& trace, const Accepted& accepted);

/// `remark`: what is to be said behind it.
[[nodiscard]] Failure failure_of(const Trace& trace, const History& history, const Missing& missing,
                                 std::string_view remark);

}  // namespace touchstone::simulator
