// One session for each client: who is asked before a client is let in, and how its session comes
// here from the node that had it. It moves in two steps, so that nothing published meanwhile is
// missed: first its routes are announced for this node, then it leaves the other one.

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/base/hash.hpp"
#include "broker/cluster/member.hpp"
#include "broker/storage/session_copy.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::cluster {

namespace {

/// Of a lock whose owner does not say that it is done (ekka_locker's lease).
constexpr Duration lock_lease = std::chrono::seconds{15};
/// From a claim to its end when nobody answers and no failure detector speaks: then the client is
/// refused. Above what an answer takes on any link that works.
constexpr Duration claim_timeout = std::chrono::seconds{5};
/// How long the routes of a session that has come are announced beside its own: until the shard has
/// announced these for sure.
constexpr Duration hold_time = std::chrono::seconds{1};

QoS lower(QoS a, QoS b) {
    return a < b ? a : b;
}

/// As an operator counts them.
std::string name_of(NodeIndex node) {
    return "node " + std::to_string(node.raw() + 1);
}

}  // namespace

void Member::on_claim(ShardIndex from, ClaimNumber number, const std::string& client_id,
                      bool clean_start, Instant now) {
    const bool is_busy = std::ranges::any_of(
        claims_, [&](const auto& entry) { return entry.second.client_id == client_id; });
    const auto claim = claims_
                           .emplace(agreed_ ? agreed_->next_number() : ++last_claim_,
                                    Claim{.shard = from,
                                          .number = number,
                                          .client_id = client_id,
                                          .clean_start = clean_start,
                                          .gives_up_at = now + claim_timeout})
                           .first;
    if (!is_busy) begin(claim, now);
}

void Member::on_withdrawn(ShardIndex from, ClaimNumber number, Instant now) {
    const auto found = std::ranges::find_if(claims_, [&](const auto& entry) {
        return entry.second.shard == from && entry.second.number == number;
    });
    if (found == claims_.end()) return;
    found->second.is_withdrawn = true;
    // A session that is on its way needs somebody to take it.
    if (found->second.step == Claim::Step::moving) return;
    finish(found, ReasonCode::server_unavailable, now);
}

void Member::on_entered(const std::string& client_id, Instant now) {
    if (rules_.has_registry && !agreed_) {
        auto& nodes = sessions_[client_id];
        auto& row = nodes[options_.self];
        row = stamp_of(client_id, nodes, now);
        note_followed(client_id, nodes);
        if (!options_.defects.has(Defect::registry_node_local))
            write_to_all(SessionWritten{client_id, row});
    }
    if (const auto granted = granted_.find(client_id); granted != granted_.end())
        own_claims_[client_id] = granted->second;
    end_entering(client_id, now);
}

RowStamp Member::stamp_of(const std::string& client_id, const std::map<NodeIndex, RowStamp>& nodes,
                          Instant now) {
    const auto entering = std::ranges::find_if(claims_, [&](const auto& entry) {
        return entry.second.client_id == client_id && entry.second.step == Claim::Step::entering;
    });
    const auto back = taken_back_.extract(client_id);
    if (entering == claims_.end() && !back.empty()) return back.mapped();
    RowStamp stamp{.at_us = rules_.counts_generations ? 1 : now.time_since_epoch().count(),
                   .node = options_.self,
                   .start = start_};
    // Whoever comes in last is the newest, although its node's clock may be behind.
    for (const auto& [node, row] : nodes) {
        stamp.at_us = std::max(stamp.at_us, row.at_us + 1);
        stamp.clean_since = std::max(stamp.clean_since, row.clean_since);
    }
    if (!rules_.counts_generations) return stamp;
    for (const auto* const gone : {&ended_, &told_of_})
        if (const auto found = gone->find(client_id); found != gone->end())
            for (const auto& [start, generation] : found->second)
                stamp.at_us = std::max(stamp.at_us, generation + 1);
    if (entering != claims_.end() && entering->second.clean_start) stamp.clean_since = stamp.at_us;
    return stamp;
}

void Member::on_released(const std::string& client_id, Instant now) {
    if (agreed_) return release_owner(client_id, now);
    const bool has_ended = rules_.counts_generations;
    remove_session(client_id, has_ended);
    end_entering(client_id, now);
}

