// What the core does so that what it acknowledges outlives the process: which record is written
// when, what has to wait for it, and how a message gets to another shard although either may crash.

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

namespace {

/// From a batch that was not stored to the next attempt: soon enough for nobody to mind, rarely
/// enough not to keep a full disk busy.
constexpr Duration storage_retry_interval = std::chrono::seconds{1};

/// Whether `packet`, if it is the CONNACK for the client, says Session Present.
bool finds_session(Bytes packet, const Client& client) {
    const auto version = client.session.terms().version;
    const auto frame = wire::take_frame(packet, wire::packet_size_bytes_max, version);
    if (!frame || !frame.value() || frame.value()->type != wire::PacketType::connack) return true;
    const auto connack = wire::decode_connack(*frame.value(), version);
    return !connack || connack.value().session_present;
}

}  // namespace

void Broker::Core::on_stored(BatchNumber number, StorageOutcome outcome, Instant now) {
    context_.now = now;
    ledger_->on_outcome(number, outcome);
    if (outcome != StorageOutcome::stored) {
        const bool is_full = outcome == StorageOutcome::full;
        counters_.add(is_full ? Counter::storage_full : Counter::storage_failed);
        storage_refusal_ =
            is_full ? ReasonCode::quota_exceeded : ReasonCode::implementation_specific_error;
        // What waits may have to wait for long; who is told can look elsewhere.
        for (const auto id : gate_->held())
            if (!options_.defects.any() || !spoil_refusal(id)) let_go(id, storage_refusal_);
        for (auto& one : answers_)
            if (!one.receipt.is_stored && !std::exchange(one.is_refused, true))
                peers_.send(one.to, PeerStored{one.receipt, storage_refusal_});
        add_timer(now + storage_retry_interval, {Reminder::What::storage, 0, 0});
        return;
    }
    let_out(number);
    if (context_.queues.size_bytes() > resident_bytes_max_) page_out();
}

void Broker::Core::let_out(BatchNumber number) {
    gate_->on_stored(number);
    returns_.on_stored(number);
    for (; !answers_.empty() && answers_.front().batch <= number; answers_.pop_front())
        peers_.send(answers_.front().to, PeerStored{.receipt = answers_.front().receipt});
    send_stored_forwards();
}

// --- In storage only -----------------------------------------------------------------------------

std::uint64_t Broker::Core::resident_bytes_max(const access::NodeRules& rules) const {
    // A session on its way to another node takes its messages along. What a defect does to a queue,
    // it does in memory.
    if (!ledger_ || registry_ != nullptr || options_.defects.any())
        return access::NodeLimits::unlimited;
    return share_of(rules.policy.limits.resident_queue_bytes);
}

void Broker::Core::page_out() {
    // Most of the memory is in few queues, or no queue is much longer than the others.
    constexpr std::size_t tried_max = 64;
    while (context_.queues.size_bytes() > resident_bytes_max_) {
        std::size_t count = 0;
        for (const auto owner : context_.queues.longest(tried_max)) {
            count += slots_[owner]->session.page_out(context_);
            if (context_.queues.size_bytes() <= resident_bytes_max_) break;
        }
        if (count == 0) return;
    }
}

void Broker::Core::on_read(ReadNumber number, const ReadAnswer& outcome, Instant now) {
    context_.now = now;
    const auto found = std::ranges::find(context_.reads, number, &PageRead::number);
    CHECK(found != context_.reads.end());
    const auto read = std::move(*found);
    context_.reads.erase(found);
    auto* const client = read.owner < slots_.size() ? slots_[read.owner] : nullptr;
    if (client == nullptr) return;  // the session has ended meanwhile
    client->session.on_read(context_, read, outcome);
    if (!outcome.values.empty()) return;
    counters_.add(Counter::storage_reads_failed);
    if (unread_.empty()) add_timer(now + storage_retry_interval, {Reminder::What::storage, 0, 0});
    unread_.push_back(read.owner);
}

void Broker::Core::retry_storage() {
    ledger_->try_again();
    for (const auto owner : std::exchange(unread_, {}))
        if (slots_[owner] != nullptr) slots_[owner]->session.read_again(context_);
}

// --- Nothing can be stored -----------------------------------------------------------------------

bool Broker::Core::drop_waiting(ConnectionId id) {
    if (!gate_) return true;
    const auto waiting = gate_->first_bytes(id);
    const bool is_connecting =
        !waiting.empty() && std::to_integer<unsigned>(waiting.front()) >> 4U ==
                                static_cast<unsigned>(wire::PacketType::connack);
    gate_->drop(id);
    return !is_connecting;
}

