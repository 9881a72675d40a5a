// The router against the plainest model there is: a table of subscriptions, each compared with each
// topic.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "broker/router/router.hpp"

namespace touchstone {
namespace {

struct Subscription {
    wire::SubscriptionOptions options;
    std::uint32_t identifier = 0;
};
constexpr std::size_t session_count = 5;
using Model = std::array<std::map<std::string, Subscription>, session_count>;

/// What a session gets: QoS, Retain As Published, Subscription Identifiers.
using Received = std::tuple<QoS, bool, std::multiset<std::uint32_t>>;

rc::Gen<std::string> text_of(std::vector<std::string> words) {
    return rc::gen::map(
        rc::gen::nonEmpty(rc::gen::resize(
            4, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::move(words))))),
        [](const std::vector<std::string>& levels) {
            std::string text = levels.front();
            for (std::size_t i = 1; i < levels.size(); ++i) text += "/" + levels[i];
            return text;
        });
}

std::map<std::size_t, Received> expected(const Model& model, std::string_view topic,
                                         std::size_t publisher) {
    std::map<std::size_t, Received> all;
    for (std::size_t who = 0; who < session_count; ++who) {
        for (const auto& [text, subscription] : model[who]) {
            const auto name = *FilterName::parse(text, true);
            if (!name.share_name.empty() || !wire::matches(name.filter, topic)) continue;
            if (subscription.options.no_local && who == publisher) continue;
            auto& [qos, retain_as_published, identifiers] = all[who];
            qos = std::max(qos, subscription.options.qos);
            retain_as_published |= subscription.options.retain_as_published;
            if (subscription.identifier != 0) identifiers.insert(subscription.identifier);
        }
    }
    return all;
}

std::map<std::size_t, Received> matched(Router& router,
                                        const std::array<SubscriberBase, session_count>& sessions,
                                        std::string_view topic, std::size_t publisher) {
    Receivers receivers;
    router.match(topic, &sessions[publisher], receivers);
    std::map<std::size_t, Received> all;
    for (std::uint32_t place = 0; place < receivers.list.size(); ++place) {
        const auto& receiver = receivers.list[place];
        std::multiset<std::uint32_t> identifiers;
        if (receiver.identifier != 0) identifiers.insert(receiver.identifier);
        for (const auto& [of, identifier] : receivers.more_identifiers)
            if (of == place) identifiers.insert(identifier);
        RC_ASSERT(receiver.has_more_identifiers == (identifiers.size() > 1));
        const auto who = static_cast<std::size_t>(static_cast<const SubscriberBase*>(receiver.who) -
                                                  sessions.data());
        RC_ASSERT(!all.contains(who));
        all[who] = {receiver.qos, receiver.retain_as_published, identifiers};
    }
    return all;
}

RC_GTEST_PROP(router, sends_to_whom_the_plainest_model_sends, ()) {
    Router router{{.hash_seed = 5}};
    std::array<SubscriberBase, session_count> sessions;
    Model model;
    const auto filter = text_of({"a", "b", "+", "#", "$s"});
    const auto step_count = *rc::gen::inRange(0, 80);
    for (int step = 0; step < step_count; ++step) {
        auto text = *filter;
        if (*rc::gen::inRange(0, 4) == 0)
            text.insert(0, "$share/" + *rc::gen::element<std::string>("g", "h") + "/");
        const auto name = FilterName::parse(text, true);
        if (!name) continue;
        const auto who = *rc::gen::inRange<std::size_t>(0, session_count);
        const bool was_there = model[who].contains(text);
        RC_ASSERT(router.is_subscribed(sessions[who], *name) == was_there);
        if (*rc::gen::inRange(0, 3) == 0) {
            RC_ASSERT(router.unsubscribe(sessions[who], *name) == was_there);
            model[who].erase(text);
            continue;
        }
        const Subscription made{
            .options = {.qos = *rc::gen::element(QoS::at_most_once, QoS::at_least_once,
                                                 QoS::exactly_once),
                        .no_local = name->share_name.empty() && *rc::gen::arbitrary<bool>(),
                        .retain_as_published = *rc::gen::arbitrary<bool>()},
            .identifier = *rc::gen::element(0U, 1U, 268'435'455U)};
        RC_ASSERT(
            router.subscribe(sessions[who], *name, made.options, made.identifier) ==
            (was_there ? Router::Subscribed::replaced : Router::Subscribed::new_subscription));
        model[who][text] = made;
    }

    std::size_t count = 0;
    std::map<std::string, std::set<std::size_t>> groups;
    for (std::size_t who = 0; who < session_count; ++who) {
        count += model[who].size();
        std::set<std::string> texts;
        for (const auto record : sessions[who].subscriptions) {
            const std::string text{router.text_of(record)};
            RC_ASSERT(texts.insert(text).second && model[who].contains(text));
            RC_ASSERT(Router::is_shared(record) == text.starts_with("$share/"));
            if (Router::is_shared(record)) groups[text].insert(who);
        }
        RC_ASSERT(texts.size() == model[who].size());
    }
    RC_ASSERT(router.subscription_count() == count);

    const auto topics = *rc::gen::container<std::vector<std::string>>(text_of({"a", "b", "$s"}));
    for (const auto& topic : topics) {
        const auto publisher = *rc::gen::inRange<std::size_t>(0, session_count);
        RC_ASSERT(matched(router, sessions, topic, publisher) == expected(model, topic, publisher));
        std::vector<SharedSubscription*> found;
        router.match_groups(topic, found);
        std::set<std::string> texts;
        for (const auto* const group : found) {
            RC_ASSERT(texts.insert(group->text).second);
            std::set<std::size_t> members;
            for (const auto& member : group->members())
                members.insert(static_cast<std::size_t>(
                    static_cast<const SubscriberBase*>(member.who) - sessions.data()));
            RC_ASSERT(members == groups[group->text]);
        }
        for (const auto& [text, members] : groups)
            RC_ASSERT(texts.contains(text) ==
                      wire::matches(FilterName::parse(text, true)->filter, topic));
    }

    for (auto& session : sessions) {
        while (!session.subscriptions.empty()) {
            const auto record = session.subscriptions.back();
            RC_ASSERT(router.unsubscribe(
                session, *FilterName::parse(router.text_of(record), Router::is_shared(record))));
        }
    }
    RC_ASSERT(router.subscription_count() == 0U);
    RC_ASSERT(router.reserved_bytes() <= 3U * 70'000U);
}

TEST(router, a_list_of_many_members_shrinks_with_them_and_a_session_forgets_its_records) {
    Router router{{}};
    const auto name = *FilterName::parse("t", true);
    std::vector<SubscriberBase> sessions(1'000);
    for (auto& session : sessions) router.subscribe(session, name, {}, 0);
    for (std::size_t i = sessions.size(); i-- > 1;) {
        EXPECT_TRUE(router.unsubscribe(sessions[i * 7 % sessions.size()], name));
        Receivers receivers;
        router.match("t", nullptr, receivers);
        EXPECT_EQ(receivers.list.size(), i);
    }
    auto& last = sessions[0];
    for (int i = 0; i < 10'000; ++i) {
        const auto text = "x/" + std::to_string(i);
        router.subscribe(last, *FilterName::parse(text, true), {}, 0);
    }
    for (int i = 0; i < 10'000; ++i) {
        const auto text = "x/" + std::to_string(i);
        EXPECT_TRUE(router.unsubscribe(last, *FilterName::parse(text, true)));
    }
    EXPECT_LE(last.subscriptions.capacity(), 16U);
    EXPECT_EQ(router.subscription_count(), 1U);
}

}  // namespace
}  // namespace touchstone
