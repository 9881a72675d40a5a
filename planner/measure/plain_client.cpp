#include "planner/measure/plain_client.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "load/engine.hpp"

namespace touchstone::planner {

namespace {

constexpr double patience_s = 10;
constexpr std::uint32_t packet_size_bytes_max = 1'048'576;
constexpr auto version = ProtocolVersion::v3_1_1;

double now_s() {
    return load::in_seconds(load::clock_now());
}

[[noreturn]] void fail(std::string_view what) {
    throw CannotMeasure{std::string{what}};
}

wire::PacketId packet_id(std::uint16_t raw) {
    return wire::PacketId::from_wire(raw).value();
}

}  // namespace

PlainClient::PlainClient(const load::Target& target, const load::Address& address,
                         const std::string& id, bool is_clean)
    : socket_{::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)},
      received_(256) {
    if (!socket_.is_open()) {
        fail(
            fmt::format("no socket: {}; raise the limit of open files (ulimit -n) or ask for fewer "
                        "connections",
                        std::strerror(errno)));
    }
    if (::connect(socket_.raw(), reinterpret_cast<const sockaddr*>(&address.storage),
                  address.size) != 0) {
        throw load::Unreachable{
            fmt::format("{}: {}; is the broker running, and is that its address?", target.url,
                        std::strerror(errno))};
    }
    const int on = 1;
    ::setsockopt(socket_.raw(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    wire::Connect connect{
        .version = version, .clean_start = is_clean, .keep_alive_s = 3'600, .client_id = id};
    if (target.user_name) {
        connect.user_name = *target.user_name;
        if (!target.password.empty()) connect.password = as_bytes(target.password);
    }
    wire::encode(packet_, connect);
    send(packet_);
}

void PlainClient::enter() {
    const bool is_in = take_until(
        [](const wire::Frame& frame) {
            if (frame.type != wire::PacketType::connack) return false;
            const auto connack = wire::decode_connack(frame, version);
            if (!connack || is_failure(connack.value().reason)) {
                fail("the target refuses a CONNECT of MQTT 3.1.1");
            }
            return true;
        },
        patience_s);
    if (!is_in) fail("no CONNACK");
}

void PlainClient::send(Bytes bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket_.raw(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0)
            fail(fmt::format("the target has closed a connection: {}", std::strerror(errno)));
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
}

bool PlainClient::take_until(const std::function<bool(const wire::Frame&)>& wanted,
                             double patience) {
    const double deadline = now_s() + patience;
    for (;;) {
        Bytes bytes{received_.data(), received_size_};
        bool is_found = false;
        while (!is_found) {
            const auto frame = wire::take_frame(bytes, packet_size_bytes_max, version);
            if (!frame) fail("what answers is no MQTT broker");
            if (!frame.value()) break;
            is_found = wanted(*frame.value());
        }
        std::memmove(received_.data(), bytes.data(), bytes.size());
        received_size_ = bytes.size();
        if (is_found) return true;
        const double left = deadline - now_s();
        // A broker that leaves Nagle's algorithm on waits for our acknowledgement of its last
        // packet; the system forgets this wish now and then.
        const int on = 1;
        ::setsockopt(socket_.raw(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
        pollfd one{socket_.raw(), POLLIN, 0};
        if (left <= 0 || ::poll(&one, 1, static_cast<int>(left * 1'000) + 1) <= 0) return false;
        if (received_size_ == received_.size()) received_.resize(received_.size() * 2);
        const auto result = ::recv(socket_.raw(), received_.data() + received_size_,
                                   received_.size() - received_size_, 0);
        if (result < 0 && errno == EINTR) continue;
        if (result <= 0) fail("the target has closed a connection");
        received_size_ += static_cast<std::size_t>(result);
    }
}

void PlainClient::subscribe(const std::vector<std::string>& filters) {
    constexpr std::size_t at_once = 100;
    for (std::size_t from = 0; from < filters.size(); from += at_once) {
        Buffer entries;
        for (std::size_t i = from; i < std::min(filters.size(), from + at_once); ++i) {
            wire::put_subscription(
                entries, {.filter = filters[i], .options = {.qos = QoS::at_least_once}}, version);
        }
        packet_.clear();
        wire::encode(packet_,
                     wire::Subscribe{.packet_id = packet_id(next_packet_id_), .entries = entries},
                     version);
        send(packet_);
        const bool is_done = take_until(
            [](const wire::Frame& frame) { return frame.type == wire::PacketType::suback; },
            patience_s);
        if (!is_done) fail("no SUBACK");
    }
}

void PlainClient::publish(const std::vector<PlainMessage>& messages) {
    constexpr std::size_t window = 100;
    for (std::size_t from = 0; from < messages.size(); from += window) {
        const std::size_t count = std::min(window, messages.size() - from);
        packet_.clear();
        for (std::size_t i = 0; i < count; ++i) {
            const auto& message = messages[from + i];
            wire::encode(packet_,
                         wire::Publish{.qos = QoS::at_least_once,
                                       .retain = message.retain,
                                       .topic = message.topic,
                                       .packet_id = packet_id(static_cast<std::uint16_t>(i + 1)),
                                       .payload = as_bytes(message.payload)},
                         version);
        }
        send(packet_);
        std::size_t acknowledged = 0;
        const bool is_done = take_until(
            [&](const wire::Frame& frame) {
                if (frame.type == wire::PacketType::puback) ++acknowledged;
                return acknowledged == count;
            },
            patience_s);
        if (!is_done) fail("no PUBACK");
    }
}

void PlainClient::disconnect() {
    packet_.clear();
    wire::encode(packet_, wire::Disconnect{}, version);
    send(packet_);
    socket_.close();
}

std::optional<std::string> PlainClient::await_message(double patience) {
    std::string payload;
    const bool has_come = take_until(
        [&](const wire::Frame& frame) {
            if (frame.type != wire::PacketType::publish) return false;
            const auto publish = wire::decode_publish(frame, version, wire::Sender::server);
            if (!publish) fail("a PUBLISH that cannot be understood");
            payload = std::string{as_text(publish.value().payload)};
            return true;
        },
        patience);
    if (!has_come) return std::nullopt;
    return payload;
}

void raise_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace touchstone::planner
