#include "broker/asio/command.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "broker/asio/endpoint.hpp"
#include "broker/asio/metrics.hpp"
#include "broker/asio/node.hpp"
#include "broker/base/exit_code.hpp"
#include "broker/base/settings.hpp"

namespace touchstone::asio_driver {

namespace {

constexpr const char* examples = R"(
Examples:
  touchstone broker
      Serves clients of this machine on 127.0.0.1:1883, with one shard per processor.
  touchstone broker --listen 127.0.0.1:0 --port-file port.txt
      Takes any free port and writes "127.0.0.1:PORT" into port.txt.
  touchstone broker --listen 0.0.0.0:1883 --listen '[::]:1883' --allow-anonymous
      Serves the network, everybody who asks.
  touchstone broker --metrics 127.0.0.1:9100
      Serves Prometheus on http://127.0.0.1:9100/metrics as well.
SIGTERM or SIGINT: the clients are told, what is owed to them is written, exit code 0. A second one
ends the process at once. Exit code 2: an option, an address or a file is wrong.)";

struct Arguments {
    std::vector<std::string> listen{"127.0.0.1:1883"};
    unsigned shard_count =
        std::clamp(std::thread::hardware_concurrency(), 1U, Node::shard_count_max);
    std::string metrics;
    std::string port_file;
    std::string log_level = "info";
    bool allow_anonymous = false;
    unsigned drain_time_s_max = 5;
    Settings settings;
};

/// Adds an option for a number of `Settings`, with its unit, range and default in the help.
template <class Number>
CLI::Option* add_number(CLI::App& app, const std::string& name, Number& value,
                        const std::string& about, const std::string& unit, std::uint64_t least,
                        std::uint64_t most = std::numeric_limits<Number>::max()) {
    return app.add_option(name, value, about)
        ->type_name(unit)
        ->check(CLI::Range(least, most, std::to_string(least) + " to " + std::to_string(most)))
        ->capture_default_str();
}

/// The same for a time that is given in whole seconds.
CLI::Option* add_seconds(CLI::App& app, const std::string& name, Duration& value,
                         const std::string& about, std::uint64_t least, std::uint64_t most) {
    const auto set = [&value](const std::uint32_t& given_s) {
        value = std::chrono::seconds{given_s};
    };
    const auto now_s = std::chrono::floor<std::chrono::seconds>(value).count();
    return app.add_option_function<std::uint32_t>(name, set, about)
        ->type_name("SECONDS")
        ->check(CLI::Range(least, most, std::to_string(least) + " to " + std::to_string(most)))
        ->default_str(std::to_string(now_s));
}

void add_settings(CLI::App& app, Settings& settings) {
    constexpr std::uint64_t year_s = 31'536'000;
    constexpr std::uint64_t packet_bytes_most = 268'435'460;  // Fixed Header and 2^28 - 1 (§2.1.4)
    const auto in = [&app](const char* group, CLI::Option* option) { option->group(group); };

    const char* group = "Network Connections";
    in(group, add_number(app, "--packet-size-max", settings.packet_size_bytes_max,
                         "Longest Control Packet taken", "BYTES", 128, packet_bytes_most));
    in(group, add_seconds(app, "--connect-timeout", settings.connect_timeout,
                          "From the opening of a connection to its CONNECT", 1, 3600));
    in(group, add_number(app, "--keep-alive-max", settings.keep_alive_s_max,
                         "Longest Keep Alive; 0 leaves it to the client", "SECONDS", 0));
    in(group, add_number(app, "--unwritten-max", settings.unwritten_bytes_max,
                         "Output waiting for one connection before messages stay in its queue",
                         "BYTES", 4096, 1U << 30U));

    group = "Flows";
    in(group,
       add_number(app, "--inflight-max", settings.inflight_max,
                  "QoS 1 and 2 messages sent to a client and not yet acknowledged", "MESSAGES", 1));
    in(group, add_number(app, "--receive-maximum", settings.receive_maximum,
                         "QoS 1 and 2 messages taken from a client and not yet acknowledged",
                         "MESSAGES", 1));
    in(group, add_seconds(app, "--retry-interval", settings.retry_interval,
                          "Resend what MQTT 3.1 and 3.1.1 clients do not acknowledge; 0: only when "
                          "they come back",
                          0, year_s));
    in(group, add_number(app, "--queue-messages-max", settings.queue_messages_max,
                         "Messages waiting for one session beyond those in flight", "MESSAGES", 0));
    in(group, add_number(app, "--queue-bytes-max", settings.queue_bytes_max,
                         "Memory of those messages", "BYTES", 0));
    app.add_flag("--queue-qos-0-offline", settings.queue_qos_0_offline,
                 "Queue QoS 0 messages for clients that are away")
        ->group(group);

    group = "Sessions";
    in(group,
       add_number(app, "--session-expiry-max", settings.session_expiry_s_max,
                  "Longest Session Expiry Interval granted; 4294967295: never", "SECONDS", 0));
    in(group, add_number(app, "--session-expiry-v3", settings.session_expiry_s_v3,
                         "Life of an MQTT 3.1 or 3.1.1 session with Clean Session 0 after its "
                         "connection has ended; 4294967295: for ever",
                         "SECONDS", 0));
    in(group, add_number(app, "--subscriptions-max", settings.subscriptions_max,
                         "Subscriptions of one session", "COUNT", 1));

    group = "Topics";
    in(group, add_number(app, "--topic-alias-max", settings.topic_alias_max,
                         "Topic Aliases a client may use", "COUNT", 0));
    in(group, add_number(app, "--topic-levels-max", settings.topic_levels_max,
                         "Levels of a Topic Name or Topic Filter", "COUNT", 1));
    in(group, add_number(app, "--retained-messages-max", settings.retained_messages_max,
                         "Retained Messages kept", "MESSAGES", 0));
}

void add_options(CLI::App& app, Arguments& arguments) {
    app.footer(examples);
    app.add_option("--listen", arguments.listen,
                   "Where clients connect over TCP; port 0: any free one (repeatable)")
        ->type_name("ADDRESS:PORT")
        ->allow_extra_args(false)
        ->capture_default_str();
    app.add_flag("--allow-anonymous", arguments.allow_anonymous,
                 "Needed to listen beyond this machine: whoever reaches the port is served");
    add_number(app, "--shards", arguments.shard_count,
               "Threads that serve clients; default: one per processor", "COUNT", 1,
               Node::shard_count_max);
    app.add_option("--metrics", arguments.metrics, "Serve /metrics for Prometheus there")
        ->type_name("ADDRESS:PORT");
    app.add_option("--port-file", arguments.port_file,
                   "Written once clients can connect: a line ADDRESS:PORT for each --listen")
        ->type_name("FILE");
    add_number(app, "--drain-time", arguments.drain_time_s_max,
               "Most time clients get to read what is owed to them when the broker stops",
               "SECONDS", 0, 3600);
    app.add_option("--log-level", arguments.log_level, "What goes to standard error")
        ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}))
        ->capture_default_str();
    add_settings(app, arguments.settings);
}

