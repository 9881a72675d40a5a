// Between what the suite knows about a broker and the file that its operator keeps.
#pragma once

#include <string>
#include <vector>

#include "conformance/broker.pb.h"
#include "conformance/suite/needs.hpp"

namespace touchstone::conformance {

[[nodiscard]] Limits to_limits(const Capabilities& capabilities);

/// The standard's defaults with what `limits` says in their place.
[[nodiscard]] Capabilities to_capabilities(const Limits& limits);

/// Where the file says something else than the CONNACK: one line each. Empty for a broker that does
/// not speak 5.0.
[[nodiscard]] std::vector<std::string> contradictions(const Limits& declared,
                                                      const Capabilities& announced);

}  // namespace touchstone::conformance
