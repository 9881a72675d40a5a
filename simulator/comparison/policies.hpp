// What an operator can choose for a model of a cluster: how it heals, or what clients may do while
// a member is down.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/cluster/model.hpp"
#include "simulator/scenario.pb.h"

namespace touchstone::simulator::comparison {

struct Policy {
    std::string name;
    std::string description;  // one line
    bool is_own = false;      // what the model has anyway
    std::string healing;      // scenario::Cluster::healing; empty: the model's
    std::optional<scenario::Allowed> allowed;
};

/// Of models with a database: all ways to heal. Of those that need all members: all that may be
/// allowed nevertheless. Of others none.
[[nodiscard]] std::vector<Policy> policies_of(const cluster::ModelRules& model);

void apply(const Policy& policy, scenario::Cluster& cluster);

}  // namespace touchstone::simulator::comparison
