// What of a scenario can be run on a broker that is not ours, and how: the same steps, with names
// that no other run uses. What looks into a node, or does something to it, is refused or left out
// by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/base/mqtt.hpp"
#include "simulator/scenario.pb.h"
#include "simulator/trace.hpp"

namespace touchstone::simulator::live {

struct LiveScenario {
    /// With the prefix before every Topic Name and Topic Filter, and without what is left out.
    /// Client Identifiers are RunOptions::client_id_prefix's.
    scenario::Scenario scenario;
    /// Why it would mean nothing on such a broker. The rest counts only when there are none.
    std::vector<std::string> refusals;
    /// Settings of its node: "inflight_max: 2".
    std::vector<std::string> demands;
    /// What is not done, or not judged, with the reason.
    std::vector<std::string> left_out;
};

/// `defects`: as on the command line, beside the scenario's own.
[[nodiscard]] LiveScenario make_live(const scenario::Scenario& scenario,
                                     const std::vector<std::string>& defects,
                                     std::string_view prefix);

/// The packets in `bytes` with the prefix in their names: Topic Names and Topic Filters as
/// with_prefix(), Client Identifiers with `PREFIX-`. What is no CONNECT, PUBLISH or SUBSCRIBE, and
/// above all what is malformed, stays what it is. `version` becomes that of a CONNECT.
[[nodiscard]] Buffer packets_with_prefix(std::string_view prefix, Bytes bytes,
                                         ProtocolVersion& version);

/// The name of a topic or filter with the prefix as its first level. What begins with `$` means
/// something to the broker and keeps its name; of a Shared Subscription the filter gets the prefix.
[[nodiscard]] std::string with_prefix(std::string_view prefix, const std::string& name);

/// What checkers may take for granted: the settings that the scenario gives its node, when
/// `is_configured` says that the broker has them; else nothing that the standard leaves open.
[[nodiscard]] TracedNode promises_of(const scenario::Scenario& scenario, bool is_configured);

}  // namespace touchstone::simulator::live
