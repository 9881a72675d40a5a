// Members of a cluster whose network, shards and clock the tests play.

#include "broker/cluster/member.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "broker/storage/session_copy.hpp"

namespace touchstone::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Cluster;

struct TestNode final : MemberPort {
    TestNode(Cluster& owner, NodeIndex index) : cluster{owner}, self{index} {}

    void send(NodeIndex to, NodeMessage message) override;
    void tell(ShardIndex, PeerMessage message) override { told.push_back(std::move(message)); }
    void answer_claim(ShardIndex, ClaimNumber number, ClaimAnswer answer) override {
        answers.emplace_back(number, std::move(answer));
    }
    void evict(std::uint64_t number, const std::string& client_id, SessionFate fate) override {
        evictions.emplace_back(number, client_id, fate);
    }
    void adopt(std::shared_ptr<const storage::SessionCopy> session) override {
        adopted.push_back(std::move(session));
    }
    void stop_serving() override { is_serving = false; }
    void resume_serving() override { is_serving = true; }
    void restart() override { ++restarts; }
    void alarm(std::string text) override { alarms.push_back(std::move(text)); }
    AgreementDisk& agreement_disk() override { return disk; }
    std::uint64_t random() override { return ++draws; }
    [[nodiscard]] std::uint64_t client_count() const override { return sessions.size(); }
    [[nodiscard]] std::optional<std::vector<RouteKey>>
    subscriptions_of(const std::string& client_id) const override {
        const auto found = sessions.find(client_id);
        return found == sessions.end() ? std::nullopt : std::optional{found->second};
    }

    /// The payloads that its shards were told to deliver.
    [[nodiscard]] std::vector<std::string> delivered() const {
        std::vector<std::string> payloads;
        for (const auto& message : told)
            if (const auto* const one = std::get_if<PeerPublication>(&message))
                payloads.emplace_back(as_text(one->message->payload()));
        return payloads;
    }
    [[nodiscard]] std::vector<std::string> routes_told() const {
        std::vector<std::string> filters;
        for (const auto& message : told) {
            if (const auto* const added = std::get_if<PeerAddRoute>(&message))
                filters.push_back(added->filter);
            if (const auto* const removed = std::get_if<PeerRemoveRoute>(&message))
                std::erase(filters, removed->filter);
        }
        return filters;
    }

    Cluster& cluster;
    NodeIndex self;
    std::unique_ptr<Member> member;
    std::vector<PeerMessage> told;
    std::vector<std::pair<ClaimNumber, ClaimAnswer>> answers;
    std::vector<std::tuple<std::uint64_t, std::string, SessionFate>> evictions;
    std::vector<std::shared_ptr<const storage::SessionCopy>> adopted;
    std::map<std::string, std::vector<RouteKey>> sessions;
    std::vector<std::string> alarms;
    bool is_serving = true;
    int restarts = 0;
    AgreementDisk disk;
    std::uint64_t draws = 0;
};

class Cluster {
public:
    /// The last `replicants` of the nodes are replicants.
    explicit Cluster(std::string_view model, std::uint32_t count = 3, Defects defects = {},
                     std::uint32_t replicants = 0, unsigned shards = 1) {
        const auto* const rules = find_model(model);
        EXPECT_NE(rules, nullptr);
        std::vector<NodeIndex> all;
        for (std::uint32_t index = 0; index < count; ++index) all.emplace_back(index);
        const std::vector<NodeIndex> last{all.end() - replicants, all.end()};
        for (const auto node : all) {
            nodes.push_back(std::make_unique<TestNode>(*this, node));
            nodes.back()->member = std::make_unique<Member>(MemberOptions{.rules = rules,
                                                                          .self = node,
                                                                          .nodes = all,
                                                                          .replicants = last,
                                                                          .shard_count = shards,
                                                                          .defects = defects},
                                                            *nodes.back());
        }
        for (auto& node : nodes) node->member->on_start(HealingStart::formed, now);
        for (std::uint32_t a = 0; a < count; ++a)
            for (std::uint32_t b = a + 1; b < count; ++b) link(a, b);
        settle();
    }

    TestNode& operator[](std::uint32_t index) { return *nodes[index]; }
    Member& member(std::uint32_t index) { return *nodes[index]->member; }

    void link(std::uint32_t a, std::uint32_t b) {
        linked.insert({a, b});
        linked.insert({b, a});
        member(a).on_peer_up(NodeIndex{b}, now);
        member(b).on_peer_up(NodeIndex{a}, now);
    }
    void part(std::uint32_t a, std::uint32_t b) {
        linked.erase({a, b});
        linked.erase({b, a});
        mail[{a, b}].clear();
        mail[{b, a}].clear();
        member(a).on_peer_down(NodeIndex{b}, now);
        member(b).on_peer_down(NodeIndex{a}, now);
    }
    /// Delivers everything that is on its way, a message of each pair in turn; what is on a slow
    /// way waits.
    void settle() {
        for (bool is_busy = true; is_busy;) {
            is_busy = false;
            for (auto& [pair, queue] : mail) {
                if (queue.empty() || slow.contains(pair)) continue;
                is_busy = true;
                deliver(pair.first, pair.second);
            }
        }
    }
    /// The first message of one pair.
    void deliver(std::uint32_t from, std::uint32_t to) {
        auto& queue = mail[{from, to}];
        ASSERT_FALSE(queue.empty());
        auto message = std::move(queue.front());
        queue.pop_front();
        member(to).on_message(NodeIndex{from}, std::move(message), now);
    }
    void advance(Duration by) {
        const auto until = now + by;
        for (;;) {
            auto at = never;
            for (const auto& node : nodes) at = std::min(at, node->member->next_tick());
            if (at > until) break;
            now = std::max(now, at);
            for (const auto& node : nodes) node->member->on_tick(now);
            settle();
        }
        now = until;
    }

