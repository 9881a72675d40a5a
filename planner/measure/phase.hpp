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
    /// How long an idle turn of the generator took: longer on a machine that is slower just now. 0:
    /// not known.
    double turn_s = 0;
    /// Everything took so much longer than usual; what the fit of all phases says (fit_loop.hpp).
    double slowness = 1;
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
    /// Processors that share a core, or a machine with others, are now and then much faster or
    /// slower. Other than this by more than speed_tolerance: measured again. 0: not known.
    double turn_s = 0;
    unsigned attempts_max = 3;  // so often in all; the least disturbed counts
    std::function<bool(const std::string& what)> goes_on;
};

inline constexpr double speed_tolerance = 0.15;
/// Whether the machine was as fast as usual.
[[nodiscard]] bool has_usual_speed(double turn_s, double usual_s);

/// Throws load::Unreachable, load::CannotRun, CannotMeasure.
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
