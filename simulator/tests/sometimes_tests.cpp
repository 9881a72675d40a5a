// Each condition is shown a trace in which it happens, and the one next to it in which it does not.

#include "simulator/sometimes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "simulator/tests/checker_expectations.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::seconds;
using wire::PacketType;
using enum Sometimes;

/// What happens when `is_it`, and what nearly does.
struct Row {
    Sometimes condition;
    std::function<void(Pair& pair, bool is_it)> play;
};

/// A QoS 2 message to the subscriber that is in flight; the PUBREC has come when `is_released`.
void begin_qos_2(Pair& pair, bool is_released) {
    pair.accept("a", 1);
    pair.deliver(pair.subscriber, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    if (is_released) pair.to_broker(pair.subscriber, PacketType::pubrec, 1);
}

/// The same from the publisher to the broker.
void begin_publisher_qos_2(Pair& pair, bool is_released) {
    pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
    if (is_released) pair.to_client(pair.publisher, PacketType::pubrec, 1);
}

ConnectionNumber resume_publisher(Pair& pair) {
    pair.lost_by_client(pair.publisher);
    return pair.connect("publisher", {.session_present = true});
}

const std::vector<Row>& rows() {
    constexpr QoS qos_2 = QoS::exactly_once;
    static const std::vector<Row> all{
        {disk_full_met,
         [](Pair& pair, bool is_it) {
             pair.set_disk_fault(is_it ? "disk_full" : "disk_slow");
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
             pair.to_client(pair.publisher, PacketType::puback, 1, ReasonCode::quota_exceeded);
         }},
        {disk_failure_met,
         [](Pair& pair, bool is_it) {
             pair.set_disk_fault("disk_failing");
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
             pair.to_client(pair.publisher, PacketType::puback, 1,
                            is_it ? ReasonCode::implementation_specific_error
                                  : ReasonCode::success);
         }},
        {batch_lost, [](Pair& pair, bool is_it) { pair.crash(is_it ? "lost" : ""); }},
        {batch_torn, [](Pair& pair, bool is_it) { pair.crash(is_it ? "torn" : "lost"); }},
        {batch_late, [](Pair& pair, bool is_it) { pair.crash(is_it ? "late" : "torn"); }},
        {records_set_aside,
         [](Pair& pair, bool is_it) {
             pair.finished().end.memory.push_back(
                 {.node = pair.node(), .unusable_records = is_it ? 1U : 0U});
         }},
        {queue_read_from_disk,
         [](Pair& pair, bool is_it) {
             pair.finished().end.memory.push_back(
                 {.node = pair.node(), .paged_in = is_it ? 1U : 0U});
         }},
        {broker_resent_publish,
         [](Pair& pair, bool is_it) {
             pair.accept("a", 1);
             pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
             pair.deliver(pair.resume(), "t", "a", {.packet_id = 1, .dup = is_it});
         }},
        {client_resent_publish,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
             pair.publish(resume_publisher(pair), "t", "a", {.packet_id = 1, .dup = is_it});
         }},
        {broker_resent_on_live_connection,
         [](Pair& pair, bool is_it) {
             pair.accept("a", 1);
             pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
             const auto on = is_it ? pair.subscriber : pair.resume();
             pair.deliver(on, "t", "a", {.packet_id = 1, .dup = true});
         }},
        {client_resent_on_live_connection,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
             const auto on = is_it ? pair.publisher : resume_publisher(pair);
             pair.publish(on, "t", "a", {.packet_id = 1, .dup = true});
         }},
        {broker_window_full,
         [](Pair& pair, bool is_it) {
             const auto narrow =
                 pair.connect("narrow", {.receive_maximum = std::uint16_t(is_it ? 2 : 3)});
             pair.send_to(narrow, "t", "a", {.packet_id = 1});
             pair.send_to(narrow, "t", "b", {.packet_id = 2});
         }},
        {client_window_full,
         [](Pair& pair, bool is_it) {
             const auto narrow =
                 pair.connect("narrow", {.server_receive_maximum = std::uint16_t(is_it ? 2 : 3)});
             pair.publish(narrow, "t", "a", {.packet_id = 1});
             pair.publish(narrow, "t", "b", {.packet_id = 2});
         }},
        {broker_packet_id_wrapped,
         [](Pair& pair, bool is_it) {
             pair.deliver(pair.subscriber, "t", "a", {.packet_id = 5});
             pair.to_broker(pair.subscriber, PacketType::puback, 5);
             pair.deliver(pair.subscriber, "t", "b", {.packet_id = std::uint16_t(is_it ? 4 : 6)});
         }},
        {client_packet_id_wrapped,
         [](Pair& pair, bool is_it) {
             pair.accept("a", 5);
             pair.accept("b", is_it ? 4 : 6);
         }},
        {broker_packet_ids_used_up,
         [](Pair& pair, bool is_it) {
             for (std::uint16_t id = 1; id <= (is_it ? 10 : 9); ++id) {
                 pair.accept("m" + std::to_string(id), id);
                 pair.send_to(pair.subscriber, "t", "m" + std::to_string(id), {.packet_id = id});
             }
         }},
        {broker_qos_2_resumed_before_pubrec,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, false);
             const auto on = is_it ? pair.resume() : pair.subscriber;
             pair.deliver(on, "t", "a", {.qos = qos_2, .packet_id = 1, .dup = true});
         }},
        {broker_qos_2_resumed_before_pubcomp,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, true);
             pair.to_client(is_it ? pair.resume() : pair.subscriber, PacketType::pubrel, 1);
         }},
        {client_qos_2_resumed_before_pubrec,
         [](Pair& pair, bool is_it) {
             begin_publisher_qos_2(pair, false);
             const auto on = is_it ? resume_publisher(pair) : pair.publisher;
             pair.publish(on, "t", "a", {.qos = qos_2, .packet_id = 1, .dup = true});
         }},
        {client_qos_2_resumed_before_pubcomp,
         [](Pair& pair, bool is_it) {
             begin_publisher_qos_2(pair, true);
             pair.to_broker(is_it ? resume_publisher(pair) : pair.publisher, PacketType::pubrel, 1);
         }},
        {broker_took_duplicate_before_release,
         [](Pair& pair, bool is_it) {
             begin_publisher_qos_2(pair, true);
             if (!is_it) pair.to_broker(pair.publisher, PacketType::pubrel, 1);
             pair.publish(pair.publisher, "t", "a", {.qos = qos_2, .packet_id = 1, .dup = true});
         }},
        {client_took_duplicate_before_release,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, is_it);
             pair.deliver(pair.subscriber, "t", "a", {.qos = qos_2, .packet_id = 1, .dup = true});
         }},
        {broker_took_pubrel_after_pubcomp,
         [](Pair& pair, bool is_it) {
             begin_publisher_qos_2(pair, true);
             pair.to_broker(pair.publisher, PacketType::pubrel, 1);
             if (is_it) pair.to_client(pair.publisher, PacketType::pubcomp, 1);
             pair.to_broker(pair.publisher, PacketType::pubrel, 1);
         }},
        {client_took_pubrel_after_pubcomp,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, true);
             pair.to_client(pair.subscriber, PacketType::pubrel, 1);
             if (is_it) pair.to_broker(pair.subscriber, PacketType::pubcomp, 1);
             pair.to_client(pair.subscriber, PacketType::pubrel, 1);
         }},
        {publish_to_broker_lost,
         [](Pair& pair, bool is_it) {
             pair.set_losing(is_it);
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
             pair.lost_by_client(pair.publisher);
         }},
        {publish_to_client_lost,
         [](Pair& pair, bool is_it) {
             pair.accept("a", 1);
             pair.set_losing(is_it);
             pair.send_to(pair.subscriber, "t", "a", {.packet_id = 1});
             pair.lost_by_client(pair.subscriber);
         }},
        {acknowledgement_to_broker_lost,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, false);
             pair.set_losing(is_it);
             pair.to_broker(pair.subscriber, PacketType::pubrec, 1);
             pair.lost_by_client(pair.subscriber);
         }},
        {acknowledgement_to_client_lost,
         [](Pair& pair, bool is_it) {
             begin_publisher_qos_2(pair, false);
             pair.set_losing(is_it);
             pair.to_client(pair.publisher, PacketType::pubrec, 1);
             pair.lost_by_client(pair.publisher);
         }},
        {connack_lost,
         [](Pair& pair, bool is_it) {
             const auto third = pair.connect("third", {.is_answered = false});
             pair.set_losing(is_it);
             Buffer connack;
             wire::encode(connack, wire::Connack{}, ProtocolVersion::v5);
             pair.to_client(third, connack);
             pair.lost_by_client(third);
         }},
        {session_resumed,
         [](Pair& pair, bool is_it) {
             pair.lost_by_client(pair.subscriber);
             pair.connect("subscriber", {.session_present = is_it});
         }},
        {session_taken_over,
         [](Pair& pair, bool is_it) {
             if (!is_it) pair.lost_by_client(pair.subscriber);
             pair.connect("subscriber", {.session_present = true});
             pair.closed_by_broker(pair.subscriber);
         }},
        {taken_over_with_flows,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, true);
             if (!is_it) pair.to_broker(pair.subscriber, PacketType::pubcomp, 1);
             pair.connect("subscriber", {.session_present = true});
             pair.closed_by_broker(pair.subscriber);
         }},
        {session_expired,
         [](Pair& pair, bool is_it) {
             pair.lost_by_client(pair.subscriber);
             pair.pass(seconds{is_it ? 601 : 599});
         }},
        {session_discarded_by_clean_start,
         [](Pair& pair, bool is_it) {
             pair.lost_by_client(pair.subscriber);
             if (!is_it) pair.pass(seconds{601});
             pair.connect("subscriber", {.clean_start = true});
         }},
        {keep_alive_ran_out,
         [](Pair& pair, bool is_it) {
             Buffer bytes;
             wire::encode(bytes,
                          wire::Disconnect{.reason = is_it ? ReasonCode::keep_alive_timeout
                                                           : ReasonCode::session_taken_over},
                          ProtocolVersion::v5);
             pair.to_client(pair.subscriber, bytes);
         }},
        {node_came_back,
         [](Pair& pair, bool is_it) {
             if (is_it) pair.note_node(TraceEntry::Kind::node_stopped);
             pair.note_node(TraceEntry::Kind::node_started);
         }},
        {node_crashed_with_flows,
         [](Pair& pair, bool is_it) {
             pair.accept("a", 1);
             pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
             if (!is_it) pair.to_broker(pair.subscriber, PacketType::puback, 1);
             pair.note_node(TraceEntry::Kind::node_crashed);
         }},
        {client_crashed_with_flows,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
             if (!is_it) pair.to_client(pair.publisher, PacketType::puback, 1);
             pair.note_client(TraceEntry::Kind::crashed, pair.publisher);
         }},
        {unsubscribed_with_flows,
         [](Pair& pair, bool is_it) {
             begin_qos_2(pair, true);
             if (!is_it) pair.to_broker(pair.subscriber, PacketType::pubcomp, 1);
             pair.unsubscribe(pair.subscriber, "t");
         }},
        {shared_member_left_with_flows,
         [](Pair& pair, bool is_it) {
             const auto member = pair.connect("member");
             pair.subscribe(member, is_it ? "$share/g/t" : "t");
             pair.send_to(member, "t", "a", {.packet_id = 1});
             pair.lost_by_client(member);
         }},
        {will_published,
         [](Pair& pair, bool is_it) {
             const auto third = pair.connect("third", {.will_payload = "w"});
             pair.lost_by_client(third);
             pair.accept("a", 1);
             pair.send_to(pair.subscriber, "t", is_it ? "w" : "a", {.packet_id = 1});
         }},
        {will_discarded,
         [](Pair& pair, bool is_it) {
             const auto third = pair.connect("third", {.will_payload = "w"});
             Buffer bytes;
             wire::encode(
                 bytes,
                 wire::Disconnect{.reason = is_it ? ReasonCode::success
                                                  : ReasonCode::disconnect_with_will_message},
                 ProtocolVersion::v5);
             pair.to_broker(third, bytes);
             pair.lost_by_client(third);
         }},
        {will_delay_outlived,
         [](Pair& pair, bool is_it) {
             const auto third = pair.connect("third", {.will_payload = "w", .will_delay_s = 5});
             pair.lost_by_client(third);
             pair.pass(seconds{is_it ? 4 : 6});
             pair.connect("third", {.session_present = true});
         }},
        {retained_delivered,
         [](Pair& pair, bool is_it) {
             pair.accept("a", 1);
             pair.send_to(pair.subscriber, "t", "a", {.packet_id = 1, .retain = is_it});
         }},
        {retained_replaced,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .retain = true});
             pair.publish(pair.publisher, "t", "b", {.packet_id = 2, .retain = is_it});
         }},
        {retained_deleted,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .retain = is_it});
             pair.publish(pair.publisher, "t", "", {.packet_id = 2, .retain = true});
         }},
        {backlog_delivered,
         [](Pair& pair, bool is_it) {
             pair.lost_by_client(pair.subscriber);
             if (is_it) pair.accept("a", 1);
             const auto again = pair.connect("subscriber", {.session_present = true});
             if (!is_it) pair.accept("a", 1);
             pair.send_to(again, "t", "a", {.packet_id = 1});
         }},
        {queue_overflowed,
         [](Pair& pair, bool is_it) {
             pair.finished().end.memory.push_back(
                 {.node = pair.node(), .dropped_queue_full = is_it ? 1U : 0U});
         }},
        {message_expired_while_away,
         [](Pair& pair, bool is_it) {
             pair.lost_by_client(pair.subscriber);
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .expiry_s = 5});
             pair.pass(seconds{is_it ? 6 : 4});
             pair.connect("subscriber", {.session_present = true});
         }},
        {qos_lowered,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.qos = is_it ? qos_2 : QoS::at_least_once});
             pair.send_to(pair.subscriber, "t", "a", {.packet_id = 1});
         }},
        {overlapping_subscriptions,
         [](Pair& pair, bool is_it) {
             pair.subscribe(pair.subscriber, is_it ? "#" : "u");
             pair.accept("a", 1);
             pair.send_to(pair.subscriber, "t", "a", {.packet_id = 1});
         }},
        {topic_alias_used,
         [](Pair& pair, bool is_it) {
             pair.publish(pair.publisher, "t", "a", {.packet_id = 1, .topic_alias = 1});
             pair.publish(is_it ? pair.publisher : resume_publisher(pair), is_it ? "" : "t", "b",
                          {.packet_id = 2, .topic_alias = 1});
         }},
        {nodes_parted,
         [](Pair& pair, bool is_it) {
             const auto first = pair.node();
             pair.go_to_other_node("other");
             const auto second = is_it ? pair.node() : first;  // else it is down
             pair.trace().reach.push_back({Instant{}, first, second, true});
         }},
        {node_sent_its_clients_away,
         [](Pair& pair, bool is_it) {
             pair.join_cluster();
             pair.note_node(TraceEntry::Kind::node_stopped);
             pair.trace().entries.back().index = is_it ? begins_anew : 0;
         }},
        {session_followed_its_client,
         [](Pair& pair, bool is_it) {
             pair.join_cluster();
             pair.closed_by_broker(pair.connect("c"));
             pair.go_to_other_node("other");
             pair.connect("c", {.session_present = is_it});
         }},
        {let_in_twice,
         [](Pair& pair, bool is_it) {
             pair.join_cluster();
             const auto number = pair.connect("c");
             if (!is_it) pair.closed_by_broker(number);
             pair.go_to_other_node("other");
             pair.connect("c");
         }},
    };
    return all;
}

Happened happened_after(const Row& row, bool is_it) {
    Pair pair;
    row.play(pair, is_it);
    const Trace& trace = pair.finished();
    return what_happened(trace, History{trace});
}

TEST(Sometimes, each_condition_is_told_from_what_is_next_to_it) {
    Happened shown;
    for (const auto& row : rows()) {
        const auto place = static_cast<std::size_t>(row.condition);
        const auto name = sometimes_conditions[place].name;
        EXPECT_TRUE(happened_after(row, true).test(place)) << name;
        EXPECT_FALSE(happened_after(row, false).test(place)) << name;
        shown.set(place);
    }
    EXPECT_TRUE(shown.all()) << "every condition has its row";
}

TEST(Sometimes, nothing_happens_between_two_clients_that_only_connect) {
    Pair pair;
    const Trace& trace = pair.finished();
    EXPECT_TRUE(what_happened(trace, History{trace}).none());
}

}  // namespace
}  // namespace touchstone::simulator
