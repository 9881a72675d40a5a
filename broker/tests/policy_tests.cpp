#include <gtest/gtest.h>

#include "broker/tests/broker_of_shards.hpp"

namespace touchstone {
namespace {

using access::NodeRules;
using Verdict = AuthenticationAnswer::Verdict;

/// A node whose rules a test changes before it begins.
class broker_with_rules : public broker_of_shards {
protected:
    static std::shared_ptr<NodeRules> open_rules() {
        return std::make_shared<NodeRules>(*access::open_rules({}));
    }
    void start(std::shared_ptr<const NodeRules> rules) {
        rig = std::make_unique<Rig>(Rig::Options{.shards = GetParam(), .rules = std::move(rules)});
    }
    static access::AccessRules parsed(std::string_view text) {
        return access::AccessRules::parse(text).value();
    }
    static access::PeerAddress address(std::string_view text) {
        return *access::PeerAddress::from_text(text);
    }
    std::uint64_t sum(Counter counter) const {
        std::uint64_t total = 0;
        for (unsigned shard = 0; shard < GetParam(); ++shard)
            total += rig->broker(shard).counters().of(counter);
        return total;
    }
    void send_auth(Peer& peer, ReasonCode reason, std::string_view method, std::string_view data) {
        wire::PropertiesWriter properties;
        properties.put_text(PropertyId::authentication_method, method);
        properties.put_binary(PropertyId::authentication_data, as_bytes(data));
        Buffer bytes;
        wire::encode(bytes, wire::Auth{.reason = reason, .properties = properties.view()});
        rig->send(peer, bytes);
        rig->settle();
    }
    static AuthenticationAnswer step(std::string_view text) {
        return {.verdict = Verdict::continues, .data = {as_bytes(text).begin(), as_bytes(text).end()}};
    }
};

INSTANTIATE_TEST_SUITE_P(one_two_and_four, broker_with_rules, testing::Values(1U, 2U, 4U));

// --- Who gets in --------------------------------------------------------------------------------

TEST_P(broker_with_rules, asks_who_a_client_is_and_takes_nothing_from_it_meanwhile) {
    auto rules = open_rules();
    rules->has_credentials = true;
    start(rules);
    auto& peer = connect("c", {.user_name = "anna", .password = "secret"});
    subscribe(peer, "t", QoS::at_least_once);
    EXPECT_EQ(seen(peer), Texts{});
    ASSERT_EQ(rig->questions.size(), 1U);
    const auto question = rig->questions[0];
    const auto& plain = std::get<PlainCredentials>(question.what);
    EXPECT_EQ(plain.client_id, "c");
    EXPECT_EQ(plain.user_name, "anna");
    EXPECT_EQ(as_text(*plain.password), "secret");
    EXPECT_TRUE(plain.allow_anonymous);
    rig->answer(question, {.verdict = Verdict::accepted});
    EXPECT_EQ(seen(peer), (Texts{"CONNACK success", "SUBACK 1"}));
    rig->answer(question, {.verdict = Verdict::refused});  // nobody waits for it
    EXPECT_EQ(seen(peer), Texts{});
    EXPECT_TRUE(peer.is_open);
}

TEST_P(broker_with_rules, refuses_whom_nobody_knows_with_the_code_of_the_version) {
    auto rules = open_rules();
    rules->has_credentials = true;
    rules->zones[0].policy.allow_anonymous = false;
    start(rules);
    for (const auto version : {ProtocolVersion::v3_1_1, ProtocolVersion::v5}) {
        auto& peer = connect("c", {.version = version});
        EXPECT_FALSE(std::get<PlainCredentials>(rig->questions.back().what).allow_anonymous);
        rig->answer(rig->questions.back(),
                    {.verdict = Verdict::refused,
                     .reason = ReasonCode::bad_user_name_or_password});
        EXPECT_EQ(seen(peer), Texts{"CONNACK bad_user_name_or_password"});
        EXPECT_FALSE(peer.is_open);
    }
    EXPECT_EQ(sum(Counter::authentications_refused), 2U);
}

TEST_P(broker_with_rules, refuses_everybody_where_nobody_may_be_nameless_and_nobody_is_known) {
    auto rules = open_rules();
    rules->zones[0].policy.allow_anonymous = false;
    start(rules);
    auto& peer = connect("c");
    EXPECT_EQ(seen(peer), Texts{"CONNACK not_authorized"});
    EXPECT_TRUE(rig->questions.empty());
}

TEST_P(broker_with_rules, forgets_the_question_of_a_client_that_has_gone) {
    auto rules = open_rules();
    rules->has_credentials = true;
    start(rules);
    auto& peer = connect("c");
    rig->lose(peer);
    EXPECT_EQ(rig->forgotten, std::vector{rig->questions[0].number});
    rig->answer(rig->questions[0], {.verdict = Verdict::accepted});
    EXPECT_FALSE(rig->owner("c").session("c").has_value());
}

TEST_P(broker_with_rules, takes_a_certificate_for_a_proof) {
    auto rules = open_rules();
    rules->has_credentials = true;
    rules->zones[0].policy.allow_anonymous = false;
    rules->access_rules = parsed("{allow, {user, \"anna\"}, pubsub, [\"a/#\"]}. {deny, all}.");
    rules->zones[0].policy.has_access_rules = true;
    start(rules);
    auto& peer = connected("c", {.origin = {.certificate_user_name = "anna"}});
    subscribed(peer, "a/b", QoS::at_most_once);
}

TEST_P(broker_with_rules, authenticates_by_an_exchange_before_it_answers_connect) {
    auto rules = open_rules();
    rules->authentication_method = "SCRAM-SHA-256";
    start(rules);
    auto& peer = connect("c", {.method = "SCRAM-SHA-256", .data = "first"});
    ASSERT_EQ(rig->questions.size(), 1U);
    EXPECT_EQ(as_text(std::get<ExchangeStep>(rig->questions[0].what).data), "first");
    rig->answer(rig->questions[0], step("challenge"));
    EXPECT_EQ(seen(peer), Texts{"AUTH continue_authentication challenge"});
    send_auth(peer, ReasonCode::continue_authentication, "SCRAM-SHA-256", "proof");
    ASSERT_EQ(rig->questions.size(), 2U);
    EXPECT_EQ(rig->questions[1].number, rig->questions[0].number);
    auto yes = step("verifier");
    yes.verdict = Verdict::accepted;
    yes.user_name = "anna";
    rig->answer(rig->questions[1], yes);
    EXPECT_EQ(seen(peer), Texts{"CONNACK success verifier"});

    // Again, while messages flow.
    subscribed(peer, "t", QoS::at_most_once);
    send_auth(peer, ReasonCode::re_authenticate, "SCRAM-SHA-256", "first");
    publish(peer, "t", "x", QoS::at_most_once);
    rig->answer(rig->questions[2], step("challenge"));
    EXPECT_EQ(seen(peer),
              (Texts{"PUBLISH q0 t=x", "AUTH continue_authentication challenge"}));
    send_auth(peer, ReasonCode::continue_authentication, "SCRAM-SHA-256", "proof");
    rig->answer(rig->questions[3], yes);
    EXPECT_EQ(seen(peer), Texts{"AUTH success verifier"});

    send_auth(peer, ReasonCode::re_authenticate, "SCRAM-SHA-256", "first");
    rig->answer(rig->questions[4], {.verdict = Verdict::refused});
    EXPECT_EQ(seen(peer), Texts{"DISCONNECT not_authorized"});
    EXPECT_FALSE(peer.is_open);
}

TEST_P(broker_with_rules, ends_an_exchange_that_is_not_by_the_book) {
    auto rules = open_rules();
    rules->authentication_method = "SCRAM-SHA-256";
    start(rules);
    EXPECT_EQ(seen(connect("a", {.method = "OTHER"})), Texts{"CONNACK bad_authentication_method"});

    auto& impatient = connect("b", {.method = "SCRAM-SHA-256"});
    rig->answer(rig->questions.back(), step("challenge"));
    seen(impatient);
    publish(impatient, "t", "x", QoS::at_most_once);  // [MQTT-3.1.2-30]
    EXPECT_FALSE(impatient.is_open);

    auto& other = connect("c", {.method = "SCRAM-SHA-256"});
    rig->answer(rig->questions.back(), step("challenge"));
    seen(other);
    send_auth(other, ReasonCode::continue_authentication, "OTHER", "");
    EXPECT_EQ(seen(other), Texts{"CONNACK protocol_error"});

    auto& refused = connect("d", {.method = "SCRAM-SHA-256"});
    rig->answer(rig->questions.back(), {.verdict = Verdict::refused});
    EXPECT_EQ(seen(refused), Texts{"CONNACK not_authorized"});

    auto& plain = connected("e");
    send_auth(plain, ReasonCode::re_authenticate, "SCRAM-SHA-256", "");  // [MQTT-4.12.1-1]
    EXPECT_EQ(seen(plain), Texts{"DISCONNECT protocol_error"});

    auto& thinks_better = connect("f", {.method = "SCRAM-SHA-256"});
    rig->answer(rig->questions.back(), step("challenge"));
    seen(thinks_better);
    disconnect(thinks_better);
    EXPECT_EQ(seen(thinks_better), Texts{});
    EXPECT_FALSE(thinks_better.is_open);
    EXPECT_FALSE(rig->owner("f").session("f").has_value());
}

TEST_P(broker_with_rules, keeps_the_banned_out) {
    auto rules = open_rules();
    rules->zones[0].policy.has_bans = true;
    rules->bans.ban_client_id("evil", {.until = Instant{std::chrono::seconds{10}}});
    rules->bans.ban_user_name("mallory", {});
    rules->bans.ban_address(*access::AddressRange::from_text("192.0.2.0/24"), {});
    start(rules);
    EXPECT_EQ(seen(connect("evil")), Texts{"CONNACK banned"});
    EXPECT_EQ(seen(connect("a", {.user_name = "mallory"})), Texts{"CONNACK banned"});
    EXPECT_EQ(seen(connect("a", {.origin = {.address = address("192.0.2.7")}})),
              Texts{"CONNACK banned"});
    EXPECT_EQ(seen(connect("a", {.origin = {.address = address("192.0.3.7")}})),
              Texts{"CONNACK success"});
    rig->advance(std::chrono::seconds{10});
    EXPECT_EQ(seen(connect("evil")), Texts{"CONNACK success"});
}

TEST_P(broker_with_rules, bans_who_comes_and_goes_too_often_for_a_while) {
    auto rules = open_rules();
    rules->zones[0].policy.has_bans = true;
    rules->zones[0].policy.flapping = {.changes_max = 4, .window = std::chrono::seconds{60}};
    rules->zones[0].policy.flapping_ban = std::chrono::seconds{100};
    start(rules);
    disconnect(connected("c"));
    disconnect(connected("c"));
    EXPECT_EQ(seen(connect("c")), Texts{"CONNACK banned"});
    EXPECT_EQ(seen(connect("d")), Texts{"CONNACK success"});
    EXPECT_EQ(sum(Counter::clients_banned), 1U);
    rig->advance(std::chrono::seconds{100});
    EXPECT_EQ(seen(connect("c")), Texts{"CONNACK success"});
}

TEST_P(broker_with_rules, says_busy_when_the_driver_says_there_are_too_many) {
    start(open_rules());
    EXPECT_EQ(seen(connect("c", {.origin = {.is_over_limit = true}})),
              Texts{"CONNACK server_busy"});
    EXPECT_EQ(seen(connect("c", {.version = ProtocolVersion::v3_1_1,
                                 .origin = {.is_over_limit = true}})),
              Texts{"CONNACK server_unavailable"});
}

TEST_P(broker_with_rules, keeps_no_more_sessions_than_it_may) {
    auto rules = open_rules();
    rules->policy.limits.sessions_max = GetParam();  // one for each shard
    start(rules);
    connected("c", {.session_expiry_s = 100});
    std::size_t refused = 0;
    for (int i = 0; i < 20; ++i)
        refused += seen(connect("other" + std::to_string(i))) == Texts{"CONNACK quota_exceeded"};
    EXPECT_EQ(refused, 21U - GetParam());
    EXPECT_EQ(seen(connect("c", {.clean_start = false, .session_expiry_s = 100})),
              Texts{"CONNACK resumed success"});
}

TEST_P(broker_with_rules, judges_client_identifiers_by_the_zone) {
    auto rules = open_rules();
    rules->zones[0].policy.client_id_bytes_max = 30;
    rules->zones.push_back(rules->zones[0]);
    rules->zones[1].policy.user_name_as_client_id = true;
    rules->listeners.push_back({.name = "named", .zone = access::ZoneIndex{1}});
    start(rules);
    EXPECT_EQ(seen(connect(std::string(31, 'x'))), Texts{"CONNACK client_identifier_not_valid"});
    connected("", {.user_name = "anna", .origin = {.listener = access::ListenerIndex{1}}});
    EXPECT_TRUE(rig->owner("anna").session("anna").has_value());
}

// --- Who may do what ------------------------------------------------------------------------------

TEST_P(broker_with_rules, drops_what_may_not_be_published_and_says_so_where_it_can) {
    auto rules = open_rules();
    rules->zones[0].policy.has_access_rules = true;
    rules->access_rules = parsed("{deny, all, publish, [\"secret/#\"]}. {allow, all}.");
    start(rules);
    auto& subscriber = connected("s");
    subscribed(subscriber, "#", QoS::exactly_once);
    auto& publisher = connected("p");
    publish(publisher, "secret/a", "0", QoS::at_most_once);
    publish(publisher, "secret/a", "1", QoS::at_least_once, 1);
    publish(publisher, "secret/a", "2", QoS::exactly_once, 2);
    EXPECT_EQ(seen(publisher), (Texts{"PUBACK 1 not_authorized", "PUBREC 2 not_authorized"}));
    publish(publisher, "open/a", "3", QoS::exactly_once, 2);  // the identifier is free again
    EXPECT_EQ(seen(publisher), Texts{"PUBREC 2"});
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q2 open/a=3 id=1"});
    auto& old = connected("o", {.version = ProtocolVersion::v3_1_1});
    publish(old, "secret/a", "1", QoS::at_least_once, 1);
    EXPECT_EQ(seen(old), Texts{"PUBACK 1"});
    EXPECT_EQ(seen(subscriber), Texts{});
    EXPECT_EQ(sum(Counter::publish_denied), 4U);
}

TEST_P(broker_with_rules, closes_the_connection_of_who_publishes_what_it_may_not_when_told_so) {
    auto rules = open_rules();
    rules->zones[0].policy.has_access_rules = true;
    rules->zones[0].policy.deny_action = access::DenyAction::disconnect;
    rules->zones[0].policy.without_match = access::Verdict::deny;
    start(rules);
    auto& publisher = connected("p");
    publish(publisher, "a", "x", QoS::at_most_once);
    EXPECT_EQ(seen(publisher), Texts{"DISCONNECT not_authorized"});
    EXPECT_FALSE(publisher.is_open);
}

TEST_P(broker_with_rules, refuses_filters_one_by_one) {
    auto rules = open_rules();
    rules->zones[0].policy.has_access_rules = true;
    rules->access_rules = parsed("{allow, all, subscribe, [\"a/%c/#\", \"b/%u\"]}. {deny, all}.");
    start(rules);
    auto& peer = connected("c", {.user_name = "anna"});
    subscribed(peer, "a/c/x", QoS::at_least_once);
    subscribed(peer, "b/anna", QoS::at_least_once);
    subscribe(peer, "a/d/x", QoS::at_least_once);
    EXPECT_EQ(seen(peer), Texts{"SUBACK 135"});
    subscribe(peer, "$share/g/a/c/y", QoS::at_least_once);
    EXPECT_EQ(seen(peer), Texts{"SUBACK 1"});
    auto& old = connected("o", {.version = ProtocolVersion::v3_1_1});
    subscribe(old, "a/d/x", QoS::at_least_once);
    EXPECT_EQ(seen(old), Texts{"SUBACK 128"});
}

TEST_P(broker_with_rules, does_not_publish_a_will_that_its_client_might_not_publish) {
    auto rules = open_rules();
    rules->zones[0].policy.has_access_rules = true;
    rules->access_rules = parsed("{deny, {client, \"c\"}, publish, [\"w\"]}. {allow, all}.");
    start(rules);
    auto& subscriber = connected("s");
    subscribed(subscriber, "w", QoS::at_most_once);
    for (const auto* const id : {"c", "d"}) {
        auto& peer = connected(id, {.will = wire::Will{.topic = "w", .payload = as_bytes(id)}});
        rig->lose(peer);
        rig->settle();
    }
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q0 w=d"});
}

TEST_P(broker_with_rules, obeys_new_rules_at_once) {
    auto rules = open_rules();
    rules->zones[0].policy.has_access_rules = true;
    rules->access_rules = parsed("{allow, all}.");
    start(rules);
    auto& peer = connected("c", {.receive_maximum = 10});
    subscribed(peer, "t", QoS::at_least_once);
    publish(peer, "t", "1", QoS::at_least_once, 1);
    EXPECT_EQ(seen(peer), (Texts{"PUBLISH q1 t=1 id=1", "PUBACK 1"}));
    auto others = std::make_shared<NodeRules>(*rules);
    others->access_rules = parsed("{deny, all, publish, [\"t\"]}. {allow, all}.");
    others->zones[0].settings.inflight_max = 1;
    rig->reload(others);
    publish(peer, "t", "2", QoS::at_least_once, 1);
    EXPECT_EQ(seen(peer), Texts{"PUBACK 1 not_authorized"});
    EXPECT_EQ(rig->owner("c").session("c")->window, 1U);
}

TEST_P(broker_with_rules, shows_each_tenant_topics_of_its_own) {
    auto rules = open_rules();
    for (const auto* const name : {"one", "two"}) {
        rules->listeners.push_back(
            {.name = name,
             .zone = access::ZoneIndex{0},
             .mountpoint =
                 access::MountpointTemplate::from_text(std::string{name} + "/").value()});
    }
    start(rules);
    const access::Origin one{.listener = access::ListenerIndex{1}};
    const access::Origin two{.listener = access::ListenerIndex{2}};
    auto& here = connected("a", {.origin = one});
    auto& there = connected("b", {.origin = two});
    auto& outside = connected("c");
    subscribed(here, "#", QoS::at_least_once);
    subscribed(there, "#", QoS::at_least_once);
    subscribed(outside, "#", QoS::at_least_once);
    auto& publisher = connected("d", {.will = wire::Will{.topic = "w"}, .origin = one});
    publish(publisher, "t", "x", QoS::at_least_once, 1, true);
    rig->lose(publisher);
    rig->settle();
    EXPECT_EQ(seen(here), (Texts{"PUBLISH q1 t=x id=1", "PUBLISH q0 w="}));
    EXPECT_EQ(seen(there), Texts{});
    EXPECT_EQ(seen(outside), (Texts{"PUBLISH q1 one/t=x id=1", "PUBLISH q0 one/w="}));
    auto& late = connected("e", {.origin = one});
    subscribe(late, "t", QoS::at_least_once);
    EXPECT_EQ(seen(late), (Texts{"SUBACK 1", "PUBLISH q1 t=x retain id=1"}));
    Buffer bytes;
    Buffer entries;
    append(entries, as_bytes(std::string_view{"\0\1t", 3}));
    wire::encode(bytes, wire::Unsubscribe{.packet_id = id(5), .entries = entries, .entry_count = 1},
                 ProtocolVersion::v5);
    rig->send(late, bytes);
    rig->settle();
    publish(outside, "one/t", "y", QoS::at_most_once);
    EXPECT_EQ(seen(late), Texts{"UNSUBACK"});
}

TEST_P(broker_with_rules, subscribes_for_its_clients) {
    auto rules = open_rules();
    rules->policy.auto_subscribe.add(access::TopicTemplate::from_text("to/%c").value(),
                                     {.qos = QoS::at_least_once});
    rules->policy.auto_subscribe.add(access::TopicTemplate::from_text("to/%u/x").value(),
                                     {.qos = QoS::at_least_once});
    start(rules);
    auto& publisher = connected("p");
    publish(publisher, "to/c", "kept", QoS::at_least_once, 1, true);
    auto& peer = connect("c", {.session_expiry_s = 100});
    EXPECT_EQ(seen(peer), (Texts{"CONNACK success", "PUBLISH q1 to/c=kept retain id=1"}));
    publish(publisher, "to/c", "live", QoS::at_least_once, 1);
    EXPECT_EQ(seen(peer), Texts{"PUBLISH q1 to/c=live id=2"});
    ack(peer, wire::PacketType::puback, 1);
    ack(peer, wire::PacketType::puback, 2);
    rig->lose(peer);
    auto& again = connect("c", {.clean_start = false, .session_expiry_s = 100});
    EXPECT_EQ(seen(again), Texts{"CONNACK resumed success"});
}

// --- How much -------------------------------------------------------------------------------------

TEST_P(broker_with_rules, makes_a_client_wait_that_publishes_too_fast) {
    auto rules = open_rules();
    rules->zones[0].policy.publish_limit = {.per_second = 2, .burst = 2};
    start(rules);
    auto& subscriber = connected("s");
    subscribed(subscriber, "t", QoS::at_most_once);
    auto& publisher = connected("p");
    for (int i = 0; i < 6; ++i) publish(publisher, "t", std::to_string(i), QoS::at_most_once);
    EXPECT_EQ(seen(subscriber).size(), 3U);  // the burst, and the one that showed it was used up
    rig->advance(std::chrono::milliseconds{500});
    EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q0 t=3"});
    rig->advance(std::chrono::milliseconds{1'000});
    EXPECT_EQ(seen(subscriber), (Texts{"PUBLISH q0 t=4", "PUBLISH q0 t=5"}));
    EXPECT_EQ(sum(Counter::publish_pauses), 3U);
}

TEST_P(broker_with_rules, takes_memory_from_the_longest_queue_when_there_is_too_much) {
    auto rules = open_rules();
    rules->policy.limits.queued_bytes_max = 20'000U * GetParam();
    start(rules);
    const ConnectWith stays{.version = ProtocolVersion::v3_1_1, .clean_start = false};
    auto& small = connected("small", stays);
    subscribed(small, "small", QoS::at_least_once);
    rig->lose(small);
    auto& large = connected("large", stays);
    subscribed(large, "large", QoS::at_least_once);
    rig->lose(large);
    auto& publisher = connected("p");
    for (std::uint16_t i = 1; i <= 5; ++i)
        publish(publisher, "small", std::string(1'000, 'x'), QoS::at_least_once, i);
    for (std::uint16_t i = 1; i <= 100; ++i)
        publish(publisher, "large", std::string(1'000, 'x'), QoS::at_least_once, i);
    EXPECT_EQ(rig->owner("small").session("small")->queue.size(), 5U);
    const auto kept = rig->owner("large").session("large")->queue.size();
    EXPECT_GT(kept, 5U);
    EXPECT_LT(kept, 20U);
    const auto& owner = rig->owner("large");
    EXPECT_EQ(sum(Counter::dropped_memory_full), 100U - kept);
    EXPECT_LE(owner.gauges().queued_bytes, 20'000U);
    for (unsigned shard = 0; shard < GetParam(); ++shard) {
        const auto& broker = rig->broker(shard);
        EXPECT_EQ(unaccounted_messages(broker.counters(), broker.gauges()), 0U);
    }
    auto& again = connect("large", stays);
    EXPECT_EQ(seen(again).size(), 1U + std::min<std::size_t>(kept, 32));
}

TEST_P(broker_with_rules, keeps_no_more_qos_2_messages_awaiting_pubrel_than_it_may) {
    auto rules = open_rules();
    rules->zones[0].policy.awaiting_release_max = 1;
    start(rules);
    auto& peer = connected("c");
    publish(peer, "t", "x", QoS::exactly_once, 1);
    publish(peer, "t", "x", QoS::exactly_once, 2);
    EXPECT_EQ(seen(peer),
              (Texts{"PUBREC 1 no_matching_subscribers", "PUBREC 2 quota_exceeded"}));
    ack(peer, wire::PacketType::pubrel, 1);
    publish(peer, "t", "x", QoS::exactly_once, 2);
    EXPECT_EQ(seen(peer), (Texts{"PUBCOMP 1", "PUBREC 2 no_matching_subscribers"}));
}

TEST_P(broker_with_rules, takes_all_qos_2_messages_of_clients_that_know_of_no_limit) {
    auto rules = open_rules();
    rules->zones[0].policy.awaiting_release_max = 1;
    start(rules);
    auto& peer = connected("c", {.version = ProtocolVersion::v3_1_1});
    publish(peer, "t", "x", QoS::exactly_once, 1);
    publish(peer, "t", "x", QoS::exactly_once, 2);
    EXPECT_EQ(seen(peer), (Texts{"PUBREC 1", "PUBREC 2"}));
}

TEST_P(broker_with_rules, begins_the_quota_of_a_client_anew_with_each_connection) {
    auto rules = open_rules();
    rules->zones[0].settings.receive_maximum = 1;
    start(rules);
    auto& before = connected("c", {.session_expiry_s = 100});
    publish(before, "t", "x", QoS::exactly_once, 1);
    EXPECT_EQ(seen(before), Texts{"PUBREC 1 no_matching_subscribers"});
    rig->lose(before);
    auto& after = connect("c", {.clean_start = false, .session_expiry_s = 100});
    EXPECT_EQ(seen(after), Texts{"CONNACK resumed success"});
    publish(after, "t", "x", QoS::exactly_once, 2);
    EXPECT_EQ(seen(after), Texts{"PUBREC 2 no_matching_subscribers"});
    publish(after, "t", "x", QoS::exactly_once, 3);
    EXPECT_EQ(seen(after), Texts{"DISCONNECT receive_maximum_exceeded"});
}

TEST_P(broker_with_rules, lets_nobody_publish_under_a_dollar_sign_behind_a_mountpoint) {
    auto rules = open_rules();
    rules->listeners[0].mountpoint = access::MountpointTemplate::from_text("m/").value();
    start(rules);
    auto& watcher = connected("w");
    subscribe(watcher, "#", QoS::at_most_once);
    seen(watcher);
    auto& peer = connected("c");
    publish(peer, "$own/t", "x", QoS::at_least_once, 1);
    EXPECT_EQ(seen(peer), Texts{"PUBACK 1 not_authorized"});
    EXPECT_EQ(seen(watcher), Texts{});
}

TEST_P(broker_with_rules, leaves_out_a_response_information_that_is_too_long) {
    auto rules = open_rules();
    rules->zones[0].settings.response_topic_prefix = "replies/";
    start(rules);
    connected(std::string(65'535, 'c'), {.asks_for_response_information = true});
}

TEST_P(broker_with_rules, keeps_no_endless_copies_for_whoever_subscribes_again_and_again) {
    auto rules = open_rules();
    rules->zones[0].settings.queue_messages_max = 3;
    start(rules);
    auto& publisher = connected("p");
    for (const auto* const topic : {"a", "b", "c", "d"})
        publish(publisher, topic, "x", QoS::at_least_once, 1, true);
    auto& peer = connected("c", {.receive_maximum = 1});
    for (int i = 0; i < 50; ++i) subscribe(peer, "#", QoS::at_least_once);
    std::size_t queued = 0;
    for (unsigned shard = 0; shard < GetParam(); ++shard)
        queued += rig->broker(shard).gauges().queued_messages;
    EXPECT_LE(queued, 2U * 4 + 3 + 3);
    EXPECT_GE(queued, 4U);
}

TEST_P(broker_with_rules, refuses_a_retained_message_for_which_there_is_no_room) {
    auto rules = open_rules();
    rules->policy.limits.retained_messages_max = 1;
    start(rules);
    auto& peer = connected("c");
    publish(peer, "a", "x", QoS::at_least_once, 1, true);
    publish(peer, "b", "x", QoS::at_least_once, 2, true);
    publish(peer, "a", "y", QoS::at_least_once, 3, true);
    EXPECT_EQ(seen(peer), (Texts{"PUBACK 1 no_matching_subscribers", "PUBACK 2 quota_exceeded",
                                 "PUBACK 3 no_matching_subscribers"}));
}

TEST_P(broker_with_rules, sends_queued_messages_by_their_priority) {
    auto rules = open_rules();
    rules->zones[0].policy.queue_priorities = {
        .by_topic = {{"high", 9}, {"low", 1}}, .is_other_highest = false};
    rules->zones[0].settings.queue_messages_max = 2;
    start(rules);
    const ConnectWith stays{.version = ProtocolVersion::v3_1_1, .clean_start = false};
    auto& subscriber = connected("s", stays);
    subscribed(subscriber, "#", QoS::at_least_once);
    rig->lose(subscriber);
    auto& publisher = connected("p");
    std::uint16_t packet_id = 0;
    for (const auto* const payload : {"1", "2", "3"})
        for (const auto* const topic : {"other", "low", "high"})
            publish(publisher, topic, payload, QoS::at_least_once, ++packet_id);
    auto& again = connect("s", stays);
    EXPECT_EQ(seen(again),
              (Texts{"CONNACK resumed success", "PUBLISH q1 high=2 id=1", "PUBLISH q1 high=3 id=2",
                     "PUBLISH q1 low=2 id=3", "PUBLISH q1 low=3 id=4", "PUBLISH q1 other=2 id=5",
                     "PUBLISH q1 other=3 id=6"}));
}

TEST_P(broker_with_rules, delivers_with_the_higher_qos_and_without_loops_when_told_so) {
    auto rules = open_rules();
    rules->zones[0].policy.deliver_with_higher_qos = true;
    rules->zones[0].policy.no_local_for_v3 = true;
    start(rules);
    auto& peer = connected("c", {.version = ProtocolVersion::v3_1_1});
    subscribed(peer, "t", QoS::at_least_once);
    publish(peer, "t", "own", QoS::at_most_once);
    publish(connected("d"), "t", "others", QoS::at_most_once);
    EXPECT_EQ(seen(peer), Texts{"PUBLISH q1 t=others id=1"});
}

TEST_P(broker_with_rules, closes_silent_clients_by_the_backoff_of_the_zone) {
    auto rules = open_rules();
    rules->zones[0].policy.keep_alive_backoff_permille = 1'000;
    start(rules);
    auto& peer = connected("c", {.keep_alive_s = 10});
    rig->advance(std::chrono::milliseconds{19'999});
    EXPECT_TRUE(peer.is_open);
    rig->advance(std::chrono::milliseconds{1});
    EXPECT_FALSE(peer.is_open);
}

// --- Shared Subscriptions ---------------------------------------------------------------------------

TEST_P(broker_with_rules, gives_every_member_the_same_share_wherever_it_lives) {
    start(open_rules());
    std::vector<Peer*> members;
    for (int i = 0; i < 6; ++i) {
        members.push_back(&connected("m" + std::to_string(i),
                                     {.version = i < 3 ? ProtocolVersion::v3_1_1
                                                       : ProtocolVersion::v5}));
        subscribe(*members.back(), "$share/g/t", QoS::at_most_once);
        seen(*members.back());
    }
    auto& publisher = connected("p");
    const auto counts_of = [&](int messages) {
        for (int i = 0; i < messages; ++i)
            publish(publisher, "t", std::to_string(i), QoS::at_most_once);
        std::vector<std::size_t> counts;
        for (auto* const member : members) counts.push_back(seen(*member).size());
        return counts;
    };
    EXPECT_EQ(counts_of(60), (std::vector<std::size_t>(6, 10)));
    disconnect(*members.back());
    members.pop_back();
    EXPECT_EQ(counts_of(50), (std::vector<std::size_t>(5, 10)));
}

TEST_P(broker_with_rules, picks_members_by_the_strategy) {
    using access::SharedStrategy;
    for (const auto strategy : {SharedStrategy::sticky, SharedStrategy::hash_client_id,
                                SharedStrategy::hash_topic, SharedStrategy::random}) {
        auto rules = open_rules();
        rules->policy.shared_strategy = strategy;
        start(rules);
        std::vector<Peer*> members;
        for (int i = 0; i < 4; ++i) {
            members.push_back(&connected("m" + std::to_string(i)));
            subscribe(*members.back(), "$share/g/#", QoS::at_most_once);
            seen(*members.back());
        }
        const auto used = [&](std::string_view client, std::string_view topic) {
            auto& publisher = connected(client);
            for (int i = 0; i < 30; ++i) publish(publisher, topic, "x", QoS::at_most_once);
            std::size_t count = 0;
            std::size_t messages = 0;
            for (auto* const member : members) {
                const auto got = seen(*member).size();
                messages += got;
                count += got != 0 ? 1 : 0;
            }
            EXPECT_EQ(messages, 30U);
            return count;
        };
        const auto one = used("p", "t");
        if (strategy == SharedStrategy::random)
            EXPECT_EQ(one, 4U);
        else
            EXPECT_EQ(one, 1U);
    }
}

// --- The server's own messages --------------------------------------------------------------------

TEST_P(broker_with_rules, tells_of_clients_only_when_somebody_listens) {
    start(open_rules());
    disconnect(connected("quiet"));
    EXPECT_TRUE(rig->events.empty());
    auto& subscriber = connected("s");
    subscribed(subscriber, "$SYS/brokers/+/clients/+/disconnected", QoS::at_most_once);
    disconnect(connected("c"));
    EXPECT_EQ(rig->events, Texts{"disconnected c normal"});
    subscribed(subscriber, "$SYS/broker/#", QoS::at_most_once);
    rig->events.clear();
    auto& first = connected("c", {.session_expiry_s = 9});
    connected("c", {.clean_start = true});
    EXPECT_EQ(rig->events, (Texts{"connected c", "disconnected c discarded", "connected c"}));
    seen(first);
}

TEST_P(broker_with_rules, publishes_for_the_server_what_clients_may_not) {
    start(open_rules());
    auto& subscriber = connected("s");
    subscribed(subscriber, "$SYS/#", QoS::at_least_once);
    for (unsigned shard = 0; shard < GetParam(); ++shard) {
        rig->broker(shard).on_publish({.topic = "$SYS/brokers", .payload = as_bytes("node"),
                                       .qos = QoS::at_most_once, .retain = true},
                                      rig->now);
        rig->settle();
        EXPECT_EQ(seen(subscriber), Texts{"PUBLISH q0 $SYS/brokers=node"});
    }
    EXPECT_EQ(sum(Counter::publish_received_qos_0), 0U);
}

}  // namespace
}  // namespace touchstone
