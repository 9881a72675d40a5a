#include "broker/wire/topics.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace touchstone::wire {
namespace {

TEST(topic_filter, may_hold_wildcards_as_whole_levels_and_the_number_sign_last) {
    for (const std::string_view filter : {"#", "+", "/", "a/#", "+/a/#", "/+", "a/+/c", "+/+", "a",
                                          "a/", "a//b", " ", "$SYS/#", "+/", "/#", "$share/a"}) {
        EXPECT_TRUE(is_topic_filter(filter)) << filter;
    }
    for (const std::string_view filter :
         {"", "a#", "a/b#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "##", "++", "#/", "#+", "a/#b"}) {
        EXPECT_FALSE(is_topic_filter(filter)) << filter;
    }
    EXPECT_TRUE(is_topic_filter(std::string(65'535, '/')));
    EXPECT_FALSE(is_topic_filter(std::string(65'536, 'a')));
}

TEST(topic_name, has_no_wildcard_and_at_least_one_character) {
    for (const std::string_view name : {"a", "/", "a/", "/a", "a//b", "$SYS/x", " "}) {
        EXPECT_TRUE(is_topic_name(name)) << name;
    }
    for (const std::string_view name : {"", "#", "+", "a/+", "a/#", "a+b", "a#"}) {
        EXPECT_FALSE(is_topic_name(name)) << name;
    }
    EXPECT_TRUE(is_topic_name(std::string(65'535, '/')));
    EXPECT_FALSE(is_topic_name(std::string(65'536, 'a')));
}

struct MatchRow {
    std::string_view filter;
    std::vector<std::string_view> matching;
    std::vector<std::string_view> not_matching;
};

TEST(matches, follows_the_examples_of_section_4_7) {
    const MatchRow rows[] = {
        {"a/#", {"a", "a/", "a/b", "a/b/c"}, {"/a", "ab", "A/b", "b/a"}},
        {"a/+", {"a/", "a/b"}, {"a", "a/b/c"}},
        {"+/+", {"/a", "a/b", "/"}, {"a", "a/b/c", "$a/b"}},
        {"/+", {"/a", "/"}, {"a", "/a/b"}},
        {"+", {"a"}, {"/a", "a/", "$a"}},
        {"#", {"a", "/", "a/b/c", "a$"}, {"$SYS", "$", "$a/b"}},
        {"+/#", {"a", "a/b", "/"}, {"$a/b"}},
        {"/#", {"/", "/a", "/a/b"}, {"a", "a/b"}},
        {"$x/#", {"$x", "$x/a"}, {"x/a", "$y"}},
        {"$x/+", {"$x/a"}, {"$x"}},
        {"a/b", {"a/b"}, {"a", "a/b/", "a/B", "a//b", "/a/b"}},
        {"a/+/c", {"a/b/c", "a//c", "a/$/c"}, {"a/c", "a/b/b/c"}},
        {"\u00E9", {"\u00E9"}, {"e\u0301"}},  // no normalization [MQTT-4.7.3-4]
    };
    for (const auto& row : rows) {
        for (const auto name : row.matching) {
            EXPECT_TRUE(matches(row.filter, name)) << row.filter << " " << name;
        }
        for (const auto name : row.not_matching) {
            EXPECT_FALSE(matches(row.filter, name)) << row.filter << " " << name;
        }
    }
}

TEST(matches, goes_through_65_535_levels) {
    const std::string name(65'535, '/');
    EXPECT_TRUE(matches(name, name));
    EXPECT_TRUE(matches("#", name));
    EXPECT_FALSE(matches(std::string(65'534, '/'), name));
}

// Another way to say it: take the texts apart into lists of levels first, then recurse.
std::vector<std::string> levels_of(const std::string& text) {
    std::vector<std::string> levels(1);
    for (const char character : text) {
        if (character == '/') {
            levels.emplace_back();
        } else {
            levels.back() += character;
        }
    }
    return levels;
}

bool matches_from(const std::vector<std::string>& filter, const std::vector<std::string>& name,
                  std::size_t at) {
    const bool filter_ends = at == filter.size();
    const bool name_ends = at == name.size();
    if (!filter_ends && filter[at] == "#") return true;
    if (filter_ends || name_ends) return filter_ends && name_ends;
    const bool is_same = filter[at] == "+" || filter[at] == name[at];
    return is_same && matches_from(filter, name, at + 1);
}

bool matches_by_levels(const std::string& filter, const std::string& name) {
    if (name[0] == '$' && (filter[0] == '#' || filter[0] == '+')) return false;
    return matches_from(levels_of(filter), levels_of(name), 0);
}

RC_GTEST_PROP(matches, agrees_with_a_matcher_over_lists_of_levels, ()) {
    const auto characters = rc::gen::elementOf(std::string("ab/$"));
    const auto name = *rc::gen::nonEmpty(rc::gen::container<std::string>(characters));
    const auto with_wildcards = rc::gen::elementOf(std::string("ab//$+#"));
    // A filter of its own, or the name with levels replaced: unrelated ones hardly ever match.
    auto filter = *rc::gen::suchThat(rc::gen::container<std::string>(with_wildcards),
                                     [](const std::string& text) { return is_topic_filter(text); });
    if (*rc::gen::arbitrary<bool>()) {
        auto levels = levels_of(name);
        filter.clear();
        for (std::size_t i = 0; i < levels.size(); ++i) {
            const auto pick = *rc::gen::inRange(0, 6);
            if (i > 0) filter += '/';
            if (pick == 0) {
                filter += '#';
                break;
            }
            filter += pick < 3 ? "+" : levels[i];
        }
    }
    RC_PRE(is_topic_filter(filter));
    RC_CLASSIFY(matches(filter, name), "matching");
    RC_ASSERT(matches(filter, name) == matches_by_levels(filter, name));
}

RC_GTEST_PROP(topic_filter, is_valid_when_each_level_is, ()) {
    const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("a/+#")));
    const auto levels = levels_of(text);
    bool is_valid = !text.empty();
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const bool is_last = i + 1 == levels.size();
        const bool is_wildcard = levels[i] == "+" || (levels[i] == "#" && is_last);
        const bool is_plain = levels[i].find_first_of("+#") == std::string::npos;
        is_valid = is_valid && (is_wildcard || is_plain);
    }
    RC_ASSERT(is_topic_filter(text) == is_valid);
}

TEST(shared_subscription, is_taken_apart_into_share_name_and_filter) {
    const auto simple = split_shared("$share/group/a/+");
    ASSERT_TRUE(simple.has_value());
    EXPECT_EQ(simple->share_name, "group");
    EXPECT_EQ(simple->filter, "a/+");
    const auto leading_separator = split_shared("$share/g//a");
    ASSERT_TRUE(leading_separator.has_value());
    EXPECT_EQ(leading_separator->filter, "/a");
    EXPECT_EQ(split_shared("$share/g/#").value().filter, "#");
}

TEST(shared_subscription, of_a_queue_is_a_group_without_a_name) {
    const auto queue = split_shared("$queue/a/#");
    ASSERT_TRUE(queue.has_value());
    EXPECT_EQ(queue->share_name, "$queue/");
    EXPECT_EQ(queue->filter, "a/#");
    EXPECT_EQ(shared_text(queue->share_name, queue->filter), "$queue/a/#");
    EXPECT_EQ(shared_text("g", "a/#"), "$share/g/a/#");
    for (const std::string_view text : {"$queue", "$queue/", "$queue/a#", "$queues/a"})
        EXPECT_FALSE(is_shared(text)) << text;  // an ordinary filter, or none
}

TEST(shared_subscription, needs_a_share_name_without_wildcards_and_a_valid_filter) {
    for (const std::string_view text :
         {"$share/", "$share//t", "$share/g", "$share/g/", "$share/+/t", "$share/g#/t",
          "$share/a+b/t", "$share/#", "$share/g/a#", "$share/g/#/a"}) {
        EXPECT_TRUE(is_shared(text)) << text;
        EXPECT_FALSE(split_shared(text).has_value()) << text;
    }
    for (const std::string_view text : {"$share", "$SHARE/g/t", "share/g/t", "$shared/g/t", ""}) {
        EXPECT_FALSE(is_shared(text)) << text;
        EXPECT_FALSE(split_shared(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace touchstone::wire
