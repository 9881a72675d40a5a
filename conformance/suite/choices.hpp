// What a broker can do and what it chooses where the standard leaves it open, found by trying it
// out. For people and for the file that `touchstone conform probe` writes; no verdict depends on
// it.
#pragma once

#include <string>
#include <vector>

#include "conformance/suite/runner.hpp"

namespace touchstone::conformance {

/// One question and its answer.
struct Choice {
    std::string name;          // "overlapping subscriptions"
    std::string value;         // "one copy"
    bool contradicts = false;  // what the broker announces
};

/// Tries everything out, in the version of `found` that says most. `found` came from probe() with
/// the same settings.
[[nodiscard]] std::vector<Choice> observe_choices(TargetSource& source, const Probe& found,
                                                  const RunSettings& settings);

}  // namespace touchstone::conformance
