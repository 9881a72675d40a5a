// Raft by hand: what a test says is delivered, and nothing else; then groups in a quiet network
// with one fault each.
#include <gtest/gtest.h>

#include <algorithm>

#include "broker/cluster/tests/raft_network.hpp"

namespace touchstone::cluster {
namespace {

using std::chrono::milliseconds;

/// A node whose effects are kept, in order.
struct Hand final : RaftPort {
    void save(const RaftHardState& hard_state, RaftIndex first,
              std::span<const RaftEntry> entries) override {
        saved.hard_state = hard_state;
        if (!entries.empty()) saved.log.replace_from(first, entries);
        did.push_back("save");
    }
    void save_snapshot(const RaftSnapshot& snapshot) override { saved.log.take(snapshot); }
    void send(NodeIndex to, RaftMessage message) override {
        sent.emplace_back(to, std::move(message));
        did.push_back("send");
    }
    void apply(RaftIndex index, const RaftEntry& entry) override {
        applied.emplace_back(index, entry.term);
        did.push_back("apply");
    }
    void restore(const RaftSnapshot& snapshot) override {
        applied.assign(1, {snapshot.index, snapshot.term});
    }
    void on_overwritten(RaftIndex first, RaftIndex last) override {
        overwritten.emplace_back(first, last);
    }
    void on_readable(RaftReadNumber up_to) override { readable = up_to; }
    void on_reads_lost(RaftReadNumber up_to) override { lost = up_to; }

    RaftSaved saved;
    std::vector<std::pair<NodeIndex, RaftMessage>> sent;
    std::vector<std::pair<RaftIndex, RaftTerm>> applied;
    std::vector<std::pair<RaftIndex, RaftIndex>> overwritten;
    std::vector<std::string> did;
    RaftReadNumber readable = 0;
    RaftReadNumber lost = 0;
    std::optional<Raft> raft;
};

RaftMembers voters(unsigned count) {
    RaftMembers members;
    for (unsigned node = 0; node < count; ++node) members.voters.push_back(NodeIndex{node});
    return members;
}

RaftPayloadRef payload() {
    return std::make_shared<const RaftPayload>();
}

TEST(raft_log, keeps_what_continues_a_snapshot_and_drops_what_does_not) {
    for (const RaftTerm term : {1U, 2U}) {
        RaftLog log;
        const std::vector<RaftEntry> entries{{.term = 1}, {.term = 1}, {.term = 2}};
        log.replace_from(1, entries);
        log.take({.index = 2, .term = term});
        EXPECT_EQ(log.last_index(), term == 1 ? 3U : 2U);
        EXPECT_EQ(log.last_term(), 2U);
        EXPECT_EQ(log.term_at(2), term);
        EXPECT_FALSE(log.term_at(1)) << "swallowed";
        EXPECT_FALSE(log.term_at(4)) << "not there yet";
    }
}

class Hands {
public:
    Hands(unsigned count, RaftOptions options) {
        options.members = voters(count);
        for (unsigned node = 0; node < count; ++node) {
            options.self = NodeIndex{node};
            auto& hand = *hands_.emplace_back(std::make_unique<Hand>());
            hand.raft.emplace(options, hand, random_);
            hand.raft->start({}, now_);
        }
    }

    Hand& operator[](unsigned node) { return *hands_[node]; }
    Raft& raft(unsigned node) { return *hands_[node]->raft; }
    [[nodiscard]] Instant now() const { return now_; }

