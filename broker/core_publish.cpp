#include <algorithm>
#include <bit>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {
namespace {

using wire::PropertyId;

/// Before v5 a SUBACK has one code for all failures (v3.1.1 §3.9.3).
std::byte suback_code(ReasonCode reason, ProtocolVersion version) {
    if (version == ProtocolVersion::v5) return static_cast<std::byte>(reason);
    if (!is_failure(reason)) return static_cast<std::byte>(reason);
    // MQTT 3.1 knows no failure: a granted QoS 0 that never delivers is what it prescribes.
    return version == ProtocolVersion::v3_1 ? std::byte{0} : std::byte{0x80};
}

ReasonCode granted(QoS qos) {
    switch (qos) {
        case QoS::at_most_once: return ReasonCode::success;
        case QoS::at_least_once: return ReasonCode::granted_qos_1;
        case QoS::exactly_once: return ReasonCode::granted_qos_2;
    }
    UNREACHABLE();
}

/// `$share/…` has its meaning for clients of older versions, too, where it is well-formed: nobody
/// may publish to topics of that name, so it could mean nothing else. For them a malformed one is
/// an ordinary filter (v3.1.1 §4.7.2).
std::optional<FilterName> parsed(std::string_view filter, bool v5) {
    auto name = FilterName::parse(filter, true);
    if (!name && !v5) name = FilterName::parse(filter, false);
    return name;
}

}  // namespace

bool Broker::Core::has_too_many_levels(std::string_view topic, const Settings& settings) {
    return std::count(topic.begin(), topic.end(), '/') >= settings.topic_levels_max;
}

// --- PUBLISH
// ----------------------------------------------------------------------------------------

Broker::Core::Handled Broker::Core::on_publish(ConnectionId id, Client& client,
                                               wire::Publish& packet) {
    auto& session = client.session;
    const auto& settings = session.settings();
    if (is_paused(id, client)) return Handled::stalled;
    const auto written_before = write_count();
    if (packet.qos > settings.maximum_qos)
        return fail(id, ReasonCode::qos_not_supported);  // [MQTT-3.2.2-11]
    if (packet.retain && !settings.retain_available)
        return fail(id, ReasonCode::retain_not_supported);  // [MQTT-3.2.2-14]
    if (const auto accepted = session.accept(packet);
        !accepted && !(accepted.error() == ReasonCode::receive_maximum_exceeded &&
                       options_.defects.has(Defect::recvmax_overrun_unchecked)))
        return fail(id, accepted.error());
    if (has_too_many_levels(packet.topic, settings))
        return fail(id, ReasonCode::topic_name_invalid);

    switch (packet.qos) {
        case QoS::at_most_once: counters_.add(Counter::publish_received_qos_0); break;
        case QoS::at_least_once: counters_.add(Counter::publish_received_qos_1); break;
        case QoS::exactly_once:
            counters_.add(Counter::publish_received_qos_2);
            switch (session.receive_qos_2(context_, *packet.packet_id)) {
                case Inbox::Received::is_new:
                    if (options_.defects.any() && spoil_qos_2(client, packet)) return Handled::done;
                    break;
                case Inbox::Received::again:
                    if (options_.defects.any())
                        if (const auto handled = spoil_duplicate(id, client, packet))
                            return *handled;
                    session.acknowledge(context_, packet, ReasonCode::success);  // [MQTT-4.3.3-10]
                    return Handled::done;
                case Inbox::Received::full:
                    // Before v5 there is no word for it: the client sends the message again.
                    counters_.add(Counter::publish_over_quota);
                    if (options_.defects.has(Defect::qos2_drop_leak))
                        defect_memory().leaked_bytes += packet.payload.size();
                    if (session.is_v5())
                        session.acknowledge(context_, packet, ReasonCode::quota_exceeded);
                    return Handled::done;
            }
            break;
    }
    if (is_server_topic(client, packet.topic) ||
        !is_allowed(client, access::Action::publish, packet.topic))
        return deny_publish(id, client, packet, ReasonCode::not_authorized);
    if (packet.topic.starts_with('$') && options_.defects.has(Defect::assert_on_dollar)) crash();
    std::string mounted_topic;
    if (const auto* const mountpoint = client.mountpoint()) {
        auto topic = mountpoint->mount_name(packet.topic);
        if (!topic) return fail(id, ReasonCode::topic_name_invalid);
        mounted_topic = std::move(topic.value());
        packet.topic = mounted_topic;
    }

    MessageFields fields{.topic = packet.topic,
                         .payload = packet.payload,
                         .properties = packet.properties.raw(),
                         .qos = packet.qos,
                         .retain = packet.retain,
                         .publisher = client.publisher};
    if (fields.retain && !fields.payload.empty() &&
        !retained_.has_room(fields.topic, Message::size_bytes_of(fields))) {
        counters_.add(Counter::publish_over_quota);
        return deny_publish(id, client, packet, ReasonCode::quota_exceeded);
    }
    if (is_failure(readiness_.publish)) {
        counters_.add(Counter::refused_by_cluster);
        if (fields.qos == QoS::at_most_once) return Handled::done;
        return refuse_publish(id, client, packet, readiness_.publish);
    }
    if (const auto refusal = storage_refusal();
        refusal && fields.qos != QoS::at_most_once && wants_storage(client, fields)) {
        counters_.add(Counter::refused_without_storage);
        return refuse_publish(id, client, packet, *refusal);
    }
    if (const auto expiry_s = packet.properties.integer(PropertyId::message_expiry_interval))
        fields.expires_at = context_.now + std::chrono::seconds{*expiry_s};
    if (fields.expires_at != never || packet.properties.has(PropertyId::topic_alias)) {
        forwarded_.clear();
        packet.properties.for_each([&](const wire::Property& property) {
            if (property.id != PropertyId::message_expiry_interval &&
                property.id != PropertyId::topic_alias)
                forwarded_.put_encoded(property.encoded);
        });
        fields.properties = forwarded_.view().raw();
    }
    Publication publication{fields, &context_.messages};
    const auto forwarding = ledger_ ? forwarding_of(client, packet.qos) : Forwarding::at_once;
    publication.is_once = forwarding == Forwarding::stored_first;
    const auto receivers = publish(publication, &client, forwarding);
    certify_since(written_before, client);
    if (receipts_asked_ != 0) gate_->hold_for(id, last_receipt_, std::exchange(receipts_asked_, 0));
    session.acknowledge(context_, packet,
                        receivers == 0 ? ReasonCode::no_matching_subscribers : ReasonCode::success);
    return Handled::done;
}

