// Each checker is shown a trace that breaks its promise, and the one next to it that does not.

#include "simulator/tests/checker_expectations.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using wire::PacketType;

TEST(O1, first_deliveries_follow_the_order_of_publishing) {
    Pair good;
    good.accept("a", 1);
    good.accept("b", 2);
    good.deliver(good.subscriber, "t", "a", {.packet_id = 1});
    good.deliver(good.subscriber, "t", "b", {.packet_id = 2});
    good.deliver(good.subscriber, "t", "a", {.packet_id = 1, .dup = true});
    expect_kept(check_publisher_order, good);
    Pair bad;
    bad.accept("a", 1);
    bad.accept("b", 2);
    bad.deliver(bad.subscriber, "t", "b", {.packet_id = 1});
    bad.deliver(bad.subscriber, "t", "a", {.packet_id = 2});
    expect_broken(check_publisher_order, bad, "received a for the first time after b");
}

TEST(O2, resends_follow_the_order_of_the_first_transmission) {
    for (const bool is_good : {true, false}) {
        Pair pair;
        pair.accept("a", 1);
        pair.accept("b", 2);
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
        pair.deliver(pair.subscriber, "t", "b", {.packet_id = 2});
        pair.lost_by_client(pair.subscriber);
        const auto again = pair.connect("subscriber", {.session_present = true});
        if (is_good) pair.deliver(again, "t", "a", {.packet_id = 1, .dup = true});
        pair.deliver(again, "t", "b", {.packet_id = 2, .dup = true});
        expect_kept_or_broken(is_good, check_resend_order, pair, "b (id 2) was sent again");
    }
}

TEST(O2, nothing_new_goes_before_an_older_one_that_is_owed) {
    Pair pair;
    pair.accept("a", 1);
    pair.accept("b", 2);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    pair.lost_by_client(pair.subscriber);
    const auto again = pair.connect("subscriber", {.session_present = true});
    pair.deliver(again, "t", "b", {.packet_id = 2});
    expect_broken(check_resend_order, pair, "b (id 2) was sent to 'subscriber' before a (id 1)");
}

TEST(O3, acknowledgements_leave_in_the_order_of_what_they_answer) {
    for (const bool is_good : {true, false}) {
        TraceBuilder builder;
        const auto publisher = builder.connect("publisher");
        builder.publish(publisher, "t", "a", {.packet_id = 1});
        builder.publish(publisher, "t", "b", {.packet_id = 2});
        // The order between kinds is free.
        builder.publish(publisher, "t", "c", {.qos = QoS::exactly_once, .packet_id = 3});
        builder.to_client(publisher, PacketType::pubrec, 3);
        builder.to_client(publisher, PacketType::puback, is_good ? 1 : 2);
        builder.to_client(publisher, PacketType::puback, is_good ? 2 : 1);
        expect_kept_or_broken(is_good, check_acknowledgement_order, builder,
                              "PUBACK for id 2 was sent to 'publisher' before the one for id 1");
    }
}

TEST(W1, no_more_in_flight_than_the_receive_maximum) {
    TraceBuilder builder;
    const auto subscriber = builder.connect("s", {.receive_maximum = 1});
    builder.deliver(subscriber, "t", "a", {.packet_id = 1});
    builder.to_broker(subscriber, PacketType::puback, 1);
    builder.deliver(subscriber, "t", "b", {.qos = QoS::exactly_once, .packet_id = 2});
    builder.to_broker(subscriber, PacketType::pubrec, 2);
    expect_kept(check_window, builder);
    // PUBREC alone gives nothing back.
    builder.deliver(subscriber, "t", "c", {.packet_id = 3});
    expect_broken(check_window, builder, "2 messages are in flight to 's'");
}

TEST(W3, what_asks_for_an_answer_gets_one) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    builder.publish(publisher, "t", "a", {.packet_id = 7});
    builder.pass(progress_time - std::chrono::milliseconds{1});
    expect_kept(check_progress, builder);
    builder.pass(std::chrono::milliseconds{1});
    expect_broken(check_progress, builder, "PUBLISH (id 7) of 'p' was never answered");
}

