#include <gtest/gtest.h>

#include "broker/tests/broker_of_shards.hpp"

namespace touchstone {
namespace {

INSTANTIATE_TEST_SUITE_P(one_two_and_four, broker_of_shards, testing::Values(1U, 2U, 4U));

TEST_P(broker_of_shards, delivers_with_the_lower_of_both_qos) {
    auto& subscriber = connected("s");
    subscribed(subscriber, "a/+", QoS::at_least_once);
    auto& publisher = connected("p");
    publish(publisher, "a/b", "0", QoS::at_most_once);
    publish(publisher, "a/b", "1", QoS::at_least_once, 1);
    publish(publisher, "a/b", "2", QoS::exactly_once, 2);
    EXPECT_EQ(seen(subscriber), (Texts{"PUBLISH q0 a/b=0", "PUBLISH q1 a/b=1 id=1",
                                       "PUBLISH q1 a/b=2 id=2"}));
    EXPECT_EQ(seen(publisher), (Texts{"PUBACK 1", "PUBREC 2"}));
    ack(publisher, wire::PacketType::pubrel, 2);
    EXPECT_EQ(seen(publisher), Texts{"PUBCOMP 2"});
}

TEST_P(broker_of_shards, passes_a_qos_2_message_on_once_however_often_it_comes) {
    auto& subscriber = connected("s");
    subscribed(subscriber, "t", QoS::exactly_once);
    auto& publisher = connected("p");
    publish(publisher, "t", "x", QoS::exactly_once, 7);
    publish(publisher, {.dup = true, .qos = QoS::exactly_once, .topic = "t", .packet_id = id(7),
                        .payload = as_bytes("x")});
    EXPECT_EQ(seen(publisher), (Texts{"PUBREC 7", "PUBREC 7"}));
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q2 t=x id=1"});
    ack(subscriber, wire::PacketType::pubrec, 1);
    EXPECT_EQ(seen(subscriber), Texts{"PUBREL 1"});
    ack(subscriber, wire::PacketType::pubcomp, 1);
    ack(publisher, wire::PacketType::pubrel, 7);
    EXPECT_EQ(seen(publisher), Texts{"PUBCOMP 7"});
    ack(publisher, wire::PacketType::pubrel, 7);
    EXPECT_EQ(seen(publisher), Texts{"PUBCOMP 7 packet_identifier_not_found"});
}

TEST_P(broker_of_shards, keeps_the_window_and_sends_on_as_it_opens) {
    auto& subscriber = connected("s", {.receive_maximum = 2});
    subscribed(subscriber, "t", QoS::at_least_once);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 4; ++i)
        publish(publisher, "t", std::to_string(i), QoS::at_least_once, i);
    EXPECT_EQ(seen(subscriber), (Texts{"PUBLISH q1 t=1 id=1", "PUBLISH q1 t=2 id=2"}));
    ack(subscriber, wire::PacketType::puback, 2);
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q1 t=3 id=3"});
    ack(subscriber, wire::PacketType::puback, 2);  // answers nothing that is open
    EXPECT_EQ(seen(subscriber), Texts{});
}

TEST_P(broker_of_shards, resends_in_order_with_dup_after_a_resume_and_then_what_waited) {
    const ConnectWith stays{.clean_start = false, .session_expiry_s = 100, .receive_maximum = 2};
    auto& subscriber = connected("s", stays);
    subscribed(subscriber, "t", QoS::exactly_once);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 2; ++i)
        publish(publisher, "t", std::to_string(i), QoS::exactly_once, i);
    ack(subscriber, wire::PacketType::pubrec, 1);
    rig->lose(subscriber);
    for (std::uint16_t i = 3; i <= 4; ++i)
        publish(publisher, "t", std::to_string(i), QoS::exactly_once, i);
    auto& again = connect("s", stays);
    EXPECT_EQ(seen(again), (Texts{"CONNACK resumed success", "PUBREL 1", "PUBLISH q2 t=2 dup id=2",
                                  "PUBLISH q2 t=3 id=3"}));
}

