// The checkers that came with the library of published defects, each with a trace that breaks its
// promise and the one next to it that does not.

#include <array>
#include <memory>
#include <string>

#include "simulator/tests/checker_expectations.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::PacketType;

TEST(Q4, a_duplicate_that_was_never_seen_is_a_new_message) {
    for (const bool is_good : {true, false}) {
        Pair pair;
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .dup = true});
        pair.to_client(pair.publisher, PacketType::puback, 1);
        if (is_good) pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
        if (is_good) {
            expect_kept(check_unseen_duplicate, pair);
        } else {
            expect_broken(check_unseen_duplicate, pair, "came with DUP 1");
            expect_kept(check_at_least_once, pair);
        }
    }
}

TEST(Acknowledged, a_message_that_was_acknowledged_is_not_sent_as_a_new_one) {
    for (const bool is_published_again : {false, true}) {
        Pair pair;
        pair.accept("a", 1);
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
        // Not acknowledged yet: sending it again, under another identifier, is P2's business.
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 2});
        expect_kept(check_acknowledged, pair);
        pair.to_broker(pair.subscriber, PacketType::puback, 1);
        if (is_published_again) {
            pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .dup = true});
            pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .dup = true});
        }
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 3});
        if (is_published_again)
            expect_kept(check_acknowledged, pair);
        else
            expect_broken(check_acknowledged, pair, "although it had been acknowledged");
    }
}

// What a lying disk may take is not asked for, and all that is older is.
TEST(LyingDisk, excuses_what_happened_while_it_lied_and_nothing_else) {
    for (const bool is_new : {true, false}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        // Away since before the disk lied.
        pair.lost_by_client(pair.subscriber);
        pair.pass(seconds{10});
        pair.accept("a", 1);
        pair.pass(seconds{1});
        pair.crash("lost", is_new ? seconds{2} : milliseconds{500});
        pair.connect("subscriber", {.session_present = true});
        expect_kept_or_broken(is_new, check_at_least_once, pair, "neither reached it nor waits");
    }
}

TEST(LyingDisk, makes_unknown_what_the_sessions_were_that_had_to_do_with_the_node) {
    for (const bool is_touched : {true, false}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        pair.lost_by_client(pair.subscriber);
        pair.pass(seconds{10});
        const auto again =
            is_touched ? pair.connect("subscriber", {.session_present = true}) : pair.subscriber;
        if (is_touched) pair.lost_by_client(again);
        pair.crash("torn", seconds{1});
        pair.connect("subscriber", {.session_present = false});
        expect_kept_or_broken(is_touched, check_session_present, pair, "Session Present 0");
    }
}

TEST(LyingDisk, lets_a_message_come_again_that_came_or_went_to_other_shards_while_it_lied) {
    struct Case {
        Duration waited;  // from the acknowledgement to the crash
        Duration lied;    // until the crash
        bool is_excuse;
    };
    for (const auto& [waited, lied, is_excuse] :
         {Case{seconds{0}, seconds{1}, true}, Case{seconds{0}, milliseconds{1}, true},
          Case{seconds{10}, milliseconds{1}, false}}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
        pair.to_client(pair.publisher, PacketType::pubrec, 1);
        pair.pass(waited);
        pair.crash("torn", lied);
        const auto again = pair.connect("subscriber", {.session_present = true});
        for (std::uint16_t id = 1; id <= 2; ++id) {
            pair.deliver(again, "t", "a", {.qos = QoS::exactly_once, .packet_id = id});
        }
        if (is_excuse)
            expect_kept(check_exactly_once, pair);
        else
            EXPECT_THAT(failures_of(check_exactly_once, pair), Not(testing::IsEmpty()));
    }
}

