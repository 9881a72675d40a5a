// The page of the planner: its verdict in words, curves with bands, bars, tables.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// One file that needs nothing beside it. Strings of `run`, which has been through complete(), are
/// valid UTF-8.
[[nodiscard]] std::string plan_page(const results::Run& run);

}  // namespace touchstone::reports
