// Checkers of what clients promise: each is shown a trace that breaks its promise, and the one next
// to it that does not.

#include "simulator/tests/checker_expectations.hpp"

namespace touchstone::simulator {
namespace {

using std::chrono::seconds;
using wire::PacketType;
using Kind = TraceEntry::Kind;

/// A client with a connection, whose messages go to "t".
struct Publisher : TraceBuilder {
    explicit Publisher(const ConnectOptions& options = {}) : first{connect("c", options)} {
        set_client(first, {.has_durable_store = true});
    }
    void send(ConnectionNumber number, std::string_view payload, const PublishOptions& options) {
        publish(number, "t", payload, options);
    }
    /// The connection is lost, and the session is resumed on another.
    ConnectionNumber resume() {
        lost_by_client(first);
        note_client(Kind::ended, first);
        return connect("c", {.session_present = true});
    }
    ConnectionNumber first;
};

TEST(O2, a_client_repeats_in_order_as_well) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.send(client.first, "a", {.packet_id = 1});
        const auto again = client.resume();
        if (is_good) client.send(again, "a", {.packet_id = 1, .dup = true});
        client.send(again, "b", {.packet_id = 2});
        expect_kept_or_broken(is_good, check_resend_order, client,
                              "b (id 2) was sent by 'c' before a (id 1)");
    }
}

TEST(O2, a_client_that_lost_its_state_owes_nothing) {
    Publisher client;
    client.send(client.first, "a", {.packet_id = 1});
    client.lost_by_client(client.first);
    client.note_client(Kind::forgot, client.first);
    const auto again = client.connect("c");
    client.send(again, "b", {.packet_id = 1});
    expect_kept(check_resend_order, client);
    expect_kept(check_packet_id_uniqueness, client);
}

TEST(O3, a_client_acknowledges_in_order_as_well) {
    for (const bool is_good : {true, false}) {
        Pair pair;
        pair.accept("a", 1);
        pair.accept("b", 2);
        pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
        pair.deliver(pair.subscriber, "t", "b", {.packet_id = 2});
        pair.to_broker(pair.subscriber, PacketType::puback, is_good ? 1 : 2);
        pair.to_broker(pair.subscriber, PacketType::puback, is_good ? 2 : 1);
        expect_kept_or_broken(is_good, check_acknowledgement_order, pair,
                              "PUBACK for id 2 was sent by 'subscriber' before the one for id 1");
    }
}

TEST(O4, what_is_sent_first_was_published_first) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.call_publish(client.first, "a");
        client.call_publish(client.first, "b");
        client.send(client.first, is_good ? "a" : "b", {.packet_id = 1});
        client.send(client.first, is_good ? "b" : "a", {.packet_id = 2});
        // A repetition says nothing about the order of calls.
        const std::uint16_t id_of_a = is_good ? 1 : 2;
        client.send(client.first, "a", {.packet_id = id_of_a, .dup = true});
        expect_kept_or_broken(is_good, check_application_order, client, "first sent a after b");
    }
}

TEST(W1, a_client_keeps_the_receive_maximum_of_its_connection) {
    Publisher client{{.server_receive_maximum = 1}};
    client.send(client.first, "a", {.packet_id = 1});
    client.to_client(client.first, PacketType::puback, 1);
    client.send(client.first, "b", {.packet_id = 2});
    expect_kept(check_window, client);
    client.send(client.first, "c", {.packet_id = 3});
    expect_broken(check_window, client, "2 messages are in flight by 'c' with c (id 3)");
}

TEST(W1, what_a_scenario_makes_a_client_send_is_no_fault_of_its) {
    Publisher client{{.server_receive_maximum = 1}};
    client.note_client(Kind::scripted, client.first);
    client.send(client.first, "a", {.packet_id = 1});
    client.send(client.first, "b", {.packet_id = 2});
    expect_kept(check_window, client);
}

TEST(W3, a_client_sends_what_was_published) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.call_publish(client.first, "a");
        if (is_good) client.send(client.first, "a", {.packet_id = 1});
        if (is_good) client.to_client(client.first, PacketType::puback, 1);
        client.settles();
        client.pass(seconds{6});
        expect_kept_or_broken(is_good, check_progress, client, "'c' does not send 1 messages");
    }
}