Broker::Core::Handled Broker::Core::deny_publish(ConnectionId id, Client& client,
                                                 const wire::Publish& packet, ReasonCode reason) {
    auto& session = client.session;
    if (reason == ReasonCode::not_authorized) {
        counters_.add(Counter::publish_denied);
        if (session.zone().policy.deny_action == access::DenyAction::disconnect)
            return fail(id, reason);
    }
    // Before v5 an acknowledgement says nothing about what became of the message.
    session.acknowledge(context_, packet, session.is_v5() ? reason : ReasonCode::success);
    if (session.is_v5() && packet.qos == QoS::exactly_once)
        session.unreceive_qos_2(context_, *packet.packet_id);
    return Handled::done;
}

RetainVersion Broker::Core::next_version() {
    // By the wall clock where there is one, so that it goes on after a restart.
    const std::int64_t wall_us = (context_.now + options_.wall_offset).time_since_epoch().count();
    const bool has_only_clock = options_.defects.has(Defect::lww_wall_clock);
    last_version_ = {has_only_clock ? wall_us : std::max(wall_us, last_version_.at_us + 1),
                     options_.node * shard_count_max + options_.self.raw()};
    return last_version_;
}

std::size_t Broker::Core::publish(Publication& publication, const Client* publisher,
                                  Forwarding forwarding) {
    const auto& fields = publication.fields();
    RetainVersion version;
    if (fields.retain) {
        version = next_version();
        store_retained(publication, version);
    }
    auto receivers = deliver_here(publication, publisher);
    if (peer_count_ == 1) {
        groups_.clear();
        router_.match_groups(fields.topic, groups_);
        for (auto* const group : groups_)
            deliver_to_member(publication, *FilterName::parse(group->text, true), *group);
        return receivers + groups_.size();
    }

    group_routes_.clear();
    auto shards = router_.match_routes(fields.topic, group_routes_);
    receivers += static_cast<std::size_t>(std::popcount(shards));
    if (fields.retain && !options_.defects.has(Defect::retain_node_local)) {
        // Every shard keeps its own copy, subscribers or not.
        for_each_peer([&](ShardIndex peer) { shards |= std::uint64_t{1} << peer.raw(); });
    }
    for (; shards != 0; shards &= shards - 1) {
        const ShardIndex to{static_cast<unsigned>(std::countr_zero(shards))};
        forward(to, PeerPublication{publication.message(), version}, publication, forwarding);
    }
    for (auto* const group : group_routes_) {
        const auto to = shard_for(publication, *group);
        ++receivers;
        if (to != options_.self) {
            forward(to, PeerSharedPublication{publication.message(), group->text}, publication,
                    forwarding);
            continue;
        }
        publish_to_group(publication, *FilterName::parse(group->text, true), {}, forwarding);
    }
    return receivers;
}

