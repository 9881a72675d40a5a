// What a run of a fleet came to, in the language of reports: results.proto.
#pragma once

#include <string>
#include <vector>

#include "reports/results.pb.h"
#include "simulator/fleet/agreement.hpp"
#include "simulator/fleet/description.hpp"
#include "simulator/fleet/outcome.hpp"

namespace touchstone::simulator::fleet {

[[nodiscard]] std::string_view tier_text(Tier tier);

/// One run. `reproduce` is the command to have it again; the verdict is that of the description's
/// expectations, and inconclusive when the run was interrupted.
[[nodiscard]] touchstone::results::ScenarioResult to_result(const LoadedFleet& loaded,
                                                            const FleetRun& run,
                                                            const Outcome& outcome,
                                                            const std::string& reproduce);

/// What the reader must know: where costs come from, what the tier leaves out, and where there is a
/// crash the rule for the cap of the backoff. One line each.
[[nodiscard]] std::vector<std::string> notes_of(const LoadedFleet& loaded);

/// What a tier is, in a line.
[[nodiscard]] std::string_view note_of(Tier tier);

/// How far the runs of a fleet, or of its variant, in several tiers agree.
[[nodiscard]] touchstone::results::TierAgreement to_agreement(const std::string& variant,
                                                              const std::vector<TierOutcome>& runs);

/// As tables for a terminal.
[[nodiscard]] std::string text_of(const touchstone::results::ScenarioResult& result);
[[nodiscard]] std::string text_of(const touchstone::results::TierAgreement& agreement);

}  // namespace touchstone::simulator::fleet