void Member::remove_session(const std::string& client_id, bool has_ended) {
    const auto found = sessions_.find(client_id);
    if (found == sessions_.end()) return;
    const auto own = found->second.find(options_.self);
    if (own == found->second.end()) return;
    EndedGenerations ended;
    if (has_ended) {
        if (const auto followed = followed_.extract(client_id); !followed.empty())
            ended = followed.mapped();
        ended[own_start()] = own->second.at_us;
    }
    found->second.erase(own);
    disturb_sweep();
    if (found->second.empty()) sessions_.erase(found);
    note_ended(client_id, ended);
    write_to_all(SessionRemoved{client_id, std::move(ended)});
}

void Member::begin(ClaimEntry claim, Instant now) {
    auto& [number, one] = *claim;
    one.gives_up_at = now + claim_timeout;
    if (!rules_.has_registry || has(Defect::cluster_no_uniqueness) ||
        has(Defect::federation_double_route))
        return finish(claim, ReasonCode::success, now);
    if (has(Defect::tracker_majority_required) && running_.size() + 1 <= options_.nodes.size() / 2)
        return finish(claim, ReasonCode::server_unavailable, now);
    const bool may_register = rules_.may_register && !has(Defect::ready_requires_all);
    if (!is_ready_ && !may_register) return finish(claim, ReasonCode::server_unavailable, now);
    if (agreed_) {
        one.step = Claim::Step::agreeing;
        agreed_->ask_for({.kind = RegistryCommand::Kind::claim,
                          .node = options_.self,
                          .number = number,
                          .client_id = one.client_id,
                          .is_conditional = has(Defect::session_cas_conflict),
                          .expected = agreed_->owner_of(one.client_id)},
                         now);
        return take_agreed(now);
    }
    one.step = Claim::Step::locking;
    if (!has_database()) return finish(claim, ReasonCode::server_unavailable, now);
    if (locks_most_of_all() && running_.size() + 1 <= options_.nodes.size() / 2)
        return finish(claim, ReasonCode::server_unavailable, now);
    if (rules_.locks_clients)
        for (const auto node : lock_nodes(one.client_id)) {
            if (node != options_.self) {
                one.awaited.insert(node);
                port_.send(node, LockRequest{number, one.client_id});
            } else if (grant(options_.self, number, one.client_id, now)) {
                one.locks.insert(node);
            } else {
                one.is_locked_by_another = true;
            }
        }
    go_on(claim, now);
}

void Member::go_on(ClaimEntry claim, Instant now) {
    auto& one = claim->second;
    if (one.step == Claim::Step::locking && one.awaited.empty()) {
        if (one.is_locked_by_another) return finish(claim, ReasonCode::server_busy, now);
        const auto refusal = ask_owners(claim);
        if (is_failure(refusal)) return finish(claim, refusal, now);
    }
    if (one.step == Claim::Step::asking && one.awaited.empty()) one.step = Claim::Step::moving;
    if (one.step == Claim::Step::moving && one.awaited.empty())
        finish(claim, ReasonCode::success, now);
}

ReasonCode Member::ask_owners(ClaimEntry claim) {
    std::map<NodeIndex, RowStamp> owners;
    if (const auto found = sessions_.find(claim->second.client_id); found != sessions_.end())
        owners = found->second;
    owners.erase(options_.self);
    if (rules_.asks_everybody)
        for (const auto peer : running_) owners.try_emplace(peer);
    return ask(claim, std::move(owners));
}

ReasonCode Member::ask(ClaimEntry claim, std::map<NodeIndex, RowStamp> owners) {
    auto& [number, one] = *claim;
    one.step = Claim::Step::asking;
    const bool has_session_away =
        std::ranges::any_of(owners, [&](const auto& owner) { return !is_up(owner.first); });
    if (has_session_away && has(Defect::register_crash_on_nodedown))
        return ReasonCode::unspecified_error;
    if (has_session_away && rules_.refuses_if_owner_is_away && !one.clean_start)
        return ReasonCode::server_busy;
    std::erase_if(owners, [&](const auto& owner) { return !is_up(owner.first); });
    if (owners.empty()) return ReasonCode::success;
    if (one.clean_start) {
        one.step = Claim::Step::moving;
        for (const auto& [node, stamp] : owners) {
            one.awaited.insert(node);
            port_.send(node,
                       SessionEviction{number, one.client_id, SessionFate::ends, one.follows});
        }
        return ReasonCode::success;
    }
    const auto& [newest, newest_stamp] =
        *std::ranges::max_element(owners, {}, [](const auto& owner) { return owner.second; });
    one.newest = newest;
    for (const auto& [node, stamp] : owners) {
        one.awaited.insert(node);
        // The older one becomes part of the newer one, as where its node learns of that.
        const bool is_united = rules_.merges_sessions && stamp.at_us >= newest_stamp.clean_since;
        if (rules_.asks_everybody || is_united || node == newest)
            port_.send(node, SessionRequest{number, one.client_id, one.follows});
        else
            port_.send(node,
                       SessionEviction{number, one.client_id, SessionFate::ends, one.follows});
    }
    return ReasonCode::success;
}

