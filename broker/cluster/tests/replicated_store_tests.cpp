// Records that a group of nodes agrees upon: what is stored, who may run the broker, and until
// when.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/cluster/replicated_store.hpp"

namespace touchstone::cluster {
namespace {

using namespace std::chrono_literals;

constexpr Duration delay = 1ms;

/// Nodes in one room: messages take a millisecond, ways can be cut, nodes end and begin anew.
class Room {
public:
    explicit Room(std::uint32_t count) {
        for (std::uint32_t index = 0; index < count; ++index) all_.emplace_back(index);
        for (const auto node : all_) nodes_.push_back(std::make_unique<Node>(*this, node));
        for (const auto node : all_) begin(node);
    }

    void begin(NodeIndex node) {
        auto& one = *nodes_[node.raw()];
        one.store = std::make_unique<ReplicatedStore>(
            ReplicatedStore::Options{.self = node, .nodes = all_, .shard_count = 2}, one, one.disk);
        one.store->start(now_);
    }
    void end(NodeIndex node) { nodes_[node.raw()]->store.reset(); }
    void cut_off(NodeIndex node) { cut_off_.insert(node); }
    void cut(NodeIndex one, NodeIndex other) { cut_ = {{one, other}, {other, one}}; }
    void mend() { cut_off_.clear(); }

    ReplicatedStore& operator[](NodeIndex node) { return *nodes_[node.raw()]->store; }
    [[nodiscard]] Instant now() const { return now_; }

    /// The node whose lease lasts; nothing: nobody's does. Never two.
    std::optional<NodeIndex> holder() {
        std::optional<NodeIndex> found;
        for (const auto node : all_) {
            if (!nodes_[node.raw()]->store || (*this)[node].leads_until() <= now_) continue;
            EXPECT_FALSE(found.has_value()) << "two nodes have a lease";
            found = node;
        }
        return found;
    }

    void pass(Duration span) {
        for (const auto until = now_ + span; now_ < until;) {
            now_ += delay;
            for (const auto& [from, to, message] : std::exchange(underway_, {}))
                if (nodes_[to.raw()]->store && is_open(from, to))
                    (*this)[to].on_message(from, std::get<RaftMessage>(message), now_);
            for (const auto& node : nodes_)
                if (node->store && node->store->next_tick() <= now_) node->store->on_tick(now_);
            holder();
        }
    }

    NodeIndex pass_until_somebody_leads() {
        for (int tries = 0; tries < 10; ++tries) {
            pass(1s);
            if (const auto found = holder()) return *found;
        }
        ADD_FAILURE() << "nobody leads";
        return all_.front();
    }
    [[nodiscard]] NodeIndex other_than(NodeIndex node) const {
        return all_[(node.raw() + 1) % all_.size()];
    }

private:
    struct Node final : ReplicatedStore::Port {
        Node(Room& its_room, NodeIndex its_index) : room{its_room}, index{its_index} {}
        void send(NodeIndex to, NodeMessage message) override {
            room.underway_.push_back({index, to, std::move(message)});
        }
        std::uint64_t random() override { return room.drawn_ += 0x9E37'79B9'7F4A'7C15U; }

        Room& room;
        NodeIndex index;
        RaftSaved disk;
        std::unique_ptr<ReplicatedStore> store;
    };
    struct Underway {
        NodeIndex from;
        NodeIndex to;
        NodeMessage message;
    };
    [[nodiscard]] bool is_open(NodeIndex from, NodeIndex to) const {
        return !cut_off_.contains(from) && !cut_off_.contains(to) && !cut_.contains({from, to});
    }

