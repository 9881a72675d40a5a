// Raft: one node's part in a group that agrees on a log (Ongaro, "Consensus: Bridging Theory and
// Practice", 2014; its sections are what § means here). A state machine of messages and the time:
// what it does to the world goes through RaftPort, in order. One node has many groups, so a group
// that is idle costs a heartbeat and no memory but its log.
//
// Left to others: where messages travel, what entries mean, how they are stored and for how long
// (compact), what to do about a proposal or a read that was lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "broker/base/instant.hpp"
#include "broker/cluster/raft_log.hpp"
#include "broker/cluster/raft_messages.hpp"
#include "broker/ports/random.hpp"

namespace touchstone::cluster {

/// What a Raft node does to the world, in this order. None of these may call the Raft node.
///
/// A driver whose disk takes its time holds back all that comes after a save until that save is on
/// the disk, and goes on delivering inputs meanwhile. A crash then loses saves and what was held
/// back, and nothing else.
class RaftPort {
public:
    /// Stores the hard state, and `entries` as RaftLog::replace_from() does when there are any;
    /// both or none of them.
    virtual void save(const RaftHardState& hard_state, RaftIndex first,
                      std::span<const RaftEntry> entries) = 0;
    /// Stores the snapshot as RaftLog::take() does.
    virtual void save_snapshot(const RaftSnapshot& snapshot) = 0;
    virtual void send(NodeIndex to, RaftMessage message) = 0;
    /// `entry` is committed: no run of this group has another one at `index`. Every index once, in
    /// order, since the start or the last restore(). Entries without a payload are Raft's own.
    virtual void apply(RaftIndex index, const RaftEntry& entry) = 0;
    /// The snapshot's state takes the place of whatever was applied so far. Of proposals up to its
    /// index nobody will learn here whether they were committed.
    virtual void restore(const RaftSnapshot& snapshot) = 0;
    /// A leader's entries have taken the place of this node's at these indexes. That says nothing
    /// for ever: another node may still have what was here, lead, and commit it.
    virtual void on_overwritten(RaftIndex first, RaftIndex last) = 0;
    /// All reads up to this number may be answered from what has been applied: nothing newer had
    /// been acknowledged by anybody when they were asked for (§6.4).
    virtual void on_readable(RaftReadNumber up_to) = 0;
    /// This node leads no longer; the reads up to this number that are not readable have to be
    /// asked for anew.
    virtual void on_reads_lost(RaftReadNumber up_to) = 0;

protected:
    ~RaftPort() = default;
};

/// Mistakes built in on purpose: published ones, and those that show that a checker of Raft can
/// fail. A deployed broker has no way to turn them on.
struct RaftDefects {
    /// SB-34 `raft_boot_needs_leader`: a restarted node takes part in nothing until it hears from a
    /// leader.
    bool boot_needs_leader = false;
    /// SB-36 `raft_zombie_member`: a removed voter is not told, and goes on with its old log.
    bool zombie_member = false;
    /// Entries of earlier terms count as committed once a majority has them (§3.6.2, figure 3.7).
    bool commits_by_count_alone = false;
    /// A vote is given whatever the candidate's log looks like (§3.6.1).
    bool votes_blindly = false;
    /// Entries are taken whatever precedes them (§3.5).
    bool appends_blindly = false;
};

struct RaftOptions {
    NodeIndex self;
    /// The group's first members, the same on each of them. A node that joins later has members
    /// without itself here, or none: it waits until a leader has told it who they are.
    RaftMembers members;
    /// Without a leader's sign of life for this long a node stands for election; drawn anew each
    /// time, from [low, high]. Both above 0.
    Duration election_timeout_low = std::chrono::milliseconds{150};
    Duration election_timeout_high = std::chrono::milliseconds{300};
    /// Above 0, well below election_timeout_low.
    Duration heartbeat = std::chrono::milliseconds{50};
    /// A node asks whether it could win before it makes everybody's term go up (§9.6).
    bool asks_before_vote = true;
    /// A leader that has heard no majority for election_timeout_high steps down, and nobody votes
    /// within election_timeout_low of a leader's sign of life (§6.2, §4.2.3), which may be the last
    /// thing that it had heard before it began anew.
    bool checks_quorum = true;
    /// Above 0.
    std::size_t entries_per_message_max = 64;
    /// As many entries are on their way to one node before its answers are waited for. Above 0.
    std::size_t entries_in_flight_max = 1024;
    RaftDefects defects{};
};

enum class RaftRole : std::uint8_t { follower, pre_candidate, candidate, leader };

struct RaftLeader {
    RaftTerm term = 0;
    std::optional<NodeIndex> node;  // nothing: this node knows of none in its term
};

struct RaftProposal {
    RaftIndex index = 0;
    RaftTerm term = 0;
};

class Raft {
public:
    /// `port` and `random` outlive it.
    Raft(RaftOptions options, RaftPort& port, Random& random);

    /// The first input, and once. `saved` is empty the first time ever, and what was stored after a
    /// crash.
    void start(RaftSaved saved, Instant now);
    void on_message(NodeIndex from, const RaftMessage& message, Instant now);
    /// To be called at next_tick(); earlier it does nothing.
    void on_tick(Instant now);
    /// Messages reach `peer` again: tells it at once what it would only learn with the next
    /// heartbeat or election.
    void on_reachable(NodeIndex peer);

