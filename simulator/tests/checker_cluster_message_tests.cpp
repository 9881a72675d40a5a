// O1, Q1, L1, B1 and C5 of clusters, on traces made by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/tests/trace_builder.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

/// A publisher at one node, and a client at another one that has been subscribed for long.
class TwoNodes {
public:
    TwoNodes() {
        builder.join_cluster();
        auto& trace = builder.trace();
        trace.cluster.notices_within = seconds{1};
        first = builder.node();
        publisher = builder.connect("p");
        builder.go_to_other_node("second");
        second = builder.node();
        subscriber = builder.connect("s");
        builder.subscribe(subscriber, "#");
        builder.pass(seconds{10});
        trace.agreement.at = Instant{seconds{100}};
        trace.agreement.members = {{.node = first, .is_up = true}, {.node = second, .is_up = true}};
    }
    void publish(const std::string& payload, std::uint16_t packet_id) {
        builder.publish(publisher, "t", payload, {.packet_id = packet_id});
        builder.to_client(publisher, wire::PacketType::puback, packet_id);
    }
    void deliver(const std::string& payload, std::uint16_t packet_id) {
        builder.deliver(subscriber, "t", payload, {.packet_id = packet_id});
    }
    /// From now on, until it is over.
    void part(Duration span) {
        auto& trace = builder.trace();
        const auto now = trace.entries.back().at;
        trace.faults.push_back({"partition", "broker", "from second", now, now + span});
    }
    Failures of(Failures (*check)(const Trace&, const History&)) {
        const Trace& trace = builder.finished();
        return check(trace, History{trace});
    }

    TraceBuilder builder;
    Actor first;
    Actor second;
    ConnectionNumber publisher;
    ConnectionNumber subscriber;
};

TEST(cluster_messages, have_to_reach_who_has_subscribed_at_another_node) {
    for (const bool arrives : {false, true}) {
        for (const std::uint64_t dropped : {0U, 1U}) {
            TwoNodes nodes;
            nodes.publish("1", 1);
            if (arrives) nodes.deliver("1", 1);
            nodes.builder.trace().agreement.members[0].dropped_publications = dropped;
            EXPECT_THAT(nodes.of(check_at_least_once), SizeIs(arrives || dropped == 1 ? 0 : 1));
        }
    }
}

// Of clusters that keep publications until all nodes have them: whatever was cut meanwhile.
TEST(cluster_messages, that_are_kept_have_to_reach_who_has_subscribed_on_another_side) {
    for (const bool arrives : {false, true}) {
        TwoNodes nodes;
        nodes.builder.trace().cluster.keeps_log = true;
        nodes.part(seconds{60});
        const auto late = nodes.builder.connect("late");
        nodes.builder.subscribe(late, "t");
        nodes.publish("1", 1);
        nodes.deliver("1", 1);
        if (arrives) nodes.builder.deliver(late, "t", "1", {.packet_id = 1});
        nodes.builder.pass(seconds{10});
        EXPECT_THAT(nodes.of(check_at_least_once), SizeIs(arrives ? 0 : 1));
    }
}

TEST(cluster_messages, that_are_kept_are_not_owed_to_who_has_given_them_up) {
    TwoNodes nodes;
    nodes.builder.trace().cluster.keeps_log = true;
    nodes.publish("1", 1);
    nodes.builder.unsubscribe(nodes.subscriber, "#");
    nodes.builder.pass(seconds{10});
    EXPECT_THAT(nodes.of(check_at_least_once), IsEmpty());
}

// A SUBACK waits for other nodes: what has arrived meanwhile is carried out behind the SUBSCRIBE.
TEST(cluster_messages, that_are_kept_are_owed_to_who_gave_up_what_it_had_before_but_not_this) {
    for (const bool is_before : {false, true}) {
        TwoNodes nodes;
        nodes.builder.trace().cluster.keeps_log = true;
        const auto hasty = nodes.builder.connect("hasty");
        if (is_before) nodes.builder.unsubscribe(hasty, "t");
        nodes.builder.ask_for(hasty, "t");
        if (!is_before) nodes.builder.unsubscribe(hasty, "t");
        nodes.builder.grant(hasty);
        nodes.publish("1", 1);
        nodes.deliver("1", 1);
        nodes.builder.pass(seconds{10});
        EXPECT_THAT(nodes.of(check_at_least_once), SizeIs(is_before ? 1 : 0));
    }
}

