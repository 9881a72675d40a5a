// A comparison's file, read and checked, and the runs that it asks for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cluster/model.hpp"
#include "reports/results.pb.h"
#include "simulator/comparison/comparison.pb.h"
#include "simulator/comparison/measures.hpp"
#include "simulator/comparison/policies.hpp"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"

namespace touchstone::simulator::comparison {

struct LoadedComparison {
    std::string path;
    touchstone::comparison::Comparison comparison;
    std::vector<LoadedScenario> scenarios;  // of the experiments, in their order
    /// "path: experiment: what is wrong; what to do". The rest means nothing when there are any.
    std::vector<std::string> problems;
};

[[nodiscard]] LoadedComparison load_comparison(const std::string& path);
/// The same from `text`; scenarios are read from beside `path`.
[[nodiscard]] LoadedComparison parse_comparison(const std::string& path, const std::string& text);

[[nodiscard]] Subject subject_of(const touchstone::comparison::Experiment& experiment);

/// What a run has instead of what the scenario and the model say.
struct Variation {
    std::uint32_t detect_ms = 0;     // of all failure detectors; 0: as the scenario says
    const Policy* policy = nullptr;  // one of policies_of() the model; null: the model's
};

/// The scenario with that model, and time enough for it to be in order again.
[[nodiscard]] scenario::Scenario for_model(const scenario::Scenario& scenario,
                                           const cluster::ModelRules& model,
                                           const Variation& variation);

/// One run with its measures: a cell of one seed. Whoever asks fills in `page` and `reproduce`.
struct MeasuredRun {
    Outcome outcome;
    results::ComparedCell cell;
};
[[nodiscard]] MeasuredRun measure(const touchstone::comparison::Experiment& experiment,
                                  const scenario::Scenario& scenario, std::uint64_t seed);

}  // namespace touchstone::simulator::comparison
