// Who leads: terms, votes, and the inputs. What a leader does with its log is in
// raft_replication.cpp.
#include "broker/cluster/raft.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::cluster {
namespace {

std::size_t changed_voters(const RaftMembers& before, const RaftMembers& after) {
    const auto missing = [](const RaftMembers& from, const RaftMembers& of) {
        return static_cast<std::size_t>(
            std::count_if(of.voters.begin(), of.voters.end(),
                          [&](NodeIndex node) { return !from.has_voter(node); }));
    };
    return missing(before, after) + missing(after, before);
}

}  // namespace

Raft::Raft(RaftOptions options, RaftPort& port, Random& random)
    : options_{std::move(options)},
      port_{port},
      random_{random} {
    CHECK(options_.heartbeat > Duration::zero());
    CHECK(options_.election_timeout_low > options_.heartbeat);
    CHECK(options_.election_timeout_high >= options_.election_timeout_low);
    CHECK(options_.entries_per_message_max > 0);
    CHECK(options_.entries_in_flight_max > 0);
}

void Raft::start(RaftSaved saved, Instant now) {
    CHECK(!membership_.members);  // Started once.
    hard_state_ = saved.hard_state;
    log_ = std::move(saved.log);
    if (!log_.snapshot().members) {
        auto begin = log_.snapshot();
        begin.members = std::make_shared<const RaftMembers>(options_.members);
        log_.take(std::move(begin));
    }
    commit_ = log_.snapshot().index;
    committed_members_ = log_.snapshot().members;
    adopt_members();
    is_waiting_for_leader_ = options_.defects.boot_needs_leader && hard_state_.term > 0;
    if (commit_ > 0) port_.restore(log_.snapshot());
    // A leader may rely on what this node has promised it before.
    if (hard_state_.term > 0) leader_heard_at_ = now;
    wait_for_leader(now);
}

void Raft::on_message(NodeIndex from, const RaftMessage& message, Instant now) {
    std::visit([&](const auto& one) { on(from, one, now); }, message);
    save_what_changed();
}

void Raft::on_tick(Instant now) {
    if (now < deadline_) return;
    if (role_ != RaftRole::leader) {
        stand_for_election(options_.asks_before_vote ? RaftVoteKind::pre_vote : RaftVoteKind::vote,
                           now);
    } else if (options_.checks_quorum && !has_quorum(now)) {
        become_follower(hard_state_.term, std::nullopt, now);
    } else {
        deadline_ = now + options_.heartbeat;
        broadcast();
    }
    save_what_changed();
}

void Raft::on_reachable(NodeIndex peer) {
    switch (role_) {
        case RaftRole::follower: return;
        case RaftRole::pre_candidate:
        case RaftRole::candidate:
            if (peer != options_.self && members().has_voter(peer)) request_vote(peer);
            return;
        case RaftRole::leader:
            if (auto* known = peer_of(peer)) send_append(*known);
            return;
    }
    UNREACHABLE();
}

std::optional<RaftProposal> Raft::propose(RaftPayloadRef payload, Instant now) {
    CHECK(payload != nullptr);
    if (role_ != RaftRole::leader) return std::nullopt;
    return append_own({.term = hard_state_.term, .payload = std::move(payload)}, now);
}

std::optional<RaftProposal> Raft::change_members(RaftMembers members, Instant now) {
    CHECK(!members.voters.empty());
    if (role_ != RaftRole::leader || membership_.index > commit_) return std::nullopt;
    // A change that an earlier leader has begun may still win, and together the two would move two
    // voters, unless an entry of this term is committed behind it.
    if (log_.term_at(commit_) != hard_state_.term) return std::nullopt;
    CHECK(changed_voters(this->members(), members) <= 1);
    return append_own({.term = hard_state_.term,
                       .members = std::make_shared<const RaftMembers>(std::move(members))},
                      now);
}

Instant Raft::next_tick() const {
    return deadline_;
}

// Terms and roles.

void Raft::become_follower(RaftTerm term, std::optional<NodeIndex> leader, Instant now) {
    if (term > hard_state_.term) {
        hard_state_ = {.term = term};
        is_hard_state_unsaved_ = true;
    }
    if (role_ == RaftRole::leader && read_admitted_ < read_last_) {
        read_admitted_ = read_last_;
        port_.on_reads_lost(read_last_);
    }
    // Others keep their deadline: a candidate that nobody can vote for must not hold off those that
    // can win (§3.4).
    if (role_ == RaftRole::leader) wait_for_leader(now);
    role_ = RaftRole::follower;
    leader_ = leader;
    peers_.clear();
    granted_.clear();
}

void Raft::wait_for_leader(Instant now) {
    if (!may_stand_for_election()) {
        deadline_ = never;
        return;
    }
    const auto choices =
        (options_.election_timeout_high - options_.election_timeout_low).count() + 1;
    const auto drawn = random_.next() % static_cast<std::uint64_t>(choices);
    deadline_ = now + options_.election_timeout_low + Duration{static_cast<Duration::rep>(drawn)};
}

