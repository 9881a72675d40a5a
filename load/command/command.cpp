#include "load/command/command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>

#include "broker/base/edit_distance.hpp"
#include "load/command/find_limit_command.hpp"
#include "load/command/report.hpp"
#include "load/command/run_command.hpp"
#include "load/command/session.hpp"
#include "load/fleet/fleet_command.hpp"

namespace touchstone::load {

namespace {

struct Subcommand {
    std::string_view name;
    std::string_view summary;
    int (*run)(int argument_count, char** arguments);
};
constexpr auto subcommands = std::to_array<Subcommand>({
    {"connect", "a storm of connections", connect_command},
    {"hold", "idle connections with keepalives, then messages through a sample of them",
     hold_command},
    {"pubsub", "publish and subscribe, by shape, QoS, size and rate", pubsub_command},
    {"fleet", "a fleet's devices (*.fleet) on real connections, beside their virtual run",
     fleet_command},
    {"find-limit", "the highest rate with p99 below a bound and nothing lost", find_limit_command},
});

constexpr std::string_view examples = R"(
Examples:
  touchstone load connect --target mqtt://127.0.0.1:1883 --connections 10000 --rate 2000
      ten thousand clients, two thousand more each second; time from the instant each was due to its CONNACK
  touchstone load hold --target mqtt://127.0.0.1:1883 --connections 100000 --for 60 --sample 1000
      held with keepalives, then messages through a thousand of them
  touchstone load pubsub --target mqtt://127.0.0.1:1883 --shape fan-in --publishers 1000 --subscribers 1 --rate 20000 --qos 1 --expect 'p99<10ms' --expect loss=0
      open loop: messages are due at random instants whatever the broker does, and time counts from there
  touchstone load find-limit --target mqtt://127.0.0.1:1883 --shape pairs --p99 10ms
      the highest rate that holds
  touchstone load fleet million/xmeter-1m --target mqtt://127.0.0.1:1883 --scale 0.01 --for 120
      devices of a simulated fleet on real connections, and the virtual run beside them

`touchstone load SUBCOMMAND --help` has the options.

Exit codes: 0 as expected; 1 an expectation failed, or not all clients got in; 2 bad arguments; 3 nobody answers at the target;
6 the generator was the limit, or the sample is too small for what is expected; 130 interrupted
)";

void print_help() {
    fmt::print("Real load on a real broker.\n\nUsage: touchstone load SUBCOMMAND [OPTIONS]\n\n");
    for (const auto& one : subcommands) fmt::print("  {:<10}  {}\n", one.name, one.summary);
    fmt::print("{}", examples);
}

}  // namespace

int load_command(int argument_count, char** arguments) {
    if (argument_count < 2)
        return say(ExitCode::usage_error, "no subcommand; `touchstone load --help` lists them");
    const std::string_view name = arguments[1];
    if (name == "--help" || name == "-h") {
        print_help();
        return to_int(ExitCode::as_expected);
    }
    const auto* const known = std::ranges::find(subcommands, name, &Subcommand::name);
    if (known == subcommands.end()) {
        const auto nearest =
            *std::ranges::min_element(subcommands, {}, [name](const Subcommand& one) {
                return edit_distance(name, one.name);
            });
        return say(ExitCode::usage_error,
                   fmt::format("unknown subcommand '{}'; did you mean '{}'? `touchstone load "
                               "--help` lists all",
                               name, nearest.name));
    }
    return guarded([&] { return known->run(argument_count - 1, arguments + 1); });
}

}  // namespace touchstone::load