void Broker::Core::let_go(ConnectionId id, ReasonCode reason) {
    if (gate_->is_closing(id)) return gate_->drop(id);
    auto& client = *open_connection(id).client;
    counters_.add(Counter::refused_without_storage);
    const bool is_resumed = finds_session(gate_->first_bytes(id), client);
    auto before = returns_.take(id);
    if (drop_waiting(id)) {
        send_disconnect(client, reason);
    } else {
        // Who is refused has no Will, and no session that it did not have before.
        client.session.drop_will();
        if (!is_resumed) client.session.terms().session_expiry_s = 0;
        built_.clear();
        wire::encode(built_, wire::Connack{.reason = reason}, client.session.terms().version);
        network_.send(id, built_);
    }
    network_.close(id);
    forget_connection(id, DisconnectReason::internal_error);
    if (before)
        go_back(client, std::move(*before));
    else
        detach(client);
}

Absence Broker::Core::absence_of(const Client& client) {
    const auto& terms = client.session.terms();
    Absence absence{.terms = terms,
                    .will = nullptr,
                    .listener = client.listener,
                    .address = client.address,
                    .identity = nullptr,
                    .ends_at = after_s(context_.now, terms.session_expiry_s)};
    // Without a delay it is published whatever comes of the newer connection.
    if (const auto* const will = client.session.will(); will != nullptr && will->delay_s != 0) {
        absence.will = std::make_unique<StoredWill>(*will);
        absence.will_due_at = std::min(after_s(context_.now, will->delay_s), absence.ends_at);
    }
    return absence;
}

void Broker::Core::go_back(Client& client, Absence before) {
    auto& session = client.session;
    session.detach();
    session.terms() = before.terms;
    session.obey(rules_->zone_of(before.listener));
    session.replace_will(std::move(before.will));
    client.listener = before.listener;
    client.address = before.address;
    client.identity = std::move(before.identity);
    client.ends_at = before.ends_at;
    client.will_due_at = before.will_due_at;
    store_session(client);
    remind(client);
}

bool Broker::Core::wants_storage(const Client& client, const MessageFields& fields) {
    if (fields.retain || (fields.qos == QoS::exactly_once && client.session.is_durable()))
        return true;
    receivers_.clear();
    router_.match(fields.topic, &client, receivers_);
    return std::ranges::any_of(receivers_.list, [](const Receiver& receiver) {
        return receiver.qos != QoS::at_most_once &&
               static_cast<const Client&>(*receiver.who).session.is_durable();
    });
}

Broker::Core::Handled Broker::Core::refuse_publish(ConnectionId id, Client& client,
                                                   const wire::Publish& packet, ReasonCode reason) {
    if (client.session.is_v5()) return deny_publish(id, client, packet, reason);
    // Before v5 no acknowledgement is the only word for it; the client sends the message again.
    if (packet.qos == QoS::exactly_once)
        client.session.unreceive_qos_2(context_, *packet.packet_id);
    return fail(id, reason, DisconnectReason::internal_error);
}

// --- Between shards ------------------------------------------------------------------------------

Broker::Core::Forwarding Broker::Core::forwarding_of(const Client& client, QoS qos) {
    receipts_asked_ = 0;
    if (!ledger_ || qos == QoS::at_most_once) return Forwarding::at_once;
    // If this shard forgot the Packet Identifier and another one kept the message, or the other way
    // round, it would be delivered twice, or never. So it is stored here as a whole, together with
    // the identifier, and gets to the others from storage (§4.3.3).
    if (qos == QoS::exactly_once && client.session.is_durable()) return Forwarding::stored_first;
    ++last_receipt_;
    return Forwarding::with_receipt;
}

void Broker::Core::forward(ShardIndex to, PeerMessage message, Publication& publication,
                           Forwarding forwarding) {
    const auto set_receipt = [&](PeerReceipt receipt) {
        if (auto* const plain = std::get_if<PeerPublication>(&message))
            plain->receipt = receipt;
        else
            std::get<PeerSharedPublication>(message).receipt = receipt;
    };
    switch (forwarding) {
        case Forwarding::at_once: break;
        case Forwarding::with_receipt:
            ++receipts_asked_;
            set_receipt({.number = last_receipt_});
            break;
        case Forwarding::stored_first: {
            const auto number = ledger_->next_number();
            const auto& share = publication.kept(*ledger_);
            storage::ForwardRecord record{
                .number = number, .message = share.number(), .to = to.raw()};
            if (const auto* const shared = std::get_if<PeerSharedPublication>(&message)) {
                record.group = shared->group;
                record.tried = shared->tried;
            } else {
                record.version = std::get<PeerPublication>(message).version;
            }
            ledger_->put(record);
            set_receipt({.number = number, .is_stored = true});
            forwards_.emplace(number,
                              Forward{to, std::move(message), share, ledger_->awaited_batch()});
            unsent_forwards_.push_back(number);
            return;
        }
    }
    peers_.send(to, std::move(message));
}