    void subscribe(std::uint32_t node, const std::string& filter, const std::string& group = {}) {
        member(node).on_shard(ShardIndex{0}, PeerAddRoute{filter, group, 1}, now);
    }
    void unsubscribe(std::uint32_t node, const std::string& filter) {
        member(node).on_shard(ShardIndex{0}, PeerRemoveRoute{filter, {}}, now);
    }
    MessageRef publish(std::uint32_t node, std::string_view topic, std::string_view payload,
                       bool retain = false) {
        const auto message = Message::make({.topic = topic,
                                            .payload = as_bytes(payload),
                                            .qos = QoS::at_least_once,
                                            .retain = retain});
        RetainVersion version{.at_us = now.time_since_epoch().count(), .shard = node};
        member(node).on_shard(ShardIndex{0}, PeerPublication{message, version}, now);
        return message;
    }
    void claim(std::uint32_t node, ClaimNumber number, const std::string& client_id,
               bool clean_start = false) {
        member(node).on_claim(ShardIndex{0}, number, client_id, clean_start, now);
    }
    /// The client has been let in at the node.
    void enter(std::uint32_t node, const std::string& client_id,
               const std::vector<RouteKey>& subscriptions = {}) {
        nodes[node]->sessions[client_id] = subscriptions;
        for (const auto& key : subscriptions) subscribe(node, key.filter, key.share_name);
        member(node).on_entered(client_id, now);
        settle();
    }
    /// The node's shard does what it was told: the session ends or goes.
    void give_up(std::uint32_t node, std::vector<MessageRef> queue = {}) {
        auto& one = *nodes[node];
        ASSERT_FALSE(one.evictions.empty());
        const auto [number, client_id, fate] = one.evictions.front();
        one.evictions.erase(one.evictions.begin());
        std::shared_ptr<storage::SessionCopy> copy;
        if (fate == SessionFate::moves && one.sessions.contains(client_id)) {
            copy = std::make_shared<storage::SessionCopy>();
            copy->session.client_id = client_id;
            for (const auto& key : one.sessions.at(client_id))
                copy->subscriptions.push_back(
                    {.text = key.filter, .options = {.qos = QoS::at_least_once}});
            copy->received.push_back({.packet_id = 7});
            for (const auto& message : queue) {
                copy->messages.push_back(message);
                copy->deliveries.push_back({.message = copy->messages.size()});
            }
        }
        for (const auto& key : one.sessions[client_id]) unsubscribe(node, key.filter);
        one.sessions.erase(client_id);
        one.member->on_evicted(number, std::move(copy), now);
    }

    Instant now{seconds{1}};
    std::set<std::pair<std::uint32_t, std::uint32_t>> linked;
    std::set<std::pair<std::uint32_t, std::uint32_t>> slow;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::deque<NodeMessage>> mail;
    std::vector<std::unique_ptr<TestNode>> nodes;
};

void TestNode::send(NodeIndex to, NodeMessage message) {
    if (!cluster.linked.contains({self.raw(), to.raw()})) return;
    cluster.mail[{self.raw(), to.raw()}].push_back(std::move(message));
}

std::vector<std::string> payloads_of(const storage::SessionCopy& copy) {
    std::vector<std::string> payloads;
    for (const auto& one : copy.deliveries)
        payloads.emplace_back(as_text(copy.messages[one.message - 1]->payload()));
    return payloads;
}

// --- Routes and messages
// ---------------------------------------------------------------------------

TEST(member, tells_its_shards_what_other_nodes_are_subscribed_to) {
    Cluster cluster{"emqx4"};
    cluster.subscribe(1, "a");
    cluster.subscribe(2, "a");
    cluster.settle();
    EXPECT_THAT(cluster[0].routes_told(), ElementsAre("a"));
    EXPECT_THAT(cluster[1].routes_told(), ElementsAre("a"));
    cluster.unsubscribe(1, "a");
    cluster.settle();
    EXPECT_THAT(cluster[0].routes_told(), ElementsAre("a"));
    EXPECT_THAT(cluster[2].routes_told(), IsEmpty());
    cluster.unsubscribe(2, "a");
    cluster.settle();
    EXPECT_THAT(cluster[0].routes_told(), IsEmpty());
}

