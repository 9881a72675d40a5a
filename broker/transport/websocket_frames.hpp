// WebSocket frames as a server sees them (RFC 6455 §5): what arrives is turned into the bytes of
// MQTT and what is sent is cut into frames, both as streams, so no message is ever held whole. The
// request that opens a WebSocket is upgrade.hpp's matter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "broker/base/bytes.hpp"

namespace touchstone::transport {

/// Why a WebSocket ends (RFC 6455 §7.4.1). What a peer may send besides is passed back to it.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    no_status = 1005,  // the peer has sent none; never on the wire
};

/// Longest payload of a control frame (§5.5).
inline constexpr std::size_t control_payload_bytes_max = 125;

/// Takes frames off what a client has sent, in pieces of any size.
class FrameReader {
public:
    enum class Next : std::uint8_t {
        more_bytes,
        closed,  // the peer has sent a Close frame; nothing after it counts
        failed,  // the peer broke a rule; nothing after it counts
    };
    struct Taken {
        std::size_t payload_bytes = 0;  // of binary messages: now at the front of what was given
        Next next = Next::more_bytes;
        CloseCode code = CloseCode::normal;  // to be sent when `next` is not more_bytes
        bool has_ping = false;               // answer ping(), the latest of them (§5.5.3)
    };

    /// Decodes `bytes` in place. Not to be called again after it has answered closed or failed.
    Taken take(std::span<std::byte> bytes);

    /// Payload of the latest Ping. Valid until the next take().
    [[nodiscard]] Bytes ping() const { return ping_; }

private:
    static constexpr std::size_t header_bytes_max = 14;
    static constexpr std::size_t mask_bytes = 4;

    [[nodiscard]] std::size_t header_bytes() const;
    std::optional<CloseCode> on_header();
    [[nodiscard]] unsigned opcode() const;
    void unmask(std::span<std::byte> payload);
    void on_control_frame(Taken& taken);

    std::array<std::byte, header_bytes_max> header_{};
    std::uint8_t header_size_ = 0;    // so many bytes of it are there
    bool is_in_payload_ = false;      // of the frame with that header
    bool is_message_begun_ = false;   // a fragmented message waits for its next frame (§5.4)
    std::uint8_t mask_position_ = 0;  // 0 … 3
    std::uint64_t payload_left_ = 0;
    Buffer control_;  // payload of a control frame, so far
    Buffer ping_;
};

/// Puts frames around what a server sends. Holds no payload: only what goes before it.
class FrameWriter {
public:
    /// Bytes that are no frame, before the first one: the answer to the opening request.
    void begin_with(Bytes bytes) { append(head_, bytes); }
    /// Sends a Pong as soon as no frame is half sent; one that still waits is replaced (§5.5.3), so
    /// a peer that sends Pings and reads nothing costs no more memory.
    void answer_ping(Bytes payload);
    /// Sends a Close frame once there is no payload to send. Calls after the first do nothing.
    void close(CloseCode code);

    /// Something other than payload has to be sent.
    [[nodiscard]] bool has_output() const {
        return !head_.empty() || pong_.has_value() || (close_ && !is_close_begun_);
    }

    /// Decides what is sent next, when `payload_bytes` wait to be sent: a binary message of all of
    /// them, unless a frame is half sent. Afterwards head(), and then frame_payload_bytes().
    void prepare(std::size_t payload_bytes);
    [[nodiscard]] Bytes head() const { return Bytes{head_}.subspan(head_begin_); }
    [[nodiscard]] std::size_t frame_payload_bytes() const { return payload_left_; }
    /// `size_bytes` of what prepare() has decided were sent. Returns how many were payload.
    std::size_t on_written(std::size_t size_bytes);

private:
    Buffer head_;
    std::size_t head_begin_ = 0;  // those before were sent
    std::size_t payload_left_ = 0;
    std::optional<Buffer> pong_;  // its payload
    std::optional<CloseCode> close_;
    bool is_close_begun_ = false;
};

}  // namespace touchstone::transport
