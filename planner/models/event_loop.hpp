// A server of a broker as an event loop: it sleeps until a packet comes, takes what all connections
// have for it, answers, and looks again. The more there is, the more packets share a look, a read
// and a write; so a message is the cheaper the busier its broker is. A run of such a loop tells how
// many of them there are, and how long messages take. Times are seconds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace touchstone::planner {

/// Packets of a kind, at random instants (Poisson) on connections chosen at random.
struct PacketStream {
    double per_s = 0;
    double sources = 1;    // connections that they come on
    double receivers = 0;  // copies of each
    double sinks = 1;      // connections that copies leave by
    /// Each source has sinks of its own; else the sinks of a message are chosen at random.
    bool has_own_sinks = false;
    unsigned qos = 0;
    double take_s = 0;  // a packet that comes in, and its acknowledgements
    double copy_s = 0;  // a copy, and its acknowledgements
    /// `take_s` is all that it costs, reading and writing included: a CONNECT.
    bool is_whole = false;
    bool is_answered = false;  // PINGREQ
};

struct LoopCosts {
    double look_s = 0;        // at which connections have something
    double read_s = 0;        // of a connection
    double write_s = 0;       // to a connection
    double wake_s = 0;        // processor time more, when it had slept
    double wake_delay_s = 0;  // from a packet that wakes it to its first look
    double answer_s = 0;      // from a packet that leaves to the client's acknowledgement
    /// It takes all that a connection has, and writes to each connection once, in the end; else it
    /// takes and writes packets one by one.
    bool gathers = true;
};

struct LoopRun {
    /// For each packet of the streams.
    double looks = 0;
    double reads = 0;
    double writes = 0;
    double wakes = 0;
    double busy = 0;  // share of the time
    bool keeps_up = true;
    struct Delivery {
        std::uint32_t stream = 0;
        float took_s = 0;  // from the packet's arrival to its copy's departure
        float own_s = 0;   // the same with nothing else to do: alone_s
    };
    std::vector<Delivery> deliveries;
};

/// About `events` packets and copies, after a tenth as many that are discarded.
[[nodiscard]] LoopRun run_loop(std::span<const PacketStream> streams, const LoopCosts& costs,
                               std::size_t events, std::uint64_t seed);

/// What a copy (from 0) of a message with so many of them takes in a loop that had slept.
[[nodiscard]] double alone_s(const PacketStream& stream, const LoopCosts& costs,
                             std::uint32_t copies = 1, std::uint32_t copy = 0);

}  // namespace touchstone::planner
