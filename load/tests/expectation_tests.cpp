#include "load/expectation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace touchstone::load {
namespace {

using testing::HasSubstr;

Outcome outcome() {
    Outcome made;
    made.groups.resize(1);
    made.groups[0][Count::pings] = 10;
    made.groups[0][Count::pings_answered] = 8;
    made.times.delivery.add(5 * millisecond, 10'000);
    made.times.connect.add(second, 20);
    made.lost = 3;
    made.connected = 1'000;
    return made;
}

Finding::Kind kind(std::string_view text) {
    std::string problem;
    const auto expectation = parse_expectation(text, problem);
    EXPECT_TRUE(expectation) << problem;
    return find(*expectation, outcome()).kind;
}

TEST(Expectation, compares_a_quantile_with_a_time) {
    EXPECT_EQ(kind("p99<10ms"), Finding::Kind::holds);
    EXPECT_EQ(kind("p99<5ms"), Finding::Kind::fails);
    EXPECT_EQ(kind("delivery.p999<=0.1s"), Finding::Kind::holds);
    EXPECT_EQ(kind("max<1s"), Finding::Kind::holds);
    EXPECT_EQ(kind("connect.p50<900ms"), Finding::Kind::fails);
}

TEST(Expectation, of_a_quantile_that_the_sample_cannot_support_is_unknown) {
    EXPECT_EQ(kind("p99999<1s"), Finding::Kind::unknown);
    EXPECT_EQ(kind("connect.p99<1min"), Finding::Kind::unknown);
    EXPECT_EQ(kind("ping.p50<1s"), Finding::Kind::unknown);
}

TEST(Expectation, compares_a_count_with_a_number) {
    EXPECT_EQ(kind("loss=0"), Finding::Kind::fails);
    EXPECT_EQ(kind("loss<=3"), Finding::Kind::holds);
    EXPECT_EQ(kind("connected>=1k"), Finding::Kind::holds);
    EXPECT_EQ(kind("connected>1k"), Finding::Kind::fails);
    EXPECT_EQ(kind("unanswered_pings=2"), Finding::Kind::holds);
}

TEST(Expectation, of_a_loss_that_nobody_can_judge_is_unknown) {
    std::string problem;
    auto changed = outcome();
    changed.is_loss_judged = false;
    EXPECT_EQ(find(*parse_expectation("loss=0", problem), changed).kind, Finding::Kind::unknown);
}

TEST(Expectation, a_wrong_one_is_told_with_what_there_is) {
    for (const auto* const text : {"", "p99", "=3", "p99<10", "p99<ten", "loss=none", "lag<1ms",
                                   "px<1ms", "p0<1s", "loss=-1"}) {
        std::string problem;
        EXPECT_FALSE(parse_expectation(text, problem)) << text;
        EXPECT_THAT(problem, HasSubstr("--expect")) << text;
        EXPECT_THAT(problem, HasSubstr("loss")) << text;
    }
}

TEST(Expectation, times_are_read_and_written_with_their_unit) {
    EXPECT_EQ(parse_duration("250us"), 250 * microsecond);
    EXPECT_EQ(parse_duration("1.5s"), 1'500 * millisecond);
    EXPECT_EQ(parse_duration("2min"), 120 * second);
    EXPECT_FALSE(parse_duration("5"));
    EXPECT_FALSE(parse_duration("5 ms"));
    EXPECT_EQ(time_text(12'345'678), "12.35 ms");
}

}  // namespace
}  // namespace touchstone::load
