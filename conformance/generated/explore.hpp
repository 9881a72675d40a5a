// Exhaustive exploration of a small scope: every sequence of steps up to a length, over an alphabet
// that two clients share. A sequence whose last step does not apply is not made longer.
#pragma once

#include <cstddef>
#include <functional>

#include "conformance/generated/search.hpp"

namespace touchstone::conformance::generated {

/// The steps; with `version` 3.1.1 those that it has.
[[nodiscard]] std::vector<Step> exploration_alphabet(ProtocolVersion version);

struct Explored {
    std::size_t scripts = 0;
    bool was_ended = false;  // by `on_script`
};

/// Plays all sequences of 1 … `steps_max` steps, the shorter ones first among those that begin
/// alike. `on_script` sees each script and what came of it, and says whether to go on.
[[nodiscard]] Explored explore(TargetSource& source, const std::vector<Step>& alphabet,
                               std::size_t steps_max, const SearchSettings& settings,
                               const std::function<bool(const Script&, const Played&)>& on_script);

}  // namespace touchstone::conformance::generated
