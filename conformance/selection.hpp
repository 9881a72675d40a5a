// Which cases of the suite a run consists of.
#pragma once

#include <string>
#include <vector>

#include "conformance/suite/case.hpp"

namespace CLI {
class App;
}

namespace touchstone::conformance {

/// A case is chosen when one of `only` or `sections` fits (none given: always), one of `tags` does
/// (none given: always), and none of `excluded`.
struct Selection {
    std::vector<std::string> only{};      // ids of statements or cases; * stands for any characters
    std::vector<std::string> sections{};  // "v5/4.3", or "4.3" for both versions
    std::vector<std::string> tags{};
    std::vector<std::string> excluded{};  // ids as in `only`, sections, or tags
};

/// Adds --only, --section, --tag and --exclude. `selection` outlives the parsing.
void add_selection_options(CLI::App& app, Selection& selection);

/// Throws Refusal when something that was asked for fits no case.
[[nodiscard]] std::vector<const CaseEntry*> select(const Selection& selection);

/// " --only … --section …": what makes the same selection again.
[[nodiscard]] std::string to_command_line(const Selection& selection);

/// What a case is about, in single words: its version, its file ("connect", "publish", "flows", …),
/// what it needs ("qos2", "retain", "web-socket", "time", "guarded", …), and the level of its first
/// statement ("must", "must-not", "prose"). Sorted.
[[nodiscard]] std::vector<std::string> tags_of(const CaseEntry& entry);

}  // namespace touchstone::conformance
