#include "broker/session/session.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone {
namespace {

/// Payloads from this size on are sent from where they lie instead of being copied.
constexpr std::size_t shared_payload_bytes_min = 2'048;

/// Messages that are read from storage at a time.
constexpr std::size_t page_messages_max = 64;

/// From a retry that found output waiting for storage to the next one: about what a sync takes.
constexpr Duration held_retry_interval = std::chrono::milliseconds{10};

using wire::PacketType;
using wire::PropertyId;

/// The Message Expiry Interval that is left, in whole seconds, begun ones included [MQTT-3.3.2-6].
std::uint32_t remaining_expiry_s(Instant expires_at, Instant now) {
    if (expires_at <= now) return 0;
    return static_cast<std::uint32_t>(
        std::chrono::ceil<std::chrono::seconds>(expires_at - now).count());
}

bool has_expired(const MessageFields& fields, Instant now) {
    return fields.expires_at <= now;
}

void put_publish_properties(wire::PropertiesWriter& to, const MessageFields& fields, Instant now) {
    to.clear();
    if (fields.expires_at != never)
        to.put_integer(PropertyId::message_expiry_interval,
                       remaining_expiry_s(fields.expires_at, now));
    if (!fields.properties.empty()) to.put_encoded(fields.properties);
}

}  // namespace

// --- Life ---------------------------------------------------------------------------------------

void Session::attach(ConnectionId connection, const ConnectionTerms& terms,
                     const access::Mountpoint* mountpoint, std::unique_ptr<StoredWill> will) {
    CHECK(!connected_);
    connection_ = connection;
    connected_ = true;
    terms_ = terms;
    mountpoint_ = mountpoint;
    unwritten_bytes_ = 0;
    will_ = std::move(will);
    aliases_.reset();  // they are of one Network Connection [MQTT-3.3.2-7]
    if (outbox_) outbox_->begin_connection();
    if (inbox_) inbox_->begin_connection();
}

void Session::resume(SessionContext& context) {
    if (!outbox_) return;
    if (context.defects.any()) spoil_resume(context);
    advance(context);
}

void Session::detach() {
    CHECK(connected_);
    connected_ = false;
    aliases_.reset();
    if (inbox_) inbox_->begin_connection();
    free_idle_parts();
}

Outbox& Session::made_outbox() {
    if (!outbox_) outbox_ = std::make_unique<Outbox>();
    return *outbox_;
}

void Session::free_idle_parts() {
    // The counter of Packet Identifiers goes with it: with nothing in flight any of them is free.
    if (outbox_ && outbox_->is_idle()) {
        CHECK(outbox_->account.list == 0);  // the ledger would keep a pointer to what is gone
        outbox_.reset();
    }
    if (inbox_ && inbox_->is_empty()) inbox_.reset();
}

std::size_t Session::window() const {
    const std::size_t granted = std::min(settings().inflight_max, settings().packet_id_max);
    return is_v5() ? std::min<std::size_t>(granted, terms_.receive_maximum) : granted;
}

bool Session::is_ready() const {
    return connected_ && (!outbox_ || (!outbox_->has_waiting() &&
                                       outbox_->quota_used() < window()));
}

// --- To the client --------------------------------------------------------------------------------

bool Session::send(SessionContext& context, Bytes packet) {
    if (packet.size() > terms_.packet_size_bytes_max) return false;
    unwritten_bytes_ += packet.size();
    context.counters.add(Counter::bytes_sent, packet.size());
    context.network.send(connection_, packet);
    return true;
}

void Session::on_written(SessionContext& context, std::size_t size_bytes) {
    const bool was_congested = is_congested(context);
    unwritten_bytes_ -= std::min(unwritten_bytes_, size_bytes);
    if (was_congested && !is_congested(context) && outbox_) advance(context);
}

void Session::count_publish_sent(SessionContext& context, QoS qos) {
    switch (qos) {
        case QoS::at_most_once: context.counters.add(Counter::publish_sent_qos_0); return;
        case QoS::at_least_once: context.counters.add(Counter::publish_sent_qos_1); return;
        case QoS::exactly_once: context.counters.add(Counter::publish_sent_qos_2); return;
    }
}

