// What the suite needs of a broker: Network Connections that carry bytes, and the time they live
// in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::conformance {

/// What a wait for bytes ended with.
enum class Arrival : std::uint8_t {
    bytes,       // at least one byte came
    deadline,    // nothing came in time
    closed,      // the broker closed in order (TCP: FIN; TLS: close_notify; WebSocket: Close frame)
    reset,       // the broker or the network broke the connection (TCP: RST; a TLS alert)
    refused,     // by a TLS alert before the first byte: TLS 1.3 tells a client so late that its
                 // certificate does not do
    text_frame,  // a WebSocket data frame that is not binary
};

/// How the suite ends a Network Connection.
enum class Ending : std::uint8_t {
    finish,  // in order (TCP: FIN)
    abort,   // as if the network had failed (TCP: RST)
};

/// A WebSocket message (RFC 6455 §5.4), in as many frames as it has fragments.
struct WebSocketMessage {
    enum class Kind : std::uint8_t {
        binary,
        text,
        ping,  // a control frame: one fragment of at most 125 bytes
    };
    Kind kind = Kind::binary;
    std::vector<Buffer> fragments{};
};

/// What a broker answered to the HTTP request that begins a WebSocket.
struct WebSocketHandshake {
    unsigned status = 0;                       // of HTTP; 0: it closed without an answer
    std::optional<std::string> subprotocol{};  // the one it selected
    std::string problem{};                     // one line, unless it became a WebSocket
};

/// What only a WebSocket can do.
class FrameSender {
public:
    FrameSender() = default;
    FrameSender(const FrameSender&) = delete;
    FrameSender& operator=(const FrameSender&) = delete;
    virtual ~FrameSender() = default;
    /// As Connection::send(), with the frames as they are asked for.
    virtual bool send(const WebSocketMessage& message) = 0;
};

/// One Network Connection to the broker (v5 §4.2). Used by one thread. Its end without close() is
/// an abort.
class Connection {
public:
    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    virtual ~Connection() = default;

    /// Hands `bytes` to the network; over WebSocket they are one binary frame. False when the
    /// connection is known to be gone; what had arrived before can still be received.
    virtual bool send(Bytes bytes) = 0;
    /// Waits until bytes are there, the broker closes, or `deadline`; appends what came to `into`.
    virtual Arrival receive(Buffer& into, Instant deadline) = 0;
    virtual void close(Ending ending) = 0;
    /// nullptr unless this is a WebSocket. Lives as long as the connection.
    virtual FrameSender* frames() { return nullptr; }
    /// What the transport has to say about the end, in a few words; often nothing.
    [[nodiscard]] virtual std::string problem() const { return {}; }
};

/// The broker under test, with the clock that its connections live by.
class Target {
public:
    Target() = default;
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    virtual ~Target() = default;

    /// Opens a Network Connection. nullptr when the broker cannot be reached; `problem` then says
    /// why in one line.
    virtual std::unique_ptr<Connection> open(std::string& problem) = 0;
    /// Begins a WebSocket that offers `subprotocols`, and ends it. Nothing when there is no way to
    /// the broker, or no WebSocket; `problem` then says why in one line.
    virtual std::optional<WebSocketHandshake>
    shake_hands(const std::vector<std::string>& /*subprotocols*/, std::string& problem) {
        problem = "this transport is no WebSocket";
        return std::nullopt;
    }
    [[nodiscard]] virtual Instant now() = 0;
    /// Returns when it is `instant` or later.
    virtual void pass_time_until(Instant instant) = 0;
};

/// Where the cases get their broker from.
class TargetSource {
public:
    TargetSource() = default;
    TargetSource(const TargetSource&) = delete;
    TargetSource& operator=(const TargetSource&) = delete;
    virtual ~TargetSource() = default;

    /// A target for one case. In virtual time each case has a world of its own, drawn from `seed`;
    /// real brokers are shared. Called from several threads when may_run_side_by_side().
    virtual std::unique_ptr<Target> make(std::uint64_t seed) = 0;

    [[nodiscard]] virtual bool has_virtual_time() const = 0;
    [[nodiscard]] virtual bool may_run_side_by_side() const = 0;
    /// Whether the connections are WebSockets.
    [[nodiscard]] virtual bool has_frames() const { return false; }
    /// As on the command line: "sim", "mqtt://127.0.0.1:1883", "wss://[::1]:443/mqtt".
    [[nodiscard]] virtual std::string url() const = 0;
    /// sim | tcp | tls | ws | wss
    [[nodiscard]] virtual std::string transport() const = 0;
};

}  // namespace touchstone::conformance