TEST(cluster_messages, that_are_kept_go_with_a_node_that_crashes) {
    TwoNodes nodes;
    nodes.builder.trace().cluster.keeps_log = true;
    nodes.publish("1", 1);
    auto& trace = nodes.builder.trace();
    trace.add({trace.entries.back().at, TraceEntry::Kind::node_crashed, Direction::to_broker,
               nodes.first, ConnectionNumber{}, 0});
    nodes.builder.pass(seconds{10});
    EXPECT_THAT(nodes.of(check_at_least_once), IsEmpty());
}

TEST(cluster_messages, that_are_retained_are_the_last_ones_whatever_clocks_show) {
    for (const bool is_last : {false, true}) {
        TwoNodes nodes;
        auto& trace = nodes.builder.trace();
        trace.cluster.shares_retained = true;
        nodes.builder.publish(nodes.publisher, "t", "old", {.packet_id = 1, .retain = true});
        nodes.builder.pass(seconds{2});
        nodes.builder.publish(nodes.publisher, "t", "new", {.packet_id = 2, .retain = true});
        for (auto& member : trace.agreement.members) {
            member.is_serving = true;
            member.own_retained = {is_last ? "t = new" : "t = old"};
        }
        EXPECT_THAT(nodes.of(check_retained_in_cluster), SizeIs(is_last ? 0 : 2));
    }
}

/// Two nodes that part at 10 s for 10 s, and are in order again 5 s after that.
class PartedNodes : public TwoNodes {
public:
    PartedNodes() {
        auto& trace = builder.trace();
        trace.cluster.shares_retained = true;
        trace.cluster.converges_within = seconds{5};
        cut(seconds{10});
        for (auto& member : trace.agreement.members) member.is_serving = true;
    }
    void retain(const std::string& payload) {
        builder.publish(publisher, "t", payload, {.packet_id = ++last_id_, .retain = true});
    }
    /// The two from each other, from now on.
    void cut(Duration span) {
        auto& trace = builder.trace();
        const auto now = builder.finished().end.at;
        trace.faults.push_back({"partition", "broker", "from second", now, now + span});
        trace.reach.push_back({now, first, second, true});
        trace.reach.push_back({now + span, first, second, false});
    }
    /// For a second, in two seconds.
    void crash(Actor node) {
        auto& trace = builder.trace();
        const auto begin = builder.finished().end.at + seconds{2};
        trace.faults.push_back(
            {"crash", std::string{trace.name_of(node)}, "", begin, begin + seconds{1}});
        trace.reach.push_back({begin, node, node, true});
        trace.reach.push_back({begin + seconds{1}, node, node, false});
    }
    void have(const std::string& one, const std::string& other) {
        auto& members = builder.trace().agreement.members;
        members[0].own_retained = {"t = " + one};
        members[1].own_retained = {"t = " + other};
    }

private:
    std::uint16_t last_id_ = 0;
};

TEST(cluster_messages, that_are_retained_are_the_last_ones_long_after_a_cut) {
    for (const bool is_long_after : {false, true}) {
        PartedNodes nodes;
        nodes.builder.pass(seconds{2});
        nodes.retain("old");
        nodes.builder.pass(seconds{is_long_after ? 15 : 9});
        nodes.retain("new");
        nodes.builder.pass(seconds{5});
        nodes.have("old", "old");
        EXPECT_THAT(nodes.of(check_retained_in_cluster), SizeIs(is_long_after ? 2 : 0));
    }
}

