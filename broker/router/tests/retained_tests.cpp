#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "broker/router/retained.hpp"
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