void Member::finish(ClaimEntry claim, ReasonCode refusal, Instant now) {
    auto& one = claim->second;
    if (one.step == Claim::Step::entering) return end(claim, now);  // nothing came of it
    // Who has not answered yet may have granted its lock.
    if (one.step == Claim::Step::locking) one.locks.insert(one.awaited.begin(), one.awaited.end());
    std::shared_ptr<storage::SessionCopy> session;
    if (!one.arrived.empty()) {
        const auto& first = one.arrived.front();
        session = std::make_shared<storage::SessionCopy>(*first.session);
        add_early(one, *session);
        add_missed(*session, first.known, now);
        // Nobody knows which of several is the client's, so which Packet Identifiers it counts on:
        // a new message must not pass for a repetition.
        if (one.arrived.size() > 1 || is_outdated(one.client_id, first.stamp))
            session->received.clear();
    }
    if (!one.held.empty())
        holds_.push_back({now + hold_time, one.shard, std::exchange(one.held, {})});
    if (agreed_) {
        // Its own claim may take effect although it was given up: then it is released.
        agreed_->give_up(claim->first);
        if (!is_failure(refusal))
            granted_[one.client_id] = claim->first;
        else if (one.step == Claim::Step::asking || one.step == Claim::Step::moving)
            ask_for_release(one.client_id, claim->first, now);
    }
    one.step = Claim::Step::entering;
    one.gives_up_at = now + claim_timeout;
    port_.answer_claim(one.shard, one.number,
                       {refusal, std::move(session), is_own_outdated(one.client_id)});
    // Of several that were there the others become part of it.
    for (std::size_t other = 1; other < one.arrived.size(); ++other)
        adopt(one.arrived[other].session, one.arrived[other].known, now);
    one.arrived.clear();
    if (is_failure(refusal) || one.is_withdrawn) end(claim, now);
}

void Member::end_entering(const std::string& client_id, Instant now) {
    const auto found = std::ranges::find_if(claims_, [&](const auto& entry) {
        return entry.second.client_id == client_id && entry.second.step == Claim::Step::entering;
    });
    if (found != claims_.end()) end(found, now);
}

void Member::end(ClaimEntry claim, Instant now) {
    const auto number = claim->first;
    const auto one = std::move(claim->second);
    claims_.erase(claim);
    release_locks(one, number);
    answer_behind(number, now);
    for (auto next = claims_.begin(); next != claims_.end(); ++next) {
        if (next->second.client_id != one.client_id) continue;
        if (next->second.step == Claim::Step::waiting) begin(next, now);
        return;
    }
}

void Member::release_locks(const Claim& claim, std::uint64_t number) {
    for (const auto node : claim.locks) {
        if (node != options_.self) {
            port_.send(node, LockRelease{number, claim.client_id});
            continue;
        }
        const auto found = locks_.find(claim.client_id);
        if (found != locks_.end() && found->second.owner == options_.self &&
            found->second.claim == number)
            locks_.erase(found);
    }
}

void Member::lose_claims_of(NodeIndex peer, Instant now) {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, claim] : claims_) numbers.push_back(number);
    for (const auto number : numbers) {
        const auto claim = claims_.find(number);
        if (claim == claims_.end() || claim->second.awaited.erase(peer) == 0) continue;
        go_on(claim, now);
    }
}

// --- Locks
// -------------------------------------------------------------------------------------------

std::vector<NodeIndex> Member::lock_nodes(std::string_view client_id) const {
    std::vector<NodeIndex> up{running_.begin(), running_.end()};
    std::erase_if(up, [&](NodeIndex node) { return !is_up(node); });
    if (!is_replicant(options_.self)) up.push_back(options_.self);
    // By a hash, so that every node begins with the same ones.
    const auto rank = [&](NodeIndex node) { return hash_of(client_id, node.raw()); };
    std::ranges::sort(up, {}, [&](NodeIndex node) { return std::pair{rank(node), node}; });
    up.resize((locks_most_of_all() ? options_.nodes.size() : up.size()) / 2 + 1);
    return up;
}

