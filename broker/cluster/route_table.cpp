#include "broker/cluster/route_table.hpp"

#include "broker/wire/topics.hpp"

namespace touchstone::cluster {

RouteTable::Rows& RouteTable::rows_of(const RouteKey& key) {
    return wire::has_wildcard(key.filter) ? wildcard_ : plain_;
}

void RouteTable::set(const RouteKey& key, NodeIndex node, Route route) {
    rows_of(key)[key][node] = route;
}

void RouteTable::remove(const RouteKey& key, NodeIndex node) {
    auto& rows = rows_of(key);
    const auto found = rows.find(key);
    if (found == rows.end()) return;
    found->second.erase(node);
    if (found->second.empty()) rows.erase(found);
}

void RouteTable::clear() {
    plain_.clear();
    wildcard_.clear();
}

const RouteTable::Nodes* RouteTable::find(const RouteKey& key) const {
    const auto& rows = wire::has_wildcard(key.filter) ? wildcard_ : plain_;
    const auto found = rows.find(key);
    return found == rows.end() ? nullptr : &found->second;
}

std::vector<RouteKey> RouteTable::keys_of(NodeIndex node) const {
    std::vector<RouteKey> keys;
    for_each([&](const RouteKey& key, const Nodes& nodes) {
        if (nodes.contains(node)) keys.push_back(key);
    });
    return keys;
}

bool RouteTable::is_match(const RouteKey& key, std::string_view topic) {
    return wire::matches(key.filter, topic);
}

}  // namespace touchstone::cluster