TEST(cluster_messages, that_are_retained_go_with_a_node_that_begins_anew_for_a_cut_that_is_over) {
    for (const bool begins_anew_then : {false, true}) {
        PartedNodes nodes;
        nodes.builder.pass(seconds{13});
        nodes.retain("new");
        nodes.builder.pass(seconds{1});
        auto& trace = nodes.builder.trace();
        if (begins_anew_then)
            trace.add({nodes.builder.finished().end.at, TraceEntry::Kind::node_stopped,
                       Direction::to_broker, nodes.first, ConnectionNumber{}, begins_anew});
        nodes.builder.pass(seconds{5});
        nodes.have("old", "old");
        EXPECT_THAT(nodes.of(check_retained_in_cluster), SizeIs(begins_anew_then ? 0 : 2));
    }
}

// Another program took its session over before the SUBACK was sent.
TEST(cluster_messages, that_are_retained_behind_a_subscribe_that_was_not_answered_may_be_lost) {
    for (const bool is_granted : {false, true}) {
        PartedNodes nodes;
        nodes.builder.pass(seconds{2});
        nodes.retain("old");
        nodes.builder.pass(seconds{15});
        nodes.builder.ask_for(nodes.publisher, "u");
        nodes.retain("new");
        if (is_granted) nodes.builder.grant(nodes.publisher);
        nodes.builder.closed_by_broker(nodes.publisher);
        nodes.builder.pass(seconds{5});
        nodes.have("old", "old");
        EXPECT_THAT(nodes.of(check_retained_in_cluster), SizeIs(is_granted ? 2 : 0));
    }
}

TEST(cluster_messages, that_are_retained_behind_such_a_subscribe_are_not_written_anew_for_sure) {
    for (const bool is_granted : {false, true}) {
        PartedNodes nodes;
        nodes.builder.pass(seconds{3});
        nodes.cut(seconds{1});
        nodes.retain("x");
        nodes.builder.pass(seconds{15});
        nodes.builder.ask_for(nodes.publisher, "u");
        nodes.retain("z");
        if (is_granted) nodes.builder.grant(nodes.publisher);
        nodes.builder.closed_by_broker(nodes.publisher);
        nodes.have("x", "y");
        EXPECT_THAT(nodes.of(check_healed_retained), SizeIs(is_granted ? 1 : 0));
    }
}

TEST(cluster_messages, that_are_retained_go_with_all_nodes_that_had_them) {
    PartedNodes nodes;
    nodes.builder.pass(seconds{20});
    nodes.retain("new");
    nodes.crash(nodes.first);
    nodes.have("old", "old");
    EXPECT_THAT(nodes.of(check_retained_in_cluster), SizeIs(2));
    nodes.crash(nodes.second);
    EXPECT_THAT(nodes.of(check_retained_in_cluster), IsEmpty());
}

TEST(cluster_messages, that_are_retained_on_one_side_of_a_known_cut_are_healed) {
    for (const bool is_known : {false, true}) {
        PartedNodes nodes;
        nodes.builder.pass(seconds{is_known ? 3 : 1});
        nodes.retain("x");
        nodes.have("x", "y");
        EXPECT_THAT(nodes.of(check_healed_retained), SizeIs(is_known ? 1 : 0));
        nodes.have("x", "x");
        EXPECT_THAT(nodes.of(check_healed_retained), IsEmpty());
    }
}

TEST(cluster_messages, that_are_retained_between_two_cuts_are_healed_when_they_are_written_anew) {
    for (const bool is_written_anew : {false, true}) {
        PartedNodes nodes;
        nodes.builder.pass(seconds{3});
        nodes.cut(seconds{1});
        nodes.retain("x");
        nodes.builder.pass(seconds{15});
        if (is_written_anew) nodes.retain("z");
        nodes.have("x", "y");
        EXPECT_THAT(nodes.of(check_healed_retained), SizeIs(is_written_anew ? 1 : 0));
    }
}

TEST(cluster_messages, tell_nobody_of_a_takeover_that_there_was_not) {
    for (const bool is_true : {false, true}) {
        TwoNodes nodes;
        if (is_true) nodes.builder.connect("s", {.is_answered = false});
        Buffer bytes;
        wire::encode(bytes, wire::Disconnect{.reason = ReasonCode::session_taken_over},
                     ProtocolVersion::v5);
        nodes.builder.to_client(nodes.subscriber, bytes);
        EXPECT_THAT(nodes.of(check_connection_causes), SizeIs(is_true ? 0 : 1));
    }
}

