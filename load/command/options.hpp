// The options that the subcommands of `touchstone load` share, and what they make of a Workload.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/expectation.hpp"
#include "load/shapes.hpp"
#include "load/workload.hpp"

namespace CLI {
class App;
}

namespace touchstone::load {

/// As they stand on the command line.
struct CommonOptions {
    std::string target_url;
    std::string ca_file;
    bool is_insecure = false;
    std::optional<std::string> user;
    std::string password;
    std::string version = "5";
    std::optional<std::uint64_t> seed;
    unsigned threads = 0;
    bool is_always_awake = false;
    std::string sources;
    std::optional<int> pid;
    std::string prefix = "touchstone/load";
    double connect_timeout_s = 600;
    double interval_s = 0.5;
    bool reconnects = false;
    std::vector<std::string> expectations;
    std::string name;
    std::string out;
    bool has_no_report = false;
    bool is_json = false;
    std::optional<std::uint16_t> metrics_port;
    std::string metrics_file;
};

struct TrafficOptions {
    std::string shape = "pairs";
    std::uint32_t publishers = 100;
    std::uint32_t subscribers = 100;
    std::uint32_t topics = 0;
    double rate = 1'000;
    bool is_even = false;
    std::uint32_t in_flight = 0;
    unsigned qos = 0;
    std::optional<unsigned> subscriber_qos;
    std::string size = "64";
    bool retain = false;
    bool is_persistent = false;
    std::uint16_t keep_alive_s = 60;
    double connect_rate = 0;
    std::optional<double> warm_up_s;
    double measure_s = 10;
    double drain_s = 10;
};

/// `target`: what the option of the target is called.
void add_common_options(CLI::App& app, CommonOptions& options,
                        const std::string& target = "--target");
void add_traffic_options(CLI::App& app, TrafficOptions& options);

/// A problem is one line with the remedy; nothing when all is well.
[[nodiscard]] std::optional<std::string> apply(const CommonOptions& options, Workload& workload,
                                               std::vector<Expectation>& expectations);
[[nodiscard]] std::optional<std::string> apply(const TrafficOptions& options, Workload& workload);

}  // namespace touchstone::load
