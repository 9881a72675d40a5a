// One measurement under load: what the broker's process spent while known messages flowed, and how
// long these took.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "load/engine.hpp"
#include "load/limiter.hpp"
#include "planner/measure/pace.hpp"
#include "planner/models/calibration.hpp"
#include "planner/models/demand.hpp"

namespace touchstone::planner {

/// Messages at random instants, all alike.
struct MessageLoad {
    std::string name;
    unsigned qos = 0;
    std::uint32_t payload_bytes = 64;
    std::uint32_t receivers = 1;  // of each message; 0: nobody
    double per_s = 0;
    std::uint32_t publishers = 20;
    std::uint32_t in_flight = 0;  // above 0: closed loop, so many of each publisher, and no rate
    std::uint32_t pingers = 0;    // clients besides, which ping every `ping_every_s`
    double ping_every_s = 0;
};

[[nodiscard]] load::Workload workload_of(const MessageLoad& messages, const load::Target& target);
/// What it asks of a broker at its intended rate.
[[nodiscard]] Demand demand_of(const MessageLoad& messages);

struct Phase {
    MessageLoad load;
    OperationRates rates{};  // `read`, `write`, `look` and `wake` are not seen
    double processor = 0;    // CPU seconds a second
    double wakes_per_s = 0;  // how often a thread of the broker had slept
    double disturbance = 0;  // seconds a second that threads of the broker waited for a processor
    std::uint32_t workers = 1;
    /// Of the generator's thread that is busiest: the time that it ran, or waited to.
    double generator_busy = 0;
    /// Of the machine (pace.hpp), the mean of before and after; 0: not known.
    double pace_s = 0;
    bool has_changed = false;  // it was another one in the end
    // In pieces (windows.hpp):
    std::vector<load::Histogram> deliveries;
    std::vector<load::Histogram> lags;
    std::uint64_t lost = 0;
    load::Limit limit;

    [[nodiscard]] double sent_per_s() const {
        return rates[static_cast<std::size_t>(Operation::publish_0) + load.qos];
    }
    /// Share of their time that the servers had something to do, whether they could or not.
    [[nodiscard]] double occupied(std::uint32_t servers) const {
        return std::min(1.0, (processor + disturbance) / servers);
    }
};

struct PhaseOptions {
    load::Target target;
    int pid = 0;
    std::uint64_t seed = 1;
    double warm_up_s = 0.7;
    double measure_s = 1.6;
    /// A phase in which the machine kept the broker waiting for more than this is measured again,
    double disturbance_max = 0.03;
    bool is_generator_separate = false;  // it has processors of its own, and may stay awake
    /// Of the broker and of the generator: between them the machine's pace is taken.
    std::vector<ProcessorPair> processors;
    /// One that is similar to this is waited for, so long in all; 0: not known.
    double pace_s = 0;
    double patience_s = 20;
    unsigned attempts_max = 3;  // so often in all; the least disturbed counts
    std::function<bool(const std::string& what)> goes_on;
};

/// Whether the machine was all the time as it usually is.
[[nodiscard]] bool had_usual_pace(const Phase& phase, double usual_s);

/// Throws load::Unreachable, load::CannotRun, CannotMeasure, MachineTooBusy.
[[nodiscard]] Phase measure_phase(const MessageLoad& messages, const PhaseOptions& options);

/// CPU seconds of the broker for a connection: CONNECT, its subscriptions, and its end.
struct StormMeasurement {
    double connect_s = 0;
    double disconnect_s = 0;
    double disturbance = 0;
};
[[nodiscard]] StormMeasurement measure_storm(const PhaseOptions& options, std::uint32_t clients,
                                             std::uint32_t subscriptions);

}  // namespace touchstone::planner
