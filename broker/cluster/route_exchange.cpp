#include "broker/cluster/route_exchange.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone {

std::uint64_t RouteExchange::acquire(std::string_view filter, std::string_view share_name) {
    auto& route = routes_[{std::string{filter}, std::string{share_name}}];
    if (route.needs++ == 0) {
        route.sequence = ++last_sequence_;
        send_to_others([&] {
            return PeerAddRoute{std::string{filter}, std::string{share_name}, route.sequence};
        });
    }
    return route.sequence;
}

void RouteExchange::release(std::string_view filter, std::string_view share_name) {
    const auto found = routes_.find({std::string{filter}, std::string{share_name}});
    CHECK(found != routes_.end());
    if (--found->second.needs != 0) return;
    routes_.erase(found);
    send_to_others([&] { return PeerRemoveRoute{std::string{filter}, std::string{share_name}}; });
}

bool RouteExchange::is_known_everywhere(std::uint64_t sequence) const {
    for (unsigned shard = 0; shard < known_up_to_.size(); ++shard)
        if (ShardIndex{shard} != self_ && known_up_to_[shard] < sequence) return false;
    return true;
}

void RouteExchange::on_route_added(ShardIndex from, std::uint64_t sequence) {
    known_up_to_[from.raw()] = std::max(known_up_to_[from.raw()], sequence);
}

}  // namespace touchstone
