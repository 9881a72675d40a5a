#include "broker/access/node_rules.hpp"

namespace touchstone::access {

std::shared_ptr<const NodeRules> open_rules(const Settings& settings) {
    auto rules = std::make_shared<NodeRules>();
    rules->policy.node_name = "touchstone@127.0.0.1";
    rules->policy.limits.retained_messages_max = settings.retained_messages_max;
    auto& zone = rules->zones.emplace_back();
    zone.name = "open";
    zone.settings = settings;
    zone.policy.has_access_rules = false;
    zone.policy.has_bans = false;
    rules->listeners.push_back({.name = "open", .zone = ZoneIndex{0}});
    return rules;
}

}  // namespace touchstone::access