TEST(member, sends_a_publication_to_each_node_that_wants_it_once) {
    Cluster cluster{"emqx4"};
    cluster.subscribe(1, "a");
    cluster.subscribe(1, "+");
    cluster.subscribe(2, "b");
    cluster.settle();
    cluster.publish(0, "a", "1");
    cluster.settle();
    EXPECT_THAT(cluster[1].delivered(), ElementsAre("1"));
    EXPECT_THAT(cluster[2].delivered(), IsEmpty());
    EXPECT_THAT(cluster[0].delivered(), IsEmpty());
}

TEST(member, counts_what_it_cannot_send) {
    Cluster cluster{"rabbit312_ignore"};
    cluster.subscribe(1, "a", "g");
    cluster.settle();
    const PeerSharedPublication shared{Message::make({.topic = "a", .payload = as_bytes("1")}),
                                       "$share/g/a"};
    cluster.member(0).on_shard(ShardIndex{0}, shared, cluster.now);
    cluster.settle();
    EXPECT_EQ(cluster.member(0).dropped_publications(), 0U);
    cluster.part(0, 1);
    cluster.member(0).on_shard(ShardIndex{0}, shared, cluster.now);
    EXPECT_EQ(cluster.member(0).dropped_publications(), 1U);
}

/// Of a link that neither end has noticed to be cut: what is on its way is gone.
TEST(member, sends_again_what_was_not_confirmed) {
    Cluster cluster{"vernemq_allow_all", 2};
    cluster.subscribe(1, "a");
    cluster.settle();
    cluster.publish(0, "a", "1");
    cluster.settle();
    cluster.publish(0, "a", "2");
    cluster.mail.clear();  // lost
    cluster.part(0, 1);
    cluster.publish(0, "a", "3");
    EXPECT_EQ(cluster.member(0).dropped_publications(), 0U);
    cluster.link(0, 1);
    cluster.settle();
    EXPECT_THAT(cluster[1].delivered(), ElementsAre("1", "2", "3"));
    EXPECT_EQ(cluster.member(0).kept_messages_most(), 2U);
}

TEST(member, takes_a_publication_once_although_its_confirmation_was_lost) {
    Cluster cluster{"vernemq_allow_all", 2};
    cluster.subscribe(1, "a");
    cluster.settle();
    cluster.publish(0, "a", "1");
    cluster.deliver(0, 1);
    cluster.mail.clear();
    cluster.part(0, 1);
    cluster.link(0, 1);
    cluster.settle();
    EXPECT_THAT(cluster[1].delivered(), ElementsAre("1"));
}

TEST(member, counts_what_does_not_fit_into_what_is_kept) {
    Cluster cluster{"vernemq_allow_all", 2};
    cluster.subscribe(1, "a");
    cluster.settle();
    cluster.part(0, 1);
    const auto room = find_model("vernemq_allow_all")->kept_messages_max;
    for (std::size_t i = 0; i < room + 3; ++i) cluster.publish(0, "a", std::to_string(i));
    EXPECT_EQ(cluster.member(0).dropped_publications(), 3U);
    EXPECT_EQ(cluster.member(0).kept_messages_most(), room);
}

// --- Replicants
// ------------------------------------------------------------------------------------

/// Two cores, and two replicants: each is fed by another core.
struct TwoOfEach : Cluster {
    TwoOfEach() : Cluster{"emqx5", 4, {}, 2} { advance(seconds{1}); }
};

TEST(member, a_replicant_and_all_others_know_what_each_has) {
    TwoOfEach cluster;
    for (const std::uint32_t node : {0U, 1U, 2U, 3U}) {
        const auto name = std::to_string(node);
        cluster.enter(node, name, {{name, {}}});
    }
    for (const std::uint32_t node : {0U, 1U, 2U, 3U}) {
        EXPECT_EQ(cluster.member(node).sessions().size(), 4U) << node;
        EXPECT_THAT(cluster[node].routes_told(), testing::SizeIs(3)) << node;
    }
}

TEST(member, a_replicant_that_gets_another_core_says_again_what_it_has) {
    TwoOfEach cluster;
    const auto upstream = cluster.member(2).health().upstream->raw();
    cluster.part(2, 1 - upstream);
    cluster.part(3, upstream);
    cluster.part(0, 1);
    cluster.part(2, 3);
    cluster.enter(2, "c", {{"a", {}}});
    EXPECT_FALSE(cluster.member(1 - upstream).sessions().contains("c"));
    cluster.link(2, 1 - upstream);
    cluster.part(2, upstream);
    cluster.advance(seconds{10});
    EXPECT_TRUE(cluster.member(1 - upstream).sessions().contains("c"));
    EXPECT_THAT(cluster[3].routes_told(), ElementsAre("a"));
}

TEST(member, a_replicant_without_a_core_lets_nobody_in) {
    TwoOfEach cluster;
    cluster.part(2, 0);
    cluster.part(2, 1);
    cluster.claim(2, 7, "c");
    cluster.settle();
    ASSERT_THAT(cluster[2].answers, testing::SizeIs(1));
    EXPECT_EQ(cluster[2].answers[0].second.refusal, ReasonCode::server_unavailable);
}