TEST(W3, a_client_sends_again_what_was_not_acknowledged) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.send(client.first, "a", {.packet_id = 1});
        const auto again = client.resume();
        if (is_good) client.send(again, "a", {.packet_id = 1, .dup = true});
        if (is_good) client.to_client(again, PacketType::puback, 1);
        client.settles();
        client.pass(seconds{6});
        expect_kept_or_broken(is_good, check_progress, client, "among them a");
    }
}

TEST(W3, a_message_that_the_server_does_not_take_waits_for_nobody) {
    Publisher client{{.has_server_qos_2 = false}};
    client.call_publish(client.first, "a", QoS::exactly_once);
    client.settles();
    client.pass(seconds{6});
    expect_kept(check_progress, client);
}

TEST(P1, a_request_has_an_identifier_of_its_own) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.send(client.first, "a", {.packet_id = is_good ? std::uint16_t{1} : request_id});
        client.subscribe(client.first, "x");
        expect_kept_or_broken(is_good, check_packet_id_uniqueness, client,
                              "SUBSCRIBE of 'c' has the identifier 999 of an unfinished PUBLISH");
    }
}

TEST(P1, a_publication_leaves_the_identifier_of_a_request_alone) {
    Publisher client;
    client.ask_for(client.first, "x");
    client.send(client.first, "a", {.packet_id = request_id});
    expect_broken(check_packet_id_uniqueness, client, "of an unanswered request");
}

TEST(P2, a_client_says_dup_when_it_repeats) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.send(client.first, "a", {.packet_id = 1});
        const auto again = client.resume();
        client.send(again, "a", {.packet_id = 1, .dup = is_good});
        expect_kept_or_broken(is_good, check_packet_id_stability, client,
                              "sent again with DUP 0 by 'c'");
    }
}

TEST(P3, a_publication_that_crosses_a_request_is_handed_over) {
    for (const bool is_good : {true, false}) {
        Pair pair;
        pair.ask_for(pair.subscriber, "u");
        pair.publish(pair.publisher, "t", "a", {.packet_id = 1});
        if (is_good) {
            pair.deliver(pair.subscriber, "t", "a", {.packet_id = request_id});
        } else {
            pair.send_to(pair.subscriber, "t", "a", {.packet_id = request_id});
        }
        pair.pass(seconds{6});
        expect_kept_or_broken(is_good, check_namespace_independence, pair,
                              "a was never handed to the application of 'subscriber'");
    }
}

// It was released to another program of the same Client Identifier, which went on with the session.
TEST(P3, a_publication_whose_identifier_was_never_released_is_the_same_again) {
    for (const bool is_released : {true, false}) {
        Pair pair;
        pair.publish(pair.publisher, "t", "a", {.qos = QoS::exactly_once, .packet_id = 1});
        pair.deliver(pair.subscriber, "t", "a",
                     {.qos = QoS::exactly_once, .packet_id = request_id});
        if (is_released) pair.to_client(pair.subscriber, PacketType::pubrel, request_id);
        pair.ask_for(pair.subscriber, "u");
        pair.publish(pair.publisher, "t", "b", {.qos = QoS::exactly_once, .packet_id = 2});
        pair.send_to(pair.subscriber, "t", "b",
                     {.qos = QoS::exactly_once, .packet_id = request_id});
        pair.pass(seconds{6});
        expect_kept_or_broken(!is_released, check_namespace_independence, pair,
                              "b was never handed to the application of 'subscriber'");
    }
}

TEST(Q1, what_a_client_acknowledged_is_handed_over) {
    for (const bool is_good : {true, false}) {
        Pair pair;
        pair.accept("a", 1);
        if (is_good) {
            pair.deliver(pair.subscriber, "t", "a", {.packet_id = 1});
        } else {
            pair.send_to(pair.subscriber, "t", "a", {.packet_id = 1});
        }
        pair.to_broker(pair.subscriber, PacketType::puback, 1);
        expect_kept_or_broken(is_good, check_at_least_once, pair, "'subscriber' acknowledged a");
    }
}

TEST(Q1, a_durable_store_survives_a_crash) {
    for (const bool is_durable : {true, false}) {
        TraceBuilder client;
        const auto first = client.connect("c");
        client.set_client(first, {.has_durable_store = is_durable});
        client.call_publish(first, "a");
        client.note_client(Kind::aborted, first);
        client.note_client(Kind::crashed, first);
        client.connect("c", {.session_present = true});
        client.settles();
        client.pass(seconds{6});
        expect_kept(check_progress, client);
        expect_kept_or_broken(!is_durable, check_at_least_once, client,
                              "published before it crashed");
    }
}