void Broker::Core::send_stored_forwards() {
    for (; !unsent_forwards_.empty(); unsent_forwards_.pop_front()) {
        const auto found = forwards_.find(unsent_forwards_.front());
        CHECK(found != forwards_.end());
        if (found->second.batch > ledger_->stored_batch()) return;
        peers_.send(found->second.to, found->second.message);
        if (!options_.defects.has(Defect::qos2_delete_before_forward)) continue;
        ledger_->erase(storage::key_of_forward(found->first));
        forwards_.erase(found);
    }
}

bool Broker::Core::is_first(ShardIndex from, const PeerReceipt& receipt) {
    if (!receipt.is_stored) return true;
    auto& mark = marks_[from.raw()];
    if (receipt.number <= mark) {
        answers_.push_back({ledger_->awaited_batch(), from, receipt});
        return false;
    }
    mark = receipt.number;
    return true;
}

void Broker::Core::answer(ShardIndex from, const PeerReceipt& receipt,
                          std::uint64_t write_count_before) {
    if (receipt.number == 0) return;
    if (receipt.is_stored) ledger_->put(storage::MarkRecord{from.raw(), receipt.number});
    if (write_count() == write_count_before)
        peers_.send(from, PeerStored{.receipt = receipt});
    else
        answers_.push_back({ledger_->awaited_batch(), from, receipt});
}

void Broker::Core::on_peer_stored(const PeerStored& answer) {
    const auto& receipt = answer.receipt;
    if (is_failure(answer.refusal)) {
        // As if this shard could not store it. A connection that is gone waits for nothing.
        if (const auto id = gate_->waiting_for(receipt.number)) let_go(*id, answer.refusal);
        return;
    }
    if (!receipt.is_stored) return gate_->on_receipt(receipt.number);
    if (forwards_.erase(receipt.number) != 0)
        ledger_->erase(storage::key_of_forward(receipt.number));
}

// --- Records -------------------------------------------------------------------------------------

void Broker::Core::store_session(Client& client) {
    if (!ledger_) return;
    auto& session = client.session;
    const auto& terms = session.terms();
    const bool is_durable = !options_.defects.has(Defect::ram_only_session) &&
                            (session.is_durable() || terms.session_expiry_s != 0);
    if (!is_durable && session.will() == nullptr) return;
    session.set_stored(session.stored_as() != 0 ? session.stored_as() : ledger_->next_number(),
                       is_durable);
    storage::SessionRecord record{.client_id = session.client_id(),
                                  .number = session.stored_as(),
                                  .is_durable = is_durable,
                                  .version = terms.version,
                                  .session_expiry_s = terms.session_expiry_s,
                                  .listener = client.listener.raw(),
                                  .address = client.address,
                                  .user_name = std::nullopt,
                                  .is_connected = session.is_connected(),
                                  .ends_at = client.ends_at,
                                  .will_due_at = client.will_due_at,
                                  .will = std::nullopt};
    if (client.identity) record.user_name = client.identity->user_name;
    if (session.will() != nullptr) record.will = *session.will();
    ledger_->put(record);
}

void Broker::Core::store_retained_record(const MessageRef& message, RetainVersion version) {
    // One shard is enough, and all shards have the same after a crash.
    if (owner_of(message->topic(), options_.shard_count) != options_.self) return;
    // What the server tells of itself is true for its process only.
    if (message->topic().starts_with("$SYS/")) return;
    if (message->payload().empty() && options_.shard_count == 1)
        ledger_->erase(storage::key_of_retained(message->topic()));
    else
        ledger_->put(storage::RetainedRecord{version, message});
}

void Broker::Core::sweep_retained() {
    const auto next = retained_.sweep(context_.now);
    for (const auto& topic : retained_.take_forgotten())
        if (owner_of(topic, options_.shard_count) == options_.self)
            ledger_->erase(storage::key_of_retained(topic));
    // One reminder is enough: sweep() says when it is wanted next.
    if (next >= retained_reminder_at_ && retained_reminder_at_ > context_.now) return;
    retained_reminder_at_ = next;
    if (next != never) add_timer(next, {Reminder::What::retained, 0, 0});
}

}  // namespace touchstone