TEST(member, floods_every_node_where_the_model_does) {
    Cluster cluster{"forward_only"};
    EXPECT_THAT(cluster[0].routes_told(), ElementsAre("#"));
    cluster.subscribe(1, "a");
    cluster.subscribe(2, "b");
    cluster.settle();
    cluster.publish(0, "a", "1");
    EXPECT_EQ((cluster.mail[{0, 1}].size()), 1U);
    EXPECT_EQ((cluster.mail[{0, 2}].size()), 1U);
    cluster.settle();
    EXPECT_THAT(cluster[1].delivered(), ElementsAre("1"));
    EXPECT_THAT(cluster[2].delivered(), IsEmpty());
}

TEST(member, chooses_members_of_a_group_by_their_number) {
    Cluster cluster{"emqx4"};
    cluster.subscribe(1, "a", "g");
    cluster.subscribe(2, "a", "g");
    cluster.member(2).on_shard(ShardIndex{0}, PeerGroupSize{"a", "g", 3, false}, cluster.now);
    cluster.settle();
    for (int i = 0; i < 8; ++i)
        cluster.member(0).on_shard(
            ShardIndex{0},
            PeerSharedPublication{Message::make({.topic = "a", .payload = as_bytes("1")}),
                                  "$share/g/a"},
            cluster.now);
    cluster.settle();
    const auto count = [&](std::uint32_t node) {
        return std::ranges::count_if(cluster[node].told, [](const PeerMessage& message) {
            return std::holds_alternative<PeerSharedPublication>(message);
        });
    };
    EXPECT_EQ(count(1), 2);
    EXPECT_EQ(count(2), 6);
}

TEST(member, has_the_newest_retained_message_whatever_comes_first) {
    Cluster cluster{"hivemq", 2};
    cluster.part(0, 1);
    cluster.publish(0, "a", "old", true);
    cluster.advance(milliseconds{1});
    cluster.publish(1, "a", "new", true);
    cluster.link(0, 1);
    cluster.settle();
    for (std::uint32_t node = 0; node < 2; ++node)
        EXPECT_EQ(as_text(cluster.member(node).retained().at("a").message->payload()), "new");
}

TEST(member, learns_by_comparing_what_reached_only_a_third_node) {
    Cluster cluster{"hivemq"};
    cluster.publish(0, "a", "1", true);
    cluster.mail[{0, 2}].clear();
    cluster.settle();
    EXPECT_FALSE(cluster.member(2).retained().contains("a"));
    cluster.part(0, 1);
    cluster.part(0, 2);
    cluster.advance(seconds{6});
    EXPECT_TRUE(cluster.member(2).retained().contains("a"));
}

// --- Claims
// -------------------------------------------------------------------------------------------

TEST(member, lets_in_whom_nobody_has) {
    Cluster cluster{"emqx4"};
    cluster.claim(0, 1, "c");
    EXPECT_THAT(cluster[0].answers, IsEmpty());  // locks are asked for
    cluster.settle();
    ASSERT_EQ(cluster[0].answers.size(), 1U);
    EXPECT_EQ(cluster[0].answers[0].second.refusal, ReasonCode::success);
    cluster.enter(0, "c");
    for (std::uint32_t node = 0; node < 3; ++node)
        EXPECT_TRUE(cluster.member(node).sessions().at("c").contains(NodeIndex{0}));
}

TEST(member, lets_one_of_two_in_that_come_at_once) {
    Cluster cluster{"emqx4"};
    cluster.claim(0, 1, "c");
    cluster.claim(1, 1, "c");
    cluster.settle();
    std::vector<ReasonCode> verdicts;
    for (std::uint32_t node = 0; node < 2; ++node)
        for (const auto& [number, answer] : cluster[node].answers)
            verdicts.push_back(answer.refusal);
    ASSERT_EQ(verdicts.size(), 2U);
    EXPECT_LE(std::ranges::count(verdicts, ReasonCode::success), 1);
}

// What most of the nodes have agreed upon first comes first, also for a session that is under way.
TEST(member, gives_a_session_to_the_next_claim_when_the_one_before_has_it) {
    for (const bool is_clean : {false, true}) {
        Cluster cluster{"rmqtt_raft"};
        // Who waits for different times elects a leader.
        for (std::uint32_t node = 0; node < 3; ++node)
            cluster[node].draws = node * (std::uint64_t{1} << 62U);
        cluster.advance(seconds{5});
        cluster.claim(2, 1, "c");
        cluster.settle();
        cluster.enter(2, "c");
        cluster.claim(0, 1, "c");
        cluster.settle();
        cluster.claim(2, 2, "c", is_clean);
        cluster.settle();
        EXPECT_THAT(cluster[0].answers, IsEmpty());
        ASSERT_EQ(cluster[2].answers.size(), 1U);

        cluster.give_up(2);
        cluster.settle();
        ASSERT_EQ(cluster[0].answers.size(), 1U);
        EXPECT_NE(cluster[0].answers[0].second.session, nullptr);
        EXPECT_EQ(cluster[2].answers.size(), 1U);
        cluster.enter(0, "c");
        cluster.give_up(0);
        cluster.settle();
        ASSERT_EQ(cluster[2].answers.size(), 2U);
        EXPECT_EQ(cluster[2].answers[1].second.refusal, ReasonCode::success);
        EXPECT_EQ(cluster[2].answers[1].second.session == nullptr, is_clean);
    }
}