TEST(Q2, a_client_makes_one_flow_of_one_publication) {
    for (const bool has_forgotten : {true, false}) {
        Publisher client;
        client.send(client.first, "a", {.qos = QoS::exactly_once, .packet_id = 1});
        if (has_forgotten) client.note_client(Kind::forgot, client.first);
        client.send(client.first, "a", {.qos = QoS::exactly_once, .packet_id = 2});
        expect_kept_or_broken(has_forgotten, check_exactly_once, client,
                              "was sent by 'c' as another message");
    }
}

TEST(Q5, a_client_repeats_pubrel_and_not_publish) {
    for (const bool is_good : {true, false}) {
        Publisher client;
        client.send(client.first, "a", {.qos = QoS::exactly_once, .packet_id = 1});
        client.to_client(client.first, PacketType::pubrec, 1);
        client.to_broker(client.first, PacketType::pubrel, 1);
        const auto again = client.resume();
        client.to_broker(again, PacketType::pubrel, 1);
        if (!is_good) {
            client.send(again, "a", {.qos = QoS::exactly_once, .packet_id = 1, .dup = true});
        }
        client.pass(seconds{6});
        expect_kept_or_broken(is_good, check_release_resume, client,
                              "was sent by 'c' again although PUBREC");
    }
}

TEST(Q5, a_client_that_resumes_owes_its_pubrel) {
    Publisher client;
    client.send(client.first, "a", {.qos = QoS::exactly_once, .packet_id = 1});
    client.to_client(client.first, PacketType::pubrec, 1);
    client.to_broker(client.first, PacketType::pubrel, 1);
    client.resume();
    client.pass(seconds{6});
    expect_broken(check_release_resume, client, "PUBREL for id 1 was owed by 'c'");
}

TEST(S3, a_connect_whose_answer_was_lost_may_have_made_a_session) {
    for (const bool is_lost : {true, false}) {
        TraceBuilder client;
        const auto lost = client.connect("c", {.is_answered = false});
        if (is_lost) client.lost_by_client(lost);
        client.connect("c", {.session_present = true});
        expect_kept_or_broken(is_lost, check_session_present, client,
                              "was told Session Present 1, but there was no session");
    }
}

TEST(S3, of_two_connects_under_way_either_may_be_the_first_that_is_carried_out) {
    for (const bool is_under_way : {true, false}) {
        TraceBuilder client;
        client.node_settings().has_storage = true;
        const auto present = client.connect("c", {.is_answered = false});
        Buffer connack;
        wire::encode(connack, wire::Connack{.session_present = true}, ProtocolVersion::v5);
        if (!is_under_way) client.to_client(present, connack);
        client.closed_by_broker(client.connect("c", {.is_answered = false}));
        if (is_under_way) client.to_client(present, connack);
        expect_kept_or_broken(is_under_way, check_session_present, client,
                              "was told Session Present 1, but there was no session");
    }
}

TEST(S4, a_connect_whose_answer_was_lost_may_have_taken_the_session_over) {
    for (const bool is_lost : {true, false}) {
        TraceBuilder client;
        client.lost_by_client(client.connect("c"));
        const auto present = client.connect("c", {.session_present = true});
        const auto newer = client.connect("c", {.is_answered = false});
        if (is_lost) client.lost_by_client(newer);
        client.closed_by_broker(present);
        expect_kept_or_broken(is_lost, check_connection_epoch, client,
                              "was closed although its client gave no reason");
    }
}

TEST(S4, a_connect_that_the_disk_refused_may_have_taken_the_session_over) {
    for (const bool is_refusing : {true, false}) {
        TraceBuilder client;
        client.node_settings().has_storage = true;
        client.lost_by_client(client.connect("c"));
        const auto present = client.connect("c", {.session_present = true});
        const auto newer = client.connect("c", {.is_answered = false});
        client.closed_by_broker(present);
        if (is_refusing) client.set_disk_fault("disk_full");
        Buffer connack;
        wire::encode(connack, wire::Connack{.reason = ReasonCode::quota_exceeded},
                     ProtocolVersion::v5);
        client.to_client(newer, connack);
        expect_kept_or_broken(is_refusing, check_connection_epoch, client,
                              "was closed although its client gave no reason");
    }
}

