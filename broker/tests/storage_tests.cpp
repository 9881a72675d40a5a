// A node that stores: what it has acknowledged outlives it, and what cannot be stored is not
// acknowledged.

#include <algorithm>

#include "broker/tests/broker_with_storage.hpp"

namespace touchstone {
namespace {

TEST_P(broker_with_storage, keeps_what_waits_and_what_is_in_flight_over_a_crash) {
    auto& subscriber = lasting("s", {.receive_maximum = 2});
    subscribe(subscriber, "t", QoS::exactly_once, {}, 7);
    auto& publisher = lasting("p");
    for (std::uint16_t number = 1; number <= 4; ++number)
        publish(publisher, "t", std::to_string(number), QoS::exactly_once, number);
    EXPECT_EQ(seen(subscriber), (Texts{"CONNACK success", "SUBACK 2", "PUBLISH q2 t=1 id=1 sub=7",
                                       "PUBLISH q2 t=2 id=2 sub=7"}));
    ack(subscriber, wire::PacketType::pubrec, 1);
    EXPECT_EQ(seen(subscriber), Texts{"PUBREL 1"});
    crash();
    EXPECT_EQ(rig->unusable, Texts{});
    auto& again = lasting("s", {.receive_maximum = 2});
    EXPECT_EQ(seen(again), (Texts{"CONNACK resumed success", "PUBREL 1",
                                  "PUBLISH q2 t=2 dup id=2 sub=7", "PUBLISH q2 t=3 id=3 sub=7"}));
    // The publisher's identifiers are known: what it sends again is no new message.
    auto& publisher_again = lasting("p");
    publish(publisher_again, {.dup = true,
                              .qos = QoS::exactly_once,
                              .topic = "t",
                              .packet_id = id(4),
                              .payload = as_bytes("4")});
    EXPECT_EQ(seen(publisher_again), (Texts{"CONNACK resumed success", "PUBREC 4"}));
    ack(again, wire::PacketType::pubcomp, 1);
    ack(again, wire::PacketType::pubrec, 2);
    ack(again, wire::PacketType::pubcomp, 2);
    EXPECT_EQ(seen(again), (Texts{"PUBREL 2", "PUBLISH q2 t=4 id=4 sub=7"}));
}

TEST_P(broker_with_storage, acknowledges_nothing_before_it_is_stored) {
    auto& subscriber = lasting("s");
    subscribe(subscriber, "t", QoS::exactly_once);
    seen(subscriber);
    auto& publisher = connected("p");
    rig->outcome.reset();
    publish(publisher, "t", "a", QoS::at_least_once, 1);
    EXPECT_EQ(seen(publisher), Texts{});
    EXPECT_EQ(seen(subscriber), Texts{});
    rig->outcome = StorageOutcome::stored;
    rig->settle();
    EXPECT_EQ(seen(publisher), Texts{"PUBACK 1"});
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q1 t=a id=1"});
}

TEST_P(broker_with_storage, who_has_no_lasting_session_waits_for_no_disk) {
    auto& subscriber = connected("s");
    subscribed(subscriber, "t", QoS::at_least_once);
    auto& publisher = connected("p");
    rig->settle();
    rig->outcome.reset();
    publish(publisher, "t", "a", QoS::at_least_once, 1);
    EXPECT_EQ(seen(publisher), Texts{"PUBACK 1"});
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q1 t=a id=1"});
}

TEST_P(broker_with_storage, keeps_nothing_that_the_server_told_of_itself) {
    for (const auto* const topic : {"$SYS/brokers", "$SYS/uptime", "$SYS/version"})
        rig->broker(0).on_publish({.topic = topic, .payload = as_bytes("x"), .retain = true},
                                  rig->now);
    rig->settle();
    EXPECT_TRUE(rig->broker(0).retained("$SYS/uptime"));
    EXPECT_EQ(keys('r'), "");
}

TEST_P(broker_with_storage, erases_what_nobody_needs) {
    auto& subscriber = lasting("s");
    subscribe(subscriber, "t", QoS::exactly_once);
    auto& other = lasting("o");
    subscribe(other, "t", QoS::at_least_once);
    auto& publisher = lasting("p");
    publish(publisher, "t", "a", QoS::exactly_once, 1);
    EXPECT_NE(keys('m'), "");
    ack(other, wire::PacketType::puback, 1);
    ack(subscriber, wire::PacketType::pubrec, 1);
    ack(subscriber, wire::PacketType::pubcomp, 1);
    EXPECT_EQ(keys('m'), "");
    EXPECT_EQ(keys('d'), "");
    EXPECT_EQ(keys('o'), "");
    EXPECT_NE(keys('i'), "");
    ack(publisher, wire::PacketType::pubrel, 1);
    EXPECT_EQ(keys('i'), "");
    for (const auto* const client : {"s", "o", "p"}) {
        auto& last = connect(client, {.clean_start = true});
        disconnect(last);
    }
    EXPECT_EQ(keys('s'), "");
    EXPECT_EQ(keys('f'), "");
}

TEST_P(broker_with_storage, keeps_retained_messages_on_every_shard) {
    auto& publisher = connected("p");
    publish(publisher, "t/1", "a", QoS::at_least_once, 1, true);
    publish(publisher, "t/2", "b", QoS::at_least_once, 2, true);
    publish(publisher, "t/2", "", QoS::at_least_once, 3, true);
    crash();
    for (unsigned shard = 0; shard < GetParam(); ++shard) {
        ASSERT_TRUE(rig->broker(shard).retained("t/1")) << shard;
        EXPECT_EQ(as_text(rig->broker(shard).retained("t/1")->payload()), "a");
        EXPECT_FALSE(rig->broker(shard).retained("t/2")) << shard;
    }
    auto& late = connected("late");
    publish(late, "t/1", "c", QoS::at_least_once, 1, true);
    for (unsigned shard = 0; shard < GetParam(); ++shard)
        EXPECT_EQ(as_text(rig->broker(shard).retained("t/1")->payload()), "c") << shard;
}

TEST_P(broker_with_storage, publishes_the_will_of_who_was_connected_when_it_crashed) {
    auto& watcher = lasting("w");
    subscribe(watcher, "will", QoS::at_least_once);
    connected("c", {.will = wire::Will{
                        .qos = QoS::at_least_once, .topic = "will", .payload = as_bytes("gone")}});
    crash();
    rig->advance(std::chrono::seconds{1});
    auto& again = lasting("w");
    EXPECT_EQ(seen(again), (Texts{"CONNACK resumed success", "PUBLISH q1 will=gone id=1"}));
    crash();
    rig->advance(std::chrono::seconds{1});
    auto& third = lasting("w");
    EXPECT_EQ(seen(third), (Texts{"CONNACK resumed success", "PUBLISH q1 will=gone dup id=1"}));
}

TEST_P(broker_with_storage, counts_deadlines_on_while_it_is_down) {
    auto& subscriber = lasting("s");
    subscribe(subscriber, "t", QoS::at_least_once);
    disconnect(subscriber);
    auto& publisher = connected("p");
    wire::PropertiesWriter properties;
    properties.put_integer(PropertyId::message_expiry_interval, 10);
    publish(publisher, {.qos = QoS::at_least_once,
                        .topic = "t",
                        .packet_id = id(1),
                        .properties = properties.view(),
                        .payload = as_bytes("short")});
    publish(publisher, "t", "long", QoS::at_least_once, 2);
    crash(std::chrono::seconds{20});
    rig->advance(std::chrono::seconds{1});
    auto& again = lasting("s");
    EXPECT_EQ(seen(again), (Texts{"CONNACK resumed success", "PUBLISH q1 t=long id=1"}));
    disconnect(again);
    crash(std::chrono::seconds{lasting_s + 1});
    rig->advance(std::chrono::seconds{1});
    EXPECT_EQ(rig->owner("s").client_ids(), Texts{});
    EXPECT_EQ(keys('s') + keys('f') + keys('d') + keys('m'), "");
}

TEST_P(broker_with_storage, gives_an_ended_sessions_shared_message_to_another_member_once) {
    auto& first = lasting("a");
    subscribe(first, "$share/g/t", QoS::at_least_once);
    auto& publisher = connected("p");
    publish(publisher, "t", "x", QoS::at_least_once, 1);
    rig->lose(first);
    auto& second = lasting("b");
    subscribe(second, "$share/g/t", QoS::at_least_once);
    seen(second);
    crash();
    auto& member = lasting("b");
    EXPECT_EQ(seen(member), Texts{"CONNACK resumed success"});
    connect("a", {.clean_start = true});
    EXPECT_EQ(seen(member), Texts{"PUBLISH q1 t=x id=1"});
}

TEST_P(broker_with_storage, survives_any_record_that_is_damaged_or_missing) {
    auto& subscriber = lasting(
        "s", {.receive_maximum = 1, .will = wire::Will{.topic = "will", .payload = as_bytes("w")}});
    subscribe(subscriber, "t", QoS::exactly_once);
    auto& publisher = lasting("p");
    publish(publisher, "t", "a", QoS::exactly_once, 1);
    publish(publisher, "t", "b", QoS::exactly_once, 2, true);
    ack(publisher, wire::PacketType::pubrel, 1);
    const auto whole = disks;
    for (std::size_t shard = 0; shard < whole.size(); ++shard) {
        for (const auto& [key, value] : whole[shard].records) {
            disks = whole;
            disks[shard].records[key][value.size() / 2] ^= std::byte{4};
            crash();
            EXPECT_NE(std::ranges::find(rig->unusable, key), rig->unusable.end()) << key;
            connect("s", {.clean_start = false, .session_expiry_s = lasting_s});

            disks = whole;
            disks[shard].records.erase(key);
            crash();
            const bool others_need_it = key.starts_with("s/") || key.starts_with("m/");
            if (others_need_it) {
                EXPECT_FALSE(rig->unusable.empty()) << key;
            }
            connect("s", {.clean_start = false, .session_expiry_s = lasting_s});
        }
    }
}

TEST_P(broker_with_storage, a_full_disk_stops_only_what_needs_it) {
    auto& away = lasting("away");
    subscribe(away, "kept", QoS::at_least_once);
    rig->lose(away);
    auto& watcher = connected("watcher");
    subscribed(watcher, "live", QoS::at_least_once);
    const auto near_id = beside("away");
    auto& publisher = connected(near_id);
    auto& old = connected(beside("away", "old"), {.version = ProtocolVersion::v3_1_1});

    rig->outcome = StorageOutcome::full;
    publish(publisher, "kept", "a", QoS::at_least_once, 1);
    // It was there when the disk turned out to be full: it cannot be told anything better.
    EXPECT_EQ(seen(publisher), Texts{"DISCONNECT quota_exceeded"});
    EXPECT_FALSE(publisher.is_open);
    EXPECT_EQ(sum(Counter::storage_full), 1U);

    auto& again = connected(near_id);
    publish(again, "live", "b", QoS::at_least_once, 1);
    EXPECT_EQ(seen(again), Texts{"PUBACK 1"});
    EXPECT_EQ(seen(watcher), Texts{"PUBLISH q1 live=b id=1"});
    publish(again, "kept", "c", QoS::at_least_once, 2);
    EXPECT_EQ(seen(again), Texts{"PUBACK 2 quota_exceeded"});
    publish(old, "kept", "d", QoS::at_least_once, 1);
    EXPECT_EQ(seen(old), Texts{});
    EXPECT_FALSE(old.is_open);
    auto& refused = lasting("away");
    EXPECT_EQ(seen(refused), Texts{"CONNACK quota_exceeded"});

    rig->outcome = StorageOutcome::stored;
    rig->advance(std::chrono::seconds{2});
    auto& back = lasting("away");
    EXPECT_EQ(seen(back), (Texts{"CONNACK resumed success", "PUBLISH q1 kept=a id=1"}));
}

TEST_P(broker_with_storage, an_acknowledgement_waits_for_the_shard_that_cannot_store) {
    auto& away = lasting("away");
    subscribe(away, "kept", QoS::at_least_once);
    rig->lose(away);
    auto& publisher = connected(GetParam() == 1 ? "p" : elsewhere("away"));
    rig->outcome.reset();
    publish(publisher, "kept", "a", QoS::at_least_once, 1);
    EXPECT_EQ(seen(publisher), Texts{});
    rig->outcome = StorageOutcome::stored;
    rig->settle();
    EXPECT_EQ(seen(publisher), Texts{"PUBACK 1"});
}

TEST_P(broker_with_storage, who_waits_for_another_shard_is_told_that_it_cannot_store) {
    auto& away = lasting("away");
    subscribe(away, "kept", QoS::at_least_once);
    rig->lose(away);
    auto& publisher = connected(GetParam() == 1 ? "p" : elsewhere("away"));
    rig->outcome = StorageOutcome::full;
    publish(publisher, "kept", "a", QoS::at_least_once, 1);
    EXPECT_EQ(seen(publisher), Texts{"DISCONNECT quota_exceeded"});
    EXPECT_FALSE(publisher.is_open);
    rig->outcome = StorageOutcome::stored;
    rig->advance(std::chrono::seconds{2});
    auto& back = lasting("away");
    EXPECT_EQ(seen(back), (Texts{"CONNACK resumed success", "PUBLISH q1 kept=a id=1"}));
}

TEST_P(broker_with_storage, one_that_waits_for_its_connack_is_told_when_the_disk_fails) {
    rig->outcome = StorageOutcome::failed;
    auto& client = lasting("c");
    EXPECT_EQ(seen(client), Texts{"CONNACK implementation_specific_error"});
    EXPECT_FALSE(client.is_open);
    rig->outcome = StorageOutcome::stored;
    rig->advance(std::chrono::seconds{2});
    // Who was refused has no session.
    EXPECT_EQ(seen(lasting("c")), Texts{"CONNACK success"});
}

TEST_P(broker_with_storage, a_session_is_what_it_was_when_its_next_connection_is_refused) {
    auto& watcher = connected("w");
    subscribed(watcher, "will", QoS::at_most_once);
    // `lost`: the connection was gone before; otherwise it is taken over.
    wire::PropertiesWriter delay;
    delay.put_integer(wire::PropertyId::will_delay_interval, 5);
    for (const bool was_lost : {true, false}) {
        const std::string id = was_lost ? "away" : "taken";
        const ConnectWith with{.clean_start = false,
                               .session_expiry_s = 10,
                               .will = wire::Will{.topic = "will",
                                                  .payload = as_bytes("gone"),
                                                  .properties = delay.view()}};
        auto& client = connect(id, with);
        EXPECT_EQ(seen(client), Texts{"CONNACK success"});
        if (was_lost) rig->lose(client);
        rig->advance(std::chrono::seconds{2});
        rig->outcome = StorageOutcome::full;
        EXPECT_EQ(seen(connect(id, {.clean_start = false, .session_expiry_s = 3'600})),
                  Texts{"CONNACK quota_exceeded"});
        rig->outcome = StorageOutcome::stored;
        rig->advance(std::chrono::seconds{2});
        EXPECT_EQ(seen(watcher), Texts{});
        rig->advance(std::chrono::seconds{was_lost ? 1 : 3});
        EXPECT_EQ(seen(watcher), Texts{"PUBLISH q0 will=gone"});
        rig->advance(std::chrono::seconds{6});
        EXPECT_EQ(seen(connect(id, {.clean_start = false})), Texts{"CONNACK success"});
    }
}

TEST_P(broker_with_storage, keeps_what_was_stored_when_it_stops) {
    auto& subscriber = lasting("s");
    subscribe(subscriber, "t", QoS::at_least_once);
    for (unsigned shard = 0; shard < GetParam(); ++shard) rig->broker(shard).on_stop(rig->now);
    rig->settle();
    crash();
    EXPECT_EQ(seen(lasting("s")), Texts{"CONNACK resumed success"});
}

INSTANTIATE_TEST_SUITE_P(one_two_and_four, broker_with_storage, testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace touchstone