TEST(member, holds_the_lock_until_the_session_is_in_the_table) {
    Cluster cluster{"emqx4"};
    cluster.claim(0, 1, "c");
    cluster.settle();
    cluster.claim(1, 1, "c");
    cluster.settle();
    ASSERT_EQ(cluster[1].answers.size(), 1U);
    EXPECT_EQ(cluster[1].answers[0].second.refusal, ReasonCode::server_busy);
    cluster.enter(0, "c");
    cluster.claim(1, 2, "c");
    cluster.settle();
    EXPECT_EQ(cluster[0].evictions.size(), 1U);  // it has the lock, and asks for the session
}

TEST(member, ends_the_session_of_another_node_for_a_clean_start) {
    Cluster cluster{"emqx4"};
    cluster.enter(0, "c");
    cluster.claim(1, 1, "c", true);
    cluster.settle();
    ASSERT_EQ(cluster[0].evictions.size(), 1U);
    EXPECT_EQ(std::get<2>(cluster[0].evictions[0]), SessionFate::ends);
    EXPECT_THAT(cluster[1].answers, IsEmpty());
    cluster.give_up(0);
    cluster.settle();
    ASSERT_EQ(cluster[1].answers.size(), 1U);
    EXPECT_EQ(cluster[1].answers[0].second.session, nullptr);
    EXPECT_FALSE(cluster.member(2).sessions().contains("c"));
}

TEST(member, moves_a_session_with_what_came_for_it_on_its_way) {
    Cluster cluster{"emqx4"};
    cluster.enter(0, "c", {{"a", {}}});
    const auto queued = cluster.publish(2, "a", "queued");
    cluster.settle();

    cluster.claim(1, 1, "c");
    // Until the other node gives the session up, both get what is published.
    while (cluster[0].evictions.empty()) {
        for (auto& [pair, queue] : cluster.mail)
            if (!queue.empty()) cluster.deliver(pair.first, pair.second);
    }
    cluster.settle();
    const auto seen = cluster.publish(2, "a", "seen by both");
    cluster.settle();
    EXPECT_THAT(cluster[0].delivered(), ElementsAre("queued", "seen by both"));
    cluster.give_up(0, {queued, seen});
    cluster.publish(2, "a", "seen here only");
    cluster.settle();

    ASSERT_EQ(cluster[1].answers.size(), 1U);
    const auto& copy = cluster[1].answers[0].second.session;
    ASSERT_NE(copy, nullptr);
    EXPECT_EQ(copy->received.size(), 1U) << "it is the only one, so it is the client's";
    const auto payloads = payloads_of(*copy);
    EXPECT_EQ(std::ranges::count(payloads, "queued"), 1);
    EXPECT_EQ(std::ranges::count(payloads, "seen by both"), 1);
    EXPECT_EQ(std::ranges::count(payloads, "seen here only"), 1);
}

TEST(member, gives_a_session_that_comes_too_late_to_its_client) {
    Cluster cluster{"emqx4"};
    cluster.enter(0, "c", {{"a", {}}});
    cluster.claim(1, 1, "c");
    cluster.settle();
    ASSERT_EQ(cluster[0].evictions.size(), 1U);
    cluster.advance(seconds{6});  // the client has been refused by now
    ASSERT_EQ(cluster[1].answers.size(), 1U);
    EXPECT_TRUE(is_failure(cluster[1].answers[0].second.refusal));
    cluster.give_up(0);
    cluster.settle();
    EXPECT_EQ(cluster[1].adopted.size(), 1U);
}

TEST(member, goes_on_without_a_node_that_is_called_down) {
    Cluster cluster{"emqx4"};
    cluster.enter(0, "c", {{"a", {}}});
    cluster.claim(1, 1, "c");
    while (cluster[0].evictions.empty()) {
        for (auto& [pair, queue] : cluster.mail)
            if (!queue.empty()) cluster.deliver(pair.first, pair.second);
    }
    EXPECT_THAT(cluster[1].answers, IsEmpty());
    cluster.part(0, 1);
    ASSERT_EQ(cluster[1].answers.size(), 1U);
    EXPECT_EQ(cluster[1].answers[0].second.refusal, ReasonCode::success);
    EXPECT_EQ(cluster[1].answers[0].second.session, nullptr);
}

TEST(member, refuses_who_resumes_a_session_of_a_node_that_is_down_where_the_model_does) {
    Cluster cluster{"rabbit312_ignore"};
    cluster.enter(0, "c");
    cluster.part(0, 1);
    cluster.part(0, 2);
    cluster.claim(1, 1, "c");
    cluster.claim(2, 1, "c", true);
    cluster.settle();
    ASSERT_EQ(cluster[1].answers.size(), 1U);
    EXPECT_EQ(cluster[1].answers[0].second.refusal, ReasonCode::server_busy);
    cluster.give_up(1);  // everybody is asked
    cluster.settle();
    ASSERT_EQ(cluster[2].answers.size(), 1U);
    EXPECT_EQ(cluster[2].answers[0].second.refusal, ReasonCode::success);
}

