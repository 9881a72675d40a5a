// The core as a part of a cluster: a client is let in once no other node has a session of it, and
// sessions come and go with their clients.

#include <algorithm>

#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {

namespace {

std::shared_ptr<storage::SessionCopy> copy_of(const Session& session, const Router& router,
                                              const Client& client) {
    auto copy = std::make_shared<storage::SessionCopy>();
    copy->session = {.client_id = session.client_id(),
                     .is_durable = true,
                     .version = session.terms().version,
                     .session_expiry_s = session.terms().session_expiry_s,
                     .listener = client.listener.raw(),
                     .address = client.address,
                     .user_name = client.identity ? client.identity->user_name : std::nullopt,
                     .is_connected = false,
                     .ends_at = client.ends_at,
                     .will = std::nullopt};
    for (const auto& one : client.subscriptions) {
        const auto granted = router.granted(one);
        copy->subscriptions.push_back({.text = std::string{router.text_of(one)},
                                       .is_shared = Router::is_shared(one),
                                       .options = granted.options,
                                       .identifier = granted.identifier});
    }
    session.copy_to(*copy);
    return copy;
}

/// Of a session that may not be the one that its client has used last, as of two that become one:
/// who has begun another one counts its Packet Identifiers anew, and one that is remembered would
/// make a new message a repetition, which is acknowledged and goes nowhere. Rather twice than
/// never.
void forget_received(SessionContext& context, Session& session) {
    storage::SessionCopy copy;
    session.copy_to(copy);
    for (const auto& one : copy.received)
        session.unreceive_qos_2(context, wire::PacketId::from_wire(one.packet_id).value());
}

}  // namespace

std::optional<Broker::Core::Handled> Broker::Core::claim(ConnectionId id, const wire::Frame& frame,
                                                         const wire::Connect& connect,
                                                         const std::string& client_id) {
    if (registry_ == nullptr) return std::nullopt;
    auto& connection = open_connection(id);
    if (!connection.admission || !connection.admission->claimed) {
        const auto handled = wait_with_connect(id, frame);
        auto& admission = *connection.admission;
        CHECK(!admission.is_claiming);
        admission.is_claiming = true;
        admission.assigned_client_id = client_id;
        registry_->claim(number_of(id), client_id, connect.clean_start);
        return handled;
    }
    const auto refusal = connection.admission->claimed->refusal;
    if (is_failure(refusal)) return refuse(id, connect.version, refusal);
    return std::nullopt;
}

void Broker::Core::on_claimed(ClaimNumber number, ClaimAnswer answer, Instant now) {
    context_.now = now;
    const ConnectionId id{static_cast<std::uint32_t>(number)};
    const bool is_waited_for = id.raw() < connections_.size() && number_of(id) == number &&
                               connections_[id.raw()].state != ConnectionState::closed &&
                               connections_[id.raw()].admission &&
                               connections_[id.raw()].admission->is_claiming;
    if (!is_waited_for) {
        // The connection is gone since, but nobody else has the session any more.
        if (answer.session != nullptr) on_adopted(*answer.session, now);
        return;
    }
    const auto& connection = connections_[id.raw()];
    connection.admission->is_claiming = false;
    if (answer.session != nullptr) {
        // At once, so that what is published from now on finds it here.
        adopt(*answer.session, rules_->zone_of(connection.origin->listener));
    }
    if (answer.is_outdated)
        if (const auto found = clients_.find(connection.admission->assigned_client_id);
            found != clients_.end())
            forget_received(context_, found->second->session);
    connection.admission->claimed = std::move(answer);
    continue_connect(id);
}

std::shared_ptr<const storage::SessionCopy>
Broker::Core::on_evicted(std::string_view client_id, SessionFate fate, Instant now) {
    context_.now = now;
    const auto found = clients_.find(client_id);
    if (found == clients_.end()) return nullptr;
    auto& client = *found->second;
    auto& session = client.session;
    bool moves = fate == SessionFate::moves;
    if (session.is_connected()) {
        // A session that ends with its connection is not there for the next one (v5 §3.1.2.11.2).
        moves = moves && session.terms().session_expiry_s != 0;
        end_connection(client, moves);
    } else {
        if (client.will_due_at <= now) publish_will(client);
        moves = moves && now < client.ends_at;
        if (moves)
            session.drop_will();  // resumed in time [MQTT-3.1.3-9]
        else
            publish_will(client);
    }
    if (!moves) {
        end_session(client);
        return nullptr;
    }
    auto copy = copy_of(session, router_, client);
    counters_.add(Counter::messages_handed_over, copy->deliveries.size());
    leave_all(client);
    forget_client(client);
    return copy;
}

void Broker::Core::on_adopted(const storage::SessionCopy& session, Instant now) {
    context_.now = now;
    adopt(session, rules_->zone_of(access::ListenerIndex{session.session.listener}));
}

std::optional<std::vector<std::string>>
Broker::Core::subscriptions(std::string_view client_id) const {
    const auto found = clients_.find(client_id);
    if (found == clients_.end()) return std::nullopt;
    std::vector<std::string> texts;
    for (const auto& one : found->second->subscriptions) texts.emplace_back(router_.text_of(one));
    return texts;
}

void Broker::Core::adopt(const storage::SessionCopy& copy, const access::Zone& zone) {
    const auto& record = copy.session;
    const auto found = clients_.find(record.client_id);
    const bool is_new = found == clients_.end();
    auto& client = is_new ? make_client(record.client_id, zone) : *found->second;
    auto& session = client.session;
    if (is_new) {
        session.terms().version = record.version;
        session.terms().session_expiry_s = record.session_expiry_s;
        client.listener = access::ListenerIndex{record.listener};
        client.address = record.address;
        if (record.user_name) client.made_identity().user_name = record.user_name;
        client.ends_at = after_s(context_.now, record.session_expiry_s);
        store_session(client);
        remind(client);
        registry_->enter(record.client_id);
    }
    for (const auto& one : copy.subscriptions) {
        const auto name = FilterName::parse(one.text, one.is_shared);
        CHECK(name.has_value());
        if (is_new || !router_.is_subscribed(client, *name))
            subscribe(client, *name, one.options, one.identifier);
    }
    for (const auto& one : copy.deliveries) {
        const auto message = one.message == 0 ? MessageRef{} : copy.messages[one.message - 1];
        session.adopt(context_, one, message);
    }
    if (is_new) {
        for (const auto& one : copy.received)
            session.adopt_received(context_, wire::PacketId::from_wire(one.packet_id).value());
    } else {
        forget_received(context_, session);
    }
    // It became part of a session that is in use: nothing else would send what has come with it.
    if (session.is_connected()) session.resume(context_);
}

}  // namespace touchstone
