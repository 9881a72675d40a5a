#include "broker/cluster/raft_log.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::cluster {

bool RaftMembers::has_voter(NodeIndex node) const {
    return std::find(voters.begin(), voters.end(), node) != voters.end();
}

bool RaftMembers::has(NodeIndex node) const {
    return has_voter(node) || std::find(learners.begin(), learners.end(), node) != learners.end();
}

RaftTerm RaftLog::last_term() const {
    return entries_.empty() ? snapshot_.term : entries_.back().term;
}

std::optional<RaftTerm> RaftLog::term_at(RaftIndex index) const {
    if (index == snapshot_.index) return snapshot_.term;
    if (index < snapshot_.index || index > last_index()) return std::nullopt;
    return entries_[offset(index)].term;
}

const RaftEntry& RaftLog::at(RaftIndex index) const {
    CHECK(index > snapshot_.index);
    CHECK(index <= last_index());
    return entries_[offset(index)];
}

std::span<const RaftEntry> RaftLog::from(RaftIndex first, std::size_t count_max) const {
    CHECK(first > snapshot_.index);
    CHECK(first <= last_index() + 1);
    const auto rest = std::span{entries_}.subspan(offset(first));
    return rest.first(std::min(rest.size(), count_max));
}

RaftMembership RaftLog::members_at(RaftIndex index) const {
    CHECK(index >= snapshot_.index);
    for (auto at = std::min(index, last_index()); at > snapshot_.index; --at)
        if (const auto& members = entries_[offset(at)].members) return {at, members};
    return {snapshot_.index, snapshot_.members};
}

RaftIndex RaftLog::last_index_of(RaftTerm term, RaftIndex index) const {
    auto at = std::min(index, last_index());
    while (at > snapshot_.index && entries_[offset(at)].term > term) --at;
    return std::max(at, snapshot_.index);
}

void RaftLog::replace_from(RaftIndex first, std::span<const RaftEntry> entries) {
    CHECK(first > snapshot_.index);
    CHECK(first <= last_index() + 1);
    entries_.resize(offset(first));
    entries_.insert(entries_.end(), entries.begin(), entries.end());
}

void RaftLog::take(RaftSnapshot snapshot) {
    CHECK(snapshot.index >= snapshot_.index);
    if (term_at(snapshot.index) == snapshot.term) {
        const auto swallowed = static_cast<std::ptrdiff_t>(snapshot.index - snapshot_.index);
        entries_.erase(entries_.begin(), entries_.begin() + swallowed);
    } else {
        entries_.clear();
    }
    snapshot_ = std::move(snapshot);
}

}  // namespace touchstone::cluster
