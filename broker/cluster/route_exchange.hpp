// RouteExchange: makes the subscriptions of this shard known to the others, and knows when they all
// know. A SUBACK waits for that, so that no message published after it can miss the subscriber.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/ports/peers.hpp"

namespace touchstone {

class RouteExchange {
public:
    RouteExchange(ShardIndex self, unsigned shard_count, Peers& peers)
        : self_{self},
          peers_{peers},
          known_up_to_(shard_count, 0) {}

    /// One more need of the route. Returns the sequence to ask is_known_everywhere() with.
    std::uint64_t acquire(std::string_view filter, std::string_view share_name);
    /// One need less; with the last one the other shards are told to forget the route.
    void release(std::string_view filter, std::string_view share_name);

    /// Whether all other shards route by the announcement with this sequence.
    [[nodiscard]] bool is_known_everywhere(std::uint64_t sequence) const;

    void on_route_added(ShardIndex from, std::uint64_t sequence);

private:
    struct Route {
        std::uint32_t needs = 0;
        std::uint64_t sequence = 0;
    };

    template <class Make>
    void send_to_others(Make make) {
        for (unsigned shard = 0; shard < known_up_to_.size(); ++shard)
            if (ShardIndex{shard} != self_) peers_.send(ShardIndex{shard}, make());
    }

    ShardIndex self_;
    Peers& peers_;
    std::uint64_t last_sequence_ = 0;
    // Answers of a shard come in the order of the announcements, so the highest one says it all.
    std::vector<std::uint64_t> known_up_to_;
    std::map<std::pair<std::string, std::string>, Route> routes_;  // (filter, share name)
};

}  // namespace touchstone