Node::Options node_options(const Arguments& arguments) {
    std::vector<Endpoint> endpoints;
    for (const std::string& text : arguments.listen) {
        endpoints.push_back(Endpoint::from_text(text));
        if (endpoints.back().is_loopback || arguments.allow_anonymous) continue;
        throw OperatorError{"--listen " + text +
                            " can be reached from other machines, and there is no authentication; "
                            "add --allow-anonymous if everybody shall be served"};
    }
    Node::Options options;
    options.listeners = plain_listeners(endpoints);
    options.rules = access::open_rules(arguments.settings);
    options.shard_count = arguments.shard_count;
    options.drain_time_max = std::chrono::seconds{arguments.drain_time_s_max};
    return options;
}

std::string text_of(const std::vector<Endpoint>& endpoints, std::string_view separator) {
    std::string text;
    for (const Endpoint& endpoint : endpoints) {
        if (!text.empty()) text += separator;
        text += endpoint.to_text();
    }
    return text;
}

/// Whoever watches for the file sees all of it or nothing.
void write_port_file(const std::string& path, const std::vector<Endpoint>& endpoints) {
    const std::string part = path + ".part";
    std::ofstream file{part, std::ios::trunc};
    file << text_of(endpoints, "\n") << '\n';
    file.close();
    if (file && std::rename(part.c_str(), path.c_str()) == 0) return;
    const std::string reason = std::generic_category().message(errno);
    std::remove(part.c_str());
    throw OperatorError{"--port-file " + path + ": " + reason +
                        "; name a file in a directory that can be written"};
}

