#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "broker/router/filter_index.hpp"

namespace touchstone {
namespace {

/// Few levels and few words, so that filters and names meet.
rc::Gen<std::string> text_of(std::vector<std::string> words) {
    return rc::gen::map(
        rc::gen::nonEmpty(rc::gen::resize(
            5, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::move(words))))),
        [](const std::vector<std::string>& levels) {
            std::string text = levels.front();
            for (std::size_t i = 1; i < levels.size(); ++i) text += "/" + levels[i];
            return text;
        });
}

std::vector<std::string> matches_of(FilterIndex<std::string>& index, std::string_view name) {
    std::vector<std::string> found;
    index.match(name, [&](const std::string& filter) { found.push_back(filter); });
    std::sort(found.begin(), found.end());
    return found;
}

RC_GTEST_PROP(filter_index, finds_what_the_plain_rule_finds_while_filters_come_and_go, ()) {
    FilterIndex<std::string> index{1};
    std::map<std::string, bool> model;
    const auto steps = *rc::gen::container<std::vector<std::string>>(
        text_of({"a", "b", "", "+", "$s", "#"}));
    for (const auto& filter : steps) {
        if (!wire::is_topic_filter(filter)) continue;
        if (*rc::gen::inRange(0, 3) == 0 && model.contains(filter)) {
            index.remove(index.find(filter));
            model.erase(filter);
        } else {
            index[index.add(filter)] = filter;
            model[filter] = true;
        }
        RC_ASSERT(index.size() == model.size());
    }
    const auto names = *rc::gen::container<std::vector<std::string>>(text_of({"a", "b", "", "$s"}));
    for (const auto& name : names) {
        if (name.empty()) continue;
        std::vector<std::string> expected;
        for (const auto& [filter, there] : model)
            if (wire::matches(filter, name)) expected.push_back(filter);
        RC_ASSERT(matches_of(index, name) == expected);
    }
    for (const auto& [filter, there] : model) RC_ASSERT(index[index.find(filter)] == filter);
}

TEST(filter_index, follows_the_table_of_the_standard) {
    FilterIndex<std::string> index{1};
    for (const auto* const filter :
         {"a/#", "a/+", "+/+", "/+", "+", "#", "$x/#", "+/b", "a/b"})
        index[index.add(filter)] = filter;
    using Filters = std::vector<std::string>;
    EXPECT_EQ(matches_of(index, "a"), (Filters{"#", "+", "a/#"}));
    EXPECT_EQ(matches_of(index, "a/"), (Filters{"#", "+/+", "a/#", "a/+"}));
    EXPECT_EQ(matches_of(index, "a/b"), (Filters{"#", "+/+", "+/b", "a/#", "a/+", "a/b"}));
    EXPECT_EQ(matches_of(index, "/a"), (Filters{"#", "+/+", "/+"}));
    EXPECT_EQ(matches_of(index, "$x"), Filters{"$x/#"});
    EXPECT_EQ(matches_of(index, "$x/b"), Filters{"$x/#"});
}

}  // namespace
}  // namespace touchstone
