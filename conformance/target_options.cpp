#include "conformance/target_options.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "conformance/targets/managed.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/text_file.hpp"

namespace touchstone::conformance {

namespace {

struct Scheme {
    std::string_view begin;
    Transport transport;
    std::uint16_t port;  // when the target names none
};
constexpr std::array<Scheme, 6> schemes{{{"mqtt://", Transport::tcp, 1883},
                                         {"tcp://", Transport::tcp, 1883},
                                         {"mqtts://", Transport::tls, 8883},
                                         {"tls://", Transport::tls, 8883},
                                         {"ws://", Transport::ws, 80},
                                         {"wss://", Transport::wss, 443}}};

/// "127.0.0.1:1883", "[::1]:1883", "broker.example".
void parse_host_and_port(const std::string& target, const std::string& text,
                         NetworkAddress& address) {
    address.host = text;
    const auto bracket = text.rfind(']');
    const auto colon = text.rfind(':');
    const bool has_port =
        colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
    if (has_port) {
        address.host = text.substr(0, colon);
        const auto digits = text.substr(colon + 1);
        const bool is_number = !digits.empty() && digits.size() <= 5 &&
                               digits.find_first_not_of("0123456789") == std::string::npos;
        const auto port = is_number ? std::stoul(digits) : 0;
        if (port == 0 || port > 65'535) {
            throw Refusal{"--target " + target + ": '" + digits +
                          "' is no port; expected 1 to 65535"};
        }
        address.port = static_cast<std::uint16_t>(port);
    }
    auto& host = address.host;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty()) throw Refusal{"--target " + target + ": the host is missing"};
}

/// Options that would change nothing are a mistake.
void check_transport_options(const TargetOptions& options, std::optional<Transport> transport) {
    const auto& tls = options.tls;
    const bool wants_tls = !tls.authorities_file.empty() || !tls.checks_certificate ||
                           !tls.certificate_file.empty() || !tls.key_file.empty();
    if (wants_tls && !(transport.has_value() && has_tls(*transport))) {
        throw Refusal{"--ca-file, --insecure, --cert and --key are for TLS: --target mqtts://… or "
                      "wss://…"};
    }
    if (!options.path.empty() && !(transport.has_value() && is_web_socket(*transport))) {
        throw Refusal{"--ws-path is for WebSocket: --target ws://… or wss://…"};
    }
}

/// `target` begins with `scheme`; then come host, port, and for WebSocket the path.
NetworkAddress address_of(const TargetOptions& options, const std::string& target,
                          const Scheme& scheme) {
    auto rest = target.substr(scheme.begin.size());
    NetworkAddress address{.transport = scheme.transport, .port = scheme.port, .tls = options.tls};
    const auto slash = rest.find('/');
    const auto path = slash == std::string::npos ? std::string{} : rest.substr(slash);
    rest = rest.substr(0, slash);
    if (!is_web_socket(scheme.transport)) {
        if (path.size() > 1) throw Refusal{"--target " + target + ": only WebSocket has a path"};
    } else if (!path.empty() && !options.path.empty()) {
        throw Refusal{"--target " + target + " has a path of its own; leave --ws-path out"};
    } else if (!path.empty()) {
        address.path = path;
    } else if (!options.path.empty()) {
        address.path = options.path.starts_with('/') ? options.path : '/' + options.path;
    }
    const auto is_visible = [](char character) { return character > ' ' && character < '\x7F'; };
    if (!std::ranges::all_of(address.path, is_visible)) {
        throw Refusal{"the path '" + address.path + "' has characters that HTTP wants as %XX"};
    }
    parse_host_and_port(target, rest, address);
    return address;
}

const Scheme* scheme_of(const std::string& target) {
    const auto* const found = std::ranges::find_if(
        schemes, [&](const Scheme& one) { return target.starts_with(one.begin); });
    return found == schemes.end() ? nullptr : found;
}

std::optional<NameAndPassword> credentials_of(const Credentials& credentials) {
    return NameAndPassword{credentials.user_name(), credentials.password()};
}

/// `folder` is where the file is that has the commands.
BrokerCommands commands_of(const Commands& commands, const std::string& folder) {
    const auto in_folder = [&folder](std::string text) {
        constexpr std::string_view place = "{folder}";
        for (auto at = text.find(place); at != std::string::npos; at = text.find(place)) {
            text.replace(at, place.size(), shell_word(folder));
        }
        return text;
    };
    return {.run = in_folder(commands.run()),
            .start = in_folder(commands.start()),
            .stop = in_folder(commands.stop()),
            .restart = in_folder(commands.restart())};
}

/// What `setup` says about a broker in a state of its own.
void add_setup(const Setup& setup, Declaration& declaration) {
    if (setup.has_credentials()) {
        declaration.credentials = credentials_of(setup.credentials());
        declaration.refuses_others = true;
    }
    if (setup.has_scram_sha_256()) {
        declaration.scram_sha_256 = credentials_of(setup.scram_sha_256());
    }
    if (!setup.forbidden_topic().empty()) declaration.forbidden_topic = setup.forbidden_topic();
}

/// `url` when neither the command line nor the file names an address.
constexpr const char* own_address = "mqtt://127.0.0.1:{port}";

ManagedBroker managed_broker(const TargetOptions& options, const Broker& file) {
    const auto folder =
        std::filesystem::absolute(options.broker_file).parent_path().lexically_normal().string();
    ManagedBroker broker{.url = !options.target.empty()  ? options.target
                                : !file.target().empty() ? file.target()
                                                         : own_address,
                         .commands = commands_of(file.commands(), folder),
                         .log_file = options.log_file};
    broker.make_source = [options](const std::string& url, std::string& problem) {
        return make_network_source(parse_address(options, url), problem);
    };
    const auto speaks = [&file](const char* version) {
        return file.versions().empty() ||
               std::ranges::find(file.versions(), version) != file.versions().end();
    };
    broker.declaration.tries_v3_1_1 = speaks("3.1.1");
    broker.declaration.tries_v5 = speaks("5.0");
    if (file.has_credentials()) {
        broker.declaration.credentials = credentials_of(file.credentials());
    }
    const auto in_state = [&broker, &folder](const Setup& setup) {
        auto state = broker;
        if (setup.has_commands()) state.commands = commands_of(setup.commands(), folder);
        if (!setup.target().empty() || setup.has_commands()) {
            state.url = setup.target().empty() ? own_address : setup.target();
        }
        // A broker that is there already is not run a second time.
        if (!setup.has_commands() && setup.target().empty()) state.commands = {};
        add_setup(setup, state.declaration);
        return std::make_shared<const ManagedBroker>(std::move(state));
    };
    if (file.has_guarded()) broker.guarded = in_state(file.guarded());
    if (file.has_reduced()) broker.reduced = in_state(file.reduced());
    return broker;
}

/// A setup without an address of its own is the main broker's, which then must not be one that is
/// started on a port nobody knows before.
void check_setups(const TargetOptions& options, const Broker& file) {
    const bool is_run = !file.commands().run().empty();
    for (const auto* setup : {file.has_guarded() ? &file.guarded() : nullptr,
                              file.has_reduced() ? &file.reduced() : nullptr}) {
        if (setup == nullptr || !is_run || setup->has_commands() || !setup->target().empty()) {
            continue;
        }
        throw Refusal{options.broker_file +
                      ": guarded and reduced need a target or commands of their own when the main "
                      "broker is run by the suite"};
    }
}

}  // namespace

