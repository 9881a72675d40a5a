// The library: scenarios that reproduce published defects, and the contract that each of them
// keeps. It passes with its defect off; with the defect on, the same seed breaks the invariant that
// its proof names, and none that it does not name.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "simulator/catalogue.pb.h"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"

namespace touchstone::simulator {

/// Ids of the invariants that did not hold.
[[nodiscard]] std::set<std::string> broken_invariants(const Outcome& outcome);

/// What came of a run with the defect of one proof on.
struct ProvedDefect {
    std::string defect;
    std::set<std::string> expected;  // invariants that the proof names
    Outcome outcome;

    [[nodiscard]] bool holds() const { return broken_invariants(outcome) == expected; }
};

/// Runs the scenario as the proof says.
[[nodiscard]] ProvedDefect prove(const scenario::Scenario& scenario, const scenario::Proof& proof);

struct LoadedCatalogue {
    scenario::Catalogue catalogue;
    std::vector<std::string> problems;  // "path:line: …"; the rest means nothing when there are any
};

/// Reads the file at `path`. Ids are unique and begin with a known kind.
[[nodiscard]] LoadedCatalogue load_catalogue(const std::string& path);

/// What is wrong with the scenario's place in the library, one line each: its entry, its name, its
/// proofs. `known` are the scenarios that were judged before.
[[nodiscard]] std::vector<std::string> problems_of_place(const LoadedScenario& loaded,
                                                         const scenario::Catalogue& catalogue,
                                                         const std::vector<LoadedScenario>& known);

/// The index of scenarios/README.md: a table of Markdown for each kind of entry, one line each.
/// Paths are shown below `folder`, which ends without a slash.
[[nodiscard]] std::string index_of(const scenario::Catalogue& catalogue,
                                   const std::vector<LoadedScenario>& scenarios,
                                   const std::string& folder);

/// At most this many entries may be recorded as not expressible.
inline constexpr int not_expressible_max = 8;

/// Holds the scenarios of `folder` to the contract and prints what came of it. Exit code: 0 all
/// keep it, 1 one does not, 2 a file is wrong.
int check_library(const std::string& folder);

/// Prints index_of(). Exit code: 0, 2 a file is wrong.
int print_index(const std::string& folder);

}  // namespace touchstone::simulator