TEST(cluster_messages, are_not_owed_to_who_subscribed_while_the_nodes_were_parted) {
    for (const bool is_parted : {false, true}) {
        TwoNodes nodes;
        if (is_parted) nodes.part(seconds{60});
        const auto late = nodes.builder.connect("late");
        nodes.builder.subscribe(late, "t");
        nodes.builder.pass(seconds{10});
        nodes.publish("1", 1);
        nodes.deliver("1", 1);
        EXPECT_THAT(nodes.of(check_at_least_once), SizeIs(is_parted ? 0 : 1));
    }
}

TEST(cluster_messages, are_not_owed_to_a_session_that_is_over) {
    TwoNodes nodes;
    nodes.publish("1", 1);
    nodes.builder.closed_by_broker(nodes.subscriber);
    nodes.builder.go_to_other_node("third");
    nodes.builder.connect("s", {.session_present = false});
    EXPECT_THAT(nodes.of(check_at_least_once), IsEmpty());
}

TEST(cluster_messages, come_in_the_order_of_their_publisher_at_whatever_node) {
    for (const bool is_late : {false, true}) {
        TwoNodes nodes;
        nodes.publish("1", 1);
        nodes.publish("2", 2);
        if (!is_late) nodes.deliver("1", 1);
        nodes.builder.go_to_other_node("third");
        nodes.subscriber = nodes.builder.connect("s", {.session_present = true});
        nodes.deliver("2", 2);
        if (is_late) nodes.deliver("1", 3);
        EXPECT_THAT(nodes.of(check_publisher_order), SizeIs(is_late ? 1 : 0));
    }
}

TEST(cluster_messages, have_wills_among_them) {
    for (const unsigned times : {0U, 1U, 2U}) {
        TwoNodes nodes;
        const auto dying = nodes.builder.connect("d", {.will_payload = "w"});
        auto& message = nodes.builder.trace().messages.back();
        message.qos = QoS::at_least_once;
        nodes.builder.lost_by_client(dying);
        for (unsigned i = 0; i < times; ++i)
            nodes.builder.deliver(nodes.subscriber, "will", "w",
                                  {.packet_id = static_cast<std::uint16_t>(i + 1)});
        EXPECT_THAT(nodes.of(check_will_once), SizeIs(times == 1 ? 0 : 1));
    }
}

TEST(cluster_messages, have_no_will_of_who_is_there) {
    TwoNodes nodes;
    nodes.builder.connect("d", {.will_payload = "w"});
    nodes.builder.deliver(nodes.subscriber, "will", "w", {.packet_id = 1});
    EXPECT_THAT(nodes.of(check_will_once), SizeIs(1));
}

TEST(cluster_messages, are_kept_for_a_node_up_to_a_bound) {
    for (const std::size_t kept : {10U, 11U}) {
        TwoNodes nodes;
        nodes.builder.trace().cluster.kept_messages_max = 10;
        nodes.builder.trace().agreement.members[1].kept_messages_most = kept;
        EXPECT_THAT(nodes.of(check_bounds), SizeIs(kept > 10 ? 1 : 0));
    }
}

TEST(cluster_messages, go_through_cores_that_share_the_replicants) {
    for (const std::size_t fed : {2U, 3U}) {
        TwoNodes nodes;
        auto& trace = nodes.builder.trace();
        auto& members = trace.agreement.members;
        for (const auto* const name : {"r1", "r2", "r3"}) {
            nodes.builder.go_to_other_node(name);
            trace.cluster.replicants.push_back(nodes.builder.node());
            members.push_back({.node = nodes.builder.node()});
        }
        members.push_back({.node = trace.add_actor("third core")});
        for (auto& member : members) member.is_serving = true;
        members[0].fed_replicants = fed;
        EXPECT_THAT(nodes.of(check_bounds), SizeIs(fed == 3 ? 1 : 0));
    }
}

