// MQTT in a WebSocket, seen from a client (RFC 6455; MQTT 5.0 and 3.1.1 §6): the request that opens
// it, and frames around what is sent and received. Bytes in, bytes out; on whose socket, and
// whether through TLS, is the caller's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "broker/base/bytes.hpp"
#include "load/draws.hpp"
#include "load/workload.hpp"

namespace touchstone::load {

class WebSocket {
public:
    /// Has the request in its output. `draws` gives the key and the masks.
    WebSocket(const Target& target, Draws& draws);

    struct Taken {
        std::size_t payload_bytes = 0;  // of MQTT: now at the front of what was given
        bool is_closed = false;         // the target has closed it; nothing after that counts
        std::string failure{};          // in words, and nothing after that counts; empty: none
    };
    /// What has come, in pieces of any size, decoded in place. Not after it was closed or failed.
    Taken take(std::span<std::byte> bytes);
    /// The target has answered the request as it should.
    [[nodiscard]] bool is_open() const { return is_open_; }
    /// It has been answered, and the target has closed it since: the answer to that is the last of
    /// what is in the output (RFC 6455 §5.5.1).
    [[nodiscard]] bool is_closed() const { return is_closed_; }

    /// One binary message of all of `packets`, which is empty then. Only when it is open.
    void send(Buffer& packets);
    /// The last frame.
    void close();

    /// What the caller is to write; it counts in `sent` what has left.
    Buffer output;
    std::size_t sent = 0;
    [[nodiscard]] std::size_t output_left() const { return output.size() - sent; }

private:
    static constexpr std::size_t header_bytes_max = 10;

    [[nodiscard]] std::string failure_of_answer() const;
    [[nodiscard]] std::size_t header_bytes() const;
    [[nodiscard]] unsigned opcode() const;
    [[nodiscard]] std::string on_header();
    void on_control_frame(Taken& taken);
    void put_frame(unsigned opcode, Bytes payload);

    Draws masks_;
    std::string key_;
    Buffer answer_;  // to the request, so far
    bool is_open_ = false;
    bool is_closed_ = false;
    std::array<std::byte, header_bytes_max> header_{};
    std::uint8_t header_size_ = 0;   // so many bytes of it are there
    bool is_in_payload_ = false;     // of the frame with that header
    bool is_message_begun_ = false;  // a fragmented message waits for its next frame (§5.4)
    std::uint64_t payload_left_ = 0;
    Buffer control_;  // payload of a control frame, so far
};

}  // namespace touchstone::load
