// How a shard becomes what it was: records are read in any order, put together when all are there,
// and clients are taken when all shards of the node have told each other what they found.

#include <algorithm>
#include <map>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

void Broker::Core::begin_recovery() {
    found_ = std::make_unique<FoundRecords>();
    is_ready_ = false;
    recovering_shards_ = options_.shard_count - 1;
}

bool Broker::Core::on_record(std::string_view key, Bytes value) {
    CHECK(found_ != nullptr);
    auto record = storage::decode(key, value, ledger_->wall_offset());
    if (!record) return false;
    auto& found = *found_;
    if (const auto* const counter = std::get_if<storage::CounterRecord>(&*record)) {
        found.count(counter->last);
    } else if (auto* const message = std::get_if<storage::MessageRecord>(&*record)) {
        // With priorities the topic is what a message's place in its queue depends on.
        const bool has_priorities = std::ranges::any_of(rules_->zones, [](const auto& zone) {
            return !zone.policy.queue_priorities.by_topic.empty();
        });
        found.add(std::move(*message),
                  has_priorities ? access::NodeLimits::unlimited : resident_bytes_max_);
    } else if (auto* const retained = std::get_if<storage::RetainedRecord>(&*record)) {
        found.retained.push_back(std::move(*retained));
    } else if (auto* const session = std::get_if<storage::SessionRecord>(&*record)) {
        found.count(session->number);
        found.sessions.push_back(std::move(*session));
    } else if (auto* const one = std::get_if<storage::SubscriptionRecord>(&*record)) {
        found.subscriptions.push_back(std::move(*one));
    } else if (auto* const delivery = std::get_if<storage::DeliveryRecord>(&*record)) {
        found.count(std::max(delivery->sequence, delivery->started));
        found.want(*delivery);
        found.deliveries.push_back(std::move(*delivery));
    } else if (const auto* const received = std::get_if<storage::ReceivedRecord>(&*record)) {
        found.received.push_back(*received);
    } else if (auto* const forward = std::get_if<storage::ForwardRecord>(&*record)) {
        found.count(forward->number);
        found.want(forward->message, false);
        found.forwards.push_back(std::move(*forward));
    } else if (const auto* const mark = std::get_if<storage::MarkRecord>(&*record)) {
        marks_[mark->from] = mark->number;
    }
    return true;
}

std::vector<std::string> Broker::Core::on_recovered(Instant now) {
    CHECK(found_ != nullptr);
    context_.now = now;
    std::vector<std::string> unusable;
    ledger_->skip_numbers(found_->last_number);
    ledger_->set_stored(found_->last_number);
    restore_sessions(unusable);
    restore_subscriptions(unusable);
    {
        // Shares in all messages: what nobody else wants goes with them.
        std::vector<storage::MessageShare> shares;
        shares.reserve(found_->messages.size());
        for (const auto& [number, message] : found_->messages)
            shares.push_back(ledger_->share_of(number));
        restore_deliveries(unusable);
        restore_forwards(unusable);
    }
    restore_retained();
    for (unsigned shard = 0; shard < options_.shard_count; ++shard)
        if (ShardIndex{shard} != options_.self)
            peers_.send(ShardIndex{shard}, PeerRecovered{marks_[shard]});
    found_.reset();
    if (context_.queues.size_bytes() > resident_bytes_max_) page_out();
    if (recovering_shards_ == 0) become_ready();
    return unusable;
}

void Broker::Core::restore_sessions(std::vector<std::string>& unusable) {
    std::ranges::sort(found_->sessions, {}, &storage::SessionRecord::number);
    for (auto& record : found_->sessions) {
        const access::ListenerIndex listener{
            record.listener < rules_->listeners.size() ? record.listener : std::uint16_t{0}};
        if (found_->client_of(record.number) != nullptr ||
            owner_of(record.client_id, options_.shard_count) != options_.self) {
            unusable.push_back(storage::key_of(record));
            continue;
        }
        auto& client = make_client(record.client_id, rules_->zone_of(listener));
        auto& session = client.session;
        session.set_stored(record.number, record.is_durable);
        session.terms().version = record.version;
        session.terms().session_expiry_s = record.session_expiry_s;
        client.listener = listener;
        client.address = record.address;
        if (record.user_name) client.made_identity().user_name = record.user_name;
        const auto mountpoint =
            rules_->listeners[listener.raw()].mountpoint.for_client(as_asker(client));
        if (mountpoint && !mountpoint->prefix().empty())
            client.made_identity().mountpoint = *mountpoint;
        if (record.will)
            session.replace_will(std::make_unique<StoredWill>(std::move(*record.will)));
        client.ends_at = record.ends_at;
        client.will_due_at = record.will_due_at;
        if (record.is_connected) {
            // Its connection ended with the process, at a time that nobody has noted: it counts
            // from now, so that no session ends early.
            client.ends_at = after_s(context_.now, record.session_expiry_s);
            if (const auto* const will = session.will())
                client.will_due_at = std::min(after_s(context_.now, will->delay_s), client.ends_at);
            store_session(client);
        }
        if (options_.defects.any()) spoil_recovered(client, record);
        found_->clients.emplace(record.number, &client);
        recovered_.push_back(&client);
    }
}

void Broker::Core::restore_subscriptions(std::vector<std::string>& unusable) {
    std::ranges::sort(found_->subscriptions, {}, [](const auto& one) {
        return std::pair{one.session, std::string_view{one.text}};
    });
    for (const auto& one : found_->subscriptions) {
        auto* const client = found_->client_of(one.session);
        const auto name = FilterName::parse(one.text, one.is_shared);
        if (client == nullptr || !name || one.is_shared == name->share_name.empty())
            unusable.push_back(storage::key_of(one));
        else
            join(*client, *name, one.options, one.identifier);
    }
}

