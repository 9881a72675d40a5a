#include "simulator/comparison/policies.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

namespace touchstone::simulator::comparison {

namespace {

Policy allowing(bool registering, bool publishing, bool subscribing) {
    scenario::Allowed allowed;
    allowed.set_registering(registering);
    allowed.set_publishing(publishing);
    allowed.set_subscribing(subscribing);
    std::vector<std::string_view> words;
    if (registering) words.push_back("register");
    if (publishing) words.push_back("publish");
    if (subscribing) words.push_back("subscribe");
    const auto is_nothing = words.empty();
    return {.name = is_nothing ? "allow nothing" : fmt::format("allow {}", fmt::join(words, "+")),
            .description = is_nothing ? "while a member is down clients may do nothing"
                                      : fmt::format("while a member is down clients may {}",
                                                    fmt::join(words, " and ")),
            .allowed = allowed};
}

}  // namespace

std::vector<Policy> policies_of(const cluster::ModelRules& model) {
    std::vector<Policy> policies;
    if (model.has_database) {
        for (const auto& one : cluster::all_healing())
            policies.push_back({.name = std::string{one.name},
                                .description = std::string{one.description},
                                .is_own = one.policy == model.healing,
                                .healing = std::string{one.name},
                                .allowed = {}});
    }
    if (model.needs_all_members) {
        for (const bool registering : {false, true}) {
            for (const bool publishing : {false, true}) {
                for (const bool subscribing : {false, true}) {
                    auto policy = allowing(registering, publishing, subscribing);
                    policy.is_own = registering == model.may_register &&
                                    publishing == model.may_publish &&
                                    subscribing == model.may_subscribe;
                    policies.push_back(std::move(policy));
                }
            }
        }
    }
    return policies;
}

void apply(const Policy& policy, scenario::Cluster& cluster) {
    if (!policy.healing.empty()) cluster.set_healing(policy.healing);
    if (policy.allowed) *cluster.mutable_allowed() = *policy.allowed;
}

}  // namespace touchstone::simulator::comparison
