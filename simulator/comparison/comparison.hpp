// A comparison carried out: its runs, in several processes, and the table that they make.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "broker/cluster/model.hpp"
#include "simulator/comparison/experiment.hpp"
#include "simulator/search.hpp"

namespace touchstone::simulator::comparison {

struct ComparisonOptions {
    std::vector<const cluster::ModelRules*> models;  // in the order of the table; not empty
    std::vector<std::string> experiments;            // ids; empty: all
    SeedRange seeds{1, 1};
    unsigned process_count = 1;
    /// Where the page of each cell's first run goes, below `cells/`; empty: nowhere.
    std::filesystem::path directory;
    std::string path;  // of the comparison, as the command to repeat a cell names it
    /// Of all failure detectors instead of what the scenarios say; several: swept, one after the
    /// other, beside the table.
    std::vector<std::uint32_t> swept_detect_ms;
    /// Also with all policies_of() each model, what each costs beside the table.
    bool sweeps_policies = false;
    std::function<bool()> is_enough = [] { return false; };
};

/// The whole run: a table, a result for each cell, its verdict and notes. `is_complete`: nothing
/// was broken off.
struct ComparisonRun {
    results::Run run;
    bool is_complete = true;
};
[[nodiscard]] ComparisonRun compare(const LoadedComparison& loaded,
                                    const ComparisonOptions& options);

/// The table and what differs, for a terminal.
[[nodiscard]] std::string text_of(const results::Comparison& table);

}  // namespace touchstone::simulator::comparison