    Instant now_{};
    std::vector<NodeIndex> all_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<Underway> underway_;
    std::set<NodeIndex> cut_off_;
    std::set<std::pair<NodeIndex, NodeIndex>> cut_;
    std::uint64_t drawn_ = 1;
};

RecordChange written(std::string key, std::uint8_t value) {
    return {std::move(key), Buffer{std::byte{value}}};
}

TEST(replicated_store, is_stored_when_most_of_the_nodes_have_it) {
    Room room{3};
    const auto leader = room.pass_until_somebody_leads();
    room[leader].commit(1, 1, {written("a", 7)}, room.now());
    EXPECT_TRUE(room[leader].take_stored().empty());
    room.pass(5ms);
    const auto stored = room[leader].take_stored();
    ASSERT_EQ(stored.size(), 1U);
    EXPECT_EQ(stored.front().shard, 1U);
    EXPECT_EQ(room[leader].records(1).at("a"), Buffer{std::byte{7}});
    EXPECT_TRUE(room[leader].records(0).empty());
    EXPECT_EQ(room[room.other_than(leader)].digest(), room[leader].digest());
}

TEST(replicated_store, stores_nothing_without_most_of_the_nodes) {
    Room room{3};
    const auto leader = room.pass_until_somebody_leads();
    room.cut_off(leader);
    room[leader].commit(0, 1, {written("a", 7)}, room.now());
    room.pass(10s);
    EXPECT_TRUE(room[leader].take_stored().empty());
    EXPECT_TRUE(room[leader].records(0).empty());
}

TEST(replicated_store, gives_a_lease_to_another_one_only_after_the_first_is_over) {
    Room room{3};
    auto leader = room.pass_until_somebody_leads();
    for (int times = 0; times < 20; ++times) {
        room.cut_off(leader);
        const auto next = room.pass_until_somebody_leads();  // holder() looks at every millisecond
        EXPECT_NE(next, leader);
        room.mend();
        room.pass(1s);
        leader = next;
    }
}

TEST(replicated_store, keeps_the_promise_of_a_lease_over_a_new_start_of_a_voter) {
    for (std::uint32_t seed = 0; seed < 30; ++seed) {
        Room room{3};
        room.pass(seed * 37ms);
        const auto leader = room.pass_until_somebody_leads();
        const auto other = room.other_than(leader);
        const auto voter = room.other_than(other);
        // One does not hear of the leader any more and stands for election as soon as it may; the
        // voter hears of the leader all the time, and forgets it again and again.
        room.cut(leader, other);
        for (int times = 0; times < 60; ++times) {
            room.pass(50ms);
            room.end(voter);
            room.begin(voter);
        }
    }
}

TEST(replicated_store, has_what_was_stored_when_another_node_leads) {
    Room room{3};
    const auto leader = room.pass_until_somebody_leads();
    room[leader].commit(0, 1, {written("a", 1), written("b", 2)}, room.now());
    room.pass(5ms);
    room[leader].commit(0, 2, {{"a", std::nullopt}}, room.now());
    room.pass(5ms);
    room.end(leader);
    const auto next = room.pass_until_somebody_leads();
    EXPECT_TRUE(room[next].is_caught_up());
    EXPECT_EQ(room[next].records(0).size(), 1U);
    EXPECT_EQ(room[next].records(0).at("b"), Buffer{std::byte{2}});
}

TEST(replicated_store, finds_its_records_again_when_all_nodes_begin_anew) {
    Room room{3};
    auto leader = room.pass_until_somebody_leads();
    // Enough for the log to be made a snapshot.
    for (BatchNumber number = 1; number <= 700; ++number) {
        room[leader].commit(0, number, {written("n", static_cast<std::uint8_t>(number % 251))},
                            room.now());
        room.pass(3ms);
        ASSERT_EQ(room.holder(), leader);
    }
    for (std::uint32_t index = 0; index < 3; ++index) room.end(NodeIndex{index});
    for (std::uint32_t index = 0; index < 3; ++index) room.begin(NodeIndex{index});
    leader = room.pass_until_somebody_leads();
    EXPECT_EQ(room[leader].records(0).at("n"), Buffer{std::byte{700 % 251}});
}

TEST(replicated_store, is_not_caught_up_while_something_of_its_own_is_undecided) {
    Room room{3};
    const auto leader = room.pass_until_somebody_leads();
    EXPECT_TRUE(room[leader].is_caught_up());
    room[leader].commit(0, 1, {written("a", 7)}, room.now());
    EXPECT_FALSE(room[leader].is_caught_up());
    room.pass(5ms);
    EXPECT_TRUE(room[leader].is_caught_up());
}

TEST(replicated_store, of_one_node_leads_by_itself) {
    Room room{1};
    const auto leader = room.pass_until_somebody_leads();
    room[leader].commit(0, 1, {written("a", 7)}, room.now());
    EXPECT_EQ(room[leader].take_stored().size(), 1U);
}

}  // namespace
}  // namespace touchstone::cluster
