// What a run under load leaves: counts, times, curves, and how hard the generator had to work for
// it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "load/counts.hpp"
#include "load/histogram.hpp"
#include "load/time.hpp"

namespace touchstone::load {

struct Times {
    Histogram connect;      // from the instant a connection was due to its CONNACK
    Histogram delivery;     // from the instant a message was due to its arrival at a subscriber
    Histogram acknowledge;  // from the same to PUBACK or PUBCOMP
    Histogram ping;         // from PINGREQ to PINGRESP
    /// How late the generator was itself: from the instant a message was due to its sending, where
    /// neither an acknowledgement nor the socket had to be waited for.
    Histogram lag;
    Histogram connect_lag;  // the same of connections

    void add(const Times& other);
};

/// What happened in a piece of the run. Times begin at its start.
struct Interval {
    Nanos from = 0;
    Nanos length = 0;
    Counts counts;
    Times times;
    std::uint64_t connected = 0;  // at its end
    unsigned parts = 0;           // threads that have reported it
};

/// A process as the system sees it.
struct ProcessUse {
    double cpu_s = 0;
    std::uint64_t resident_bytes = 0;
};

/// A thread of the generator while it was measured.
struct ThreadUse {
    double busy = 0;    // share of the time that it used a processor
    double waited = 0;  // share of the time that it could have used one and got none
};

enum class Ending : std::uint8_t {
    complete,
    interrupted,
    connect_timeout,  // not all were connected in time: nothing was published
};

struct Outcome {
    Ending ending = Ending::complete;
    std::vector<Counts> groups;  // in the order of the workload
    Times times;  // of what was due while it was measured; connections and pings: of all of the run
    std::vector<Interval> intervals;
    std::uint64_t connected = 0;  // when measuring ended
    std::uint64_t connected_max = 0;
    std::uint64_t ready = 0;  // connected and subscribed when publishing began
    /// Of a target that gets all that was sent, and acknowledged where it is to be: deliveries that
    /// never came.
    std::uint64_t lost = 0;
    /// False: clients came and went without Sessions, or there are too many pairs to write down;
    /// `lost` means little.
    bool is_loss_judged = true;
    std::uint64_t unsent = 0;  // due, and not sent when the run was over
    std::uint64_t unacknowledged = 0;
    std::uint64_t undelivered_pairs = 0;  // publishers and subscribers with a loss
    bool was_steady = false;              // before measuring began, and both halves alike
    std::string steadiness;               // in words
    Nanos connected_after = 0;            // all of them, since the start
    Nanos measured_from = 0;              // since the start
    Nanos measured = 0;
    std::vector<ThreadUse> threads;
    unsigned own_tables = 0;  // threads with a table of descriptors of their own
    std::vector<std::string> sources;
    /// The watched process when measuring began and ended.
    std::optional<ProcessUse> target_before;
    std::optional<ProcessUse> target_after;
    std::map<std::string, std::uint64_t> failures;  // in words, how often
    std::int64_t started_unix_ms = 0;

    [[nodiscard]] Counts all() const;
    [[nodiscard]] double sent_per_s() const;
    [[nodiscard]] double received_per_s() const;
    [[nodiscard]] double offered_per_s() const;
};

}  // namespace touchstone::load