void Broker::Core::restore_deliveries(std::vector<std::string>& unusable) {
    using State = storage::DeliveryRecord::State;
    std::ranges::sort(found_->deliveries, {}, [](const auto& one) {
        // Flows in the order of their first transmission, then what waits.
        return std::tuple{one.session, one.state == State::waiting, one.started, one.sequence};
    });
    for (const auto& one : found_->deliveries) {
        if (one.session == storage::no_session) {
            if (!restore_shared(one)) unusable.push_back(storage::key_of(one));
            continue;
        }
        auto* const client = found_->client_of(one.session);
        auto message = found_->message_of(one.message);
        const auto paged_bytes = found_->paged_bytes_of(one.message);
        const bool is_whole =
            (message || one.state == State::released || paged_bytes != 0) &&
            !(one.state == State::waiting && options_.defects.has(Defect::restore_drops_queue));
        const bool is_restored =
            client != nullptr && is_whole &&
            client->session.restore(context_, one, message,
                                    storage::DeliveryEntry{*ledger_, one,
                                                           message || paged_bytes != 0
                                                               ? ledger_->share_of(one.message)
                                                               : storage::MessageShare{}},
                                    paged_bytes);
        if (!is_restored) unusable.push_back(storage::key_of(one));
    }
    for (const auto& one : found_->received) {
        auto* const client = found_->client_of(one.session);
        if (client == nullptr)
            unusable.push_back(storage::key_of(one));
        else
            client->session.restore_received(wire::PacketId::from_wire(one.packet_id).value());
    }
}

bool Broker::Core::restore_shared(const storage::DeliveryRecord& found) {
    const auto name = FilterName::parse(found.group, true);
    auto message = found_->message_of(found.message);
    if (!name || name->share_name.empty() || !message) return false;
    auto& delivery = bereft_.emplace_back();
    delivery.message = std::move(message);
    delivery.extras = std::make_unique<DeliveryExtras>();
    delivery.extras->group = found.group;
    delivery.extras->entry =
        storage::DeliveryEntry{*ledger_, found, ledger_->share_of(found.message)};
    counters_.add(Counter::messages_matched);
    return true;
}

void Broker::Core::restore_forwards(std::vector<std::string>& unusable) {
    std::ranges::sort(found_->forwards, {}, &storage::ForwardRecord::number);
    std::map<storage::Number, std::uint64_t> to_come;  // by message: shards that get it, as bits
    struct RetainedForward {
        MessageRef message;
        RetainVersion version;
    };
    std::map<storage::Number, RetainedForward> retained;
    for (auto& one : found_->forwards) {
        auto message = found_->message_of(one.message);
        if (!message || one.to >= options_.shard_count || ShardIndex{one.to} == options_.self) {
            unusable.push_back(storage::key_of(one));
            continue;
        }
        to_come[one.message] |= std::uint64_t{1} << one.to;
        const PeerReceipt receipt{.number = one.number, .is_stored = true};
        PeerMessage again;
        if (one.group.empty()) {
            again = PeerPublication{message, one.version, receipt};
            // Who owns the topic may get it only now, and does not send it back.
            if (message->retain()) {
                retained_.store(message, one.version, context_.now);
                retained.emplace(one.message, RetainedForward{message, one.version});
            }
        } else {
            again = PeerSharedPublication{.message = message,
                                          .group = std::move(one.group),
                                          .tried = one.tried,
                                          .receipt = receipt};
        }
        forwards_.emplace(one.number,
                          Forward{ShardIndex{one.to}, std::move(again),
                                  ledger_->share_of(one.message), ledger_->stored_batch()});
        unsent_forwards_.push_back(one.number);
    }
    // The others have had it; but if a disk lied, the one that stored it has not any more.
    for (const auto& [number, one] : retained)
        for (unsigned shard = 0; shard < options_.shard_count; ++shard)
            if (ShardIndex{shard} != options_.self && (to_come[number] >> shard & 1U) == 0)
                peers_.send(ShardIndex{shard}, PeerRetained{one.message, one.version});
}

void Broker::Core::restore_retained() {
    for (auto& one : found_->retained) {
        if (options_.defects.any()) spoil_recovered(one);
        retained_.store(one.message, one.version, context_.now);
        last_version_.at_us = std::max(last_version_.at_us, one.version.at_us);
        for_each_peer([&](ShardIndex peer) {
            peers_.send(peer, PeerRetained{one.message, one.version});
        });
    }
    sweep_retained();
}

void Broker::Core::on_peer_recovered(const PeerRecovered& peer) {
    CHECK(recovering_shards_ != 0);
    // A disk that lied may have taken back the counter, and the other shard would take a new
    // message for one that it has had.
    ledger_->skip_numbers(peer.last_taken);
    if (--recovering_shards_ == 0 && found_ == nullptr) become_ready();
}

void Broker::Core::become_ready() {
    is_ready_ = true;
    send_stored_forwards();
    redistribute(std::exchange(bereft_, {}));
    // Sessions that are over, and Wills that are due, are dealt with by the next tick.
    for (auto* const client : std::exchange(recovered_, {})) remind(*client);
    for (const auto& [id, generation] : std::exchange(early_, {})) {
        const auto& connection = connections_[id.raw()];
        if (connection.generation == generation &&
            connection.state == ConnectionState::awaiting_connect)
            network_.resume(id);
    }
}

}  // namespace touchstone
