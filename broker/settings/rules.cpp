#include "broker/settings/rules.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/settings/scram.hpp"

namespace touchstone::settings {

namespace {

/// The place of the element with that name; a new one at the end when there is none.
template <class Named>
std::size_t place_of(std::vector<Named>& all, std::string_view name) {
    const auto found = std::ranges::find(all, name, &Named::name);
    if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
    all.emplace_back().name = name;
    return all.size() - 1;
}

}  // namespace

std::shared_ptr<const access::NodeRules> rules_of(const NodeSettings& settings,
                                                  const access::NodeRules* before,
                                                  Moment moment) {
    auto rules = std::make_shared<access::NodeRules>();
    if (before != nullptr) {
        rules->zones = before->zones;
        rules->listeners = before->listeners;
    }
    rules->policy = settings.policy;
    for (const auto& [name, zone] : settings.zones)
        rules->zones[place_of(rules->zones, name)] = zone;
    for (const auto& listener : settings.listeners) {
        auto& entry = rules->listeners[place_of(rules->listeners, listener.to_text())];
        const auto zone = place_of(rules->zones, listener.zone);
        entry.zone = access::ZoneIndex{static_cast<std::uint16_t>(zone)};
        entry.mountpoint = listener.mountpoint;
        entry.port = listener.address.port;
    }
    rules->access_rules = settings.access_rules;
    if (!add_bans(settings.bans, moment.now, moment.unix_s, rules->bans))
        UNREACHABLE();  // load() reads fewer than fit
    rules->has_credentials = settings.passwords != nullptr || settings.client_ids != nullptr;
    if (settings.passwords != nullptr && settings.passwords->has_scram())
        rules->authentication_method = scram_method;
    return rules;
}

access::ListenerIndex index_of(const access::NodeRules& rules, const Listener& listener) {
    const auto found =
        std::ranges::find(rules.listeners, listener.to_text(), &access::ListenerRules::name);
    CHECK(found != rules.listeners.end());
    return access::ListenerIndex{static_cast<std::uint16_t>(found - rules.listeners.begin())};
}

}  // namespace touchstone::settings
