#include "simulator/fleet/tiers.hpp"

#include <fmt/format.h>

#include "simulator/fleet/fleet.hpp"
#include "simulator/fleet/real_core/core_fleet.hpp"

namespace touchstone::simulator::fleet {

std::variant<Tier, std::string> tier_of(std::string_view text) {
    if (text == "T0") return Tier::t0;
    if (text == "T2") return Tier::t2;
    if (text == "T3") return Tier::t3;
    if (text == "T1") {
        return std::string{
            "T1, the real core without bytes, is none: the core takes bytes and nothing else, and "
            "reading them is a small part of T0's time (simulator/fleet/README.md); give T0"};
    }
    return fmt::format("{} is none; give T0, T2 or T3", text);
}

std::optional<std::string> what_its_tier_cannot(const FleetModel& model) {
    if (model.tier == Tier::t0) return what_t0_cannot(model);
    return std::nullopt;
}

Outcome run_tier(const FleetModel& model, const std::function<bool(Time, std::uint64_t)>& goes_on) {
    if (model.tier == Tier::t0) return CoreFleet{model}.run(goes_on);
    return Fleet{model}.run(goes_on);
}

}  // namespace touchstone::simulator::fleet
