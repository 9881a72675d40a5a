#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/router/filter_index.hpp"
#include "broker/router/tests/allocated_bytes.hpp"

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

template <class Index>
std::vector<std::string> matches_of(Index& index, std::string_view name) {
    std::vector<std::string> found;
    index.match(name, [&](const std::string& filter) { found.push_back(filter); });
    std::sort(found.begin(), found.end());
    return found;
}

bool begins_with_levels(std::string_view filter, std::string_view levels) {
    return filter.starts_with(levels) &&
           (filter.size() == levels.size() || filter[levels.size()] == '/');
}

/// The places where two filters with wildcards part, by the plainest count; the root is one more.
std::size_t partings_of(const std::map<std::string, bool>& filters) {
    std::set<std::string> beginnings;
    for (const auto& [filter, there] : filters) {
        if (!wire::has_wildcard(filter)) continue;
        for (auto end = filter.find('/');; end = filter.find('/', end + 1)) {
            beginnings.insert(filter.substr(0, end));
            if (end == std::string::npos) break;
        }
    }
    return static_cast<std::size_t>(
        std::count_if(beginnings.begin(), beginnings.end(), [&](const auto& levels) {
            return std::count_if(filters.begin(), filters.end(), [&](const auto& one) {
                       return wire::has_wildcard(one.first) &&
                              begins_with_levels(one.first, levels);
                   }) >= 2;
        }));
}

template <std::uint32_t hash_mask>
void find_what_the_plain_rule_finds() {
    FilterIndex<std::string, hash_mask> index{1};
    std::map<std::string, bool> model;
    // One level is too long to be stored with the others.
    const std::string wide(300, 'w');
    bool had_wildcard = false;
    const auto steps = *rc::gen::scale(3, rc::gen::container<std::vector<std::string>>(
                                              text_of({"a", "b", "", "+", "$s", "#", wide})));
    for (const auto& filter : steps) {
        if (!wire::is_topic_filter(filter)) continue;
        if (*rc::gen::inRange(0, 3) == 0 && model.contains(filter)) {
            index.remove(index.find(filter));
            model.erase(filter);
        } else {
            index[index.add(filter)] = filter;
            model[filter] = true;
            had_wildcard |= wire::has_wildcard(filter);
        }
        RC_ASSERT(index.size() == model.size());
        RC_ASSERT(index.branch_count() == partings_of(model) + (had_wildcard ? 1 : 0));
    }
    const auto names =
        *rc::gen::container<std::vector<std::string>>(text_of({"a", "b", "", "$s", wide}));
    for (const auto& name : names) {
        if (name.empty()) continue;
        std::vector<std::string> expected;
        for (const auto& [filter, there] : model)
            if (wire::matches(filter, name)) expected.push_back(filter);
        RC_ASSERT(matches_of(index, name) == expected);
    }
    for (const auto& [filter, there] : model) {
        const auto found = index.find(filter);
        RC_ASSERT(found != 0U && index[found] == filter && index.text(found) == filter);
        // What only leads to filters is none.
        const auto above = filter.substr(0, filter.rfind('/'));
        RC_ASSERT(model.contains(above) == (index.find(above) != 0U));
    }
}

RC_GTEST_PROP(filter_index, finds_what_the_plain_rule_finds_while_filters_come_and_go, ()) {
    find_what_the_plain_rule_finds<0xFFFF'FFFF>();
}

RC_GTEST_PROP(filter_index, finds_what_the_plain_rule_finds_when_hashes_are_not_worth_much, ()) {
    find_what_the_plain_rule_finds<0x8000'0001>();
}

RC_GTEST_PROP(filter_index, finds_what_the_plain_rule_finds_when_all_hashes_are_the_same, ()) {
    find_what_the_plain_rule_finds<0>();
}

TEST(filter_index, follows_the_table_of_the_standard) {
    FilterIndex<std::string> index{1};
    for (const auto* const filter : {"a/#", "a/+", "+/+", "/+", "+", "#", "$x/#", "+/b", "a/b"})
        index[index.add(filter)] = filter;
    using Filters = std::vector<std::string>;
    EXPECT_EQ(matches_of(index, "a"), (Filters{"#", "+", "a/#"}));
    EXPECT_EQ(matches_of(index, "a/"), (Filters{"#", "+/+", "a/#", "a/+"}));
    EXPECT_EQ(matches_of(index, "a/b"), (Filters{"#", "+/+", "+/b", "a/#", "a/+", "a/b"}));
    EXPECT_EQ(matches_of(index, "/a"), (Filters{"#", "+/+", "/+"}));
    EXPECT_EQ(matches_of(index, "$x"), Filters{"$x/#"});
    EXPECT_EQ(matches_of(index, "$x/b"), Filters{"$x/#"});
}