std::size_t Broker::Core::deliver_here(Publication& publication, const Client* publisher) {
    receivers_.clear();
    router_.match(publication.fields().topic, publisher, receivers_);
    auto& more = receivers_.more_identifiers;
    std::ranges::sort(more);
    auto next_more = more.begin();
    for (std::uint32_t at = 0; at < receivers_.list.size(); ++at) {
        const auto& receiver = receivers_.list[at];
        // RETAIN says "old news" to a new subscriber only, unless the subscriber asked to see it as
        // it was published ([MQTT-3.3.1-12], [MQTT-3.3.1-13]).
        Session::Grant grant{.qos = receiver.qos,
                             .retain = publication.fields().retain && receiver.retain_as_published,
                             .identifier = receiver.identifier};
        if (receiver.has_more_identifiers) {
            identifiers_.clear();
            for (; next_more != more.end() && next_more->first == at; ++next_more)
                identifiers_.push_back(next_more->second);
            grant.more_identifiers = &identifiers_;
        }
        deliver(static_cast<Client&>(*receiver.who), publication, grant);
    }
    return receivers_.list.size();
}

void Broker::Core::deliver(Client& client, Publication& publication, const Session::Grant& grant) {
    if (gate_ && publication.is_once && client.session.is_durable())
        client.session.certify(context_);  // or a QoS 0 copy could come twice
    client.session.deliver(context_, publication, grant);
    time_retry(client);
    if (context_.queues.size_bytes() > queued_bytes_max_) evict();
}

void Broker::Core::time_retry(Client& client) {
    if (client.retry_is_timed || !client.session.wants_retry()) return;
    client.retry_is_timed = true;
    add_timer(context_.now + client.session.settings().retry_interval,
              {Reminder::What::retry, client.slot, slot_generations_[client.slot]});
}

void Broker::Core::store_retained(Publication& publication, RetainVersion version) {
    if (options_.defects.any() && spoil_retained(publication.message(), version)) return;
    keep_retained(publication, version);
}

void Broker::Core::keep_retained(Publication& publication, RetainVersion version) {
    last_version_.at_us = std::max(last_version_.at_us, version.at_us);
    switch (retained_.store(publication.message(), version, context_.now)) {
        case RetainedMessages::Stored::yes:
            if (ledger_) store_retained_record(publication.message(), version);
            break;
        case RetainedMessages::Stored::older: break;
        case RetainedMessages::Stored::full: counters_.add(Counter::dropped_retained_full); break;
    }
    sweep_retained();
}

// --- SUBSCRIBE, UNSUBSCRIBE
// -----------------------------------------------------------------------------

