// The page of a run under real load: what limited it in words, quantiles, curves over time, the
// steps of a search.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// One file that needs nothing beside it. Strings of `run`, which has been through complete(), are
/// valid UTF-8.
[[nodiscard]] std::string load_page(const results::Run& run);

}  // namespace touchstone::reports
