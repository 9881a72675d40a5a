// How connections and sessions end: what a client is told, its Will Message, and the deadlines that
// end what nobody ends.

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

using wire::PropertyId;

// --- The end of connections
// ---------------------------------------------------------------------------

Broker::Core::Handled Broker::Core::on_disconnect(ConnectionId id, Client& client,
                                                  const wire::Frame& frame) {
    auto& session = client.session;
    return with(id, wire::decode_disconnect(frame, session.terms().version, wire::Sender::client),
                [&](const wire::Disconnect& disconnect) {
                    if (const auto expiry_s =
                            disconnect.properties.integer(PropertyId::session_expiry_interval);
                        expiry_s && !options_.defects.has(Defect::sei_ignored)) {
                        if (*expiry_s != 0 && session.terms().expiry_was_zero_at_connect)
                            return fail(id, ReasonCode::protocol_error);  // §3.14.2.2.2
                        session.terms().session_expiry_s =
                            std::min(*expiry_s, session.settings().session_expiry_s_max);
                    }
                    if (options_.defects.has(Defect::will_timer_hits_successor))
                        time_will_cleanup(client);
                    // Only a normal end drops the Will [MQTT-3.14.4-3].
                    if (disconnect.reason == ReasonCode::success &&
                        !options_.defects.has(Defect::will_on_normal_disconnect))
                        session.drop_will();
                    drop_waiting(id);
                    network_.close(id);
                    forget_connection(id, DisconnectReason::normal);
                    detach(client);
                    return Handled::gone;
                });
}

Broker::Core::Handled Broker::Core::fail(ConnectionId id, ReasonCode reason,
                                         DisconnectReason counted_as) {
    counters_.add(Counter::protocol_violations);
    auto* const client = open_connection(id).client;
    // A server sends no DISCONNECT before a CONNACK with success [MQTT-3.14.0-1].
    if (client == nullptr)
        counters_.add(Counter::clients_refused);
    else if (drop_waiting(id))
        send_disconnect(*client, reason);
    network_.close(id);  // [MQTT-4.13.1-1]
    forget_connection(id, counted_as);
    if (client != nullptr) detach(*client);
    return Handled::gone;
}

void Broker::Core::send_disconnect(Client& client, ReasonCode reason) {
    if (!client.session.is_v5()) return;  // before v5 only clients send it
    built_.clear();
    wire::encode(built_, wire::Disconnect{.reason = reason}, ProtocolVersion::v5);
    client.session.send(context_, built_);
}

void Broker::Core::forget_connection(ConnectionId id, DisconnectReason reason) {
    counters_.add(reason);
    if (const auto* const client = open_connection(id).client;
        client != nullptr && reason != DisconnectReason::server_shutdown) {
        if (options_.defects.has(Defect::connect_event_before_disconnect))
            tell_later(*client, reason);
        else
            tell(*client, reason);
        note_change(client->session.client_id(), client->session.zone());
    }
    forget_connection(id);
}

void Broker::Core::forget_connection(ConnectionId id) {
    auto& connection = open_connection(id);
    returns_.forget(id);
    connection.state = ConnectionState::closed;
    connection.client = nullptr;
    connection.origin.reset();
    if (const auto pending = std::exchange(connection.pending, nullptr)) {
        for (const auto& [filter, share_name] : pending->routes)
            route_exchange_.release(filter, share_name);
        std::erase(waiting_subscribes_, id);
    }
    if (const auto admission = std::exchange(connection.admission, nullptr)) {
        if (admission->is_asked || !admission->method.empty())
            authentication_->forget(number_of(id));
        if (admission->is_claiming)
            registry_->withdraw(number_of(id));
        else if (admission->claimed && !clients_.contains(admission->assigned_client_id))
            registry_->release(admission->assigned_client_id);  // nothing has come of it
    }
    --connection_count_;
}

void Broker::Core::detach(Client& client) {
    auto& session = client.session;
    if (options_.defects.any()) spoil_end(client);
    session.detach();
    const auto expiry_s = session.terms().session_expiry_s;
    const auto* const will = session.will();
    if (expiry_s == 0) {
        publish_will(client);
        end_session(client);
        return;
    }
    client.ends_at = after_s(context_.now, expiry_s);
    if (will != nullptr && will->delay_s == 0)
        publish_will(client);
    else if (will != nullptr)
        client.will_due_at = std::min(after_s(context_.now, will->delay_s), client.ends_at);
    store_session(client);
    remind(client);
    if (options_.defects.has(Defect::ack_delete_race)) return_acknowledged(client);
}

