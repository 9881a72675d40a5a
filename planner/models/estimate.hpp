// The prediction: what a demand comes to on so many nodes of a calibrated broker. All figures are
// of 95 % intervals of the calibration unless they say otherwise; README.md says what is left out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planner/models/calibration.hpp"
#include "planner/models/demand.hpp"
#include "planner/models/storms.hpp"
#include "planner/models/waiting.hpp"

namespace touchstone::planner {

struct Question {
    std::uint32_t nodes = 1;
    std::uint32_t servers = 1;     // of each node
    double latency_max_s = 0.010;  // what the 99th percentile may come to
    double busy_max = 0.7;         // share of a server's time that is planned for
    double memory_bytes = 0;       // of each node; 0: not asked about
    bool is_forced = false;        // extrapolates beyond what was measured
    std::uint64_t seed = 1;
    std::size_t arrivals = 60'000;  // in each run of the queues
    /// Of clients: how late they send, and look at what has come. Null: not at all.
    const QuantileCurve* lateness = nullptr;
};

/// Of a node's memory: the rest is for the system, and for what comes in bursts.
inline constexpr double memory_share_max = 0.8;

/// A value, and the ends of its interval.
struct Band {
    double value = 0;
    double low = 0;
    double high = 0;
};

inline constexpr std::array<double, 4> told_quantiles{0.5, 0.9, 0.99, 0.999};
inline constexpr std::array<std::string_view, 4> told_quantile_names{"p50", "p90", "p99", "p999"};

/// At so many times the load that was asked about.
struct LoadPoint {
    double scale = 0;
    double messages_per_s = 0;                     // that are published, on all nodes
    double busy = 0;                               // share of a server's time
    std::array<std::optional<Band>, 4> latency_s;  // by told_quantiles
};

struct MemoryPart {
    std::string_view name;
    double count = 0;
    Figure bytes;
};

struct Sensitivity {
    std::string what;      // "message rate + 10 %"
    double processor = 0;  // change, as a share
    double memory = 0;
    double network = 0;
    double nodes = 0;  // of the nodes that are needed, before they are rounded up
};

struct Estimate {
    Figure processor;                      // CPU seconds a second, of a node, everything included
    Figure busy;                           // share of a server's time
    std::vector<MemoryPart> memory_parts;  // of a node
    Figure memory;
    NetworkUse network;  // of a node
    double messages_per_s = 0;
    double deliveries_per_s = 0;
    LoadPoint now;
    std::vector<LoadPoint> curve;
    std::optional<Band> knee;  // scale: the most load with p99 below what is asked for
    double saturation = 0;     // scale at which servers have no time left
    std::optional<LoadPoint> one_node_lost;
    std::vector<StormForecast> storms;
    std::vector<Sensitivity> sensitivities;
    double nodes_needed = 0;         // for busy_max and the memory, not rounded
    std::vector<std::string> marks;  // what is extrapolated, and how far
    bool fits = false;
    std::vector<std::string> words;  // the verdict: sentences
};

/// Why it cannot be estimated, in one line with the remedy; nothing when it can be.
[[nodiscard]] std::optional<std::string> refusal_of(const Calibration& calibration,
                                                    const Demand& demand, const Question& question);

/// There is no refusal.
[[nodiscard]] Estimate estimate(const Calibration& calibration, const Demand& demand,
                                const Question& question);

/// Latency of the demand's messages on one node, by told_quantiles. Nothing where the run's sample
/// does not support it, or when the servers cannot keep up.
[[nodiscard]] LoadPoint load_point(const Calibration& calibration, const Demand& demand,
                                   const Question& question, double scale);

/// Latencies that were measured at some load.
struct MeasuredLatency {
    Demand demand;
    std::array<std::optional<double>, 4> quantiles_s;
    QuantileCurve lateness;  // of the generator
};
/// Of latencies measured at a low load, what the message itself takes: the curve with which the
/// model gives back what was measured there. The generator's lateness is taken off as well.
[[nodiscard]] QuantileCurve at_rest(const Calibration& calibration, const MeasuredLatency& quiet,
                                    unsigned qos, const QuantileCurve& measured,
                                    std::uint64_t seed);

struct WaitFit {
    Figure factor;     // Calibration::wait_factor
    double error = 0;  // the sum of logarithms of errors that is left
};
/// The factor with which the model meets these best (least sum of logarithms of errors of p50, p90
/// and p99), with the interval that leaving each out in turn gives (jackknife); `awake_factor` as
/// the calibration has it. Nothing with fewer than three, or when no factor up to forty explains
/// them.
[[nodiscard]] std::optional<WaitFit> fit_waits(const Calibration& calibration,
                                               const std::vector<MeasuredLatency>& measured,
                                               std::uint64_t seed);

}  // namespace touchstone::planner