TEST(LyingDisk, leaves_a_session_the_subscriptions_that_it_may_have_had) {
    for (const bool is_broken : {true, false}) {
        Pair pair;
        pair.node_settings().has_storage = true;
        pair.crash(is_broken ? "lost" : "", seconds{1});
        const auto again = pair.connect("subscriber", {.session_present = true});
        pair.accept("a", 1);
        pair.deliver(again, "t", "a", {.packet_id = 1});
        expect_kept(check_dollar_rule, pair);
        // It may have lost them as well.
        pair.accept("b", 2);
        expect_kept_or_broken(is_broken, check_at_least_once, pair, "neither reached it nor waits");
    }
}

TEST(FullDisk, what_came_with_what_a_connection_was_closed_for_was_not_read) {
    for (const bool is_at_once : {true, false}) {
        Pair pair;
        pair.set_disk_fault("disk_full");
        pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
        pair.send_to(pair.subscriber, "t", "a", {.packet_id = 1});
        pair.to_broker(pair.subscriber, PacketType::puback, 1);
        pair.closed_by_broker(pair.subscriber);
        auto& entries = pair.finished().entries;
        if (is_at_once) entries.back().at = entries[entries.size() - 2].at;
        const auto again = pair.connect("subscriber", {.session_present = true});
        pair.send_to(again, "t", "a", {.packet_id = 1, .dup = true});
        expect_kept_or_broken(is_at_once, check_exactly_once, pair, "more than once");
    }
}

TEST(FullDisk, is_a_reason_to_refuse_who_connects) {
    for (const bool is_full : {true, false}) {
        TraceBuilder builder;
        builder.set_disk_fault(is_full ? "disk_failing" : "disk_slow");
        builder.connect("c", {.reason = ReasonCode::implementation_specific_error});
        expect_kept_or_broken(is_full, check_availability, builder, "was refused");
    }
}

TEST(Published, a_payload_comes_from_a_publisher) {
    Pair pair;
    pair.accept("a", 1);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    expect_kept(check_published, pair);
    pair.deliver(pair.subscriber, "t", "b", {.packet_id = 2});
    expect_broken(check_published, pair, "was sent b of 't', which nobody has published");
}

TEST(S2, what_came_before_a_takeover_comes_behind_it) {
    for (const bool is_good : {true, false}) {
        Pair pair;
        pair.accept("a", 1);
        const auto next = pair.connect("subscriber", {.session_present = true});
        pair.closed_by_broker(pair.subscriber);
        if (is_good) {
            pair.deliver(next, "t", "a", {.packet_id = 1});
            expect_kept(check_takeover_continuity, pair);
        } else {
            expect_broken(check_takeover_continuity, pair, "while the session was taken over");
        }
    }
}

TEST(S2, what_is_missing_without_a_takeover_is_not_its_business) {
    Pair pair;
    pair.accept("a", 1);
    expect_kept(check_takeover_continuity, pair);
}

TEST(S4, a_connection_that_took_over_is_not_closed_for_nothing) {
    TraceBuilder builder;
    const auto older = builder.connect("c");
    const auto newer = builder.connect("c", {.session_present = true});
    builder.closed_by_broker(older);
    expect_kept(check_connection_epoch, builder);
    builder.closed_by_broker(newer);
    expect_broken(check_connection_epoch, builder, "the connection of 'c' was closed");
}

TEST(S4, a_client_that_is_told_why_may_be_disconnected) {
    TraceBuilder builder;
    const auto older = builder.connect("c");
    const auto newer = builder.connect("c", {.session_present = true});
    builder.closed_by_broker(older);
    Buffer disconnect;
    wire::encode(disconnect, wire::Disconnect{.reason = ReasonCode::protocol_error},
                 ProtocolVersion::v5);
    builder.to_client(newer, disconnect);
    builder.closed_by_broker(newer);
    expect_kept(check_connection_epoch, builder);
}

TEST(S5, a_session_is_there_until_its_expiry_and_not_longer) {
    TraceBuilder builder;
    const auto number = builder.connect("c", {.session_expiry_s = 10});
    builder.lost_by_client(number);
    auto& end = builder.finished().end;
    end.balances.push_back({.node = builder.node()});
    expect_broken(check_session_end, builder, "before its expiry");
    end.sessions.push_back({.client_id = "c"});
    expect_kept(check_session_end, builder);
    builder.pass(seconds{20});
    expect_broken(check_session_end, builder, "after its expiry");
    end.sessions.clear();
    expect_kept(check_session_end, builder);
}

