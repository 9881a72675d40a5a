// Several runs side by side: the matrix of statements and the numbers of each run, computed once
// for every output.
#pragma once

#include <string>
#include <vector>

#include "reports/report.pb.h"

namespace touchstone::reports {

/// Joins `runs`, each of which has been through complete(). Runs of the same name are told apart by
/// " (2)", " (3)". Statements are in the order of the first run that knows them, by version.
[[nodiscard]] results::Report merge_runs(std::string title, std::vector<results::Run> runs);

}  // namespace touchstone::reports
