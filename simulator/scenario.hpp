// Scenario files: read, parsed, and judged before anything runs. Whatever is wrong with one is said
// in a line per mistake: file, line, field, what was expected, and the remedy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "simulator/scenario.pb.h"

namespace touchstone::simulator {

struct LoadedScenario {
    std::string path;  // as given
    scenario::Scenario scenario;
    /// "path:line: field: …". The scenario can be run when there are none.
    std::vector<std::string> problems;
};

/// Reads the file at `path`.
[[nodiscard]] LoadedScenario load_scenario(const std::string& path);

/// The same from `text`; `path` is only named in problems.
[[nodiscard]] LoadedScenario parse_scenario(const std::string& path, const std::string& text);

/// The comment at the top of the file, without the `#`.
[[nodiscard]] std::string story_of(std::string_view text);

}  // namespace touchstone::simulator
