// ReplicatedStore: the records of one broker, kept by a group of nodes that agrees upon them
// (Raft). Every node has all records; only one of them at a time may run the broker, which it knows
// by a lease: no other node leads before it is over. What the broker has written is stored once
// most of the nodes have it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"
#include "broker/cluster/node_messages.hpp"
#include "broker/cluster/raft.hpp"
#include "broker/ports/random.hpp"
#include "broker/ports/storage.hpp"

namespace touchstone::cluster {

/// What becomes of a key; nothing: it is erased.
struct RecordChange {
    std::string key;
    std::optional<Buffer> value;
};

class ReplicatedStore final : private RaftPort, private Random {
public:
    using Records = std::map<std::string, Buffer, std::less<>>;
    struct Options {
        NodeIndex self;
        std::vector<NodeIndex> nodes;  // all voters, self included
        unsigned shard_count = 1;
        RaftDefects defects{};
    };
    /// What it does to the world. Neither calls it back.
    class Port {
    public:
        virtual void send(NodeIndex to, NodeMessage message) = 0;
        /// 64 uniformly distributed bits.
        virtual std::uint64_t random() = 0;

    protected:
        ~Port() = default;
    };
    /// A batch that outlives this node.
    struct Stored {
        unsigned shard = 0;
        BatchNumber number = 0;
    };

    /// Without a leader for so long nodes elect one.
    static constexpr Duration election_timeout_low = std::chrono::seconds{1};
    static constexpr Duration election_timeout_high = std::chrono::seconds{2};
    /// Of what a lease may be measured wrong: a tenth, by the clock of any node.
    static constexpr Duration lease_time = election_timeout_low * 8 / 10;

    /// `port` and `disk` outlive it; `disk` outlives the process.
    ReplicatedStore(const Options& options, Port& port, RaftSaved& disk);
    ReplicatedStore(const ReplicatedStore&) = delete;
    ReplicatedStore& operator=(const ReplicatedStore&) = delete;
    ~ReplicatedStore() = default;

    /// Once, before all else.
    void start(Instant now);
    void on_message(NodeIndex from, const RaftMessage& message, Instant now);
    void on_reachable(NodeIndex peer) { raft_.on_reachable(peer); }
    void on_tick(Instant now);
    [[nodiscard]] Instant next_tick() const;

    /// Whom this node follows, or itself; nothing: it knows of none.
    [[nodiscard]] std::optional<NodeIndex> leader() const { return raft_.leader().node; }
    /// Nobody else leads before; Instant::min() for who leads not. It was asked for some time ago,
    /// so it may be over.
    [[nodiscard]] Instant leads_until() const;
    /// Whether all that this node has in its log is in the records: nothing can come to them but
    /// what it writes itself while it leads.
    [[nodiscard]] bool is_caught_up() const { return applied_ == raft_.log().last_index(); }
    [[nodiscard]] const Records& records(unsigned shard) const { return state_->shards[shard]; }
    /// A number that is another one for other records.
    [[nodiscard]] std::uint64_t digest() const;

    /// Whether this node leads, whatever others may do meanwhile.
    [[nodiscard]] bool is_leader() const { return raft_.role() == RaftRole::leader; }
    /// Of the broker's shard: take_stored() has the batch once it is stored. While this node leads.
    void commit(unsigned shard, BatchNumber number, std::vector<RecordChange> changes, Instant now);
    /// Batches of this node since the last call, in order.
    [[nodiscard]] std::vector<Stored> take_stored() { return std::exchange(stored_, {}); }

private:
    struct Batch final : RaftPayload {
        NodeIndex node;
        unsigned shard = 0;
        BatchNumber number = 0;
        std::vector<RecordChange> changes;
    };
    struct State final : RaftPayload {
        std::vector<Records> shards;
    };
    struct Question {
        RaftReadNumber number = 0;
        Instant asked_at;
    };

    void renew_lease(Instant now);
    void confirm(RaftReadNumber up_to);

    // RaftPort
    void save(const RaftHardState& hard_state, RaftIndex first,
              std::span<const RaftEntry> entries) override;
    void save_snapshot(const RaftSnapshot& snapshot) override;
    void send(NodeIndex to, RaftMessage message) override { port_.send(to, std::move(message)); }
    void apply(RaftIndex index, const RaftEntry& entry) override;
    void restore(const RaftSnapshot& snapshot) override;
    void on_overwritten(RaftIndex, RaftIndex) override {}
    void on_readable(RaftReadNumber up_to) override { confirm(up_to); }
    void on_reads_lost(RaftReadNumber) override { questions_.clear(); }

    // Random
    std::uint64_t next() override { return port_.random(); }

    Options options_;
    Port& port_;
    RaftSaved& disk_;
    std::shared_ptr<State> state_ = std::make_shared<State>();
    RaftIndex applied_ = 0;
    std::vector<Stored> stored_;
    std::deque<Question> questions_;
    RaftReadNumber confirmed_ = 0;
    Instant leads_until_ = Instant::min();
    Instant renews_at_ = never;
    Raft raft_;
};

}  // namespace touchstone::cluster
