// The options that say which broker is meant, the same for `conform` and all of its subcommands,
// and what is made of them: a source of targets.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/base/exit_code.hpp"
#include "conformance/broker.pb.h"
#include "conformance/targets/network.hpp"
#include "conformance/targets/target.hpp"

namespace CLI {
class App;
}

namespace touchstone::conformance {

/// One line for stderr that names the place and the remedy; the exit code is usage_error.
struct Refusal {
    std::string line;
};

/// One line for stderr; the exit code is target_unreachable.
struct Unreachable {
    std::string line;
};

struct TargetOptions {
    std::string target{};       // "sim", "mqtt://HOST:PORT", …
    TlsOptions tls{};           // for mqtts:// and wss://
    std::string path{};         // of --ws-path
    unsigned shards = 1;        // of the simulated node
    std::string broker_file{};  // of --broker: what its operator knows about it (broker.proto)
    std::string log_file{};     // output of brokers that the suite starts; not an option
};

/// Adds --target and what belongs to it. `options` outlives the parsing.
void add_target_options(CLI::App& app, TargetOptions& options);

/// Empty for an empty `path`. Throws Refusal, with the place of a mistake.
[[nodiscard]] Broker read_broker_file(const std::string& path);

/// Starts the broker when its file says how. Throws Refusal and Unreachable.
[[nodiscard]] std::unique_ptr<TargetSource> make_source(const TargetOptions& options,
                                                        const Broker& broker);

/// The address that `text` ("wss://[::1]:443/mqtt") names. Throws Refusal.
[[nodiscard]] NetworkAddress parse_address(const TargetOptions& options, const std::string& text);

/// Parses the arguments, calls `run`, and turns what it throws into a line that begins with `name`
/// and an exit code.
int guarded_command(const char* name, CLI::App& app, int argument_count, char** arguments,
                    const std::function<ExitCode()>& run);

/// `text` as one word for a shell.
[[nodiscard]] std::string shell_word(const std::string& text);

/// " --target … --ca-file …": what makes the same source again.
[[nodiscard]] std::string to_command_line(const TargetOptions& options, const std::string& url);

}  // namespace touchstone::conformance
