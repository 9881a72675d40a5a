#include "broker/core.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone {

ShardIndex owner_of(std::string_view client_id, unsigned shard_count) {
    // The same on every shard and in every run, so the seed is fixed.
    return ShardIndex{static_cast<unsigned>(hash_of(client_id, 0) % shard_count)};
}

Broker::Core::Core(const Settings& settings, const Options& options, Network& network,
                   Peers& peers, Random& random)
    : settings_{settings},
      options_{options},
      network_{network},
      peers_{peers},
      random_{random},
      context_{settings, options_.defects, network, counters_, {}, {}, {}, {}},
      router_{{.self = options.self,
               .shard_count = options.shard_count,
               .hash_seed = random.next(),
               .dollar_rule_ignored = options.defects.dollar_rule_ignored}},
      route_exchange_{options.self, options.shard_count, peers},
      retained_{settings.retained_messages_max, options.shard_count > 1},
      clients_{0, TextHash{random.next()}} {
    CHECK(options.self.raw() < options.shard_count);
}

// --- Inputs ---------------------------------------------------------------------------------------

void Broker::Core::on_open(ConnectionId id, Instant now) {
    context_.now = now;
    if (connections_.size() <= id.raw()) connections_.resize(id.raw() + 1);
    auto& connection = connections_[id.raw()];
    CHECK(connection.state == ConnectionState::closed);
    connection.state = ConnectionState::awaiting_connect;
    connection.last_packet_at = now;
    ++connection.generation;
    ++connection_count_;
    counters_.add(Counter::connections_opened);
    timers_.add(now + settings_.connect_timeout,
                {Reminder::What::connect, id.raw(), connection.generation});
}

Broker::Core::Connection& Broker::Core::open_connection(ConnectionId id) {
    CHECK(id.raw() < connections_.size());
    auto& connection = connections_[id.raw()];
    CHECK(connection.state != ConnectionState::closed);
    return connection;
}

Intake Broker::Core::on_bytes(ConnectionId id, Bytes bytes, Instant now) {
    context_.now = now;
    auto& connection = open_connection(id);
    auto rest = bytes;
    const auto taken = [&] { return bytes.size() - rest.size(); };
    for (;;) {
        const auto before = rest;
        const auto version = connection.client == nullptr
                                 ? ProtocolVersion::v3_1_1
                                 : connection.client->session.terms().version;
        const auto frame = wire::take_frame(rest, settings_.packet_size_bytes_max, version);
        if (!frame) {
            fail(id, frame.error());
            return {taken(), Intake::Next::gone, 0};
        }
        if (!frame.value()) {
            return {taken(), Intake::Next::more_bytes,
                    wire::announced_size_bytes(rest).value_or(0)};
        }
        connection.last_packet_at = now;
        switch (handle(id, *frame.value())) {
            case Handled::done:
                counters_.add(Counter::bytes_received, frame.value()->size_bytes);
                break;
            case Handled::gone: return {taken(), Intake::Next::gone, 0};
            case Handled::moved: rest = before; return {taken(), Intake::Next::gone, 0};
            case Handled::stalled: rest = before; return {taken(), Intake::Next::stalled, 0};
        }
    }
}

Broker::Core::Handled Broker::Core::handle(ConnectionId id, const wire::Frame& frame) {
    const auto& connection = open_connection(id);
    const auto version = connection.client == nullptr
                             ? ProtocolVersion::v3_1_1
                             : connection.client->session.terms().version;
    const auto step = touchstone::on_packet(connection.state, frame.type, version);
    if (step.error) {
        const bool second_connect = frame.type == wire::PacketType::connect;
        return fail(id, *step.error,
                    second_connect ? DisconnectReason::proto_unexpected_c
                                   : disconnect_reason_of(*step.error));
    }
    if (connection.state == ConnectionState::awaiting_connect) return on_connect(id, frame);
    return handle_packet(id, *connection.client, frame);
}