    /// Appends an entry, when this node leads; nothing otherwise. What apply() brings for the
    /// index is this entry if its term is the proposal's, and otherwise this one will never be
    /// committed. Neither is learned when this node crashes or restores a snapshot before. A group
    /// of one voter applies before this returns.
    std::optional<RaftProposal> propose(RaftPayloadRef payload, Instant now);
    /// Appends a change of who belongs to the group, of one voter at most (§4.1), any number of
    /// learners. Nothing when this node does not lead, an earlier change is not committed, or
    /// nothing of this term is.
    std::optional<RaftProposal> change_members(RaftMembers members, Instant now);
    /// Asks for a linearizable read, when this node leads; nothing otherwise. Ends with
    /// on_readable() or on_reads_lost(). A group of one voter may be readable before this returns.
    std::optional<RaftReadNumber> read();
    /// `state` is what applying all up to `index` has led to: the log forgets these entries.
    /// `index` is applied, and not below an earlier snapshot's.
    void compact(RaftIndex index, RaftPayloadRef state);

    /// `never` when only others can make this node do something.
    [[nodiscard]] Instant next_tick() const;
    [[nodiscard]] RaftLeader leader() const { return {hard_state_.term, leader_}; }
    [[nodiscard]] RaftRole role() const { return role_; }
    [[nodiscard]] RaftIndex commit_index() const { return commit_; }
    [[nodiscard]] const RaftLog& log() const { return log_; }
    /// As of the last entry of the log, committed or not (§4.1).
    [[nodiscard]] const RaftMembers& members() const { return *membership_.members; }
    /// Whether this node belongs to the group, by what it knows to be committed. Others neither
    /// stand for election nor answer whom they cannot vote for.
    [[nodiscard]] bool is_member() const { return committed_members_->has(options_.self); }

private:
    /// What a leader knows of another node.
    struct Peer {
        NodeIndex node;
        bool is_voter = false;
        bool is_leaving = false;  // removed, and to be told so
        /// Whether it is open where its log and ours part: then it is asked once per answer.
        bool is_probed = false;
        RaftIndex next = 1;      // the entry to send next
        RaftIndex answered = 0;  // what was sent behind it is on its way
        RaftIndex match = 0;     // both logs are the same up to here
        RaftReadNumber read = 0;
        Instant heard_at{};
    };

    void on(NodeIndex from, const RaftVoteRequest& request, Instant now);
    void on(NodeIndex from, const RaftVoteReply& reply, Instant now);
    void on(NodeIndex from, const RaftAppend& append, Instant now);
    void on(NodeIndex from, const RaftInstallSnapshot& install, Instant now);
    void on(NodeIndex from, const RaftAppendReply& reply, Instant now);

    void become_follower(RaftTerm term, std::optional<NodeIndex> leader, Instant now);
    void stand_for_election(RaftVoteKind kind, Instant now);
    void on_vote_counted(Instant now);
    void become_leader(Instant now);
    void wait_for_leader(Instant now);
    bool follow(NodeIndex leader, RaftTerm term, Instant now);
    void request_vote(NodeIndex of);
    [[nodiscard]] bool has_live_leader(Instant now) const;
    [[nodiscard]] bool may_stand_for_election() const;
    [[nodiscard]] bool has_won() const;
    [[nodiscard]] bool has_quorum(Instant now) const;

    RaftProposal append_own(RaftEntry entry, Instant now);
    bool store(RaftIndex first, std::span<const RaftEntry> entries);
    void note_unsaved(RaftIndex first);
    void commit_up_to(RaftIndex index);
    void commit_what_a_majority_has(Instant now);
    void admit_reads();
    void adopt_members();
    void update_peers(Instant now);
    void tell_removal(NodeIndex node, Instant now);
    RaftAppendReply take(const RaftAppend& append);
    void on_accepted(Peer& peer, RaftIndex index);
    void on_refused(Peer& peer, const RaftAppendReply& reply);
    [[nodiscard]] Peer* peer_of(NodeIndex node);
    [[nodiscard]] Peer new_peer(NodeIndex node, Instant now) const;
    template <class Value>
    [[nodiscard]] Value reached_by_majority(Value Peer::*field, Value own) const;

    void broadcast();
    void send_new_entries();
    void send_new_entries(Peer& peer);
    void send_append(Peer& peer);
    void send(NodeIndex to, RaftMessage message);
    void save_what_changed();

    RaftOptions options_;
    RaftPort& port_;
    Random& random_;

    RaftHardState hard_state_;
    RaftLog log_;
    bool is_hard_state_unsaved_ = false;
    RaftIndex unsaved_from_ = 0;  // 0: all entries are saved

    RaftRole role_ = RaftRole::follower;
    std::optional<NodeIndex> leader_;
    Instant leader_heard_at_ = Instant::min();
    Instant deadline_ = never;  // of the election; a leader's is that of its next heartbeat
    bool is_waiting_for_leader_ = false;
    RaftIndex commit_ = 0;
    RaftMembership membership_;  // as of the log's end
    RaftMembersRef committed_members_;

    std::vector<NodeIndex> granted_;  // of a candidate: who votes for it
    std::vector<Peer> peers_;         // of a leader: all others
    RaftReadNumber read_last_ = 0;
    RaftReadNumber read_admitted_ = 0;
};

}  // namespace touchstone::cluster