TEST(S5, a_session_does_not_end_under_its_connection) {
    TraceBuilder builder;
    builder.connect("c");
    builder.finished().end.balances.push_back({.node = builder.node()});
    expect_broken(check_session_end, builder, "nothing has ended it");
}

TEST(L2, the_will_of_the_connection_that_died_is_published) {
    for (const bool is_good : {true, false}) {
        TraceBuilder builder;
        const auto watcher = builder.connect("watcher");
        builder.subscribe(watcher, "will");
        const auto older = builder.connect("c", {.will_payload = "first"});
        builder.connect("c", {.session_present = true, .will_payload = "second"});
        builder.closed_by_broker(older);
        builder.deliver(watcher, "will", is_good ? "first" : "second", {.packet_id = 1});
        expect_kept_or_broken(is_good, check_will_ownership, builder, "whose own is first");
    }
}

/// A publisher and two members of the Shared Subscription $share/g/t.
struct Sharing : TraceBuilder {
    ConnectionNumber publisher = connect("publisher");
    ConnectionNumber first = connect("first");
    ConnectionNumber second = connect("second");
    Sharing() {
        subscribe(first, "$share/g/t");
        subscribe(second, "$share/g/t");
    }
    void accept(std::string_view payload) {
        publish(publisher, "t", payload, {.packet_id = 1});
        to_client(publisher, PacketType::puback, 1);
    }
};

TEST(H1, a_message_goes_to_one_member) {
    Sharing sharing;
    sharing.accept("a");
    expect_broken(check_shared_dispatch, sharing, "no member of the Shared Subscription");
    sharing.deliver(sharing.first, "t", "a", {.packet_id = 1});
    sharing.to_broker(sharing.first, PacketType::puback, 1);
    expect_kept(check_shared_dispatch, sharing);
    sharing.deliver(sharing.second, "t", "a", {.packet_id = 1});
    expect_broken(check_shared_dispatch, sharing, "was sent to 'second' although 'first' had got");
}

TEST(H1, what_is_between_two_shards_at_the_end_is_nobodys_yet) {
    Sharing sharing;
    sharing.accept("a");
    auto& underway = sharing.finished().end.underway;
    underway.push_back({.node = sharing.node(), .shard = 1, .group = "$share/g/t", .payload = "a"});
    expect_kept(check_shared_dispatch, sharing);
    underway.front().group = "$share/other/t";
    expect_broken(check_shared_dispatch, sharing, "no member of the Shared Subscription");
}

TEST(H1, what_a_member_did_not_acknowledge_goes_on_when_its_session_ends) {
    Sharing sharing;
    sharing.accept("a");
    sharing.deliver(sharing.first, "t", "a", {.packet_id = 1});
    sharing.lost_by_client(sharing.first);
    sharing.connect("first", {.clean_start = true});
    expect_broken(check_shared_dispatch, sharing, "no member of the Shared Subscription");
    sharing.deliver(sharing.second, "t", "a", {.packet_id = 1});
    sharing.to_broker(sharing.second, PacketType::puback, 1);
    expect_kept(check_shared_dispatch, sharing);
}

TEST(H1, each_copy_of_a_repeated_message_goes_to_one_member) {
    for (const int copies : {1, 2}) {
        Sharing sharing;
        const auto third = sharing.connect("third");
        sharing.subscribe(third, "$share/g/t");
        // The answer to the first one does not come.
        if (copies == 2) sharing.publish(sharing.publisher, "t", "a", {.packet_id = 1});
        sharing.accept("a");
        sharing.deliver(sharing.first, "t", "a", {.packet_id = 1});
        sharing.to_broker(sharing.first, PacketType::puback, 1);
        sharing.deliver(sharing.second, "t", "a", {.packet_id = 1});
        expect_kept_or_broken(copies == 2, check_shared_dispatch, sharing,
                              "was sent to 'second' although 'first' had got");
        if (copies == 1) continue;
        sharing.deliver(third, "t", "a", {.packet_id = 1});
        expect_broken(check_shared_dispatch, sharing, "was sent to 'third'");
    }
}

