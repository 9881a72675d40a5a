// How long packets wait for a broker's servers: by formulas where there are any, by a run of the
// fleet's queues (simulator/fleet/servers.hpp) where there are none. Times are seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace touchstone::planner {

/// A kind of work, as a share of all: it takes `service_s`, always.
struct Work {
    double rate_per_s = 0;
    double service_s = 0;
    /// Of it, the part after a message's first copy has left: the copies of a fan-out go one by
    /// one.
    double copies_s = 0;
    bool is_message = false;  // whose latency is asked for
};

/// How work comes to servers.
struct Station {
    std::uint32_t servers = 1;
    /// One queue for all of them; else each has its own, and work is dealt to them at random.
    bool shares_queue = false;
    /// More work for what finds its server idle: waking up.
    double wake_s = 0;
};

struct Moments {
    double rate_per_s = 0;
    double mean_s = 0;
    double second_s2 = 0;
};
[[nodiscard]] Moments moments_of(std::span<const Work> work);

/// Mean wait in M/G/1 whose idle server needs `wake_s` more for the first of each busy period. P.
/// D. Welch, On a Generalized M/G/1 Queuing Process, 1964; without `wake_s` the formula of
/// Pollaczek and Khinchine. Nothing when the server cannot keep up.
[[nodiscard]] std::optional<double> mean_wait_one_server(const Moments& moments, double wake_s);

/// The probability to wait in M/M/c with `erlangs` of work, below `servers` (Erlang C).
[[nodiscard]] double erlang_c(std::uint32_t servers, double erlangs);

/// Mean wait in M/G/c with one queue: that of M/M/c, times (1 + C^2) / 2 (A. M. Lee and P. A.
/// Longton, 1959): exact for M/M/c and M/G/1, else an approximation.
[[nodiscard]] std::optional<double> mean_wait_shared_queue(const Moments& moments,
                                                           std::uint32_t servers);

/// The wait in M/M/c that a share `quantile` of all does not exceed.
[[nodiscard]] double wait_quantile_exponential(std::uint32_t servers, double erlangs,
                                               double service_s, double quantile);

/// Share of their time that servers work, when an idle one needs `wake_s` more: u of
/// u = rate (mean + wake (1 - u)), by server. Above 1 when they cannot keep up.
[[nodiscard]] double utilization_of(const Moments& moments, const Station& station);

/// Waits and latencies of a run of the queues.
struct WaitingRun {
    double mean_wait_s = 0;           // of everything
    double mean_wait_half_width = 0;  // 95 %, batch means
    double busy = 0;                  // share of the servers' time
    struct Message {
        std::uint32_t kind = 0;  // index into the work
        float wait_s = 0;
        float copies_s = 0;  // from the first copy to one chosen at random
    };
    std::vector<Message> messages;  // in the order of their arrival
};

/// `arrivals` pieces of work at random instants (Poisson), after a tenth as many that are
/// discarded.
[[nodiscard]] WaitingRun run_queues(std::span<const Work> work, const Station& station,
                                    std::size_t arrivals, std::uint64_t seed);

}  // namespace touchstone::planner
