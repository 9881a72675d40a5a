// Publications that nodes keep until all of them have them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "broker/cluster/message_log.hpp"

namespace touchstone::cluster {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

constexpr NodeIndex n1{0};
constexpr NodeIndex n2{1};
constexpr NodeIndex n3{2};
constexpr Instant begin{1h};

MessageLog log_of(NodeIndex self, std::uint64_t start = 1) {
    return {self, start, {n1, n2, n3}};
}

MessageRef message(std::string_view topic) {
    return Message::make({.topic = topic, .qos = QoS::at_least_once});
}

TEST(message_log, counts_what_its_node_takes) {
    auto log = log_of(n1);
    EXPECT_EQ(log.add(message("a"), {}, begin).number, 1U);
    EXPECT_EQ(log.add(message("b"), {}, begin).number, 2U);
    EXPECT_EQ(log.known().at({n1, 1}), 2U);
}

TEST(message_log, takes_each_once_and_in_order) {
    auto first = log_of(n1);
    auto second = log_of(n2);
    const auto a = first.add(message("a"), {}, begin);
    const auto b = first.add(message("b"), {}, begin);
    EXPECT_FALSE(second.take(b)) << "the one before it is missing";
    EXPECT_TRUE(second.take(a));
    EXPECT_FALSE(second.take(a));
    EXPECT_TRUE(second.take(b));
    EXPECT_FALSE(second.lacks(first.known()));
}

TEST(message_log, gives_on_what_it_has_from_others) {
    auto first = log_of(n1);
    auto second = log_of(n2);
    auto third = log_of(n3);
    EXPECT_TRUE(second.take(first.add(message("a"), {}, begin)));
    EXPECT_TRUE(third.lacks(second.known()));
    for (const auto& entry : second.missing(third.known())) EXPECT_TRUE(third.take(entry));
    EXPECT_EQ(third.known(), first.known());
}

TEST(message_log, forgets_what_all_have_and_nothing_else) {
    auto first = log_of(n1);
    auto second = log_of(n2);
    EXPECT_TRUE(second.take(first.add(message("a"), {}, begin)));
    first.note(n2, second.known(), first.known());
    EXPECT_EQ(first.size(), 1U) << "n3 may lack it";
    first.note(n3, second.known(), first.known());
    EXPECT_EQ(first.size(), 0U);
}

TEST(message_log, forgets_nothing_that_it_has_not_settled_itself) {
    auto first = log_of(n1);
    const auto before = first.known();
    auto second = log_of(n2);
    EXPECT_TRUE(second.take(first.add(message("a"), {}, begin)));
    first.note(n2, second.known(), before);
    first.note(n3, second.known(), before);
    EXPECT_EQ(first.size(), 1U);
    first.note(n3, second.known(), first.known());
    EXPECT_EQ(first.size(), 0U);
}

TEST(message_log, gives_who_begins_anew_what_is_left) {
    auto first = log_of(n1);
    auto second = log_of(n2);
    EXPECT_TRUE(second.take(first.add(message("a"), {}, begin)));
    first.note(n2, second.known(), first.known());
    first.note(n3, second.known(), first.known());
    first.add(message("b"), {}, begin);
    first.add(message("c"), {}, begin);
    auto again = log_of(n2, 2);
    const auto missing = first.missing(again.known());
    ASSERT_THAT(missing, SizeIs(2));
    EXPECT_FALSE(again.take(missing.back())) << "not without the one before";
    for (const auto& entry : missing) EXPECT_TRUE(again.take(entry));
}

TEST(message_log, knows_what_was_there_before_a_moment) {
    auto log = log_of(n1);
    log.add(message("a"), {}, begin);
    log.add(message("b"), {}, begin + 2s);
    EXPECT_EQ(log.known_before(begin + 1s).at({n1, 1}), 1U);
    EXPECT_EQ(log.known_before(begin + 3s).at({n1, 1}), 2U);
    EXPECT_THAT(log.missing(log.known_before(begin + 1s)), SizeIs(1));
    EXPECT_THAT(log.missing(log.known()), IsEmpty());
}

}  // namespace
}  // namespace touchstone::cluster