TEST(H1, what_a_disk_lost_that_lied_is_owed_to_nobody) {
    for (const bool is_new : {true, false}) {
        Sharing sharing;
        sharing.accept("a");
        sharing.pass(seconds{5});
        sharing.crash("lost", is_new ? seconds{10} : seconds{1});
        expect_kept_or_broken(is_new, check_shared_dispatch, sharing,
                              "no member of the Shared Subscription");
    }
}

TEST(H1, what_the_disk_kept_back_at_qos_2_goes_with_its_member) {
    for (const auto qos : {QoS::exactly_once, QoS::at_least_once}) {
        Sharing sharing;
        sharing.node_settings().has_storage = true;
        sharing.publish(sharing.publisher, "t", "a", {.qos = qos, .packet_id = 1});
        const bool is_2 = qos == QoS::exactly_once;
        sharing.to_client(sharing.publisher, is_2 ? PacketType::pubrec : PacketType::puback, 1);
        expect_broken(check_shared_dispatch, sharing, "no member of the Shared Subscription");
        sharing.lost_by_client(sharing.first);
        sharing.connect("first", {.clean_start = true});
        expect_kept_or_broken(is_2, check_shared_dispatch, sharing,
                              "no member of the Shared Subscription");
    }
}

TEST(H1, a_member_is_owed_nothing_after_its_session_was_over) {
    // The node had not stored that it was, when it crashed: so it is there again.
    for (const auto away : {seconds{11}, seconds{1}}) {
        TraceBuilder builder;
        builder.node_settings().has_storage = true;
        const auto publisher = builder.connect("publisher");
        const auto member = builder.connect("member", {.session_expiry_s = 10});
        builder.subscribe(member, "$share/g/t");
        builder.lost_by_client(member);
        builder.pass(away);
        builder.publish(publisher, "t", "a", {.packet_id = 1});
        builder.to_client(publisher, PacketType::puback, 1);
        builder.crash("");
        builder.connect("member", {.session_present = true});
        expect_kept_or_broken(away > seconds{10}, check_shared_dispatch, builder,
                              "no member of the Shared Subscription");
    }
}

TEST(H1, who_was_not_let_go_of_a_group_is_a_member) {
    for (const auto reason : {ReasonCode::implementation_specific_error, ReasonCode::success}) {
        Sharing sharing;
        sharing.unsubscribe(sharing.first, "$share/g/t");
        const std::array codes{static_cast<std::byte>(reason)};
        Buffer unsuback;
        wire::encode_unsuback(
            unsuback,
            {.packet_id = wire::PacketId::from_wire(request_id).value(), .reasons = codes},
            ProtocolVersion::v5);
        sharing.to_client(sharing.first, unsuback);
        sharing.pass(seconds{2});
        sharing.accept("a");
        sharing.deliver(sharing.first, "t", "a", {.packet_id = 1});
        sharing.to_broker(sharing.first, PacketType::puback, 1);
        expect_kept_or_broken(is_failure(reason), check_shared_dispatch, sharing,
                              "'first', which had left");
    }
}

TEST(H1, who_was_not_told_whether_it_left_may_be_a_member) {
    for (const bool has_storage : {true, false}) {
        Sharing sharing;
        sharing.node_settings().has_storage = has_storage;
        sharing.unsubscribe(sharing.first, "$share/g/t");
        sharing.closed_by_broker(sharing.first);
        sharing.pass(seconds{2});
        sharing.accept("a");
        const auto again = sharing.connect("first", {.session_present = true});
        sharing.deliver(again, "t", "a", {.packet_id = 1});
        sharing.to_broker(again, PacketType::puback, 1);
        expect_kept_or_broken(has_storage, check_shared_dispatch, sharing,
                              "'first', which had left");
    }
}