Broker::Core::Handled Broker::Core::on_subscribe(ConnectionId id, Client& client,
                                                 const wire::Subscribe& subscribe) {
    const auto& settings = client.session.settings();
    const bool v5 = client.session.is_v5();
    const auto version = client.session.terms().version;
    const auto identifier =
        subscribe.properties.integer(PropertyId::subscription_identifier).value_or(0);
    if (identifier != 0 && !settings.subscription_identifier_available)
        return fail(id, ReasonCode::subscription_identifiers_not_supported);

    names_.clear();
    mounted_.clear();
    std::optional<ReasonCode> error;
    subscribe.for_each([&](const wire::Subscription& entry) {
        const auto name = parsed(entry.filter, v5);
        if (!name)
            error = ReasonCode::topic_filter_invalid;
        else if (!name->share_name.empty() && !settings.shared_subscription_available)
            error = ReasonCode::shared_subscriptions_not_supported;
        else if (wire::has_wildcard(name->filter) && !settings.wildcard_subscription_available)
            error = ReasonCode::wildcard_subscriptions_not_supported;
        if (!name) return;
        const auto inside = mounted(client.mountpoint(), *name);
        if (!inside)
            error = ReasonCode::topic_filter_invalid;
        else
            names_.push_back(*inside);
    });
    if (error) return fail(id, *error);
    if (!acquire_routes(id, names_)) return Handled::stalled;
    const auto written_before = write_count();
    // From here on the subscriptions hold the routes.
    const auto pending = std::exchange(open_connection(id).pending, nullptr);

    struct Send {
        FilterName name;
        wire::SubscriptionOptions options;
    };
    std::vector<Send> to_send;
    reasons_.clear();
    std::size_t index = 0;
    subscribe.for_each([&](const wire::Subscription& entry) {
        const auto& name = names_[index++];
        counters_.add(Counter::subscribes);
        const auto refuse_entry = [&](ReasonCode reason) {
            reasons_.push_back(suback_code(reason, version));
        };
        if (has_too_many_levels(name.filter, settings)) {
            if (options_.defects.has(Defect::deep_topic_recursion)) crash();
            return refuse_entry(ReasonCode::topic_filter_invalid);
        }
        if (const auto refusal = storage_refusal(); refusal && client.session.is_durable()) {
            counters_.add(Counter::refused_without_storage);
            return refuse_entry(*refusal);
        }
        if (is_failure(readiness_.subscribe)) {
            counters_.add(Counter::refused_by_cluster);
            return refuse_entry(readiness_.subscribe);
        }
        // Rules see the filter as the client wrote it, behind the ShareName.
        if (!is_allowed(client, access::Action::subscribe, parsed(entry.filter, v5)->filter)) {
            counters_.add(Counter::subscribe_denied);
            return refuse_entry(ReasonCode::not_authorized);
        }
        if (!has_room_for(client, name)) {
            counters_.add(Counter::subscribe_over_quota);
            return refuse_entry(ReasonCode::quota_exceeded);
        }
        auto options = entry.options;
        options.qos = min(options.qos, settings.maximum_qos);
        if (!v5) options.no_local = client.session.zone().policy.no_local_for_v3;
        const auto subscribed = this->subscribe(client, name, options, identifier);
        reasons_.push_back(suback_code(granted(options.qos), version));
        const bool is_new = subscribed == Router::Subscribed::new_subscription;
        // [MQTT-3.3.1-9] … [MQTT-3.3.1-11]; before v5 always (v3.1.1 §3.8.4).
        const bool send =
            entry.options.retain_handling == 0 || (entry.options.retain_handling == 1 && is_new);
        if (send && name.share_name.empty()) to_send.push_back({name, options});
    });
    if (pending)
        for (const auto& [filter, share_name] : pending->routes)
            route_exchange_.release(filter, share_name);

    built_.clear();
    certify_since(written_before, client);
    wire::encode_suback(built_, {.packet_id = subscribe.packet_id, .reasons = reasons_}, version);
    if (!client.session.send(context_, built_)) return fail(id, ReasonCode::packet_too_large);
    for (const auto& one : to_send) send_retained(client, one.name, one.options, identifier);
    return Handled::done;
}

bool Broker::Core::has_room_for(Client& client, const FilterName& name) {
    if (client.subscriptions.size() < client.session.settings().subscriptions_max &&
        router_.subscription_count() < share_of(rules_->policy.limits.subscriptions_max))
        return true;
    return router_.is_subscribed(client, name);  // one that is replaced
}

Router::Subscribed Broker::Core::subscribe(Client& client, const FilterName& name,
                                           wire::SubscriptionOptions options,
                                           std::uint32_t identifier) {
    if (ledger_ && client.session.is_durable())
        ledger_->put(storage::SubscriptionRecord{.session = client.session.stored_as(),
                                                 .text = std::string{name.text},
                                                 .is_shared = !name.share_name.empty(),
                                                 .options = options,
                                                 .identifier = identifier});
    return join(client, name, options, identifier);
}

Router::Subscribed Broker::Core::join(Client& client, const FilterName& name,
                                      wire::SubscriptionOptions options, std::uint32_t identifier) {
    const bool had = peer_count_ > 1 && router_.has(name);
    const auto subscribed = router_.subscribe(client, name, options, identifier);
    if (!had && peer_count_ > 1) {
        route_exchange_.acquire(name.filter, name.share_name);
        if (!name.share_name.empty())
            router_.add_route(options_.self, name.filter, name.share_name);
    }
    if (name.share_name.empty() || subscribed != Router::Subscribed::new_subscription)
        return subscribed;
    if (client.session.is_durable()) ++router_.find_group(name)->durable_count;
    if (peer_count_ > 1) tell_group_size(name);
    return subscribed;
}

