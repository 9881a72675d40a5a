// From what a scenario's file says to what the world understands: units, defaults, names.
#pragma once

#include <memory>

#include <optional>

#include "simulator/checkers/checkers.hpp"
#include "simulator/scenario.pb.h"
#include "simulator/world.hpp"

namespace touchstone::simulator {

[[nodiscard]] NodeOptions node_options(const scenario::Node& node);
/// With the operator's part of `given`, whose access rules are valid.
[[nodiscard]] std::shared_ptr<const access::NodeRules> rules_of(const scenario::Node& node,
                                                                const Settings& settings);
[[nodiscard]] ClientOptions client_options(const scenario::Client& client);
[[nodiscard]] Clock clock_of(const scenario::Clock& clock);
[[nodiscard]] LinkModel link_model(const scenario::Link& link);
/// What it is called; default: "broker".
[[nodiscard]] std::string node_name(const scenario::Node& node);
/// What is left out is the model's, or the mesh's default.
/// The rules of its model, which is known, with what the scenario says.
[[nodiscard]] cluster::ModelRules cluster_rules(const scenario::Cluster& cluster);
[[nodiscard]] MeshOptions mesh_options(const scenario::Cluster& cluster,
                                       const cluster::ModelRules& rules);
/// Of a scenario whose model, if it has a cluster, may be unknown.
[[nodiscard]] JudgedAs judged_as(const scenario::Scenario& scenario);
[[nodiscard]] DiskFault disk_fault(const scenario::DiskFault& fault);
[[nodiscard]] AckPolicy ack_policy(const scenario::Acknowledgements& policy);
[[nodiscard]] Publication publication(const scenario::Publication& publication);
[[nodiscard]] Wish wish(const scenario::Subscription& subscription);
/// Of Raw::hex, which is well-formed.
[[nodiscard]] Buffer bytes_of_hex(std::string_view hex);
[[nodiscard]] Directions directions(scenario::LinkDirection direction);

[[nodiscard]] inline Duration milliseconds(std::uint64_t count) {
    return std::chrono::milliseconds{static_cast<std::int64_t>(count)};
}

}  // namespace touchstone::simulator
