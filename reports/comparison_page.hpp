// The page of cluster models side by side: one table, what it means, what differs from what was
// expected, what the models assume.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// One HTML file; cells link to pages beside it. `run` has a comparison and has been through
/// complete(). Strings are valid UTF-8.
[[nodiscard]] std::string comparison_page(const results::Run& run);

}  // namespace touchstone::reports