TEST(W3, a_backlog_does_not_stand_still_while_the_window_has_room) {
    TraceBuilder builder;
    const auto subscriber = builder.connect("s", {.receive_maximum = 1});
    builder.deliver(subscriber, "t", "a", {.packet_id = 1});
    builder.settles();
    builder.finished().end.sessions.push_back({.client_id = "s", .queue = {"b"}});
    builder.pass(progress_time * 2);
    expect_kept(check_progress, builder);  // the window is full
    builder.to_broker(subscriber, PacketType::puback, 1);
    builder.pass(progress_time * 2);
    expect_broken(check_progress, builder, "1 messages wait for 's'");
}

TEST(P1, an_identifier_in_use_is_not_given_out) {
    TraceBuilder builder;
    const auto subscriber = builder.connect("s");
    builder.publish(subscriber, "t", "a", {.packet_id = 1});
    builder.publish(subscriber, "t", "b", {.packet_id = 2});
    builder.deliver(subscriber, "t", "a", {.packet_id = 1});
    expect_kept(check_packet_id_uniqueness, builder);
    builder.deliver(subscriber, "t", "b", {.packet_id = 1});
    expect_broken(check_packet_id_uniqueness, builder, "b (id 1)");
}

TEST(P2, a_resend_says_dup_and_keeps_its_identifier) {
    for (const bool says_dup : {true, false}) {
        for (const std::uint16_t packet_id : {std::uint16_t{1}, std::uint16_t{2}}) {
            TraceBuilder builder;
            const auto subscriber = builder.connect("s");
            builder.publish(subscriber, "t", "a", {});
            builder.deliver(subscriber, "t", "a", {.packet_id = 1});
            builder.lost_by_client(subscriber);
            const auto again = builder.connect("s", {.session_present = true});
            builder.deliver(again, "t", "a", {.packet_id = packet_id, .dup = says_dup});
            const auto failures = failures_of(check_packet_id_stability, builder);
            // The same message with another identifier and DUP 0 may be a copy for a second
            // subscription; there is no telling.
            const bool is_good = says_dup == (packet_id == 1);
            EXPECT_EQ(failures.empty(), is_good) << says_dup << packet_id;
        }
    }
}

TEST(P2, a_copy_that_the_disk_kept_back_is_not_the_one_that_was_sent) {
    // The publisher repeats a message at QoS 1 for a broker that stores, and the subscriber's
    // connection ends while the disk has its second copy.
    for (const int copies : {1, 2}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
        if (copies == 2) pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .dup = true});
        pair.send_to(pair.subscriber, "t", "a", {.packet_id = 3});
        const auto again = pair.resume();
        pair.send_to(again, "t", "a", {.packet_id = 3, .dup = true});
        expect_kept(check_packet_id_stability, pair);
        pair.send_to(again, "t", "a", {.packet_id = 1, .dup = true});
        expect_kept_or_broken(copies == 2, check_packet_id_stability, pair,
                              "a (id 1) was sent with DUP 1");
        if (copies == 1) continue;
        // Both copies are on their way, so a third one is none.
        pair.send_to(again, "t", "a", {.packet_id = 2, .dup = true});
        expect_broken(check_packet_id_stability, pair, "a (id 2) was sent with DUP 1");
    }
}

TEST(P2, each_way_to_a_session_may_have_a_copy_that_was_kept_back) {
    for (const bool is_member : {true, false}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        pair.subscribe(pair.subscriber, is_member ? "$share/g/t" : "t");
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
        const auto again = pair.resume();
        pair.send_to(again, "t", "a", {.packet_id = 1, .dup = true});
        pair.send_to(again, "t", "a", {.packet_id = 2, .dup = true});
        expect_kept_or_broken(is_member, check_packet_id_stability, pair,
                              "a (id 2) was sent with DUP 1");
    }
}

TEST(P2, a_retained_message_for_a_new_subscription_may_have_been_kept_back) {
    for (const bool is_retained : {true, false}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        pair.subscribe(pair.subscriber, "t");
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .retain = true});
        pair.send_to(pair.subscriber, "t", "a", {.packet_id = 3});
        const auto again = pair.resume();
        pair.send_to(again, "t", "a", {.packet_id = 1, .dup = true, .retain = is_retained});
        expect_kept_or_broken(is_retained, check_packet_id_stability, pair,
                              "a (id 1) was sent with DUP 1");
    }
}

