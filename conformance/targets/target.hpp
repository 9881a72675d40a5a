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

/// A state of the broker that a case needs. Most need none.
enum class Condition : std::uint8_t {
    usual,
    guarded,  // it knows users, and refuses others
    reduced,  // its optional features are off, and its limits are small
};

struct NameAndPassword {
    std::string user_name;
    std::string password;
};

/// What no packet tells about a broker: its operator does.
struct Declaration {
    std::optional<NameAndPassword> credentials{};    // go into every CONNECT
    bool refuses_others = false;                     // a CONNECT with other credentials is refused
    std::optional<NameAndPassword> scram_sha_256{};  // of this Authentication Method (v5 §4.12)
    /// A Topic Name that a client with `credentials` may neither publish nor subscribe to.
    std::optional<std::string> forbidden_topic{};
    bool may_be_stopped = false;  // Target::stop_broker() and start_broker() work
    bool tries_v3_1_1 = true;
    bool tries_v5 = true;
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
    /// Stops the broker in an orderly way, for all who use it. False when that cannot be done, or
    /// fails; `problem` then says why in one line.
    virtual bool stop_broker(std::string& problem) {
        problem = "nothing says how the broker is stopped";
        return false;
    }
    /// Starts it again, and returns when it accepts connections.
    virtual bool start_broker(std::string& problem) {
        problem = "nothing says how the broker is started";
        return false;
    }
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

    /// The same broker, or another one of its kind, in `condition`; nullptr when it cannot be had,
    /// with `problem` when that is a mishap. Lives as long as this. Called by one thread at a time;
    /// may start the broker.
    virtual TargetSource* in(Condition condition, std::string& /*problem*/) {
        return condition == Condition::usual ? this : nullptr;
    }
    [[nodiscard]] virtual Declaration declaration() const { return {}; }
    /// Whether revive() is worth a try.
    [[nodiscard]] virtual bool can_revive() const { return false; }
    /// Brings a broker back that accepts no connections any more; returns when it does again. False
    /// when that fails; `problem` then says why in one line.
    virtual bool revive(std::string& problem) {
        problem = "nothing says how the broker is started";
        return false;
    }
    /// What is known about the end of a broker that is gone: "its process was ended by signal 11".
    [[nodiscard]] virtual std::string fate() { return {}; }

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
