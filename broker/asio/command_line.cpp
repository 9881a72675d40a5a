#include "broker/asio/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <string_view>

#include "broker/base/exit_code.hpp"

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
  touchstone broker --config touchstone.conf --check-config
      Reads and checks all settings, prints each with where it comes from, and serves nobody.
  touchstone broker --config touchstone.conf --set mqtt.max_inflight=64
      Serves by the file, but for one value.
  touchstone broker --hash-password anna >> users.txt
      Asks for a password and adds anna to the file that the setting password_file names.
  touchstone broker --data /var/lib/touchstone
      Loses nothing that it has acknowledged: after a crash it goes on where it was.
  touchstone broker --metrics 127.0.0.1:9100
      Serves Prometheus on http://127.0.0.1:9100/metrics as well.
  touchstone broker --set listener.ssl.external=127.0.0.1:8883 \
      --set listener.ssl.external.certfile=broker.crt --set listener.ssl.external.keyfile=broker.key
      Serves TLS as well; ws and wss are WebSocket.
A setting is, in this order: an option, an environment variable (TOUCHSTONE_MQTT__MAX_INFLIGHT is
mqtt.max_inflight), a line of the file, the default. `touchstone broker --help-settings` lists all.
SIGHUP: the settings are read again, and hold if nothing is wrong with any of them.
SIGTERM or SIGINT: the clients are told, what is owed to them is written, exit code 0. A second one
ends the process at once. Exit code 2: an option, a setting, an address or a file is wrong.)";

class Reader {
public:
    Reader()
        : app_{"The reference broker: MQTT 3.1, 3.1.1 and 5.0 over TCP, TLS and WebSocket.",
               "touchstone broker"} {
        app_.footer(examples);
        app_.add_option("--config", file_, "The file of settings, `key = value` in a line")
            ->type_name("FILE");
        app_.add_option("--set", set_, "One setting (repeatable)")
            ->type_name("KEY=VALUE")
            ->allow_extra_args(false);
        app_.add_option("--listen", listen_,
                        "Where clients connect over TCP; port 0: any free one (repeatable); sets "
                        "listener.tcp.external, listener.tcp.external_2, …")
            ->type_name("ADDRESS:PORT")
            ->allow_extra_args(false);
        app_.add_flag("--allow-anonymous", allow_anonymous_,
                      "Serve clients that nobody knows; needed to listen beyond this machine "
                      "without a list of users; sets allow_anonymous");
        add_setting("--shards", "COUNT", "node.shards", "",
                    "Threads that serve clients; 0: one per processor");
        add_setting("--data", "DIRECTORY", "node.data_dir", "",
                    "Keep sessions, their messages and Retained Messages there, so that nothing "
                    "acknowledged is lost when the broker ends, however it ends");
        add_setting("--metrics", "ADDRESS:PORT", "metrics.address", "",
                    "Serve /metrics for Prometheus there");
        add_setting("--drain-time", "SECONDS", "node.drain_time", "s",
                    "Most time clients get to read what is owed to them when the broker stops");
        add_setting("--log-level", "LEVEL", "log.level", "",
                    "What goes to standard error: debug, info, warning, error or off");
        app_.add_option("--port-file", result_.command_line.port_file,
                        "Written once clients can connect: a line ADDRESS:PORT for each listener, "
                        "in the order of their names, those of --listen first")
            ->type_name("FILE");
        app_.add_option("--record", result_.command_line.record_directory,
                        "Write all that clients send, passwords included, and all that they are "
                        "sent into files (mode 0600) of this new directory, for `touchstone "
                        "simulate replay`")
            ->type_name("DIRECTORY");
        app_.add_option("--record-limit-mib", result_.command_line.record_limit_mib,
                        "Most that is written with --record, MiB; the broker goes on without it "
                        "(default: 1024)")
            ->type_name("COUNT")
            ->check(CLI::Range(1U, 1U << 20U));
        app_.add_flag("--check-config", check_config_,
                      "Print the effective settings with their origins, and what is wrong");
        app_.add_flag("--json", result_.command_line.as_json, "The same for a program");
        app_.add_flag("--help-settings", help_settings_, "List all settings");
        app_.add_option("--hash-password", result_.command_line.hashed_name,
                        "Read a password from standard input and print the line of password_file "
                        "for this user")
            ->type_name("NAME");
        app_.add_flag("--scram", result_.command_line.is_scram,
                      "With --hash-password: for clients that log in by SCRAM-SHA-256 (MQTT 5.0), "
                      "instead of argon2id");
    }

