// RaftLog: the entries a Raft node has, after the snapshot that stands for those before them. Raft
// keeps one in memory; what a driver keeps on its disk for a node is one, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "broker/cluster/node_index.hpp"

namespace touchstone::cluster {

/// The place of an entry in the log, from 1 on; 0 is before the first.
using RaftIndex = std::uint64_t;
/// Raft's logical clock: at most one node leads in a term. From 1 on; 0 is before the first.
using RaftTerm = std::uint64_t;

/// What an entry or a snapshot carries. Raft passes it on and never looks into it.
struct RaftPayload {
    RaftPayload() = default;
    RaftPayload(const RaftPayload&) = default;
    RaftPayload& operator=(const RaftPayload&) = default;
    virtual ~RaftPayload() = default;
};
using RaftPayloadRef = std::shared_ptr<const RaftPayload>;

/// Who belongs to a group. No node is named twice.
struct RaftMembers {
    std::vector<NodeIndex> voters;
    std::vector<NodeIndex> learners;  // have the log, and no vote

    [[nodiscard]] bool has_voter(NodeIndex node) const;
    [[nodiscard]] bool has(NodeIndex node) const;
    friend bool operator==(const RaftMembers&, const RaftMembers&) = default;
};
using RaftMembersRef = std::shared_ptr<const RaftMembers>;

/// With neither payload nor members it is the entry a new leader begins its term with.
struct RaftEntry {
    RaftTerm term = 0;
    RaftPayloadRef payload;
    RaftMembersRef members;  // set: who belongs to the group from this entry on
};

/// Stands for the entries up to and including `index`, all committed.
struct RaftSnapshot {
    RaftIndex index = 0;
    RaftTerm term = 0;       // of the entry at `index`
    RaftMembersRef members;  // as of `index`; never null in a running group
    RaftPayloadRef state;    // what applying the entries has led to; null at index 0
};

struct RaftMembership {
    RaftIndex index = 0;
    RaftMembersRef members;
};

class RaftLog {
public:
    [[nodiscard]] const RaftSnapshot& snapshot() const { return snapshot_; }
    /// The snapshot's index when there is no entry behind it.
    [[nodiscard]] RaftIndex last_index() const { return snapshot_.index + entries_.size(); }
    [[nodiscard]] RaftTerm last_term() const;
    /// Nothing when the log does not reach `index`, or the snapshot has swallowed it; the
    /// snapshot's own index has a term.
    [[nodiscard]] std::optional<RaftTerm> term_at(RaftIndex index) const;
    /// `index` is behind the snapshot and at most last_index().
    [[nodiscard]] const RaftEntry& at(RaftIndex index) const;
    /// The entries from `first` on, at most `count_max`. Valid until the log is changed.
    [[nodiscard]] std::span<const RaftEntry> from(RaftIndex first, std::size_t count_max) const;
    /// Who belongs to the group once the entries up to `index` hold, and the entry that says so, or
    /// the snapshot's index. `index` is the snapshot's or behind it.
    [[nodiscard]] RaftMembership members_at(RaftIndex index) const;
    /// The last index up to `index` whose term is at most `term`; the snapshot's when no entry is.
    [[nodiscard]] RaftIndex last_index_of(RaftTerm term, RaftIndex index) const;

    /// Puts `entries` at `first` and behind it; what was there and further on is gone. `first` is
    /// behind the snapshot and at most last_index() + 1.
    void replace_from(RaftIndex first, std::span<const RaftEntry> entries);
    /// Puts the snapshot in the place of the entries it stands for. Those behind it stay only when
    /// they continue it: when the entry at its index is of its term.
    void take(RaftSnapshot snapshot);

private:
    [[nodiscard]] std::size_t offset(RaftIndex index) const { return index - snapshot_.index - 1; }

    RaftSnapshot snapshot_;
    std::vector<RaftEntry> entries_;
};

/// What a node has to find again after a crash, or it breaks promises it has made to others.
struct RaftHardState {
    RaftTerm term = 0;
    std::optional<NodeIndex> voted_for;  // in `term`
    friend bool operator==(const RaftHardState&, const RaftHardState&) = default;
};

struct RaftSaved {
    RaftHardState hard_state;
    RaftLog log;
};

}  // namespace touchstone::cluster