void Session::deliver(SessionContext& context, Publication& publication, const Grant& grant) {
    context.counters.add(Counter::messages_matched);
    const auto asked = publication.fields().qos;
    auto qos = context.defects.has(Defect::qos_not_lowered) ? asked : min(grant.qos, asked);
    if (zone_->policy.deliver_with_higher_qos) qos = max(grant.qos, asked);
    const auto make_delivery = [&] {
        Delivery delivery{.message = publication.message(),
                          .qos = qos,
                          .retain = grant.retain,
                          .snapshot = grant.snapshot,
                          .identifier = grant.identifier};
        if (grant.more_identifiers != nullptr || !grant.group.empty()) {
            delivery.extras = std::make_unique<DeliveryExtras>();
            if (grant.more_identifiers != nullptr)
                delivery.extras->more_identifiers = *grant.more_identifiers;
            delivery.extras->group = grant.group;
        }
        if (context.ledger != nullptr) enter(context, publication, delivery, grant.is_of_lasting_group);
        return delivery;
    };
    if (!connected_) {
        if (qos == QoS::at_most_once && !settings().queue_qos_0_offline) {
            context.counters.add(Counter::dropped_offline_qos_0);
            return;
        }
        keep(context, make_delivery());
        return;
    }
    // Others get the same bytes.
    const bool plain = mountpoint_ == nullptr &&
                       (!is_v5() || (grant.identifier == 0 && terms_.topic_alias_max == 0));
    if (qos == QoS::at_most_once) {
        if (is_congested(context) || (outbox_ && outbox_->has_waiting_qos_0())) {
            keep(context, make_delivery());
            return;
        }
        const bool sent = plain ? send_shared_publish(context, publication, qos, grant.retain, {})
                                : send_publish(context, publication.fields(),
                                               publication.message(), make_delivery(), false, {});
        context.counters.add(sent ? Counter::publish_sent_qos_0 : Counter::dropped_too_large);
        return;
    }
    auto& box = made_outbox();
    const bool backlog = box.has_waiting();
    const bool has_identifier =
        box.flows().size() < settings().packet_id_max || !checks_packet_ids(context);
    if (backlog || !is_window_open(context) || !has_identifier || box.resends_owed() != 0 ||
        is_congested(context)) {
        keep(context, make_delivery());
        return;
    }
    if (!plain) {
        start_flow(context, make_delivery());
        return;
    }
    auto& flow = box.start(make_delivery(), context.now, settings().packet_id_max,
                           checks_packet_ids(context));
    if (context.ledger != nullptr) write(context, flow);
    if (!send_shared_publish(context, publication, qos, grant.retain, flow.packet_id)) {
        context.counters.add(Counter::dropped_too_large);
        box.finish(flow);
        return;
    }
    box.count_on_connection(flow);
    count_publish_sent(context, qos);
}

void Session::keep(SessionContext& context, Delivery delivery) {
    auto& box = made_outbox();
    const auto before_bytes = box.resident_bytes();
    if (context.ledger != nullptr) write(delivery, nullptr);
    const auto dropped = box.enqueue(std::move(delivery), zone_->policy.queue_priorities,
                                     limits_of_queue(context));
    account(context, before_bytes);
    if (!context.defects.has(Defect::overflow_silent))
        context.counters.add(Counter::dropped_queue_full, dropped.count);
    if (context.defects.any() && !dropped.is_new) spoil_queue(context);
}

void Session::account(SessionContext& context, std::size_t before_bytes) {
    outbox_->account.owner = owner_;
    context.queues.change(outbox_->account, before_bytes, outbox_->resident_bytes());
}

std::vector<Delivery> Session::take_shared(SessionContext& context) {
    if (!outbox_) return {};
    const auto before_bytes = outbox_->resident_bytes();
    auto taken = outbox_->take_shared();
    account(context, before_bytes);
    return taken;
}

void Session::forget_queue(SessionContext& context) {
    if (outbox_) context.queues.change(outbox_->account, outbox_->resident_bytes(), 0);
}