TEST(P2, a_message_at_qos_2_has_one_copy_however_often_it_comes) {
    Pair pair;
    pair.node_settings().has_storage = true;
    for (const bool dup : {false, true}) {
        pair.publish(pair.publisher, "t", "a",
                     {.qos = QoS::exactly_once, .packet_id = 1, .dup = dup});
    }
    pair.send_to(pair.subscriber, "t", "a", {.packet_id = 3});
    const auto again = pair.resume();
    pair.send_to(again, "t", "a", {.packet_id = 1, .dup = true});
    expect_broken(check_packet_id_stability, pair, "a (id 1) was sent with DUP 1");
}

TEST(Q1, what_was_acknowledged_reaches_those_who_had_subscribed) {
    Pair pair;
    pair.accept("a", 1);
    pair.accept("b", 2);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    expect_broken(check_at_least_once, pair, "b was acknowledged to its publisher");
    // It waits, or a drop was counted.
    pair.finished().end.sessions.push_back({.client_id = "subscriber", .queue = {"b"}});
    expect_kept(check_at_least_once, pair);
    pair.finished().end.sessions.clear();
    pair.finished().end.dropped_messages = 1;
    expect_kept(check_at_least_once, pair);
}

TEST(Q1, what_is_between_two_shards_at_the_end_is_not_missing) {
    Pair pair;
    pair.accept("a", 1);
    auto& end = pair.finished().end;
    end.sessions.push_back({.client_id = "subscriber", .shard = 1});
    const TracedUnderway right{.node = pair.node(), .shard = 1, .group = "", .payload = "a"};
    end.underway.push_back(right);
    expect_kept(check_at_least_once, pair);
    auto& underway = end.underway.front();
    underway.shard = 0;
    expect_broken(check_at_least_once, pair, "a was acknowledged to its publisher");
    underway = right;
    underway.group = "$share/g/t";
    expect_broken(check_at_least_once, pair, "a was acknowledged to its publisher");
    underway = right;
    underway.payload = "b";
    expect_broken(check_at_least_once, pair, "a was acknowledged to its publisher");
}

TEST(Q1, a_subscription_at_qos_0_or_a_message_before_it_promises_nothing) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    const auto subscriber = builder.connect("s");
    builder.publish(publisher, "t", "early", {.packet_id = 1});
    builder.to_client(publisher, PacketType::puback, 1);
    builder.subscribe(subscriber, "t");
    builder.subscribe(subscriber, "u", QoS::at_most_once);
    builder.publish(publisher, "u", "b", {.packet_id = 2});
    builder.to_client(publisher, PacketType::puback, 2);
    expect_kept(check_at_least_once, builder);
}

TEST(Q2, a_qos_2_message_goes_on_once) {
    Pair pair;
    pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once});
    pair.deliver(pair.subscriber, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once, .dup = true});
    expect_kept(check_exactly_once, pair);
    pair.to_client(pair.subscriber, [] {
        Buffer bytes;
        wire::encode(bytes,
                     wire::Publish{.qos = QoS::exactly_once,
                                   .topic = "t",
                                   .packet_id = wire::PacketId::from_wire(2).value(),
                                   .payload = as_bytes("a")},
                     ProtocolVersion::v5);
        return bytes;
    }());
    expect_broken(check_exactly_once, pair, "a, published at QoS 2, was sent to 'subscriber'");
}

TEST(Q2, an_application_gets_a_repeated_qos_2_message_once) {
    Pair pair;
    pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once});
    pair.deliver(pair.subscriber, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    pair.deliver(pair.subscriber, "t", "a",
                 {.qos = QoS::exactly_once, .packet_id = 1, .dup = true});
    expect_broken(check_exactly_once, pair, "was handed to the application of 'subscriber'");
}

TEST(Q3, a_repetition_before_pubrel_is_answered_with_success) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    const auto repeat = [&](bool dup) {
        builder.publish(publisher, "t", "a",
                        {.qos = QoS::exactly_once, .packet_id = 5, .dup = dup});
    };
    repeat(false);
    builder.to_client(publisher, PacketType::pubrec, 5);
    repeat(true);
    builder.to_client(publisher, PacketType::pubrec, 5);
    expect_kept(check_duplicate_before_release, builder);
    repeat(true);
    builder.to_client(publisher, PacketType::pubrec, 5, ReasonCode::packet_identifier_in_use);
    expect_broken(check_duplicate_before_release, builder, "refused: packet_identifier_in_use");
}