bool Broker::Core::acquire_routes(ConnectionId id, const std::vector<FilterName>& names) {
    if (peer_count_ == 1) return true;
    auto& connection = open_connection(id);
    if (!connection.pending) {
        auto pending = std::make_unique<PendingSubscribe>();
        for (const auto& name : names) {
            pending->sequence =
                std::max(pending->sequence, route_exchange_.acquire(name.filter, name.share_name));
            pending->routes.emplace_back(name.filter, name.share_name);
        }
        connection.pending = std::move(pending);
    }
    if (route_exchange_.is_known_everywhere(connection.pending->sequence)) return true;
    if (std::find(waiting_subscribes_.begin(), waiting_subscribes_.end(), id) ==
        waiting_subscribes_.end())
        waiting_subscribes_.push_back(id);
    return false;
}

void Broker::Core::send_retained(Client& client, const FilterName& name,
                                 wire::SubscriptionOptions options, std::uint32_t identifier) {
    if (options_.defects.any() && spoil_snapshot(client, name, options, identifier)) return;
    snapshot_.clear();
    retained_.collect(name.filter, context_.now, snapshot_);
    // A queue's limits leave them out: they are there anyway. But who subscribes again and again
    // and takes nothing does not get copies without end.
    const auto snapshots_max = 2 * retained_.size() + client.session.settings().queue_messages_max;
    for (auto& message : snapshot_) {
        if (options.no_local && message->publisher() == client.publisher) continue;
        Publication publication{std::move(message)};
        deliver(client, publication,
                {.qos = options.qos,
                 .retain = !options_.defects.has(Defect::retain_flag_lost),  // [MQTT-3.3.1-8]
                 .snapshot = client.session.outbox() == nullptr ||
                             client.session.outbox()->snapshot_count() < snapshots_max,
                 .identifier = identifier});
    }
    snapshot_.clear();
}

Broker::Core::Handled Broker::Core::on_unsubscribe(ConnectionId id, Client& client,
                                                   const wire::Unsubscribe& packet) {
    const auto version = client.session.terms().version;
    const auto written_before = write_count();
    auto refusal = client.session.is_durable() ? storage_refusal() : std::optional<ReasonCode>{};
    if (is_failure(readiness_.subscribe)) refusal = readiness_.subscribe;
    if (refusal) {
        counters_.add(is_failure(readiness_.subscribe) ? Counter::refused_by_cluster
                                                       : Counter::refused_without_storage);
        // Before v5 there is no word for it.
        if (!client.session.is_v5()) return fail(id, *refusal, DisconnectReason::internal_error);
    }
    reasons_.clear();
    packet.for_each([&](std::string_view filter) {
        counters_.add(Counter::unsubscribes);
        if (refusal) {
            // UNSUBACK has no Quota exceeded (§3.11.3).
            reasons_.push_back(static_cast<std::byte>(ReasonCode::implementation_specific_error));
            return;
        }
        mounted_.clear();
        auto name = parsed(filter, client.session.is_v5());
        if (name) name = mounted(client.mountpoint(), *name);
        const bool existed = name && router_.is_subscribed(client, *name);
        if (existed && options_.defects.any()) spoil_unsubscribe(client, *name);
        if (existed &&
            !(options_.defects.has(Defect::share_membership_race) && stays_behind(*name)))
            unsubscribe(client, *name);
        reasons_.push_back(static_cast<std::byte>(existed ? ReasonCode::success
                                                          : ReasonCode::no_subscription_existed));
    });
    built_.clear();
    certify_since(written_before, client);
    wire::encode_unsuback(built_, {.packet_id = packet.packet_id, .reasons = reasons_}, version);
    if (!client.session.send(context_, built_)) return fail(id, ReasonCode::packet_too_large);
    return Handled::done;
}

void Broker::Core::unsubscribe(Client& client, const FilterName& name) {
    if (ledger_ && client.session.is_durable())
        ledger_->erase(storage::key_of_subscription(client.session.stored_as(), name.text));
    if (client.session.is_durable() && !name.share_name.empty())
        --router_.find_group(name)->durable_count;
    CHECK(router_.unsubscribe(client, name));
    if (peer_count_ == 1) return;
    if (router_.has(name)) {
        if (!name.share_name.empty()) tell_group_size(name);
        return;
    }
    route_exchange_.release(name.filter, name.share_name);
    if (!name.share_name.empty()) router_.remove_route(options_.self, name.filter, name.share_name);
}

}  // namespace touchstone
