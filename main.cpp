// The one executable: finds the subcommand by its name and hands over. What a subcommand does, and
// its options, live in the folder that owns it; here are only the names, so that a new subcommand
// is one line of the table.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "broker/asio/command.hpp"
#include "broker/base/edit_distance.hpp"
#include "broker/base/exit_code.hpp"
#include "broker/rocksdb/ctl_command.hpp"
#include "conformance/command.hpp"
#include "load/command/command.hpp"
#include "load/fleet/fleet_command.hpp"
#include "planner/command.hpp"
#include "reports/command.hpp"
#include "simulator/command.hpp"

namespace {

struct Subcommand {
    std::string_view name;
    std::string_view summary;
    /// Gets the arguments from its own name on; returns the exit code.
    int (*run)(int argument_count, char** arguments);
};

/// A fleet with --live runs on real connections, for which the simulator has nothing.
int simulate(int argument_count, char** arguments) {
    if (touchstone::load::is_live_fleet(argument_count, arguments))
        return touchstone::load::live_fleet_command(argument_count, arguments);
    return touchstone::simulator::simulate_command(argument_count, arguments);
}

constexpr auto subcommands = std::to_array<Subcommand>({
    {"broker", "run the reference broker", touchstone::asio_driver::broker_command},
    {"ctl", "look after what a broker keeps", touchstone::rocksdb_driver::ctl_command},
    {"conform", "judge a broker by the statements of MQTT 3.1.1 and 5.0",
     touchstone::conformance::conform_command},
    {"simulate", "run a scenario in virtual time", simulate},
    {"load", "put real load on a broker", touchstone::load::load_command},
    {"plan", "measure a broker's costs, and predict what a fleet comes to on it",
     touchstone::planner::plan_command},
    {"report", "merge results into one page, side by side", touchstone::reports::report_command},
});

void print_help() {
    std::printf(
        "Touchstone: a simulation and conformance test bench for MQTT with a reference broker.\n\n"
        "usage: touchstone SUBCOMMAND [OPTION...]\n\n");
    for (const Subcommand& subcommand : subcommands) {
        std::printf("  %-10s %s\n", std::string{subcommand.name}.c_str(),
                    std::string{subcommand.summary}.c_str());
    }
    std::printf(
        "\n  --help     this page; `touchstone SUBCOMMAND --help` has options and examples\n"
        "  --version  the version\n");
}

/// The known name that `typed` is the fewest edits away from: an option for an option.
std::string_view nearest(std::string_view typed) {
    std::vector<std::string_view> known{"--help", "--version"};
    if (!typed.starts_with('-')) {
        known.clear();
        for (const Subcommand& subcommand : subcommands) known.push_back(subcommand.name);
    }
    return *std::ranges::min_element(known, {}, [typed](std::string_view name) {
        return touchstone::edit_distance(typed, name);
    });
}

int usage_error(const std::string& message) {
    std::fprintf(stderr, "touchstone: %s\n", message.c_str());
    return touchstone::to_int(touchstone::ExitCode::usage_error);
}

}  // namespace

int main(int argument_count, char** arguments) {
    if (argument_count < 2) {
        return usage_error("no subcommand; `touchstone --help` lists them");
    }
    const std::string_view name = arguments[1];
    if (name == "--help" || name == "-h") {
        print_help();
        return touchstone::to_int(touchstone::ExitCode::as_expected);
    }
    if (name == "--version") {
        std::printf("touchstone " TOUCHSTONE_VERSION "\n");
        return touchstone::to_int(touchstone::ExitCode::as_expected);
    }
    const auto known = std::ranges::find(subcommands, name, &Subcommand::name);
    if (known == subcommands.end()) {
        const char* kind = name.starts_with('-') ? "option" : "subcommand";
        return usage_error("unknown " + std::string{kind} + " '" + std::string{name} +
                           "'; did you mean '" + std::string{nearest(name)} +
                           "'? `touchstone --help` lists all");
    }
    try {
        return known->run(argument_count - 1, arguments + 1);
    } catch (const std::exception& failure) {
        // A subcommand names its own errors; this is for what nobody foresaw, which makes the run
        // invalid.
        std::fprintf(stderr, "touchstone %s: %s\n", arguments[1], failure.what());
        return touchstone::to_int(touchstone::ExitCode::run_invalid);
    }
}
