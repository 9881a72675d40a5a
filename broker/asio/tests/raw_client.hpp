// RawClient: one TCP connection to a broker under test, blocking, with a deadline on every wait.
// Knows of MQTT 3.1.1 just the few packets these tests send; packets are looked at as bytes.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "broker/asio/descriptor.hpp"
#include "broker/base/bytes.hpp"

namespace touchstone::asio_driver {

/// What a test waits for must happen within this time, on a slow machine and under a sanitizer.
inline constexpr auto wait_max = std::chrono::seconds{60};

inline Buffer bytes_of(std::initializer_list<unsigned> values) {
    Buffer bytes;
    for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

inline Buffer operator+(Buffer left, const Buffer& right) {
    append(left, right);
    return left;
}

/// Packets of MQTT 3.1.1.
namespace packet {

inline Buffer text(std::string_view text) {
    const auto size = static_cast<unsigned>(text.size());
    Buffer bytes = bytes_of({size >> 8U, size & 0xFFU});
    append(bytes, as_bytes(text));
    return bytes;
}

inline Buffer with_fixed_header(unsigned first_byte, const Buffer& body) {
    Buffer bytes = bytes_of({first_byte});
    auto left = body.size();
    do {
        const unsigned more = left >= 128 ? 0x80 : 0;
        bytes.push_back(static_cast<std::byte>((left % 128) | more));
        left /= 128;
    } while (left > 0);
    append(bytes, body);
    return bytes;
}

struct Will {
    std::string_view topic;
    std::string_view payload;
};

inline Buffer connect(std::string_view client_id, Will will = {}) {
    const unsigned flags = will.topic.empty() ? 0x02U : 0x06U;  // Clean Session; Will Flag
    Buffer body = text("MQTT") + bytes_of({4, flags, 0, 0}) + text(client_id);
    if (!will.topic.empty()) body = body + text(will.topic) + text(will.payload);
    return with_fixed_header(0x10, body);
}

inline Buffer publish(std::string_view topic, std::string_view payload) {
    Buffer body = text(topic);
    append(body, as_bytes(payload));
    return with_fixed_header(0x30, body);
}

inline Buffer publish_qos_1(std::string_view topic, std::string_view payload, unsigned id) {
    Buffer body = text(topic) + bytes_of({id >> 8U, id & 0xFFU});
    append(body, as_bytes(payload));
    return with_fixed_header(0x32, body);
}

inline Buffer subscribe(std::string_view filter, unsigned qos = 0) {
    return with_fixed_header(0x82, bytes_of({0, 1}) + text(filter) + bytes_of({qos}));
}

inline Buffer connack() {
    return bytes_of({0x20, 2, 0, 0});
}
inline Buffer suback(unsigned qos = 0) {
    return bytes_of({0x90, 3, 0, 1, qos});
}
inline Buffer puback(unsigned id) {
    return bytes_of({0x40, 2, id >> 8U, id & 0xFFU});
}
inline Buffer pingreq() {
    return bytes_of({0xC0, 0});
}
inline Buffer pingresp() {
    return bytes_of({0xD0, 0});
}
inline Buffer disconnect() {
    return bytes_of({0xE0, 0});
}

}  // namespace packet

/// Throws std::runtime_error when something does not happen in time, which fails the test.
class RawClient {
public:
    struct Options {
        /// Size of the receive buffer in bytes; 0: the system's choice.
        int receive_buffer_bytes = 0;
    };
    /// A socket that is not connected yet.
    explicit RawClient(Options options)
        : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        require(socket_.is_open(), "socket");
        const int yes = 1;
        require(setsockopt(socket_.raw(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0,
                "TCP_NODELAY");
        const int size_bytes = options.receive_buffer_bytes;
        if (size_bytes > 0) {
            require(setsockopt(socket_.raw(), SOL_SOCKET, SO_RCVBUF, &size_bytes,
                               sizeof size_bytes) == 0,
                    "SO_RCVBUF");
        }
    }
    explicit RawClient(std::uint16_t port) : RawClient{Options{}} { open(port); }

    /// Connects to 127.0.0.1.
    void open(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        require(::connect(socket_.raw(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address) == 0,
                "connect");
    }
    /// A connection for which the CONNACK has been received.
    static RawClient connected(std::uint16_t port, std::string_view client_id,
                               packet::Will will = {}) {
        RawClient client{port};
        client.send(packet::connect(client_id, will));
        client.expect(packet::connack());
        return client;
    }
    static RawClient subscribed(std::uint16_t port, std::string_view client_id,
                                std::string_view filter) {
        RawClient client = connected(port, client_id);
        client.send(packet::subscribe(filter));
        client.expect(packet::suback());
        return client;
    }

    void send(Bytes bytes) {
        while (!bytes.empty()) {
            await(POLLOUT);
            const auto size =
                ::send(socket_.raw(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (size < 0 && errno == EAGAIN) continue;
            require(size >= 0, "send");
            bytes = bytes.subspan(static_cast<std::size_t>(size));
        }
    }

    /// The next `size_bytes`.
    Buffer receive(std::size_t size_bytes) {
        Buffer bytes(size_bytes);
        std::size_t have_bytes = 0;
        while (have_bytes < size_bytes) {
            const auto size = receive_some(bytes.data() + have_bytes, size_bytes - have_bytes);
            if (size == 0) throw std::runtime_error{"the broker has closed the connection"};
            have_bytes += size;
        }
        return bytes;
    }

    /// Receives `wanted`, byte for byte.
    void expect(const Buffer& wanted) {
        const Buffer got = receive(wanted.size());
        if (got == wanted) return;
        throw std::runtime_error{"expected " + hex(wanted) + ", got " + hex(got)};
    }

    /// Waits until the broker has closed the connection; returns what came before.
    Buffer receive_to_end() {
        Buffer all;
        Buffer piece(4096);
        while (const auto size = receive_some(piece.data(), piece.size())) {
            append(all, Bytes{piece}.first(size));
        }
        return all;
    }

    /// Ends this direction of the connection only.
    void end_output() { require(shutdown(socket_.raw(), SHUT_WR) == 0, "shutdown"); }
    /// Ends the connection with a reset.
    void reset() {
        const linger at_once{1, 0};
        require(setsockopt(socket_.raw(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0,
                "SO_LINGER");
        socket_.close();
    }
    /// Whether the connection has ended with a reset by the broker.
    [[nodiscard]] bool was_reset() const { return was_reset_; }
    [[nodiscard]] int raw() const { return socket_.raw(); }

private:
    static void require(bool succeeded, const char* what) {
        if (!succeeded) throw std::system_error{errno, std::generic_category(), what};
    }
    static std::string hex(Bytes bytes) {
        constexpr std::size_t shown_max = 64;
        std::string text;
        for (const std::byte byte : bytes.first(std::min(bytes.size(), shown_max))) {
            constexpr std::string_view digits = "0123456789abcdef";
            text += digits[std::to_integer<unsigned>(byte) / 16];
            text += digits[std::to_integer<unsigned>(byte) % 16];
            text += ' ';
        }
        return text + (bytes.size() > shown_max ? "…" : "");
    }

    void await(short events) {
        pollfd wanted{socket_.raw(), events, 0};
        constexpr auto wait_ms = std::chrono::milliseconds{wait_max}.count();
        const int ready = poll(&wanted, 1, static_cast<int>(wait_ms));
        require(ready >= 0, "poll");
        if (ready == 0) throw std::runtime_error{"nothing happened in time"};
    }
    /// 0 at the end of the connection; a reset is an end, too.
    std::size_t receive_some(std::byte* to, std::size_t size_bytes_max) {
        await(POLLIN);
        const auto size = recv(socket_.raw(), to, size_bytes_max, 0);
        if (size < 0 && errno == ECONNRESET) {
            was_reset_ = true;
            return 0;
        }
        require(size >= 0, "recv");
        return static_cast<std::size_t>(size);
    }

    Descriptor socket_;
    bool was_reset_ = false;
};

}  // namespace touchstone::asio_driver
