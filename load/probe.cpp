#include "load/probe.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "broker/wire/packets.hpp"
#include "load/websocket.hpp"

namespace touchstone::load {

namespace {

constexpr Nanos patience = 10 * second;

std::string words_of(int error) {
    return std::generic_category().message(error);
}

/// Waits for an event on the socket. False: none came in time.
bool await(int socket, short events, Nanos deadline) {
    pollfd one{socket, events, 0};
    const auto left = std::max(Nanos{0}, deadline - clock_now());
    return ::poll(&one, 1, static_cast<int>(left / millisecond) + 1) > 0;
}

class Probe {
public:
    explicit Probe(const Shared& shared)
        : shared_{shared},
          target_{shared.plan.workload().target},
          deadline_{clock_now() + patience} {}

    std::optional<std::string> problem() {
        socket_ = open_connection(shared_.target,
                                  shared_.sources.empty() ? nullptr : &shared_.sources.front());
        if (!socket_.is_open()) return "cannot be reached: " + words_of(errno);
        if (!await(socket_.raw(), POLLOUT, deadline_)) return silence("no connection");
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(socket_.raw(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) return "cannot be reached: " + words_of(error);
        if (target_.has_tls) {
            if (auto problem = shake_hands()) return problem;
        }
        if (target_.is_web) {
            if (auto problem = upgrade()) return problem;
        }
        return exchange();
    }

private:
    static std::string silence(std::string_view what) {
        return fmt::format("{} within {:.0f} s", what, in_seconds(patience));
    }

    std::optional<std::string> shake_hands() {
        tls_.emplace(*shared_.tls, socket_.raw(), nullptr);
        while (true) {
            const auto outcome = tls_->shake_hands();
            if (outcome == TlsStream::Outcome::done) return std::nullopt;
            if (outcome != TlsStream::Outcome::waits) return "no TLS: " + tls_->failure();
            if (!await(socket_.raw(), POLLIN, deadline_)) return silence("no TLS");
        }
    }

    std::optional<std::string> upgrade() {
        Draws draws{shared_.plan.workload().seed, Purpose::masks, shared_.threads};
        web_.emplace(target_, draws);
        write(std::exchange(web_->output, {}));
        Buffer received(4'096);
        while (!web_->is_open()) {
            if (!await(socket_.raw(), POLLIN, deadline_)) return silence("no WebSocket");
            bool is_over = false;
            const auto size = read(received, is_over);
            const auto taken = web_->take(std::span{received}.first(size));
            if (!taken.failure.empty()) return taken.failure;
            if (is_over) return "closes the connection instead of opening a WebSocket";
        }
        return std::nullopt;
    }

    void send(Buffer packet) {
        if (!web_) return write(packet);
        web_->send(packet);
        write(std::exchange(web_->output, {}));
    }

    void write(Bytes bytes) {
        std::size_t size = 0;
        if (tls_) {
            tls_->write(bytes, size);
        } else {
            ::send(socket_.raw(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        }
    }

    std::size_t read(std::span<std::byte> room, bool& is_over) {
        std::size_t size = 0;
        if (tls_) {
            const auto outcome = tls_->read(room, size);
            is_over = size == 0 && outcome != TlsStream::Outcome::waits;
        } else {
            const auto result = ::recv(socket_.raw(), room.data(), room.size(), 0);
            size = result > 0 ? static_cast<std::size_t>(result) : 0;
            is_over = result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR);
        }
        return size;
    }

    std::optional<std::string> exchange() {
        const auto& workload = shared_.plan.workload();
        const auto id = workload.run_id + "-probe";
        wire::Connect connect{.version = workload.version, .keep_alive_s = 60, .client_id = id};
        if (target_.user_name) {
            connect.user_name = *target_.user_name;
            if (!target_.password.empty()) connect.password = as_bytes(target_.password);
        }
        Buffer packet;
        wire::encode(packet, connect);
        send(packet);
        Buffer received(4'096);
        std::size_t size = 0;
        while (true) {
            if (!await(socket_.raw(), POLLIN, deadline_)) return silence("no CONNACK");
            bool is_over = false;
            const auto room = std::span{received}.subspan(size);
            const auto more = read(room, is_over);
            if (web_) {
                const auto taken = web_->take(room.first(more));
                if (!taken.failure.empty()) return taken.failure;
                is_over = is_over || taken.is_closed;
                size += taken.payload_bytes;
            } else {
                size += more;
            }
            Bytes bytes{received.data(), size};
            const auto frame = wire::take_frame(bytes, 4'096, workload.version);
            if (!frame) return "what answers is no MQTT broker";
            if (frame.value()) return judge(*frame.value());
            if (is_over) return "closes the connection instead of sending CONNACK";
        }
    }

    std::optional<std::string> judge(const wire::Frame& frame) {
        const auto& workload = shared_.plan.workload();
        if (frame.type != wire::PacketType::connack) return "what answers is no MQTT broker";
        const auto connack = wire::decode_connack(frame, workload.version);
        if (!connack) return "sends a CONNACK that cannot be understood";
        const auto reason = connack.value().reason;
        if (is_failure(reason)) {
            return fmt::format("refuses: CONNACK 0x{:02X} {}", static_cast<unsigned>(reason),
                               name_of(reason));
        }
        Buffer packet;
        wire::encode(packet, wire::Disconnect{}, workload.version);
        send(packet);
        return std::nullopt;
    }

    const Shared& shared_;
    const Target& target_;
    Nanos deadline_;
    Handle socket_;
    std::optional<TlsStream> tls_;
    std::optional<WebSocket> web_;
};

}  // namespace

std::optional<std::string> problem_of_target(const Shared& shared) {
    return Probe{shared}.problem();
}

}  // namespace touchstone::load