TEST(Q3, silence_is_no_answer_to_a_repetition) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    builder.publish(publisher, "t", "a", {.qos = QoS::exactly_once});
    builder.to_client(publisher, PacketType::pubrec, 1);
    builder.publish(publisher, "t", "a", {.qos = QoS::exactly_once, .dup = true});
    builder.pass(progress_time);
    expect_broken(check_duplicate_before_release, builder, "got no PUBREC");
}

TEST(Q5, after_pubrec_comes_pubrel_on_every_connection_and_never_publish) {
    TraceBuilder builder;
    const auto subscriber = builder.connect("s");
    builder.publish(subscriber, "t", "a", {});
    builder.deliver(subscriber, "t", "a", {.qos = QoS::exactly_once});
    builder.to_broker(subscriber, PacketType::pubrec, 1);
    builder.to_client(subscriber, PacketType::pubrel, 1);
    builder.lost_by_client(subscriber);
    const auto again = builder.connect("s", {.session_present = true});
    builder.pass(progress_time);
    expect_broken(check_release_resume, builder, "PUBREL for id 1 was owed to 's'");
    builder.to_client(again, PacketType::pubrel, 1);
    expect_kept(check_release_resume, builder);
    builder.deliver(again, "t", "a", {.qos = QoS::exactly_once, .dup = true});
    expect_broken(check_release_resume, builder, "was sent to 's' again although PUBREC had come");
}

TEST(S1, a_second_connection_is_accepted_after_the_first_is_closed) {
    for (const bool is_good : {true, false}) {
        TraceBuilder builder;
        const auto first = builder.connect("s");
        if (is_good) builder.closed_by_broker(first);
        builder.connect("s", {.session_present = true});
        expect_kept_or_broken(is_good, check_single_owner, builder,
                              "accepted on a second connection");
    }
}

TEST(S1, clients_without_a_client_identifier_are_no_second_connections) {
    TraceBuilder builder;
    builder.connect("");
    builder.connect("");
    expect_kept_or_broken(true, check_single_owner, builder, "");
}

TEST(S3, session_present_tells_the_truth) {
    struct Case {
        Duration away;
        bool clean_start;
        bool session_present;
        bool is_true;
    };
    for (const auto& one : std::vector<Case>{{seconds{1}, false, true, true},
                                             {seconds{1}, false, false, false},
                                             {seconds{1}, true, false, true},
                                             {seconds{1}, true, true, false},
                                             {seconds{60}, false, false, true},
                                             {seconds{60}, false, true, false}}) {
        TraceBuilder builder;
        const auto first = builder.connect("s", {.session_expiry_s = 10});
        builder.lost_by_client(first);
        builder.pass(one.away);
        builder.connect("s",
                        {.clean_start = one.clean_start, .session_present = one.session_present});
        EXPECT_EQ(failures_of(check_session_present, builder).empty(), one.is_true);
    }
}

TEST(L1, a_will_is_published_once_after_an_end_without_disconnect) {
    TraceBuilder builder;
    const auto watcher = builder.connect("watcher");
    builder.subscribe(watcher, "will");
    const auto dying = builder.connect("dying", {.session_expiry_s = 0, .will_payload = "w"});
    expect_kept(check_will_once, builder);
    builder.lost_by_client(dying);
    builder.pass(progress_time * 2);
    expect_broken(check_will_once, builder, "w of 'dying' was not published to 'watcher'");
    builder.deliver(watcher, "will", "w", {.packet_id = 1});
    expect_kept(check_will_once, builder);
    builder.deliver(watcher, "will", "w", {.packet_id = 2});
    expect_broken(check_will_once, builder, "was published twice");
}

TEST(L1, no_will_comes_from_a_client_that_is_there) {
    TraceBuilder builder;
    const auto watcher = builder.connect("watcher");
    builder.subscribe(watcher, "will");
    builder.connect("alive", {.will_payload = "w"});
    builder.deliver(watcher, "will", "w", {});
    expect_broken(check_will_once, builder, "although its connection is there");
}

TEST(R1, shards_agree_at_rest) {
    TraceBuilder builder;
    builder.finished().end.retained["t"] = {"a", "a", "a"};
    expect_kept(check_retained_convergence, builder);
    builder.finished().end.retained["t"] = {"a", "a", ""};
    expect_broken(check_retained_convergence, builder,
                  "shard 0 retains a for 't', shard 2 nothing");
}

