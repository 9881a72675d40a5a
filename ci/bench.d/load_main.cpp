// bench_load: puts one workload on a broker of 127.0.0.1, watches the broker's process, and prints
// one JSON object.
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "ci/bench.d/load.hpp"
#include "ci/bench.d/program.hpp"

namespace touchstone::bench {
namespace {

struct Arguments {
    std::string mode = "publish";
    Workload workload;
    pid_t broker = 0;
    int cpu = -1;
    double warm_up_s = 1;
    double time_s = 3;
};

constexpr std::int64_t settle_ns = 1'000'000'000;
constexpr std::int64_t drain_ns_max = 5'000'000'000;

std::int64_t ns_of(double time_s) {
    return static_cast<std::int64_t>(time_s * 1e9);
}

void parse(CLI::App& app, Arguments& arguments) {
    auto& workload = arguments.workload;
    app.footer(R"(
publish: connects, subscribes, publishes; CPU of the broker per message, latency
idle:    connects --idle clients; resident bytes per connection
churn:   CONNECT, CONNACK, DISCONNECT in --idle places; CPU of the broker per connection
Exit code 0: measured; 2: an option is wrong; 6: it could not be measured.)");
    app.add_option("--mode", arguments.mode)
        ->check(CLI::IsMember({"publish", "idle", "churn"}))
        ->capture_default_str();
    app.add_option("--port", workload.port)->required();
    app.add_option("--name", workload.name, "Front of all Client Identifiers and topics");
    app.add_option("--pid", arguments.broker, "Process of the broker")->required();
    app.add_option("--cpu", arguments.cpu, "Processor to run on; default: any");
    app.add_option("--warm-up", arguments.warm_up_s, "Seconds before")->capture_default_str();
    app.add_option("--secs", arguments.time_s, "Seconds measured")->capture_default_str();
    app.add_option("--idle", workload.idle_clients, "Clients that only connect");
    app.add_option("--publishers", workload.publishers);
    app.add_option("--subscribers", workload.subscribers);
    app.add_option("--topics", workload.topics, "0: as many as publishers");
    app.add_option("--qos", workload.qos)->check(CLI::Range(0, 2));
    app.add_option("--payload", workload.payload_bytes, "Bytes")->check(CLI::Range(16, 1'000'000));
    app.add_option("--window", workload.window, "Messages in flight per publisher")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--rate", workload.rate, "Messages per second in all; 0: as the window allows");
    app.add_option("--subscriptions", workload.subscriptions, "Per subscriber")
        ->check(CLI::PositiveNumber);
    app.add_option("--filter", workload.filter, "With {}, {high}, {low} for a number");
    app.add_option("--topic", workload.topic, "With {}, {high}, {low} for a number");
    app.add_option("--seed", workload.seed, "Of the numbers in topics")->capture_default_str();
}

/// JSON, a field at a time.
class Report {
public:
    void put(std::string_view name, std::uint64_t value) { put_raw(name, std::to_string(value)); }
    void put(std::string_view name, double value) { put_raw(name, fmt::format("{:.3f}", value)); }
    void put(std::string_view name, const std::vector<double>& values) {
        put_raw(name, fmt::format("[{:.6f}]", fmt::join(values, ",")));
    }
    void print() const { std::puts(("{" + text_ + "}").c_str()); }

private:
    void put_raw(std::string_view name, const std::string& value) {
        text_ += fmt::format("{}\"{}\":{}", text_.empty() ? "" : ",", name, value);
    }
    std::string text_;
};

double per(double amount, std::uint64_t count) {
    return count == 0 ? 0 : amount / static_cast<double>(count);
}

double growth_per(const ProcessUsage& before, const ProcessUsage& after, std::uint64_t count) {
    return per(static_cast<double>(after.resident_bytes) -
                   static_cast<double>(before.resident_bytes),
               count);
}

void report_usage(Report& report, const ProcessUsage& before, const ProcessUsage& after,
                  std::int64_t own_ns) {
    const auto time_ns = static_cast<double>(after.at_ns - before.at_ns);
    report.put("time_s", time_ns / 1e9);
    report.put("broker_cpu_share", static_cast<double>(after.cpu_ns - before.cpu_ns) / time_ns);
    report.put("load_cpu_share", static_cast<double>(own_ns) / time_ns);
    std::vector<double> threads;
    for (std::size_t index = 0; index < after.thread_cpu_ns.size(); ++index) {
        const auto earlier = index < before.thread_cpu_ns.size() ? before.thread_cpu_ns[index] : 0;
        threads.push_back(static_cast<double>(after.thread_cpu_ns[index] - earlier) / 1e9);
    }
    report.put("broker_thread_cpu_s", threads);
}

/// False when messages were lost, refused or out of order, or a connection was.
bool report_validity(Report& report, const Load& load) {
    const auto& counts = load.counts();
    const auto lost = load.expected() - std::min(load.expected(), counts.received);
    const auto surplus = counts.received - std::min(load.expected(), counts.received);
    report.put("lost", lost);
    report.put("surplus", surplus);
    report.put("out_of_order", counts.out_of_order);
    report.put("connects_failed", counts.connects_failed);
    report.put("closed_by_broker", counts.closed_by_broker);
    report.put("unexpected_packets", counts.unexpected_packets);
    return lost + surplus + counts.out_of_order + counts.connects_failed + counts.closed_by_broker +
               counts.unexpected_packets ==
           0;
}

void run_publish(const Arguments& arguments, Load& load, Report& report) {
    const auto& workload = arguments.workload;
    load.connect();
    load.idle_for(settle_ns / 4);
    const auto unsubscribed = ProcessUsage::of(arguments.broker);
    load.subscribe();
    load.idle_for(settle_ns / 4);
    const auto subscribed = ProcessUsage::of(arguments.broker);
    const auto subscriptions = load.counts().subscribed;
    report.put("subscriptions", subscriptions);
    report.put("resident_bytes_per_subscription",
               growth_per(unsubscribed, subscribed, subscriptions));
    report.put("cpu_ns_per_subscription",
               per(static_cast<double>(subscribed.cpu_ns - unsubscribed.cpu_ns), subscriptions));

    load.publish_for(ns_of(arguments.warm_up_s));
    load.start_latency();
    const auto counts_before = load.counts();
    const auto own_before_ns = own_cpu_ns();
    const auto before = ProcessUsage::of(arguments.broker);
    load.publish_for(ns_of(arguments.time_s));
    const auto after = ProcessUsage::of(arguments.broker);
    const auto own_ns = own_cpu_ns() - own_before_ns;
    const auto counts_after = load.counts();
    load.stop_latency();
    load.drain(drain_ns_max);

    const auto received = counts_after.received - counts_before.received;
    report.put("messages_per_s", per(static_cast<double>(received) * 1e9,
                                     static_cast<std::uint64_t>(after.at_ns - before.at_ns)));
    report.put("cpu_ns_per_message",
               per(static_cast<double>(after.cpu_ns - before.cpu_ns), received));
    report.put("received", received);
    report_usage(report, before, after, own_ns);
    report.put("unacknowledged",
               workload.qos == 0 ? 0 : load.counts().sent - load.counts().acknowledged);
    const auto& latency = load.latency();
    report.put("latency_count", latency.count());
    report.put("latency_p50_us", static_cast<double>(latency.quantile_ns(0.5)) / 1e3);
    report.put("latency_p99_us", static_cast<double>(latency.quantile_ns(0.99)) / 1e3);
    report.put("latency_p999_us", static_cast<double>(latency.quantile_ns(0.999)) / 1e3);
}

void run_idle(const Arguments& arguments, Load& load, Report& report) {
    const auto before = ProcessUsage::of(arguments.broker);
    load.connect();
    load.idle_for(settle_ns);
    const auto after = ProcessUsage::of(arguments.broker);
    report.put("connections", load.counts().connected);
    report.put("resident_bytes_per_connection", growth_per(before, after, load.counts().connected));
}

void run_churn(const Arguments& arguments, Load& load, Report& report) {
    load.churn_for(ns_of(arguments.warm_up_s));
    const auto connected_before = load.counts().connected;
    const auto own_before_ns = own_cpu_ns();
    const auto before = ProcessUsage::of(arguments.broker);
    load.churn_for(ns_of(arguments.time_s));
    const auto after = ProcessUsage::of(arguments.broker);
    const auto connected = load.counts().connected - connected_before;
    report.put("connects_per_s", per(static_cast<double>(connected) * 1e9,
                                     static_cast<std::uint64_t>(after.at_ns - before.at_ns)));
    report.put("cpu_ns_per_connect",
               per(static_cast<double>(after.cpu_ns - before.cpu_ns), connected));
    report_usage(report, before, after, own_cpu_ns() - own_before_ns);
}

void prepare_process(int cpu) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    // Messages of the open loop are due to the microsecond.
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        throw std::runtime_error{fmt::format("there is no processor {} to run on", cpu)};
    }
}

int measure(const Arguments& arguments) {
    prepare_process(arguments.cpu);
    Report report;
    Load load{arguments.workload};
    if (arguments.mode == "publish") run_publish(arguments, load, report);
    if (arguments.mode == "idle") run_idle(arguments, load, report);
    if (arguments.mode == "churn") run_churn(arguments, load, report);
    const bool is_valid = report_validity(report, load);
    load.disconnect();
    report.print();
    return is_valid ? 0 : 6;
}

}  // namespace
}  // namespace touchstone::bench

int main(int argument_count, char** argument_values) {
    touchstone::bench::Arguments arguments;
    CLI::App app{"Puts a workload on an MQTT broker of this machine.", "bench_load"};
    touchstone::bench::parse(app, arguments);
    return touchstone::bench::run_program(app, argument_count, argument_values,
                                          [&] { return touchstone::bench::measure(arguments); });
}
