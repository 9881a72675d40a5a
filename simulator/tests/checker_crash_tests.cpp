// What the checkers do not ask for where a node with storage crashed before it had stored what it
// took, or where its disk lied; and that they ask for it otherwise.
#include <gtest/gtest.h>

#include "simulator/tests/checker_expectations.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::seconds;

/// A client that says in DISCONNECT how long its session lasts, and a crash: at once, or later.
TraceBuilder left_before_crash(std::uint32_t connect_s, std::uint32_t disconnect_s, bool at_once) {
    TraceBuilder builder;
    builder.node_settings().has_storage = true;
    builder.node_settings().durable_within = seconds{1};
    const auto leaving = builder.connect("c", {.session_expiry_s = connect_s});
    wire::PropertiesWriter properties;
    properties.put_integer(wire::PropertyId::session_expiry_interval, disconnect_s);
    Buffer disconnect;
    wire::encode(disconnect, wire::Disconnect{.properties = properties.view()},
                 ProtocolVersion::v5);
    builder.to_broker(leaving, disconnect);
    builder.closed_by_broker(leaving);
    builder.pass(seconds{at_once ? 0 : 2});
    builder.crash("");
    return builder;
}

TEST(S3, a_session_expiry_interval_of_disconnect_may_be_lost_in_a_crash) {
    for (const bool is_lost : {true, false}) {
        auto builder = left_before_crash(3, 300, is_lost);
        builder.pass(seconds{60});
        builder.connect("c", {.session_present = false});
        expect_kept_or_broken(is_lost, check_session_present, builder,
                              "was told Session Present 0, but there was a session");
    }
}

TEST(S5, a_session_expiry_interval_of_disconnect_may_be_lost_in_a_crash) {
    for (const bool is_lost : {true, false}) {
        auto builder = left_before_crash(3, 300, is_lost);
        builder.pass(seconds{60});
        auto& end = builder.finished().end;
        end.balances.push_back({.node = builder.node()});
        expect_kept_or_broken(is_lost, check_session_end, builder, "before its expiry");
    }
}

TEST(S5, a_session_that_was_made_while_the_disk_lied_may_be_gone) {
    for (const bool is_torn : {true, false}) {
        TraceBuilder builder;
        builder.node_settings().has_storage = true;
        const auto number = builder.connect("c", {.session_expiry_s = 100});
        builder.crash(is_torn ? "torn" : "", seconds{1});
        builder.lost_by_client(number);
        builder.finished().end.balances.push_back({.node = builder.node()});
        expect_kept_or_broken(is_torn, check_session_end, builder, "gone at the end of the run");
    }
}

TEST(L1, a_clean_start_that_nobody_answered_may_have_ended_the_session_of_a_will) {
    for (const bool clean_start : {true, false}) {
        TraceBuilder builder;
        builder.node_settings().has_storage = true;
        const auto watcher = builder.connect("watcher");
        builder.subscribe(watcher, "will");
        const auto dying = builder.connect(
            "c", {.session_expiry_s = 100, .will_payload = "w", .will_delay_s = 50});
        builder.connect("c", {.clean_start = clean_start, .is_answered = false});
        builder.closed_by_broker(dying);
        builder.deliver(watcher, "will", "w", {.packet_id = 1});
        builder.crash("");
        expect_kept_or_broken(clean_start, check_will_once, builder, "too early");
    }
}

TEST(History, a_connect_that_overtook_another_one_may_have_begun_the_session) {
    for (const bool is_overtaken : {true, false}) {
        TraceBuilder builder;
        builder.node_settings().has_storage = true;
        builder.lost_by_client(builder.connect("c", {.session_expiry_s = 2}));
        builder.pass(seconds{5});
        const auto first = builder.connect("c", {.session_expiry_s = 2, .is_answered = false});
        if (is_overtaken) {
            builder.closed_by_broker(
                builder.connect("c", {.session_expiry_s = 2, .is_answered = false}));
        }
        Buffer connack;
        wire::encode(connack, wire::Connack{.session_present = true}, ProtocolVersion::v5);
        builder.to_client(first, connack);
        const auto& trace = builder.finished();
        EXPECT_EQ(History{trace}.sessions.size(), is_overtaken ? 2U : 1U);
    }
}

TEST(History, a_session_whose_end_is_not_known_is_another_when_it_shows_nothing_of_before) {
    for (const bool goes_on : {true, false}) {
        TraceBuilder builder;
        builder.node_settings().has_storage = true;
        const auto first = builder.connect("c", {.session_expiry_s = 8});
        builder.subscribe(first, "t");
        builder.lost_by_client(first);
        builder.pass(seconds{5});
        builder.crash("");
        // It may have lost that the client had gone, and count anew.
        builder.trace().losses.back().unsynced_since = Instant{};
        builder.pass(seconds{5});
        builder.lost_by_client(builder.connect("c", {.session_expiry_s = 8, .is_answered = false}));
        const auto present = builder.connect("c", {.session_expiry_s = 8, .session_present = true});
        if (goes_on) builder.send_to(present, "t", "a", {.packet_id = 1});
        const auto& trace = builder.finished();
        EXPECT_EQ(History{trace}.sessions.size(), goes_on ? 1U : 2U);
    }
}

TEST(O1, what_the_disk_refused_is_published_again_behind_what_it_did_not) {
    for (const bool is_refusing : {true, false}) {
        Pair pair;
        if (is_refusing) pair.set_disk_fault("disk_full");
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
        pair.publish(pair.publisher, "t", "b", {.packet_id = 2});
        pair.deliver(pair.subscriber, "t", "b", {.packet_id = 1});
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .dup = true});
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 2});
        expect_kept_or_broken(is_refusing, check_publisher_order, pair,
                              "received a for the first time after b");
    }
}

TEST(P2, an_empty_message_that_the_disk_kept_back_cannot_be_told_from_others) {
    for (const bool has_storage : {true, false}) {
        Pair pair;
        pair.node_settings().has_storage = has_storage;
        pair.publish(pair.publisher, "t", "", {.packet_id = 1});
        const auto again = pair.resume();
        pair.send_to(again, "t", "", {.packet_id = 1, .dup = true});
        expect_kept_or_broken(has_storage, check_packet_id_stability, pair, "was sent with DUP 1");
    }
}

TEST(R2, a_value_that_a_lying_disk_has_lost_may_have_been_delivered) {
    for (const bool is_torn : {true, false}) {
        TraceBuilder builder;
        builder.node_settings().has_storage = true;
        const auto publisher = builder.connect("p");
        const auto subscriber = builder.connect("s");
        builder.subscribe(subscriber, "t");
        builder.publish(publisher, "t", "old", {.packet_id = 1, .retain = true});
        builder.pass(seconds{10});
        builder.publish(publisher, "t", "new", {.packet_id = 2, .retain = true});
        builder.crash(is_torn ? "torn" : "", seconds{1});
        const auto again = builder.connect("s", {.session_present = true});
        builder.deliver(again, "t", "new", {.packet_id = 1, .dup = true});
        builder.subscribe(again, "t");
        builder.deliver(again, "t", "old", {.packet_id = 2, .retain = true});
        expect_kept_or_broken(is_torn, check_retained_order, builder,
                              "got old of 't' after the newer new");
    }
}

}  // namespace
}  // namespace touchstone::simulator
