#include "simulator/live/courier.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <chrono>

#include "broker/base/reason_code.hpp"
#include "broker/wire/packets.hpp"

namespace touchstone::simulator::live {

namespace {

constexpr int answer_time_max_ms = 5'000;
constexpr std::size_t received_bytes_max = 64 * 1024;

std::string_view name_of(ProtocolVersion version) {
    return version == ProtocolVersion::v5 ? "5.0" : "3.1.1";
}

bool is_ready(const Socket& socket, short events) {
    pollfd one{.fd = socket.descriptor(), .events = events, .revents = 0};
    return poll(&one, 1, answer_time_max_ms) > 0;
}

/// The CONNACK at the beginning of `received`; nothing when it is another packet, or none.
std::optional<ReasonCode> answer_in(Bytes received, ProtocolVersion version) {
    const auto frame = wire::take_frame(received, received_bytes_max, version);
    if (!frame || !frame.value() || frame.value()->type != wire::PacketType::connack) return {};
    const auto connack = wire::decode_connack(*frame.value(), version);
    if (!connack) return std::nullopt;
    return connack.value().reason;
}

/// Whether nothing that may still come makes a CONNACK of it.
bool is_complete(Bytes received, ProtocolVersion version) {
    const auto frame = wire::take_frame(received, received_bytes_max, version);
    return !frame || frame.value();
}

}  // namespace

std::variant<Courier, std::string> Courier::come_in(const Address& address, std::string_view url,
                                                    ProtocolVersion version,
                                                    std::string_view client_id) {
    auto socket = Socket::connect(address);
    if (!socket) return fmt::format("{}: no way there; check address and network", url);
    Courier courier{std::move(*socket), version};
    Buffer connect;
    wire::encode(connect, wire::Connect{.version = version,
                                        .clean_start = true,
                                        .client_id = client_id,
                                        .will = std::nullopt,
                                        .user_name = std::nullopt,
                                        .password = std::nullopt,
                                        .properties = {}});
    courier.send(std::move(connect));
    Buffer received;
    while (!is_complete(received, version)) {
        switch (courier.receive(received)) {
            case Socket::Outcome::done: continue;
            case Socket::Outcome::refused:
                return fmt::format("{}: nobody listens there; start the broker, or give its port",
                                   url);
            case Socket::Outcome::waits:
                return fmt::format("{}: no answer to a CONNECT of MQTT {} within {} s; is it an "
                                   "MQTT broker?",
                                   url, name_of(version), answer_time_max_ms / 1'000);
            case Socket::Outcome::ended:
            case Socket::Outcome::broken:
                return fmt::format("{}: the connection was closed on a CONNECT of MQTT {} from '{}'"
                                   "; the broker has to speak that version and serve clients "
                                   "without credentials",
                                   url, name_of(version), client_id);
        }
    }
    const auto reason = answer_in(received, version);
    if (!reason) {
        return fmt::format(
            "{}: answers a CONNECT of MQTT {} with what is no CONNACK; is it an MQTT "
            "broker?",
            url, name_of(version));
    }
    if (!is_failure(*reason)) return courier;
    return fmt::format("{}: refused a CONNECT of MQTT {} from '{}': {}; let it serve such clients "
                       "for the run",
                       url, name_of(version), client_id, touchstone::name_of(*reason));
}

void Courier::clear(std::span<const std::string> topics) {
    for (const auto& topic : topics) {
        Buffer bytes;
        wire::encode(bytes, wire::Publish{.retain = true, .topic = topic}, version_);
        send(std::move(bytes));
    }
}

void Courier::leave() {
    Buffer bytes;
    wire::encode(bytes, wire::Disconnect{}, version_);
    send(std::move(bytes));
    socket_.end_output();
    Buffer rest;
    while (receive(rest) == Socket::Outcome::done) rest.clear();
}

void Courier::send(Buffer bytes) {
    while (!bytes.empty()) {
        if (!is_ready(socket_, POLLOUT)) return;
        const auto outcome = socket_.write(bytes);
        if (outcome != Socket::Outcome::done && outcome != Socket::Outcome::waits) return;
    }
}

Socket::Outcome Courier::receive(Buffer& bytes) {
    while (true) {
        if (!is_ready(socket_, POLLIN)) return Socket::Outcome::waits;
        const auto outcome = socket_.read(bytes, received_bytes_max);
        if (outcome != Socket::Outcome::waits) return outcome;
    }
}

}  // namespace touchstone::simulator::live
