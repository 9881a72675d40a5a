// What a client sends: its messages, and how it acknowledges ours.

#include "broker/base/check.hpp"
#include "broker/session/session.hpp"

namespace touchstone {

using wire::PacketType;
using wire::PropertyId;

Result<void> Session::accept(wire::Publish& publish) {
    if (is_v5()) {
        // Only a server sends it [MQTT-3.3.4-6].
        if (publish.properties.has(PropertyId::subscription_identifier))
            return ReasonCode::protocol_error;
        if (const auto alias = publish.properties.integer(PropertyId::topic_alias)) {
            if (*alias > settings().topic_alias_max)  // [MQTT-3.3.2-9]
                return ReasonCode::topic_alias_invalid;
            const auto number = static_cast<std::uint16_t>(*alias);
            if (!inbox_) inbox_ = std::make_unique<Inbox>();
            if (!publish.topic.empty())
                inbox_->set_alias(number, publish.topic);
            else
                publish.topic = inbox_->topic_of(number);
            if (publish.topic.empty()) return ReasonCode::protocol_error;  // §3.3.4: unknown alias
        }
    }
    if (publish.qos == QoS::exactly_once && is_v5()) {
        // The quota begins anew with each connection (§4.9).
        const auto count = inbox_ ? inbox_->received_on_connection() : 0;
        if (count >= settings().receive_maximum && !inbox_->has(*publish.packet_id))
            return ReasonCode::receive_maximum_exceeded;  // §3.3.4
    }
    return boost::outcome_v2::success();
}

Inbox::Received Session::receive_qos_2(SessionContext& context, wire::PacketId packet_id) {
    if (!inbox_) inbox_ = std::make_unique<Inbox>();
    // Before v5 nobody tells the client of a limit or of a message that was not taken, so there is
    // none but the number of Packet Identifiers [MQTT-4.3.3-2 v3.1.1].
    const auto count_max = is_v5() ? zone_->policy.awaiting_release_max : 65'535U;
    const auto received = inbox_->receive(packet_id, count_max);
    if (received == Inbox::Received::is_new && context.ledger != nullptr && is_durable_)
        context.ledger->put(storage::ReceivedRecord{stored_as_, packet_id.raw()});
    return received == Inbox::Received::again && context.defects.has(Defect::qos2_publish_duplicates)
               ? Inbox::Received::is_new
               : received;
}

void Session::unreceive_qos_2(SessionContext& context, wire::PacketId packet_id) {
    if (!inbox_ || !inbox_->release(packet_id)) return;
    if (context.ledger != nullptr && is_durable_)
        context.ledger->erase(storage::key_of_received(stored_as_, packet_id.raw()));
}

void Session::acknowledge(SessionContext& context, const wire::Publish& publish,
                          ReasonCode reason) {
    switch (publish.qos) {
        case QoS::at_most_once: return;
        case QoS::at_least_once:
            if (context.defects.has(Defect::puback_missing)) return;
            send_ack(context, PacketType::puback, *publish.packet_id, reason);
            return;
        case QoS::exactly_once:
            send_ack(context, PacketType::pubrec, *publish.packet_id, reason);
            return;
    }
}

void Session::send_ack(SessionContext& context, PacketType type, wire::PacketId packet_id,
                       ReasonCode reason) {
    context.scratch.clear();
    wire::encode(context.scratch, type, {.packet_id = packet_id, .reason = reason},
                 terms_.version);
    send(context, context.scratch);
}

void Session::on_puback(SessionContext& context, const wire::Ack& ack) {
    auto* const flow = outbox_ ? outbox_->find(ack.packet_id) : nullptr;
    // Unknown, or of a QoS 2 flow: ends nothing, adds nothing to the quota.
    if (flow == nullptr || flow->delivery.qos != QoS::at_least_once) {
        if (context.defects.any()) spoil_stray_puback(context, flow);
        return;
    }
    context.counters.add(Counter::messages_acknowledged);
    outbox_->finish(*flow);
    advance(context);
}

void Session::on_pubrec(SessionContext& context, const wire::Ack& ack) {
    auto* const flow = outbox_ ? outbox_->find(ack.packet_id) : nullptr;
    if (flow == nullptr || flow->delivery.qos != QoS::exactly_once) {
        // v5 has a word for it (§3.6.2.1); before v5 PUBREL is the only answer there is.
        send_ack(context, PacketType::pubrel, ack.packet_id,
                 ReasonCode::packet_identifier_not_found);
        return;
    }
    if (is_failure(ack.reason)) {
        // A PUBREC that refuses the message ends the flow, so the slot is free now, not at PUBCOMP
        // (§4.9).
        context.counters.add(Counter::messages_acknowledged);
        outbox_->finish(*flow);
        advance(context);
        return;
    }
    flow->released = true;
    flow->sent_at = context.now;
    outbox_->resent(*flow);
    // Whoever lets it expire has to know it.
    if (!context.defects.has(Defect::qos2_expiry_removes_release)) flow->delivery.message = {};
    if (context.ledger != nullptr) write(context, *flow);
    if (flow->delivery.extras && !flow->delivery.extras->entry) flow->delivery.extras.reset();
    if (flow->delivery.extras) flow->delivery.extras->group.clear();
    send_ack(context, PacketType::pubrel, flow->packet_id, ReasonCode::success);
}

void Session::on_pubrel(SessionContext& context, const wire::Ack& ack) {
    const bool known = inbox_ && inbox_->has(ack.packet_id);
    if (known) {
        unreceive_qos_2(context, ack.packet_id);
        // Else a crash would bring the identifier back, and the next message under it would be taken
        // for a duplicate.
        if (is_durable_) certify(context);
    }
    send_ack(context, PacketType::pubcomp, ack.packet_id,
             known ? ReasonCode::success : ReasonCode::packet_identifier_not_found);
}

void Session::on_pubcomp(SessionContext& context, const wire::Ack& ack) {
    auto* const flow = outbox_ ? outbox_->find(ack.packet_id) : nullptr;
    if (flow == nullptr || !flow->released) return;
    context.counters.add(Counter::messages_acknowledged);
    outbox_->finish(*flow);
    advance(context);
}

}  // namespace touchstone
