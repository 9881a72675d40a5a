// What becomes of the log: appending, what a majority has, who is told what, reads, snapshots.
#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/cluster/raft.hpp"

namespace touchstone::cluster {

// A follower.

void Raft::on(NodeIndex from, const RaftAppend& append, Instant now) {
    if (!follow(from, append.term, now)) {
        send(from, RaftAppendReply{.term = hard_state_.term, .index = append.previous_index});
        return;
    }
    auto reply = take(append);
    wait_for_leader(now);
    send(from, reply);
}

RaftAppendReply Raft::take(const RaftAppend& append) {
    RaftAppendReply reply{.term = hard_state_.term, .commit = commit_, .read = append.read};
    auto previous = append.previous_index;
    std::span<const RaftEntry> entries{append.entries};
    bool fits = true;
    if (previous < log_.snapshot().index) {
        // What the snapshot has swallowed is committed, so it is the same.
        const auto known = std::min<RaftIndex>(log_.snapshot().index - previous, entries.size());
        entries = entries.subspan(known);
        previous += known;
    } else {
        fits = log_.term_at(previous) == append.previous_term ||
               (options_.defects.appends_blindly && previous <= log_.last_index());
    }
    if (!fits || !store(previous + 1, entries)) {
        reply.index = append.previous_index;
        reply.hint_index = log_.last_index_of(append.previous_term, append.previous_index - 1);
        reply.hint_term = log_.term_at(reply.hint_index).value_or(0);
        return reply;
    }
    reply.is_accepted = true;
    reply.index = append.previous_index + append.entries.size();
    commit_up_to(std::min(append.commit, reply.index));
    reply.commit = commit_;
    return reply;
}

/// Puts entries of a leader into the log, where it does not have them. False: they contradict what
/// is committed.
bool Raft::store(RaftIndex first, std::span<const RaftEntry> entries) {
    while (!entries.empty() && log_.term_at(first) == entries.front().term) {
        entries = entries.subspan(1);
        ++first;
    }
    if (entries.empty()) return true;
    if (first <= commit_) return false;
    const auto last = log_.last_index();
    log_.replace_from(first, entries);
    note_unsaved(first);
    adopt_members();
    if (first <= last) {
        save_what_changed();
        port_.on_overwritten(first, last);
    }
    return true;
}

void Raft::on(NodeIndex from, const RaftInstallSnapshot& install, Instant now) {
    const auto& snapshot = install.snapshot;
    RaftAppendReply reply{.index = snapshot.index, .read = install.read};
    if (follow(from, install.term, now)) {
        reply.is_accepted = true;
        if (snapshot.index > commit_) {
            save_what_changed();
            const auto last = log_.last_index();
            log_.take(snapshot);
            port_.save_snapshot(snapshot);
            commit_ = snapshot.index;
            committed_members_ = snapshot.members;
            adopt_members();
            port_.restore(snapshot);
            if (last > log_.last_index()) port_.on_overwritten(log_.last_index() + 1, last);
        }
        wait_for_leader(now);
    }
    reply.term = hard_state_.term;
    reply.commit = commit_;
    send(from, reply);
}

// A leader.

RaftProposal Raft::append_own(RaftEntry entry, Instant now) {
    const auto index = log_.last_index() + 1;
    const RaftProposal proposal{index, entry.term};
    const auto members = entry.members;
    // Before the entry is in the log, so that it is the first that a new node is sent.
    if (members) {
        membership_ = {index, members};
        update_peers(now);
    }
    log_.replace_from(index, {&entry, 1});
    note_unsaved(index);
    send_new_entries();
    commit_what_a_majority_has(now);
    save_what_changed();
    return proposal;
}

void Raft::on(NodeIndex from, const RaftAppendReply& reply, Instant now) {
    if (reply.term > hard_state_.term) {
        become_follower(reply.term, std::nullopt, now);
        return;
    }
    if (role_ != RaftRole::leader || reply.term < hard_state_.term) return;
    auto* peer = peer_of(from);
    if (peer == nullptr) return;
    peer->heard_at = now;
    peer->read = std::max(peer->read, reply.read);
    if (reply.is_accepted)
        on_accepted(*peer, reply.index);
    else
        on_refused(*peer, reply);
    if (peer->is_leaving && reply.commit >= membership_.index)
        std::erase_if(peers_, [&](const Peer& one) { return one.node == from; });
    commit_what_a_majority_has(now);
    if (role_ == RaftRole::leader) admit_reads();
}

void Raft::on_accepted(Peer& peer, RaftIndex index) {
    if (index > log_.last_index()) return;  // Of nothing that was sent.
    if (peer.is_probed && index + 1 >= peer.next) peer.is_probed = false;
    peer.match = std::max(peer.match, index);
    peer.next = std::max(peer.next, peer.match + 1);
    peer.answered = std::max(peer.answered, peer.match);
    send_new_entries(peer);
}

void Raft::on_refused(Peer& peer, const RaftAppendReply& reply) {
    // An answer to what has been tried since, or answered otherwise.
    if (peer.is_probed ? reply.index + 1 != peer.next : reply.index <= peer.match) return;
    const auto common = reply.hint_index < log_.snapshot().index
                            ? reply.hint_index
                            : log_.last_index_of(reply.hint_term, reply.hint_index);
    peer.next = std::max(peer.match + 1, std::min(reply.index, common + 1));
    peer.answered = peer.next - 1;
    peer.is_probed = true;
    send_append(peer);
}

void Raft::commit_what_a_majority_has(Instant now) {
    const auto index = reached_by_majority(&Peer::match, log_.last_index());
    if (index <= commit_) return;
    // An earlier leader's entry that a majority has can still be overwritten (§3.6.2, figure 3.7).
    const bool is_of_this_term = log_.term_at(index) == hard_state_.term;
    if (!is_of_this_term && !options_.defects.commits_by_count_alone) return;
    commit_up_to(index);
    for (auto& peer : peers_)
        if (!peer.is_probed) send_append(peer);
    admit_reads();
    // It led until the others could do without it (§4.2.2).
    if (!committed_members_->has_voter(options_.self) && membership_.index <= commit_)
        become_follower(hard_state_.term, std::nullopt, now);
}

void Raft::commit_up_to(RaftIndex index) {
    if (index <= commit_) return;
    save_what_changed();
    while (commit_ < index) {
        const auto& entry = log_.at(++commit_);
        if (entry.members) committed_members_ = entry.members;
        port_.apply(commit_, entry);
    }
}

std::optional<RaftReadNumber> Raft::read() {
    if (role_ != RaftRole::leader) return std::nullopt;
    // While others wait it joins the round after theirs, which admit_reads() begins.
    const bool is_first = read_admitted_ == read_last_;
    const auto number = ++read_last_;
    if (is_first) broadcast();
    admit_reads();
    return number;
}

void Raft::admit_reads() {
    // Until an entry of its own is committed a leader may not know what its predecessors have.
    if (log_.term_at(commit_) != hard_state_.term) return;
    const auto confirmed = reached_by_majority(&Peer::read, read_last_);
    if (confirmed <= read_admitted_) return;
    read_admitted_ = confirmed;
    port_.on_readable(confirmed);
    if (read_admitted_ < read_last_) broadcast();
}

void Raft::compact(RaftIndex index, RaftPayloadRef state) {
    CHECK(index <= commit_);
    CHECK(index >= log_.snapshot().index);
    save_what_changed();
    log_.take({.index = index,
               .term = log_.term_at(index).value_or(0),
               .members = log_.members_at(index).members,
               .state = std::move(state)});
    port_.save_snapshot(log_.snapshot());
}

bool Raft::has_quorum(Instant now) const {
    return now < reached_by_majority(&Peer::heard_at, now) + options_.election_timeout_high;
}

/// The highest value that a majority of the voters has reached, where this node has `own`. Groups
/// are small: counting costs less than memory to sort in.
template <class Value>
Value Raft::reached_by_majority(Value Peer::*field, Value own) const {
    const bool votes = members().has_voter(options_.self);
    const auto majority = members().voters.size() / 2 + 1;
    Value best{};
    const auto consider = [&](Value value) {
        std::size_t count = votes && own >= value ? 1 : 0;
        for (const auto& peer : peers_) count += peer.is_voter && peer.*field >= value ? 1 : 0;
        if (count >= majority && value > best) best = value;
    };
    if (votes) consider(own);
    for (const auto& peer : peers_)
        if (peer.is_voter) consider(peer.*field);
    return best;
}

// Members.

void Raft::adopt_members() {
    membership_ = log_.members_at(log_.last_index());
}

void Raft::update_peers(Instant now) {
    std::vector<Peer> peers;
    const auto add = [&](NodeIndex node, bool is_voter) {
        if (node == options_.self) return;
        const auto* known = peer_of(node);
        peers.push_back(known != nullptr ? *known : new_peer(node, now));
        peers.back().is_voter = is_voter;
        peers.back().is_leaving = false;
    };
    for (const auto node : members().voters) add(node, true);
    for (const auto node : members().learners) add(node, false);
    for (auto peer : peers_) {
        if (members().has(peer.node) || options_.defects.zombie_member) continue;
        peer.is_voter = false;
        peer.is_leaving = true;
        peers.push_back(peer);
    }
    peers_ = std::move(peers);
}

Raft::Peer Raft::new_peer(NodeIndex node, Instant now) const {
    return {.node = node,
            .next = log_.last_index() + 1,
            .answered = log_.last_index(),
            .heard_at = now};
}

/// A node that was away when it was removed asks for votes: its log goes on until it knows.
void Raft::tell_removal(NodeIndex node, Instant now) {
    if (options_.defects.zombie_member || peer_of(node) != nullptr) return;
    peers_.push_back(new_peer(node, now));
    peers_.back().is_leaving = true;
    send_append(peers_.back());
}

Raft::Peer* Raft::peer_of(NodeIndex node) {
    const auto found = std::find_if(peers_.begin(), peers_.end(),
                                    [&](const Peer& peer) { return peer.node == node; });
    return found == peers_.end() ? nullptr : &*found;
}

// What leaves.

void Raft::broadcast() {
    for (auto& peer : peers_) send_append(peer);
}

void Raft::send_new_entries() {
    for (auto& peer : peers_) send_new_entries(peer);
}

void Raft::send_new_entries(Peer& peer) {
    const auto limit = peer.answered + options_.entries_in_flight_max;
    while (!peer.is_probed && peer.next <= std::min(limit, log_.last_index())) send_append(peer);
}

/// One message, which carries entries unless it is to find out where the logs part, all of them are
/// on their way, or there are none.
void Raft::send_append(Peer& peer) {
    const auto previous_term = log_.term_at(peer.next - 1);
    if (!previous_term) {
        send(peer.node, RaftInstallSnapshot{.term = hard_state_.term,
                                            .snapshot = log_.snapshot(),
                                            .read = read_last_});
        peer.is_probed = true;
        peer.answered = log_.snapshot().index;
        peer.next = peer.answered + 1;
        return;
    }
    const auto in_flight = peer.next - 1 - peer.answered;
    const auto room = peer.is_probed ? 0 : options_.entries_in_flight_max - in_flight;
    const auto entries =
        log_.from(peer.next, std::min<std::size_t>(room, options_.entries_per_message_max));
    RaftAppend append{.term = hard_state_.term,
                      .previous_index = peer.next - 1,
                      .previous_term = *previous_term,
                      .entries = {entries.begin(), entries.end()},
                      .commit = commit_,
                      .read = read_last_};
    peer.next += entries.size();
    send(peer.node, std::move(append));
}

void Raft::send(NodeIndex to, RaftMessage message) {
    save_what_changed();
    port_.send(to, std::move(message));
}

void Raft::note_unsaved(RaftIndex first) {
    unsaved_from_ = unsaved_from_ == 0 ? first : std::min(unsaved_from_, first);
}

void Raft::save_what_changed() {
    if (!is_hard_state_unsaved_ && unsaved_from_ == 0) return;
    const auto first = unsaved_from_ == 0 ? log_.last_index() + 1 : unsaved_from_;
    is_hard_state_unsaved_ = false;
    unsaved_from_ = 0;
    port_.save(hard_state_, first, log_.from(first, log_.last_index()));
}

}  // namespace touchstone::cluster