void set_up_log(const std::string& level) {
    auto logger = std::make_shared<spdlog::logger>(
        "touchstone", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l: %v", spdlog::pattern_time_type::utc);
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

/// Two signals that ask a process to end: the first one politely.
class Signals {
public:
    Signals(boost::asio::io_context& context, Node& node) : signals_{context, SIGTERM, SIGINT} {
        signals_.async_wait([this, &node](boost::system::error_code error, int number) {
            if (error) return;
            spdlog::info("{}: telling the clients; a second signal ends at once",
                         number == SIGINT ? "SIGINT" : "SIGTERM");
            node.stop();
            await_second();
        });
    }

private:
    void await_second() {
        signals_.async_wait([](boost::system::error_code error, int) {
            if (!error) std::_Exit(to_int(ExitCode::interrupted));
        });
    }

    boost::asio::signal_set signals_;
};

void serve(const Arguments& arguments) {
    boost::asio::io_context context{1};
    Node::Options options = node_options(arguments);
    options.on_stopped = [&context] { boost::asio::post(context, [&context] { context.stop(); }); };
    const std::size_t open_files_max = raise_open_files_limit();
    Node node{std::move(options)};
    // Before there is a thread: from here on a signal stops the node and not the process.
    const Signals signals{context, node};
    std::optional<Metrics> metrics;
    if (!arguments.metrics.empty()) {
        metrics.emplace(Endpoint::from_text(arguments.metrics), node);
    }
    node.start();
    if (!arguments.port_file.empty()) write_port_file(arguments.port_file, node.endpoints());
    std::printf("touchstone broker: listening on %s; %u shard%s%s%s\n",
                text_of(node.endpoints(), ", ").c_str(), arguments.shard_count,
                arguments.shard_count == 1 ? "" : "s", metrics ? "; metrics on http://" : "",
                metrics ? (metrics->endpoint().to_text() + "/metrics").c_str() : "");
    std::fflush(stdout);
    spdlog::info("up to {} open files; process {}", open_files_max, getpid());
    context.run();
    spdlog::info("stopped");
}

int usage_error(const std::string& message) {
    std::string line = "touchstone broker: " + message;
    std::ranges::replace(line, '\n', ' ');
    std::fprintf(stderr, "%s\n", line.c_str());
    return to_int(ExitCode::usage_error);
}

}  // namespace

int broker_command(int argument_count, char** argument_values) {
    Arguments arguments;
    CLI::App app{"The reference broker: MQTT 3.1, 3.1.1 and 5.0 over TCP.", "touchstone broker"};
    add_options(app, arguments);
    try {
        app.parse(argument_count, argument_values);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return usage_error(std::string{error.what()} +
                           "; `touchstone broker --help` lists all options");
    }
    try {
        set_up_log(arguments.log_level);
        serve(arguments);
        return to_int(ExitCode::as_expected);
    } catch (const OperatorError& error) {
        return usage_error(error.what());
    } catch (const std::system_error& error) {
        return usage_error(std::string{error.what()} +
                           "; the system is out of resources: see `ulimit -a` and free memory");
    }
}

}  // namespace touchstone::asio_driver
