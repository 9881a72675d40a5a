#include "planner/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "broker/base/edit_distance.hpp"
#include "planner/command_parts.hpp"

namespace touchstone::planner {

namespace {

struct Subcommand {
    std::string_view name;
    std::string_view summary;
    int (*run)(int argument_count, char** arguments);
};
constexpr auto subcommands = std::to_array<Subcommand>({
    {"calibrate", "measure what a broker's operations, connections and messages cost",
     calibrate_command},
    {"estimate", "what a fleet comes to on it: processors, memory, latency, knee, nodes, prices",
     estimate_command},
    {"validate", "measure workloads that the calibration has not seen, beside their prediction",
     validate_command},
});

constexpr std::string_view examples = R"(
Examples:
  touchstone broker --listen 127.0.0.1:1883 --shards 1 &
  touchstone plan calibrate --target mqtt://127.0.0.1:1883 --pid $! --save our.calibration
      a broker of any make that was just started, by its process on this machine; under two minutes
  touchstone plan validate --target mqtt://127.0.0.1:1883 --pid $! --calibration our.calibration
      how far off predictions are; the errors are in every estimate from then on
  touchstone plan estimate --calibration our.calibration --workload million/background-100k --variant 'fan-in, QoS 1, 256 bytes' --servers 2
      does this fleet fit, and if not, why; report.html has curves and what moves the cost

`touchstone plan SUBCOMMAND --help` has the options.

Exit codes: 0 as expected, it fits; 1 it does not fit, or a prediction is further off than its goal; 2 bad arguments or file, or more
than the calibration can tell; 3 nobody answers at the target; 6 the machine or the generator was the limit; 130 interrupted
)";

}  // namespace

int plan_command(int argument_count, char** arguments) {
    if (argument_count < 2) {
        return say(ExitCode::usage_error, "no subcommand; `touchstone plan --help` lists them");
    }
    const std::string_view name = arguments[1];
    if (name == "--help" || name == "-h") {
        fmt::print("A capacity planner that states its error.\n\nUsage: touchstone plan SUBCOMMAND "
                   "[OPTIONS]\n\n");
        for (const auto& one : subcommands) fmt::print("  {:<10}  {}\n", one.name, one.summary);
        fmt::print("{}", examples);
        return to_int(ExitCode::as_expected);
    }
    const auto* const known = std::ranges::find(subcommands, name, &Subcommand::name);
    if (known == subcommands.end()) {
        const auto nearest =
            *std::ranges::min_element(subcommands, {}, [name](const Subcommand& one) {
                return edit_distance(name, one.name);
            });
        return say(ExitCode::usage_error,
                   fmt::format("unknown subcommand '{}'; did you mean '{}'? `touchstone plan "
                               "--help` lists all",
                               name, nearest.name));
    }
    return guarded([&] { return known->run(argument_count - 1, arguments + 1); });
}

}  // namespace touchstone::planner
