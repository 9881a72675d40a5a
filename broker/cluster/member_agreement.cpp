// Which node has the session of which client, where most of the nodes agree upon it.

#include <algorithm>
#include <utility>

#include "broker/cluster/member.hpp"

namespace touchstone::cluster {

namespace {

/// How long a node that has lost a client to another one waits for that one to ask for its session.
constexpr Duration handover_time = std::chrono::seconds{2};

}  // namespace

void Member::take_agreed(Instant now) {
    if (!agreed_) return;
    while (!agreements_.empty()) {
        const auto [command, before] = std::move(agreements_.front());
        agreements_.pop_front();
        take(command, before, now);
    }
    if (!std::exchange(are_owners_replaced_, false)) return;
    sessions_.clear();
    for (const auto& [client_id, owner] : agreed_->owners()) note_owner(client_id);
    // What happened meanwhile is known by its result only.
    for (const auto& [client_id, claim] : own_claims_) {
        const auto owner = agreed_->owner_of(client_id);
        if (owner && owner->node != options_.self)
            disowned_.push_back({now + handover_time, client_id, owner->node});
    }
}

void Member::note_owner(const std::string& client_id) {
    sessions_.erase(client_id);
    if (const auto owner = agreed_->owner_of(client_id))
        sessions_[client_id][owner->node] = {static_cast<std::int64_t>(owner->claim), owner->node};
}

void Member::take(const RegistryCommand& command, const std::optional<AgreedOwner>& before,
                  Instant now) {
    if (command.kind == RegistryCommand::Kind::reset) {
        sessions_.clear();
        for (const auto& [client_id, owner] : agreed_->owners()) note_owner(client_id);
        return;
    }
    if (command.kind == RegistryCommand::Kind::refused) {
        const auto claim = claims_.find(command.number);
        if (command.node == options_.self && claim != claims_.end() &&
            claim->second.step == Claim::Step::agreeing)
            finish(claim, ReasonCode::server_unavailable, now);
        return;
    }
    note_owner(command.client_id);
    if (command.kind != RegistryCommand::Kind::claim) return;
    if (command.node != options_.self) {
        if (before && before->node == options_.self)
            disowned_.push_back({now + handover_time, command.client_id, command.node});
        return;
    }
    const auto claim = claims_.find(command.number);
    if (claim == claims_.end() || claim->second.step != Claim::Step::agreeing)
        return ask_for_release(command.client_id, command.number, now);  // nobody waits any more
    std::map<NodeIndex, RowStamp> owners;
    if (before && before->node != options_.self) {
        owners.try_emplace(before->node);
        claim->second.follows = before->claim;
    }
    const auto refusal = ask(claim, std::move(owners));
    if (is_failure(refusal)) return finish(claim, refusal, now);
    go_on(claim, now);
}

void Member::release_owner(const std::string& client_id, Instant now) {
    const bool is_entering = std::ranges::any_of(claims_, [&](const auto& entry) {
        return entry.second.client_id == client_id && entry.second.step == Claim::Step::entering;
    });
    const auto own = own_claims_.find(client_id);
    if (is_entering && own != own_claims_.end()) {
        // The session of before, which another one takes the place of.
        ask_for_release(client_id, own->second, now);
    } else if (const auto granted = granted_.find(client_id); granted != granted_.end()) {
        ask_for_release(client_id, granted->second, now);
        granted_.erase(granted);
        end_entering(client_id, now);
    }
    if (own != own_claims_.end()) own_claims_.erase(own);
    take_agreed(now);
}

void Member::ask_for_release(const std::string& client_id, CommandNumber claim, Instant now) {
    agreed_->ask_for({.kind = RegistryCommand::Kind::release,
                      .node = options_.self,
                      .number = agreed_->next_number(),
                      .client_id = client_id,
                      .released = claim},
                     now);
}

void Member::ask_for_reset(Instant now) {
    own_claims_.clear();
    granted_.clear();
    agreed_->ask_for({.kind = RegistryCommand::Kind::reset,
                      .node = options_.self,
                      .number = agreed_->next_number(),
                      .client_id = {}},
                     now);
}

// Nodes learn of what was agreed at different times: a session that one claim brings to a node may
// be asked for by the next one before it is there, and a claim may come for what a later one has.

template <class Request>
bool Member::waits_for_own(NodeIndex from, const Request& request) {
    if (!agreed_ || !claims_.contains(request.follows)) return false;
    behind_.push_back({from, request.follows, request});
    return true;
}
template bool Member::waits_for_own(NodeIndex, const SessionRequest&);
template bool Member::waits_for_own(NodeIndex, const SessionEviction&);

void Member::answer_behind(std::uint64_t claim, Instant now) {
    for (auto one = behind_.begin(); one != behind_.end();) {
        if (one->follows != claim) {
            ++one;
            continue;
        }
        const auto behind = std::move(*one);
        one = behind_.erase(one);
        std::visit([&](const auto& request) { on(behind.from, request, now); }, behind.request);
    }
}

bool Member::has_later(const std::string& client_id, std::uint64_t follows) const {
    const auto own = own_claims_.find(client_id);
    return own != own_claims_.end() && follows != 0 && own->second > follows;
}

void Member::evict_disowned(Instant now) {
    while (!disowned_.empty() && disowned_.front().at <= now) {
        const auto one = std::move(disowned_.front());
        disowned_.pop_front();
        const auto owner = agreed_->owner_of(one.client_id);
        if (owner && owner->node == options_.self) continue;  // it came back
        evict({.to = std::nullopt, .newer = one.newer, .client_id = one.client_id},
              SessionFate::moves, now);
    }
}

}  // namespace touchstone::cluster
