// What a report keeps of a trace that is longer than a page.

#include "simulator/results.hpp"

#include "simulator/tests/checker_expectations.hpp"

namespace touchstone::simulator {
namespace {

using testing::HasSubstr;
using testing::Not;

/// 4,800 messages, each acknowledged; then, `is_broken`, S1.
Trace long_trace(bool is_broken) {
    Pair builder;
    for (std::uint16_t id = 1; id <= 4'800; ++id) builder.accept("m" + std::to_string(id), id);
    if (is_broken) builder.connect("subscriber", {.session_present = true});
    return builder.finished();
}

std::vector<InvariantOutcome> judged_by_s1(const Trace& trace) {
    const auto s1 = std::ranges::find(all_checkers(), "S1", &Checker::id);
    return {{&*s1, s1->check(trace, History{trace})}};
}

TEST(Results, of_a_long_trace_show_what_led_to_the_first_broken_promise) {
    const auto trace = long_trace(true);
    const auto result =
        to_result("record", "Many messages.", trace, trace.end.at, judged_by_s1(trace), "again");
    EXPECT_EQ(result.verdict(), results::Verdict::fail);
    EXPECT_THAT(result.description(), HasSubstr("Many messages. Shown from "));
    EXPECT_THAT(result.actors(), testing::ElementsAre("publisher", "broker", "subscriber"));
    const auto& invariant = result.invariants(0);
    ASSERT_TRUE(invariant.has_at_step());
    const auto& step = result.trace(static_cast<int>(invariant.at_step()));
    EXPECT_TRUE(step.deviates());
    EXPECT_THAT(step.text(), HasSubstr("CONNACK"));
    EXPECT_GT(result.trace_size(), 1'000);
    EXPECT_LE(result.trace_size(), 4'000);
}

TEST(Results, of_a_long_trace_without_one_show_its_beginning) {
    const auto trace = long_trace(false);
    const auto result =
        to_result("record", "Many messages.", trace, trace.end.at, judged_by_s1(trace), "again");
    EXPECT_EQ(result.verdict(), results::Verdict::pass);
    EXPECT_THAT(result.description(), Not(HasSubstr("Shown from")));
    EXPECT_THAT(result.trace(0).text() + result.trace(1).text(), HasSubstr("CONNECT"));
    EXPECT_GT(result.steps_left_out(), 0U);
}

}  // namespace
}  // namespace touchstone::simulator
