#include "broker/core.hpp"

#include <algorithm>

#include "broker/base/check.hpp"

namespace touchstone {

ShardIndex owner_of(std::string_view client_id, unsigned shard_count) {
    // The same on every shard and in every run, so the seed is fixed.
    return ShardIndex{static_cast<unsigned>(hash_of(client_id, 0) % shard_count)};
}

namespace {

RetainedMessages::Limits retained_limits(const access::NodeRules& rules) {
    const auto& limits = rules.policy.limits;
    return {.count_max = limits.retained_messages_max, .bytes_max = limits.retained_bytes_max};
}

}  // namespace

Broker::Core::Core(std::shared_ptr<const access::NodeRules> rules, const Options& options,
                   const Ports& ports)
    : rules_{std::move(rules)},
      options_{options},
      ledger_{ports.storage == nullptr ? nullptr
                                       : std::make_unique<storage::Ledger>(
                                             *ports.storage, options.wall_offset, options.defects)},
      gate_{ledger_ ? std::make_unique<storage::OutputGate>(ports.network) : nullptr},
      network_{gate_ ? static_cast<Network&>(*gate_) : ports.network},
      peers_{ports.peers},
      random_{ports.random},
      authentication_{ports.authentication},
      events_{ports.events},
      registry_{ports.registry},
      peer_count_{options.shard_count + (ports.registry != nullptr ? 1 : 0)},
      context_{options_.defects, network_, counters_},
      router_{{.self = options.self,
               .shard_count = peer_count_,
               .hash_seed = random_.next(),
               .dollar_matched = options.defects.has(Defect::dollar_matched)}},
      route_exchange_{options.self, peer_count_, peers_},
      queued_bytes_max_{share_of(rules_->policy.limits.queued_bytes_max)},
      resident_bytes_max_{resident_bytes_max(*rules_)},
      retained_{retained_limits(*rules_), peer_count_ > 1, ports.storage != nullptr},
      clients_{0, TextHash{random_.next()}} {
    CHECK(options.self.raw() < options.shard_count);
    CHECK(peer_count_ <= shard_count_max);
    if (!ledger_) return;
    context_.ledger = ledger_.get();
    context_.gate = gate_.get();
    begin_recovery();
}

// --- Inputs
// ---------------------------------------------------------------------------------------

void Broker::Core::on_open(ConnectionId id, access::Origin origin, Instant now) {
    context_.now = now;
    if (connections_.size() <= id.raw()) connections_.resize(id.raw() + 1);
    auto& connection = connections_[id.raw()];
    CHECK(connection.state == ConnectionState::closed);
    connection.state = ConnectionState::awaiting_connect;
    connection.last_packet_at = now;
    ++connection.generation;
    ++connection_count_;
    counters_.add(Counter::connections_opened);
    connection.origin = std::make_unique<access::Origin>(std::move(origin));
    add_timer(now + settings_of(connection).connect_timeout,
              {Reminder::What::connect, id.raw(), connection.generation});
}

const Settings& Broker::Core::settings_of(const Connection& connection) const {
    return connection.client != nullptr ? connection.client->session.settings()
                                        : rules_->zone_of(connection.origin->listener).settings;
}

ProtocolVersion Broker::Core::version_of(const Connection& connection) {
    if (connection.client != nullptr) return connection.client->session.terms().version;
    return connection.admission ? connection.admission->version : ProtocolVersion::v3_1_1;
}

Broker::Core::Connection& Broker::Core::open_connection(ConnectionId id) {
    CHECK(id.raw() < connections_.size());
    auto& connection = connections_[id.raw()];
    CHECK(connection.state != ConnectionState::closed);
    return connection;
}

Intake Broker::Core::on_bytes(ConnectionId id, Bytes bytes, Instant now) {
    context_.now = now;
    if (ledger_) {
        // Its last packets wait, and nobody listens any more.
        if (gate_->is_closing(id)) return {bytes.size(), Intake::Next::stalled, 0};
        if (!is_ready_) {
            early_.emplace_back(id, open_connection(id).generation);
            return {0, Intake::Next::stalled, 0};
        }
    }
    auto& connection = open_connection(id);
    if (bytes.empty()) connection.last_packet_at = now;  // its packets wait in the driver
    // A driver that has not been told to close goes on; what it brings is for nobody.
    const auto gone = [&](std::size_t taken_bytes) -> Intake {
        if (gate_ && gate_->is_closing(id)) return {bytes.size(), Intake::Next::stalled, 0};
        return {taken_bytes, Intake::Next::gone, 0};
    };
    auto rest = bytes;
    const auto taken = [&] { return bytes.size() - rest.size(); };
    for (;;) {
        const auto before = rest;
        const auto frame = wire::take_frame(rest, settings_of(connection).packet_size_bytes_max,
                                            version_of(connection));
        if (!frame) {
            if (options_.defects.has(Defect::alloc_by_announced_len) &&
                frame.error() == ReasonCode::packet_too_large)
                return {taken(), Intake::Next::more_bytes,
                        wire::announced_size_bytes(rest).value_or(0)};
            fail(id, frame.error());
            return gone(taken());
        }
        if (!frame.value()) {
            if (options_.defects.any() && spoil_wait(id, rest))
                return {taken(), Intake::Next::gone, 0};
            return {taken(), Intake::Next::more_bytes,
                    wire::announced_size_bytes(rest).value_or(0)};
        }
        connection.last_packet_at = now;
        switch (handle(id, *frame.value())) {
            case Handled::done:
                counters_.add(Counter::bytes_received, frame.value()->size_bytes);
                break;
            case Handled::gone:
                if (options_.defects.any()) spoil_refused(*frame.value());
                return gone(taken());
            case Handled::moved: rest = before; return {taken(), Intake::Next::gone, 0};
            case Handled::stalled: rest = before; return {taken(), Intake::Next::stalled, 0};
        }
    }
}

Broker::Core::Handled Broker::Core::handle(ConnectionId id, const wire::Frame& frame) {
    auto& connection = open_connection(id);
    if (connection.state == ConnectionState::authenticating) {
        auto& admission = *connection.admission;
        if (admission.is_asked || admission.is_accepted || admission.method.empty()) {
            admission.has_stalled_packets = true;
            return Handled::stalled;
        }
    }
    const auto version = version_of(connection);
    const auto step = touchstone::on_packet(connection.state, frame.type, version);
    if (step.error) {
        const bool second_connect = frame.type == wire::PacketType::connect;
        return fail(id, *step.error,
                    second_connect ? DisconnectReason::proto_unexpected_c
                                   : disconnect_reason_of(*step.error));
    }
    if (connection.state == ConnectionState::awaiting_connect) return on_connect(id, frame);
    if (connection.state == ConnectionState::authenticating) {
        if (frame.type == wire::PacketType::auth) return on_auth_of_connect(id, frame);
        network_.close(id);  // DISCONNECT: the client has thought better of it
        forget_connection(id, DisconnectReason::normal);
        return Handled::gone;
    }
    return handle_packet(id, *connection.client, frame);
}

Broker::Core::Handled Broker::Core::handle_packet(ConnectionId id, Client& client,
                                                  const wire::Frame& frame) {
    using enum wire::PacketType;
    const auto version = client.session.terms().version;
    const auto acknowledged = [&](void (Session::*act)(SessionContext&, const wire::Ack&)) {
        return with(id, wire::decode_ack(frame, version, wire::Sender::client),
                    [&](const wire::Ack& ack) {
                        (client.session.*act)(context_, ack);
                        time_retry(client);
                        return Handled::done;
                    });
    };
    switch (frame.type) {
        case publish:
            return with(id, wire::decode_publish(frame, version, wire::Sender::client),
                        [&](wire::Publish& packet) { return on_publish(id, client, packet); });
        case puback:
            if (options_.defects.any()) note_puback(client, frame);
            return acknowledged(&Session::on_puback);
        case pubrec: return acknowledged(&Session::on_pubrec);
        case pubrel:
            if (options_.defects.any()) release_held(client, frame);
            return acknowledged(&Session::on_pubrel);
        case pubcomp: return acknowledged(&Session::on_pubcomp);
        case subscribe:
            return with(
                id, wire::decode_subscribe(frame, version),
                [&](const wire::Subscribe& packet) { return on_subscribe(id, client, packet); });
        case unsubscribe:
            return with(id, wire::decode_unsubscribe(frame, version),
                        [&](const wire::Unsubscribe& packet) {
                            return on_unsubscribe(id, client, packet);
                        });
        case pingreq: {
            if (const auto ping = wire::decode_ping(frame, version); !ping)
                return fail(id, ping.error());
            built_.clear();
            wire::encode_pingresp(built_);  // [MQTT-3.12.4-1]
            client.session.send(context_, built_);
            client.session.free_idle_parts();
            return Handled::done;
        }
        case disconnect: return on_disconnect(id, client, frame);
        case auth: return on_auth(id, client, frame);
        case connect:
        case connack:
        case suback:
        case unsuback:
        case pingresp: break;  // on_packet refused them
    }
    UNREACHABLE();
}

void Broker::Core::on_written(ConnectionId id, std::size_t size_bytes, Instant now) {
    context_.now = now;
    if (gate_ && gate_->is_closing(id)) return;
    const auto& connection = open_connection(id);
    if (connection.client == nullptr) return;
    connection.client->session.on_written(context_, size_bytes);
    time_retry(*connection.client);
}

void Broker::Core::on_close(ConnectionId id, Instant now, DisconnectReason reason) {
    context_.now = now;
    if (gate_) {
        const bool is_over = gate_->is_closing(id);
        gate_->forget(id);
        if (is_over) return;
    }
    auto* const client = open_connection(id).client;
    forget_connection(id, reason);
    if (client != nullptr) detach(*client);
}

void Broker::Core::on_peer(ShardIndex from, PeerMessage message, Instant now) {
    context_.now = now;
    if (auto* const publication = std::get_if<PeerPublication>(&message)) {
        if (!is_first(from, publication->receipt)) {
            // Who stored the Retained Message may have lost it to a disk that lied.
            if (publication->message->retain())
                learn_retained(publication->message, publication->version);
            return;
        }
        const auto before = write_count();
        Publication here{std::move(publication->message)};
        here.is_once = publication->receipt.is_stored;
        if (here.fields().retain) store_retained(here, publication->version);
        deliver_here(here, nullptr);
        answer(from, publication->receipt, before);
    } else if (auto* const shared = std::get_if<PeerSharedPublication>(&message)) {
        if (!is_first(from, shared->receipt)) return;
        const auto before = write_count();
        Publication here{std::move(shared->message)};
        here.is_once = shared->receipt.is_stored;
        const auto name = FilterName::parse(shared->group, true);
        CHECK(name.has_value());
        // Passed on, it is this shard that answers for it.
        const bool is_wanted = ledger_ && here.fields().qos != QoS::at_most_once;
        // Another node has chosen this one: it does not go back there.
        if (from == gateway(options_.shard_count)) shared->tried |= std::uint64_t{1} << from.raw();
        publish_to_group(here, *name, {shared->tried, shared->busy},
                         is_wanted ? Forwarding::stored_first : Forwarding::at_once);
        answer(from, shared->receipt, before);
    } else if (const auto* const route = std::get_if<PeerAddRoute>(&message)) {
        router_.add_route(from, route->filter, route->share_name);
        peers_.send(from, PeerRouteAdded{route->sequence});
    } else if (const auto* const added = std::get_if<PeerRouteAdded>(&message)) {
        route_exchange_.on_route_added(from, added->sequence);
        resume_waiting_subscribes();
    } else if (const auto* const removed = std::get_if<PeerRemoveRoute>(&message)) {
        router_.remove_route(from, removed->filter, removed->share_name);
    } else if (const auto* const size = std::get_if<PeerGroupSize>(&message)) {
        router_.set_group_size(from, size->filter, size->share_name, size->members,
                               size->has_durable);
    } else if (const auto* const stored = std::get_if<PeerStored>(&message)) {
        on_peer_stored(*stored);
    } else if (const auto* const retained = std::get_if<PeerRetained>(&message)) {
        learn_retained(retained->message, retained->version);
    } else if (const auto* const recovered = std::get_if<PeerRecovered>(&message)) {
        on_peer_recovered(*recovered);
    } else if (const auto* const readiness = std::get_if<PeerReadiness>(&message)) {
        readiness_ = *readiness;
    }
}

void Broker::Core::learn_retained(const MessageRef& message, RetainVersion version) {
    retained_.store(message, version, context_.now);
    last_version_.at_us = std::max(last_version_.at_us, version.at_us);
    sweep_retained();
}

void Broker::Core::resume_waiting_subscribes() {
    std::vector<ConnectionId> ready;
    std::erase_if(waiting_subscribes_, [&](ConnectionId id) {
        const auto& connection = connections_[id.raw()];
        if (!connection.pending) return true;  // closed in the meantime
        if (!route_exchange_.is_known_everywhere(connection.pending->sequence)) return false;
        ready.push_back(id);
        return true;
    });
    for (const auto id : ready) {
        if (connections_[id.raw()].state == ConnectionState::authenticating)
            continue_connect(id);  // waited for what is subscribed for it
        else if (connections_[id.raw()].state == ConnectionState::connected)
            network_.resume(id);
    }
}

void Broker::Core::on_tick(Instant now) {
    context_.now = now;
    while (timers_.has_due(now)) {
        const auto timer = timers_.take();
        if (!is_void(timer)) on_reminder(timer.reminder);
    }
}

void Broker::Core::add_timer(Instant at, Reminder reminder) {
    timers_.add(at, reminder);
    if (timers_.is_crowded()) timers_.forget([this](const Timer& timer) { return is_void(timer); });
}

bool Broker::Core::is_void(const Timer& timer) const {
    const auto& [what, slot, generation] = timer.reminder;
    switch (what) {
        case Reminder::What::connect:
        case Reminder::What::keep_alive:
        case Reminder::What::resume: {
            const auto& connection = connections_[slot];
            return connection.generation != generation ||
                   connection.state == ConnectionState::closed ||
                   (what == Reminder::What::connect && connection.client != nullptr);
        }
        case Reminder::What::session:
        case Reminder::What::retry: {
            const auto* const client = slots_[slot];
            return client == nullptr || slot_generations_[slot] != generation ||
                   (what == Reminder::What::session && timer.at != due_at(*client) &&
                    !options_.defects.has(Defect::expiry_index_corrupt));
        }
        case Reminder::What::defect: return false;
        case Reminder::What::storage: return false;
        case Reminder::What::retained: return timer.at != retained_reminder_at_;
    }
    UNREACHABLE();
}

void Broker::Core::on_reminder(const Reminder& reminder) {
    switch (reminder.what) {
        case Reminder::What::connect:
            return on_connect_timeout(ConnectionId{reminder.slot}, connections_[reminder.slot]);
        case Reminder::What::keep_alive:
            return on_keep_alive_reminder(ConnectionId{reminder.slot}, connections_[reminder.slot]);
        case Reminder::What::resume: return network_.resume(ConnectionId{reminder.slot});
        case Reminder::What::session: return on_session_reminder(*slots_[reminder.slot]);
        case Reminder::What::retry: {
            auto& client = *slots_[reminder.slot];
            const auto next = client.session.retry(context_);
            client.retry_is_timed = next != never;
            if (client.retry_is_timed) add_timer(next, reminder);
            return;
        }
        case Reminder::What::defect: return take_postponed(reminder.slot);
        case Reminder::What::retained: retained_reminder_at_ = never; return sweep_retained();
        case Reminder::What::storage: return retry_storage();
    }
}

void Broker::Core::obey(Client& client, const access::Zone& zone) {
    client.session.obey(zone);
    if (!client.identity) return;
    client.identity->access_memory.reset();
    client.identity->publish_bucket.reset();
}

void Broker::Core::on_publish(const MessageFields& fields, Instant now) {
    context_.now = now;
    Publication publication{fields};
    publish(publication, nullptr);
}

void Broker::Core::on_rules(std::shared_ptr<const access::NodeRules> rules, Instant now) {
    context_.now = now;
    CHECK(rules->zones.size() >= rules_->zones.size());
    CHECK(rules->listeners.size() >= rules_->listeners.size());
    flapping_.clear();
    for (auto* const client : slots_)
        if (client != nullptr) obey(*client, rules->zone_of(client->listener));
    retained_.set_limits(retained_limits(*rules));
    queued_bytes_max_ = share_of(rules->policy.limits.queued_bytes_max);
    resident_bytes_max_ = resident_bytes_max(*rules);
    rules_ = std::move(rules);  // nobody refers to the old ones any more
}

void Broker::Core::on_stop(Instant now) {
    context_.now = now;
    for (std::uint32_t slot = 0; slot < connections_.size(); ++slot) {
        const ConnectionId id{slot};
        if (connections_[slot].state == ConnectionState::closed) continue;
        auto* const client = connections_[slot].client;
        if (client != nullptr) {
            send_disconnect(*client, ReasonCode::server_shutting_down);
            // Without storage nobody would be left to be told. With it the connection ends like any
            // other that the server closes [MQTT-3.1.2-8].
            if (!ledger_) client->session.drop_will();
        }
        network_.close(id);
        forget_connection(id, DisconnectReason::server_shutdown);
        if (client != nullptr) detach(*client);
    }
    // There is no later: what a disk refused that has room now would come back as it was, sessions
    // that have ended among it.
    if (ledger_) ledger_->try_again();
}

std::optional<Instant> Broker::Core::next_tick() const {
    if (timers_.next() == never) return std::nullopt;
    return timers_.next();
}

// --- Questions
// --------------------------------------------------------------------------------------

Gauges Broker::Core::gauges() const {
    Gauges gauges{.connections = connection_count_,
                  .sessions = clients_.size(),
                  .subscriptions = router_.subscription_count(),
                  .retained_messages = retained_.size()};
    gauges.queued_bytes = context_.queues.size_bytes();
    gauges.intake_bytes = intake_bytes();
    for (const auto* const client : slots_) {
        if (client == nullptr || client->session.outbox() == nullptr) continue;
        gauges.queued_messages += client->session.outbox()->waiting().size();
        gauges.inflight_messages += client->session.outbox()->flows().size();
    }
    return gauges;
}

std::uint64_t Broker::Core::intake_bytes() const {
    std::uint64_t bytes = defect_memory_ ? defect_memory_->leaked_bytes : 0;
    for (const auto& connection : connections_)
        if (connection.admission) bytes += connection.admission->connect.size();
    for (const auto* const client : slots_)
        if (client != nullptr && client->session.inbox() != nullptr)
            bytes += client->session.inbox()->unreleased().size() * sizeof(std::uint16_t);
    return bytes;
}

std::optional<SessionView> Broker::Core::session(std::string_view client_id) const {
    const auto found = clients_.find(client_id);
    if (found == clients_.end()) return std::nullopt;
    const auto& session = found->second->session;
    SessionView view{.client_id = session.client_id(),
                     .connected = session.is_connected(),
                     .window = static_cast<std::uint16_t>(session.window())};
    if (const auto* const outbox = session.outbox()) {
        for (const auto& delivery : outbox->waiting()) {
            view.queue.push_back(delivery.message);
            if (delivery.message) continue;
            view.paged.push_back(
                storage::key_of_message(delivery.extras->entry.message().number()));
        }
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
