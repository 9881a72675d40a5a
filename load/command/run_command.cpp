#include "load/command/run_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "load/command/report.hpp"
#include "load/command/session.hpp"
#include "load/limiter.hpp"

namespace touchstone::load {

namespace {

/// One workload, run once, with its report.
int run_once(Workload workload, const CommonOptions& options, int argument_count,
             char** arguments) {
    std::vector<Expectation> expectations;
    if (const auto problem = apply(options, workload, expectations))
        return say(ExitCode::usage_error, *problem);
    if (const auto problem = problem_of(workload)) return say(ExitCode::usage_error, *problem);
    const auto drawn = options.seed ? std::nullopt : std::optional{workload.seed};
    Session session{options, workload.name, whole_command(argument_count, arguments, drawn)};
    if (const auto code = session.prepare()) return *code;
    session.print_seed(workload.seed);
    const auto outcome = session.run(workload);
    const auto limit = judge(workload, outcome);
    const auto judged = judge(outcome, limit, expectations);
    const auto result = to_result(workload, outcome, judged, session.command());
    const auto load = to_load_report(workload, outcome, limit);
    auto text = text_of(result, load);
    for (const auto& expectation : expectations) {
        const auto finding = find(expectation, outcome);
        text += fmt::format("{} {}\n",
                            finding.kind == Finding::Kind::holds   ? "holds:   "
                            : finding.kind == Finding::Kind::fails ? "fails:   "
                                                                   : "unknown: ",
                            finding.words);
    }
    return session.finish(to_run(workload, result, load, session.command()), judged.exit_code, text,
                          interval_log_of(outcome));
}

struct HoldOptions {
    std::uint32_t connections = 1'000;
    double rate = 0;
    bool is_poisson = false;
    double hold_s = 0;
    std::uint16_t keep_alive_s = 60;
    double ping_every_s = 0;
    std::uint32_t sample = 0;
    double sample_rate = 1'000;
    double sample_s = 10;
};

void add_connection_options(CLI::App& app, HoldOptions& options) {
    app.add_option("--connections", options.connections, "Clients; default: 1000")
        ->check(CLI::Range(1U, 10'000'000U));
    app.add_option("--rate", options.rate,
                   "Connections per second (open loop); default: as fast as they are taken")
        ->check(CLI::PositiveNumber);
    app.add_flag("--poisson", options.is_poisson, "At random instants instead of evenly spaced")
        ->needs("--rate");
    app.add_option("--keep-alive", options.keep_alive_s, "Seconds; default: 60");
}

Group idle_group(const HoldOptions& options) {
    Group group{.name = "clients", .count = options.connections};
    group.ramp_per_s = options.rate;
    group.ramp_spacing = options.is_poisson ? Spacing::poisson : Spacing::constant;
    group.keep_alive_s = options.keep_alive_s;
    group.ping_every = from_seconds(options.ping_every_s);
    return group;
}

/// Some of the clients are pairs that exchange messages when the time of holding is over.
std::vector<Group> with_sample(const HoldOptions& options) {
    auto idle = idle_group(options);
    ShapeOptions shape{.shape = Shape::pairs,
                       .publishers = options.sample / 2,
                       .subscribers = options.sample / 2,
                       .subscriber_qos = QoS::at_least_once,
                       .keep_alive_s = options.keep_alive_s,
                       .connects_per_s = options.rate};
    shape.publishing.process = Publishing::Process::stream;
    shape.publishing.rate_per_s = options.sample_rate;
    shape.publishing.qos = QoS::at_least_once;
    auto groups = groups_of(shape);
    for (auto& group : groups) group.ping_every = idle.ping_every;
    idle.count -= options.sample / 2 * 2;
    if (idle.count > 0) groups.push_back(idle);
    return groups;
}

}  // namespace

std::optional<int> parse_or_answer(CLI::App& app, int argument_count, char** arguments) {
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp&) {
        fmt::print("{}", app.help());
        return to_int(ExitCode::as_expected);
    } catch (const CLI::ParseError& error) {
        return say(ExitCode::usage_error, fmt::format("{}: {}; see `{} --help`", arguments[0],
                                                      error.what(), app.get_name()));
    }
    return std::nullopt;
}

