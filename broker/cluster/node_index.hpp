// NodeIndex: one node of a cluster, by its place in the list that all nodes share.
#pragma once

#include <cstdint>

#include "broker/base/strong.hpp"

namespace touchstone::cluster {

using NodeIndex = Strong<struct NodeIndexTag, std::uint32_t>;

}  // namespace touchstone::cluster
