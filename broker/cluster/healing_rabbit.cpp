#include "broker/cluster/healing_rabbit.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace touchstone::cluster {

std::optional<HealingDecision> RabbitAutoheal::decide(const ClusterViews& views) const {
    const auto cliques = views.cliques();
    const auto rank = [&](const NodeGroup& clique) {
        std::uint64_t clients = 0;
        for (const auto& view : views.views())
            if (contains(clique, view.owner)) clients += view.client_count;
        return std::tuple{std::numeric_limits<std::uint64_t>::max() - clients,
                          views_max - clique.size(), !contains(clique, self()), clique};
    };
    const auto first =
        std::min_element(cliques.begin(), cliques.end(),
                         [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return keep_group(views, *first, defects().heal_asymmetric_unsupported);
}

void RabbitPauseMinority::on_peer_up(NodeIndex peer, Instant now) {
    DatabaseMember::on_peer_up(peer, now);
    if (step() != Step::paused || !may_serve()) return;
    waits_for_all_ = false;
    join(std::nullopt, now);
}

void RabbitPauseMinority::on_tick(Instant now) {
    DatabaseMember::on_tick(now);
    if (now < ask_at_) return;
    ask_at_ = never;
    if (!sees_partition()) return;
    for (const auto member : linked_members()) port().send(member, HealingViewRequest{});
}

Instant RabbitPauseMinority::next_tick() const {
    return std::min(DatabaseMember::next_tick(), ask_at_);
}

void RabbitPauseMinority::on_partition(NodeIndex, Instant now) {
    // Most probably it pauses, or has, and joins by itself. It is asked whether it does not.
    ask_at_ = now + options().report_delay;
}

void RabbitPauseMinority::on_stopped(NodeIndex peer, Instant now) {
    on_partition(peer, now);
}

void RabbitPauseMinority::on_lost(NodeIndex peer, Instant now) {
    for (const auto member : linked_members())
        port().send(member, HealingPartialCheck{.suspect = peer});
    if (options().defects.pause_minority_missed) {
        // SB-30: one look for all losses of an instant, at the first, and none amid a recovery.
        const auto is_missed = judged_at_ == now || !is_serving();
        judged_at_ = now;
        if (is_missed) return;
    }
    if (step() != Step::paused && !may_serve()) pause();
}

void RabbitPauseMinority::on_policy_message(NodeIndex from, const HealingMessage& message,
                                            Instant now) {
    if (std::holds_alternative<HealingViewRequest>(message)) {
        port().send(from, HealingViewReply{.view = view()});
    } else if (const auto* view_reply = std::get_if<HealingViewReply>(&message)) {
        if (view_reply->view.is_serving && sees_partition() && !contains(view().running, from))
            start_again(now);
    } else if (const auto* check = std::get_if<HealingPartialCheck>(&message)) {
        if (is_linked(check->suspect)) port().send(check->suspect, HealingProbe{.asker = from});
    } else if (const auto* probe = std::get_if<HealingProbe>(&message)) {
        port().send(from, HealingProbeReply{.asker = probe->asker});
    } else if (const auto* reply = std::get_if<HealingProbeReply>(&message)) {
        if (is_linked(reply->asker))
            port().send(reply->asker, HealingPartialPartition{.suspect = from});
    } else if (const auto* partial = std::get_if<HealingPartialPartition>(&message)) {
        if (is_linked(partial->suspect) || !contains(members(), partial->suspect)) return;
        waits_for_all_ = true;
        if (step() != Step::paused) pause();
    }
}

void RabbitPauseMinority::start_again(Instant now) {
    // The link was gone for so short a time that both kept serving, as in a partial partition.
    pause();
    if (may_serve()) join(std::nullopt, now);
}

bool RabbitPauseMinority::may_start_alone() const {
    return may_serve() || options().defects.pause_minority_missed;
}

bool RabbitPauseMinority::may_serve() const {
    const auto others = members().size();
    const auto reached = linked_members().size();
    return waits_for_all_ ? reached == others : 2 * (reached + 1) > others + 1;
}

}  // namespace touchstone::cluster