TEST(member, knows_only_its_own_clients_with_the_defect) {
    Defects defects;
    ASSERT_TRUE(turn_on(defects, "registry_node_local"));
    Cluster cluster{"emqx4", 3, defects};
    cluster.enter(0, "c");
    EXPECT_FALSE(cluster.member(1).sessions().contains("c"));
}

TEST(member, asks_nobody_with_the_defect) {
    Defects defects;
    ASSERT_TRUE(turn_on(defects, "cluster_no_uniqueness"));
    Cluster cluster{"emqx4", 3, defects};
    cluster.enter(0, "c");
    cluster.claim(1, 1, "c");
    EXPECT_EQ(cluster[1].answers.size(), 1U);
    cluster.settle();
    EXPECT_THAT(cluster[0].evictions, IsEmpty());
}

// --- Two sessions of one client
// -------------------------------------------------------------------------

TEST(member, makes_the_older_of_two_sessions_part_of_the_newer_when_links_return) {
    Cluster cluster{"hivemq", 2};
    cluster.part(0, 1);
    cluster.enter(0, "c", {{"a", {}}});
    cluster.advance(milliseconds{10});
    cluster.enter(1, "c", {{"b", {}}});
    cluster.link(0, 1);
    cluster.settle();
    EXPECT_THAT(cluster[1].evictions, IsEmpty());
    ASSERT_EQ(cluster[0].evictions.size(), 1U);
    cluster.give_up(0);
    cluster.settle();
    ASSERT_EQ(cluster[1].adopted.size(), 1U);
    EXPECT_EQ(cluster[1].adopted[0]->subscriptions[0].text, "a");
    for (std::uint32_t node = 0; node < 2; ++node)
        EXPECT_EQ(cluster.member(node).sessions().at("c").size(), 1U);
}

TEST(member, takes_whoever_came_last_for_the_newest_although_its_clock_is_behind) {
    Cluster cluster{"hivemq", 2};
    cluster.now += seconds{100};
    cluster.enter(0, "c");
    cluster.now -= seconds{50};
    cluster.enter(1, "c");
    EXPECT_EQ(cluster[0].evictions.size(), 1U);
    EXPECT_THAT(cluster[1].evictions, IsEmpty());
}

TEST(member, unites_all_sessions_of_a_client_where_it_comes_to) {
    Cluster cluster{"ideal_ap"};
    cluster.part(0, 1);
    cluster.enter(0, "c", {{"a", {}}});
    const auto queued = cluster.publish(2, "a", "queued");
    cluster.settle();
    cluster.enter(1, "c", {{"b", {}}});
    cluster.claim(2, 1, "c");
    cluster.settle();
    // The older one comes first, and the newer one is the session that the other becomes part of.
    cluster.give_up(0, {queued});
    cluster.settle();
    EXPECT_THAT(cluster[2].answers, IsEmpty());
    cluster.give_up(1);
    cluster.settle();
    ASSERT_EQ(cluster[2].answers.size(), 1U);
    ASSERT_NE(cluster[2].answers[0].second.session, nullptr);
    EXPECT_EQ(cluster[2].answers[0].second.session->subscriptions[0].text, "b");
    EXPECT_THAT(cluster[2].answers[0].second.session->received, IsEmpty());
    ASSERT_EQ(cluster[2].adopted.size(), 1U);
    EXPECT_EQ(cluster[2].adopted[0]->subscriptions[0].text, "a");
    EXPECT_THAT(payloads_of(*cluster[2].adopted[0]), ElementsAre("queued"));
    EXPECT_EQ(cluster[2].alarms.size(), 1U);
}

TEST(member, hands_over_what_a_session_has_received_each_time_it_moves) {
    Cluster cluster{"ideal_ap"};
    cluster.enter(0, "c", {{"a", {}}});
    for (const std::uint32_t node : {1U, 2U, 0U, 1U}) {
        const auto before = (node + 2) % 3;
        cluster.claim(node, 1, "c");
        cluster.settle();
        cluster.give_up(before);
        cluster.settle();
        ASSERT_EQ(cluster[node].answers.size(), 1U);
        ASSERT_NE(cluster[node].answers[0].second.session, nullptr);
        EXPECT_EQ(cluster[node].answers[0].second.session->received.size(), 1U);
        cluster[node].answers.clear();
        cluster.enter(node, "c", {{"a", {}}});
    }
    cluster.claim(1, 1, "c");
    cluster.settle();
    ASSERT_EQ(cluster[1].answers.size(), 1U);
    EXPECT_FALSE(cluster[1].answers[0].second.is_outdated);
}

/// The node with the session stood still, and the one where its client went on is gone. Node 2 was
/// told by that one of the later session, and the others by node 2.
struct FollowedAndLost : Cluster {
    explicit FollowedAndLost(std::uint32_t reached) : Cluster{"ideal_ap", 4} {
        enter(0, "c", {{"a", {}}});
        for (std::uint32_t other = 1; other < 4; ++other) part(0, other);
        part(1, 3);
        part(2, 3);
        enter(1, "c");
        part(1, 2);
        link(2, 3);
        settle();
        link(0, reached);
        settle();
    }
};

