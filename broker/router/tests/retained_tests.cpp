#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "broker/router/retained.hpp"
#include "broker/router/tests/allocated_bytes.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone {
namespace {

using Stored = RetainedMessages::Stored;

MessageRef message(std::string_view topic, std::string_view payload, Instant expires_at = never) {
    return Message::make(
        {.topic = topic, .payload = as_bytes(payload), .retain = true, .expires_at = expires_at});
}

constexpr Instant start{};

std::vector<std::string> topics(const RetainedMessages& retained, std::string_view filter,
                                Instant now = start) {
    std::vector<MessageRef> found;
    retained.collect(filter, now, found);
    std::vector<std::string> names;
    for (const auto& one : found) names.emplace_back(one->topic());
    return names;
}

RC_GTEST_PROP(retained_messages, collects_what_the_plain_rule_matches, ()) {
    RetainedMessages retained{{.count_max = 1'000}, false};
    std::map<std::string, bool> model;
    const auto level = rc::gen::element<std::string>("a", "b", "", "$s");
    for (int i = 0; i < 20; ++i) {
        std::string topic = *level;
        for (int depth = *rc::gen::inRange(0, 3); depth > 0; --depth) topic += "/" + *level;
        if (topic.empty()) continue;
        const bool removes = *rc::gen::inRange(0, 4) == 0;
        retained.store(message(topic, removes ? "" : "x"), {i + 1, 0}, start);
        if (removes)
            model.erase(topic);
        else
            model[topic] = true;
    }
    RC_ASSERT(retained.size() == model.size());
    for (const auto* const filter : {"#", "+", "a/#", "+/+", "/+", "a/+/b", "$s/#", "a", "+/#"}) {
        auto found = topics(retained, filter);
        std::sort(found.begin(), found.end());
        std::vector<std::string> expected;
        for (const auto& [topic, there] : model)
            if (wire::matches(filter, topic)) expected.push_back(topic);
        RC_ASSERT(found == expected);
    }
}

std::vector<std::string> levels_of(std::string_view topic) {
    std::vector<std::string> levels(1);
    for (const char character : topic) {
        if (character == '/')
            levels.emplace_back();
        else
            levels.back() += character;
    }
    return levels;
}

RC_GTEST_PROP(retained_messages, collects_in_the_order_of_levels_for_any_filter, ()) {
    // Bytes on both sides of the separator, one that is not ASCII, levels that begin like others.
    const auto level =
        rc::gen::element<std::string>("a", "a!", "ab", "b", "", "$s", "\x01", "\xC3\xA4");
    const auto joined = [&](std::string text) {
        for (int depth = *rc::gen::inRange(0, 4); depth > 0; --depth) text += "/" + *level;
        return text;
    };
    RetainedMessages retained{{}, false};
    std::set<std::vector<std::string>> model;
    for (int i = 0; i < 60; ++i) {
        const auto topic = joined(*level);
        if (topic.empty()) continue;
        retained.store(message(topic, "x"), {i + 1, 0}, start);
        model.insert(levels_of(topic));
    }
    const auto filter_level =
        rc::gen::element<std::string>("+", "+", "a", "ab", "b", "", "$s", "zz", "\xC3\xA4");
    for (int i = 0; i < 20; ++i) {
        std::string filter = *filter_level;
        for (int depth = *rc::gen::inRange(0, 4); depth > 0; --depth) filter += "/" + *filter_level;
        if (*rc::gen::inRange(0, 3) == 0) filter += "/#";
        if (filter.empty()) continue;
        std::vector<std::vector<std::string>> expected;
        for (const auto& levels : model) {
            auto topic = levels.front();
            for (std::size_t n = 1; n < levels.size(); ++n) topic += "/" + levels[n];
            if (wire::matches(filter, topic)) expected.push_back(levels);
        }
        std::vector<std::vector<std::string>> found;
        for (const auto& topic : topics(retained, filter)) found.push_back(levels_of(topic));
        RC_ASSERT(found == expected);
    }
}

TEST(retained_messages, a_topic_may_have_as_many_levels_as_bytes) {
    // More levels than a stack has room for, were anything done once per level.
    const std::string deep(64'000, '/');
    RetainedMessages retained{{}, true};
    retained.store(message(deep, "x"), {1, 0}, start);
    retained.store(message(deep + "b", "x"), {2, 0}, start);
    std::string all_levels;
    for (int level = 0; level < 32'000; ++level) all_levels += "+/";
    EXPECT_EQ(topics(retained, "#").size(), 2U);
    EXPECT_EQ(topics(retained, all_levels + "#").size(), 2U);
    EXPECT_EQ(topics(retained, all_levels + "+").size(), 0U);
    retained.store(message(deep, ""), {3, 0}, start);
    EXPECT_EQ(topics(retained, "#"), std::vector<std::string>{deep + "b"});
    EXPECT_EQ(retained.sweep(start + std::chrono::seconds{61}), never);
    EXPECT_EQ(retained.size(), 1U);  // goes with `retained`
}

TEST(retained_messages, storing_a_topic_again_leaves_nothing_behind) {
    RetainedMessages retained{{}, true};
    const auto store = [&](int i) {
        const auto expires_at = start + std::chrono::seconds{0xFFFF'FFFF} + Duration{i};
        retained.store(message("sensor/1/temperature", "21.5", expires_at), {i, 0}, start);
        retained.sweep(start);
    };
    store(1);
    const auto before = allocated_bytes();
    for (int i = 2; i < 100'000; ++i) store(i);
    EXPECT_LT(allocated_bytes(), before + 1'000);
}

TEST(retained_messages, removals_of_what_was_never_there_are_bounded_and_the_last_are_remembered) {
    constexpr int count = 50'000;
    constexpr int remembered = 1'000;
    RetainedMessages retained{{.count_max = 10}, true};
    const auto topic = [](int i) { return "gone/" + std::to_string(i); };
    const auto before = allocated_bytes();
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(retained.store(message(topic(i), ""), {100 + i, 0}, start), Stored::yes);
    EXPECT_LT(allocated_bytes(), before + 1'000'000);
    EXPECT_EQ(retained.size(), 0U);
    for (int i = count - remembered; i < count; ++i)
        EXPECT_EQ(retained.store(message(topic(i), "late"), {99, 0}, start), Stored::older);
    EXPECT_EQ(retained.store(message(topic(0), "new"), {1, 0}, start), Stored::yes);
}

TEST(retained_messages, removals_are_bounded_in_bytes_too) {
    RetainedMessages retained{{.bytes_max = 100}, true};
    const auto topic = [](int i) { return std::to_string(i) + std::string(60'000, 't'); };
    const auto before = allocated_bytes();
    for (int i = 0; i < 200; ++i) retained.store(message(topic(i), ""), {100 + i, 0}, start);
    EXPECT_LT(allocated_bytes(), before + 2'000'000);
    EXPECT_EQ(retained.store(message(topic(199), "late"), {99, 0}, start), Stored::older);
    EXPECT_EQ(retained.store(message("t", ""), {300, 0}, start), Stored::yes);
    EXPECT_EQ(retained.store(message(topic(199), "late"), {99, 0}, start), Stored::older);
}

TEST(retained_messages, messages_and_removals_do_not_take_each_others_room) {
    RetainedMessages retained{{.count_max = 1}, true};
    retained.store(message("a", "x"), {1, 0}, start);
    retained.store(message("a", ""), {3, 0}, start);
    EXPECT_EQ(retained.store(message("b", "x"), {4, 0}, start), Stored::yes);
    EXPECT_EQ(retained.store(message("b", ""), {5, 0}, start), Stored::yes);
    // Whatever was stored since, a removal holds against what was published before it.
    EXPECT_EQ(retained.store(message("a", "late"), {2, 0}, start), Stored::older);
    EXPECT_EQ(retained.store(message("a", "new"), {6, 0}, start), Stored::yes);
    EXPECT_EQ(retained.size(), 1U);
    EXPECT_EQ(retained.size_bytes(), retained.find("a", start)->size_bytes());
}

TEST(retained_messages, what_replaces_another_has_its_own_expiry) {
    RetainedMessages retained{{}, false};
    const auto at = [](int seconds) { return start + std::chrono::seconds{seconds}; };
    retained.store(message("t", "x", at(5)), {1, 0}, start);
    retained.store(message("t", "x", at(9)), {2, 0}, start);
    EXPECT_EQ(retained.sweep(start), at(9));
    EXPECT_EQ(retained.sweep(at(5)), at(9));
    EXPECT_TRUE(retained.find("t", at(5)));
    retained.store(message("t", "x"), {3, 0}, at(5));
    EXPECT_EQ(retained.sweep(at(9)), never);
    EXPECT_TRUE(retained.find("t", at(9)));
}

TEST(retained_messages, the_later_version_wins_in_whatever_order_they_come) {
    for (const bool swapped : {false, true}) {
        RetainedMessages retained{{.count_max = 10}, true};
        const auto early = [&] { return retained.store(message("t", "old"), {5, 1}, start); };
        const auto late = [&] { return retained.store(message("t", "new"), {5, 2}, start); };
        EXPECT_EQ(swapped ? late() : early(), Stored::yes);
        EXPECT_EQ(swapped ? early() : late(), swapped ? Stored::older : Stored::yes);
        EXPECT_EQ(as_text(retained.find("t", start)->payload()), "new");
    }
}

TEST(retained_messages, an_older_message_does_not_come_back_after_a_removal) {
    RetainedMessages retained{{.count_max = 10}, true};
    retained.store(message("t", "x"), {1, 0}, start);
    retained.store(message("t", ""), {3, 0}, start);
    EXPECT_EQ(retained.store(message("t", "late"), {2, 1}, start), Stored::older);
    EXPECT_FALSE(retained.find("t", start));
    EXPECT_EQ(retained.size(), 0U);
    // The memory of the removal goes, too.
    EXPECT_EQ(retained.sweep(start + std::chrono::seconds{61}), never);
    EXPECT_EQ(retained.store(message("t", "new"), {1, 0}, start), Stored::yes);
}

TEST(retained_messages, expire) {
    RetainedMessages retained{{.count_max = 10}, false};
    const auto end = start + std::chrono::seconds{5};
    retained.store(message("t", "x", end), {1, 0}, start);
    EXPECT_EQ(retained.sweep(start), end);
    EXPECT_EQ(topics(retained, "#", end - Duration{1}).size(), 1U);
    EXPECT_EQ(topics(retained, "#", end).size(), 0U);
    EXPECT_EQ(retained.sweep(end), never);
    EXPECT_EQ(retained.size(), 0U);
}

TEST(retained_messages, are_bounded_and_replacing_one_needs_no_room) {
    RetainedMessages retained{{.count_max = 1}, false};
    EXPECT_EQ(retained.store(message("a", "x"), {1, 0}, start), Stored::yes);
    EXPECT_EQ(retained.store(message("b", "x"), {2, 0}, start), Stored::full);
    EXPECT_EQ(retained.store(message("a", "y"), {3, 0}, start), Stored::yes);
    EXPECT_EQ(retained.store(message("a", ""), {4, 0}, start), Stored::yes);
    EXPECT_EQ(retained.store(message("b", "x"), {5, 0}, start), Stored::yes);
}

}  // namespace
}  // namespace touchstone
