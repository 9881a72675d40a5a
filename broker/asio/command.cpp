#include "broker/asio/command.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "broker/asio/command_line.hpp"
#include "broker/asio/endpoint.hpp"
#include "broker/asio/hash_password.hpp"
#include "broker/asio/metrics.hpp"
#include "broker/asio/service.hpp"
#include "broker/base/exit_code.hpp"
#include "broker/settings/keys.hpp"
#include "broker/settings/report.hpp"

namespace touchstone::asio_driver {

namespace {

std::string text_of(const std::vector<Endpoint>& endpoints, std::string_view separator) {
    std::string text;
    for (const Endpoint& endpoint : endpoints) {
        if (!text.empty()) text += separator;
        text += endpoint.to_text();
    }
    return text;
}

/// "tcp:external on 127.0.0.1:1883", for each.
std::string text_of(const settings::NodeSettings& settings,
                    const std::vector<Endpoint>& endpoints) {
    std::string text;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (i != 0) text += ", ";
        text += endpoints[i].to_text() + " (" + settings.listeners[i].to_text() + ")";
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

/// Two signals that ask a process to end, the first one politely, and one to read the settings
/// again.
class Signals {
public:
    Signals(boost::asio::io_context& context, Service& service)
        : service_{service},
          ending_{context, SIGTERM, SIGINT},
          reload_{context, SIGHUP} {
        ending_.async_wait([this](boost::system::error_code error, int number) {
            if (error) return;
            spdlog::info("{}: telling the clients; a second signal ends at once",
                         number == SIGINT ? "SIGINT" : "SIGTERM");
            service_.stop();
            await_second();
        });
        await_reload();
    }

private:
    void await_second() {
        ending_.async_wait([](boost::system::error_code error, int) {
            if (!error) std::_Exit(to_int(ExitCode::interrupted));
        });
    }
    void await_reload() {
        reload_.async_wait([this](boost::system::error_code error, int) {
            if (error) return;
            service_.reload();
            await_reload();
        });
    }

    Service& service_;
    boost::asio::signal_set ending_;
    boost::asio::signal_set reload_;
};

/// Does something again and again, at once for the first time; the period may change, and 0 waits
/// until it does.
class Periodic {
public:
    Periodic(boost::asio::io_context& context, std::function<Duration()> period,
             std::function<void()> act)
        : timer_{context},
          period_{std::move(period)},
          act_{std::move(act)} {
        boost::asio::post(context, [this] { run(); });
    }

private:
    void run() {
        const auto period = period_();
        if (period > Duration::zero()) act_();
        timer_.expires_after(period > Duration::zero() ? period
                                                       : Duration{std::chrono::seconds{1}});
        timer_.async_wait([this](boost::system::error_code error) {
            if (!error) run();
        });
    }

    boost::asio::steady_timer timer_;
    std::function<Duration()> period_;
    std::function<void()> act_;
};

void serve(const CommandLine& command_line,
           const std::shared_ptr<const settings::NodeSettings>& settings) {
    boost::asio::io_context context{1};
    const std::size_t open_files_max = raise_open_files_limit();
    std::optional<RecordOptions> record;
    if (!command_line.record_directory.empty()) {
        record = {.directory = command_line.record_directory,
                  .size_bytes_max = command_line.record_limit_mib << 20U};
    }
    Service service{command_line.sources, settings,
                    [&context] { boost::asio::post(context, [&context] { context.stop(); }); },
                    std::move(record)};
    Node& node = service.node();
    // Before the shards run: from here on a signal stops the node and not the process.
    const Signals signals{context, service};
    std::optional<Metrics> metrics;
    if (settings->metrics) metrics.emplace(Endpoint::from_address(*settings->metrics), node);
    service.start();
    const Periodic figures{context, [&] { return service.sys_interval(); },
                           [&] { service.publish_figures(); }};
    const Periodic heartbeat{context, [&] { return service.sys_heartbeat(); },
                             [&] { service.publish_heartbeat(); }};
    const auto shard_count = node.shard_count();
    std::printf("touchstone broker: listening on %s; %u shard%s%s%s\n",
                text_of(*settings, node.endpoints()).c_str(), shard_count,
                shard_count == 1 ? "" : "s", metrics ? "; metrics on http://" : "",
                metrics ? (metrics->endpoint().to_text() + "/metrics").c_str() : "");
    std::fflush(stdout);
    // Behind the line above: whoever has seen the file can read the rest there.
    if (!command_line.port_file.empty()) write_port_file(command_line.port_file, node.endpoints());
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

int check_config(const settings::Loaded& loaded, bool as_json) {
    if (as_json) {
        std::fputs(settings::effective_json(loaded).c_str(), stdout);
    } else {
        if (loaded.settings) std::fputs(settings::effective_text(*loaded.settings).c_str(), stdout);
        std::fputs(settings::problems_text(loaded).c_str(), stderr);
    }
    return to_int(loaded.settings ? ExitCode::as_expected : ExitCode::usage_error);
}

}  // namespace

int broker_command(int argument_count, char** argument_values) {
    const auto parsed = parse_command_line(argument_count, argument_values);
    if (!parsed.is_complete) return parsed.exit_code;
    const auto& command_line = parsed.command_line;
    if (command_line.task == CommandLine::Task::help_settings) {
        std::fputs(settings::help_text().c_str(), stdout);
        return to_int(ExitCode::as_expected);
    }
    if (command_line.task == CommandLine::Task::hash_password) {
        return hash_password(command_line.hashed_name, command_line.is_scram
                                                           ? settings::CredentialKind::scram_sha_256
                                                           : settings::CredentialKind::argon2id);
    }
    try {
        const auto loaded = settings::load(command_line.sources);
        if (command_line.task == CommandLine::Task::check_config)
            return check_config(loaded, command_line.as_json);
        if (!loaded.settings) {
            for (const auto& problem : loaded.problems)
                std::fprintf(stderr, "touchstone broker: %s\n", problem.to_text().c_str());
            return to_int(ExitCode::usage_error);
        }
        set_up_log(loaded.settings->log_level);
        for (const auto& warning : loaded.warnings) spdlog::warn("{}", warning.to_text());
        serve(command_line, loaded.settings);
        return to_int(ExitCode::as_expected);
    } catch (const OperatorError& error) {
        return usage_error(error.what());
    } catch (const std::system_error& error) {
        return usage_error(std::string{error.what()} +
                           "; the system is out of resources: see `ulimit -a` and free memory");
    }
}

}  // namespace touchstone::asio_driver
