#include <gtest/gtest.h>

#include <deque>

#include "broker/router/router.hpp"

namespace touchstone {
namespace {

FilterName name_of(std::string_view text) {
    return *FilterName::parse(text, true);
}

std::vector<SubscriberBase*> receivers_of(Router& router, std::string_view topic) {
    Receivers receivers;
    router.match(topic, nullptr, receivers);
    std::vector<SubscriberBase*> who;
    for (const auto& receiver : receivers.list) who.push_back(receiver.who);
    return who;
}

TEST(router, takes_a_shared_subscription_apart_only_where_it_means_one) {
    const auto shared = FilterName::parse("$share/group//a", true);
    ASSERT_TRUE(shared.has_value());
    EXPECT_EQ(shared->share_name, "group");
    EXPECT_EQ(shared->filter, "/a");
    const auto plain = FilterName::parse("$share/group//a", false);
    ASSERT_TRUE(plain.has_value());
    EXPECT_EQ(plain->share_name, "");
    EXPECT_EQ(plain->filter, "$share/group//a");
    for (const auto* const wrong : {"$share/group", "$share//a", "$share/g+/a", "$share/g/", "a#"})
        EXPECT_FALSE(FilterName::parse(wrong, true).has_value()) << wrong;
}

TEST(router, keeps_lists_and_sessions_in_step_while_many_join_and_leave) {
    Router router{{}};
    std::deque<SubscriberBase> sessions(20);
    const std::vector<std::string> filters{"a", "b", "a/+", "$share/g/a", "$share/h/a", "#"};
    const auto sum = [&] {
        std::size_t count = 0;
        for (const auto& session : sessions) count += session.subscriptions.size();
        return count;
    };
    for (auto& session : sessions)
        for (const auto& filter : filters)
            EXPECT_EQ(router.subscribe(session, name_of(filter), {}, 0),
                      Router::Subscribed::new_subscription);
    EXPECT_EQ(router.subscribe(sessions[3], name_of("b"), {}, 9), Router::Subscribed::replaced);
    EXPECT_EQ(router.subscription_count(), sum());
    // In an order that has nothing to do with the order of joining.
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        auto& session = sessions[i * 7 % sessions.size()];
        for (std::size_t j = 0; j < filters.size(); ++j) {
            const auto& filter = filters[(i + j * 5) % filters.size()];
            EXPECT_TRUE(router.unsubscribe(session, name_of(filter)));
            EXPECT_FALSE(router.unsubscribe(session, name_of(filter)));
            EXPECT_EQ(router.subscription_count(), sum());
        }
        EXPECT_TRUE(session.subscriptions.empty());
    }
    EXPECT_TRUE(receivers_of(router, "a").empty());
    for (const auto& filter : filters) EXPECT_FALSE(router.has(name_of(filter)));
}

TEST(router, members_of_a_group_take_turns_and_those_who_cannot_are_passed_over) {
    Router router{{}};
    std::deque<SubscriberBase> sessions(3);
    for (auto& session : sessions) router.subscribe(session, name_of("$share/g/t"), {}, 0);
    EXPECT_TRUE(receivers_of(router, "t").empty()) << "no ordinary subscription";
    std::vector<SharedSubscription*> groups;
    router.match_groups("t", groups);
    ASSERT_EQ(groups.size(), 1U);
    const auto all = [](const SubscriberBase&) { return true; };
    for (int round = 0; round < 2; ++round)
        for (auto& session : sessions)
            EXPECT_EQ(Router::next_member(*groups[0], all)->who, &session);
    const auto not_first = [&](const SubscriberBase& who) { return &who != &sessions[0]; };
    EXPECT_EQ(Router::next_member(*groups[0], not_first)->who, &sessions[1]);
    EXPECT_EQ(Router::next_member(*groups[0], not_first)->who, &sessions[2]);
    EXPECT_EQ(Router::next_member(*groups[0], not_first)->who, &sessions[1]);
    EXPECT_EQ(Router::next_member(*groups[0], [](const SubscriberBase&) { return false; }), nullptr);
    EXPECT_EQ(Router::next_member(*groups[0], all)->who, &sessions[2]) << "the turn stayed";
}

TEST(router, knows_which_other_shards_want_a_topic) {
    Router router{{.self = ShardIndex{1}, .shard_count = 4}};
    router.add_route(ShardIndex{0}, "a/+", "");
    router.add_route(ShardIndex{2}, "a/b", "");
    router.add_route(ShardIndex{3}, "a/b", "g");
    std::vector<GroupRoute*> groups;
    EXPECT_EQ(router.match_routes("a/b", groups), 0b101U);
    ASSERT_EQ(groups.size(), 1U);
    EXPECT_EQ(groups[0]->text, "$share/g/a/b");
    EXPECT_EQ(groups[0]->shards, 0b1000U);
    router.remove_route(ShardIndex{3}, "a/b", "g");
    router.remove_route(ShardIndex{0}, "a/+", "");
    groups.clear();
    EXPECT_EQ(router.match_routes("a/b", groups), 0b100U);
    EXPECT_TRUE(groups.empty());
}

}  // namespace
}  // namespace touchstone