TEST(member, hands_over_nothing_that_was_received_in_a_session_which_another_has_followed) {
    for (const std::uint32_t node : {2U, 3U}) {
        FollowedAndLost cluster{node};
        cluster.claim(node, 1, "c");
        cluster.settle();
        cluster.give_up(0);
        cluster.settle();
        ASSERT_EQ(cluster[node].answers.size(), 1U);
        ASSERT_NE(cluster[node].answers[0].second.session, nullptr);
        EXPECT_THAT(cluster[node].answers[0].second.session->received, IsEmpty()) << node;
    }
}

TEST(member, says_of_its_own_session_that_another_has_followed_it) {
    FollowedAndLost cluster{2};
    for (const bool is_outdated : {true, false}) {
        cluster.claim(0, 1, "c");
        cluster.settle();
        ASSERT_EQ(cluster[0].answers.size(), 1U);
        EXPECT_EQ(cluster[0].answers[0].second.session, nullptr);
        EXPECT_EQ(cluster[0].answers[0].second.is_outdated, is_outdated);
        cluster[0].answers.clear();
        cluster.enter(0, "c", {{"a", {}}});
    }
}

/// Its node has what it has not when it leaves, and says so to all.
TEST(member, keeps_what_a_session_has_to_be_given_until_it_has_come) {
    Cluster cluster{"ideal_ap"};
    cluster.part(0, 1);
    cluster.part(0, 2);
    cluster.enter(0, "c", {{"a", {}}});
    cluster.enter(1, "c", {{"b", {}}});
    cluster.publish(1, "a", "1");
    cluster.advance(seconds{3});
    cluster.link(0, 1);
    cluster.settle();
    EXPECT_THAT(cluster[0].delivered(), ElementsAre("1"));
    cluster.advance(seconds{3});
    cluster.give_up(0);
    cluster.settle();
    ASSERT_EQ(cluster[1].adopted.size(), 1U);
    EXPECT_THAT(payloads_of(*cluster[1].adopted[0]), ElementsAre("1"));
}

TEST(member, keeps_what_a_session_has_to_be_given_that_comes_back) {
    Cluster cluster{"ideal_ap"};
    cluster.part(0, 1);
    cluster.part(0, 2);
    cluster.enter(0, "c", {{"a", {}}});
    cluster.enter(1, "c", {{"b", {}}});
    cluster.publish(1, "a", "1");
    cluster.advance(seconds{3});
    cluster.link(0, 1);
    cluster.link(0, 2);
    cluster.settle();
    EXPECT_THAT(cluster[0].delivered(), ElementsAre("1"));
    cluster.slow.insert({0, 1});
    cluster.give_up(0);
    cluster.publish(2, "v", "2");  // so all say what they have
    cluster.advance(seconds{3});
    cluster.part(0, 1);
    EXPECT_THAT(cluster[1].adopted, IsEmpty());
    ASSERT_EQ(cluster[0].adopted.size(), 1U);
    EXPECT_THAT(payloads_of(*cluster[0].adopted[0]), ElementsAre("1"));
}

TEST(member, keeps_what_a_session_has_to_be_given_that_waits_for_another_one) {
    Cluster cluster{"ideal_ap"};
    cluster.part(0, 1);
    cluster.enter(0, "c", {{"a", {}}});
    cluster.enter(1, "c", {{"b", {}}});
    cluster.slow.insert({2, 1});  // so this one is not asked for its session
    cluster.claim(2, 1, "c");
    cluster.settle();
    cluster.give_up(0);
    cluster.settle();
    cluster.publish(1, "a", "1");
    cluster.advance(seconds{3});
    EXPECT_THAT(cluster[0].delivered(), ElementsAre("1"));
    cluster.slow.clear();
    cluster.settle();
    cluster.give_up(1);
    cluster.settle();
    ASSERT_EQ(cluster[2].adopted.size(), 1U);
    EXPECT_EQ(cluster[2].adopted[0]->subscriptions[0].text, "a");
    EXPECT_THAT(payloads_of(*cluster[2].adopted[0]), ElementsAre("1"));
}

/// The publisher's shard has told the gateway of it, and the session's shard not yet.
TEST(member, keeps_what_a_session_has_to_be_given_that_its_shard_has_not_been_told) {
    for (const unsigned shards : {1U, 2U}) {
        Cluster cluster{"ideal_ap", 3, {}, 0, shards};
        cluster.enter(0, "c", {{"a", {}}});
        cluster.publish(0, "v", "for which they are compared");
        cluster.settle();
        cluster.advance(milliseconds{900});
        cluster.publish(0, "a", "1");
        cluster.settle();
        cluster.advance(milliseconds{200});
        cluster.claim(1, 1, "c");
        cluster.settle();
        cluster.give_up(0);
        cluster.settle();
        ASSERT_EQ(cluster[1].answers.size(), 1U);
        ASSERT_NE(cluster[1].answers[0].second.session, nullptr);
        // A single shard has given it to its session before.
        EXPECT_EQ(payloads_of(*cluster[1].answers[0].second.session).size(), shards - 1);
    }
}