TEST(K1, a_client_gives_up_when_no_pingresp_comes) {
    for (const bool is_good : {true, false}) {
        TraceBuilder client;
        const auto first = client.connect("c", {.keep_alive_s = 60});
        client.set_client(first, {.answer_timeout = seconds{5}});
        Buffer pingreq;
        wire::encode_pingreq(pingreq);
        client.to_broker(first, pingreq);
        client.pass(seconds{5});
        if (is_good) client.note_client(Kind::aborted, first);
        client.pass(seconds{5});
        expect_kept_or_broken(is_good, check_keep_alive, client,
                              "'c' got no PINGRESP within 5000 ms");
    }
}

TEST(A1, an_alias_alone_was_set_on_its_connection) {
    Publisher client{{.server_topic_alias_max = 5}};
    client.publish(client.first, "t", "a", {.packet_id = 1, .topic_alias = 1});
    client.publish(client.first, "", "b", {.packet_id = 2, .topic_alias = 1});
    expect_kept(check_alias_scope, client);
    const auto again = client.resume();
    client.publish(again, "", "b", {.packet_id = 2, .dup = true, .topic_alias = 1});
    expect_broken(check_alias_scope, client, "b was sent by 'c' with Topic Alias 1 alone");
}

TEST(M1, a_process_that_dies_of_bytes_is_seen) {
    Publisher client;
    client.note_client(Kind::crashed, client.first);
    expect_kept(check_survival, client);
    client.note_client(Kind::died, client.first);
    expect_broken(check_survival, client, "'c' died");
}

TEST(Limits, of_the_server_are_kept) {
    const TraceBuilder::ConnectOptions limits{
        .server_packet_size_bytes_max = 40, .server_topic_alias_max = 2, .has_server_qos_2 = false};
    Publisher good{limits};
    good.send(good.first, "a", {.packet_id = 1, .topic_alias = 2});
    expect_kept(check_peer_limits, good);
    Publisher large{limits};
    large.send(large.first, std::string(40, 'x'), {.packet_id = 1});
    expect_broken(check_peer_limits, large, "the server takes 40");
    Publisher qos{limits};
    qos.send(qos.first, "a", {.qos = QoS::exactly_once, .packet_id = 1});
    expect_broken(check_peer_limits, qos, "has QoS 2, the server takes 1");
    Publisher alias{limits};
    alias.send(alias.first, "a", {.packet_id = 1, .topic_alias = 3});
    expect_broken(check_peer_limits, alias, "has Topic Alias 3, the server takes 2");
}

TEST(Causes, a_connection_is_given_up_for_a_reason) {
    for (const bool has_reason : {true, false}) {
        TraceBuilder client;
        const auto first = client.connect("c");
        client.set_client(first, {.answer_timeout = seconds{1}});
        Buffer pingreq;
        wire::encode_pingreq(pingreq);
        if (has_reason) client.to_broker(first, pingreq);
        client.pass(seconds{1});
        client.note_client(Kind::aborted, first);
        expect_kept_or_broken(has_reason, check_connection_causes, client,
                              "on which nothing was wrong");
    }
}

TEST(Causes, a_disconnect_of_the_server_is_one) {
    Publisher client;
    Buffer bytes;
    wire::encode(bytes, wire::Disconnect{.reason = ReasonCode::server_shutting_down},
                 ProtocolVersion::v5);
    client.to_client(client.first, bytes);
    client.note_client(Kind::closed, client.first);
    expect_kept(check_connection_causes, client);
}

TEST(Recovery, all_are_back_in_the_time_that_accepting_takes) {
    for (const bool is_late : {true, false}) {
        TraceBuilder node;
        node.node_settings().accept_interval = seconds{1};
        node.connect("a");
        node.connect("b");
        node.note_node(Kind::node_crashed);
        node.note_node(Kind::node_started);
        node.connect("a");
        node.pass(seconds{is_late ? 10 : 8});
        node.connect("b");
        expect_kept_or_broken(!is_late, check_recovery, node,
                              "1 of 2 clients of 'broker' are not back 9000 ms");
    }
}

TEST(Bridges, bring_a_message_once) {
    TraceBuilder bridge;
    const auto far = bridge.connect("far");
    bridge.add_bridged(far, "a");
    bridge.publish(far, "t", "a", {.packet_id = 1});
    bridge.publish(far, "t", "a", {.packet_id = 1, .dup = true});
    expect_kept(check_bridge_once, bridge);
    bridge.publish(far, "t", "a", {.packet_id = 2});
    expect_broken(check_bridge_once, bridge, "the bridge 'far' published a to 'broker'");
}

}  // namespace
}  // namespace touchstone::simulator
