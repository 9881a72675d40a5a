#include "conformance/generated/session.hpp"

#include <CLI/CLI.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "conformance/generated/small_limits.hpp"
#include "conformance/limits.hpp"
#include "conformance/suite/report.hpp"
#include "conformance/targets/sim.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"

namespace touchstone::conformance::generated {

namespace {

std::atomic<bool> interrupted{false};

extern "C" void on_signal(int /*signal*/) {
    interrupted = true;
}

}  // namespace

void add_common_options(CLI::App& app, CommonArguments& arguments) {
    add_target_options(app, arguments.target);
    app.add_option("--name", arguments.name, "name of the run in reports");
    app.add_option("--out", arguments.out, "result directory (default out/SUBCOMMAND-NAME)");
    app.add_option("--slow", arguments.slow, "factor on every patience, for slow machines")
        ->check(CLI::Range(1.0, 100.0));
    app.add_option("--time-budget", arguments.time_budget_s, "seconds after which nothing is begun")
        ->check(CLI::PositiveNumber);
}

int run_command(CLI::App& app, int argument_count, char** arguments,
                const std::function<ExitCode()>& body) {
    const auto name = app.get_name();
    try {
        app.parse(argument_count, arguments);
        return to_int(body());
    } catch (const CLI::CallForHelp&) {
        std::printf("%s", app.help().c_str());
        return to_int(ExitCode::as_expected);
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "%s: %s; `%s --help` shows the options\n", name.c_str(), error.what(),
                     name.c_str());
    } catch (const Unreachable& unreachable) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), unreachable.line.c_str());
        return to_int(ExitCode::target_unreachable);
    } catch (const Refusal& refusal) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), refusal.line.c_str());
    }
    return to_int(ExitCode::usage_error);
}

std::pair<std::uint64_t, std::uint64_t> parse_seeds(const std::string& text) {
    const auto dots = text.find("..");
    const auto first = text.substr(0, dots);
    const auto last = dots == std::string::npos ? first : text.substr(dots + 2);
    const auto is_number = [](const std::string& digits) {
        return !digits.empty() && digits.size() <= 18 &&
               digits.find_first_not_of("0123456789") == std::string::npos;
    };
    if (!is_number(first) || !is_number(last) || std::stoull(first) > std::stoull(last)) {
        throw Refusal{"--seeds '" + text + "': expected a number, or a range like 1..200"};
    }
    return {std::stoull(first), std::stoull(last)};
}

std::unique_ptr<TargetSource> make_played_source(const TargetOptions& options) {
    const bool is_simulated = options.target == "sim" && options.broker_file.empty();
    // Refuses options that do not fit.
    auto source = make_source(options, read_broker_file(options.broker_file));
    if (!is_simulated) return source;
    SimOptions small{.shards = options.shards};
    set_small_limits(small.settings);
    return make_sim_source(small);
}

Capabilities declared_limits(const TargetOptions& options) {
    return to_capabilities(read_broker_file(options.broker_file).limits());
}

CommandSession::CommandSession(std::string subcommand, const CommonArguments& arguments,
                               std::string options, std::uint64_t seed)
    : subcommand_{std::move(subcommand)},
      arguments_{arguments},
      options_{std::move(options)},
      seed_{seed},
      source_{make_played_source(arguments.target)} {
    interrupted = false;
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
}

CommandSession::~CommandSession() {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
}

bool CommandSession::is_interrupted() {
    return interrupted;
}

bool CommandSession::is_over() const {
    return interrupted || (settings_.deadline.has_value() &&
                           std::chrono::steady_clock::now() >= *settings_.deadline);
}

std::optional<ExitCode> CommandSession::begin() {
    const auto url = source_->url();
    const auto name = arguments_.name.empty() ? url : arguments_.name;
    directory_ = arguments_.out.empty() ? reports::default_result_directory(subcommand_, name)
                                        : std::filesystem::path{arguments_.out};
    const auto complain = [this](const std::string& line) {
        std::fprintf(stderr, "touchstone conform %s: %s\n", subcommand_.c_str(), line.c_str());
    };
    if (const auto problem = reports::prepare_result_directory(directory_)) {
        complain(problem->line);
        return problem->exit_code;
    }
    std::printf("seed=%llu target=%s\n", static_cast<unsigned long long>(seed_), url.c_str());
    std::fflush(stdout);
    began_ = std::chrono::steady_clock::now();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    const auto started_unix_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
    run_.set_kind(results::Run::conformance);
    run_.set_name(name);
    run_.mutable_target()->set_name(name);
    run_.mutable_target()->set_url(url);
    run_.mutable_target()->set_transport(source_->transport());
    run_.mutable_target()->set_shards(source_->has_virtual_time() ? arguments_.target.shards : 0);
    run_.set_seed(seed_);
    run_.set_started_unix_ms(started_unix_ms);
    std::string slow;
    if (arguments_.slow != 1.0) {
        slow = std::to_string(arguments_.slow);
        slow = " --slow " + slow.substr(0, slow.find_last_not_of("0.") + 1);
    }
    run_.set_reproduce("touchstone conform " + subcommand_ + options_ +
                       to_command_line(arguments_.target, url) + slow);
    add_statements(run_);

    // A shared broker may still hold what an earlier run left there.
    settings_.nonce = source_->has_virtual_time() ? 0 : static_cast<std::uint64_t>(started_unix_ms);
    const auto surveyed = survey(*source_, seed_, settings_.nonce, arguments_.slow, &interrupted,
                                 declared_limits(arguments_.target));
    if (!surveyed.problem.empty()) {
        complain(surveyed.problem);
        return surveyed.is_reachable ? ExitCode::run_invalid : ExitCode::target_unreachable;
    }
    settings_.play = surveyed.play;
    settings_.play.is_of_one_part = source_->has_virtual_time() && arguments_.target.shards == 1;
    if (arguments_.time_budget_s.has_value()) {
        settings_.deadline = began_ + std::chrono::seconds{*arguments_.time_budget_s};
    }
    return std::nullopt;
}

std::string CommandSession::write_script(const std::string& id, const Script& script,
                                         const std::string& comment) {
    const auto path = directory_ / "scripts" / (id + ".script");
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    auto line = comment;
    for (auto& character : line) {
        if (character == '\n' || character == '\r') character = ' ';
    }
    const auto text = "# " + line + "\n" + to_text(script);
    if (const auto problem = reports::write_file_atomically(path, text)) {
        std::fprintf(stderr, "touchstone conform %s: %s\n", subcommand_.c_str(),
                     problem->line.c_str());
    }
    return path.string();
}

std::string CommandSession::replay_command(const std::string& path) const {
    return "touchstone conform replay " + shell_word(path) +
           to_command_line(arguments_.target, source_->url());
}

std::string CommandSession::again_command(const std::string& options) const {
    return "touchstone conform " + subcommand_ + ' ' + options +
           to_command_line(arguments_.target, source_->url());
}

ExitCode CommandSession::finish(ExitCode exit_code) {
    const auto span = std::chrono::steady_clock::now() - began_;
    run_.set_duration_ms(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(span).count()));
    std::fflush(stdout);
    return reports::finish_run(run_, directory_, exit_code);
}

}  // namespace touchstone::conformance::generated