    /// Long enough after all else that `node` does what it does when it hears nothing.
    void tick(unsigned node) {
        now_ += std::chrono::seconds{1};
        raft(node).on_tick(now_);
    }
    /// What `from` has sent to `to` so far; what that leads to waits for its own turn.
    void deliver(unsigned from, unsigned to) {
        std::vector<std::pair<NodeIndex, RaftMessage>> others;
        std::vector<RaftMessage> due;
        for (auto& [receiver, message] : hands_[from]->sent) {
            if (receiver == NodeIndex{to})
                due.push_back(std::move(message));
            else
                others.emplace_back(receiver, std::move(message));
        }
        hands_[from]->sent = std::move(others);
        for (const auto& message : due) raft(to).on_message(NodeIndex{from}, message, now_);
    }
    void exchange(unsigned one, unsigned other) {
        deliver(one, other);
        deliver(other, one);
    }
    void forget_messages() {
        for (auto& hand : hands_) hand->sent.clear();
    }
    /// `node` stands for election and these vote. What it then sends is on its way.
    void elect(unsigned node, const std::vector<unsigned>& voting) {
        forget_messages();
        tick(node);
        for (const auto voter : voting) exchange(node, voter);
    }

private:
    SeededRandom random_{1};
    Instant now_{};
    std::vector<std::unique_ptr<Hand>> hands_;
};

RaftOptions plain() {
    return {.asks_before_vote = false, .checks_quorum = false};
}

TEST(raft, saves_a_vote_before_it_is_sent) {
    Hands hands{3, plain()};
    hands.tick(0);
    EXPECT_EQ(hands[0].did, (std::vector<std::string>{"save", "send", "send"}));
    EXPECT_EQ(hands[0].saved.hard_state, (RaftHardState{1, NodeIndex{0}}));
    hands.deliver(0, 1);
    EXPECT_EQ(hands[1].did, (std::vector<std::string>{"save", "send"}));
    EXPECT_EQ(hands[1].saved.hard_state, (RaftHardState{1, NodeIndex{0}}));
}

TEST(raft, saves_entries_before_they_are_acknowledged_and_applies_them_after) {
    Hands hands{3, plain()};
    hands.elect(0, {1});
    hands[1].did.clear();
    hands.deliver(0, 1);
    EXPECT_EQ(hands[1].did, (std::vector<std::string>{"save", "send"}));
    EXPECT_EQ(hands[1].saved.log.last_index(), 1U);
    EXPECT_TRUE(hands[0].applied.empty());
    hands.deliver(1, 0);
    ASSERT_EQ(hands[0].applied.size(), 1U) << "a majority has it";
    EXPECT_TRUE(hands[1].applied.empty()) << "not told yet";
    hands.deliver(0, 1);
    EXPECT_EQ(hands[1].applied, hands[0].applied);
}

TEST(raft, votes_once_in_a_term_even_after_a_restart) {
    Hands hands{3, plain()};
    hands.tick(0);
    hands.tick(2);
    hands.deliver(0, 1);
    SeededRandom random{2};
    Hand again;
    again.raft.emplace(RaftOptions{.self = NodeIndex{1}, .members = voters(3)}, again, random);
    again.raft->start(hands[1].saved, hands.now());
    const auto [to, request] = hands[2].sent.back();
    ASSERT_EQ(to, NodeIndex{1});
    again.raft->on_message(NodeIndex{2}, request, hands.now());
    EXPECT_FALSE(std::get<RaftVoteReply>(again.sent.back().second).is_granted);
}

TEST(raft, a_group_of_one_commits_alone) {
    Hands hands{1, {}};
    EXPECT_FALSE(hands.raft(0).propose(payload(), hands.now()))
        << "it leads when its time has come";
    hands.tick(0);
    EXPECT_EQ(hands.raft(0).leader().node, NodeIndex{0});
    EXPECT_EQ(hands.raft(0).propose(payload(), hands.now())->index, 2U);
    EXPECT_EQ(hands[0].applied.size(), 2U);
    EXPECT_EQ(hands[0].saved.log.last_index(), 2U);
    EXPECT_EQ(hands.raft(0).read(), 1U);
    EXPECT_EQ(hands[0].readable, 1U);
}

/// Figure 3.7 of the dissertation: an entry of term 1 reaches a majority in term 3 and is
/// overwritten in term 4. Returns what node 0 and what node 4 have applied at index 2.
std::pair<std::optional<RaftTerm>, std::optional<RaftTerm>> figure_3_7(bool counts_alone) {
    auto options = plain();
    options.entries_per_message_max = 1;
    options.entries_in_flight_max = 1;
    options.defects.commits_by_count_alone = counts_alone;
    Hands hands{5, options};
    hands.elect(0, {1, 2});
    for (unsigned node = 1; node < 5; ++node) hands.exchange(0, node);
    hands.raft(0).propose(payload(), hands.now());
    hands.exchange(0, 1);    // (a) the second entry is with 0 and 1
    hands.elect(4, {2, 3});  // (b) 4 has another second entry, of term 2
    hands.elect(0, {2});     // 0 takes itself for the leader, and hears of term 2
    hands.elect(0, {1, 2});  // (c) 0 leads again, in term 3 …
    hands.exchange(0, 1);    // … its new entry reaches 1 …
    for (int i = 0; i < 3; ++i) hands.exchange(0, 2);  // … and 2 gets what it lacked, one by one,
    EXPECT_EQ(hands.raft(2).log().last_index(), 2U);   // up to the second entry
    hands.elect(4, {2});                               // 4 hears of term 3
    hands.elect(4, {2, 3});                            // (d) 4 leads in term 4 …
    for (int i = 0; i < 8; ++i)
        for (const unsigned node : {2U, 3U}) hands.exchange(4, node);
    EXPECT_EQ(hands[2].overwritten, (std::vector<std::pair<RaftIndex, RaftIndex>>{{2, 2}}));
    const auto second = [&](unsigned node) -> std::optional<RaftTerm> {
        if (hands[node].applied.size() < 2) return std::nullopt;
        return hands[node].applied[1].second;
    };
    return {second(0), second(4)};
}

TEST(raft, does_not_commit_an_earlier_terms_entry_because_a_majority_has_it) {
    EXPECT_EQ(figure_3_7(false),
              (std::pair{std::optional<RaftTerm>{}, std::optional<RaftTerm>{2}}));
    EXPECT_EQ(figure_3_7(true), (std::pair{std::optional<RaftTerm>{1}, std::optional<RaftTerm>{2}}))
        << "the defect shows the figure: two entries at one index";
}

TEST(raft, a_read_waits_until_a_majority_still_follows) {
    Hands hands{3, plain()};
    hands.elect(0, {1});
    hands.exchange(0, 1);
    hands.forget_messages();
    ASSERT_EQ(hands.raft(0).read(), 1U);
    ASSERT_EQ(hands.raft(0).read(), 2U);
    EXPECT_EQ(hands[0].readable, 0U);
    hands.exchange(0, 1);
    EXPECT_EQ(hands[0].readable, 1U) << "the second came after the question that was answered";
    hands.exchange(0, 1);
    EXPECT_EQ(hands[0].readable, 2U);
    hands.raft(0).read();
    hands.tick(2);
    hands.tick(2);
    hands.deliver(2, 0);
    EXPECT_EQ(hands[0].lost, 3U) << "term 2 has begun";
}

TEST(raft, a_new_leader_changes_members_only_when_something_of_its_term_is_committed) {
    Hands hands{3, plain()};
    hands.elect(0, {1});
    EXPECT_FALSE(hands.raft(0).change_members(voters(2), hands.now()));
    hands.exchange(0, 1);
    EXPECT_TRUE(hands.raft(0).change_members(voters(2), hands.now()));
}

TEST(raft, who_gives_a_vote_gives_the_candidate_time) {
    Hands hands{3, plain()};
    hands.tick(0);
    ASSERT_LE(hands.raft(1).next_tick(), hands.now());
    hands.deliver(0, 1);
    EXPECT_GE(hands.raft(1).next_tick(), hands.now() + plain().election_timeout_low);
}

TEST(raft, what_is_committed_stays_whatever_a_leader_says) {
    Hands hands{3, plain()};
    hands.elect(0, {1});
    for (int i = 0; i < 2; ++i) hands.exchange(0, 1);
    ASSERT_EQ(hands.raft(1).commit_index(), 1U);
    hands.forget_messages();
    const RaftAppend wrong{.term = 7, .entries = {{.term = 7}}};
    hands.raft(1).on_message(NodeIndex{2}, wrong, hands.now());
    EXPECT_FALSE(std::get<RaftAppendReply>(hands[1].sent.back().second).is_accepted);
    EXPECT_EQ(hands.raft(1).log().last_term(), 1U);
}

TEST(raft, a_snapshot_brings_state_and_members_and_is_saved_first) {
    Hands hands{3, plain()};
    const RaftSnapshot snapshot{.index = 5,
                                .term = 1,
                                .members = std::make_shared<const RaftMembers>(voters(2)),
                                .state = payload()};
    const RaftInstallSnapshot install{.term = 1, .snapshot = snapshot};
    hands.raft(2).on_message(NodeIndex{0}, install, hands.now());
    EXPECT_EQ(hands[2].saved.log.snapshot().index, 5U);
    EXPECT_EQ(hands[2].applied.back().first, 5U);
    EXPECT_EQ(hands.raft(2).members(), voters(2));
    EXPECT_FALSE(hands.raft(2).is_member());
    EXPECT_EQ(std::get<RaftAppendReply>(hands[2].sent.back().second).index, 5U);
}

TEST(raft, one_that_was_removed_gives_no_vote_to_those_who_do_not_know) {
    Hands hands{3, plain()};
    hands.elect(0, {1});
    for (int i = 0; i < 2; ++i)
        for (const unsigned node : {1U, 2U}) hands.exchange(0, node);
    hands.forget_messages();
    ASSERT_TRUE(hands.raft(0).change_members(voters(2), hands.now()));
    EXPECT_FALSE(hands.raft(0).change_members(voters(3), hands.now())) << "one after the other";
    hands.deliver(0, 2);
    hands.exchange(0, 1);
    EXPECT_TRUE(hands.raft(2).is_member()) << "not committed, so not out";
    hands.deliver(2, 0);
    hands.exchange(0, 2);
    EXPECT_FALSE(hands.raft(2).is_member());
    EXPECT_EQ(hands.raft(2).next_tick(), never) << "stands for nothing";
    hands[2].sent.clear();
    const RaftVoteRequest request{.term = 9, .last_index = 1, .last_term = 1};
    hands.raft(2).on_message(NodeIndex{1}, request, hands.now());
    EXPECT_TRUE(hands[2].sent.empty());
    EXPECT_EQ(hands.raft(2).leader().term, 1U);
}

// Groups in a network.

constexpr Duration a_while = milliseconds{1000};

NetworkOptions quiet(unsigned nodes) {
    NetworkOptions options{.seed = 7, .nodes = nodes};
    options.delay_high = milliseconds{5};
    return options;
}

std::vector<unsigned> all_but(unsigned left_out, unsigned nodes) {
    std::vector<unsigned> rest;
    for (unsigned node = 0; node < nodes; ++node)
        if (node != left_out) rest.push_back(node);
    return rest;
}

TEST(raft_group, a_leader_in_a_minority_commits_nothing_and_steps_down) {
    RaftNetwork network{quiet(5)};
    network.pass(a_while);
    const auto old_leader = network.leader().value();
    const auto friend_of_it = all_but(old_leader, 5).front();
    network.partition({old_leader, friend_of_it});
    const auto in_vain = network.propose(old_leader);
    ASSERT_TRUE(in_vain);
    network.pass(a_while);
    EXPECT_NE(network.raft(old_leader).role(), RaftRole::leader);
    EXPECT_FALSE(network.propose(old_leader));
    const auto leader = network.leader().value();
    const auto taken = network.propose(leader);
    network.pass(a_while);
    network.heal();
    network.pass(a_while);
    for (unsigned node = 0; node < 5; ++node) {
        EXPECT_FALSE(network.has_applied(node, *in_vain));
        EXPECT_TRUE(network.has_applied(node, *taken));
    }
    EXPECT_GT(network.overwritten(old_leader), 0U);
    EXPECT_FALSE(network.broken());
}

TEST(raft_group, a_leader_that_hears_nobody_is_replaced_because_it_counts_its_quorum) {
    for (const bool checks_quorum : {true, false}) {
        auto options = quiet(3);
        options.raft.checks_quorum = checks_quorum;
        RaftNetwork network{options};
        network.pass(a_while);
        const auto deaf = network.leader().value();
        for (const auto node : all_but(deaf, 3)) network.cut(node, deaf);
        network.pass(a_while);
        EXPECT_EQ(network.leader() != deaf, checks_quorum)
            << "without the count its heartbeats keep the others quiet for ever";
    }
}

TEST(raft_group, one_that_was_cut_off_comes_back_without_an_election) {
    for (const bool asks_before_vote : {true, false}) {
        auto options = quiet(3);
        options.raft.asks_before_vote = asks_before_vote;
        RaftNetwork network{options};
        network.pass(a_while);
        const auto leader = network.leader().value();
        const auto term = network.raft(leader).leader().term;
        network.partition({all_but(leader, 3).front()});
        network.pass(a_while);
        network.heal();
        network.pass(a_while);
        EXPECT_EQ(network.raft(leader).leader().term == term, asks_before_vote);
    }
}

TEST(raft_group, one_that_does_not_hear_the_leader_does_not_unseat_it) {
    for (const bool checks_quorum : {true, false}) {
        auto options = quiet(3);
        options.raft.checks_quorum = checks_quorum;
        RaftNetwork network{options};
        network.pass(a_while);
        const auto leader = network.leader().value();
        const auto term = network.raft(leader).leader().term;
        network.cut(leader, all_but(leader, 3).front());
        network.pass(a_while);
        EXPECT_EQ(network.raft(leader).leader().term == term, checks_quorum)
            << "the third has heard the leader, and says so";
    }
}

TEST(raft_group, one_that_was_away_for_long_is_sent_a_snapshot) {
    auto options = quiet(4);
    options.founders = 3;
    RaftNetwork network{options};
    network.pass(a_while);
    const auto leader = network.leader().value();
    const auto away = all_but(leader, 3).front();
    network.crash(away);
    auto members = voters(3);
    members.learners.push_back(NodeIndex{3});
    ASSERT_TRUE(network.change_members(leader, members));
    std::optional<std::uint64_t> last;
    for (int i = 0; i < 60; ++i) {
        last = network.propose(leader);
        network.pass(milliseconds{10});
    }
    EXPECT_GE(network.raft(leader).log().snapshot().index, 25U);
    network.restart(away);
    network.pass(a_while);
    EXPECT_TRUE(network.has_applied(away, last.value()));
    EXPECT_GE(network.raft(away).log().snapshot().index, 25U);
    EXPECT_EQ(network.raft(away).members(), members) << "which the snapshot has swallowed";
    EXPECT_FALSE(network.broken());
}

TEST(raft_group, a_learner_has_the_log_and_no_vote) {
    auto options = quiet(3);
    options.founders = 2;
    RaftNetwork network{options};
    network.pass(a_while);
    const auto leader = network.leader().value();
    auto members = voters(2);
    members.learners.push_back(NodeIndex{2});
    ASSERT_TRUE(network.change_members(leader, members));
    const auto taken = network.propose(leader);
    network.pass(a_while);
    EXPECT_TRUE(network.has_applied(2, *taken));
    network.crash(1 - leader);
    const auto in_vain = network.propose(leader);
    network.pass(a_while);
    EXPECT_FALSE(network.has_applied(leader, *in_vain)) << "one of two voters is no majority";
    EXPECT_FALSE(network.leader());
}

TEST(raft_group, a_leader_can_remove_itself) {
    RaftNetwork network{quiet(3)};
    network.pass(a_while);
    const auto leader = network.leader().value();
    auto members = voters(3);
    std::erase(members.voters, NodeIndex{leader});
    ASSERT_TRUE(network.change_members(leader, members));
    network.pass(a_while);
    EXPECT_FALSE(network.raft(leader).is_member());
    const auto next = network.leader().value();
    EXPECT_NE(next, leader);
    const auto taken = network.propose(next);
    network.crash(leader);
    network.pass(a_while);
    for (const auto node : all_but(leader, 3)) EXPECT_TRUE(network.has_applied(node, *taken));
}

TEST(raft_group, an_idle_group_costs_its_heartbeats) {
    auto options = quiet(3);
    RaftNetwork network{options};
    network.pass(a_while);
    const auto before = network.messages_sent();
    network.pass(a_while);
    const auto beats = static_cast<std::size_t>(a_while / options.raft.heartbeat);
    EXPECT_NEAR(static_cast<int>(network.messages_sent() - before), static_cast<int>(4 * beats), 4)
        << "two messages and two answers each";
}

}  // namespace
}  // namespace touchstone::cluster
