// The tiers of a fleet's simulation: which engine runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "simulator/fleet/model.hpp"
#include "simulator/fleet/outcome.hpp"

namespace touchstone::simulator::fleet {

/// "T0", "T2" or "T3"; else what is wrong with it and what to give.
[[nodiscard]] std::variant<Tier, std::string> tier_of(std::string_view text);

/// Why the tier of the model cannot express it, and what to do; nothing when it can.
[[nodiscard]] std::optional<std::string> what_its_tier_cannot(const FleetModel& model);

/// As Fleet::run, in the tier of the model, which can express it.
Outcome run_tier(const FleetModel& model,
                 const std::function<bool(Time now, std::uint64_t connected)>& goes_on = {});

}  // namespace touchstone::simulator::fleet
