#include "load/command/options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "load/engine.hpp"
#include "load/socket.hpp"

namespace touchstone::load {

namespace {

/// "64", "16-1024", "100:9,1000:1" (bytes:weight).
std::optional<std::string> apply_size(std::string_view text, Publishing& publishing) {
    const auto problem =
        fmt::format("--size {}: write 64, 16-1024, or sizes with weights as 100:9,1000:1", text);
    const auto number = [](std::string_view part) -> std::optional<std::uint32_t> {
        std::uint32_t value = 0;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        if (error != std::errc{} || end != part.data() + part.size()) return std::nullopt;
        return value;
    };
    if (text.find(':') == std::string_view::npos) {
        const auto dash = text.find('-');
        const auto least = number(text.substr(0, dash));
        const auto most = dash == std::string_view::npos ? least : number(text.substr(dash + 1));
        if (!least || !most || *least > *most) return problem;
        publishing.size_min = *least;
        publishing.size_max = *most;
        return std::nullopt;
    }
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        const auto colon = part.find(':');
        if (colon == std::string_view::npos) return problem;
        const auto bytes = number(part.substr(0, colon));
        const auto weight = number(part.substr(colon + 1));
        if (!bytes || !weight || *weight == 0) return problem;
        publishing.sizes.emplace_back(*bytes, *weight);
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
    return std::nullopt;
}

}  // namespace

void add_common_options(CLI::App& app, CommonOptions& options, const std::string& target) {
    app.add_option(
           target, options.target_url,
           "mqtt://HOST[:1883], mqtts://HOST[:8883], or a WebSocket: ws://HOST[:80][/mqtt], "
           "wss://HOST[:443][/mqtt]")
        ->required();
    app.add_option("--ca-file", options.ca_file,
                   "PEM file of the authority, for mqtts:// and wss://");
    app.add_flag("--insecure", options.is_insecure, "Take any certificate");
    app.add_option("--user", options.user, "User Name");
    app.add_option("--password", options.password, "Password")->needs("--user");
    app.add_option("--version", options.version, "5 (default) or 3.1.1");
    app.add_option("--seed", options.seed, "Of arrivals, sizes and receivers; default: drawn");
    app.add_option("--threads", options.threads,
                   "Threads of the generator; default: one per processor, half of them for a "
                   "target on this machine; more where open files need it")
        ->check(CLI::Range(1U, 1'024U));
    app.add_flag("--always-awake", options.is_always_awake,
                 "Threads look for something to do instead of sleeping; for a generator with "
                 "processors of its own");
    app.add_option("--source", options.sources,
                   "Addresses to connect from: A-B, and commas between them");
    app.add_option("--pid", options.pid,
                   "Process of the target on this machine: its CPU time and memory are reported");
    app.add_option("--prefix", options.prefix, "Beginning of all topics; default: touchstone/load");
    app.add_option("--connect-timeout", options.connect_timeout_s,
                   "Seconds until all have to be connected; default: 600")
        ->check(CLI::PositiveNumber);
    app.add_option("--interval", options.interval_s,
                   "Seconds between two points of a curve; default: 0.5")
        ->check(CLI::Range(0.05, 3'600.0));
    app.add_flag("--reconnect", options.reconnects,
                 "Clients whose connection fails or ends try again (full jitter, 1 s to 30 s)");
    app.add_option("--expect", options.expectations,
                   "What has to hold, e.g. 'p99<10ms', 'loss=0'; may be repeated. There are " +
                       expectation_words())
        ->allow_extra_args(false);
    app.add_option("--name", options.name, "Of the run, in its report");
    app.add_option("--out", options.out, "Result directory; default: out/load-NAME");
    app.add_flag("--no-report", options.has_no_report, "Write no result directory");
    app.add_flag("--json", options.is_json, "Print the results as one JSON document");
    app.add_option("--metrics-port", options.metrics_port,
                   "Serve /metrics for Prometheus on 127.0.0.1 meanwhile; 0: any free port");
    app.add_option("--metrics-file", options.metrics_file,
                   "Write the same into a file, every second");
}

void add_traffic_options(CLI::App& app, TrafficOptions& options) {
    app.add_option("--shape", options.shape,
                   "pairs (default), fan-in, fan-out or shared: who publishes to whom");
    app.add_option("--publishers", options.publishers, "Default: 100")->check(CLI::PositiveNumber);
    app.add_option("--subscribers", options.subscribers, "Default: 100")
        ->check(CLI::PositiveNumber);
    app.add_option("--topics", options.topics, "Default: one per pair, else one")
        ->check(CLI::PositiveNumber);
    app.add_option("--rate", options.rate,
                   "Messages per second of all publishers together (open loop); default: 1000")
        ->check(CLI::PositiveNumber);
    app.add_flag("--even", options.is_even, "Evenly spaced arrivals instead of Poisson's");
    app.add_option("--in-flight", options.in_flight,
                   "Closed loop instead: each publisher keeps so many messages on their way")
        ->check(CLI::Range(1U, 60'000U))
        ->excludes("--rate");
    app.add_option("--qos", options.qos, "Of publications; default: 0")->check(CLI::Range(0U, 2U));
    app.add_option("--subscriber-qos", options.subscriber_qos, "Default: that of publications")
        ->check(CLI::Range(0U, 2U));
    app.add_option("--size", options.size,
                   "Bytes of payloads: 64 (default), 16-1024, or bytes:weight,bytes:weight");
    app.add_flag("--retain", options.retain, "Retained Messages; the run removes them in the end");
    app.add_flag("--persistent", options.is_persistent, "Sessions that outlast their connection");
    app.add_option("--keep-alive", options.keep_alive_s, "Seconds; default: 60");
    app.add_option("--connect-rate", options.connect_rate,
                   "Connections per second; default: as fast as they are taken")
        ->check(CLI::PositiveNumber);
    app.add_option("--warm-up", options.warm_up_s,
                   "Seconds that are not measured; default: until it is steady, 1 to 10")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--measure", options.measure_s, "Seconds that are measured; default: 10")
        ->check(CLI::PositiveNumber);
    app.add_option("--drain", options.drain_s,
                   "Seconds to wait in the end for what is still on its way; default: 10")
        ->check(CLI::NonNegativeNumber);
}

std::optional<std::string> apply(const CommonOptions& options, Workload& workload,
                                 std::vector<Expectation>& expectations) {
    std::string problem;
    const auto target = parse_target(options.target_url, problem);
    if (!target) return problem;
    workload.target = *target;
    workload.target.ca_file = options.ca_file;
    workload.target.takes_any_certificate = options.is_insecure;
    workload.target.user_name = options.user;
    workload.target.password = options.password;
    if (options.version == "5" || options.version == "5.0") {
        workload.version = ProtocolVersion::v5;
    } else if (options.version == "3.1.1" || options.version == "4") {
        workload.version = ProtocolVersion::v3_1_1;
    } else {
        return fmt::format("--version {} is none; give 5 or 3.1.1", options.version);
    }
    const auto sources = parse_sources(options.sources, problem);
    if (!sources) return problem;
    workload.sources = *sources;
    workload.run_id = new_run_id();
    workload.seed = options.seed.value_or(static_cast<std::uint64_t>(clock_now()) % 1'000'000);
    workload.threads = options.threads;
    workload.is_always_awake = options.is_always_awake;
    workload.topic_prefix = options.prefix;
    workload.connect_timeout = from_seconds(options.connect_timeout_s);
    workload.interval = from_seconds(options.interval_s);
    workload.watched_pid = options.pid;
    if (!options.name.empty()) workload.name = options.name;
    if (options.reconnects) {
        for (auto& group : workload.groups) {
            group.reconnecting = {
                .policy = Reconnecting::Policy::full_jitter, .base = second, .cap = 30 * second};
        }
    }
    for (const auto& text : options.expectations) {
        const auto expectation = parse_expectation(text, problem);
        if (!expectation) return problem;
        expectations.push_back(*expectation);
    }
    return std::nullopt;
}

std::optional<std::string> apply(const TrafficOptions& options, Workload& workload) {
    const auto shape = shape_named(options.shape);
    if (!shape) {
        return fmt::format("--shape {} is none; give pairs, fan-in, fan-out or shared",
                           options.shape);
    }
    ShapeOptions made{.shape = *shape,
                      .publishers = options.publishers,
                      .subscribers = options.subscribers,
                      .topics = options.topics,
                      .subscriber_qos =
                          static_cast<QoS>(options.subscriber_qos.value_or(options.qos)),
                      .keep_alive_s = options.keep_alive_s,
                      .connects_per_s = options.connect_rate,
                      .is_persistent = options.is_persistent};
    auto& publishing = made.publishing;
    publishing.process =
        options.in_flight > 0 ? Publishing::Process::closed_loop : Publishing::Process::stream;
    publishing.in_flight = options.in_flight;
    publishing.rate_per_s = options.rate;
    publishing.spacing = options.is_even ? Spacing::constant : Spacing::poisson;
    publishing.qos = static_cast<QoS>(options.qos);
    publishing.retain = options.retain;
    if (const auto problem = apply_size(options.size, publishing)) return problem;
    workload.groups = groups_of(made);
    workload.name = std::string{name_of(*shape)};
    if (options.warm_up_s) {
        workload.warm_up_min = from_seconds(*options.warm_up_s);
        workload.warm_up_max = workload.warm_up_min;
    }
    workload.measure = from_seconds(options.measure_s);
    workload.drain_max = from_seconds(options.drain_s);
    return std::nullopt;
}

}  // namespace touchstone::load