void Raft::stand_for_election(RaftVoteKind kind, Instant now) {
    leader_ = std::nullopt;
    granted_ = {options_.self};
    role_ = RaftRole::pre_candidate;
    if (kind == RaftVoteKind::vote) {
        role_ = RaftRole::candidate;
        hard_state_ = {.term = hard_state_.term + 1, .voted_for = options_.self};
        is_hard_state_unsaved_ = true;
    }
    wait_for_leader(now);
    for (const auto voter : members().voters)
        if (voter != options_.self) request_vote(voter);
    on_vote_counted(now);
}

void Raft::on_vote_counted(Instant now) {
    if (!has_won()) return;
    if (role_ == RaftRole::pre_candidate)
        stand_for_election(RaftVoteKind::vote, now);
    else
        become_leader(now);
}

void Raft::become_leader(Instant now) {
    role_ = RaftRole::leader;
    leader_ = options_.self;
    granted_.clear();
    deadline_ = now + options_.heartbeat;
    update_peers(now);
    // Only an entry of this term makes the earlier ones commit (§3.6.2), and reads wait for it.
    append_own({.term = hard_state_.term}, now);
}

bool Raft::follow(NodeIndex leader, RaftTerm term, Instant now) {
    if (term < hard_state_.term) return false;
    // Two leaders of one term: somebody broke a promise. Neither follows, so that it shows.
    if (term == hard_state_.term && role_ == RaftRole::leader) return false;
    if (term > hard_state_.term || role_ != RaftRole::follower || leader_ != leader)
        become_follower(term, leader, now);
    leader_heard_at_ = now;
    is_waiting_for_leader_ = false;
    return true;
}

bool Raft::has_live_leader(Instant now) const {
    if (!options_.checks_quorum) return false;
    if (role_ == RaftRole::leader) return true;
    return leader_heard_at_ != Instant::min() &&
           now < leader_heard_at_ + options_.election_timeout_low;
}

bool Raft::may_stand_for_election() const {
    // A removal counts once it is committed: until then the removed one may be the only one that
    // has the entry, and can win (§4.2.2).
    return !is_waiting_for_leader_ &&
           (members().has_voter(options_.self) || committed_members_->has_voter(options_.self));
}

bool Raft::has_won() const {
    const auto& voters = members().voters;
    const auto votes = std::count_if(granted_.begin(), granted_.end(),
                                     [&](NodeIndex node) { return members().has_voter(node); });
    return static_cast<std::size_t>(votes) > voters.size() / 2;
}

// Votes.

void Raft::request_vote(NodeIndex of) {
    const bool asks_only = role_ == RaftRole::pre_candidate;
    send(of, RaftVoteRequest{.kind = asks_only ? RaftVoteKind::pre_vote : RaftVoteKind::vote,
                             .term = hard_state_.term + (asks_only ? 1 : 0),
                             .last_index = log_.last_index(),
                             .last_term = log_.last_term()});
}

void Raft::on(NodeIndex from, const RaftVoteRequest& request, Instant now) {
    if (is_waiting_for_leader_) return;
    const bool is_current = std::pair{request.last_term, request.last_index} >=
                                std::pair{log_.last_term(), log_.last_index()} ||
                            options_.defects.votes_blindly;
    // Whoever removed this node has a longer log. So this one asks a group that is no more.
    if (!is_member() && !is_current) return;
    // It was removed while it was away; what it wants is what its log lacks.
    if (role_ == RaftRole::leader && !members().has(from)) {
        tell_removal(from, now);
        return;
    }
    const bool leader_lives = has_live_leader(now);
    const auto answer = [&](bool is_granted) {
        send(from, RaftVoteReply{.kind = request.kind,
                                 .term = is_granted ? request.term : hard_state_.term,
                                 .is_granted = is_granted,
                                 .leader = leader_});
    };
    if (request.kind == RaftVoteKind::pre_vote || leader_lives) {
        answer(request.term > hard_state_.term && !leader_lives && is_current);
        return;
    }
    if (request.term > hard_state_.term) become_follower(request.term, std::nullopt, now);
    const bool is_free = !hard_state_.voted_for || hard_state_.voted_for == from;
    const bool is_granted = request.term == hard_state_.term && is_free && is_current;
    if (is_granted) {
        is_hard_state_unsaved_ |= hard_state_.voted_for != from;
        hard_state_.voted_for = from;
        wait_for_leader(now);
    }
    answer(is_granted);
}

void Raft::on(NodeIndex from, const RaftVoteReply& reply, Instant now) {
    const bool is_pre_vote = reply.kind == RaftVoteKind::pre_vote;
    if (reply.term > hard_state_.term && !(is_pre_vote && reply.is_granted)) {
        become_follower(reply.term, std::nullopt, now);
        return;
    }
    const auto role = is_pre_vote ? RaftRole::pre_candidate : RaftRole::candidate;
    const auto term = hard_state_.term + (is_pre_vote ? 1 : 0);
    if (role_ != role) return;
    // A leader this node has never heard of: it leads a later group, and can tell who is in it.
    if (reply.leader && !members().has(*reply.leader)) request_vote(*reply.leader);
    if (reply.term != term || !reply.is_granted) return;
    if (std::find(granted_.begin(), granted_.end(), from) != granted_.end()) return;
    granted_.push_back(from);
    on_vote_counted(now);
}

}  // namespace touchstone::cluster
