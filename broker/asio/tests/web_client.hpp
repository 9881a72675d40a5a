// WebClient: the client's side of a WebSocket, over plain TCP or TLS, as far as tests need it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "broker/asio/tests/raw_client.hpp"

namespace touchstone::asio_driver {

inline std::string upgrade_request(std::string_view changed_line = {}, std::string_view into = {}) {
    std::string text =
        "GET /mqtt HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    if (!changed_line.empty()) text.replace(text.find(changed_line), changed_line.size(), into);
    return text;
}

/// A frame of a client, masked.
inline Buffer web_frame(unsigned first, Bytes payload) {
    Buffer frame = bytes_of({first});
    const auto size = static_cast<unsigned>(payload.size());
    if (size < 126) {
        append(frame, bytes_of({0x80U | size}));
    } else {
        append(frame, bytes_of({0xFF, 0, 0, 0, 0, size >> 24U, (size >> 16U) & 0xFFU,
                                (size >> 8U) & 0xFFU, size & 0xFFU}));
        if (size <= 0xFFFF) {
            frame.resize(1);
            append(frame, bytes_of({0xFE, size >> 8U, size & 0xFFU}));
        }
    }
    append(frame, bytes_of({0x11, 0x22, 0x33, 0x44}));
    for (std::size_t i = 0; i < payload.size(); ++i) {
        frame.push_back(payload[i] ^ static_cast<std::byte>(0x11 * (i % 4 + 1)));
    }
    return frame;
}

struct WebFrame {
    unsigned first = 0;
    Buffer payload;
};

template <class Stream>
class WebClient {
public:
    explicit WebClient(Stream stream) : stream_{std::move(stream)} {}

    /// Sends the request; returns the answer with its fields.
    std::string upgrade(std::string_view request) {
        stream_.send(as_bytes(request));
        return receive_answer();
    }
    std::string receive_answer() {
        std::string answer;
        while (!answer.ends_with("\r\n\r\n")) answer += as_text(stream_.receive(1));
        return answer;
    }
    void open() {
        const auto answer = upgrade(upgrade_request());
        if (!answer.starts_with("HTTP/1.1 101 ")) throw std::runtime_error{answer};
    }
    /// Upgraded, and with a CONNACK.
    void connect(std::string_view client_id) {
        open();
        send(packet::connect(client_id));
        expect(packet::connack());
    }
    void send(Bytes payload) { stream_.send(web_frame(0x82, payload)); }
    Stream& stream() { return stream_; }

    WebFrame receive_frame() {
        const Buffer head = stream_.receive(2);
        std::size_t size = std::to_integer<unsigned>(head[1]);
        const std::size_t more_bytes = size == 127 ? 8 : size == 126 ? 2 : 0;
        if (more_bytes > 0) size = 0;
        for (const std::byte byte : stream_.receive(more_bytes)) {
            size = (size << 8U) | std::to_integer<unsigned>(byte);
        }
        return {std::to_integer<unsigned>(head[0]), stream_.receive(size)};
    }
    /// The payload of binary messages, however it is cut into frames.
    void expect(const Buffer& wanted) {
        while (received_.size() < wanted.size()) {
            const auto frame = receive_frame();
            if (frame.first != 0x82) throw std::runtime_error{"a frame that is not binary"};
            append(received_, frame.payload);
        }
        const auto size = static_cast<std::ptrdiff_t>(wanted.size());
        if (!std::equal(wanted.begin(), wanted.end(), received_.begin()))
            throw std::runtime_error{"something else was received than expected"};
        received_.erase(received_.begin(), received_.begin() + size);
    }
    /// Waits for a Close frame and the end; returns the code, 0 for none.
    unsigned receive_close() {
        const auto frame = receive_frame();
        if (frame.first != 0x88) throw std::runtime_error{"no Close frame"};
        if (frame.payload.empty()) return 0;
        return (std::to_integer<unsigned>(frame.payload[0]) << 8U) |
               std::to_integer<unsigned>(frame.payload[1]);
    }

private:
    Stream stream_;
    Buffer received_;
};

}  // namespace touchstone::asio_driver