void add_target_options(CLI::App& app, TargetOptions& options) {
    app.add_option("--target", options.target,
                   "sim, mqtt://HOST:PORT, mqtts://HOST:PORT, ws://HOST:PORT/PATH or "
                   "wss://HOST:PORT/PATH");
    app.add_option("--broker", options.broker_file,
                   "file of what the operator of the broker knows about it: credentials, commands, "
                   "limits; `touchstone conform probe` writes one");
    auto* const authorities =
        app.add_option("--ca-file", options.tls.authorities_file,
                       "PEM file: whose certificates to trust (default: whom this machine trusts)");
    app.add_flag_callback(
           "--insecure", [&options] { options.tls.checks_certificate = false; },
           "take any certificate of the broker")
        ->excludes(authorities);
    auto* const certificate = app.add_option("--cert", options.tls.certificate_file,
                                             "PEM file: the client's certificate, with its chain");
    auto* const key = app.add_option("--key", options.tls.key_file, "PEM file: its private key");
    certificate->needs(key);
    key->needs(certificate);
    app.add_option("--ws-path", options.path,
                   "path of a WebSocket, when the target names none (default /mqtt)");
    app.add_option("--shards", options.shards, "shards of the simulated node, with --target sim")
        ->check(CLI::Range(1U, 64U));
}

