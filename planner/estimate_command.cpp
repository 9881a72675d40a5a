#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "planner/command.hpp"
#include "planner/command_parts.hpp"
#include "planner/models/estimate.hpp"
#include "planner/plan_files.hpp"
#include "planner/report.hpp"
#include "planner/session.hpp"
#include "simulator/fleet/description.hpp"

namespace touchstone::planner {

namespace {

struct Options {
    OutputOptions output;
    std::vector<std::string> calibrations;
    std::string workload;
    std::string variant;
    std::string prices;
    std::optional<std::uint32_t> nodes;
    std::optional<std::uint32_t> servers;
    double latency_max_ms = 10;
    double busy_max_percent = 70;
    double memory_gb = 0;
    double scale = 1;
    double sessions = 0;
    double queued = 0;
    double queued_bytes = 64;
    std::uint64_t seed = 1;
    bool is_forced = false;
};

/// The run of the file that is meant; else what is wrong has been said.
const simulator::fleet::FleetRun* choose(const simulator::fleet::LoadedFleet& loaded,
                                         const std::string& variant) {
    if (variant.empty() && loaded.runs.size() == 1) return &loaded.runs.front();
    const auto found = std::ranges::find(loaded.runs, variant, &simulator::fleet::FleetRun::name);
    if (found != loaded.runs.end()) return &*found;
    std::vector<std::string> names;
    for (const auto& run : loaded.runs) names.push_back(run.name);
    say(ExitCode::usage_error, names.front().empty()
                                   ? fmt::format("{} has no variants", loaded.path)
                                   : fmt::format("{} has variants; add --variant with one of: {}",
                                                 loaded.path, fmt::join(names, "; ")));
    return nullptr;
}

/// One calibration, with the scaling of all that were given.
std::optional<CalibrationFile> read_all(const std::vector<std::string>& paths) {
    std::vector<std::string> problems;
    std::optional<CalibrationFile> result;
    std::vector<ScalingPoint> scaling;
    for (const auto& path : paths) {
        auto file = read_calibration(path, problems);
        if (!file) continue;
        const auto& points = file->calibration.scaling;
        scaling.insert(scaling.end(), points.begin(), points.end());
        // The one with the most servers is the nearest to what is asked about.
        if (!result || file->calibration.servers > result->calibration.servers) result = file;
    }
    for (const auto& problem : problems) say(ExitCode::usage_error, problem);
    if (!problems.empty()) return std::nullopt;
    result->calibration.scaling = scaling;
    return result;
}

void add_options(CLI::App& app, Options& options) {
    app.add_option("--calibration", options.calibrations,
                   "File that `plan calibrate` has written; several of the same broker with "
                   "different numbers of threads give its scaling")
        ->required();
    app.add_option("--workload", options.workload,
                   "A fleet: a file *.fleet, or its name below scenarios/")
        ->required();
    app.add_option("--variant", options.variant, "One of the fleet's variants");
    app.add_option("--scale", options.scale, "So many times the fleet; default: 1")
        ->check(CLI::PositiveNumber);
    app.add_option("--nodes", options.nodes, "Default: the fleet's")
        ->check(CLI::Range(1U, 10'000U));
    app.add_option("--servers", options.servers,
                   "Threads of the broker on each node; default: the fleet's servers_per_node")
        ->check(CLI::Range(1U, 1'024U));
    app.add_option("--memory", options.memory_gb,
                   "GB (10^9 bytes) of each node; default: not asked about")
        ->check(CLI::PositiveNumber);
    app.add_option("--p99-limit", options.latency_max_ms,
                   "Milliseconds that p99 may come to; default: 10")
        ->check(CLI::PositiveNumber);
    app.add_option("--busy-limit", options.busy_max_percent,
                   "Percent of a server's time to plan for; default: 70")
        ->check(CLI::Range(1.0, 95.0));
    app.add_option("--sessions-away", options.sessions,
                   "Sessions besides, of clients that are away, with a subscription each");
    app.add_option("--queued", options.queued, "Messages that wait for them, in all");
    app.add_option("--queued-bytes", options.queued_bytes, "Payload of each; default: 64");
    app.add_option("--prices", options.prices, "What nodes cost: planner/README.md shows one");
    app.add_option("--seed", options.seed, "Of the runs of the queues; default: 1");
    app.add_flag("--force", options.is_forced,
                 "Ask about more than twice the servers that were measured");
    add_output_options(app, options.output, "out/plan-estimate");
}

}  // namespace

int estimate_command(int argument_count, char** arguments) {
    Options options;
    CLI::App app{"Predicts what a fleet comes to on a broker that was calibrated.",
                 "touchstone plan estimate"};
    app.footer(R"(
Examples:
  touchstone plan estimate --calibration our.calibration --workload million/background-100k --variant 'fan-in, QoS 1, 256 bytes' --nodes 1 --servers 2
      100,000 devices on one node with two threads: fits, or does not because ...
  touchstone plan estimate --calibration our.calibration --workload my.fleet --scale 3 --nodes 4 --servers 2 --memory 8 --prices cloud.prices
      three times my fleet on four nodes; and how many of which nodes on the price list would do
)");
    add_options(app, options);
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    const auto file = read_all(options.calibrations);
    if (!file) return to_int(ExitCode::usage_error);
    std::optional<PriceList> prices;
    if (!options.prices.empty()) {
        std::vector<std::string> problems;
        prices = read_prices(options.prices, problems);
        for (const auto& problem : problems) say(ExitCode::usage_error, problem);
        if (!prices) return to_int(ExitCode::usage_error);
    }
    const auto loaded = simulator::fleet::load_fleet(options.workload);
    for (const auto& problem : loaded.problems) say(ExitCode::usage_error, problem);
    if (!loaded.problems.empty()) return to_int(ExitCode::usage_error);
    const auto* const fleet = choose(loaded, options.variant);
    if (fleet == nullptr) return to_int(ExitCode::usage_error);
    auto demand = demand_of(fleet->model).scaled(options.scale);
    at(demand.holdings, Holding::session) += options.sessions;
    at(demand.holdings, Holding::subscription) += options.sessions;
    at(demand.holdings, Holding::queued) += options.queued;
    at(demand.holdings, Holding::queue) += std::min<double>(options.sessions, options.queued);
    at(demand.holdings, Holding::queued_byte) += options.queued * options.queued_bytes;
    const Question question{.nodes = options.nodes.value_or(fleet->model.cost.nodes),
                            .servers = options.servers.value_or(fleet->model.cost.servers),
                            .latency_max_s = options.latency_max_ms / 1e3,
                            .busy_max = options.busy_max_percent / 100,
                            .memory_bytes = options.memory_gb * 1e9,
                            .is_forced = options.is_forced,
                            .seed = options.seed};
    const auto& calibration = file->calibration;
    if (const auto refusal = refusal_of(calibration, demand, question)) {
        return say(ExitCode::usage_error, *refusal);
    }
    Session session{options.output, "estimate", whole_command(argument_count, arguments),
                    options.seed};
    if (const auto code = session.prepare()) return *code;
    const auto result = estimate(calibration, demand, question);
    EstimateReport report{.workload = fleet->name.empty()
                                          ? loaded.path
                                          : fmt::format("{} ({})", loaded.path, fleet->name),
                          .file = &*file,
                          .demand = &demand,
                          .question = &question,
                          .estimate = &result,
                          .prices = prices ? &*prices : nullptr};
    if (prices) report.offers = offers(calibration, demand, question, *prices);
    auto run = run_of_estimate(report);
    session.print(text_of(run.plan_report()));
    return session.finish(std::move(run),
                          result.fits ? ExitCode::as_expected : ExitCode::expectation_failed);
}

}  // namespace touchstone::planner
