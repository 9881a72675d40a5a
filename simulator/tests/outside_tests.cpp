// What is concluded where nobody can look into the node: from a trace alone.

#include "simulator/outside.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulator/tests/checker_expectations.hpp"
#include "simulator/tests/trace_builder.hpp"

namespace touchstone::simulator {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

/// What may wait for the subscriber at the end, as far as is known.
std::vector<std::string> waiting_for_subscriber(Pair& pair) {
    infer_end(pair.finished());
    for (const auto& session : pair.finished().end.sessions) {
        if (session.client_id == "subscriber") return session.inflight;
    }
    return {"no session"};
}

TEST(Outside, nothing_waits_for_a_client_that_was_there_and_owes_nothing) {
    Pair pair;
    pair.accept("a", 1);
    pair.pass(2s);
    EXPECT_THAT(waiting_for_subscriber(pair), IsEmpty());
    expect_broken(check_at_least_once, pair, "neither reached it nor waits for it");
}

TEST(Outside, what_was_published_a_moment_ago_may_be_on_its_way) {
    Pair pair;
    pair.accept("a", 1);
    pair.pass(2s);
    pair.accept("b", 2);
    EXPECT_THAT(waiting_for_subscriber(pair), ElementsAre("b"));
}

TEST(Outside, anything_may_wait_for_a_client_that_is_away) {
    Pair pair;
    pair.lost_by_client(pair.subscriber);
    pair.accept("a", 1);
    pair.pass(2s);
    EXPECT_THAT(waiting_for_subscriber(pair), ElementsAre("a"));
    expect_kept(check_at_least_once, pair);
}

TEST(Outside, anything_may_wait_behind_a_message_that_is_not_acknowledged) {
    Pair pair;
    pair.accept("a", 1);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    pair.accept("b", 2);
    pair.pass(progress_time + 2s);
    EXPECT_THAT(waiting_for_subscriber(pair), ElementsAre("a", "b"));
    expect_kept(check_at_least_once, pair);
    // Whether the broker could have sent "b" depends on its own limits, which nobody knows.
    pair.settles();
    pair.pass(progress_time + 2s);
    expect_kept(check_progress, pair);
}

TEST(Outside, a_shared_message_that_a_member_was_sent_waits_for_no_other) {
    TraceBuilder builder;
    const auto publisher = builder.connect("publisher");
    const auto away = builder.connect("away");
    const auto present = builder.connect("present");
    builder.subscribe(away, "$share/g/t");
    builder.subscribe(present, "$share/g/t");
    builder.lost_by_client(away);
    builder.publish(publisher, "t", "a", {.packet_id = 1});
    builder.to_client(publisher, wire::PacketType::puback, 1);
    builder.deliver(present, "t", "a", {.packet_id = 1});
    builder.to_broker(present, wire::PacketType::puback, 1);
    builder.pass(2s);
    infer_end(builder.finished());
    expect_kept(check_shared_dispatch, builder);
}

TEST(Outside, what_was_not_released_may_not_have_been_handed_on) {
    for (const bool is_released : {false, true}) {
        Pair pair;
        pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
        pair.to_client(pair.publisher, wire::PacketType::pubrec, 1);
        if (is_released) pair.to_broker(pair.publisher, wire::PacketType::pubrel, 1);
        pair.pass(2s);
        EXPECT_EQ(waiting_for_subscriber(pair).empty(), is_released);
    }
}

TEST(Outside, nothing_waits_for_a_session_that_is_over) {
    Pair pair;
    pair.lost_by_client(pair.subscriber);
    pair.accept("a", 1);
    pair.pass(std::chrono::seconds{601});  // Session Expiry Interval: 600 s
    EXPECT_THAT(waiting_for_subscriber(pair), ElementsAre("no session"));
}

TEST(Outside, a_subscribe_may_be_carried_out_although_nobody_hears_the_answer) {
    for (const bool has_ended : {true, false}) {
        TraceBuilder builder;
        const auto first = builder.connect("s");
        builder.ask_for(first, "t");
        if (has_ended) builder.lost_by_client(first);
        const auto second = has_ended ? builder.connect("s", {.session_present = true}) : first;
        builder.publish(builder.connect("publisher"), "t", "a", {.qos = QoS::at_most_once});
        builder.deliver(second, "t", "a", {.qos = QoS::at_most_once});
        expect_kept_or_broken(has_ended, check_dollar_rule, builder,
                              "which none of its subscriptions matches");
    }
}

}  // namespace
}  // namespace touchstone::simulator
