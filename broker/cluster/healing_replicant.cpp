#include "broker/cluster/healing_replicant.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace touchstone::cluster {

ReplicantHealing::ReplicantHealing(const HealingOptions& options, HealingPort& port)
    : options_{options},
      port_{port},
      cores_{options.nodes} {
    std::erase_if(cores_, [&](NodeIndex node) { return contains(options.replicants, node); });
    std::sort(cores_.begin(), cores_.end());
    rank_ = static_cast<std::size_t>(
        std::count_if(options.replicants.begin(), options.replicants.end(),
                      [&](NodeIndex node) { return node < options.self; }));
}

void ReplicantHealing::on_start(HealingStart how, Instant now) {
    waits_for_tables_ = how != HealingStart::formed;
    poll_at_ = now;
}

void ReplicantHealing::on_peer_up(NodeIndex peer, Instant now) {
    if (!contains(cores_, peer) || !linked_.insert(peer).second || upstream_.has_value()) return;
    poll_at_ = std::min(poll_at_, now + options_.core_discovery_delay);
}

void ReplicantHealing::on_peer_down(NodeIndex peer, Instant now) {
    if (linked_.erase(peer) > 0) lose(peer, now);
}

void ReplicantHealing::on_message(NodeIndex from, const HealingMessage& message, Instant now) {
    if (!linked_.contains(from)) return;
    if (std::holds_alternative<HealingStopped>(message)) return lose(from, now);
    const auto* const reply = std::get_if<HealingViewReply>(&message);
    if (reply == nullptr || reply->round != round_ || asked_.erase(from) == 0) return;
    views_[from] = reply->view;
    views_[from].owner = from;
    if (asked_.empty()) choose();
}

void ReplicantHealing::on_rebooted(Instant) {}  // A replicant is never told to start again.

void ReplicantHealing::on_copied(Instant) {
    if (std::exchange(waits_for_tables_, false)) port_.resume_serving();
}

void ReplicantHealing::on_tick(Instant now) {
    if (now < poll_at_) return;
    // A core that does not answer is not waited for any longer; one that may still, is.
    if (!asked_.empty() && asked_at_ + options_.core_poll_interval <= now) choose();
    asked_at_ = now;
    poll_at_ = now + options_.core_poll_interval;
    ++round_;
    views_.clear();
    asked_ = linked_;
    for (const auto core : linked_) port_.send(core, HealingViewRequest{.round = round_});
}

Instant ReplicantHealing::next_tick() const {
    return poll_at_;
}

HealingHealth ReplicantHealing::health() const {
    HealingHealth health{.running = group_, .upstream = upstream_};
    for (const auto core : cores_)
        if (!contains(group_, core)) health.stopped.push_back(core);
    if (waits_for_tables_)
        health.state = HealingState::stopped;
    else if (!upstream_.has_value() || has_alarmed_)
        health.state = HealingState::partitioned;
    else if (!health.stopped.empty())
        health.state = HealingState::member_down;
    return health;
}

void ReplicantHealing::lose(NodeIndex core, Instant now) {
    asked_.erase(core);
    views_.erase(core);
    poll_at_ = now;
    if (upstream_ == core) upstream_.reset();
}

void ReplicantHealing::choose() {
    std::vector<NodeView> answers;
    for (const auto& [core, view] : views_) answers.push_back(view);
    auto groups = ClusterViews{answers}.cliques();
    if (groups.empty()) return;
    // SB-09: as long as the cores do not all see the same, none of them is good enough.
    if (options_.defects.replicant_needs_one_core_view && groups.front() != cores_) return;

    if (groups.size() > 1 && !has_alarmed_)
        port_.alarm("the cores are split into " + std::to_string(groups.size()) + " groups");
    has_alarmed_ = groups.size() > 1;
    const auto rank = [this](const NodeGroup& group) {
        const auto kept = std::count_if(group.begin(), group.end(),
                                        [this](NodeIndex core) { return contains(group_, core); });
        return std::tuple{-kept, views_max - group.size(), group};
    };
    group_ = *std::min_element(groups.begin(), groups.end(),
                               [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    if (upstream_.has_value() && contains(group_, *upstream_) && !wants_another()) return;
    if (upstream_.has_value()) port_.send(*upstream_, HealingAttach{.is_attached = false});
    upstream_ = least_loaded(group_);
    // On one link in this order: what is written after the copy was made is sent here, too.
    port_.send(*upstream_, HealingAttach{.is_attached = true});
    port_.copy_tables(*upstream_);
}

NodeIndex ReplicantHealing::least_loaded(const NodeGroup& group) {
    const auto load = [this](NodeIndex core) { return views_.at(core).agent_count; };
    auto least = load(group.front());
    for (const auto core : group) least = std::min(least, load(core));
    NodeGroup candidates = group;
    std::erase_if(candidates, [&](NodeIndex core) { return load(core) > least; });
    // Those that choose at the same time do not all choose the same one.
    return candidates[rank_ % candidates.size()];
}

bool ReplicantHealing::wants_another() {
    const auto own = views_.at(*upstream_).agent_count;
    const auto least = views_.at(least_loaded(group_)).agent_count;
    // SB-39: it goes wherever there seems to be less to do.
    if (options_.defects.replica_magnet) return least < own;
    // All that the core feeds see the same; one of them goes.
    return own > least + 1 && port_.random() % own == 0;
}

}  // namespace touchstone::cluster
