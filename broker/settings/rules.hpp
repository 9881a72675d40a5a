// rules_of(): what of an operator's settings the core obeys, in the form it takes (NodeRules).
#pragma once

#include <cstdint>
#include <memory>

#include "broker/access/node_rules.hpp"
#include "broker/settings/node_settings.hpp"

namespace touchstone::settings {

/// The same moment on the driver's clock and in seconds since 1970-01-01T00:00:00Z.
struct Moment {
    Instant now{};
    std::int64_t unix_s = 0;
};

/// `before`: the rules in force, or null at the start. Zones and listeners that were there keep their
/// places; those that are no longer set keep their rules, because sessions may still refer to them.
[[nodiscard]] std::shared_ptr<const access::NodeRules> rules_of(const NodeSettings& settings,
                                                                const access::NodeRules* before,
                                                                Moment moment);

/// The place of a listener of `settings` in the rules made from them.
[[nodiscard]] access::ListenerIndex index_of(const access::NodeRules& rules,
                                             const Listener& listener);

}  // namespace touchstone::settings
