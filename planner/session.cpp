#include "planner/session.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "load/socket.hpp"
#include "load/time.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"

namespace touchstone::planner {

namespace {

double now_s() {
    return load::in_seconds(load::clock_now());
}

}  // namespace

Session::Session(const OutputOptions& options, const std::string& name, std::string command,
                 std::uint64_t seed)
    : options_{options},
      name_{name},
      directory_{options.out.empty() ? reports::default_result_directory("plan", name).string()
                                     : options.out},
      command_{std::move(command)},
      seed_{seed},
      started_unix_ms_{std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count()},
      started_s_{now_s()} {}

std::optional<int> Session::prepare() {
    if (const auto problem = reports::prepare_result_directory(directory_)) {
        return say(problem->exit_code, problem->line);
    }
    print(fmt::format("seed={}\n", seed_));
    return std::nullopt;
}

bool Session::goes_on(const std::string& what) {
    progress_.show(fmt::format("{:.0f} s: {}", now_s() - started_s_, what));
    return !simulator::Interruption::is_asked_for();
}

void Session::print(const std::string& text) {
    if (options_.is_json) return;
    progress_.clear();
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

int Session::finish(results::Run run, ExitCode exit_code) {
    progress_.clear();
    run.set_kind(results::Run::plan);
    run.set_name(name_);
    run.set_seed(seed_);
    run.set_reproduce(command_);
    run.set_started_unix_ms(started_unix_ms_);
    run.set_duration_ms(static_cast<std::uint64_t>((now_s() - started_s_) * 1'000));
    if (exit_code == ExitCode::run_invalid) run.set_verdict(results::Verdict::inconclusive);
    reports::complete(run);
    if (!options_.is_json) return to_int(reports::finish_run(run, directory_, exit_code));
    reports::make_strings_valid(run);
    fmt::print("{}\n", reports::message_to_json(run, reports::JsonLayout::compact));
    if (const auto problem = reports::write_results(run, directory_)) {
        return say(problem->exit_code, problem->line);
    }
    return to_int(exit_code);
}

}  // namespace touchstone::planner
