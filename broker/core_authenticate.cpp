#include "broker/base/check.hpp"
#include "broker/core.hpp"

namespace touchstone {
namespace {

using wire::PropertyId;

Buffer copy_of(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

}  // namespace

QuestionNumber Broker::Core::number_of(ConnectionId id) const {
    return QuestionNumber{connections_[id.raw()].generation} << 32U | id.raw();
}

void Broker::Core::ask(ConnectionId id, Admission& admission, AuthenticationQuestion question) {
    CHECK(!admission.is_asked);
    CHECK(authentication_ != nullptr);
    admission.is_asked = true;
    authentication_->ask(number_of(id), std::move(question));
}

std::optional<Broker::Core::Handled>
Broker::Core::authenticate(ConnectionId id, const wire::Frame& frame, const wire::Connect& connect,
                           std::string_view client_id,
                           const std::optional<std::string_view>& user_name) {
    auto& connection = open_connection(id);
    if (connection.admission && connection.admission->is_accepted) return std::nullopt;
    const auto& zone = rules_->zone_of(connection.origin->listener);

    if (const auto method = connect.properties.text(PropertyId::authentication_method)) {
        if (rules_->authentication_method.empty() || *method != rules_->authentication_method)
            return refuse(id, connect.version, ReasonCode::bad_authentication_method);
        const auto handled = wait_with_connect(id, frame);
        auto& admission = *connection.admission;
        admission.method = *method;
        const auto data = connect.properties.binary(PropertyId::authentication_data);
        ask(id, admission,
            ExchangeStep{.method = std::string{*method},
                         .data = copy_of(data.value_or(Bytes{})),
                         .is_first = true});
        return handled;
    }
    // A certificate that was checked is proof enough.
    if (!connection.origin->certificate_user_name.empty()) return std::nullopt;
    if (!rules_->has_credentials) {
        if (zone.policy.allow_anonymous) return std::nullopt;
        return refuse(id, connect.version, ReasonCode::not_authorized);
    }
    PlainCredentials credentials{.client_id = std::string{client_id},
                                 .allow_anonymous = zone.policy.allow_anonymous};
    if (user_name) credentials.user_name = *user_name;
    if (connect.password) credentials.password = copy_of(*connect.password);
    const auto handled = wait_with_connect(id, frame);
    ask(id, *connection.admission, std::move(credentials));
    return handled;
}

void Broker::Core::on_authenticated(QuestionNumber number, AuthenticationAnswer answer,
                                    Instant now) {
    context_.now = now;
    const ConnectionId id{static_cast<std::uint32_t>(number)};
    if (id.raw() >= connections_.size() || number_of(id) != number) return;  // gone since
    auto& connection = connections_[id.raw()];
    if (connection.state == ConnectionState::closed || !connection.admission ||
        !connection.admission->is_asked)
        return;
    connection.admission->is_asked = false;
    on_answer(id, answer);
}

void Broker::Core::on_answer(ConnectionId id, AuthenticationAnswer& answer) {
    using Verdict = AuthenticationAnswer::Verdict;
    auto& connection = open_connection(id);
    auto& admission = *connection.admission;
    switch (answer.verdict) {
        case Verdict::continues:
            send_auth(id, admission.method, ReasonCode::continue_authentication, answer.data);
            break;
        case Verdict::refused:
            counters_.add(Counter::authentications_refused);
            if (connection.client != nullptr) {
                fail(id, answer.reason, DisconnectReason::not_authorized);  // [MQTT-4.12.1-2]
            } else {
                refuse(id, admission.version, answer.reason);
            }
            return;
        case Verdict::accepted:
            admission.is_accepted = true;
            admission.user_name = std::move(answer.user_name);
            admission.data = std::move(answer.data);
            if (connection.client == nullptr) {
                continue_connect(id);
                return;
            }
            send_auth(id, admission.method, ReasonCode::success, admission.data);
            // What the rules allow may depend on who it is now.
            connection.client->made_identity().user_name = admission.user_name;
            connection.client->identity->access_memory.reset();
            connection.admission.reset();
            break;
    }
    if (connection.admission && std::exchange(connection.admission->has_stalled_packets, false))
        network_.resume(id);
}

Broker::Core::Handled Broker::Core::on_auth_of_connect(ConnectionId id,
                                                       const wire::Frame& frame) {
    const auto packet = wire::decode_auth(frame, wire::Sender::client);
    auto& admission = *open_connection(id).admission;
    const auto refused = [&](ReasonCode reason) {
        return refuse(id, ProtocolVersion::v5, reason);
    };
    if (!packet) return refused(packet.error());
    const auto& properties = packet.value().properties;
    if (packet.value().reason != ReasonCode::continue_authentication ||
        properties.text(PropertyId::authentication_method) != admission.method)
        return refused(ReasonCode::protocol_error);  // [MQTT-4.12.0-5], [MQTT-4.12.0-3]
    const auto data = properties.binary(PropertyId::authentication_data);
    ask(id, admission, ExchangeStep{.method = admission.method,
                                    .data = copy_of(data.value_or(Bytes{}))});
    return Handled::done;
}

Broker::Core::Handled Broker::Core::on_auth(ConnectionId id, Client& client,
                                            const wire::Frame& frame) {
    return with(id, wire::decode_auth(frame, wire::Sender::client), [&](const wire::Auth& packet) {
        auto& connection = open_connection(id);
        const auto method = packet.properties.text(PropertyId::authentication_method);
        if (!client.identity || client.identity->authentication_method.empty() ||
            method != client.identity->authentication_method)
            return fail(id, ReasonCode::protocol_error);  // [MQTT-4.12.0-7], [MQTT-4.12.1-1]
        // Nothing more before our answer to the last one.
        if (connection.admission && connection.admission->is_asked)
            return fail(id, ReasonCode::protocol_error);
        const bool is_first = packet.reason == ReasonCode::re_authenticate;
        if (is_first == (connection.admission != nullptr) ||
            (!is_first && packet.reason != ReasonCode::continue_authentication))
            return fail(id, ReasonCode::protocol_error);
        if (rules_->authentication_method != *method)  // a reload has taken it away
            return fail(id, ReasonCode::bad_authentication_method);
        if (is_first) {
            connection.admission = std::make_unique<Admission>();
            connection.admission->version = ProtocolVersion::v5;
            connection.admission->method = *method;
        }
        const auto data = packet.properties.binary(PropertyId::authentication_data);
        ask(id, *connection.admission,
            ExchangeStep{.method = std::string{*method},
                         .data = copy_of(data.value_or(Bytes{})),
                         .is_first = is_first});
        return Handled::done;
    });
}

void Broker::Core::send_auth(ConnectionId id, std::string_view method, ReasonCode reason,
                             Bytes data) {
    auto& properties = context_.properties;
    properties.clear();
    properties.put_text(PropertyId::authentication_method, method);
    if (!data.empty()) properties.put_binary(PropertyId::authentication_data, data);
    built_.clear();
    wire::encode(built_, wire::Auth{.reason = reason, .properties = properties.view()});
    if (auto* const client = open_connection(id).client; client != nullptr)
        client->session.send(context_, built_);
    else
        network_.send(id, built_);
}

}  // namespace touchstone