void Broker::Core::end_session(Client& client) {
    counters_.add(Counter::sessions_ended);
    auto shared = options_.defects.has(Defect::share_no_redispatch)
                      ? std::vector<Delivery>{}
                      : client.session.take_shared(context_);
    if (const auto* const outbox = client.session.outbox()) {
        const auto unreleased = static_cast<std::uint64_t>(
            std::count_if(outbox->flows().begin(), outbox->flows().end(),
                          [](const auto& flow) { return !flow.released; }));
        counters_.add(Counter::dropped_session_ended, outbox->waiting().size() + unreleased);
        // What the client has taken with PUBREC is delivered; that PUBCOMP is missing drops
        // nothing.
        counters_.add(Counter::messages_acknowledged, outbox->flows().size() - unreleased);
    }
    leave_all(client);
    redistribute(std::move(shared));  // another member gets what this one did not (§4.8.2)
    if (registry_ != nullptr) registry_->release(client.session.client_id());
    forget_client(client);
}

void Broker::Core::leave_all(Client& client) {
    while (!client.subscriptions.empty()) {
        // The text may go with its last subscriber. `$share/…` of a v3 client is an ordinary
        // filter.
        const auto record = client.subscriptions.back();
        const std::string text{router_.text_of(record)};
        unsubscribe(client, *FilterName::parse(text, Router::is_shared(record)));
    }
    client.session.forget_queue(context_);
    if (client.session.stored_as() != 0) {
        client.session.erase_received(context_);
        ledger_->erase(storage::key_of_session(client.session.client_id()));
    }
}

void Broker::Core::forget_client(Client& client) {
    slots_[client.slot] = nullptr;
    free_slots_.push_back(client.slot);
    const auto found = clients_.find(client.session.client_id());
    if (found != clients_.end() && found->second.get() == &client)
        clients_.erase(found);
    else
        std::erase_if(ghosts_, [&](const auto& ghost) { return ghost.get() == &client; });
}

// --- Will Messages, deadlines
// -------------------------------------------------------------------------

void Broker::Core::publish_will(Client& client) {
    client.will_due_at = never;
    const auto will = client.session.take_will();
    if (!will || options_.defects.has(Defect::will_never_published)) return;
    if (is_failure(readiness_.publish) && options_.defects.has(Defect::will_lost_not_ready)) return;
    if (is_server_topic(client, will->topic) ||
        (!is_allowed(client, access::Action::publish, will->topic) &&
         !options_.defects.has(Defect::retain_after_revoke))) {
        counters_.add(Counter::publish_denied);
        return;
    }
    const auto* const mountpoint = client.mountpoint();
    if (mountpoint != nullptr) {
        auto topic = mountpoint->mount_name(will->topic);
        if (!topic) return;  // longer than a Topic Name can be
        will->topic = std::move(topic.value());
    }
    Publication publication{MessageFields{
        .topic = will->topic,
        .payload = will->payload,
        .properties = will->properties,
        .qos = will->qos,
        .retain = will->retain,
        .expires_at = will->message_expiry_s
                          ? context_.now + std::chrono::seconds{*will->message_expiry_s}
                          : never,
        .publisher = client.publisher}};
    counters_.add(Counter::wills_published);
    const auto forwarding = ledger_ ? Forwarding::stored_first : Forwarding::at_once;
    publication.is_once = true;
    publish(publication, &client, forwarding);
    if (options_.defects.has(Defect::will_twice)) publish(publication, &client);
}

Instant Broker::Core::due_at(const Client& client) {
    return std::min(client.ends_at, client.will_due_at);
}

void Broker::Core::remind(Client& client) {
    const auto at = due_at(client);
    if (at == never) return;
    add_timer(at, {Reminder::What::session, client.slot, slot_generations_[client.slot]});
}

void Broker::Core::on_connect_timeout(ConnectionId id, const Connection& connection) {
    if (connection.client != nullptr) return;
    // No CONNECT within a reasonable time (§3.1.4).
    network_.close(id);
    forget_connection(id, DisconnectReason::idle_timeout);
}

void Broker::Core::on_keep_alive_reminder(ConnectionId id, Connection& connection) {
    const auto keep_alive_s = connection.client->session.terms().keep_alive_s;
    if (keep_alive_s == 0 || options_.defects.has(Defect::keep_alive_ignored)) return;
    const auto limit = options_.defects.has(Defect::keepalive_1x)
                           ? std::chrono::seconds{keep_alive_s}
                           : keep_alive_limit(*connection.client);
    const auto deadline = connection.last_packet_at + limit;
    if (deadline > context_.now) {
        add_timer(deadline, {Reminder::What::keep_alive, id.raw(), connection.generation});
        return;
    }
    counters_.add(Counter::keep_alive_timeouts);
    auto& client = *connection.client;
    if (drop_waiting(id)) send_disconnect(client, ReasonCode::keep_alive_timeout);
    network_.close(id);
    forget_connection(id, DisconnectReason::keepalive_timeout);
    detach(client);
}

void Broker::Core::on_session_reminder(Client& client) {
    if (client.session.is_connected()) return;
    if (client.will_due_at <= context_.now) publish_will(client);
    if (client.ends_at <= context_.now || options_.defects.has(Defect::expiry_index_corrupt)) {
        publish_will(client);
        end_session(client);
        return;
    }
    store_session(client);
    remind(client);
}

}  // namespace touchstone
