// The page of a sweep: which runs failed, how soon, on what, and what never happened.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// One HTML file that needs nothing beside it; failures that are kept are linked by
/// folder_of_failure(). `run` has been through complete_sweep(). Strings are valid UTF-8.
[[nodiscard]] std::string sweep_page(const results::Run& run);

}  // namespace touchstone::reports
