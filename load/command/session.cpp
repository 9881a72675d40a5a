#include "load/command/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "load/command/metrics.hpp"
#include "load/socket.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"

namespace touchstone::load {

namespace {

constexpr const char* interval_log_name = "latency.hlog";

std::atomic<bool> is_asked_to_end{false};

extern "C" void end_load_run(int number) {
    is_asked_to_end = true;
    // A second one ends the process.
    std::signal(number, SIG_DFL);
}

std::string shell_word(const std::string& text) {
    const auto is_plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view{"/._-+=:,@%"}.find(c) != std::string_view::npos;
    };
    if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return quoted + "'";
}

}  // namespace

Session::Session(const CommonOptions& options, const std::string& name, std::string command)
    : options_{options},
      directory_{options.out.empty() ? reports::default_result_directory("load", name).string()
                                     : options.out},
      command_{std::move(command)},
      is_terminal_{::isatty(STDERR_FILENO) != 0},
      begun_at_{clock_now()},
      started_unix_ms_{std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count()} {
    is_asked_to_end = false;
    std::signal(SIGINT, end_load_run);
    std::signal(SIGTERM, end_load_run);
    std::signal(SIGPIPE, SIG_IGN);
}

Session::~Session() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
}

bool Session::is_interrupted() const {
    return is_asked_to_end;
}

std::optional<int> Session::prepare() {
    if (!options_.has_no_report) {
        if (const auto problem = reports::prepare_result_directory(directory_))
            return say(problem->exit_code, problem->line);
    }
    if (options_.metrics_port || !options_.metrics_file.empty()) {
        metrics_ = std::make_unique<Metrics>(options_.metrics_port, options_.metrics_file);
        if (const auto port = metrics_->port())
            std::cerr << fmt::format("metrics: http://127.0.0.1:{}/metrics", *port) << std::endl;
    }
    return std::nullopt;
}

Outcome Session::run(const Workload& workload, const std::string& label) {
    auto outcome = load::run(workload, [&](const Glimpse& glimpse) {
        if (metrics_) metrics_->update(glimpse);
        show(glimpse, label);
        return !is_asked_to_end;
    });
    if (is_line_shown_) std::fputs("\r\x1b[K", stderr);
    is_line_shown_ = false;
    return outcome;
}

void Session::show(const Glimpse& glimpse, const std::string& label) {
    const auto now = clock_now();
    if (!is_terminal_ || now < shown_at_ + second / 5) return;
    shown_at_ = now;
    is_line_shown_ = true;
    std::string text = fmt::format("\r\x1b[K{}{:.0f} s, {}: {} of {} connected", label,
                                   in_seconds(glimpse.since_start), name_of(glimpse.stage),
                                   glimpse.connected, glimpse.clients);
    if (glimpse.latest != nullptr && glimpse.counts[Count::sent] > 0) {
        const auto& latest = *glimpse.latest;
        text += fmt::format(
            ", {:.0f} sent/s, {:.0f} received/s",
            static_cast<double>(latest.counts[Count::sent]) / in_seconds(latest.length),
            static_cast<double>(latest.counts[Count::received]) / in_seconds(latest.length));
        if (const auto p99 = latest.times.delivery.quantile(0.99))
            text += fmt::format(", p99 {}", time_text(*p99));
    } else if (glimpse.counts[Count::pings] > 0) {
        text += fmt::format(", {} of {} pings answered", glimpse.counts[Count::pings_answered],
                            glimpse.counts[Count::pings]);
    }
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
}

void Session::print(const std::string& text) const {
    if (options_.is_json) return;
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

void Session::print_seed(std::uint64_t seed) const {
    print(fmt::format("seed={}\n", seed));
}

int Session::finish(results::Run run, ExitCode exit_code, const std::string& text,
                    const std::string& interval_log) {
    run.set_started_unix_ms(started_unix_ms_);
    run.set_duration_ms(static_cast<std::uint64_t>((clock_now() - begun_at_) / millisecond));
    if (!options_.has_no_report && !interval_log.empty()) {
        run.mutable_load_report()->set_interval_log(interval_log_name);
        const auto problem = reports::write_file_atomically(
            std::filesystem::path{directory_} / interval_log_name, interval_log);
        if (problem) return say(problem->exit_code, problem->line);
    }
    reports::make_strings_valid(run);
    reports::complete(run);
    print(text);
    if (options_.is_json) {
        fmt::print("{}\n", reports::message_to_json(run, reports::JsonLayout::compact));
        if (!options_.has_no_report) {
            if (const auto problem = reports::write_results(run, directory_))
                return say(problem->exit_code, problem->line);
        }
        // Standard output is for a program, so people are told on the other one.
        std::cerr << reports::last_line(run,
                                        options_.has_no_report
                                            ? std::filesystem::path{}
                                            : std::filesystem::path{directory_} / "report.html")
                  << std::endl;
        return to_int(exit_code);
    }
    if (!options_.has_no_report) return to_int(reports::finish_run(run, directory_, exit_code));
    std::cout << reports::last_line(run, {}) << std::endl;
    return to_int(exit_code);
}

int say(ExitCode code, const std::string& line) {
    std::cerr << "touchstone load: " << line << std::endl;
    return to_int(code);
}

int guarded(const std::function<int()>& body) {
    try {
        return body();
    } catch (const Unreachable& error) {
        return say(ExitCode::target_unreachable, error.what());
    } catch (const CannotRun& error) {
        return say(ExitCode::usage_error, error.what());
    }
}

std::string whole_command(int argument_count, char** arguments,
                          std::optional<std::uint64_t> drawn_seed) {
    std::string text = "touchstone load";
    for (int i = 0; i < argument_count; ++i) text += " " + shell_word(arguments[i]);
    if (drawn_seed) text += fmt::format(" --seed {}", *drawn_seed);
    return text;
}

}  // namespace touchstone::load