Broker::Core::Handled Broker::Core::handle_packet(ConnectionId id, Client& client,
                                                  const wire::Frame& frame) {
    using enum wire::PacketType;
    const auto version = client.session.terms().version;
    const auto acknowledged = [&](void (Session::*act)(SessionContext&, const wire::Ack&)) {
        return with(id, wire::decode_ack(frame, version, wire::Sender::client), [&](const wire::Ack& ack) {
            (client.session.*act)(context_, ack);
            time_retry(client);
            return Handled::done;
        });
    };
    switch (frame.type) {
        case publish:
            return with(id, wire::decode_publish(frame, version, wire::Sender::client),
                        [&](wire::Publish& packet) { return on_publish(id, client, packet); });
        case puback: return acknowledged(&Session::on_puback);
        case pubrec: return acknowledged(&Session::on_pubrec);
        case pubrel: return acknowledged(&Session::on_pubrel);
        case pubcomp: return acknowledged(&Session::on_pubcomp);
        case subscribe:
            return with(id, wire::decode_subscribe(frame, version),
                        [&](const wire::Subscribe& packet) {
                            return on_subscribe(id, client, packet);
                        });
        case unsubscribe:
            return with(id, wire::decode_unsubscribe(frame, version),
                        [&](const wire::Unsubscribe& packet) {
                            return on_unsubscribe(id, client, packet);
                        });
        case pingreq: {
            if (const auto ping = wire::decode_ping(frame, version); !ping) return fail(id, ping.error());
            built_.clear();
            wire::encode_pingresp(built_);  // [MQTT-3.12.4-1]
            client.session.send(context_, built_);
            return Handled::done;
        }
        case disconnect: return on_disconnect(id, client, frame);
        case connect:
        case connack:
        case suback:
        case unsuback:
        case pingresp:
        case auth: break;  // on_packet refused them
    }
    UNREACHABLE();
}

void Broker::Core::on_written(ConnectionId id, std::size_t size_bytes, Instant now) {
    context_.now = now;
    const auto& connection = open_connection(id);
    if (connection.client == nullptr) return;
    connection.client->session.on_written(context_, size_bytes);
    time_retry(*connection.client);
}

void Broker::Core::on_close(ConnectionId id, Instant now, DisconnectReason reason) {
    context_.now = now;
    auto* const client = open_connection(id).client;
    forget_connection(id, reason);
    if (client != nullptr) detach(*client);
}

void Broker::Core::on_peer(ShardIndex from, PeerMessage message, Instant now) {
    context_.now = now;
    if (auto* const publication = std::get_if<PeerPublication>(&message)) {
        Publication here{std::move(publication->message)};
        if (here.fields().retain) store_retained(here, publication->version);
        deliver_here(here, nullptr);
    } else if (auto* const shared = std::get_if<PeerSharedPublication>(&message)) {
        Publication here{std::move(shared->message)};
        const auto name = FilterName::parse(shared->group, true);
        CHECK(name.has_value());
        publish_to_group(here, *name, shared->tried);
    } else if (const auto* const route = std::get_if<PeerAddRoute>(&message)) {
        router_.add_route(from, route->filter, route->share_name);
        peers_.send(from, PeerRouteAdded{route->sequence});
    } else if (const auto* const added = std::get_if<PeerRouteAdded>(&message)) {
        route_exchange_.on_route_added(from, added->sequence);
        resume_waiting_subscribes();
    } else if (const auto* const removed = std::get_if<PeerRemoveRoute>(&message)) {
        router_.remove_route(from, removed->filter, removed->share_name);
    }
}

void Broker::Core::resume_waiting_subscribes() {
    std::erase_if(waiting_subscribes_, [this](ConnectionId id) {
        const auto& connection = connections_[id.raw()];
        if (!connection.pending) return true;  // closed in the meantime
        if (!route_exchange_.is_known_everywhere(connection.pending->sequence)) return false;
        network_.resume(id);
        return true;
    });
}