int connect_command(int argument_count, char** arguments) {
    CommonOptions common;
    HoldOptions options;
    CLI::App app{"Opens connections, and closes them when all are open.",
                 "touchstone load connect"};
    app.footer(R"(
Examples:
  touchstone load connect --target mqtt://127.0.0.1:1883 --connections 10000 --rate 2000
      open loop: a connection is due every 500 us, whatever the broker does, and its time counts from there
  touchstone load connect --target mqtts://broker.example --ca-file authority.pem --connections 1000
      over TLS, as fast as they are taken, 256 under way at a time
  touchstone load connect --target ws://broker.example:8083/mqtt --connections 1000
      the same in WebSockets
  touchstone load connect --target mqtt://10.0.0.5 --connections 200000 --source 10.0.1.1-10.0.1.20
      more than one address has ports for; an address has to be one of this machine's
)");
    add_common_options(app, common);
    add_connection_options(app, options);
    app.add_option("--stay", options.hold_s, "Seconds that they stay open; default: 0");
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    Workload workload{.name = "connect"};
    workload.groups = {idle_group(options)};
    workload.hold = from_seconds(options.hold_s);
    return run_once(std::move(workload), common, argument_count, arguments);
}

int hold_command(int argument_count, char** arguments) {
    CommonOptions common;
    HoldOptions options;
    options.hold_s = 60;
    CLI::App app{
        "Holds idle connections with keepalives; then, if asked to, sends messages through a "
        "sample of them.",
        "touchstone load hold"};
    app.footer(R"(
Examples:
  touchstone load hold --target mqtt://127.0.0.1:1883 --connections 10000 --for 60 --expect lost_connections=0
      ten thousand connections for a minute
  touchstone load hold --target mqtt://127.0.0.1:1883 --connections 100000 --rate 5000 --keep-alive 300 --ping-every 60 --for 300 --sample 1000
      with a PINGREQ a minute, and in the end 1000 messages a second from 500 of them to 500 others
  ci/million 1000000
      a million, to a broker of ours on this machine
)");
    add_common_options(app, common);
    add_connection_options(app, options);
    app.add_option("--for", options.hold_s, "Seconds to hold them once all are there; default: 60")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--ping-every", options.ping_every_s,
                   "Seconds from a packet to the next PINGREQ; default: the Keep Alive")
        ->check(CLI::PositiveNumber);
    app.add_option("--sample", options.sample,
                   "So many of the clients exchange messages at QoS 1 afterwards, in pairs")
        ->check(CLI::Range(2U, 1'000'000U));
    app.add_option("--sample-rate", options.sample_rate, "Messages per second; default: 1000")
        ->check(CLI::PositiveNumber);
    app.add_option("--sample-for", options.sample_s, "Seconds; default: 10")
        ->check(CLI::PositiveNumber);
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    if (options.sample > options.connections) {
        return say(ExitCode::usage_error, fmt::format("--sample {} are more than --connections {}",
                                                      options.sample, options.connections));
    }
    Workload workload{.name = "hold"};
    workload.groups = options.sample > 0 ? with_sample(options) : std::vector{idle_group(options)};
    workload.hold = from_seconds(options.hold_s);
    workload.measure = from_seconds(options.sample_s);
    return run_once(std::move(workload), common, argument_count, arguments);
}

int pubsub_command(int argument_count, char** arguments) {
    CommonOptions common;
    TrafficOptions traffic;
    CLI::App app{"Publishes and subscribes.", "touchstone load pubsub"};
    app.footer(R"(
Examples:
  touchstone load pubsub --target mqtt://127.0.0.1:1883 --rate 20000 --qos 1 --expect 'p99<10ms' --expect loss=0
      100 pairs, open loop: Poisson arrivals, latency from the instant each message was due
  touchstone load pubsub --target mqtt://127.0.0.1:1883 --shape fan-out --publishers 1 --subscribers 1000 --rate 50
      each message to a thousand subscribers
  touchstone load pubsub --target mqtt://127.0.0.1:1883 --shape shared --publishers 100 --subscribers 10 --rate 5000 --qos 1
      a Shared Subscription: each message to one of ten
  touchstone load pubsub --target mqtt://127.0.0.1:1883 --in-flight 20 --size 16
      closed loop: as fast as it goes with 20 messages of each publisher on their way
)");
    add_common_options(app, common);
    add_traffic_options(app, traffic);
    if (const auto code = parse_or_answer(app, argument_count, arguments)) return *code;
    Workload workload;
    if (const auto problem = apply(traffic, workload)) return say(ExitCode::usage_error, *problem);
    return run_once(std::move(workload), common, argument_count, arguments);
}

}  // namespace touchstone::load
