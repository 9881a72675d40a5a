#include "broker/cluster/healing_rounds.hpp"

#include <algorithm>

namespace touchstone::cluster {

void HealingRounds::on_tick(Instant now) {
    DatabaseMember::on_tick(now);
    if (now >= report_at_) report(now);
    if (now >= round_at_) {
        if (round_ == Round::waiting)
            collect(now);
        else
            end_round(false, now);
    }
    if (!plan_.has_value()) return;
    for (auto& [victim, second_call_at] : plan_->victims) {
        if (now < second_call_at) continue;
        second_call_at = never;
        port().send(victim, HealingReboot{});
    }
    if (now >= plan_->given_up_at) end_plan(false, now);
}

Instant HealingRounds::next_tick() const {
    auto next = std::min({DatabaseMember::next_tick(), report_at_, round_at_});
    if (!plan_.has_value()) return next;
    for (const auto& [victim, second_call_at] : plan_->victims)
        next = std::min(next, second_call_at);
    return std::min(next, plan_->given_up_at);
}

bool HealingRounds::may_begin(std::size_t, std::size_t) const {
    return true;
}

bool HealingRounds::is_persistent() const {
    return true;
}

void HealingRounds::on_partition(NodeIndex, Instant now) {
    has_reported_ = false;
    arm_report(now);
}

void HealingRounds::on_lost(NodeIndex node, Instant now) {
    if (round_ == Round::collecting && asked_.contains(node))
        end_round(false, now);
    else if (round_ == Round::healing && round_coordinator_ == node)
        end_round(false, now);
    // A victim that is lost between the two calls (SB-04) does not get the second one.
    if (plan_.has_value()) forget_victim(node, false, now);
}

void HealingRounds::on_stopped(NodeIndex, Instant now) {
    // It should be back before that; and it may be, but with this node left out.
    if (is_persistent()) arm_report(now);
}

void HealingRounds::on_admitted(NodeIndex, Instant now) {
    if (is_persistent()) arm_report(now);
}

void HealingRounds::on_joined(Instant now) {
    if (!rebooted_by_.has_value()) return;
    port().send(*rebooted_by_, HealingRejoined{});
    rebooted_by_.reset();
    if (is_persistent()) arm_report(now);
}

void HealingRounds::on_policy_message(NodeIndex from, const HealingMessage& message, Instant now) {
    std::visit([&](const auto& content) { on_round(from, content, now); }, message);
}

void HealingRounds::arm_report(Instant now) {
    if (!defects().heal_disabled) report_at_ = now + options().report_delay;
}

void HealingRounds::report(Instant now) {
    report_at_ = never;
    if (!sees_partition()) {
        has_reported_ = false;
        return;
    }
    if (is_persistent()) report_at_ = now + options().report_repetition;
    const HealingReport report{.is_repetition = has_reported_};
    has_reported_ = true;
    tell(leader(), report, now);
}

void HealingRounds::on_round(NodeIndex, const HealingReport& report, Instant now) {
    // Who sent it does not reach the leader. Each step is to an older node, so it arrives.
    if (const auto older = leader(); older != self()) return port().send(older, report);
    const auto is_new =
        round_ == Round::idle || (round_ == Round::waiting && !report.is_repetition);
    if (is_new) wait(options().leader_delay, now);
}

void HealingRounds::on_round(NodeIndex from, const HealingViewRequest& request, Instant) {
    port().send(from, HealingViewReply{.round = request.round, .view = view()});
}

void HealingRounds::on_round(NodeIndex from, const HealingViewReply& reply, Instant now) {
    if (round_ != Round::collecting || reply.round != round_number_ || asked_.erase(from) == 0)
        return;
    views_.push_back(reply.view);
    views_.back().owner = from;
    if (asked_.empty()) finish_collecting(now);
}

void HealingRounds::on_round(NodeIndex from, const HealingPlanDone& done, Instant now) {
    if (round_ == Round::healing && done.round == round_number_ && from == round_coordinator_)
        end_round(done.has_succeeded, now);
}

void HealingRounds::wait(Duration delay, Instant now) {
    round_ = Round::waiting;
    round_at_ = now + delay;
}

void HealingRounds::collect(Instant now) {
    const auto linked = linked_members();
    const auto unreachable_count = members().size() - linked.size();
    const auto is_short = defects().heal_needs_all_nodes && unreachable_count > 0;
    if (is_short || !may_begin(unreachable_count, members().size() + 1))
        return wait(options().leader_delay, now);
    round_ = Round::collecting;
    round_at_ = now + options().call_timeout;
    ++round_number_;
    views_ = {view()};
    asked_ = {linked.begin(), linked.end()};
    for (const auto node : linked) port().send(node, HealingViewRequest{.round = round_number_});
    if (asked_.empty()) finish_collecting(now);
}

void HealingRounds::finish_collecting(Instant now) {
    const ClusterViews views{views_};
    if (!views.is_partitioned()) return end_round(true, now);
    std::optional<HealingDecision> decision;
    if (!defects().heal_two_sides_only || views.side_count() <= 2) decision = decide(views);
    if (!decision.has_value()) {
        port().alarm("the partition is none that can be healed: " +
                     std::to_string(views.side_count()) + " different views");
        round_ = Round::idle;
        round_at_ = never;
        return;
    }
    round_ = Round::healing;
    round_at_ = now + 2 * options().call_timeout;
    round_coordinator_ = decision->coordinator;
    // SB-02: what would end the round never comes.
    if (defects().heal_single_shot) round_at_ = never;
    tell(round_coordinator_, HealingPlan{.round = round_number_, .victims = decision->victims},
         now);
}

void HealingRounds::end_round(bool has_succeeded, Instant now) {
    if (defects().heal_single_shot && round_ == Round::healing) return;
    if (!has_succeeded && is_persistent()) return wait(options().retry_delay, now);
    round_ = Round::idle;
    round_at_ = never;
}

void HealingRounds::on_round(NodeIndex from, const HealingPlan& plan, Instant now) {
    if (!is_serving() || plan_.has_value())
        return tell(from, HealingPlanDone{.round = plan.round, .has_succeeded = false}, now);
    plan_ = Plan{.leader = from, .round = plan.round, .given_up_at = now + options().call_timeout};
    for (const auto victim : plan.victims) {
        if (!is_linked(victim)) {
            plan_->has_succeeded = false;
            continue;
        }
        plan_->victims[victim] = never;
        if (defects().heal_two_phase_rpc)
            port().send(victim, HealingShutdown{});
        else
            port().send(victim, HealingReboot{});
    }
    if (plan_->victims.empty()) end_plan(plan_->has_succeeded, now);
}

void HealingRounds::on_round(NodeIndex from, const HealingShutdownDone&, Instant now) {
    if (!plan_.has_value()) return;
    const auto victim = plan_->victims.find(from);
    if (victim == plan_->victims.end()) return;
    const auto spread = options().reboot_pause_high - options().reboot_pause_low;
    const auto drawn = port().random() % static_cast<std::uint64_t>(spread.count() + 1);
    victim->second = now + options().reboot_pause_low + Duration{drawn};
}

void HealingRounds::on_round(NodeIndex from, const HealingRebootRefused&, Instant now) {
    forget_victim(from, false, now);
}

void HealingRounds::on_round(NodeIndex from, const HealingRejoined&, Instant now) {
    forget_victim(from, true, now);
}

void HealingRounds::forget_victim(NodeIndex victim, bool has_rejoined, Instant now) {
    if (!plan_.has_value() || plan_->victims.erase(victim) == 0) return;
    plan_->has_succeeded = plan_->has_succeeded && has_rejoined;
    if (plan_->victims.empty()) end_plan(plan_->has_succeeded, now);
}

void HealingRounds::end_plan(bool has_succeeded, Instant now) {
    const auto leader = plan_->leader;
    const HealingPlanDone done{.round = plan_->round, .has_succeeded = has_succeeded};
    plan_.reset();
    tell(leader, done, now);
}

void HealingRounds::on_round(NodeIndex from, const HealingShutdown&, Instant) {
    if (is_serving()) shut_down();
    if (step() == Step::shut_down) port().send(from, HealingShutdownDone{});
}

void HealingRounds::on_round(NodeIndex from, const HealingReboot&, Instant now) {
    // Who tells others to copy its tables keeps them.
    if (plan_.has_value()) return port().send(from, HealingRebootRefused{});
    if (!is_serving() && step() != Step::shut_down) return;
    rebooted_by_ = from;
    round_ = Round::idle;
    round_at_ = never;
    reboot(from, now);
}

}  // namespace touchstone::cluster
