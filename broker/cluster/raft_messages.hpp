// What the nodes of a Raft group say to each other. A driver may lose, repeat, delay and reorder
// these messages; Raft depends on none of them to arrive.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "broker/cluster/raft_log.hpp"

namespace touchstone::cluster {

/// Counts the reads a node was asked for as a leader, from 1 on.
using RaftReadNumber = std::uint64_t;

/// A vote changes terms and is given once per term; a pre-vote changes nothing and only asks
/// whether a vote would be given.
enum class RaftVoteKind : std::uint8_t { pre_vote, vote };

struct RaftVoteRequest {
    RaftVoteKind kind = RaftVoteKind::vote;
    RaftTerm term = 0;  // the one the sender wants to lead in
    RaftIndex last_index = 0;
    RaftTerm last_term = 0;
};

struct RaftVoteReply {
    RaftVoteKind kind = RaftVoteKind::vote;
    RaftTerm term = 0;  // granted: the term asked for; refused: the sender's own
    bool is_granted = false;
    std::optional<NodeIndex> leader;  // whom the sender follows, or itself
};

/// Entries of the leader's log, and, with none, its sign of life.
struct RaftAppend {
    RaftTerm term = 0;
    RaftIndex previous_index = 0;  // the entries follow this one …
    RaftTerm previous_term = 0;    // … which the receiver must have
    std::vector<RaftEntry> entries;
    RaftIndex commit = 0;
    RaftReadNumber read = 0;  // the last read that the leader had been asked for
};

/// In place of entries that the leader no longer has.
struct RaftInstallSnapshot {
    RaftTerm term = 0;
    RaftSnapshot snapshot;
    RaftReadNumber read = 0;
};

/// The answer to both.
struct RaftAppendReply {
    RaftTerm term = 0;
    bool is_accepted = false;
    RaftIndex index = 0;  // accepted: both logs are the same up to here; refused: previous_index
    RaftIndex hint_index = 0;  // refused: the logs may be the same up to here, …
    RaftTerm hint_term = 0;    // … where the sender has this term
    RaftIndex commit = 0;      // as far as the sender knows
    RaftReadNumber read = 0;   // of the message that is answered
};

using RaftMessage =
    std::variant<RaftVoteRequest, RaftVoteReply, RaftAppend, RaftInstallSnapshot, RaftAppendReply>;

}  // namespace touchstone::cluster
