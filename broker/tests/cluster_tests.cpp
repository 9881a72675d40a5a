// The core as a part of a cluster. The tests play its registry, and what nodes say through the
// gateway.

#include <gmock/gmock.h>

#include "broker/storage/session_copy.hpp"
#include "broker/tests/broker_of_shards.hpp"

namespace touchstone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class member_of_shards : public broker_of_shards {
protected:
    void SetUp() override {
        rig = std::make_unique<Rig>(Rig::Options{.shards = GetParam(), .is_in_cluster = true});
    }
    /// A client that no other node has.
    Peer& let_in(std::string_view id, const ConnectWith& with = {}) {
        auto& peer = connect(id, with);
        answer_claim({});
        EXPECT_EQ(seen(peer), Texts{"CONNACK success"});
        return peer;
    }
    void answer_claim(ClaimAnswer with) {
        ASSERT_FALSE(rig->claims.empty());
        const auto claim = rig->claims.back();
        rig->claims.pop_back();
        rig->answer(claim, std::move(with));
    }
    std::shared_ptr<const storage::SessionCopy> evict(std::string_view id, SessionFate fate) {
        auto copy = rig->owner(id).on_evicted(id, fate, rig->now);
        rig->settle();
        return copy;
    }
    void tell_from_other_nodes(std::string_view id, PeerMessage message) {
        rig->owner(id).on_peer(gateway(GetParam()), std::move(message), rig->now);
        rig->settle();
    }
    static MessageRef message(std::string_view topic, std::string_view payload, QoS qos) {
        return Message::make({.topic = topic, .payload = as_bytes(payload), .qos = qos});
    }
};

TEST_P(member_of_shards, lets_nobody_in_before_the_registry_has_answered) {
    auto& peer = connect("c");
    EXPECT_THAT(seen(peer), IsEmpty());
    ASSERT_EQ(rig->claims.size(), 1U);
    EXPECT_EQ(rig->claims[0].client_id, "c");
    EXPECT_TRUE(rig->claims[0].clean_start);
    EXPECT_THAT(rig->registry, IsEmpty());
    answer_claim({});
    EXPECT_EQ(seen(peer), Texts{"CONNACK success"});
    EXPECT_THAT(rig->registry, ElementsAre("enter c"));
}

TEST_P(member_of_shards, takes_what_follows_the_connect_after_the_answer) {
    auto& peer = connect("c");
    subscribe(peer, "a", QoS::at_least_once);
    EXPECT_THAT(seen(peer), IsEmpty());
    answer_claim({});
    EXPECT_EQ(seen(peer), (Texts{"CONNACK success", "SUBACK 1"}));
}

TEST_P(member_of_shards, tells_a_client_why_the_registry_refuses_it) {
    auto& peer = connect("c");
    answer_claim({.refusal = ReasonCode::server_busy});
    EXPECT_EQ(seen(peer), Texts{"CONNACK server_busy"});
    EXPECT_FALSE(peer.is_open);
    EXPECT_FALSE(rig->owner("c").session("c").has_value());
}

