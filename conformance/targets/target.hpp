// What the suite needs of a broker: Network Connections that carry bytes, and the time they live
// in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/base/bytes.hpp"
#include "broker/base/instant.hpp"

namespace touchstone::conformance {

/// What a wait for bytes ended with.
enum class Arrival : std::uint8_t {
    bytes,     // at least one byte came
    deadline,  // nothing came in time
    closed,    // the broker closed in order (TCP: FIN)
    reset,     // the broker or the network broke the connection (TCP: RST)
};

/// How the suite ends a Network Connection.
enum class Ending : std::uint8_t {
    finish,  // in order (TCP: FIN)
    abort,   // as if the network had failed (TCP: RST)
};

/// One Network Connection to the broker (v5 §4.2). Used by one thread. Its end without close() is
/// an abort.
class Connection {
public:
    Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    virtual ~Connection() = default;

    /// Hands `bytes` to the network. False when the connection is known to be gone; what had
    /// arrived before can still be received.
    virtual bool send(Bytes bytes) = 0;
    /// Waits until bytes are there, the broker closes, or `deadline`; appends what came to `into`.
    virtual Arrival receive(Buffer& into, Instant deadline) = 0;
    virtual void close(Ending ending) = 0;
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
    /// As on the command line: "sim", "mqtt://127.0.0.1:1883".
    [[nodiscard]] virtual std::string url() const = 0;
    /// sim | tcp
    [[nodiscard]] virtual std::string transport() const = 0;
};

}  // namespace touchstone::conformance