void Session::evict_oldest(SessionContext& context) {
    const auto before_bytes = outbox_->resident_bytes();
    outbox_->drop_oldest();
    account(context, before_bytes);
    context.counters.add(Counter::dropped_memory_full);
    if (!connected_) free_idle_parts();
}

std::size_t Session::page_out(SessionContext& context) {
    if (!is_durable_ || !outbox_) return 0;
    const auto before_bytes = outbox_->resident_bytes();
    const auto count = outbox_->page_out(context.ledger->stored_number());
    if (count == 0) return 0;
    account(context, before_bytes);
    context.counters.add(Counter::messages_paged_out, count);
    return count;
}

void Session::ask_for_pages(SessionContext& context) {
    if (outbox_->read_under_way != 0) return;
    const auto room = std::min(window() - outbox_->quota_used(),
                               settings().packet_id_max - outbox_->flows().size());
    const auto wanted = outbox_->paged_front(std::min(room, page_messages_max));
    outbox_->read_under_way = context.ledger->read(wanted);
    context.reads.push_back({outbox_->read_under_way, owner_, wanted});
}

void Session::on_read(SessionContext& context, const PageRead& read, const ReadAnswer& outcome) {
    if (!outbox_ || outbox_->read_under_way != read.number) return;
    outbox_->read_under_way = 0;
    if (outcome.values.empty()) return;
    CHECK(outcome.values.size() == read.messages.size());
    const auto before_bytes = outbox_->resident_bytes();
    for (std::size_t i = 0; i < outcome.values.size(); ++i) {
        const auto& value = outcome.values[i];
        auto message = value ? context.ledger->message_of(read.messages[i], *value) : MessageRef{};
        const auto counter = message ? Counter::messages_paged_in : Counter::dropped_unreadable;
        if (outbox_->page_in(read.messages[i], std::move(message))) context.counters.add(counter);
    }
    account(context, before_bytes);
    advance(context);
}

bool Session::send_shared_publish(SessionContext& context, Publication& publication, QoS qos,
                                  bool retain, std::optional<wire::PacketId> packet_id) {
    const auto& fields = publication.fields();
    auto& encoded = context.encoded.of(publication, is_v5(), qos, retain);
    const bool payload_apart = fields.payload.size() >= shared_payload_bytes_min;
    if (encoded.serial != publication.serial) {
        encoded.serial = publication.serial;
        encoded.bytes.clear();
        wire::Publish packet{.qos = qos,
                             .retain = retain,
                             .topic = fields.topic,
                             .packet_id = packet_id,
                             .payload = fields.payload};
        if (is_v5()) {
            put_publish_properties(context.properties, fields, context.now);
            packet.properties = context.properties.view();
        }
        if (!wire::fits_remaining_length(packet, terms_.version)) {
            encoded.serial = 0;
            return false;
        }
        if (payload_apart)
            wire::encode_head(encoded.bytes, packet, terms_.version);
        else
            wire::encode(encoded.bytes, packet, terms_.version);
        if (packet_id) {
            // The Packet Identifier stands behind the Topic Name (§3.3.2.2).
            const auto remaining_length_at = std::size_t{1};
            auto at = remaining_length_at;
            while ((std::to_integer<unsigned>(encoded.bytes[at]) & 0x80U) != 0) ++at;
            encoded.packet_id_at = at + 1 + 2 + fields.topic.size();
        }
    } else if (packet_id) {
        encoded.bytes[encoded.packet_id_at] = static_cast<std::byte>(packet_id->raw() >> 8U);
        encoded.bytes[encoded.packet_id_at + 1] = static_cast<std::byte>(packet_id->raw() & 0xFFU);
    }
    const auto size = encoded.bytes.size() + (payload_apart ? fields.payload.size() : 0);
    if (size > terms_.packet_size_bytes_max) return false;
    if (!payload_apart) {
        send(context, encoded.bytes);
        return true;
    }
    unwritten_bytes_ += size;
    context.counters.add(Counter::bytes_sent, size);
    context.network.send(connection_, encoded.bytes, publication.message());
    return true;
}

