// Whether somebody answers at the target: one connection, before a run.
#pragma once

#include <optional>
#include <string>

#include "load/shared.hpp"

namespace touchstone::load {

/// Connects as a client of the run would, waits for CONNACK, and leaves. What is in the way, in one
/// line; nothing when all is well.
[[nodiscard]] std::optional<std::string> problem_of_target(const Shared& shared);

}  // namespace touchstone::load
