#include <gtest/gtest.h>

#include "broker/cluster/route_exchange.hpp"

namespace touchstone {
namespace {

struct Sent final : Peers {
    void send(ShardIndex to, PeerMessage message) override {
        sent.emplace_back(to.raw(), std::move(message));
    }
    std::vector<std::pair<unsigned, PeerMessage>> sent;
};

TEST(route_exchange, announces_a_route_once_and_takes_it_back_with_the_last_need) {
    Sent peers;
    RouteExchange exchange{ShardIndex{1}, 3, peers};
    const auto sequence = exchange.acquire("a/#", "");
    EXPECT_EQ(exchange.acquire("a/#", ""), sequence);
    ASSERT_EQ(peers.sent.size(), 2U);
    EXPECT_EQ(peers.sent[0].first, 0U);
    EXPECT_EQ(peers.sent[1].first, 2U);
    EXPECT_EQ(std::get<PeerAddRoute>(peers.sent[0].second).filter, "a/#");
    exchange.release("a/#", "");
    EXPECT_EQ(peers.sent.size(), 2U);
    exchange.release("a/#", "");
    ASSERT_EQ(peers.sent.size(), 4U);
    EXPECT_EQ(std::get<PeerRemoveRoute>(peers.sent[3].second).filter, "a/#");
    EXPECT_GT(exchange.acquire("a/#", ""), sequence) << "a new announcement, a new answer";
}

TEST(route_exchange, a_route_is_known_when_all_others_have_said_so) {
    Sent peers;
    RouteExchange exchange{ShardIndex{1}, 3, peers};
    const auto first = exchange.acquire("a", "");
    const auto second = exchange.acquire("a", "group");
    EXPECT_FALSE(exchange.is_known_everywhere(first));
    exchange.on_route_added(ShardIndex{0}, second);
    EXPECT_FALSE(exchange.is_known_everywhere(first));
    exchange.on_route_added(ShardIndex{2}, first);
    EXPECT_TRUE(exchange.is_known_everywhere(first));
    EXPECT_FALSE(exchange.is_known_everywhere(second));
    exchange.on_route_added(ShardIndex{2}, second);
    EXPECT_TRUE(exchange.is_known_everywhere(second));
}

}  // namespace
}  // namespace touchstone
