// Bench: a node of the real core in virtual time, seen through raw bytes. What the conformance
// suite's `sim` target and small tests use: synchronous, single-threaded, no clients of its own.
//
// Time passes only inside receive(), advance(), restart() and stop(); between them everything
// stands still, so an hour of silence costs as little as what happens in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/base/bytes.hpp"
#include "broker/base/counters.hpp"
#include "broker/base/defects.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/settings.hpp"
#include "broker/base/strong.hpp"

namespace touchstone::simulator {

struct NodeOptions;

class Bench {
public:
    /// One Network Connection of the outside. Never used again for another one.
    using Handle = Strong<struct BenchHandleTag, std::uint32_t>;

    /// What came of a receive().
    struct Arrival {
        enum class Kind : std::uint8_t {
            bytes,   // `bytes` is not empty
            closed,  // the broker closed the connection in an orderly way; all it sent was received
            reset,   // the connection was aborted, by the broker, a restart or abort()
            timeout,  // nothing came within the time given
        };
        Kind kind = Kind::timeout;
        Buffer bytes;
    };

    /// A node of `shard_count` (1 or more) shards that run `settings`. Equal arguments and calls
    /// give equal bytes at equal instants; `seed` decides the delays between shards and what the
    /// core draws.
    Bench(const Settings& settings, unsigned shard_count, std::uint64_t seed,
          const Defects& defects = {});
    /// As above, for all that a node can be told (simulator/node.hpp).
    Bench(const NodeOptions& options, std::uint64_t seed);
    ~Bench();
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    /// Opens a Network Connection. It reaches the broker after the delay of the link. While the
    /// node is stopped it is reset.
    Handle open();
    /// Bytes to the broker, in order, any part of a packet or several. Without effect once the
    /// connection is closed or reset. Copied.
    void send(Handle connection, Bytes bytes);
    /// What has arrived and was not taken yet, else what arrives first within `wait_max`: returns
    /// at the virtual instant of its arrival. After closed or reset it says so again.
    Arrival receive(Handle connection, Duration wait_max);
    /// Ends the connection in an orderly way after everything sent so far. What the broker sends
    /// later is not received.
    void close(Handle connection);
    /// Ends the connection with a reset: bytes under way are lost, both ends learn.
    void abort(Handle connection);
    /// A slow reader: from now on nothing is taken off the connection, so the broker's sends stay
    /// in its buffers, until resume_reading(). receive() gives a timeout meanwhile.
    void stall_reading(Handle connection);
    void resume_reading(Handle connection);

    /// Virtual time since the Bench was made starts at 1 s, so that no instant is 0.
    [[nodiscard]] Instant now() const;
    /// Lets `span` (0 or more) pass.
    void advance(Duration span);

    /// The node crashes, losing its memory, and is up again at once; every connection is reset.
    void restart();
    /// The node stops in an orderly way (Broker::on_stop); connections end as it ends them.
    /// restart() brings it back.
    void stop();

    /// Of all shards together, since the last restart.
    [[nodiscard]] Counters counters() const;
    [[nodiscard]] Gauges gauges() const;

    /// Rolling digest over every event so far: 16 hexadecimal digits.
    [[nodiscard]] std::string digest() const;

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace touchstone::simulator