bool Session::send_publish(SessionContext& context, const MessageFields& fields,
                           const MessageRef& message, const Delivery& delivery, bool dup,
                           std::optional<wire::PacketId> packet_id) {
    wire::Publish packet{.dup = dup,
                         .qos = delivery.qos,
                         .retain = delivery.retain,
                         .topic = mountpoint_ == nullptr ? fields.topic
                                                         : mountpoint_->unmount(fields.topic),
                         .packet_id = packet_id,
                         .payload = fields.payload};
    std::optional<Alias> alias;
    std::string_view new_alias_of;
    if (is_v5()) {
        put_publish_properties(context.properties, fields, context.now);
        if (delivery.identifier != 0)
            context.properties.put_integer(PropertyId::subscription_identifier,
                                           delivery.identifier);
        if (delivery.extras)
            for (const auto identifier : delivery.extras->more_identifiers)
                context.properties.put_integer(PropertyId::subscription_identifier, identifier);
        alias = alias_for(packet.topic);
        if (alias) {
            context.properties.put_integer(PropertyId::topic_alias, alias->number);
            if (alias->is_known)
                packet.topic = {};
            else
                new_alias_of = packet.topic;
        }
        packet.properties = context.properties.view();
    }
    if (!wire::fits_remaining_length(packet, terms_.version)) return false;
    const bool payload_apart = fields.payload.size() >= shared_payload_bytes_min;
    context.scratch.clear();
    if (payload_apart)
        wire::encode_head(context.scratch, packet, terms_.version);
    else
        wire::encode(context.scratch, packet, terms_.version);
    const auto size = context.scratch.size() + (payload_apart ? fields.payload.size() : 0);
    if (size > terms_.packet_size_bytes_max) return false;
    if (!new_alias_of.empty()) note_alias(new_alias_of);
    if (!payload_apart) {
        send(context, context.scratch);
        return true;
    }
    unwritten_bytes_ += size;
    context.counters.add(Counter::bytes_sent, size);
    context.network.send(connection_, context.scratch, message);
    return true;
}

std::optional<Session::Alias> Session::alias_for(std::string_view topic) const {
    // A short Topic Name is no longer than the Property that would replace it.
    constexpr std::size_t topic_size_min = 4;
    if (terms_.topic_alias_max == 0 || topic.size() < topic_size_min) return std::nullopt;
    if (!aliases_) return Alias{1, false};
    if (const auto found = aliases_->find(topic); found != aliases_->end())
        return Alias{found->second, true};
    if (aliases_->size() >= terms_.topic_alias_max) return std::nullopt;
    return Alias{static_cast<std::uint16_t>(aliases_->size() + 1), false};
}

void Session::note_alias(std::string_view topic) {
    if (!aliases_) aliases_ = std::make_unique<std::remove_reference_t<decltype(*aliases_)>>();
    aliases_->emplace(topic, static_cast<std::uint16_t>(aliases_->size() + 1));
}

void Session::start_flow(SessionContext& context, Delivery delivery) {
    auto& flow = made_outbox().start(std::move(delivery), context.now, settings().packet_id_max,
                                     checks_packet_ids(context));
    if (context.ledger != nullptr) write(context, flow);
    const auto& message = flow.delivery.message;
    if (!send_publish(context, fields_of(*message), message, flow.delivery, false,
                      flow.packet_id)) {
        context.counters.add(Counter::dropped_too_large);
        outbox_->finish(flow);
        return;
    }
    outbox_->count_on_connection(flow);
    count_publish_sent(context, flow.delivery.qos);
}

void Session::advance(SessionContext& context) {
    if (!connected_) return;
    resend(context);
    const auto before_bytes = outbox_->resident_bytes();
    send_waiting(context);
    if (before_bytes != outbox_->resident_bytes()) account(context, before_bytes);
}