TEST(member, ends_the_older_of_two_sessions_that_the_newer_one_was_begun_clean_after) {
    Cluster cluster{"ideal_ap"};
    cluster.enter(0, "c", {{"a", {}}});
    cluster.part(0, 1);
    cluster.claim(1, 1, "c", true);
    cluster.settle();
    cluster.enter(1, "c", {{"b", {}}});
    cluster.claim(2, 1, "c");
    cluster.settle();
    ASSERT_EQ(cluster[0].evictions.size(), 1U);
    EXPECT_EQ(std::get<2>(cluster[0].evictions[0]), SessionFate::ends);
    ASSERT_EQ(cluster[1].evictions.size(), 1U);
    EXPECT_EQ(std::get<2>(cluster[1].evictions[0]), SessionFate::moves);
}

TEST(member, ends_a_session_with_the_one_that_followed_it) {
    Cluster cluster{"ideal_ap", 2};
    cluster.enter(0, "c", {{"a", {}}});
    cluster.part(0, 1);
    cluster.enter(1, "c");
    cluster.member(1).on_released("c", cluster.now);
    cluster.link(0, 1);
    cluster.settle();
    ASSERT_EQ(cluster[0].evictions.size(), 1U);
    EXPECT_EQ(std::get<2>(cluster[0].evictions[0]), SessionFate::ends);
}

TEST(member, ends_no_session_that_began_without_knowledge_of_the_one_that_has_ended) {
    Cluster cluster{"ideal_ap", 2};
    cluster.part(0, 1);
    for (int time = 0; time < 2; ++time) {
        cluster.enter(1, "c");
        cluster.member(1).on_released("c", cluster.now);
    }
    cluster.enter(0, "c", {{"a", {}}});
    cluster.link(0, 1);
    cluster.settle();
    EXPECT_THAT(cluster[0].evictions, IsEmpty());
    EXPECT_TRUE(cluster.member(1).sessions().at("c").contains(NodeIndex{0}));
}

TEST(member, tells_of_a_client_that_may_have_been_let_in_where_its_session_is_gone) {
    for (const bool is_reached : {false, true}) {
        Cluster cluster{"ideal_ap"};
        cluster.enter(0, "c");
        cluster.claim(1, 1, "c", true);
        cluster.settle();
        if (!is_reached) cluster.part(0, 1);
        cluster.give_up(0);
        cluster.settle();
        EXPECT_EQ(cluster[1].answers.size(), 1U);
        EXPECT_EQ(cluster[0].alarms.size(), is_reached ? 0U : 1U);
    }
}

TEST(member, lets_the_next_one_in_at_once_when_who_had_to_wait_for_a_session_is_gone) {
    Cluster cluster{"ideal_ap"};
    cluster.enter(0, "c", {{"a", {}}});
    cluster.claim(1, 1, "c");
    cluster.settle();
    cluster.member(1).on_withdrawn(ShardIndex{0}, 1, cluster.now);
    EXPECT_THAT(cluster[1].answers, IsEmpty());  // somebody has to take it
    cluster.claim(1, 2, "c");
    cluster.give_up(0);
    cluster.settle();
    ASSERT_EQ(cluster[1].answers.size(), 2U);
    EXPECT_NE(cluster[1].answers[0].second.session, nullptr);
    EXPECT_EQ(cluster[1].answers[1].second.refusal, ReasonCode::success);
}

// --- Tables
// -----------------------------------------------------------------------------------------------

TEST(member, drops_the_rows_of_a_node_that_is_called_down) {
    Cluster cluster{"emqx4"};
    cluster.enter(0, "c", {{"a", {}}});
    EXPECT_THAT(cluster[1].routes_told(), ElementsAre("a"));
    cluster.part(0, 1);
    EXPECT_THAT(cluster[1].routes_told(), IsEmpty());
    EXPECT_FALSE(cluster.member(1).sessions().contains("c"));
    EXPECT_TRUE(cluster.member(2).sessions().contains("c"));
}

TEST(member, has_the_tables_of_the_winners_after_a_partition) {
    Cluster cluster{"emqx4"};
    cluster.enter(0, "before", {{"a", {}}});
    cluster.part(0, 2);
    cluster.part(1, 2);
    cluster.enter(1, "meanwhile", {{"b", {}}});
    cluster.enter(2, "loser", {{"c", {}}});
    cluster.link(0, 2);
    cluster.link(1, 2);
    cluster.settle();
    for (int i = 0; i < 60 && cluster[2].restarts == 0; ++i) cluster.advance(seconds{1});
    ASSERT_EQ(cluster[2].restarts, 1);
    cluster[2].sessions.clear();
    cluster.member(2).on_restarted(cluster.now);
    cluster.settle();
    cluster.advance(seconds{5});
    EXPECT_TRUE(cluster[2].is_serving);
    for (std::uint32_t node = 0; node < 3; ++node) {
        EXPECT_EQ(cluster.member(node).sessions().size(), 2U) << node;
        EXPECT_FALSE(cluster.member(node).sessions().contains("loser")) << node;
        EXPECT_EQ(cluster.member(node).health().running.size(), 3U) << node;
    }
    EXPECT_THAT(cluster[2].routes_told(), testing::IsSupersetOf({"a", "b"}));
}

}  // namespace
}  // namespace touchstone::cluster
