// What members do wrong when a switch is on that takes more than a line where the rule stands.

#include <algorithm>
#include <utility>

#include "broker/cluster/member.hpp"

namespace touchstone::cluster {

namespace {

/// From the verdict that a node is down until its routes go (purge_after_rejoin).
constexpr Duration late_purge_delay = std::chrono::seconds{10};
/// Between two rows of a clean-up that takes its time (sweeper_crash_on_churn).
constexpr Duration sweep_interval = std::chrono::milliseconds{1};

}  // namespace

void Member::spoil_loss(NodeIndex peer, Instant now) {
    if (has(Defect::purge_on_nodedown)) remove_routes_of(peer);
    if (has(Defect::registry_third_party_cleanup)) {
        remove_sessions_of(peer);
        cleaned_at_us_[peer] = now.time_since_epoch().count();
    }
    if (has(Defect::sweeper_crash_on_churn)) sweep_ = Sweep{peer, now + sweep_interval};
    if (has(Defect::purge_after_rejoin)) late_purges_.emplace_back(now + late_purge_delay, peer);
    if (has(Defect::uncertainty_window)) kept_messages_.erase(peer);
    if (has(Defect::overlap_prevention_cascade))
        for (const auto other : linked_) port_.send(other, LinkLost{peer});
}

void Member::on(NodeIndex, const LinkLost& lost, Instant now) {
    if (!linked_.contains(lost.node)) return;
    port_.send(lost.node, LinkDropped{});
    on_peer_down(lost.node, now);
}

void Member::on(NodeIndex from, const LinkDropped&, Instant now) {
    on_peer_down(from, now);
}

void Member::purge_late(Instant now) {
    while (!late_purges_.empty() && late_purges_.front().first <= now) {
        const auto node = late_purges_.front().second;
        late_purges_.pop_front();
        remove_routes_of(node);
    }
}

void Member::sweep(Instant now) {
    if (!sweep_ || now < sweep_->next_row_at) return;
    const auto node = sweep_->node;
    const auto row = std::ranges::find_if(
        sessions_, [node](const auto& one) { return one.second.contains(node); });
    if (row == sessions_.end()) return sweep_.reset();
    row->second.erase(node);
    if (row->second.empty()) sessions_.erase(row);
    sweep_->next_row_at = now + sweep_interval;
}

void Member::publish_anew(NodeIndex to, Instant now) {
    for (const auto& one : std::exchange(kept_messages_[to], {})) {
        const auto* const publication = std::get_if<NodePublication>(&one.message);
        if (publication == nullptr) continue;
        publish(PeerPublication{publication->message, publication->version}, now);
        deliver_here(publication->message, publication->version);
    }
}

bool Member::is_cleaned(NodeIndex from, const RowStamp& stamp) const {
    const auto found = cleaned_at_us_.find(from);
    return found != cleaned_at_us_.end() && stamp.at_us <= found->second;
}

void Member::answer_withheld() {
    if (running_.size() + 1 < options_.nodes.size()) return;
    for (const auto& [shard, sequence] : std::exchange(withheld_, {}))
        port_.tell(shard, PeerRouteAdded{sequence});
}

void Member::kick_announced(Instant now) {
    // All that are announced anew have been here all the time.
    std::vector<std::string> own;
    for (const auto& [client_id, nodes] : sessions_)
        if (nodes.contains(options_.self)) own.push_back(client_id);
    for (const auto& client_id : own)
        evict({.to = std::nullopt, .newer = options_.self, .client_id = client_id},
              SessionFate::ends, now);
}

}  // namespace touchstone::cluster
