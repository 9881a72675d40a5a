// The load engine: runs a Workload against a real broker, in this process, and says what came of
// it. This is the interface for whoever needs measurements: the command line, the search for the
// highest rate, fleets, the planner.
//
//     Workload workload{.run_id = new_run_id()};
//     workload.target = *parse_target("mqtt://127.0.0.1:1883", problem);
//     ShapeOptions shape{.shape = Shape::fan_in, .publishers = 1'000, .subscribers = 1};
//     shape.publishing.process = Publishing::Process::stream;
//     shape.publishing.rate_per_s = 20'000;
//     workload.groups = groups_of(shape);             // shapes.hpp
//     if (const auto wrong = problem_of(workload)) ...
//     const Outcome outcome = run(workload);
//     const Limit limit = judge(workload, outcome);   // limiter.hpp
//     if (!limit.is_generator) use(outcome.times.delivery.quantile(0.99));
//
// A run: all connect and subscribe; `hold`; publishing begins; warm-up until steady; measuring;
// what is still on its way is waited for; all disconnect. It has threads of its own and returns
// when they have ended. One run at a time.
#pragma once

#include <functional>
#include <stdexcept>

#include "load/outcome.hpp"
#include "load/workload.hpp"

namespace touchstone::load {

/// Nobody answers at the target, or not as an MQTT broker: one line.
class Unreachable : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The workload or this machine does not allow the run: one line with the remedy.
class CannotRun : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

enum class Stage : std::uint8_t { connecting, holding, warming_up, measuring, draining, closing };
[[nodiscard]] std::string_view name_of(Stage stage);

/// How a run is getting on.
struct Glimpse {
    Stage stage = Stage::connecting;
    Nanos since_start = 0;
    std::uint64_t clients = 0;
    std::uint64_t connected = 0;
    std::uint64_t ready = 0;
    const Counts& counts;              // up to the last whole interval
    const Interval* latest = nullptr;  // null: none yet
};

/// Asked about a hundred times a second, in the caller's thread; false ends the run in order
/// (Ending::interrupted).
using GoesOn = std::function<bool(const Glimpse&)>;

/// `workload` has no problem (problem_of). Throws Unreachable and CannotRun before anything is
/// measured.
[[nodiscard]] Outcome run(const Workload& workload, const GoesOn& goes_on = {});

/// Eight letters and digits that no other run has.
[[nodiscard]] std::string new_run_id();

}  // namespace touchstone::load
