#include "broker/cluster/replicated_store.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone::cluster {

namespace {

constexpr Duration heartbeat = std::chrono::milliseconds{250};
/// From one question whether this node still leads to the next: some fit into a lease.
constexpr Duration renewal_interval = std::chrono::milliseconds{300};
/// Entries behind the last snapshot that are made one.
constexpr RaftIndex entries_max = 500;

constexpr std::uint64_t fold(std::uint64_t hash, std::uint64_t value) {
    return (hash ^ value) * 0x100'0000'01B3U;  // FNV-1a
}

template <class Text>
std::uint64_t fold_all(std::uint64_t hash, const Text& text) {
    hash = fold(hash, text.size());
    for (const auto one : text) hash = fold(hash, static_cast<std::uint8_t>(one));
    return hash;
}

}  // namespace

ReplicatedStore::ReplicatedStore(const Options& options, Port& port, RaftSaved& disk)
    : options_{options},
      port_{port},
      disk_{disk},
      raft_{{.self = options.self,
             .members = {.voters = options.nodes, .learners = {}},
             .election_timeout_low = election_timeout_low,
             .election_timeout_high = election_timeout_high,
             .heartbeat = heartbeat,
             .defects = options.defects},
            *this,
            *this} {
    state_->shards.resize(options.shard_count);
}

void ReplicatedStore::start(Instant now) {
    raft_.start(disk_, now);
    renew_lease(now);
}

void ReplicatedStore::on_message(NodeIndex from, const RaftMessage& message, Instant now) {
    raft_.on_message(from, message, now);
    renew_lease(now);
}

void ReplicatedStore::on_tick(Instant now) {
    if (raft_.next_tick() <= now) raft_.on_tick(now);
    renew_lease(now);
    if (applied_ > raft_.log().snapshot().index + entries_max)
        raft_.compact(applied_, std::make_shared<const State>(*state_));
}

Instant ReplicatedStore::next_tick() const {
    return std::min(raft_.next_tick(), renews_at_);
}

Instant ReplicatedStore::leads_until() const {
    return raft_.role() == RaftRole::leader ? leads_until_ : Instant::min();
}

void ReplicatedStore::renew_lease(Instant now) {
    if (raft_.role() != RaftRole::leader) {
        questions_.clear();
        leads_until_ = Instant::min();
        renews_at_ = never;
        return;
    }
    if (renews_at_ != never && now < renews_at_) return;
    renews_at_ = now + renewal_interval;
    const auto number = raft_.read();
    CHECK(number.has_value());
    questions_.push_back({*number, now});
    confirm(confirmed_);  // a group of one has answered already
}

/// Most of the nodes have heard of this leader since these questions were asked, and vote for
/// nobody within election_timeout_low.
void ReplicatedStore::confirm(RaftReadNumber up_to) {
    confirmed_ = up_to;
    while (!questions_.empty() && questions_.front().number <= up_to) {
        leads_until_ = std::max(leads_until_, questions_.front().asked_at + lease_time);
        questions_.pop_front();
    }
}

std::uint64_t ReplicatedStore::digest() const {
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325U;
    for (const auto& shard : state_->shards) {
        hash = fold(hash, shard.size());
        for (const auto& [key, value] : shard) hash = fold_all(fold_all(hash, key), value);
    }
    return hash;
}

void ReplicatedStore::commit(unsigned shard, BatchNumber number, std::vector<RecordChange> changes,
                             Instant now) {
    auto batch = std::make_shared<Batch>();
    batch->node = options_.self;
    batch->shard = shard;
    batch->number = number;
    batch->changes = std::move(changes);
    const auto proposal = raft_.propose(std::move(batch), now);
    CHECK(proposal.has_value());
}

void ReplicatedStore::save(const RaftHardState& hard_state, RaftIndex first,
                           std::span<const RaftEntry> entries) {
    disk_.hard_state = hard_state;
    if (!entries.empty()) disk_.log.replace_from(first, entries);
}

void ReplicatedStore::save_snapshot(const RaftSnapshot& snapshot) {
    disk_.log.take(snapshot);
}

void ReplicatedStore::apply(RaftIndex index, const RaftEntry& entry) {
    applied_ = index;
    if (!entry.payload) return;
    const auto& batch = static_cast<const Batch&>(*entry.payload);
    auto& records = state_->shards[batch.shard];
    for (const auto& [key, value] : batch.changes) {
        if (value)
            records.insert_or_assign(key, *value);
        else
            records.erase(key);
    }
    if (batch.node == options_.self) stored_.push_back({batch.shard, batch.number});
}

void ReplicatedStore::restore(const RaftSnapshot& snapshot) {
    state_ = std::make_shared<State>(static_cast<const State&>(*snapshot.state));
    applied_ = snapshot.index;
}

}  // namespace touchstone::cluster
