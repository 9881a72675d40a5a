// Replica: one node of a cluster that keeps one broker together (broker/cluster/replicated_store).
// The node that leads runs the broker, for as long as its lease lasts, with the agreed records as
// its storage; another one is a part of the way from its clients to the leader. So what the nodes
// do is what one process does that crashes whenever the leader changes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "broker/cluster/replicated_store.hpp"
#include "simulator/links.hpp"
#include "simulator/mesh.hpp"
#include "simulator/node.hpp"

namespace touchstone::simulator {

class Replica final : public Acceptor,
                      public MeshEnd,
                      public RecordStore,
                      private cluster::ReplicatedStore::Port,
                      private EventHandler {
public:
    struct Options {
        Mesh* mesh = nullptr;  // outlives the replica
        cluster::NodeIndex self;
        unsigned node_count = 1;
        unsigned shard_count = 1;
        bool keeps_connections = false;  // ModelRules
        Defects defects;
        /// Called before the broker is gone here, and before it is there.
        std::function<void(bool is_up)> on_core;
    };

    /// `entity` tells the nodes of a run apart in random streams. All references outlive it.
    Replica(Engine& engine, Links& links, std::uint64_t entity, Options options);
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;
    ~Replica() = default;

    // Setting up.

    /// The process that is the broker while this node leads. Outlives the replica, and is down.
    void set_core(Node& core) { core_ = &core; }
    /// All, by NodeIndex, this one included.
    void set_all(std::vector<Replica*> all) { all_ = std::move(all); }
    /// The way of a client that connects to this node.
    void add_link(LinkIndex link);

    /// The process begins, with what its disk holds.
    void start();
    /// With its machine, or without: see Node::crash.
    void end(bool is_silent);
    void pause();
    void go_on();
    [[nodiscard]] bool is_up() const { return store_ != nullptr; }
    /// Ways between nodes have been cut, or mended.
    void review_ways();

    /// Where a client gets to that connects here; null: nowhere.
    [[nodiscard]] Node* broker() const;
    [[nodiscard]] bool is_serving() const { return broker() != nullptr; }
    /// Those whom it has a connection to, and itself. Up.
    [[nodiscard]] std::vector<cluster::NodeIndex> running() const;
    [[nodiscard]] std::uint64_t digest() const { return store_->digest(); }

    // Acceptor
    [[nodiscard]] bool accepts() override;
    void on_opened(ConnectionNumber connection) override;
    void on_bytes_ready(ConnectionNumber connection) override;
    void on_written(ConnectionNumber connection, std::size_t size_bytes) override;
    void on_ended(ConnectionNumber connection, Ending ending) override;

    // MeshEnd
    void on_peer_up(cluster::NodeIndex peer) override;
    void on_peer_down(cluster::NodeIndex peer) override;
    void on_message(cluster::NodeIndex from, cluster::NodeMessage message) override;

    // RecordStore, of the broker that runs here.
    void put(unsigned shard, std::string_view key, Bytes value) override;
    void erase(unsigned shard, std::string_view key) override;
    void commit(unsigned shard, BatchNumber number) override;
    /// Takes no time: the records are in memory.
    void read(unsigned shard, ReadNumber number, std::vector<std::string> keys) override;
    [[nodiscard]] const Buffer* find(unsigned shard, std::string_view key) const override;
    DiskLoss crash() override;
    void finish() override {}  // nobody waits for other nodes
    [[nodiscard]] const Records& records(unsigned shard) const override {
        return store_->records(shard);
    }
    /// A batch is stored in that time, unless most of the nodes were out of reach meanwhile.
    static constexpr Duration commit_time = std::chrono::milliseconds{20};
    /// Goes with what the broker writes next.
    void set_aside(unsigned shard, const std::string& key) override {
        shards_[shard].open.push_back({key, std::nullopt});
    }

private:
    enum EventKind : std::uint16_t { tick, lease_end, early_answers, looked_up };
    struct Shard {
        std::vector<cluster::RecordChange> open;
        Instant open_since = never;
        Instant under_way_since = never;
        BatchNumber number = 0;  // of what is under way
    };
    struct Reading {
        unsigned shard = 0;
        ReadNumber number = 0;
        std::vector<std::string> keys;
    };

    void on_event(const Event& event) override;
    /// An input of the process: now, or when it is not paused any more.
    template <class Input>
    void take(Input input);
    void after_input();
    void judge_core();
    void start_core();
    void drop_core(bool is_silent);
    void review_route();
    void arm_timers();
    /// Its clients are told that their way to the broker has ended.
    void reset_clients();
    /// The leader has lost the node through which these clients came.
    void lose_clients_of(Replica& entrance);
    [[nodiscard]] bool has(Defect defect) const { return options_.defects.has(defect); }
    [[nodiscard]] bool holds_lease() const { return engine_.now() < store_->leads_until(); }
    [[nodiscard]] bool reaches_all() const { return linked_.size() + 1 == options_.node_count; }
    void write(unsigned shard, cluster::RecordChange change);
    /// By a defect: what is under way counts as stored.
    void answer_early(unsigned shard);
    void answer_readings();
    [[nodiscard]] Replica& of(cluster::NodeIndex node) const { return *all_[node.raw()]; }
    [[nodiscard]] bool is_elsewhere() const { return route_ && *route_ != options_.self; }
    void set_way(Direction direction, bool is_stalled);

    // ReplicatedStore::Port
    void send(cluster::NodeIndex to, cluster::NodeMessage message) override {
        if (undialled_.contains(to)) return;
        options_.mesh->send(options_.self, to, std::move(message));
    }
    std::uint64_t random() override { return random_.next(); }

    Engine& engine_;
    Links& links_;
    Options options_;
    std::uint16_t owner_;
    RandomStream random_;
    Node* core_ = nullptr;
    std::vector<Replica*> all_;
    cluster::RaftSaved disk_;
    std::unique_ptr<cluster::ReplicatedStore> store_;  // null: the process is down
    std::set<cluster::NodeIndex> linked_;
    bool is_paused_ = false;
    std::vector<std::function<void()>> put_off_;
    std::uint32_t incarnation_ = 0;
    std::optional<Instant> tick_at_;
    Instant lease_armed_ = Instant::min();
    std::vector<Shard> shards_;
    struct SlowBatch {
        Instant begun_at;
        Instant stored_at;
    };
    std::vector<SlowBatch> slow_batches_;  // of the broker that runs here, that took longer
    std::deque<Reading> readings_;  // not answered yet

    std::optional<cluster::NodeIndex> route_;  // where its clients' connections go
    std::map<ConnectionNumber, cluster::NodeIndex> connections_;  // that came here: where they went
    std::vector<LinkIndex> ways_;
    std::array<bool, 2> is_stalled_{};  // by Direction
    bool is_unaware_ = false;

    // Of defects.
    std::vector<cluster::ReplicatedStore::Stored> early_;  // called stored before they are
    std::set<cluster::NodeIndex> undialled_;               // that it does not connect to again
    std::optional<cluster::NodeIndex> given_up_;           // the leader that was not ready
};

}  // namespace touchstone::simulator
