// What a Session does wrong when a defect switch asks for it. Nothing here is used without one.

#include <algorithm>
#include <limits>

#include "broker/session/session.hpp"

namespace touchstone {

namespace {

bool is_shared(const Outbox::Flow& flow) {
    return flow.delivery.extras && !flow.delivery.extras->group.empty();
}

}  // namespace

void Session::spoil_terms(const SessionContext& context, ConnectionTerms& terms) const {
    const bool has_flows = outbox_ && !outbox_->flows().empty();
    if (context.defects.has(Defect::recvmax_overwritten_on_takeover) && has_flows)
        terms.receive_maximum = terms_.receive_maximum;
}

void Session::spoil_begin(SessionContext& context) {
    if (!outbox_) return;
    if (context.defects.has(Defect::quota_carried_over)) outbox_->carry_quota();
    if (context.defects.has(Defect::pid_alloc_restart_on_resume)) outbox_->restart_packet_ids();
}

void Session::spoil_resume(SessionContext& context) {
    const auto& defects = context.defects;
    if (defects.has(Defect::offline_queue_batch_reversed)) outbox_->reverse_batches(window());
    if (defects.has(Defect::qos2_expiry_removes_release)) {
        const auto ended = outbox_->finish_if([&](const Outbox::Flow& flow) {
            return flow.released && flow.delivery.message &&
                   flow.delivery.message->expires_at() <= context.now;
        });
        context.counters.add(Counter::messages_acknowledged, ended);
    }
    const auto before_bytes = outbox_->resident_bytes();
    if (defects.has(Defect::new_before_retransmit) ||
        defects.has(Defect::pid_alloc_restart_on_resume))
        while (outbox_->has_waiting() && outbox_->front().qos != QoS::at_most_once &&
               outbox_->flows().size() < settings().packet_id_max &&
               outbox_->quota_used() < window())
            start_flow(context, outbox_->take_front());
    account(context, before_bytes);
}

void Session::spoil_end(SessionContext& context) {
    const auto& defects = context.defects;
    if (defects.has(Defect::qos2_rx_not_in_session)) inbox_.reset();
    if (!outbox_) return;
    if (defects.has(Defect::drop_inflight_on_disconnect))
        outbox_->finish_if([](const Outbox::Flow&) { return true; });
    if (defects.has(Defect::migration_batch_lost) && outbox_->has_waiting())
        outbox_->finish_if([](const Outbox::Flow& flow) { return !flow.released; });
    // What was written counts as delivered.
    if (defects.has(Defect::share_ack_on_write))
        context.counters.add(Counter::messages_acknowledged, outbox_->finish_if(is_shared));
    if (defects.has(Defect::halfopen_first_loss) && !outbox_->flows().empty()) {
        outbox_->finish(outbox_->flows().front());
        context.counters.add(Counter::messages_acknowledged);
    }
}

const Settings& Session::limits_of_queue(const SessionContext& context) const {
    static const Settings unbounded = [] {
        Settings none;
        none.queue_messages_max = std::numeric_limits<std::uint32_t>::max();
        none.queue_bytes_max = std::numeric_limits<std::size_t>::max();
        return none;
    }();
    static const Settings empty = [] {
        Settings none;
        none.queue_messages_max = 0;
        return none;
    }();
    if (context.defects.has(Defect::unbounded_inflight)) return unbounded;
    if (context.defects.has(Defect::zero_means_drop_all) &&
        settings().queue_messages_max == unbounded.queue_messages_max)
        return empty;
    return settings();
}

void Session::spoil_queue(SessionContext& context) {
    const auto& newest = outbox_->waiting().back();
    if (context.defects.has(Defect::share_credit_leak) && newest.extras &&
        !newest.extras->group.empty())
        outbox_->leak_quota();
    if (!context.defects.has(Defect::live_bypasses_backlog) || !connected_) return;
    outbox_->let_newest_overtake();
    const bool is_flow = outbox_->front().qos != QoS::at_most_once;
    if (!is_flow || outbox_->resends_owed() == 0 || !is_window_open(context)) return;
    const auto before_bytes = outbox_->resident_bytes();
    start_flow(context, outbox_->take_front());
    account(context, before_bytes);
}

void Session::spoil_stray_puback(SessionContext& context, Outbox::Flow* flow) {
    if (!outbox_) return;
    if (flow == nullptr && context.defects.has(Defect::quota_inc_on_unknown_ack))
        outbox_->refund_quota();
    if (flow != nullptr && context.defects.has(Defect::ack_type_confusion)) {
        context.counters.add(Counter::messages_acknowledged);
        outbox_->finish(*flow);
    }
    advance(context);
}

void Session::send_unregistered(SessionContext& context, Publication& publication,
                                const Grant& grant) {
    context.counters.add(Counter::messages_matched);
    context.counters.add(Counter::messages_acknowledged);
    const Delivery delivery{.message = publication.message(),
                            .qos = min(grant.qos, publication.fields().qos),
                            .retain = grant.retain,
                            .identifier = grant.identifier};
    send_publish(context, publication.fields(), delivery.message, delivery, false,
                 made_outbox().peek_packet_id());
}

void Session::truncate_queue(SessionContext& context, std::size_t count) {
    if (!outbox_) return;
    const auto before_bytes = outbox_->resident_bytes();
    outbox_->truncate(count);
    account(context, before_bytes);
}

}  // namespace touchstone
