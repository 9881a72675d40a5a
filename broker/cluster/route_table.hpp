// RouteTable: which nodes have subscriptions to which Topic Filters. Looked through with the rule
// in its plainest form (wire::matches): it is as long as a cluster has different filters with
// wildcards.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/cluster/node_index.hpp"

namespace touchstone::cluster {

struct RouteKey {
    std::string filter;
    std::string share_name;  // empty: ordinary subscriptions
    friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
};

/// What one node has.
struct Route {
    std::uint32_t members = 1;  // sessions, of a Shared Subscription
    bool has_durable = false;   // one of them outlives its node's process
    friend bool operator==(const Route&, const Route&) = default;
};

class RouteTable {
public:
    using Nodes = std::map<NodeIndex, Route>;
    using Rows = std::map<RouteKey, Nodes>;

    void set(const RouteKey& key, NodeIndex node, Route route);
    void remove(const RouteKey& key, NodeIndex node);
    void clear();

    /// Null when nobody has a subscription to it.
    [[nodiscard]] const Nodes* find(const RouteKey& key) const;
    /// In ascending order.
    [[nodiscard]] std::vector<RouteKey> keys_of(NodeIndex node) const;
    /// `act(const RouteKey&, const Nodes&)` for every filter that matches, in ascending order of
    /// those without wildcards, then of the others.
    template <class Act>
    void for_each_match(std::string_view topic, Act act) const {
        for (auto row = plain_.lower_bound({std::string{topic}, {}});
             row != plain_.end() && row->first.filter == topic; ++row)
            act(row->first, row->second);
        for (const auto& [key, nodes] : wildcard_)
            if (is_match(key, topic)) act(key, nodes);
    }
    /// `act(const RouteKey&, const Nodes&)` for all.
    template <class Act>
    void for_each(Act act) const {
        for (const auto& [key, nodes] : plain_) act(key, nodes);
        for (const auto& [key, nodes] : wildcard_) act(key, nodes);
    }

private:
    [[nodiscard]] static bool is_match(const RouteKey& key, std::string_view topic);
    [[nodiscard]] Rows& rows_of(const RouteKey& key);

    Rows plain_;  // filters without wildcards
    Rows wildcard_;
};

}  // namespace touchstone::cluster