TEST_P(broker_of_shards, resends_no_more_than_a_smaller_receive_maximum_allows) {
    auto& subscriber = connected("s", {.clean_start = false, .session_expiry_s = 100});
    subscribed(subscriber, "t", QoS::at_least_once);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 3; ++i)
        publish(publisher, "t", std::to_string(i), QoS::at_least_once, i);
    rig->lose(subscriber);
    auto& again =
        connect("s", {.clean_start = false, .session_expiry_s = 100, .receive_maximum = 1});
    EXPECT_EQ(seen(again), (Texts{"CONNACK resumed success", "PUBLISH q1 t=1 dup id=1"}));
    publish(publisher, "t", "4", QoS::at_least_once, 4);
    ack(again, wire::PacketType::puback, 1);
    EXPECT_EQ(seen(again), Texts{"PUBLISH q1 t=2 dup id=2"});
    ack(again, wire::PacketType::puback, 2);
    ack(again, wire::PacketType::puback, 3);
    EXPECT_EQ(seen(again),
              (Texts{"PUBLISH q1 t=3 dup id=3", "PUBLISH q1 t=4 id=4"}));
}

TEST_P(broker_of_shards, ends_the_older_connection_of_a_client_and_keeps_its_session) {
    const ConnectWith stays{.clean_start = false, .session_expiry_s = 100};
    auto& old = connected("s", stays);
    subscribed(old, "t", QoS::at_least_once);
    auto& young = connect("s", stays);
    EXPECT_EQ(seen(old), Texts{"DISCONNECT session_taken_over"});
    EXPECT_FALSE(old.is_open);
    EXPECT_EQ(seen(young), Texts{"CONNACK resumed success"});
    auto& publisher = connected("p");
    publish(publisher, "t", "x", QoS::at_least_once, 1);
    EXPECT_EQ(seen(young), Texts{"PUBLISH q1 t=x id=1"});
}

TEST_P(broker_of_shards, forgets_a_session_when_its_time_is_over) {
    const ConnectWith stays{.clean_start = false, .session_expiry_s = 10};
    disconnect(connected("s", stays));
    rig->advance(std::chrono::seconds{9});
    auto& in_time = connect("s", stays);
    EXPECT_EQ(seen(in_time), Texts{"CONNACK resumed success"});
    disconnect(in_time);
    rig->advance(std::chrono::seconds{11});
    EXPECT_FALSE(rig->owner("s").session("s").has_value());
    EXPECT_EQ(seen(connect("s", stays)), Texts{"CONNACK success"});
}

TEST_P(broker_of_shards, publishes_the_will_of_a_lost_connection_and_not_of_a_closed_one) {
    auto& watcher = connected("w");
    subscribed(watcher, "will/#", QoS::at_least_once);
    const auto with_will = [](std::string_view topic) {
        return ConnectWith{.will = wire::Will{.topic = topic, .payload = as_bytes("gone")}};
    };
    rig->lose(connected("a", with_will("will/a")));
    rig->settle();
    EXPECT_EQ(seen(watcher), Texts{"PUBLISH q0 will/a=gone"});
    disconnect(connected("b", with_will("will/b")));
    EXPECT_EQ(seen(watcher), Texts{});
    disconnect(connected("c", with_will("will/c")), ReasonCode::disconnect_with_will_message);
    EXPECT_EQ(seen(watcher), Texts{"PUBLISH q0 will/c=gone"});
}

TEST_P(broker_of_shards, delays_a_will_but_not_beyond_the_end_of_the_session) {
    auto& watcher = connected("w");
    subscribed(watcher, "will", QoS::at_most_once);
    wire::PropertiesWriter delay;
    delay.put_integer(PropertyId::will_delay_interval, 60);
    rig->lose(connected("a", {.session_expiry_s = 5,
                              .will = wire::Will{.topic = "will",
                                                 .payload = as_bytes("gone"),
                                                 .properties = delay.view()}}));
    rig->advance(std::chrono::seconds{4});
    EXPECT_EQ(seen(watcher), Texts{});
    rig->advance(std::chrono::seconds{1});
    EXPECT_EQ(seen(watcher), Texts{"PUBLISH q0 will=gone"});
    rig->advance(std::chrono::seconds{100});
    EXPECT_EQ(seen(watcher), Texts{});
}

