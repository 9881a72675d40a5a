// How far the tiers agree about a fleet: the same run in each, figure by figure, held against the
// first one. The bounds are part of what is reported.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/fleet/model.hpp"
#include "simulator/fleet/outcome.hpp"

namespace touchstone::simulator::fleet {

struct TierOutcome {
    Tier tier = Tier::t2;
    Outcome outcome;
};

struct Compared {
    enum class Judgement : std::uint8_t { reference, agrees, differs, not_compared };
    struct Value {
        std::optional<double> value;
        Judgement judgement = Judgement::reference;
    };
    std::string what;
    bool is_time = false;       // nanoseconds; else a count
    std::string bound;          // in words
    std::vector<Value> values;  // by run
};

struct TierComparison {
    std::vector<Compared> rows;
    [[nodiscard]] bool holds() const;
};

/// What is 0, or missing, in all of them is left out. There are two runs at least.
[[nodiscard]] TierComparison compare_tiers(const std::vector<TierOutcome>& runs);

/// What is not compared, and why. One line each.
[[nodiscard]] std::vector<std::string> what_is_not_compared(const std::vector<TierOutcome>& runs);

}  // namespace touchstone::simulator::fleet