TEST(H1, what_was_sent_at_qos_2_is_that_members_for_good) {
    Sharing sharing;
    sharing.publish(sharing.publisher, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    sharing.to_client(sharing.publisher, PacketType::pubrec, 1);
    expect_broken(check_shared_dispatch, sharing, "no member of the Shared Subscription");
    sharing.deliver(sharing.first, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    sharing.lost_by_client(sharing.first);
    sharing.connect("first", {.clean_start = true});
    expect_kept(check_shared_dispatch, sharing);
}

TEST(H1, a_message_does_not_wait_for_a_member_that_is_away) {
    Sharing sharing;
    sharing.lost_by_client(sharing.second);
    sharing.accept("a");
    sharing.finished().end.sessions.push_back({.client_id = "second", .queue = {"a"}});
    expect_broken(check_shared_dispatch, sharing, "waits for 'second', which was away");
    sharing.lost_by_client(sharing.first);
    sharing.publish(sharing.publisher, "t", "b", {.packet_id = 2});
    sharing.to_client(sharing.publisher, PacketType::puback, 2);
    sharing.finished().end.sessions.front().queue = {"b"};
    sharing.deliver(sharing.first, "t", "a", {.packet_id = 1});
    sharing.to_broker(sharing.first, PacketType::puback, 1);
    expect_kept(check_shared_dispatch, sharing);  // nobody was there for b
}

TEST(H1, who_has_left_gets_nothing) {
    Sharing sharing;
    constexpr std::array unsubscribe{
        std::byte{0xA2}, std::byte{15},  // UNSUBSCRIBE, Remaining Length
        std::byte{0},    std::byte{7},   // Packet Identifier
        std::byte{0},                    // no Properties
        std::byte{0},    std::byte{10},  // Topic Filter
        std::byte{'$'},  std::byte{'s'}, std::byte{'h'}, std::byte{'a'}, std::byte{'r'},
        std::byte{'e'},  std::byte{'/'}, std::byte{'g'}, std::byte{'/'}, std::byte{'t'}};
    sharing.to_broker(sharing.first, Bytes{unsubscribe});
    sharing.pass(seconds{2});
    sharing.accept("a");
    sharing.deliver(sharing.first, "t", "a", {.packet_id = 1});
    sharing.to_broker(sharing.first, PacketType::puback, 1);
    expect_broken(check_shared_dispatch, sharing, "'first', which had left");
}

TEST(Qos, no_lower_than_published_and_granted) {
    Pair pair;
    pair.accept("a", 1);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    expect_kept(check_delivery_qos, pair);
    pair.deliver(pair.subscriber, "t", "a", {.qos = QoS::at_most_once});
    expect_broken(check_delivery_qos, pair, "got a at QoS 0");
}

TEST(ReceiveMaximum, who_exceeds_it_is_disconnected) {
    TraceBuilder builder;
    const auto client = builder.connect("c", {.server_receive_maximum = 1});
    builder.publish(client, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    builder.to_broker(client, PacketType::pubrel, 1);
    builder.publish(client, "t", "b", {.qos = QoS::exactly_once, .packet_id = 2});
    builder.publish(client, "t", "b", {.qos = QoS::exactly_once, .packet_id = 2, .dup = true});
    builder.pass(progress_time);
    expect_kept(check_receive_maximum, builder);
    builder.publish(client, "t", "c", {.qos = QoS::exactly_once, .packet_id = 3});
    expect_kept(check_receive_maximum, builder);  // it takes a moment
    builder.pass(progress_time);
    expect_broken(check_receive_maximum, builder, "'c' exceeded");
}

TEST(Resume, what_is_unacknowledged_is_sent_again) {
    Pair pair;
    pair.accept("a", 1);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    pair.deliver(pair.resume(), "t", "a", {.packet_id = 1, .dup = true});
    pair.pass(progress_time);
    expect_kept(check_resume, pair);
    pair.resume();
    pair.pass(progress_time);
    expect_broken(check_resume, pair, "a (id 1) was owed to 'subscriber'");
}

TEST(Resume, a_full_window_may_hold_it_up) {
    Pair pair;
    pair.accept("a", 1);
    pair.accept("b", 2);
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    pair.deliver(pair.subscriber, "t", "b", {.packet_id = 2});
    pair.lost_by_client(pair.subscriber);
    const auto again = pair.connect("subscriber", {.receive_maximum = 1, .session_present = true});
    pair.deliver(again, "t", "a", {.packet_id = 1, .dup = true});
    pair.pass(progress_time);
    expect_kept(check_resume, pair);
    pair.to_broker(again, PacketType::puback, 1);
    pair.pass(progress_time);
    expect_broken(check_resume, pair, "b (id 2) was owed");
}

TEST(R1, the_last_one_published_is_retained) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    builder.publish(publisher, "t", "old", {.packet_id = 1, .retain = true});
    builder.publish(publisher, "t", "new", {.packet_id = 2, .retain = true});
    builder.pass(progress_time);
    auto& retained = builder.finished().end.retained;
    retained["t"] = {"new", "new"};
    expect_kept(check_retained_convergence, builder);
    retained["t"] = {"old", "old"};
    expect_broken(check_retained_convergence, builder, "but new was published last");
}

// A SUBACK waits for other shards, and what is behind it waits with it.
TEST(R1, what_was_still_behind_a_subscribe_when_the_broker_closed_is_not_asked_for) {
    for (const bool is_granted : {false, true}) {
        TraceBuilder builder;
        const auto publisher = builder.connect("p");
        builder.publish(publisher, "t", "old", {.packet_id = 1, .retain = true});
        builder.ask_for(publisher, "u");
        builder.publish(publisher, "t", "new", {.retain = true});
        if (is_granted) builder.grant(publisher);
        builder.closed_by_broker(publisher);
        builder.pass(progress_time);
        builder.finished().end.retained["t"] = {"old", "old"};
        if (is_granted)
            expect_broken(check_retained_convergence, builder, "but new was published last");
        else
            expect_kept(check_retained_convergence, builder);
    }
}

TEST(R2, a_later_subscriber_gets_the_last_value) {
    TraceBuilder builder;
    const auto publisher = builder.connect("p");
    builder.publish(publisher, "t", "a", {.packet_id = 1, .retain = true});
    const auto display = builder.connect("d");
    builder.subscribe(display, "t");
    expect_kept(check_retained_order, builder);  // it takes a moment
    builder.pass(progress_time);
    expect_broken(check_retained_order, builder, "never got this value");
    builder.deliver(display, "t", "a", {.packet_id = 1, .retain = true});
    expect_kept(check_retained_order, builder);
}

TEST(B1, a_queue_has_no_more_than_its_limit) {
    TraceBuilder builder;
    builder.connect("c");
    auto& trace = builder.finished();
    trace.nodes.front().queue_messages_max = 1;
    trace.end.sessions.push_back({.client_id = "c", .queue = {"a"}});
    expect_kept(check_bounds, builder);
    trace.end.sessions.front().queue = {"a", "b"};
    expect_broken(check_bounds, builder, "2 messages wait for 'c'");
}

TEST(B1, nobody_is_silent_for_longer_than_the_server_allows) {
    TraceBuilder builder;
    builder.connect("c");
    builder.finished().nodes.front().keep_alive_s_max = 10;
    builder.pass(seconds{16});
    expect_kept(check_bounds, builder);
    builder.pass(seconds{1});
    expect_broken(check_bounds, builder, "'c' was silent");
}

TEST(B1, what_a_client_has_begun_costs_its_identifiers) {
    TraceBuilder builder;
    const auto client = builder.connect("c");
    builder.publish(client, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    builder.publish(client, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1, .dup = true});
    auto& end = builder.finished().end;
    end.memory.push_back({.node = builder.node(), .intake_bytes = 2});
    expect_kept(check_bounds, builder);
    end.memory.front().intake_bytes = 4;
    expect_broken(check_bounds, builder, "keeps 4 bytes");
    end.memory.front().intake_bytes = 2;
    builder.to_broker(client, PacketType::pubrel, 1);
    expect_broken(check_bounds, builder, "which is 0 bytes");
}

TEST(M2, no_more_room_is_wanted_than_a_packet_may_have) {
    TraceBuilder builder;
    auto& trace = builder.finished();
    trace.nodes.front().packet_size_bytes_max = 1'000;
    trace.end.memory.push_back({.node = builder.node(), .wanted_bytes_max = 1'000});
    expect_kept(check_intake_room, builder);
    trace.end.memory.front().wanted_bytes_max = 268'435'460;
    expect_broken(check_intake_room, builder, "wanted room for 268435460 bytes");
}

TEST(O5, what_the_broker_sends_can_be_read) {
    Pair pair;
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
    expect_kept(check_byte_order, pair);
    constexpr std::array rest_of_a_packet{std::byte{0x00}, std::byte{0x61}};
    pair.to_client(pair.subscriber, Bytes{rest_of_a_packet});
    expect_broken(check_byte_order, pair, "2 bytes that the broker sent to 'subscriber'");
}

TEST(Reading, who_sends_packets_is_not_told_that_they_are_malformed) {
    TraceBuilder builder;
    const auto good = builder.connect("good");
    const auto bad = builder.connect("bad");
    constexpr std::array no_packet{std::byte{0x00}};
    builder.to_broker(bad, Bytes{no_packet});
    Buffer disconnect;
    wire::encode(disconnect, wire::Disconnect{.reason = ReasonCode::malformed_packet},
                 ProtocolVersion::v5);
    builder.to_client(bad, disconnect);
    expect_kept(check_reading, builder);
    builder.to_client(good, disconnect);
    expect_broken(check_reading, builder, "'good' was told");
}

TEST(Refusal, is_followed_by_the_end_of_the_connection) {
    TraceBuilder builder;
    const auto first = builder.connect("first", {.reason = ReasonCode::not_authorized});
    builder.closed_by_broker(first);
    builder.connect("second", {.reason = ReasonCode::not_authorized});
    expect_kept(check_refusal, builder);
    builder.pass(progress_time);
    expect_broken(check_refusal, builder, "'second' was refused");
}

TEST(B1, a_slow_connection_is_owed_a_bounded_number_of_bytes) {
    TraceBuilder builder;
    auto& trace = builder.finished();
    auto& node = trace.nodes.front();
    node.unwritten_bytes_max = 1'000;
    node.packet_size_bytes_max = 100;
    node.inflight_max = 1;
    trace.end.memory.push_back({.node = builder.node(), .unwritten_bytes_max = 1'200});
    expect_kept(check_bounds, builder);
    trace.end.memory.front().unwritten_bytes_max = 1'201;
    expect_broken(check_bounds, builder, "1201 bytes waited for one connection");
}

TEST(B1, without_a_limit_nothing_is_dropped_for_a_full_queue) {
    TraceBuilder builder;
    auto& trace = builder.finished();
    trace.end.memory.push_back({.node = builder.node(), .dropped_queue_full = 3});
    expect_kept(check_bounds, builder);
    trace.nodes.front().queue_messages_max = 0xFFFF'FFFF;
    expect_broken(check_bounds, builder, "dropped 3 messages");
}

TEST(C5, nobody_is_refused_for_what_is_wrong_in_the_server) {
    TraceBuilder builder;
    builder.connect("banned", {.reason = ReasonCode::banned});
    expect_kept(check_availability, builder);
    builder.connect("unlucky", {.reason = ReasonCode::server_unavailable});
    expect_broken(check_availability, builder, "'unlucky' was refused");
}

TEST(Presence, tells_of_one_connection_after_the_other) {
    TraceBuilder builder;
    const auto watcher = builder.connect("watcher");
    builder.subscribe(watcher, "$SYS/brokers/+/clients/#");
    std::uint16_t packet_id = 0;
    const auto tell = [&](std::string_view client, std::string_view event) {
        const auto topic =
            "$SYS/brokers/n/clients/" + std::string{client} + "/" + std::string{event};
        builder.deliver(watcher, topic, event, {.packet_id = ++packet_id});
    };
    tell("c", "connected");
    tell("d", "connected");
    tell("c", "disconnected");
    tell("c", "connected");
    expect_kept(check_presence_order, builder);
    tell("d", "connected");
    expect_broken(check_presence_order, builder, "told connected twice in a row");
}

/// Rules that are in force from now on.
void set_rules(TraceBuilder& builder, std::string_view text) {
    auto& trace = builder.finished();
    trace.access.push_back(
        {.node = builder.node(),
         .from_entry = trace.entries.size(),
         .rules = std::make_shared<access::AccessRules>(access::AccessRules::parse(text).value())});
}

TEST(N1, a_subscription_is_granted_to_whom_the_rules_allow_it) {
    TraceBuilder builder;
    set_rules(builder, R"({deny, {client, "bad"}, subscribe, ["t"]}. {allow, all}.)");
    builder.subscribe(builder.connect("good"), "t");
    expect_kept(check_access_rules, builder);
    builder.subscribe(builder.connect("bad"), "t");
    expect_broken(check_access_rules, builder, "'bad' was granted 't'");
}

TEST(Expiry, what_has_waited_for_too_long_is_not_sent) {
    for (const int waits_s : {5, 14}) {
        Pair pair;
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .expiry_s = 10});
        pair.pass(seconds{waits_s});
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1, .expiry_s = 5});
        if (waits_s < 10) {
            expect_kept(check_message_expiry, pair);
        } else {
            expect_broken(check_message_expiry, pair, "ms after it had come, with");
        }
    }
}

TEST(Expiry, what_is_sent_says_what_is_left) {
    Pair pair;
    pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .expiry_s = 100});
    pair.pass(seconds{50});
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1, .expiry_s = 100});
    expect_broken(check_message_expiry, pair, "with a Message Expiry Interval of 100 s");
    Pair other;
    other.publish(other.publisher, "t", "a", {.packet_id = 1, .expiry_s = 100});
    other.deliver(other.subscriber, "t", "a", {.packet_id = 1});
    expect_broken(check_message_expiry, other, "without the Message Expiry Interval");
}