TEST_P(broker_of_shards, sends_retained_messages_to_new_subscriptions_only) {
    auto& publisher = connected("p");
    publish(publisher, "r/1", "one", QoS::at_least_once, 1, true);
    publish(publisher, "r/2", "two", QoS::at_most_once, 0, true);
    publish(publisher, "r/1", "uno", QoS::at_least_once, 2, true);
    for (const auto* const name : {"s", "t", "u"}) {
        auto& subscriber = connected(name);
        subscribe(subscriber, "r/#", QoS::exactly_once);
        EXPECT_EQ(seen(subscriber), (Texts{"SUBACK 2", "PUBLISH q1 r/1=uno retain id=1",
                                           "PUBLISH q0 r/2=two retain"}));
        ack(subscriber, wire::PacketType::puback, 1);
        publish(publisher, "r/2", "zwei", QoS::at_most_once, 0, true);
        publish(publisher, "r/2", "two", QoS::at_most_once, 0, true);
        EXPECT_EQ(seen(subscriber), (Texts{"PUBLISH q0 r/2=zwei", "PUBLISH q0 r/2=two"}));
    }
    publish(publisher, "r/2", "", QoS::at_most_once, 0, true);
    auto& late = connected("late");
    subscribe(late, "r/2", QoS::at_most_once);
    EXPECT_EQ(seen(late), Texts{"SUBACK 0"});
}

TEST_P(broker_of_shards, counts_down_the_expiry_of_a_message_that_waits) {
    const ConnectWith stays{.clean_start = false, .session_expiry_s = 100};
    auto& subscriber = connected("s", stays);
    subscribed(subscriber, "t", QoS::at_least_once);
    disconnect(subscriber);
    auto& publisher = connected("p");
    for (const auto expiry_s : {5U, 20U}) {
        wire::PropertiesWriter properties;
        properties.put_integer(PropertyId::message_expiry_interval, expiry_s);
        publish(publisher, {.qos = QoS::at_least_once,
                            .topic = "t",
                            .packet_id = id(1),
                            .properties = properties.view(),
                            .payload = as_bytes("x")});
    }
    rig->advance(std::chrono::seconds{12});
    EXPECT_EQ(seen(connect("s", stays)),
              (Texts{"CONNACK resumed success", "PUBLISH q1 t=x id=1 expiry=8"}));
    EXPECT_EQ(rig->owner("s").counters().of(Counter::dropped_expired), 1U);
}