TEST_P(member_of_shards, counts_the_keep_alive_from_a_connect_that_had_to_wait) {
    auto& peer = connect("c", {.keep_alive_s = 10});
    rig->advance(std::chrono::seconds{4});
    answer_claim({});
    EXPECT_EQ(seen(peer), Texts{"CONNACK success"});
    rig->advance(std::chrono::milliseconds{10'999});
    EXPECT_TRUE(peer.is_open);
    rig->advance(std::chrono::milliseconds{1});
    EXPECT_FALSE(peer.is_open);
    EXPECT_EQ(seen(peer), Texts{"DISCONNECT keep_alive_timeout"});
}

TEST_P(member_of_shards, wants_no_answer_for_a_client_that_is_gone) {
    auto& peer = connect("c");
    const auto claim = rig->claims.back();
    rig->lose(peer);
    EXPECT_THAT(rig->registry, ElementsAre("withdraw"));
    rig->answer(claim, {});
    EXPECT_FALSE(rig->owner("c").session("c").has_value());
}

TEST_P(member_of_shards, keeps_the_session_that_comes_for_a_client_that_is_gone) {
    auto& before = let_in("c", {.session_expiry_s = 60});
    subscribed(before, "a", QoS::at_least_once);
    const auto copy = evict("c", SessionFate::moves);
    ASSERT_NE(copy, nullptr);
    auto& peer = connect("c", {.clean_start = false, .session_expiry_s = 60});
    const auto claim = rig->claims.back();
    rig->lose(peer);
    rig->registry.clear();
    rig->answer(claim, {.refusal = ReasonCode::success, .session = copy});
    EXPECT_THAT(rig->registry, ElementsAre("enter c"));
    ASSERT_TRUE(rig->owner("c").session("c").has_value());
    EXPECT_THAT(*rig->owner("c").subscriptions("c"), ElementsAre("a"));
}

TEST_P(member_of_shards, says_when_a_session_has_ended) {
    auto& peer = let_in("c");
    disconnect(peer);
    EXPECT_THAT(rig->registry, ElementsAre("enter c", "release c"));
}

TEST_P(member_of_shards, ends_a_session_that_another_node_begins_anew) {
    auto& peer = let_in("c", {.session_expiry_s = 60});
    EXPECT_EQ(evict("c", SessionFate::ends), nullptr);
    EXPECT_EQ(seen(peer), Texts{"DISCONNECT session_taken_over"});
    EXPECT_FALSE(peer.is_open);
    EXPECT_FALSE(rig->owner("c").session("c").has_value());
}

TEST_P(member_of_shards, gives_no_session_away_that_ends_with_its_connection) {
    let_in("c");
    EXPECT_EQ(evict("c", SessionFate::moves), nullptr);
    EXPECT_FALSE(rig->owner("c").session("c").has_value());
}

TEST_P(member_of_shards, gives_nothing_away_that_is_not_there) {
    EXPECT_EQ(evict("c", SessionFate::moves), nullptr);
    EXPECT_THAT(rig->registry, IsEmpty());
}

TEST_P(member_of_shards, gives_a_session_away_with_all_that_it_is_owed) {
    auto& peer = let_in("c", {.session_expiry_s = 60, .receive_maximum = 1});
    subscribed(peer, "a", QoS::exactly_once);
    for (const auto* const payload : {"1", "2"})
        tell_from_other_nodes("c", PeerPublication{message("a", payload, QoS::exactly_once), {}});
    EXPECT_EQ(seen(peer), Texts{"PUBLISH q2 a=1 id=1"});
    publish(peer, "b", "x", QoS::exactly_once, 7);

    const auto copy = evict("c", SessionFate::moves);
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(copy->session.client_id, "c");
    EXPECT_EQ(copy->session.session_expiry_s, 60U);
    ASSERT_EQ(copy->subscriptions.size(), 1U);
    EXPECT_EQ(copy->subscriptions[0].text, "a");
    EXPECT_EQ(copy->subscriptions[0].options.qos, QoS::exactly_once);
    ASSERT_EQ(copy->deliveries.size(), 2U);
    EXPECT_EQ(copy->deliveries[0].packet_id, 1);
    EXPECT_EQ(copy->deliveries[1].state, storage::DeliveryRecord::State::waiting);
    ASSERT_EQ(copy->received.size(), 1U);
    EXPECT_EQ(copy->received[0].packet_id, 7);
    EXPECT_FALSE(rig->owner("c").session("c").has_value());
    EXPECT_THAT(rig->gateway_routes, IsEmpty());
    // Every message is accounted for.
    const auto& counters = rig->owner("c").counters();
    EXPECT_EQ(counters.of(Counter::messages_matched), 2U);
    EXPECT_EQ(counters.of(Counter::messages_handed_over), 2U);
}

TEST_P(member_of_shards, goes_on_with_the_session_of_another_node) {
    auto& before = let_in("c", {.session_expiry_s = 60, .receive_maximum = 1});
    subscribed(before, "a", QoS::exactly_once);
    for (const auto* const payload : {"1", "2"})
        tell_from_other_nodes("c", PeerPublication{message("a", payload, QoS::exactly_once), {}});
    EXPECT_EQ(seen(before), Texts{"PUBLISH q2 a=1 id=1"});
    publish(before, "b", "x", QoS::exactly_once, 7);
    const auto copy = evict("c", SessionFate::moves);
    rig->registry.clear();

    auto& peer = connect("c", {.clean_start = false, .session_expiry_s = 60});
    answer_claim({.refusal = ReasonCode::success, .session = copy});
    EXPECT_EQ(seen(peer),
              (Texts{"CONNACK resumed success", "PUBLISH q2 a=1 dup id=1", "PUBLISH q2 a=2 id=2"}));
    EXPECT_THAT(rig->gateway_routes, ElementsAre("a"));
    EXPECT_EQ(rig->registry.front(), "enter c");
    // The Packet Identifier that it had received is still awaiting its PUBREL: no second message.
    publish(peer, {.dup = true,
                   .qos = QoS::exactly_once,
                   .topic = "a",
                   .packet_id = id(7),
                   .payload = as_bytes("x")});
    EXPECT_EQ(seen(peer), Texts{"PUBREC 7"});
}

TEST_P(member_of_shards, keeps_what_comes_for_a_session_before_its_client_is_let_in) {
    auto& before = let_in("c", {.session_expiry_s = 60});
    subscribed(before, "a", QoS::at_least_once);
    const auto copy = evict("c", SessionFate::moves);

    auto& peer = connect("c", {.clean_start = false, .session_expiry_s = 60});
    const auto claim = rig->claims.back();
    rig->claims.pop_back();
    auto& owner = rig->owner("c");
    owner.on_claimed(claim.number, {.refusal = ReasonCode::success, .session = copy}, rig->now);
    owner.on_peer(gateway(GetParam()),
                  PeerPublication{message("a", "early", QoS::at_least_once), {}}, rig->now);
    rig->settle();
    EXPECT_EQ(seen(peer), (Texts{"CONNACK resumed success", "PUBLISH q1 a=early id=1"}));
}

TEST_P(member_of_shards, makes_one_session_of_two) {
    auto& before = let_in("c", {.session_expiry_s = 60});
    subscribed(before, "a", QoS::at_least_once);
    rig->lose(before);
    tell_from_other_nodes("c", PeerPublication{message("a", "1", QoS::at_least_once), {}});
    const auto copy = evict("c", SessionFate::moves);
    ASSERT_NE(copy, nullptr);

    auto& peer = let_in("c", {.session_expiry_s = 60});
    subscribed(peer, "b", QoS::at_least_once);
    rig->owner("c").on_adopted(*copy, rig->now);
    rig->settle();
    EXPECT_EQ(rig->owner("c").subscriptions("c")->size(), 2U);
    EXPECT_EQ(rig->owner("c").session("c")->queue.size() +
                  rig->owner("c").session("c")->inflight.size(),
              1U);
}

/// The client may have begun the other one since, and counts its Packet Identifiers from there.
TEST_P(member_of_shards, takes_no_message_for_a_repetition_of_one_of_before_two_sessions_were_one) {
    auto& before = let_in("c", {.session_expiry_s = 60});
    publish(before, "b", "of the one", QoS::exactly_once, 8);
    const auto copy = evict("c", SessionFate::moves);
    ASSERT_NE(copy, nullptr);
    auto& peer = let_in("c", {.session_expiry_s = 60});
    publish(peer, "b", "of the other", QoS::exactly_once, 7);
    EXPECT_EQ(seen(peer), Texts{"PUBREC 7 no_matching_subscribers"});
    rig->lose(peer);
    rig->owner("c").on_adopted(*copy, rig->now);
    rig->settle();

    auto& watcher = let_in("watcher");
    subscribed(watcher, "b", QoS::at_most_once);
    auto& again = connect("c", {.clean_start = false, .session_expiry_s = 60});
    answer_claim({});
    EXPECT_EQ(seen(again), Texts{"CONNACK resumed success"});
    for (const std::uint16_t number : {std::uint16_t{7}, std::uint16_t{8}})
        publish(again, "b", std::to_string(number), QoS::exactly_once, number);
    EXPECT_EQ(seen(again), (Texts{"PUBREC 7", "PUBREC 8"}));
    EXPECT_EQ(seen(watcher), (Texts{"PUBLISH q0 b=7", "PUBLISH q0 b=8"}));
}

TEST_P(member_of_shards, takes_no_message_for_a_repetition_of_one_of_an_outdated_session) {
    auto& before = let_in("c", {.session_expiry_s = 60});
    publish(before, "b", "of the one", QoS::exactly_once, 7);
    EXPECT_EQ(seen(before), Texts{"PUBREC 7 no_matching_subscribers"});
    rig->lose(before);

    auto& watcher = let_in("watcher");
    subscribed(watcher, "b", QoS::at_most_once);
    auto& again = connect("c", {.clean_start = false, .session_expiry_s = 60});
    answer_claim({.is_outdated = true});
    EXPECT_EQ(seen(again), Texts{"CONNACK resumed success"});
    publish(again, "b", "of another", QoS::exactly_once, 7);
    EXPECT_EQ(seen(again), Texts{"PUBREC 7"});
    EXPECT_EQ(seen(watcher), Texts{"PUBLISH q0 b=of another"});
}

TEST_P(member_of_shards, forgets_an_adopted_session_when_nobody_comes_for_it) {
    auto& before = let_in("c", {.session_expiry_s = 60});
    rig->lose(before);
    const auto copy = evict("c", SessionFate::moves);
    rig->registry.clear();
    rig->owner("c").on_adopted(*copy, rig->now);
    EXPECT_THAT(rig->registry, ElementsAre("enter c"));
    rig->advance(std::chrono::seconds{61});
    EXPECT_THAT(rig->registry, ElementsAre("enter c", "release c"));
}

TEST_P(member_of_shards, publishes_to_the_gateway_what_other_nodes_have_routes_for) {
    auto& peer = let_in("c");
    rig->to_gateway.clear();
    publish(peer, "a", "1", QoS::at_least_once, 1);
    EXPECT_THAT(rig->to_gateway, IsEmpty());
    rig->owner("c").on_peer(gateway(GetParam()), PeerAddRoute{"a", {}, 1}, rig->now);
    rig->settle();
    rig->to_gateway.clear();
    publish(peer, "a", "2", QoS::at_least_once, 2);
    ASSERT_EQ(rig->to_gateway.size(), 1U);
    EXPECT_EQ(as_text(std::get<PeerPublication>(rig->to_gateway[0]).message->payload()), "2");
}

TEST_P(member_of_shards, sends_no_shared_message_of_another_node_back_there) {
    let_in("c");
    rig->owner("c").on_peer(gateway(GetParam()), PeerAddRoute{"a", "g", 1}, rig->now);
    rig->settle();
    rig->to_gateway.clear();
    tell_from_other_nodes(
        "c", PeerSharedPublication{message("a", "1", QoS::at_least_once), "$share/g/a"});
    EXPECT_THAT(rig->to_gateway, IsEmpty());
    EXPECT_EQ(rig->owner("c").counters().of(Counter::dropped_no_member), 1U);
}

INSTANTIATE_TEST_SUITE_P(, member_of_shards, testing::Values(1U, 2U, 4U),
                         [](const auto& test) { return std::to_string(test.param) + "_shards"; });

}  // namespace
}  // namespace touchstone
