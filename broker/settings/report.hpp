// What is in force, told to an operator: for `touchstone broker --check-config` and for a reload.
#pragma once

#include <string>
#include <vector>

#include "broker/settings/load.hpp"
#include "broker/settings/node_settings.hpp"

namespace touchstone::settings {

/// Every effective value with its origin, a line each. It can be used as a settings file and then
/// means the same.
[[nodiscard]] std::string effective_text(const NodeSettings& settings);

/// For programs: {"valid":…,"settings":[{"key","value","origin","variable","reload"}…],
/// "problems":[{"origin","message"}…],"warnings":[…]}. A value that is not set is null.
[[nodiscard]] std::string effective_json(const Loaded& loaded);

/// All problems, then all warnings, a line each.
[[nodiscard]] std::string problems_text(const Loaded& loaded);

struct Change {
    std::string key;
    std::string before;  // as written; empty: was not there or not set
    std::string after;
    bool is_content = false;  // the value is the same, what the file says is not

    /// "mqtt.max_inflight: 32 → 64".
    [[nodiscard]] std::string to_text() const;
};

/// What a reload changes.
struct Changes {
    std::vector<Change> live;     // in force at once
    std::vector<Change> restart;  // need a new process; until then the old value holds
};

[[nodiscard]] Changes changes_between(const NodeSettings& before, const NodeSettings& after);

}  // namespace touchstone::settings