TEST_P(broker_of_shards, closes_silent_connections_at_one_and_a_half_times_keep_alive) {
    auto& peer = connected("s", {.keep_alive_s = 10});
    rig->advance(std::chrono::milliseconds{14'999});
    EXPECT_TRUE(peer.is_open);
    Buffer ping;
    wire::encode_pingreq(ping);
    rig->send(peer, ping);
    EXPECT_EQ(seen(peer), Texts{"PINGRESP"});
    rig->advance(std::chrono::milliseconds{14'999});
    EXPECT_TRUE(peer.is_open);
    rig->advance(std::chrono::milliseconds{1});
    EXPECT_FALSE(peer.is_open);
    EXPECT_EQ(seen(peer), Texts{"DISCONNECT keep_alive_timeout"});
}

TEST_P(broker_of_shards, sends_one_copy_with_all_identifiers_for_overlapping_subscriptions) {
    auto& subscriber = connected("s");
    subscribe(subscriber, "a/#", QoS::at_most_once, {}, 3);
    subscribe(subscriber, "a/+", QoS::at_least_once, {}, 300);
    subscribe(subscriber, "a/b", QoS::at_most_once);
    seen(subscriber);
    publish(connected("p"), "a/b", "x", QoS::exactly_once, 1);
    const auto packets = seen(subscriber);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_TRUE(packets[0] == "PUBLISH q1 a/b=x id=1 sub=3 sub=300" ||
                packets[0] == "PUBLISH q1 a/b=x id=1 sub=300 sub=3")
        << packets[0];
}

TEST_P(broker_of_shards, keeps_a_clients_own_messages_from_it_with_no_local) {
    auto& peer = connected("s");
    subscribe(peer, "t", QoS::at_most_once, {.no_local = true});
    seen(peer);
    publish(peer, "t", "mine", QoS::at_most_once);
    publish(connected("p"), "t", "theirs", QoS::at_most_once);
    EXPECT_EQ(seen(peer), Texts{"PUBLISH q0 t=theirs"});
}

TEST_P(broker_of_shards, gives_each_message_to_one_member_of_a_shared_subscription) {
    std::vector<Peer*> members;
    for (const auto* const name : {"m1", "m2", "m3", "m4"}) {
        members.push_back(&connected(name));
        subscribe(*members.back(), "$share/group/t", QoS::at_most_once);
        seen(*members.back());
    }
    auto& publisher = connected("p");
    for (int i = 0; i < 12; ++i) publish(publisher, "t", std::to_string(i), QoS::at_most_once);
    std::size_t sum = 0;
    for (auto* const member : members) {
        const auto got = seen(*member).size();
        EXPECT_GE(got, 1U);
        sum += got;
    }
    EXPECT_EQ(sum, 12U);
    for (auto* const member : members) disconnect(*member);
    publish(publisher, "t", "nobody", QoS::at_least_once, 1);
    EXPECT_EQ(seen(publisher), Texts{"PUBACK 1 no_matching_subscribers"});
}

TEST_P(broker_of_shards, gives_a_queue_and_each_group_a_copy_of_their_own) {
    std::vector<Peer*> members;
    for (const auto* const filter : {"$queue/t", "$queue/t", "$share/g/t", "$share/$queue/t"}) {
        members.push_back(&connected("m" + std::to_string(members.size())));
        subscribe(*members.back(), filter, QoS::at_most_once);
        seen(*members.back());
    }
    auto& publisher = connected("p");
    for (int i = 0; i < 8; ++i) publish(publisher, "t", std::to_string(i), QoS::at_most_once);
    std::vector<std::size_t> counts;
    for (auto* const member : members) counts.push_back(seen(*member).size());
    EXPECT_EQ(counts[0] + counts[1], 8U);
    EXPECT_GE(counts[0], 1U);
    EXPECT_GE(counts[1], 1U);
    EXPECT_EQ(counts[2], 8U);
    EXPECT_EQ(counts[3], 8U);
}

TEST_P(broker_of_shards, gives_shared_messages_to_members_that_can_take_them) {
    const ConnectWith stays{.clean_start = false, .session_expiry_s = 100};
    auto& away = connected("m1", stays);
    subscribe(away, "$share/group/t", QoS::at_least_once);
    rig->lose(away);
    auto& here = connected("m2");
    subscribe(here, "$share/group/t", QoS::at_least_once);
    seen(here);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 4; ++i)
        publish(publisher, "t", std::to_string(i), QoS::at_least_once, i);
    EXPECT_EQ(seen(here).size(), 4U);
    EXPECT_TRUE(rig->owner("m1").session("m1")->queue.empty());
}

TEST_P(broker_of_shards, passes_on_what_an_ended_member_has_not_acknowledged) {
    auto& first = connected("m1", {.receive_maximum = 1});
    subscribe(first, "$share/group/t", QoS::at_least_once);
    seen(first);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 3; ++i)
        publish(publisher, "t", std::to_string(i), QoS::at_least_once, i);
    EXPECT_EQ(seen(first), Texts{"PUBLISH q1 t=1 id=1"});
    auto& second = connected("m2");
    subscribe(second, "$share/group/t", QoS::at_least_once);
    seen(second);
    rig->lose(first);
    rig->settle();
    EXPECT_EQ(seen(second), (Texts{"PUBLISH q1 t=1 id=1", "PUBLISH q1 t=2 id=2",
                                   "PUBLISH q1 t=3 id=3"}));
}

TEST_P(broker_of_shards, passes_on_nothing_that_has_expired_with_a_member_that_ends) {
    auto& first = connected("m1", {.receive_maximum = 1});
    subscribe(first, "$share/group/t", QoS::at_least_once);
    auto& publisher = connected("p");
    std::uint16_t packet_id = 0;
    for (const auto expiry_s : {5U, 5U, 20U}) {
        wire::PropertiesWriter properties;
        properties.put_integer(PropertyId::message_expiry_interval, expiry_s);
        const auto payload = std::to_string(++packet_id);
        publish(publisher, {.qos = QoS::at_least_once,
                            .topic = "t",
                            .packet_id = id(packet_id),
                            .properties = properties.view(),
                            .payload = as_bytes(payload)});
    }
    auto& second = connected("m2");
    subscribe(second, "$share/group/t", QoS::at_least_once);
    seen(second);
    rig->advance(std::chrono::seconds{10});
    rig->lose(first);  // one message in flight to it, two in its queue
    rig->settle();
    EXPECT_EQ(seen(second), Texts{"PUBLISH q1 t=3 id=1 expiry=10"});
}

TEST_P(broker_of_shards, uses_topic_aliases_towards_a_client_that_allows_them) {
    auto& subscriber = rig->open();
    subscriber.version = ProtocolVersion::v5;
    wire::PropertiesWriter properties;
    properties.put_integer(PropertyId::topic_alias_maximum, 1);
    Buffer bytes;
    wire::encode(bytes, wire::Connect{.client_id = "s", .properties = properties.view()});
    rig->send(subscriber, bytes);
    rig->settle();
    subscribe(subscriber, "#", QoS::at_least_once);
    seen(subscriber);
    auto& publisher = connected("p");
    const auto topics_and_aliases = [&] {
        std::vector<std::pair<std::string, std::uint32_t>> all;
        Bytes rest = subscriber.unread;
        while (const auto frame = wire::take_frame(rest, wire::packet_size_bytes_max,
                                                   ProtocolVersion::v5)
                                      .value()) {
            const auto packet = wire::decode_publish(*frame, ProtocolVersion::v5).value();
            all.emplace_back(packet.topic,
                             packet.properties.integer(PropertyId::topic_alias).value_or(0));
        }
        subscriber.unread.clear();
        return all;
    };
    publish(publisher, "first/topic", "1", QoS::at_most_once);
    publish(publisher, "first/topic", "2", QoS::at_least_once, 1);
    publish(publisher, "second/topic", "3", QoS::at_most_once);
    using Pairs = std::vector<std::pair<std::string, std::uint32_t>>;
    EXPECT_EQ(topics_and_aliases(),
              (Pairs{{"first/topic", 1}, {"", 1}, {"second/topic", 0}}));
}

TEST_P(broker_of_shards, resends_on_a_live_connection_only_when_told_to_and_only_before_v5) {
    rig = make({.retry_interval = std::chrono::seconds{5}});
    auto& v3 = connected("three", {.version = ProtocolVersion::v3_1_1});
    auto& v5 = connected("five");
    subscribed(v3, "t", QoS::at_least_once);
    subscribed(v5, "t", QoS::at_least_once);
    auto& publisher = connected("p");
    publish(publisher, "t", "1", QoS::at_least_once, 1);
    rig->advance(std::chrono::seconds{2});
    publish(publisher, "t", "2", QoS::at_least_once, 2);
    EXPECT_EQ(seen(v3), (Texts{"PUBLISH q1 t=1 id=1", "PUBLISH q1 t=2 id=2"}));
    rig->advance(std::chrono::seconds{3});
    EXPECT_EQ(seen(v3), Texts{"PUBLISH q1 t=1 dup id=1"});
    rig->advance(std::chrono::seconds{2});
    EXPECT_EQ(seen(v3), Texts{"PUBLISH q1 t=2 dup id=2"});
    ack(v3, wire::PacketType::puback, 1);
    ack(v3, wire::PacketType::puback, 2);
    rig->advance(std::chrono::seconds{100});
    EXPECT_EQ(seen(v3), Texts{});
    EXPECT_EQ(seen(v5), (Texts{"PUBLISH q1 t=1 id=1", "PUBLISH q1 t=2 id=2"}));
}

TEST_P(broker_of_shards, tells_v5_clients_when_it_stops) {
    auto& peer = connected("s");
    for (unsigned shard = 0; shard < GetParam(); ++shard) rig->broker(shard).on_stop(rig->now);
    EXPECT_EQ(seen(peer), Texts{"DISCONNECT server_shutting_down"});
    EXPECT_FALSE(peer.is_open);
}

TEST_P(broker_of_shards, accounts_for_every_message) {
    rig = make({.inflight_max = 2, .queue_messages_max = 3});
    const ConnectWith stays{.version = ProtocolVersion::v3_1_1, .clean_start = false};
    auto& subscriber = connected("s", stays);
    subscribed(subscriber, "t", QoS::exactly_once);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 20; ++i) {
        publish(publisher, "t", std::to_string(i), static_cast<QoS>(i % 3), i % 3 == 0 ? 0 : i);
        if (i == 10) rig->lose(subscriber);
        const auto& broker = rig->owner("s");
        const auto& counters = broker.counters();
        const auto gauges = broker.gauges();
        EXPECT_EQ(unaccounted_messages(counters, gauges), 0U);
    }
    EXPECT_GT(rig->owner("s").counters().of(Counter::dropped_queue_full), 0U);
}

TEST_P(broker_of_shards, sends_nothing_larger_than_the_client_takes) {
    auto& peer = rig->open();
    peer.version = ProtocolVersion::v5;
    wire::PropertiesWriter properties;
    properties.put_integer(PropertyId::maximum_packet_size, 4);
    Buffer bytes;
    wire::encode(bytes, wire::Connect{.client_id = "s", .properties = properties.view()});
    rig->send(peer, bytes);
    rig->settle();
    EXPECT_EQ(seen(peer), Texts{}) << "CONNACK has more to announce than fits";
    EXPECT_FALSE(peer.is_open);
    EXPECT_FALSE(rig->owner("s").session("s").has_value());
}

TEST_P(broker_of_shards, counts_why_connections_end) {
    const auto sum = [&](DisconnectReason reason) {
        std::uint64_t count = 0;
        for (unsigned shard = 0; shard < GetParam(); ++shard)
            count += rig->broker(shard).counters().of(reason);
        return count;
    };
    disconnect(connected("a"));
    EXPECT_EQ(sum(DisconnectReason::normal), 1U);
    rig->lose(connected("b"));
    EXPECT_EQ(sum(DisconnectReason::closed), 1U);
    connected("c");
    connect("c");
    EXPECT_EQ(sum(DisconnectReason::discarded), 1U);
    auto& twice = connected("d");
    Buffer bytes;
    wire::encode(bytes, wire::Connect{.client_id = "d"});
    rig->send(twice, bytes);
    EXPECT_EQ(sum(DisconnectReason::proto_unexpected_c), 1U);
    rig->open();
    rig->advance(std::chrono::seconds{20});
    EXPECT_EQ(sum(DisconnectReason::idle_timeout), 1U);
    auto& wrong = connected("e");
    constexpr unsigned char reserved[] = {0x00, 0x00};
    rig->send(wrong, std::as_bytes(std::span{reserved}));
    EXPECT_EQ(sum(DisconnectReason::malformed_packet), 1U);
    EXPECT_EQ(sum(DisconnectReason::internal_error), 0U);
}

TEST(broker, makes_a_publication_wait_for_nothing_but_a_subscription_for_its_routes) {
    Rig rig{{.shards = 2}};
    // With two shards a SUBACK means that the other shard routes here already.
    const auto connect_on = [&](unsigned shard) -> Peer& {
        std::string name = "c";
        while (owner_of(name, 2).raw() != shard) name += "x";
        auto& peer = rig.open(shard);
        Buffer bytes;
        wire::encode(bytes,
                     wire::Connect{.version = ProtocolVersion::v3_1_1, .client_id = name});
        rig.send(peer, bytes);
        EXPECT_EQ(seen(peer), Texts{"CONNACK success"});
        return peer;
    };
    auto& subscriber = connect_on(0);
    auto& publisher = connect_on(1);

    Buffer subscribe;
    Buffer entries;
    wire::put_subscription(entries, {"t", {}}, ProtocolVersion::v3_1_1);
    wire::encode(subscribe,
                 wire::Subscribe{.packet_id = wire::PacketId::from_wire(1).value(),
                                 .entries = entries,
                                 .entry_count = 1,
                                 .version = ProtocolVersion::v3_1_1},
                 ProtocolVersion::v3_1_1);
    Buffer publish;
    wire::encode(publish, wire::Publish{.topic = "t", .payload = as_bytes("x")},
                 ProtocolVersion::v3_1_1);
    // SUBSCRIBE and a PUBLISH of the same client right behind it: in order, whatever the wait.
    append(subscribe, publish);
    rig.send(subscriber, subscribe);
    EXPECT_EQ(seen(subscriber), Texts{}) << "the other shard has not answered";
    rig.settle();
    EXPECT_EQ(seen(subscriber), (Texts{"SUBACK 0", "PUBLISH q0 t=x"}));
    rig.send(publisher, publish);
    rig.settle();
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q0 t=x"});
}

TEST(broker, agrees_over_shards_on_the_last_retained_message_whatever_arrives_first) {
    Rig rig{{.shards = 2}};
    const auto publish_on = [&](unsigned shard, std::string_view payload) {
        auto& peer = rig.open(shard);
        std::string name = "p";
        while (owner_of(name, 2).raw() != shard) name += "x";
        Buffer bytes;
        wire::encode(bytes,
                     wire::Connect{.version = ProtocolVersion::v3_1_1, .client_id = name});
        wire::encode(bytes,
                     wire::Publish{.retain = true, .topic = "t", .payload = as_bytes(payload)},
                     ProtocolVersion::v3_1_1);
        rig.send(peer, bytes);
    };
    // Both publish before either shard has heard of the other's message.
    publish_on(0, "zero");
    publish_on(1, "one");
    rig.settle();
    EXPECT_EQ(as_text(rig.broker(0).retained("t")->payload()),
              as_text(rig.broker(1).retained("t")->payload()));
}

}  // namespace
}  // namespace touchstone
