// The part of Shard that deals with what comes before the first byte of MQTT: the PROXY header, the
// TLS handshake, the request for a WebSocket. Until it is over the core knows nothing of the
// connection, so nobody who has proven nothing costs it memory.
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "broker/asio/shard.hpp"
#include "broker/base/check.hpp"
#include "broker/wire/primitives.hpp"

namespace touchstone::asio_driver {

void Shard::prepare(ConnectionId id, Connection& connection) {
    const auto go_on = [&] {
        switch (connection.layers->preparation->step) {
            case PreparationStep::proxy_header: return take_proxy_header(id, connection);
            case PreparationStep::handshake: return shake_hands(id, connection);
            case PreparationStep::upgrade: return take_upgrade(id, connection);
            case PreparationStep::answer: return write_answer(id, connection);
        }
        UNREACHABLE();
    };
    while (go_on() && connection.state == ConnectionState::preparing) continue;
}

// --- The order of steps --------------------------------------------------------------------------

/// The first step from `step` on that the listener has.
void Shard::begin_step(ConnectionId id, Connection& connection, PreparationStep step) {
    using enum PreparationStep;
    Preparation& preparation = *connection.layers->preparation;
    const ListenerPlan& plan = *preparation.plan;
    if (step == proxy_header && !plan.settings.has_proxy_header) step = handshake;
    if (step == handshake && plan.tls == nullptr) step = upgrade;
    if (step == upgrade && !plan.has_web()) return open(id, connection);
    preparation.step = step;
    Duration time_max{};
    switch (step) {
        case proxy_header: time_max = plan.settings.proxy_header_timeout; break;
        case handshake:
            connection.layers->tls =
                std::make_unique<transport::TlsSession>(plan.tls, connection.socket.raw());
            time_max = plan.settings.tls->handshake_timeout;
            break;
        case upgrade:
            time_max = rules_->zone_of(preparation.origin.listener).settings.connect_timeout;
            break;
        case answer: return;  // within the time of the request
    }
    deadlines_.push({now_ + time_max, id, connection.generation, Deadline::What::step, step});
}

void Shard::begin_next_step(ConnectionId id, Connection& connection) {
    const auto step = static_cast<unsigned>(connection.layers->preparation->step);
    begin_step(id, connection, static_cast<PreparationStep>(step + 1));
}

void Shard::open(ConnectionId id, Connection& connection) {
    const auto preparation = std::move(connection.layers->preparation);
    connection.state = ConnectionState::open;
    if (!connection.layers->is_needed()) connection.layers.reset();
    broker_.on_open(id, std::move(preparation->origin), now_);
    // What is behind may be here already, in the socket or in a layer, and is no news to Readiness.
    look_again(id, connection);
    if (!preparation->behind_upgrade.empty()) {
        on_layer_bytes(id, connection, preparation->behind_upgrade);
    }
}

void Shard::refuse(ConnectionId id, Connection& connection, Refusal reason) {
    ++figures_.refused[static_cast<std::size_t>(reason)];
    if (spdlog::should_log(spdlog::level::debug)) {
        spdlog::debug("shard {}: connection {} refused: {}", options_.self.raw(), id.raw(),
                      refusal_names[static_cast<std::size_t>(reason)]);
    }
    destroy(id, connection);
}

void Shard::give_up_step(ConnectionId id, Connection& connection) {
    switch (connection.layers->preparation->step) {
        case PreparationStep::proxy_header:
            return refuse(id, connection, Refusal::proxy_header_timeout);
        case PreparationStep::handshake:
            return refuse(id, connection, Refusal::tls_handshake_timeout);
        case PreparationStep::upgrade:
        case PreparationStep::answer: return refuse(id, connection, Refusal::upgrade_timeout);
    }
    UNREACHABLE();
}

// --- The steps -----------------------------------------------------------------------------------

bool Shard::take_proxy_header(ConnectionId id, Connection& connection) {
    using Next = transport::ProxyHeaderReader::Next;
    Preparation& preparation = *connection.layers->preparation;
    // The bytes behind the header are TLS's, which reads the socket itself. So look first, and then
    // take no more than the header.
    const int socket = connection.socket.raw();
    const auto size = recv(socket, input_.data(), input_.size(), MSG_PEEK);
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0 && errno == EINTR) return true;
    if (size <= 0) {
        refuse(id, connection, Refusal::left);
        return false;
    }
    const auto taken =
        preparation.proxy_header.take(Bytes{input_}.first(static_cast<std::size_t>(size)));
    const auto consumed = recv(socket, input_.data(), taken.consumed_bytes, 0);
    CHECK(consumed == static_cast<ssize_t>(taken.consumed_bytes));  // they were there
    switch (taken.next) {
        case Next::more_bytes: return true;
        case Next::malformed: refuse(id, connection, Refusal::proxy_header_malformed); return false;
        case Next::complete: break;
    }
    const transport::ProxyHeader& header = preparation.proxy_header.header();
    if (header.source) preparation.origin.address = *header.source;
    const settings::Listener& settings = preparation.plan->settings;
    const bool is_user_name =
        settings.proxied_name_is_user_name ||
        (settings.tls && settings.tls->user_name_from == settings::CertificateName::common_name);
    if (is_user_name && wire::is_utf8_string(header.certificate_common_name)) {
        preparation.origin.certificate_user_name = header.certificate_common_name;
    }
    begin_next_step(id, connection);
    return true;
}

