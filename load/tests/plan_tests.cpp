#include "load/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/shapes.hpp"

namespace touchstone::load {
namespace {

using testing::ElementsAre;

Workload workload(Shape shape, std::uint32_t publishers, std::uint32_t subscribers,
                  std::uint32_t topics = 0) {
    Workload made{.topic_prefix = "p", .run_id = "r"};
    ShapeOptions options{
        .shape = shape, .publishers = publishers, .subscribers = subscribers, .topics = topics};
    options.publishing.process = Publishing::Process::stream;
    options.publishing.rate_per_s = 1;
    made.groups = groups_of(options);
    return made;
}

TEST(Plan, pairs_have_a_topic_each) {
    const auto made = workload(Shape::pairs, 3, 3);
    const Plan plan{made};
    EXPECT_EQ(plan.topic(0, 2, plan.group(0).publishing.audience, 0), "p/r/0/2");
    EXPECT_THAT(plan.filters(1, 2), ElementsAre("p/r/0/2"));
    EXPECT_EQ(plan.receivers_of(0, 1), 1U);
    EXPECT_EQ(plan.lines(1), 1U);
    EXPECT_EQ(plan.line(1, 2, plan.client(0, 2))->log, 0U);
    EXPECT_FALSE(plan.line(1, 2, plan.client(0, 1))) << "that is another pair's";
    EXPECT_EQ(plan.publisher_of(1, 2, 0), plan.client(0, 2));
}

TEST(Plan, a_subscriber_of_a_fan_in_has_a_line_for_each_publisher) {
    const auto made = workload(Shape::fan_in, 5, 2);
    const Plan plan{made};
    EXPECT_EQ(plan.lines(1), 5U);
    EXPECT_EQ(plan.receivers_of(0, 4), 2U);
    for (std::uint32_t from = 0; from < 5; ++from) {
        EXPECT_EQ(plan.line(1, 0, from)->log, from);
        EXPECT_EQ(plan.publisher_of(1, 1, from), from);
    }
}

TEST(Plan, topics_are_dealt_out_by_number) {
    const auto made = workload(Shape::fan_in, 5, 4, 2);
    const Plan plan{made};
    EXPECT_EQ(plan.lines(1), 3U);
    EXPECT_EQ(plan.line(1, 1, 3)->log, 1U);
    EXPECT_FALSE(plan.line(1, 1, 2));
    EXPECT_EQ(plan.publisher_of(1, 1, 1), 3U);
    EXPECT_FALSE(plan.publisher_of(1, 1, 2)) << "only two publishers have odd numbers";
}

TEST(Plan, a_shared_subscription_gets_each_message_once) {
    const auto made = workload(Shape::shared, 4, 3);
    const Plan plan{made};
    EXPECT_EQ(plan.receivers_of(0, 0), 1U);
    EXPECT_TRUE(plan.is_once(0));
    EXPECT_TRUE(plan.line(1, 0, 3)->is_once);
    EXPECT_THAT(plan.filters(1, 0), ElementsAre("$share/r-1/p/r/0/0"));
}

TEST(Plan, messages_to_a_group_go_to_all_or_to_some_of_it) {
    auto made = workload(Shape::pairs, 2, 3);
    made.groups[0].publishing.audience = {.kind = Audience::Kind::some_of, .group = 1};
    made.groups[1].subscribing = {.takes_all_of = true, .takes_some_of = true, .idle_filters = 1};
    const Plan plan{made};
    EXPECT_THAT(plan.filters(1, 2), ElementsAre("p/r/all/1", "p/r/to/1/2", "p/r/idle/1/2/0"));
    EXPECT_EQ(plan.topic(0, 0, made.groups[0].publishing.audience, 2), "p/r/to/1/2");
    EXPECT_TRUE(plan.is_once(0));
    EXPECT_EQ(plan.receivers_of(0, 1), 1U);
}

TEST(Plan, knows_the_group_of_a_client) {
    const auto made = workload(Shape::pairs, 2, 3);
    const Plan plan{made};
    EXPECT_EQ(plan.clients(), 5U);
    EXPECT_EQ(plan.group_of(1), 0U);
    EXPECT_EQ(plan.group_of(2), 1U);
    EXPECT_EQ(plan.group_of(4), 1U);
    EXPECT_EQ(plan.client_id(1, 2), "r-1-2");
}

TEST(Plan, too_many_pairs_are_not_written_down) {
    const auto made = workload(Shape::fan_in, 10'000, 10'000);
    EXPECT_FALSE(Plan{made}.has_lines());
}

}  // namespace
}  // namespace touchstone::load
