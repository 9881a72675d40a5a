#include "load/ledger.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace touchstone::load {
namespace {

TEST(SequenceLog, takes_messages_in_order_without_a_word) {
    SequenceLog log;
    for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(log.note(i), Arrival::in_order);
    EXPECT_EQ(log.received(), 10U);
    EXPECT_EQ(log.lost(10), 0U);
    EXPECT_EQ(log.lost(12), 2U) << "the last two never came";
}

TEST(SequenceLog, tells_a_late_message_from_a_lost_one_and_from_a_repeated_one) {
    SequenceLog log;
    EXPECT_EQ(log.note(0), Arrival::in_order);
    EXPECT_EQ(log.note(4), Arrival::in_order);
    EXPECT_EQ(log.lost(5), 3U);
    EXPECT_EQ(log.note(2), Arrival::late);
    EXPECT_EQ(log.note(2), Arrival::duplicate);
    EXPECT_EQ(log.note(0), Arrival::duplicate);
    EXPECT_EQ(log.note(4), Arrival::duplicate);
    EXPECT_EQ(log.lost(5), 2U);
    EXPECT_EQ(log.note(1), Arrival::late);
    EXPECT_EQ(log.note(3), Arrival::late);
    EXPECT_EQ(log.lost(5), 0U);
}

RC_GTEST_PROP(SequenceLog, says_what_a_set_of_numbers_says, ()) {
    const auto numbers =
        *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, 40));
    SequenceLog log;
    std::set<std::uint32_t> seen;
    for (const auto number : numbers) {
        const auto arrival = log.note(number);
        const bool is_new = !seen.contains(number);
        const bool is_late = !seen.empty() && number < *seen.rbegin();
        RC_ASSERT((arrival == Arrival::duplicate) == !is_new);
        if (is_new) RC_ASSERT((arrival == Arrival::late) == is_late);
        seen.insert(number);
        RC_ASSERT(log.received() == seen.size());
    }
    RC_ASSERT(log.lost(40) == 40 - seen.size());
}

TEST(OnceLog, counts_messages_that_came_to_one_receiver_or_another) {
    OnceLog one;
    OnceLog other;
    EXPECT_TRUE(one.note(3, 0));
    EXPECT_TRUE(one.note(3, 130));
    EXPECT_FALSE(one.note(3, 130));
    EXPECT_TRUE(other.note(3, 1));
    EXPECT_TRUE(other.note(3, 130));
    EXPECT_TRUE(other.note(5, 0));
    EXPECT_EQ(one.merge(other), 1U) << "130 came twice";
    EXPECT_EQ(one.received(3), 3U);
    EXPECT_EQ(one.received(5), 1U);
    EXPECT_EQ(one.received(4), 0U);
    EXPECT_EQ(one.received(99), 0U);
}

}  // namespace
}  // namespace touchstone::load
