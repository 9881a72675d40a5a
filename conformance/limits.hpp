// Between what the suite knows about a broker and the file that its operator keeps.
#pragma once

#include <string>
#include <vector>

#include "conformance/broker.pb.h"
#include "conformance/suite/needs.hpp"
#include "reports/results.pb.h"

namespace touchstone::conformance {

[[nodiscard]] Limits to_limits(const Capabilities& capabilities);

/// The standard's defaults with what `limits` says in their place.
[[nodiscard]] Capabilities to_capabilities(const Limits& limits);

/// Where the file says something else than the CONNACK: one line each. Empty for a broker that does
/// not speak 5.0.
[[nodiscard]] std::vector<std::string> contradictions(const Limits& declared,
                                                      const Capabilities& announced);

/// What the file says and no packet does, into the facts of `run`.
void add_declared_facts(const Broker& broker, results::Run& run);

}  // namespace touchstone::conformance
