// What of a session outlives the process: written here whenever it changes, and taken back in here.

#include <limits>

#include "broker/base/check.hpp"
#include "broker/session/session.hpp"

namespace touchstone {

using storage::DeliveryRecord;

void Session::enter(SessionContext& context, Publication& publication, Delivery& delivery,
                    bool is_of_lasting_group) const {
    // QoS 0 is lost with whoever holds it (§4.3.1). A shared message is not its member's alone: it
    // is kept for the others, if there will be any.
    const bool is_kept = is_durable_ || is_of_lasting_group;
    if (!is_kept || delivery.qos == QoS::at_most_once) return;
    if (!is_connected() && context.defects.has(Defect::offline_single_copy)) return;
    if (!delivery.extras) delivery.extras = std::make_unique<DeliveryExtras>();
    delivery.extras->entry =
        storage::DeliveryEntry{*context.ledger, is_durable_ ? stored_as_ : storage::no_session,
                               publication.kept(*context.ledger)};
}

DeliveryRecord Session::record_of(const Delivery& delivery, const Outbox::Flow* flow) {
    DeliveryRecord record{
        .qos = delivery.qos, .retain = delivery.retain, .snapshot = delivery.snapshot};
    if (delivery.extras) {
        record.identifiers = delivery.extras->more_identifiers;
        record.group = delivery.extras->group;
    }
    if (delivery.identifier != 0)
        record.identifiers.insert(record.identifiers.begin(), delivery.identifier);
    if (flow != nullptr) {
        record.state =
            flow->released ? DeliveryRecord::State::released : DeliveryRecord::State::in_flight;
        record.packet_id = flow->packet_id.raw();
    }
    return record;
}

void Session::write(Delivery& delivery, const Outbox::Flow* flow) {
    if (!delivery.extras || !delivery.extras->entry) return;
    delivery.extras->entry.write(record_of(delivery, flow));
}

void Session::write(SessionContext& context, Outbox::Flow& flow) const {
    if (!flow.delivery.extras || !flow.delivery.extras->entry) return;
    auto& entry = flow.delivery.extras->entry;
    if (is_durable_) {
        write(flow.delivery, &flow);
        certify(context);
    } else if (flow.delivery.qos == QoS::exactly_once) {
        // Nobody else gets it once it was sent, after a crash either [MQTT-4.8.2-5].
        if (entry.is_written()) certify(context);
        entry = {};
    } else if (!entry.is_written()) {
        write(flow.delivery, nullptr);
    }
}

bool Session::restore(SessionContext& context, const DeliveryRecord& found, MessageRef message,
                      storage::DeliveryEntry entry, std::size_t paged_bytes) {
    auto& box = made_outbox();
    Delivery delivery{.message = std::move(message),
                      .qos = found.qos,
                      .retain = found.retain,
                      .snapshot = found.snapshot};
    delivery.extras = std::make_unique<DeliveryExtras>();
    if (!found.identifiers.empty()) {
        delivery.identifier = found.identifiers.front();
        delivery.extras->more_identifiers.assign(found.identifiers.begin() + 1,
                                                 found.identifiers.end());
    }
    delivery.extras->group = found.group;
    delivery.extras->entry = std::move(entry);
    delivery.extras->paged_bytes = paged_bytes;
    if (found.state != DeliveryRecord::State::waiting) {
        const auto packet_id = wire::PacketId::from_wire(found.packet_id);
        if (!packet_id || box.find(packet_id.value()) != nullptr) return false;
        box.restore(packet_id.value(), found.state == DeliveryRecord::State::released,
                    std::move(delivery));
    } else {
        // What was kept once is not dropped because the process began anew.
        Settings unbounded;
        unbounded.queue_messages_max = std::numeric_limits<std::uint32_t>::max();
        unbounded.queue_bytes_max = std::numeric_limits<std::size_t>::max();
        const auto before_bytes = box.resident_bytes();
        CHECK(box.enqueue(std::move(delivery), zone_->policy.queue_priorities, unbounded).count ==
              0);
        account(context, before_bytes);
    }
    context.counters.add(Counter::messages_matched);
    return true;
}

void Session::restore_received(wire::PacketId packet_id) {
    if (!inbox_) inbox_ = std::make_unique<Inbox>();
    inbox_->receive(packet_id, std::numeric_limits<std::size_t>::max());
}

void Session::copy_to(storage::SessionCopy& copy) const {
    const auto add = [&](const Delivery& delivery, const Outbox::Flow* flow) {
        auto& record = copy.deliveries.emplace_back(record_of(delivery, flow));
        if (!delivery.message) return;
        copy.messages.push_back(delivery.message);
        record.message = copy.messages.size();
    };
    if (outbox_) {
        for (const auto& flow : outbox_->flows()) add(flow.delivery, &flow);
        for (const auto& delivery : outbox_->waiting()) add(delivery, nullptr);
    }
    if (!inbox_) return;
    for (const auto packet_id : inbox_->unreleased())
        copy.received.push_back({.packet_id = packet_id});
}

void Session::adopt(SessionContext& context, const DeliveryRecord& found, MessageRef message) {
    auto record = found;
    const auto packet_id = wire::PacketId::from_wire(found.packet_id);
    if (record.state != DeliveryRecord::State::waiting &&
        made_outbox().find(packet_id.value()) != nullptr) {
        if (record.state == DeliveryRecord::State::released) return;
        record.state = DeliveryRecord::State::waiting;
        record.packet_id = 0;
    }
    storage::DeliveryEntry entry;
    if (context.ledger != nullptr && is_durable_ && record.qos != QoS::at_most_once) {
        entry = {*context.ledger, stored_as_,
                 message ? context.ledger->keep(message) : storage::MessageShare{}};
        entry.write(record);
    }
    CHECK(restore(context, record, std::move(message), std::move(entry)));
}

void Session::adopt_received(SessionContext& context, wire::PacketId packet_id) {
    restore_received(packet_id);
    if (context.ledger != nullptr && is_durable_)
        context.ledger->put(storage::ReceivedRecord{stored_as_, packet_id.raw()});
}

void Session::erase_received(SessionContext& context) const {
    if (context.ledger == nullptr || !is_durable_ || !inbox_) return;
    for (const auto packet_id : inbox_->unreleased())
        context.ledger->erase(storage::key_of_received(stored_as_, packet_id));
}

}  // namespace touchstone