    ParsedCommandLine read(int argument_count, char** arguments) {
        try {
            app_.parse(argument_count, arguments);
        } catch (const CLI::CallForHelp& help) {
            result_.exit_code = app_.exit(help);
            return std::move(result_);
        } catch (const CLI::ParseError& error) {
            return wrong(error.what());
        }
        auto& line = result_.command_line;
        if (check_config_) line.task = CommandLine::Task::check_config;
        if (help_settings_) line.task = CommandLine::Task::help_settings;
        if (!line.hashed_name.empty()) line.task = CommandLine::Task::hash_password;
        if (line.is_scram && line.hashed_name.empty())
            return wrong("--scram needs --hash-password");
        if (line.as_json && !check_config_) return wrong("--json needs --check-config");
        if (!file_.empty()) line.sources.file = file_;
        line.sources.environment = settings::process_environment();
        for (std::size_t i = 0; i < listen_.size(); ++i)
            put("listener.tcp.external" + (i == 0 ? "" : "_" + std::to_string(i + 1)), listen_[i],
                "--listen");
        if (allow_anonymous_) put("allow_anonymous", "on", "--allow-anonymous");
        for (const auto& setting : settings_)
            if (!setting.value.empty())
                put(setting.key, setting.value + setting.unit, setting.option);
        for (const auto& text : set_) {
            const auto equals = text.find('=');
            if (equals == std::string::npos || equals == 0)
                return wrong("--set " + text +
                             ": expected KEY=VALUE, as in --set "
                             "mqtt.max_inflight=64");
            put(trimmed(text.substr(0, equals)), trimmed(text.substr(equals + 1)), "--set");
        }
        result_.is_complete = true;
        return std::move(result_);
    }

private:
    struct Setting {
        std::string option;
        std::string key;
        std::string unit;  // put behind the value
        std::string value;
    };

    void add_setting(const std::string& option, const std::string& type, const std::string& key,
                     const std::string& unit, const std::string& about) {
        auto& setting = settings_.emplace_back(Setting{option, key, unit, {}});
        app_.add_option(option, setting.value, about + "; sets " + key)->type_name(type);
    }
    void put(std::string key, std::string value, std::string option) {
        result_.command_line.sources.overrides.push_back(
            {std::move(key), std::move(value), std::move(option)});
    }
    static std::string trimmed(std::string_view text) {
        while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
        while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
        return std::string{text};
    }
    ParsedCommandLine wrong(std::string message) {
        std::ranges::replace(message, '\n', ' ');
        std::fprintf(stderr,
                     "touchstone broker: %s; `touchstone broker --help` lists all options\n",
                     message.c_str());
        result_.exit_code = to_int(ExitCode::usage_error);
        return std::move(result_);
    }

    CLI::App app_;
    ParsedCommandLine result_;
    std::string file_;
    std::vector<std::string> set_;
    std::vector<std::string> listen_;
    bool allow_anonymous_ = false;
    bool check_config_ = false;
    bool help_settings_ = false;
    std::deque<Setting> settings_;  // CLI11 writes into them
};

}  // namespace

ParsedCommandLine parse_command_line(int argument_count, char** arguments) {
    return Reader{}.read(argument_count, arguments);
}

}  // namespace touchstone::asio_driver
