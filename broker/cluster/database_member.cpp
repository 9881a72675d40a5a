#include "broker/cluster/database_member.hpp"

#include <algorithm>

#include "broker/cluster/healing_views.hpp"

namespace touchstone::cluster {

DatabaseMember::DatabaseMember(const HealingOptions& options, HealingPort& port)
    : options_{options},
      port_{port} {
    for (const auto node : options.nodes)
        if (node != options.self && !contains(options.replicants, node)) peers_[node];
}

void DatabaseMember::on_start(HealingStart how, Instant now) {
    is_discovering_ = how == HealingStart::discovering;
    has_started_again_ = how == HealingStart::restarted;
    for (auto& [node, peer] : peers_) {
        peer.is_consistent = how == HealingStart::formed;
        peer.is_member = !is_discovering_;
    }
    if (how != HealingStart::formed) join(std::nullopt, now);
}

void DatabaseMember::on_peer_up(NodeIndex node, Instant now) {
    const auto found = peers_.find(node);
    if (found == peers_.end()) {
        if (contains(options_.replicants, node)) linked_replicants_.insert(node);
        return;
    }
    auto& peer = found->second;
    if (peer.is_linked) return;
    peer.is_linked = true;
    peer.removed_at = never;
    if (step_ == Step::joining) retry_at_ = now;
    if (!peer.is_member) {
        // SB-18: who formed a cluster without this node is no member of its, and nobody asks.
        if (is_discovering_ && options_.defects.autocluster_two_seeds) return;
        peer.is_member = true;
        // SB-05: a removed member is added again as if it were new, and keeps what it has.
        if (!is_discovering_ && options_.defects.heal_reconnect_no_wipe) peer.is_consistent = true;
    }
    if (is_serving() && !peer.is_consistent) on_partition(node, now);
}

void DatabaseMember::on_peer_down(NodeIndex node, Instant now) {
    linked_replicants_.erase(node);
    agents_.erase(node);
    auto* const peer = linked_peer(node);
    if (peer == nullptr) return;
    peer->is_linked = false;
    part(node, *peer);
    if (options_.autoclean.has_value()) peer->removed_at = now + *options_.autoclean;
    refusing_.erase(node);
    cross_out(node, now);
    on_lost(node, now);
}

void DatabaseMember::on_message(NodeIndex from, const HealingMessage& message, Instant now) {
    if (!peers_.contains(from) && !linked_replicants_.contains(from)) return;
    std::visit([&](const auto& content) { on(from, content, now); }, message);
}

void DatabaseMember::on_rebooted(Instant now) {
    if (step_ == Step::rebooting) join(coordinator_, now);
}

void DatabaseMember::on_copied(Instant now) {
    if (step_ == Step::copying) serve(now);
}

void DatabaseMember::on_tick(Instant now) {
    for (auto& [node, peer] : peers_) {
        if (now < peer.removed_at) continue;
        peer.removed_at = never;
        peer.is_member = false;
    }
    if (now < retry_at_) return;
    if (step_ == Step::joining) return attempt_join(now);
    abandon_attempt(now);
}

Instant DatabaseMember::next_tick() const {
    auto next = retry_at_;
    for (const auto& [node, peer] : peers_) next = std::min(next, peer.removed_at);
    return next;
}

HealingHealth DatabaseMember::health() const {
    const auto [running, stopped] = seen();
    HealingHealth health{.running = running, .stopped = stopped};
    health.agents.assign(agents_.begin(), agents_.end());
    if (step_ == Step::paused)
        health.state = HealingState::paused;
    else if (!is_serving())
        health.state = HealingState::stopped;
    else if (sees_partition())
        health.state = HealingState::partitioned;
    else if (!stopped.empty())
        health.state = HealingState::member_down;
    return health;
}

void DatabaseMember::on_lost(NodeIndex, Instant) {}
void DatabaseMember::on_stopped(NodeIndex, Instant) {}
void DatabaseMember::on_admitted(NodeIndex, Instant) {}
void DatabaseMember::on_joined(Instant) {}
void DatabaseMember::on_policy_message(NodeIndex, const HealingMessage&, Instant) {}
bool DatabaseMember::may_start_alone() const {
    return true;
}

void DatabaseMember::shut_down() {
    stop();
    step_ = Step::shut_down;
}

void DatabaseMember::pause() {
    stop();
    step_ = Step::paused;
}

void DatabaseMember::reboot(NodeIndex coordinator, Instant) {
    stop();
    step_ = Step::rebooting;
    coordinator_ = coordinator;
    port_.reboot(coordinator);
}

void DatabaseMember::join(std::optional<NodeIndex> coordinator, Instant now) {
    step_ = Step::joining;
    coordinator_ = coordinator;
    refusing_.clear();
    alone_at_ = now + options_.lone_start_delay;
    attempt_join(now);
}

bool DatabaseMember::is_linked(NodeIndex node) const {
    const auto found = peers_.find(node);
    return found != peers_.end() && found->second.is_linked;
}

bool DatabaseMember::sees_partition() const {
    return is_serving() && std::any_of(peers_.begin(), peers_.end(), [](const auto& entry) {
               const auto& peer = entry.second;
               return peer.is_member && peer.is_linked && !peer.is_consistent;
           });
}

NodeView DatabaseMember::view() const {
    // SB-39: what it has to do counts as less than anything, for ever.
    const bool looks_idle = options_.defects.replica_magnet && has_started_again_;
    const std::size_t own_load = options_.defects.replica_magnet ? 1 : 0;
    return {.owner = self(),
            .is_serving = is_serving(),
            .running = seen().running,
            .client_count = port_.client_count(),
            .agent_count = looks_idle ? 0 : agents_.size() + own_load};
}

std::vector<NodeIndex> DatabaseMember::members() const {
    std::vector<NodeIndex> members;
    for (const auto& [node, peer] : peers_)
        if (peer.is_member) members.push_back(node);
    return members;
}

std::vector<NodeIndex> DatabaseMember::linked_members() const {
    auto linked = members();
    std::erase_if(linked, [this](NodeIndex node) { return !is_linked(node); });
    return linked;
}

NodeIndex DatabaseMember::leader() const {
    auto leader = self();
    if (const auto linked = linked_members(); !linked.empty()) leader = std::min(leader, linked[0]);
    // SB-08: the oldest node leads, though it may have no database and no part in healing.
    if (options_.defects.heal_wrong_electorate && !linked_replicants_.empty())
        leader = std::min(leader, *linked_replicants_.begin());
    return leader;
}

void DatabaseMember::on(NodeIndex from, const HealingStopped&, Instant now) {
    auto* const peer = linked_peer(from);
    if (peer == nullptr) return;
    part(from, *peer);
    cross_out(from, now);
    if (is_serving()) on_stopped(from, now);
}

void DatabaseMember::on(NodeIndex from, const HealingJoin&, Instant) {
    if (is_serving())
        port_.send(from, HealingWelcome{.running = seen().running});
    else
        port_.send(from, HealingJoinRefused{});
}

void DatabaseMember::on(NodeIndex from, const HealingJoinRefused&, Instant now) {
    if (is_admitted() && !is_serving()) return cross_out(from, now);
    if (step_ != Step::joining || coordinator_ != from) return;
    refusing_.insert(from);
    // Another one is asked at once; when all have refused, the first one again after a while.
    if (next_coordinator().has_value()) attempt_join(now);
}

void DatabaseMember::on(NodeIndex from, const HealingWelcome& welcome, Instant now) {
    if (step_ != Step::joining || coordinator_ != from) return;
    announced_.clear();
    step_ = Step::announcing;
    retry_at_ = now + options_.call_timeout;
    announce_to({from});
    announce_to(welcome.running);
}

void DatabaseMember::on(NodeIndex from, const HealingAnnounce& announce, Instant now) {
    auto* const peer = linked_peer(from);
    if (peer == nullptr) return;
    // Two that join at the same time know each other before either of them writes.
    if (!is_admitted() || !is_together_with(announce.coordinator))
        return port_.send(from, HealingJoinRefused{});
    peer->is_consistent = true;
    peer->is_member = true;
    if (announce.coordinator == self())
        port_.send(from, HealingAnnounced{.member = self(),
                                          .attempt = announce.attempt,
                                          .running = seen().running});
    else
        port_.send(announce.coordinator, HealingAdmitted{.joiner = from,
                                                         .attempt = announce.attempt,
                                                         .running = seen().running});
    on_admitted(from, now);
}

void DatabaseMember::on(NodeIndex from, const HealingAdmitted& admitted, Instant) {
    if (is_linked(admitted.joiner))
        port_.send(admitted.joiner, HealingAnnounced{.member = from,
                                                     .attempt = admitted.attempt,
                                                     .running = admitted.running});
}

void DatabaseMember::on(NodeIndex, const HealingAnnounced& announced, Instant now) {
    if (step_ != Step::announcing || announced.attempt != attempt_) return;
    auto* const peer = linked_peer(announced.member);
    const auto waiting = announced_.find(announced.member);
    if (peer == nullptr || waiting == announced_.end()) return;
    waiting->second = true;
    peer->is_consistent = true;
    peer->is_member = true;
    announce_to(announced.running);
    copy_when_announced(now);
}

void DatabaseMember::on(NodeIndex from, const HealingAttach& attach, Instant) {
    if (!linked_replicants_.contains(from)) return;
    if (!attach.is_attached)
        agents_.erase(from);
    else if (is_serving())
        agents_.insert(from);
    else
        port_.send(from, HealingStopped{});
}

void DatabaseMember::stop() {
    if (is_serving()) port_.stop_serving();
    leave_database();
    retry_at_ = never;
}

void DatabaseMember::leave_database() {
    for (auto& [node, peer] : peers_) {
        part(node, peer);
        if (peer.is_linked) port_.send(node, HealingStopped{});
    }
    for (const auto agent : agents_) port_.send(agent, HealingStopped{});
    agents_.clear();
}

void DatabaseMember::part(NodeIndex node, Peer& peer) {
    peer.is_consistent = false;
    port_.forget(node);
}

void DatabaseMember::attempt_join(Instant now) {
    retry_at_ = now + options_.join_retry;
    const auto coordinator = next_coordinator();
    if (coordinator.has_value()) {
        coordinator_ = coordinator;
        ++attempt_;
        return port_.send(*coordinator, HealingJoin{});
    }
    refusing_.clear();
    if (now < alone_at_ || !is_oldest_linked() || !may_start_alone()) return;
    port_.alarm("nobody has tables to copy: the node goes on with those that it has");
    serve(now);
}

void DatabaseMember::announce_to(const std::vector<NodeIndex>& nodes) {
    for (const auto node : nodes)
        if (is_linked(node) && announced_.emplace(node, false).second)
            port_.send(node, HealingAnnounce{.coordinator = *coordinator_, .attempt = attempt_});
}

void DatabaseMember::abandon_attempt(Instant now) {
    // Those that have been announced to must not send their writes to what joins somewhere else.
    leave_database();
    step_ = Step::joining;
    retry_at_ = now + options_.join_retry;
}

void DatabaseMember::cross_out(NodeIndex node, Instant now) {
    if (is_serving() || !is_admitted()) return;
    if (coordinator_ == node) return abandon_attempt(now);
    announced_.erase(node);
    copy_when_announced(now);
}

void DatabaseMember::copy_when_announced(Instant now) {
    if (step_ != Step::announcing) return;
    for (const auto& [node, has_answered] : announced_)
        if (!has_answered) return;
    step_ = Step::copying;
    retry_at_ = now + options_.call_timeout;
    port_.copy_tables(*coordinator_);
}

void DatabaseMember::serve(Instant now) {
    step_ = Step::serving;
    retry_at_ = never;
    // The tables come from a node that may have lost somebody since.
    for (const auto& [node, peer] : peers_)
        if (!peer.is_consistent) port_.forget(node);
    port_.resume_serving();
    on_joined(now);
    for (const auto node : linked_members())
        if (!peers_.at(node).is_consistent) on_partition(node, now);
}

DatabaseMember::Peer* DatabaseMember::linked_peer(NodeIndex node) {
    const auto found = peers_.find(node);
    return found != peers_.end() && found->second.is_linked ? &found->second : nullptr;
}

std::optional<NodeIndex> DatabaseMember::next_coordinator() const {
    const auto can_be_asked = [this](NodeIndex node) {
        return is_linked(node) && !refusing_.contains(node);
    };
    if (coordinator_.has_value() && can_be_asked(*coordinator_)) return coordinator_;
    for (const auto& [node, peer] : peers_)
        if (can_be_asked(node)) return node;
    return std::nullopt;
}

bool DatabaseMember::is_oldest_linked() const {
    return std::none_of(peers_.begin(), peers_.end(), [this](const auto& entry) {
        return entry.second.is_linked && entry.first < self();
    });
}

bool DatabaseMember::is_admitted() const {
    return is_serving() || step_ == Step::announcing || step_ == Step::copying;
}

bool DatabaseMember::is_together_with(NodeIndex coordinator) const {
    if (coordinator == self()) return true;
    const auto found = peers_.find(coordinator);
    if (found == peers_.end() || !found->second.is_linked) return false;
    return found->second.is_consistent || (!is_serving() && coordinator_ == coordinator);
}

DatabaseMember::Seen DatabaseMember::seen() const {
    Seen seen;
    if (is_serving()) seen.running.push_back(self());
    for (const auto& [node, peer] : peers_) {
        if (!peer.is_member) continue;
        const auto is_running = is_serving() && peer.is_linked && peer.is_consistent;
        (is_running ? seen.running : seen.stopped).push_back(node);
    }
    std::sort(seen.running.begin(), seen.running.end());
    return seen;
}

}  // namespace touchstone::cluster