TEST(cluster_availability, finds_who_is_refused_without_a_reason) {
    for (const bool is_parted : {false, true}) {
        for (const bool is_late : {false, true}) {
            for (const bool needs_all : {false, true}) {
                TwoNodes nodes;
                auto& trace = nodes.builder.trace();
                trace.cluster.needs_all_members = needs_all;
                if (is_parted)
                    trace.reach.push_back(
                        {trace.entries.back().at, nodes.first, nodes.second, true});
                if (is_late) nodes.builder.pass(seconds{60});
                nodes.builder.connect("c", {.reason = ReasonCode::server_unavailable});
                const bool has_reason = is_parted && (needs_all || !is_late);
                EXPECT_THAT(nodes.of(check_availability), SizeIs(has_reason ? 0 : 1));
            }
        }
    }
}

TEST(cluster_availability, wants_nothing_of_a_replicant_whose_cores_stand_still) {
    for (const bool is_paused : {false, true}) {
        TwoNodes nodes;
        auto& trace = nodes.builder.trace();
        trace.cluster.replicants = {nodes.second};
        const auto now = trace.entries.back().at;
        if (is_paused) trace.faults.push_back({"pause", trace.name_of(nodes.first), "", now});
        nodes.builder.pass(seconds{60});
        nodes.builder.connect("c", {.reason = ReasonCode::server_unavailable});
        EXPECT_THAT(nodes.of(check_availability), SizeIs(is_paused ? 0 : 1));
    }
}

/// Two nodes, and a third one that refuses somebody a minute after it was parted from some.
class ThreeNodes : public TwoNodes {
public:
    ThreeNodes() {
        builder.go_to_other_node("third");
        third = builder.node();
        builder.trace().cluster.minority_refuses = true;
    }
    void cut(Actor one, Actor other) {
        auto& trace = builder.trace();
        trace.reach.push_back({trace.entries.back().at, one, other, true});
    }
    void pause(Actor node) {
        auto& trace = builder.trace();
        const auto now = trace.entries.back().at;
        trace.faults.push_back({"pause", trace.name_of(node), "", now});
    }
    Failures of_refusal() {
        builder.pass(seconds{60});
        builder.connect("c", {.reason = ReasonCode::server_unavailable});
        return of(check_availability);
    }

    Actor third;
};

TEST(cluster_availability, counts_who_stands_still_among_those_that_are_not_reached) {
    for (const bool stands_first_still : {false, true}) {
        for (const bool stands_second_still : {false, true}) {
            ThreeNodes nodes;
            if (stands_first_still) nodes.pause(nodes.first);
            if (stands_second_still) nodes.pause(nodes.second);
            const bool is_alone = stands_first_still && stands_second_still;
            EXPECT_THAT(nodes.of_refusal(), SizeIs(is_alone ? 0 : 1));
        }
    }
}

// It leads as long as most of the nodes hear of it, whoever does not.
TEST(cluster_availability, wants_nothing_of_who_does_not_reach_the_one_that_may_lead) {
    for (const bool has_leader : {false, true}) {
        for (const bool may_lead : {false, true}) {
            ThreeNodes nodes;
            nodes.builder.trace().cluster.has_leader = has_leader;
            nodes.cut(nodes.third, nodes.second);
            if (!may_lead) nodes.cut(nodes.first, nodes.second);
            EXPECT_THAT(nodes.of_refusal(), SizeIs(has_leader && may_lead ? 0 : 1));
        }
    }
}

TEST(cluster_availability, finds_a_subscribe_that_is_not_answered_in_time) {
    for (const auto waits : {1, 60}) {
        for (const bool is_answered : {false, true}) {
            TwoNodes nodes;
            nodes.builder.ask_for(nodes.subscriber, "more");
            nodes.builder.pass(seconds{waits});
            if (is_answered) nodes.builder.grant(nodes.subscriber);
            nodes.builder.note_client(TraceEntry::Kind::published, nodes.publisher);
            EXPECT_THAT(nodes.of(check_availability), SizeIs(waits == 60 ? 1 : 0));
        }
    }
}

}  // namespace
}  // namespace touchstone::simulator