bool Member::locks_most_of_all() const {
    return rules_.locks_most_of_all && !has(Defect::lock_over_reachable);
}

bool Member::grant(NodeIndex to, std::uint64_t claim, const std::string& client_id, Instant now) {
    auto& lock = locks_[client_id];
    if (now < lock.lapses_at && lock.lapses_at != never &&
        (lock.owner != to || lock.claim != claim))
        return false;
    lock = {.owner = to, .claim = claim, .lapses_at = now + lock_lease};
    return true;
}

void Member::on(NodeIndex from, const LockRequest& request, Instant now) {
    port_.send(from, LockReply{request.claim, grant(from, request.claim, request.client_id, now)});
}

void Member::on(NodeIndex from, const LockReply& reply, Instant now) {
    const auto claim = find_claim(reply.claim);
    if (claim == claims_.end() || claim->second.step != Claim::Step::locking) return;
    claim->second.awaited.erase(from);
    if (reply.is_granted)
        claim->second.locks.insert(from);
    else
        claim->second.is_locked_by_another = true;
    go_on(claim, now);
}

void Member::on(NodeIndex from, const LockRelease& release, Instant) {
    const auto found = locks_.find(release.client_id);
    if (found != locks_.end() && found->second.owner == from &&
        found->second.claim == release.claim)
        locks_.erase(found);
}

// --- Sessions on their way
// ----------------------------------------------------------------------------

void Member::on(NodeIndex from, const SessionRequest& request, Instant) {
    if (waits_for_own(from, request)) return;
    SessionOffer offer{.claim = request.claim};
    auto routes = port_.subscriptions_of(request.client_id);
    if (routes && !has_later(request.client_id, request.follows)) {
        offer.is_there = true;
        offer.routes = std::move(*routes);
        offered_[{from, request.claim}];
    }
    port_.send(from, std::move(offer));
}

void Member::on(NodeIndex from, const SessionOffer& offer, Instant now) {
    const auto claim = find_claim(offer.claim);
    if (claim == claims_.end() || claim->second.awaited.erase(from) == 0) return;
    if (offer.is_there) {
        auto& one = claim->second;
        for (const auto& key : offer.routes) {
            if (!key.share_name.empty()) continue;  // another member gets it
            auto& shards = local_routes_[key];
            // No member of its own: only so that what is published comes here as well.
            if (shards.try_emplace(one.shard, Route{.members = 0}).second) one.held.push_back(key);
            announce(key);
        }
        one.step = Claim::Step::moving;
        one.awaited.insert(from);
        port_.send(from,
                   SessionEviction{offer.claim, one.client_id, SessionFate::moves, one.follows});
    }
    go_on(claim, now);
}

void Member::on(NodeIndex from, const SessionEviction& eviction, Instant now) {
    if (waits_for_own(from, eviction)) return;
    if (has_later(eviction.client_id, eviction.follows)) {
        offered_.erase({from, eviction.claim});
        return port_.send(from, SessionEvicted{.claim = eviction.claim, .seen = {}});
    }
    evict({.to = from, .claim = eviction.claim, .newer = from, .client_id = eviction.client_id},
          eviction.fate, now);
}

void Member::evict(Eviction eviction, SessionFate fate, Instant now) {
    eviction.known = known_to_shards(now);
    if (const auto rows = sessions_.find(eviction.client_id); rows != sessions_.end())
        if (const auto own = rows->second.find(options_.self); own != rows->second.end())
            eviction.stamp = own->second;
    const auto client_id = eviction.client_id;
    evictions_.emplace(++last_eviction_, std::move(eviction));
    port_.evict(last_eviction_, client_id, fate);
}

