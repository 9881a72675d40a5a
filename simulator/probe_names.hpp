// What the clients of a cluster's probe are called: names that no scenario can give.
#pragma once

#include <string_view>

namespace touchstone::simulator {

/// Of those that stay; the name of the node follows.
inline constexpr std::string_view probe_prefix = "probe of ";
/// Of the one that goes from node to node.
inline constexpr std::string_view roaming_probe = "roaming probe";

}  // namespace touchstone::simulator
