// What a member does whose publications are kept until all nodes have them, and whose sessions are
// not lost on their way: both sides of a partition serve, and are united afterwards.

#include <algorithm>
#include <utility>

#include "broker/cluster/member.hpp"
#include "broker/storage/session_copy.hpp"

namespace touchstone::cluster {

namespace {

/// What shards have sent each other has come by then, to all of them and the gateway.
constexpr Duration shard_time = std::chrono::seconds{1};
/// From a publication to the question who has not got it.
constexpr Duration compare_time = std::chrono::seconds{1};

void raise(EndedGenerations& generations, const NodeStart& start, std::int64_t generation) {
    auto& last = generations[start];
    last = std::max(last, generation);
}

void raise(EndedGenerations& generations, const EndedGenerations& others) {
    for (const auto& [start, generation] : others) raise(generations, start, generation);
}

/// To what is in both.
void lower(LogNumbers& numbers, const LogNumbers& others) {
    for (auto& [origin, number] : numbers) {
        const auto found = others.find(origin);
        number = std::min(number, found == others.end() ? 0 : found->second);
    }
}

}  // namespace

void Member::begin_log() {
    if (!rules_.keeps_log) return;
    start_ = ++port_.agreement_disk().starts;
    log_ = std::make_unique<MessageLog>(options_.self, start_, options_.nodes);
}

void Member::publish_by_log(const PeerPublication& publication, Instant now) {
    const auto entry = log_->add(publication.message, publication.version, now);
    if (publication.message->retain()) note({publication.message, publication.version}, now);
    for (const auto peer : running_) port_.send(peer, entry);
    compares_log_at_ = std::min(compares_log_at_, now + compare_time);
    // A shard that has got a session only now was not sent it by the publisher's.
    if (now < repeats_until_)
        tell_all_shards(PeerPublication{publication.message, publication.version});
}

void Member::on(NodeIndex from, const LogEntry& entry, Instant now) {
    if (!log_) return;
    if (!log_->take(entry)) {
        if (log_->lacks({{entry.origin, entry.number}}))
            port_.send(from, log_state(now));  // from the first that is missing on
        return;
    }
    if (entry.message->retain()) note({entry.message, entry.version}, now);
    tell_all_shards(PeerPublication{entry.message, entry.version});
    compares_log_at_ = std::min(compares_log_at_, now + compare_time);
}

void Member::on(NodeIndex from, const LogState& state, Instant now) {
    if (!log_) return;
    log_->note(from, state.settled, settled(now));
    for (auto& entry : log_->missing(state.known)) port_.send(from, std::move(entry));
    if (log_->lacks(state.known)) port_.send(from, log_state(now));
}

LogState Member::log_state(Instant now) {
    LogState state{log_->known(), settled(now)};
    // It is said again when they have arrived, so that all can forget.
    if (state.settled != state.known)
        compares_log_at_ = std::min(compares_log_at_, now + compare_time);
    return state;
}

LogNumbers Member::settled(Instant now) const {
    auto numbers = log_->known();
    // The publisher's shard may not have told the others yet, which may be asked for a session.
    if (options_.shard_count > 1) lower(numbers, known_to_shards(now));
    for (const auto& [number, eviction] : evictions_) lower(numbers, eviction.known);
    for (const auto& [number, handover] : handovers_) lower(numbers, handover.known);
    for (const auto& [number, claim] : claims_)
        for (const auto& arrived : claim.arrived) lower(numbers, arrived.known);
    return numbers;
}

void Member::compare_log(Instant now) {
    if (now < compares_log_at_) return;
    compares_log_at_ = never;
    const auto state = log_state(now);
    for (const auto peer : running_) port_.send(peer, state);
}

LogNumbers Member::known_to_shards(Instant now) const {
    return log_ ? log_->known_before(now - shard_time) : LogNumbers{};
}

void Member::add_missed(storage::SessionCopy& copy, const LogNumbers& known, Instant now) {
    if (!log_) return;
    repeats_until_ = now + shard_time;
    for (const auto& entry : log_->missing(known)) add_to(copy, entry.message);
}

void Member::adopt(const std::shared_ptr<const storage::SessionCopy>& session,
                   const LogNumbers& known, Instant now) {
    auto copy = std::make_shared<storage::SessionCopy>(*session);
    add_missed(*copy, known, now);
    port_.adopt(std::move(copy));
}

// A session on its way is kept here until it is there.

std::uint64_t Member::hand_over(NodeIndex to, const Eviction& eviction,
                                const std::shared_ptr<const storage::SessionCopy>& session) {
    if (!log_ || session == nullptr) return 0;
    handovers_.emplace(++last_handover_,
                       Handover{to, eviction.client_id, eviction.stamp, session, eviction.known});
    return last_handover_;
}

void Member::on(NodeIndex, const SessionTaken& taken, Instant) {
    handovers_.erase(taken.handover);
}

void Member::take_back_from(NodeIndex peer, Instant now) {
    for (auto one = handovers_.begin(); one != handovers_.end();) {
        if (one->second.to != peer) {
            ++one;
            continue;
        }
        const auto handover = std::move(one->second);
        one = handovers_.erase(one);
        // As old as it was: the client may be at the other node by now.
        taken_back_[handover.client_id] = handover.stamp;
        adopt(handover.session, handover.known, now);
    }
}

// Sessions that have ended.

void Member::note_ended(const std::string& client_id, const EndedGenerations& generations) {
    if (rules_.counts_generations) raise(ended_[client_id], generations);
}

void Member::note_followed(const std::string& client_id,
                           const std::map<NodeIndex, RowStamp>& nodes) {
    if (!rules_.counts_generations) return;
    const auto& own = nodes.at(options_.self);
    auto& followed = followed_[client_id];
    for (const auto& [node, row] : nodes)
        if (row < own) raise(followed, {node, row.start}, row.at_us);
}

// Sessions of other nodes, although they may be gone with these.

void Member::note_told(const std::string& client_id, const EndedGenerations& generations) {
    if (rules_.counts_generations) raise(told_of_[client_id], generations);
}

bool Member::is_outdated(const std::string& client_id, const RowStamp& row) const {
    const auto told = told_of_.find(client_id);
    if (!rules_.counts_generations || told == told_of_.end()) return false;
    const auto may_follow = [&](const auto& other) {
        return other.first != NodeStart{row.node, row.start} && other.second >= row.at_us;
    };
    return std::ranges::any_of(told->second, may_follow);
}

bool Member::is_own_outdated(const std::string& client_id) const {
    const auto rows = sessions_.find(client_id);
    if (rows == sessions_.end()) return false;
    const auto own = rows->second.find(options_.self);
    return own != rows->second.end() && is_outdated(client_id, own->second);
}

void Member::judge_ended(const std::string& client_id, Instant now) {
    const auto ended = ended_.find(client_id);
    const auto rows = sessions_.find(client_id);
    if (ended == ended_.end() || rows == sessions_.end()) return;
    const auto own = rows->second.find(options_.self);
    if (own == rows->second.end()) return;
    const auto last = ended->second.find(own_start());
    if (last == ended->second.end() || own->second.at_us > last->second) return;
    evict({.to = std::nullopt, .newer = options_.self, .client_id = client_id}, SessionFate::ends,
          now);
}

}  // namespace touchstone::cluster