void Member::on_evicted(std::uint64_t number, std::shared_ptr<const storage::SessionCopy> session,
                        Instant now) {
    const auto found = evictions_.find(number);
    if (found == evictions_.end()) return;  // asked for before this node began anew
    const auto eviction = std::move(found->second);
    evictions_.erase(found);
    own_claims_.erase(eviction.client_id);
    if (!agreed_)
        remove_session(eviction.client_id, false);  // behind what the shard has said of it before
    if (!eviction.to) {
        if (session == nullptr || !rules_.merges_sessions) return;
        const auto handover = hand_over(eviction.newer, eviction, session);
        if (is_up(eviction.newer))
            port_.send(eviction.newer, SessionMerged{std::move(session), eviction.known, handover});
        else
            take_back_from(eviction.newer, now);
        return;
    }
    // Who asked for it may have let the client in without an answer, and long ago, if this node
    // stood still.
    if (rules_.reports_doubles && session == nullptr && eviction.stamp.at_us != 0 &&
        !is_up(*eviction.to))
        port_.alarm("client '" + eviction.client_id + "' may be at " + name_of(*eviction.to) +
                    " as well, which wanted its session and is not reached since");
    const auto handover = hand_over(*eviction.to, eviction, session);
    if (handover != 0 && !is_up(*eviction.to)) return take_back_from(*eviction.to, now);
    SessionEvicted evicted{.claim = eviction.claim,
                           .session = std::move(session),
                           .seen = {},
                           .known = eviction.known,
                           .handover = handover,
                           .stamp = eviction.stamp};
    if (const auto offered = offered_.find({*eviction.to, eviction.claim});
        offered != offered_.end()) {
        evicted.seen = std::move(offered->second.seen);
        offered_.erase(offered);
    }
    port_.send(*eviction.to, std::move(evicted));
}

void Member::on(NodeIndex from, const SessionEvicted& evicted, Instant now) {
    if (evicted.handover != 0) port_.send(from, SessionTaken{evicted.handover});
    const auto claim = find_claim(evicted.claim);
    if (claim == claims_.end() || claim->second.awaited.erase(from) == 0) {
        // Too late: the client has been refused or let in without it. It is not lost for that.
        if (evicted.session != nullptr) adopt(evicted.session, evicted.known, now);
        return;
    }
    auto& one = claim->second;
    one.seen.insert(one.seen.end(), evicted.seen.begin(), evicted.seen.end());
    if (evicted.session != nullptr && !one.clean_start) {
        if (rules_.reports_doubles && !one.arrived.empty())
            port_.alarm("client '" + one.client_id + "' was at " +
                        name_of(one.arrived.front().from) + " and " + name_of(from) +
                        " at once: both sessions are united here");
        const auto place = from == one.newest ? one.arrived.begin() : one.arrived.end();
        one.arrived.insert(place, {from, evicted.session, evicted.known, evicted.stamp});
    }
    go_on(claim, now);
}

void Member::add_early(const Claim& claim, storage::SessionCopy& copy) {
    for (const auto& message : claim.early) {
        const auto is_it = [&](const MessageRef& other) { return &*other == &*message; };
        if (std::ranges::none_of(claim.seen, is_it)) add_to(copy, message);
    }
}

void Member::add_to(storage::SessionCopy& copy, const MessageRef& message) {
    const auto is_it = [&](const MessageRef& other) { return &*other == &*message; };
    if (std::ranges::any_of(copy.messages, is_it)) return;
    const auto publisher = hash_of(copy.session.client_id, 0);
    std::optional<storage::DeliveryRecord> delivery;
    for (const auto& one : copy.subscriptions) {
        if (one.is_shared || !wire::matches(one.text, message->topic()) ||
            (one.options.no_local && message->publisher() == publisher))
            continue;
        const auto qos = lower(one.options.qos, message->qos());
        if (!delivery) delivery = storage::DeliveryRecord{.qos = qos};
        delivery->qos = std::max(delivery->qos, qos);
        delivery->retain =
            delivery->retain || (message->retain() && one.options.retain_as_published);
        if (one.identifier != 0) delivery->identifiers.push_back(one.identifier);
    }
    if (!delivery) return;
    copy.messages.push_back(message);
    delivery->message = copy.messages.size();
    copy.deliveries.push_back(std::move(*delivery));
}

// --- Two sessions of one client
// -------------------------------------------------------------------------

void Member::judge_double(const std::string& client_id, NodeIndex other, Instant now) {
    const auto& nodes = sessions_.find(client_id)->second;
    const auto own = nodes.find(options_.self);
    if (own == nodes.end()) return;
    const auto& newer = nodes.at(other);
    if (newer < own->second) return;
    if (has(Defect::migration_owner_ambiguous)) return;
    if (rules_.reports_doubles)
        port_.alarm("client '" + client_id + "' is at " + name_of(other) +
                    " as well: the session there is the newer one");
    const bool is_over = own->second.at_us < newer.clean_since;
    evict({.to = std::nullopt, .newer = other, .client_id = client_id},
          rules_.merges_sessions && !is_over ? SessionFate::moves : SessionFate::ends, now);
}

void Member::on(NodeIndex from, const SessionMerged& merged, Instant now) {
    if (merged.handover != 0) port_.send(from, SessionTaken{merged.handover});
    adopt(merged.session, merged.known, now);
}

}  // namespace touchstone::cluster