TEST(filter_index, gives_memory_back_whatever_filters_come_and_go) {
    FilterIndex<std::uint64_t> index{1};
    const auto filter_of = [](int round, int n) {
        const auto number = std::to_string(n);
        // Each round has filters of another length and shape.
        const std::string padding(static_cast<std::size_t>(round) * 13 % 50, 'p');
        switch ((n + round) % 5) {
            case 0: return "device/" + padding + number + "/command";
            case 1: return "a/" + number + padding + "/+/c";
            case 2: return "a/" + number + padding + "/#";
            case 3: return "+/" + padding + "/" + number + "/d";
            default: return "a/" + number + "/" + padding + "/+";
        }
    };
    constexpr int count = 20'000;
    std::size_t most_bytes = 0;
    for (int round = 0; round < 10; ++round) {
        for (int n = 0; n < count; ++n) index.add(filter_of(round, n));
        ASSERT_EQ(index.size(), static_cast<std::size_t>(count));
        if (round == 0) {
            most_bytes = index.reserved_bytes();
            // The filters of later rounds are up to 49 bytes longer, and some have a branch.
            most_bytes += static_cast<std::size_t>(count) * (56 + 32);
        }
        EXPECT_LE(index.reserved_bytes(), most_bytes) << "round " << round;
        // In another order than that of their coming.
        for (int n = 0; n < count; ++n)
            index.remove(index.find(filter_of(round, static_cast<int>(n * 7'919LL % count))));
        ASSERT_EQ(index.size(), 0U);
        EXPECT_LE(index.branch_count(), 1U);
        EXPECT_LE(index.reserved_bytes(), 70'000U) << "a slab with the root, two small tables";
    }
}

TEST(filter_index, two_long_filters_that_part_late_take_memory_like_their_texts) {
    FilterIndex<std::uint64_t> index{1};
    // As many levels as mqtt.max_topic_levels allows by default, and as many as there can be.
    for (const int levels : {126, 20'000}) {
        std::string beginning(20'000, 'w');
        for (int level = 0; level < levels; ++level) beginning += "/+";
        const auto before = allocated_bytes();
        const auto first = index.add(beginning + "/a");
        const auto second = index.add(beginning + "/b");
        const auto branches = static_cast<std::size_t>(levels) + 2;
        EXPECT_EQ(index.branch_count(), branches);
        EXPECT_EQ(index.find(beginning + "/a"), first);
        EXPECT_EQ(index.find(beginning + "/b"), second);
        EXPECT_EQ(index.find(beginning), 0U);
        EXPECT_LT(allocated_bytes(), before + 200'000 + branches * 100);
        int matches = 0;
        const auto rest = std::string(static_cast<std::size_t>(levels) + 1, '/') + "b";
        index.match(std::string(20'000, 'w') + rest, [&](std::uint64_t&) { ++matches; });
        index.match(std::string(20'000, 'v') + rest, [&](std::uint64_t&) { ++matches; });
        EXPECT_EQ(matches, 1);
        index.remove(first);
        EXPECT_EQ(index.branch_count(), 1U);
        index.remove(second);
    }
}

TEST(filter_index, coming_and_going_at_a_constant_count_takes_constant_memory) {
    FilterIndex<std::uint64_t> index{1};
    const auto filter_of = [](int n) { return "a/" + std::to_string(n) + "/+/c"; };
    constexpr int count = 10'000;
    for (int n = 0; n < count; ++n) index.add(filter_of(100'000 + n));
    std::size_t bytes_max = 0;
    std::size_t bytes_after_a_round = 0;
    for (int n = 0; n < 10 * count; ++n) {
        index.remove(index.find(filter_of(100'000 + n)));
        index.add(filter_of(100'000 + count + n));
        bytes_max = std::max(bytes_max, index.reserved_bytes());
        if (n == count) bytes_after_a_round = bytes_max;
    }
    EXPECT_EQ(bytes_max, bytes_after_a_round);
    EXPECT_EQ(index.size(), static_cast<std::size_t>(count));
}

}  // namespace
}  // namespace touchstone
