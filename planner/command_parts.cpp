#include "planner/command_parts.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "load/engine.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"
#include "simulator/command_parts.hpp"

namespace touchstone::planner {

void add_target_options(CLI::App& app, TargetOptions& options) {
    app.add_option("--target", options.url,
                   "mqtt://HOST[:PORT] of the broker; default: " + options.url);
    app.add_option("--pid", options.pid,
                   "Its process, on this machine: CPU time and memory are read")
        ->required()
        ->check(CLI::PositiveNumber);
    app.add_option("--user", options.user_name, "User Name of all clients");
    app.add_option("--password", options.password, "Password of all clients")
        ->envname("TOUCHSTONE_PASSWORD");
}

std::optional<load::Target> target_of(const TargetOptions& options, const std::string& url) {
    std::string problem;
    auto target = load::parse_target(url, problem);
    if (!target) {
        say(ExitCode::usage_error, problem);
        return std::nullopt;
    }
    if (!options.user_name.empty()) target->user_name = options.user_name;
    target->password = options.password;
    if (!read_process(options.pid) || !read_memory(options.pid)) {
        say(ExitCode::usage_error,
            fmt::format("--pid {}: there is no such process, or it is another user's",
                        options.pid));
        return std::nullopt;
    }
    // A calibration is about costs, not about trust.
    target->takes_any_certificate = true;
    return target;
}

void add_output_options(CLI::App& app, OutputOptions& options,
                        const std::string& default_directory) {
    app.add_option("--out", options.out, "Result directory; default: " + default_directory);
    app.add_flag("--json", options.is_json, "Print the results as one JSON document");
}

int say(ExitCode code, const std::string& line) {
    std::cerr << "touchstone plan: " << line << '\n';
    return to_int(code);
}

int guarded(const std::function<int()>& body) {
    try {
        return body();
    } catch (const load::Unreachable& problem) {
        return say(ExitCode::target_unreachable, problem.what());
    } catch (const load::CannotRun& problem) {
        return say(ExitCode::run_invalid, problem.what());
    } catch (const CannotMeasure& problem) {
        if (std::string_view{problem.what()} == "interrupted") {
            return say(ExitCode::interrupted, "interrupted: nothing was written");
        }
        return say(ExitCode::run_invalid, problem.what());
    }
}

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

std::string whole_command(int argument_count, char** arguments) {
    std::string command = "touchstone plan";
    for (int i = 0; i < argument_count; ++i) command += " " + simulator::shell_word(arguments[i]);
    return command;
}

Progress::Progress() : is_terminal_{::isatty(STDERR_FILENO) != 0} {}

Progress::~Progress() {
    clear();
}

void Progress::show(const std::string& text) {
    if (!is_terminal_ || text == shown_) return;
    shown_ = text;
    is_shown_ = true;
    fmt::print(stderr, "\r\x1b[K{}", text);
    std::fflush(stderr);
}

void Progress::clear() {
    if (is_shown_) std::fputs("\r\x1b[K", stderr);
    is_shown_ = false;
    shown_.clear();
}

}  // namespace touchstone::planner