void Broker::Core::on_tick(Instant now) {
    context_.now = now;
    while (timers_.has_due(now)) {
        const auto reminder = timers_.take();
        switch (reminder.what) {
            case Reminder::What::connect:
            case Reminder::What::keep_alive: {
                auto& connection = connections_[reminder.slot];
                if (connection.generation != reminder.generation ||
                    connection.state == ConnectionState::closed)
                    break;
                if (reminder.what == Reminder::What::connect)
                    on_connect_timeout(ConnectionId{reminder.slot}, connection);
                else
                    on_keep_alive_reminder(ConnectionId{reminder.slot}, connection);
                break;
            }
            case Reminder::What::session:
            case Reminder::What::retry: {
                auto* const client = slots_[reminder.slot];
                if (client == nullptr || slot_generations_[reminder.slot] != reminder.generation)
                    break;
                if (reminder.what == Reminder::What::session) {
                    on_session_reminder(*client);
                    break;
                }
                client->retry_is_timed = false;
                if (const auto next = client->session.retry(context_); next != never) {
                    client->retry_is_timed = true;
                    timers_.add(next, reminder);
                }
                break;
            }
            case Reminder::What::retained: {
                retained_reminder_at_ = retained_.sweep(now);
                if (retained_reminder_at_ != never) timers_.add(retained_reminder_at_, reminder);
                break;
            }
        }
    }
}

void Broker::Core::on_stop(Instant now) {
    context_.now = now;
    for (std::uint32_t slot = 0; slot < connections_.size(); ++slot) {
        const ConnectionId id{slot};
        if (connections_[slot].state == ConnectionState::closed) continue;
        auto* const client = connections_[slot].client;
        if (client != nullptr) {
            send_disconnect(*client, ReasonCode::server_shutting_down);
            client->session.drop_will();
        }
        network_.close(id);
        forget_connection(id, DisconnectReason::server_shutdown);
        if (client != nullptr) detach(*client);
    }
}

std::optional<Instant> Broker::Core::next_tick() const {
    if (timers_.next() == never) return std::nullopt;
    return timers_.next();
}

// --- Questions --------------------------------------------------------------------------------------

Gauges Broker::Core::gauges() const {
    Gauges gauges{.connections = connection_count_,
                  .sessions = clients_.size(),
                  .subscriptions = router_.subscription_count(),
                  .retained_messages = retained_.size()};
    for (const auto* const client : slots_) {
        if (client == nullptr || client->session.outbox() == nullptr) continue;
        gauges.queued_messages += client->session.outbox()->waiting().size();
        gauges.inflight_messages += client->session.outbox()->flows().size();
    }
    return gauges;
}

std::optional<SessionView> Broker::Core::session(std::string_view client_id) const {
    const auto found = clients_.find(client_id);
    if (found == clients_.end()) return std::nullopt;
    const auto& session = found->second->session;
    SessionView view{.client_id = session.client_id(),
                     .connected = session.is_connected(),
                     .window = static_cast<std::uint16_t>(session.window(settings_))};
    if (const auto* const outbox = session.outbox()) {
        for (const auto& delivery : outbox->waiting()) view.queue.push_back(delivery.message);
        for (const auto& flow : outbox->flows())
            view.inflight.push_back({flow.packet_id.raw(), flow.released, flow.delivery.message});
    }
    if (const auto* const inbox = session.inbox())
        view.unreleased.assign(inbox->unreleased().begin(), inbox->unreleased().end());
    return view;
}

std::vector<std::string> Broker::Core::client_ids() const {
    std::vector<std::string> ids;
    for (const auto* const client : slots_)
        if (client != nullptr) ids.push_back(client->session.client_id());
    std::sort(ids.begin(), ids.end());
    return ids;
}

}  // namespace touchstone