void Session::send_waiting(SessionContext& context) {
    while (outbox_->has_waiting() && !is_congested(context)) {
        if (outbox_->is_front_paged()) {
            const bool is_wanted = outbox_->resends_owed() == 0 &&
                                   outbox_->flows().size() < settings().packet_id_max &&
                                   is_window_open(context);
            if (is_wanted) ask_for_pages(context);
            break;
        }
        const auto& front = outbox_->front();
        const auto fields = fields_of(*front.message);
        if (has_expired(fields, context.now)) {
            // Not yet sent to this client, so its time counts [MQTT-3.3.2-5].
            context.counters.add(Counter::dropped_expired);
            outbox_->take_front();
            continue;
        }
        if (front.qos == QoS::at_most_once) {
            const auto delivery = outbox_->take_front();
            const bool sent = send_publish(context, fields_of(*delivery.message), delivery.message,
                                           delivery, false, {});
            context.counters.add(sent ? Counter::publish_sent_qos_0 : Counter::dropped_too_large);
            continue;
        }
        if (outbox_->resends_owed() != 0) break;
        if (outbox_->flows().size() >= settings().packet_id_max) break;
        if (!is_window_open(context)) break;
        start_flow(context, outbox_->take_front());
    }
}

void Session::resend(SessionContext& context) {
    if (outbox_->resends_owed() == 0) return;
    auto& flows = outbox_->flows();
    std::vector<Outbox::Flow*> order;
    for (auto& flow : flows)
        if (flow.to_resend) order.push_back(&flow);
    if (context.defects.has(Defect::redeliver_unordered))
        std::reverse(order.begin(), order.end());
    std::vector<wire::PacketId> too_large;
    for (auto* const flow : order) {
        if (flow->released) {
            // PUBREL takes no send quota (v5 §4.9).
            if (!context.defects.has(Defect::qos2_pubrel_not_resumed)) resend_flow(context, *flow);
            outbox_->resent(*flow);
            continue;
        }
        // Those behind it wait as well: the order of the first transmission holds
        // (v5 [MQTT-4.6.0-1] for the server too, v3.1.1 [MQTT-4.6.0-6]).
        if (outbox_->quota_used() >= window()) break;
        const auto packet_id = flow->packet_id;
        resend_flow(context, *flow);
        outbox_->resent(*flow);
        if (!flow->on_this_connection) too_large.push_back(packet_id);
    }
    for (const auto packet_id : too_large)
        if (auto* const flow = outbox_->find(packet_id)) outbox_->finish(*flow);
}

void Session::resend_flow(SessionContext& context, Outbox::Flow& flow) {
    flow.sent_at = context.now;
    if (flow.released) {
        context.counters.add(Counter::publish_resent);
        send_ack(context, PacketType::pubrel, flow.packet_id, ReasonCode::success);
        return;
    }
    auto packet_id = flow.packet_id;
    if (context.defects.has(Defect::pid_fresh_on_redelivery)) {
        packet_id = wire::PacketId::from_wire(
                        static_cast<std::uint16_t>(flow.packet_id.raw() % 65'534 + 1000))
                        .value();
        outbox_->rename(flow, packet_id);
    }
    // DUP says it was sent before [MQTT-3.3.1-1].
    const bool dup = !context.defects.has(Defect::dup_flag_missing);
    const auto& message = flow.delivery.message;
    if (!send_publish(context, fields_of(*message), message, flow.delivery, dup, packet_id)) {
        context.counters.add(Counter::dropped_too_large);
        return;
    }
    if (!flow.on_this_connection) outbox_->count_on_connection(flow);
    context.counters.add(Counter::publish_resent);
    count_publish_sent(context, flow.delivery.qos);
}

Instant Session::retry(SessionContext& context) {
    if (!wants_retry()) return never;
    const auto interval = settings().retry_interval;
    // What it has not taken yet needs no second copy.
    if (is_congested(context)) return context.now + interval;
    // A second copy that waits for storage might leave after the PUBACK for the first has come.
    if (context.gate != nullptr && context.gate->is_held(connection_))
        return context.now + std::min(interval, held_retry_interval);
    std::vector<Outbox::Flow*> due;
    auto next = never;
    for (auto& flow : outbox_->flows()) {
        if (flow.to_resend) continue;  // owed since the resume; goes with the window
        if (context.now - flow.sent_at >= interval)
            due.push_back(&flow);
        else
            next = std::min(next, flow.sent_at + interval);
    }
    if (context.defects.has(Defect::redeliver_unordered)) std::reverse(due.begin(), due.end());
    for (auto* const flow : due) resend_flow(context, *flow);
    return due.empty() ? next : std::min(next, context.now + interval);
}

}  // namespace touchstone
