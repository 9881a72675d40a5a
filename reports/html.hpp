// One HTML file that needs nothing beside it: the page's style and script are compiled in, the data
// is embedded.
#pragma once

#include <string>

#include "reports/report.pb.h"

namespace touchstone::reports {

/// Steps of one trace that are put into the page; run.pb keeps all of them.
inline constexpr int page_trace_steps_max = 20'000;

/// The page for `report`: no external resource, no script but ours can run in it
/// (Content-Security-Policy with the hash of our script), the data is inert whatever its strings
/// and bytes hold. Strings of `report` are valid UTF-8. Throws std::length_error when protobuf
/// cannot write the data (2 GiB).
[[nodiscard]] std::string html_report(const results::Report& report);

}  // namespace touchstone::reports