NetworkAddress parse_address(const TargetOptions& options, const std::string& text) {
    const auto* const scheme = scheme_of(text);
    if (scheme == nullptr) {
        throw Refusal{"--target '" + text +
                      "' is neither 'sim' nor an address that begins with mqtt://, mqtts://, ws:// "
                      "or wss://"};
    }
    return address_of(options, text, *scheme);
}

Broker read_broker_file(const std::string& path) {
    Broker broker;
    if (path.empty()) return broker;
    if (const auto problem = read_text_file(path, broker); !problem.empty()) throw Refusal{problem};
    for (const auto& version : broker.versions()) {
        if (version != "3.1.1" && version != "5.0") {
            throw Refusal{path + ": versions: '" + version + "' is neither 3.1.1 nor 5.0"};
        }
    }
    const auto& commands = broker.commands();
    if (!commands.run().empty() &&
        !(commands.start().empty() && commands.stop().empty() && commands.restart().empty())) {
        throw Refusal{path + ": commands: `run` excludes start, stop and restart"};
    }
    return broker;
}

std::unique_ptr<TargetSource> make_source(const TargetOptions& options, const Broker& broker) {
    std::string problem;
    if (options.target == "sim") {
        check_transport_options(options, std::nullopt);
        if (!options.broker_file.empty()) {
            throw Refusal{"--broker is for a broker of the real world, not for --target sim"};
        }
        return make_sim_source({.shards = options.shards});
    }
    if (options.broker_file.empty()) {
        if (options.target.empty()) {
            throw Refusal{
                "--target is missing: sim, mqtt://HOST:PORT, mqtts://…, ws://… or wss://…"};
        }
        const auto address = parse_address(options, options.target);
        check_transport_options(options, address.transport);
        auto source = make_network_source(address, problem);
        if (source == nullptr) throw Refusal{problem};
        return source;
    }
    check_setups(options, broker);
    const auto managed = managed_broker(options, broker);
    if (managed.url.find("{port}") != std::string::npos && managed.commands.run.empty()) {
        throw Refusal{options.broker_file + ": no target: " +
                      "give --target, or `commands { run: … }` that starts the broker"};
    }
    if (const auto* const scheme = scheme_of(managed.url)) {
        check_transport_options(options, scheme->transport);
    }
    auto source = make_managed_source(managed, problem);
    if (source == nullptr) throw Unreachable{problem};
    return source;
}

int guarded_command(const char* name, CLI::App& app, int argument_count, char** arguments,
                    const std::function<ExitCode()>& run) {
    try {
        app.parse(argument_count, arguments);
        return to_int(run());
    } catch (const CLI::CallForHelp&) {
        std::printf("%s", app.help().c_str());
        return to_int(ExitCode::as_expected);
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "%s: %s; `%s --help` shows the options\n", name, error.what(), name);
    } catch (const Unreachable& unreachable) {
        std::fprintf(stderr, "%s: %s\n", name, unreachable.line.c_str());
        return to_int(ExitCode::target_unreachable);
    } catch (const Refusal& refusal) {
        std::fprintf(stderr, "%s: %s\n", name, refusal.line.c_str());
    }
    return to_int(ExitCode::usage_error);
}

std::string shell_word(const std::string& text) {
    constexpr std::string_view harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-_./:[]=";
    if (!text.empty() && text.find_first_not_of(harmless) == std::string::npos) return text;
    std::string out = "'";
    for (const char character : text) {
        if (character == '\'') {
            out += "'\\''";
        } else {
            out += character;
        }
    }
    return out + "'";
}

std::string to_command_line(const TargetOptions& options, const std::string& url) {
    std::string line;
    const auto add = [&line](const char* option, const std::string& value) {
        if (!value.empty()) line += option + shell_word(value);
    };
    // A broker that is run on any port is run again on another one.
    if (!options.target.empty() || options.broker_file.empty()) add(" --target ", url);
    add(" --broker ", options.broker_file);
    if (options.target == "sim" && options.shards != 1) {
        line += " --shards " + std::to_string(options.shards);
    }
    add(" --ca-file ", options.tls.authorities_file);
    add(" --cert ", options.tls.certificate_file);
    add(" --key ", options.tls.key_file);
    if (!options.tls.checks_certificate) line += " --insecure";
    return line;
}

}  // namespace touchstone::conformance
