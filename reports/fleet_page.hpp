// The page of a simulated fleet: what it came to, its curves, its classes of devices.
#pragma once

#include <string>

#include "reports/results.pb.h"

namespace touchstone::reports {

/// Whether the run is one of a fleet: its results have curves.
[[nodiscard]] bool is_fleet(const results::Run& run);

/// One HTML file that needs nothing beside it. `run` has been through complete(). Strings are valid
/// UTF-8.
[[nodiscard]] std::string fleet_page(const results::Run& run);

}  // namespace touchstone::reports
