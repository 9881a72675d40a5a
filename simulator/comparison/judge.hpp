// What was seen against what was expected.
#pragma once

#include <string>
#include <vector>

#include "reports/results.pb.h"
#include "simulator/comparison/comparison.pb.h"

namespace touchstone::simulator::comparison {

/// Puts runs of one cell with different seeds, in the order of their seeds, into one: every outcome
/// that was seen, the worst of every figure, what the first was told.
[[nodiscard]] results::ComparedCell join(const std::vector<results::ComparedCell>& runs);

/// Fills in what was expected of the cell, and whether what was seen is that, or is explained.
void judge(results::ComparedCell& cell, const touchstone::comparison::Experiment& experiment);

/// "as expected", …
[[nodiscard]] std::string_view judgement_text(results::ComparedCell::Judgement judgement);

/// Differences that the file explains and no cell shows, one line each.
[[nodiscard]] std::vector<std::string>
unseen_differences(const touchstone::comparison::Comparison& comparison,
                   const results::Comparison& table);

}  // namespace touchstone::simulator::comparison
