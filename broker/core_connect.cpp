// CONNECT: who gets in, on which terms, and which session it is. How connections end: core_end.cpp.

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {
namespace {

using wire::PropertyId;

/// Whether a CONNECT that could not be decoded is one of MQTT 5.0, whose sender understands a
/// CONNACK with the reason.
bool announces_v5(const wire::Frame& frame) {
    return frame.type == wire::PacketType::connect && frame.body.size() >= 7 &&
           as_text(frame.body).substr(0, 7) == std::string_view{"\0\4MQTT\5", 7};
}

/// The Properties of a Will Message or a PUBLISH that travel on to the receivers.
void put_forwarded(wire::PropertiesWriter& to, const wire::Properties& from) {
    to.clear();
    from.for_each([&](const wire::Property& property) {
        switch (property.id) {
            case PropertyId::message_expiry_interval:  // counted down, see Session
            case PropertyId::topic_alias:              // of one Network Connection only
            case PropertyId::subscription_identifier:
            case PropertyId::will_delay_interval: return;
            default: to.put_encoded(property.encoded);
        }
    });
}

std::unique_ptr<StoredWill> stored(const wire::Will& will, wire::PropertiesWriter& scratch) {
    auto kept = std::make_unique<StoredWill>();
    kept->topic = will.topic;
    kept->payload.assign(will.payload.begin(), will.payload.end());
    put_forwarded(scratch, will.properties);
    const auto forwarded = scratch.view().raw();
    kept->properties.assign(forwarded.begin(), forwarded.end());
    kept->qos = will.qos;
    kept->retain = will.retain;
    kept->delay_s = will.properties.integer(PropertyId::will_delay_interval).value_or(0);
    kept->message_expiry_s = will.properties.integer(PropertyId::message_expiry_interval);
    return kept;
}

}  // namespace

// --- CONNECT
// ----------------------------------------------------------------------------------------

Broker::Core::Handled Broker::Core::on_connect(ConnectionId id, const wire::Frame& frame) {
    const auto decoded = wire::decode_connect(frame);
    if (!decoded) {
        if (decoded.error() == ReasonCode::unsupported_protocol_version)
            return refuse(id, ProtocolVersion::v3_1_1, decoded.error());
        if (announces_v5(frame)) return refuse(id, ProtocolVersion::v5, decoded.error());
        return fail(id, decoded.error());
    }
    const auto& connect = decoded.value();
    auto& connection = open_connection(id);
    const auto& origin = *connection.origin;
    const auto& zone = rules_->zone_of(origin.listener);
    const bool v5 = connect.version == ProtocolVersion::v5;

    auto user_name = connect.user_name;
    if (!origin.certificate_user_name.empty()) user_name = origin.certificate_user_name;
    std::string client_id{connect.client_id};
    if (zone.policy.user_name_as_client_id && user_name && !user_name->empty() &&
        !options_.defects.has(Defect::session_open_to_anyone))
        client_id = *user_name;
    if (connection.admission && !connection.admission->assigned_client_id.empty()) {
        client_id = connection.admission->assigned_client_id;
    } else if (client_id.empty()) {
        // Before v5 only a session that ends with the connection may be nameless [MQTT-3.1.3-8].
        if (!v5 && (connect.version == ProtocolVersion::v3_1 || !connect.clean_start))
            return refuse(id, connect.version, ReasonCode::client_identifier_not_valid);
        client_id = new_client_id();
    } else if ((connect.version == ProtocolVersion::v3_1 && client_id.size() > 23) ||
               client_id.size() > zone.policy.client_id_bytes_max) {
        return refuse(id, connect.version, ReasonCode::client_identifier_not_valid);
    }
    // Before it is moved: the owner has nothing to add, and may be what there is too little of.
    if (origin.is_over_limit) return refuse(id, connect.version, ReasonCode::server_busy);
    if (const auto owner = owner_of(client_id, options_.shard_count); owner != options_.self) {
        network_.move(id, owner, std::move(*connection.origin));
        counters_.add(Counter::connections_moved);
        forget_connection(id);
        return Handled::moved;
    }

    const access::Client claimed{client_id, user_name, origin.address};
    if (ban_of(claimed, zone) != nullptr) return refuse(id, connect.version, ReasonCode::banned);
    if (const auto handled = authenticate(id, frame, connect, client_id, user_name)) {
        // An Assigned Client Identifier stays the same while the answer is underway.
        if (*handled == Handled::done) connection.admission->assigned_client_id = client_id;
        return *handled;
    }
    if (connection.admission && !connection.admission->user_name.empty())
        user_name = connection.admission->user_name;
    const access::Client who{client_id, user_name, origin.address};
    if (ban_of(who, zone) != nullptr) return refuse(id, connect.version, ReasonCode::banned);
    auto mountpoint = rules_->listeners[origin.listener.raw()].mountpoint.for_client(who);
    if (!mountpoint) return refuse(id, connect.version, ReasonCode::not_authorized);
    if (connect.will)
        if (const auto error = error_of(*connect.will, zone.settings)) {
            if (options_.defects.has(Defect::reject_tears_incumbent)) close_holder(client_id);
            return refuse(id, connect.version, *error);
        }

    const auto known = clients_.find(client_id);
    const bool is_new = known == clients_.end();
    if (const auto refusal = storage_refusal()) {
        const bool is_stored = !is_new && known->second->session.stored_as() != 0;
        if (is_stored || connect.will || terms_of(connect, zone).session_expiry_s != 0) {
            counters_.add(Counter::refused_without_storage);
            return refuse(id, connect.version, *refusal);
        }
    }
    if (is_new && clients_.size() >= share_of(rules_->policy.limits.sessions_max))
        return refuse(id, connect.version, ReasonCode::quota_exceeded);
    if (const auto handled = claim(id, frame, connect, client_id)) return *handled;
    const auto* const copy = session_claimed_by(connection);
    if ((!rules_->policy.auto_subscribe.is_empty() || copy != nullptr) && !connection.pending) {
        // What is subscribed for the client has to be known to all shards, as in on_subscribe().
        mounted_.clear();
        names_.clear();
        if (copy != nullptr)
            for (const auto& one : copy->subscriptions)
                if (const auto name = FilterName::parse(one.text, one.is_shared))
                    names_.push_back(*name);
        const auto wanted = rules_->policy.auto_subscribe.for_client(who, connect.version);
        for (const auto& one : wanted.subscriptions)
            if (const auto plain = FilterName::parse(one.filter, v5))
                if (const auto name = mounted(&*mountpoint, *plain)) names_.push_back(*name);
        if (!acquire_routes(id, names_)) {
            const auto handled = wait_with_connect(id, frame);
            connection.admission->assigned_client_id = client_id;
            return handled;
        }
    }
    if (note_change(client_id, zone)) return refuse(id, connect.version, ReasonCode::banned);
    if (options_.defects.any())
        if (const auto handled = spoil_connect(id, frame, connect.version, client_id))
            return *handled;
    return let_in(id, connect, client_id, who, std::move(*mountpoint));
}

Broker::Core::Handled Broker::Core::wait_with_connect(ConnectionId id, const wire::Frame& frame) {
    auto& connection = open_connection(id);
    if (!connection.admission) {
        connection.admission = std::make_unique<Admission>();
        connection.admission->connect.assign(frame.body.begin(), frame.body.end());
        connection.admission->version =
            announces_v5(frame) ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
        connection.state = ConnectionState::authenticating;
    }
    return Handled::done;
}

Broker::Core::Handled Broker::Core::continue_connect(ConnectionId id) {
    // The packet and the proofs are needed until the end of this call, whatever becomes of them.
    const auto connect = open_connection(id).admission->connect;
    const wire::Frame frame{.type = wire::PacketType::connect, .body = connect};
    const auto handled = on_connect(id, frame);
    if (handled != Handled::done) return handled;
    auto& connection = open_connection(id);
    if (connection.client == nullptr) return handled;  // waits for the next answer
    const auto admission = std::exchange(connection.admission, nullptr);
    if (admission->has_stalled_packets) network_.resume(id);
    return handled;
}

std::optional<ReasonCode> Broker::Core::error_of(const wire::Will& will, const Settings& settings) {
    if (will.qos > settings.maximum_qos) return ReasonCode::qos_not_supported;  // [MQTT-3.2.2-12]
    if (will.retain && !settings.retain_available)
        return ReasonCode::retain_not_supported;  // [MQTT-3.2.2-13]
    if (has_too_many_levels(will.topic, settings)) return ReasonCode::topic_name_invalid;
    return std::nullopt;
}

ConnectionTerms Broker::Core::terms_of(const wire::Connect& connect,
                                       const access::Zone& zone) const {
    const auto& settings = zone.settings;
    ConnectionTerms terms{.version = connect.version, .keep_alive_s = connect.keep_alive_s};
    if (connect.version != ProtocolVersion::v5) {
        // Clean Session is Clean Start and an end with the connection in one (v3.1.1 §3.1.2.4).
        terms.session_expiry_s = connect.clean_start ? 0 : settings.session_expiry_s_v3;
        return terms;
    }
    const auto& asked = connect.properties;
    terms.receive_maximum =
        static_cast<std::uint16_t>(asked.integer(PropertyId::receive_maximum).value_or(65'535));
    terms.packet_size_bytes_max =
        asked.integer(PropertyId::maximum_packet_size).value_or(wire::packet_size_bytes_max);
    terms.topic_alias_max = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(asked.integer(PropertyId::topic_alias_maximum).value_or(0),
                                settings.topic_alias_max_outgoing));
    const auto expiry_s = asked.integer(PropertyId::session_expiry_interval).value_or(0);
    terms.session_expiry_s = std::min(expiry_s, settings.session_expiry_s_max);
    terms.expiry_was_zero_at_connect = expiry_s == 0;
    if (const auto limit_s = settings.keep_alive_s_max;
        limit_s != 0 && !options_.defects.has(Defect::keepalive_uncapped) &&
        (terms.keep_alive_s == 0 || terms.keep_alive_s > limit_s))
        terms.keep_alive_s = limit_s;
    return terms;
}

Broker::Core::Handled Broker::Core::let_in(ConnectionId id, const wire::Connect& connect,
                                           std::string client_id, const access::Client& who,
                                           access::Mountpoint mountpoint) {
    auto& connection = open_connection(id);
    const auto& zone = rules_->zone_of(connection.origin->listener);
    const auto written_before = write_count();
    auto terms = terms_of(connect, zone);
    if (options_.defects.has(Defect::will_keyed_by_client)) overwrite_will(client_id, connect);
    const bool assigned = connect.client_id.empty() &&
                          !(zone.policy.user_name_as_client_id && who.user_name == client_id);
    auto found = find_or_make(std::move(client_id), connect.clean_start, zone);
    auto* const client = found.client;
    const bool session_present = found.session_present;
    const auto origin = std::move(connection.origin);
    connection.state = ConnectionState::connected;
    connection.client = client;
    client->listener = origin->listener;
    client->address = origin->address;
    client->identity.reset();
    if (who.user_name) client->made_identity().user_name = *who.user_name;
    if (!mountpoint.prefix().empty()) client->made_identity().mountpoint = std::move(mountpoint);
    if (const auto* const admission = connection.admission.get();
        admission != nullptr && !admission->method.empty())
        client->made_identity().authentication_method = admission->method;
    client->ends_at = never;
    client->will_due_at = never;
    client->session.obey(zone);
    if (options_.defects.any()) client->session.spoil_terms(context_, terms);
    client->session.attach(id, terms, client->mountpoint(),
                           connect.will ? stored(*connect.will, forwarded_) : nullptr);
    counters_.add(Counter::clients_accepted);
    if (registry_ != nullptr) registry_->enter(client->session.client_id());
    store_session(*client);
    certify_since(written_before, *client);
    if (found.before && gate_->is_held(id))
        returns_.add(id, ledger_->awaited_batch(), std::move(*found.before));
    const auto assigned_id =
        assigned ? std::string_view{client->session.client_id()} : std::string_view{};
    if (!send_connack(*client, connect, terms, session_present, assigned_id)) {
        // What has to be announced does not fit into what the client takes [MQTT-3.1.2-24].
        network_.close(id);
        forget_connection(id, DisconnectReason::frame_too_large);
        client->session.drop_will();
        detach(*client);
        return Handled::gone;
    }
    // Counted from the CONNECT, which may have waited for other shards and nodes [MQTT-3.1.2-22].
    if (terms.keep_alive_s != 0)
        add_timer(connection.last_packet_at + keep_alive_limit(*client),
                  {Reminder::What::keep_alive, id.raw(), connection.generation});
    if (!options_.defects.any() || !spoil_resume(*client, session_present))
        client->session.resume(context_);
    if (!session_present) auto_subscribe(*client);
    if (const auto pending = std::exchange(connection.pending, nullptr))
        for (const auto& [filter, share_name] : pending->routes)
            route_exchange_.release(filter, share_name);
    time_retry(*client);
    tell(*client, connect.clean_start);
    return Handled::done;
}

void Broker::Core::overwrite_will(std::string_view client_id, const wire::Connect& connect) {
    auto* const holder = find_connected(client_id);
    if (holder == nullptr || !connect.will) return;
    holder->session.replace_will(stored(*connect.will, forwarded_));
}

Broker::Core::Handled Broker::Core::refuse(ConnectionId id, ProtocolVersion version,
                                           ReasonCode reason) {
    counters_.add(Counter::clients_refused);
    built_.clear();
    wire::encode(built_, wire::Connack{.reason = reason}, version);
    network_.send(id, built_);
    if (options_.defects.has(Defect::reject_keeps_state)) return refuse_and_stay(id);
    network_.close(id);
    forget_connection(id, disconnect_reason_of(reason));
    return Handled::gone;
}

std::string Broker::Core::new_client_id() {
    constexpr std::string_view digits =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (;;) {
        std::string id = "auto-";
        for (int part = 0; part < 2; ++part) {
            auto bits = random_.next();
            for (int i = 0; i < 9; ++i, bits /= digits.size()) id += digits[bits % digits.size()];
        }
        // The name is ours to choose, so the connection stays where it is.
        if (owner_of(id, options_.shard_count) == options_.self && !clients_.contains(id))
            return id;
    }
}

Broker::Core::Found Broker::Core::find_or_make(std::string client_id, bool clean_start,
                                               const access::Zone& zone) {
    const auto found = clients_.find(client_id);
    if (found == clients_.end()) {
        auto& made = make_client(std::move(client_id), zone);
        return {&made, options_.defects.has(Defect::session_present_lies)};
    }
    auto& client = *found->second;
    if (client.session.is_connected()) {
        if (options_.defects.any() && leaves_holder(client_id))
            return {&make_client(std::move(client_id), zone), false};
        // A session that ends with its connection is not there for the next one (v5 §3.1.2.11.2).
        const bool resumes = !clean_start && (client.session.terms().session_expiry_s != 0 ||
                                              options_.defects.has(Defect::takeover_ignores_sei0));
        std::optional<Absence> before;
        if (ledger_ && resumes) before = returns_.take(client.session.connection());
        if (ledger_ && resumes && !before) before = absence_of(client);
        take_over(client, resumes);
        if (!resumes) return {&make_client(std::move(client_id), zone), false};
        if (before && !before->identity) before->identity = std::move(client.identity);
        counters_.add(Counter::sessions_resumed);
        return {&client, true, std::move(before)};
    }
    if (client.will_due_at <= context_.now) publish_will(client);
    if (clean_start || client.ends_at <= context_.now) {
        publish_will(client);  // the session ends now, so its Will is due (§3.1.3.2.2)
        end_session(client);
        return {&make_client(std::move(client_id), zone), false};
    }
    counters_.add(Counter::sessions_resumed);
    auto will = client.session.take_will();  // resumed in time [MQTT-3.1.3-9]
    if (!ledger_) return {&client, true};
    Absence before{.terms = client.session.terms(),
                   .will = std::move(will),
                   .listener = client.listener,
                   .address = client.address,
                   .identity = std::move(client.identity),
                   .ends_at = client.ends_at,
                   .will_due_at = client.will_due_at};
    return {&client, true, std::move(before)};
}

void Broker::Core::take_over(Client& client, bool resumes) {
    end_connection(client, resumes);
    if (!resumes) end_session(client);
}

void Broker::Core::end_connection(Client& client, bool resumes) {
    counters_.add(Counter::sessions_taken_over);
    const auto old = client.session.connection();
    if (drop_waiting(old))
        send_disconnect(client, ReasonCode::session_taken_over);  // [MQTT-3.1.4-3]
    network_.close(old);
    forget_connection(old, resumes ? DisconnectReason::takeovered : DisconnectReason::discarded);
    if (options_.defects.any()) spoil_takeover(client, resumes);
    client.session.detach();
    // The Will is sent, unless a delay was asked for and the session goes on (v5 §3.1.4).
    const auto* const will = client.session.will();
    if (will != nullptr && resumes && will->delay_s != 0)
        client.session.drop_will();
    else
        publish_will(client);
}

Client& Broker::Core::make_client(std::string client_id, const access::Zone& zone) {
    counters_.add(Counter::sessions_created);
    auto made = std::make_unique<Client>(std::move(client_id), zone);
    auto& client = *made;
    client.publisher = hash_of(client.session.client_id(), 0);
    if (free_slots_.empty()) {
        client.slot = static_cast<std::uint32_t>(slots_.size());
        slots_.push_back(nullptr);
        slot_generations_.push_back(0);
    } else {
        client.slot = free_slots_.back();
        free_slots_.pop_back();
    }
    slots_[client.slot] = &client;
    client.session.set_owner(client.slot);
    ++slot_generations_[client.slot];
    clients_.emplace(client.session.client_id(), std::move(made));
    return client;
}

bool Broker::Core::send_connack(Client& client, const wire::Connect& connect,
                                const ConnectionTerms& terms, bool session_present,
                                std::string_view assigned_client_id) {
    const auto& settings = client.session.settings();
    wire::Connack connack{.session_present = session_present};
    auto& properties = context_.properties;
    properties.clear();
    if (connect.version == ProtocolVersion::v5) {
        const auto asked_s =
            connect.properties.integer(PropertyId::session_expiry_interval).value_or(0);
        if (asked_s != terms.session_expiry_s)
            properties.put_integer(PropertyId::session_expiry_interval, terms.session_expiry_s);
        if (settings.receive_maximum != 65'535)
            properties.put_integer(PropertyId::receive_maximum, settings.receive_maximum);
        if (settings.maximum_qos != QoS::exactly_once)
            properties.put_integer(PropertyId::maximum_qos,
                                   static_cast<std::uint32_t>(settings.maximum_qos));
        const auto put_missing = [&](PropertyId feature, bool available) {
            if (!available) properties.put_integer(feature, 0);
        };
        put_missing(PropertyId::retain_available, settings.retain_available);
        properties.put_integer(PropertyId::maximum_packet_size, settings.packet_size_bytes_max);
        if (!assigned_client_id.empty())  // [MQTT-3.1.3-7]
            properties.put_text(PropertyId::assigned_client_identifier, assigned_client_id);
        if (settings.topic_alias_max != 0)
            properties.put_integer(PropertyId::topic_alias_maximum, settings.topic_alias_max);
        put_missing(PropertyId::wildcard_subscription_available,
                    settings.wildcard_subscription_available);
        put_missing(PropertyId::subscription_identifier_available,
                    settings.subscription_identifier_available);
        put_missing(PropertyId::shared_subscription_available,
                    settings.shared_subscription_available);
        if (terms.keep_alive_s != connect.keep_alive_s)
            properties.put_integer(PropertyId::server_keep_alive, terms.keep_alive_s);
        if (connect.properties.integer(PropertyId::request_response_information) == 1 &&
            !settings.response_topic_prefix.empty()) {  // [MQTT-3.1.2-28]
            const auto topic = settings.response_topic_prefix + client.session.client_id() + "/";
            if (topic.size() <= 65'535)  // §1.5.4; it may be left out
                properties.put_text(PropertyId::response_information, topic);
        }
        if (const auto* const admission =
                open_connection(client.session.connection()).admission.get();
            admission != nullptr && !admission->method.empty()) {  // [MQTT-4.12.0-4]
            properties.put_text(PropertyId::authentication_method, admission->method);
            if (!admission->data.empty())
                properties.put_binary(PropertyId::authentication_data, admission->data);
        }
        connack.properties = properties.view();
    }
    built_.clear();
    wire::encode(built_, connack, connect.version);
    return client.session.send(context_, built_);
}

void Broker::Core::tell(const Client& client, bool clean_start) {
    with_listener_of_events("connected", client, clean_start,
                            [&](const ClientEvent& event) { events_->on_connected(event); });
}

void Broker::Core::tell(const Client& client, DisconnectReason reason) {
    with_listener_of_events("disconnected", client, false, [&](const ClientEvent& event) {
        events_->on_disconnected(event, reason);
    });
}

}  // namespace touchstone