TEST(Expiry, a_resend_is_no_first_transmission) {
    Pair pair;
    pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .expiry_s = 10});
    pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1, .expiry_s = 10});
    pair.pass(seconds{20});
    const auto next = pair.connect("subscriber", {.session_present = true});
    pair.deliver(next, "t", "a", {.packet_id = 1, .dup = true, .expiry_s = 1});
    expect_kept(check_message_expiry, pair);
}

TEST(N1, a_will_message_is_judged_when_it_is_published) {
    enum class Revoked { never, before_the_end, before_the_sending };
    for (const auto revoked :
         {Revoked::never, Revoked::before_the_end, Revoked::before_the_sending}) {
        TraceBuilder builder;
        set_rules(builder, "{allow, all}.");
        const auto watcher = builder.connect("watcher");
        builder.subscribe(watcher, "will");
        const auto revoke = [&] {
            set_rules(builder, R"({deny, all, publish, ["will"]}. {allow, all}.)");
        };
        const auto number = builder.connect("c", {.will_payload = "gone"});
        if (revoked == Revoked::before_the_end) revoke();
        builder.lost_by_client(number);
        if (revoked == Revoked::before_the_sending) revoke();  // it waited in a queue
        builder.deliver(watcher, "will", "gone", {.packet_id = 1});
        if (revoked == Revoked::before_the_end) {
            expect_broken(check_access_rules, builder, "the Will Message of 'c'");
        } else {
            expect_kept(check_access_rules, builder);
        }
    }
}

}  // namespace
}  // namespace touchstone::simulator
