#include "conformance/probe_command.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <string>

#include "broker/base/exit_code.hpp"
#include "conformance/limits.hpp"
#include "conformance/suite/choices.hpp"
#include "conformance/target_options.hpp"
#include "conformance/text_file.hpp"
#include "reports/result_directory.hpp"

namespace touchstone::conformance {

namespace {

constexpr const char* examples = R"(
Examples:
  touchstone conform probe --target mqtt://127.0.0.1:1883
      prints what the broker announces and how it chooses
  touchstone conform probe --target mqtt://127.0.0.1:1883 --out broker.textproto
      writes it as a file for --broker; what nobody can find out is to be filled in there
  touchstone conform probe --broker broker.textproto --out broker.textproto
      brings a file up to date and keeps what was filled in
)";

constexpr const char* guide = R"(What `touchstone conform --broker THIS_FILE` knows about a broker.
Limits and observations were found by `touchstone conform probe`. To be filled in by hand, each optional:

credentials { user_name: "…" password: "…" }   go into every CONNECT
commands { run: "mosquitto -p {port}" }        the suite runs the broker itself, on a free port
commands { start: "…" stop: "…" restart: "…" } or: it is told how to, after a crash and for what needs a restart
guarded {                                      cases about users, access rules, enhanced authentication
  target: "mqtt://…"                           when it is another broker than the main one
  credentials { … }                            right ones; any others are refused
  forbidden_topic: "…"                         which that user may neither publish nor subscribe to
  scram_sha_256 { … }                          a user of the Authentication Method SCRAM-SHA-256
}
reduced { target: "…" }                        the broker with features off: Maximum QoS 1, no Retained Messages, …
)";

struct Arguments {
    TargetOptions target{};
    std::string name{};
    std::string out{};
};

ExitCode run(const Arguments& arguments) {
    auto file = read_broker_file(arguments.target.broker_file);
    const auto source = make_source(arguments.target, file);
    RunSettings settings;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    // A shared broker may still hold what an earlier probe left there.
    if (!source->has_virtual_time()) settings.nonce = static_cast<std::uint64_t>(now.count());
    settings.declared = to_capabilities(file.limits());
    const auto found = probe(*source, settings);
    if (!found.problem.empty()) {
        std::fprintf(stderr, "touchstone conform probe: %s\n", found.problem.c_str());
        return found.is_reachable ? ExitCode::run_invalid : ExitCode::target_unreachable;
    }
    const auto& capabilities = found.surroundings.capabilities;
    for (const auto& line : contradictions(file.limits(), capabilities)) {
        std::fprintf(stderr, "touchstone conform probe: changed: %s\n", line.c_str());
    }
    // The address of a broker that the suite runs is another one each time.
    const bool is_run = !file.commands().run().empty();
    if (!is_run && !source->has_virtual_time()) file.set_target(source->url());
    if (!arguments.name.empty()) file.set_name(arguments.name);
    file.clear_versions();
    if (capabilities.speaks_v3_1_1) file.add_versions("3.1.1");
    if (capabilities.speaks_v5) file.add_versions("5.0");
    *file.mutable_limits() = to_limits(capabilities);
    file.clear_observations();
    bool contradicts = false;
    for (const auto& choice : observe_choices(*source, found, settings)) {
        auto& observation = *file.add_observations();
        observation.set_name(choice.name);
        observation.set_value(choice.value);
        if (!choice.contradicts) continue;
        contradicts = true;
        std::fprintf(stderr, "touchstone conform probe: %s: %s, but its CONNACK says otherwise\n",
                     choice.name.c_str(), choice.value.c_str());
    }
    const auto text = to_text_file(file, guide);
    if (arguments.out.empty()) {
        std::printf("%s", text.c_str());
    } else if (const auto problem = reports::write_file_atomically(arguments.out, text)) {
        std::fprintf(stderr, "touchstone conform probe: %s\n", problem->line.c_str());
        return problem->exit_code;
    }
    return contradicts ? ExitCode::expectation_failed : ExitCode::as_expected;
}

}  // namespace

int probe_command(int argument_count, char** arguments) {
    Arguments parsed;
    CLI::App app{"Finds out what a broker can do.", "touchstone conform probe"};
    app.footer(examples);
    add_target_options(app, parsed.target);
    app.add_option("--name", parsed.name, "name of the broker in reports");
    app.add_option("--out", parsed.out, "the file (default: standard output)");
    return guarded_command("touchstone conform probe", app, argument_count, arguments,
                           [&parsed] { return run(parsed); });
}

}  // namespace touchstone::conformance