TEST(R2, a_topic_of_retained_messages_does_not_go_back) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    const auto subscriber = builder.connect("s");
    builder.publish(publisher, "t", "old", {.packet_id = 1, .retain = true});
    builder.publish(publisher, "t", "new", {.packet_id = 2, .retain = true});
    builder.subscribe(subscriber, "t");
    builder.deliver(subscriber, "t", "new", {.packet_id = 1});
    expect_kept(check_retained_order, builder);
    builder.deliver(subscriber, "t", "old", {.packet_id = 2, .retain = true});
    expect_broken(check_retained_order, builder, "got old of 't' after the newer new");
}

TEST(R3, a_retained_message_comes_once_for_each_subscribe) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    builder.publish(publisher, "t", "a", {.retain = true});
    const auto subscriber = builder.connect("s");
    builder.subscribe(subscriber, "t");
    builder.deliver(subscriber, "t", "a", {.packet_id = 1, .retain = true});
    builder.subscribe(subscriber, "t");
    builder.deliver(subscriber, "t", "a", {.packet_id = 2, .retain = true});
    expect_kept(check_unsolicited_replay, builder);
    builder.lost_by_client(subscriber);
    const auto again = builder.connect("s", {.session_present = true});
    builder.deliver(again, "t", "a", {.packet_id = 3, .retain = true});
    expect_broken(check_unsolicited_replay, builder,
                  "without a SUBSCRIBE for it: 3 were sent for 2");
}

TEST(R3, what_is_older_than_the_subscription_says_retain) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    builder.publish(publisher, "t", "a", {.retain = true});
    builder.pass(seconds{10});
    const auto subscriber = builder.connect("s");
    builder.subscribe(subscriber, "t");
    builder.deliver(subscriber, "t", "a", {});
    expect_broken(check_unsolicited_replay, builder, "older than its subscription, with RETAIN 0");
}

TEST(K1, silence_ends_a_connection_in_time) {
    TraceBuilder silent;
    const auto number = silent.connect("s", {.keep_alive_s = 10});
    silent.pass(seconds{15});
    expect_kept(check_keep_alive, silent);
    silent.pass(seconds{5});
    expect_broken(check_keep_alive, silent, "was not disconnected");
    silent.closed_by_broker(number);

    TraceBuilder hasty;
    const auto other = hasty.connect("s", {.keep_alive_s = 10});
    hasty.pass(seconds{10});
    hasty.closed_by_broker(other);
    expect_broken(check_keep_alive, hasty, "was disconnected 10");
}

TEST(D1, only_what_matches_at_no_more_than_the_granted_qos) {
    TraceBuilder builder;
    const auto subscriber = builder.connect("s");
    builder.subscribe(subscriber, "#", QoS::at_least_once);
    builder.deliver(subscriber, "a/b", "a", {.packet_id = 1});
    expect_kept(check_dollar_rule, builder);
    builder.deliver(subscriber, "$SYS/x", "b", {.packet_id = 2});
    expect_broken(check_dollar_rule, builder, "none of its subscriptions matches");

    TraceBuilder higher;
    const auto other = higher.connect("s");
    higher.subscribe(other, "t", QoS::at_most_once);
    higher.deliver(other, "t", "a", {});
    expect_broken(check_dollar_rule, higher, "at QoS 1, more than it was granted");
}

TEST(Conservation, everything_matched_is_somewhere) {
    TraceBuilder builder;
    auto& balances = builder.finished().end.balances;
    balances.push_back({.node = builder.node(),
                        .matched = 10,
                        .completed = 4,
                        .dropped = 3,
                        .waiting = 2,
                        .in_flight = 1});
    expect_kept(check_conservation, builder);
    balances.front().dropped = 2;
    expect_broken(check_conservation, builder, "found 10 receivers for messages");
}

TEST(Checkers, have_ids_of_their_own_and_accept_an_empty_trace) {
    std::set<std::string_view> ids;
    TraceBuilder empty;
    for (const auto& checker : all_checkers()) {
        EXPECT_TRUE(ids.insert(checker.id).second) << checker.id;
        expect_kept(checker.check, empty);
    }
}

}  // namespace
}  // namespace touchstone::simulator
