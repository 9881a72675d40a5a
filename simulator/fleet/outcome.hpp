// What a run of a fleet leaves: counts, times, curves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "simulator/fleet/histogram.hpp"

namespace touchstone::simulator::fleet {

/// Of a class, since the start.
struct ClassCounts {
    std::uint64_t attempts = 0;          // to connect
    std::uint64_t connects = 0;          // that succeeded
    std::uint64_t refused = 0;           // no node, too many a second
    std::uint64_t connect_timeouts = 0;  // CONNACK after the client had given up, or never
    std::uint64_t answer_timeouts =
        0;                         // connections given up since an answer was late or never came
    std::uint64_t nat_losses = 0;  // connections that a silent NAT had forgotten
    std::uint64_t cut_off = 0;     // connections that a crash or cut ended
    std::uint64_t pings = 0;
    std::uint64_t published = 0;
    std::uint64_t delivered = 0;         // to devices of the class
    std::uint64_t undelivered = 0;       // the receiver was away
    std::uint64_t dropped = 0;           // a limit of what may wait for devices of the class
    std::uint64_t wills = 0;             // published for devices of the class
    std::uint64_t closed_by_broker = 0;  // connections that it ended while it went on

    void add(const ClassCounts& other);
    [[nodiscard]] ClassCounts minus(const ClassCounts& earlier) const;
};

/// What is answered how fast, as the client sees it: from its sending to its receiving.
struct Latencies {
    Histogram connect;  // from the first packet of the handshake to CONNACK; only of successes
    Histogram ping;
    Histogram publish;   // QoS 1 and 2: to the last acknowledgement
    Histogram delivery;  // from the publisher's sending to the receiver's receiving
    Histogram wait;      // in the broker's queues, of all packets
};

/// The state at an instant, and what happened since the one before.
struct Sample {
    Time at = 0;
    std::uint64_t connected = 0;
    ClassCounts since;      // of all classes
    Time longest_wait = 0;  // a packet that came now would have, at the worst server
    double busy = 0;     // share of the servers' time that work came in for; above 1: it piles up
    double busiest = 0;  // of the busiest server
    std::uint64_t waits = 0;     // packets served
    std::uint64_t wait_sum = 0;  // ns, of these
    std::uint64_t service_sum = 0;
};

/// What the real core says about itself at the end: tier T0.
struct CoreFigures {
    std::uint64_t sessions = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t packets_taken = 0;  // Control Packets of clients, bytes of which it read
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t queued_messages_max = 0;  // of all sessions, at the instant of a sample
    std::uint64_t queued_bytes_max = 0;
    /// Memory of the core and its driver, and how many sessions it had then; 0 where the C library
    /// does not say. Not decided by the seed alone.
    std::uint64_t heap_bytes = 0;
    std::uint64_t heap_sessions = 0;
    /// Packets that no device had reason to expect, and messages that the core cannot account for.
    std::uint64_t surprises = 0;
    std::vector<std::pair<std::string, std::uint64_t>> drops;  // by reason, those that are not 0
};

struct Outcome {
    std::vector<ClassCounts> classes;
    Latencies latencies;
    std::vector<Sample> samples;
    std::uint64_t steps = 0;   // events of the list
    std::uint64_t digest = 0;  // over all of them
    std::uint64_t connected = 0;
    std::uint64_t connected_max = 0;
    std::uint64_t cohorts_max = 0;      // T3
    std::optional<CoreFigures> core{};  // T0
    Time ended_at = 0;
    bool was_interrupted = false;

    [[nodiscard]] ClassCounts all() const;
};

/// Messages that a limit of what may wait has dropped.
[[nodiscard]] std::uint64_t dropped_by_limit(const Outcome& outcome);

}  // namespace touchstone::simulator::fleet
