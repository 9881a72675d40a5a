// AccessMemory: the verdicts that one connection remembers, so that a topic it publishes to again
// and again is not judged anew each time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/access_rules.hpp"
#include "broker/access/policy.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::access {

class AccessMemory {
public:
    explicit AccessMemory(const AccessCache& bounds) : bounds_{bounds} {}

    /// Nothing when it is not known, or not known any more at `now`.
    [[nodiscard]] std::optional<bool> recall(Action action, std::string_view topic, Instant now);
    /// Takes the place of the verdict that was recalled longest ago when there is no room.
    void remember(Action action, std::string_view topic, bool is_allowed, Instant now);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::string topic;
        Action action;
        bool is_allowed;
        Instant until;
    };

    AccessCache bounds_;
    std::vector<Entry> entries_;  // recalled last, first
};

}  // namespace touchstone::access