bool Shard::shake_hands(ConnectionId id, Connection& connection) {
    using Outcome = transport::TlsSession::Outcome;
    transport::TlsSession& tls = *connection.layers->tls;
    switch (tls.shake_hands()) {
        case Outcome::wants_read: return false;
        case Outcome::wants_write: block(id, connection); return false;
        case Outcome::ended: refuse(id, connection, Refusal::left); return false;
        case Outcome::failed: {
            ++figures_.tls_alerts[static_cast<std::size_t>(tls.alert())];
            if (spdlog::should_log(spdlog::level::debug)) {
                spdlog::debug("shard {}: connection {} refused: tls_alert:{}", options_.self.raw(),
                              id.raw(), transport::name_of(tls.alert()));
            }
            // The alert is on its way, and has to arrive before a reset does.
            drop_when_overdue(id, connection);
            linger(id, connection);
            return false;
        }
        case Outcome::done: break;
    }
    ++(tls.was_resumed() ? figures_.handshakes_resumed : figures_.handshakes_full);
    if (auto name = tls.user_name(); !name.empty()) {
        connection.layers->preparation->origin.certificate_user_name = std::move(name);
    }
    begin_next_step(id, connection);
    return true;
}

bool Shard::take_upgrade(ConnectionId id, Connection& connection) {
    Preparation& preparation = *connection.layers->preparation;
    std::size_t size_bytes = 0;
    const auto outcome = read_some(id, connection, input_, size_bytes);
    const Bytes bytes = Bytes{input_}.first(size_bytes);
    const auto of_request = preparation.upgrade.take(bytes);
    if (!preparation.upgrade.is_complete()) {
        if (outcome == ReadOutcome::full || outcome == ReadOutcome::drained) {
            return outcome == ReadOutcome::full;
        }
        refuse(id, connection, Refusal::left);
        return false;
    }
    const settings::Listener& settings = preparation.plan->settings;
    const auto answer = preparation.upgrade.answer({settings.path, settings.requires_subprotocol});
    connection.layers->web = std::make_unique<WebSocket>();
    connection.layers->web->writer.begin_with(as_bytes(answer.response));
    if (answer.refusal) {
        ++figures_.upgrades_refused[static_cast<std::size_t>(*answer.refusal)];
        connection.layers->has_to_say_goodbye = connection.layers->tls != nullptr;
        drop_when_overdue(id, connection);
        drain(id, connection);
        return false;
    }
    ++figures_.upgrades;
    append(preparation.behind_upgrade, bytes.subspan(of_request));
    begin_next_step(id, connection);
    return true;
}

bool Shard::write_answer(ConnectionId id, Connection& connection) {
    Progress progress;
    switch (write_some(connection, progress)) {
        case Written::all: open(id, connection); return false;
        case Written::some: block(id, connection); return false;
        case Written::broken: refuse(id, connection, Refusal::left); return false;
    }
    UNREACHABLE();
}

}  // namespace touchstone::asio_driver
