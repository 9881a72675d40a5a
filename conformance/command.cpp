// `touchstone conform`: arguments, progress on the terminal, and the files of the report.
#include "conformance/command.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "broker/base/exit_code.hpp"
#include "conformance/baseline.hpp"
#include "conformance/baseline_command.hpp"
#include "conformance/catalogue/catalogue.hpp"
#include "conformance/generated/commands.hpp"
#include "conformance/limits.hpp"
#include "conformance/probe_command.hpp"
#include "conformance/selection.hpp"
#include "conformance/suite/report.hpp"
#include "conformance/suite/runner.hpp"
#include "conformance/target_options.hpp"
#include "conformance/text_file.hpp"
#include "reports/markdown.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/summary.hpp"

namespace touchstone::conformance {

namespace {

/// What has options of its own: `touchstone conform NAME …`.
struct Subcommand {
    std::string_view name;
    int (*run)(int argument_count, char** arguments);
};
constexpr std::array subcommands{
    Subcommand{"probe", probe_command},
    Subcommand{"baseline", baseline_command},
    Subcommand{"generate", generated::generate_command},
    Subcommand{"replay", generated::replay_command},
    Subcommand{"explore", generated::explore_command},
    Subcommand{"fuzz", generated::fuzz_command},
    Subcommand{"compare", generated::compare_command},
};

constexpr std::string_view examples = R"(
Subcommands, each with --help of its own:
  touchstone conform probe     what a broker can do, as a file for --broker
  touchstone conform baseline  brings a file of known failures in line with a run
  touchstone conform generate  random packet scripts, judged by a model of the standard
  touchstone conform replay    one such script on any broker
  touchstone conform explore   all sequences of a few steps of two clients
  touchstone conform fuzz      hostile input, while other clients use the broker
  touchstone conform compare   the same packet scripts on several brokers

Examples:
  touchstone conform --target sim
      the reference broker in virtual time
  touchstone conform --target mqtt://127.0.0.1:1883 --out out/mine
      any broker; results in out/mine: report.html, junit.xml, run.json
  touchstone conform --target mqtts://broker.example --ca-file authority.pem
      over TLS, port 8883; --insecure instead of --ca-file takes any certificate
  touchstone conform --target mqtts://broker.example:8884 --cert client.pem --key client.key
      over TLS, with a certificate of the client
  touchstone conform --target ws://127.0.0.1:8083/mqtt
      over WebSocket; wss:// is WebSocket over TLS, with the options of mqtts://
  touchstone conform --target mqtt://127.0.0.1:1883 --only v5/MQTT-3.3.4-9 'v3.1.1/MQTT-4.3*'
      the cases of these statements; * stands for any characters
  touchstone conform --target sim --section v5/4.3
      the cases of a section
  touchstone conform --broker broker.textproto --baseline known.textproto --github
      as a gate in CI: only what is new fails
  touchstone conform --list --json
      every statement with its cases, or the reason why it has none

Exit code: 0 no case failed, 1 one failed or is flaky, with a baseline 4 (a failure that is not in
  it) or 5 (one that is in it passes) instead, 2 bad arguments, 3 broker unreachable
  (nothing listens, no TLS, no WebSocket), 6 no case came to a verdict, 7 time budget used up, 130 interrupted
)";

struct Arguments {
    TargetOptions target{};
    std::optional<std::uint64_t> seed{};
    Selection selection{};
    std::string baseline{};
    bool for_github = false;
    bool list = false;
    bool json = false;
    std::string name{};
    std::string out{};
    double slow = 1.0;
    std::optional<unsigned> time_budget_s{};
    unsigned jobs = 32;
    std::string split{};
};

std::atomic<bool> is_interrupted{false};

extern "C" void on_interrupt(int /*signal*/) {
    is_interrupted = true;
}

/// While it lives, SIGINT and SIGTERM ask the run to end with a partial report.
class InterruptGuard {
public:
    InterruptGuard() {
        is_interrupted = false;
        interrupt_ = std::signal(SIGINT, on_interrupt);
        terminate_ = std::signal(SIGTERM, on_interrupt);
    }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;
    ~InterruptGuard() {
        std::signal(SIGINT, interrupt_);
        std::signal(SIGTERM, terminate_);
    }

private:
    using Handler = void (*)(int);
    Handler interrupt_ = nullptr;
    Handler terminate_ = nullptr;
};

void print_list(const Arguments& arguments) {
    results::Run run;
    add_statements(run);
    for (const auto& entry : all_cases()) add_listed_case(run, entry);
    if (arguments.json) {
        std::printf("%s", to_json(run).c_str());
        return;
    }
    std::size_t with_case = 0;
    for (const auto& statement : run.statements()) {
        std::printf("%s  %s  %s\n", statement.id().c_str(), statement.section().c_str(),
                    statement.level().c_str());
        if (statement.case_ids().empty()) {
            std::printf("    no case: %s\n", statement.reason().c_str());
            continue;
        }
        ++with_case;
        for (const auto& id : statement.case_ids()) {
            const auto& cases = all_cases();
            const auto entry = std::ranges::find(cases, id, &CaseEntry::id);
            std::string tags;
            for (const auto& tag : tags_of(*entry)) tags += (tags.empty() ? "" : " ") + tag;
            std::printf("    %s: %s [%s]\n", id.c_str(), entry->demand.c_str(), tags.c_str());
        }
    }
    std::printf("%d statements, %zu with cases; %zu cases\n", run.statements_size(), with_case,
                all_cases().size());
}

/// Prints a line for each section when its last case is done. Called by one thread at a time.
class Progress {
public:
    Progress(const std::vector<const CaseEntry*>& cases, std::FILE* out) : out_{out} {
        for (const auto* entry : cases) ++left_[section_of(*entry)];
    }

    void on_case(const CaseEntry& entry, const CaseOutcome& outcome) {
        const auto section = section_of(entry);
        ++counts_[section][outcome.verdict];
        if (--left_[section] > 0) return;
        std::string text;
        for (const auto& [verdict, count] : counts_[section]) {
            if (!text.empty()) text += ", ";
            text += std::to_string(count) + " " + text_of(verdict);
        }
        std::fprintf(out_, "%-14s %s\n", section.c_str(), text.c_str());
        std::fflush(out_);
    }

private:
    /// "v5 3.3": version and the first two numbers.
    static std::string section_of(const CaseEntry& entry) {
        const auto* statement = find_statement(entry.statements.front());
        if (statement == nullptr) return "unknown";
        auto number = statement->section_number();
        const auto first_dot = number.find('.');
        if (first_dot != std::string_view::npos) {
            number = number.substr(0, number.find_first_of(".,", first_dot + 1));
        }
        return std::string{statement->version()} + ' ' + std::string{number};
    }

    std::FILE* out_;
    std::map<std::string, std::size_t> left_;
    std::map<std::string, std::map<Verdict, std::size_t>> counts_;
};

/// "7" or "at:7".
Split parse_split(const std::string& text) {
    if (text.empty()) return {};
    const bool is_place = text.starts_with("at:");
    const auto digits = is_place ? text.substr(3) : text;
    const bool is_number = !digits.empty() && digits.size() <= 6 &&
                           digits.find_first_not_of("0123456789") == std::string::npos;
    const auto count = is_number ? std::stoul(digits) : 0;
    if (count == 0) {
        throw Refusal{"--split-bytes " + text +
                      ": expected a number of bytes from 1, or at: and such a number"};
    }
    return is_place ? Split{.first_bytes = count} : Split{.piece_bytes = count};
}

RunHeader make_header(const Arguments& arguments, const TargetSource& source,
                      const std::string& broker_name, std::uint64_t seed) {
    RunHeader header;
    header.url = source.url();
    header.transport = source.transport();
    header.has_virtual_time = source.has_virtual_time();
    header.name = !arguments.name.empty() ? arguments.name
                  : !broker_name.empty()  ? broker_name
                                          : header.url;
    header.shards = header.has_virtual_time ? arguments.target.shards : 0;
    header.seed = seed;
    std::string base = "touchstone conform" + to_command_line(arguments.target, header.url);
    base += " --seed " + std::to_string(seed);
    if (arguments.slow != 1.0) {
        std::string factor = std::to_string(arguments.slow);
        factor.erase(factor.find_last_not_of('0') + 1);
        if (factor.ends_with('.')) factor.pop_back();
        base += " --slow " + factor;
    }
    if (!arguments.split.empty()) base += " --split-bytes " + arguments.split;
    header.again_prefix = base + " --only ";
    header.reproduce = base + to_command_line(arguments.selection);
    if (!arguments.baseline.empty()) {
        header.reproduce += " --baseline " + shell_word(arguments.baseline);
    }
    return header;
}

std::optional<Baseline> read_baseline(const std::string& path) {
    if (path.empty()) return std::nullopt;
    Baseline baseline;
    if (const auto problem = read_text_file(path, baseline); !problem.empty()) {
        throw Refusal{problem};
    }
    const auto mistakes = check_baseline(baseline, path);
    if (!mistakes.empty()) {
        throw Refusal{mistakes.front() +
                      (mistakes.size() == 1
                           ? ""
                           : " (and " + std::to_string(mistakes.size() - 1) + " more)")};
    }
    return baseline;
}

void print_comparison(const Comparison& comparison, const results::Run& run, std::FILE* out) {
    std::fprintf(out,
                 "\nbaseline: %zu known failures, %zu regressions, %zu whose time is up, %zu "
                 "that pass now\n",
                 comparison.known.size(), comparison.regressions.size(), comparison.expired.size(),
                 comparison.unexpected_passes.size());
    for (const auto& result : run.cases()) {
        if (result.expectation_reason().empty()) continue;
        const auto verdict = std::string{reports::verdict_text(reports::overall_verdict(result))};
        std::fprintf(out, "  %-14s %s  (%s)\n", verdict.c_str(), result.case_id().c_str(),
                     result.expectation_reason().c_str());
    }
}

/// Annotations on stdout, and the step summary where GitHub wants it.
void tell_github(const Arguments& arguments, results::Run run, std::FILE* out) {
    const auto variable = [](const char* name) {
        const char* const value = std::getenv(name);
        return std::string{value == nullptr ? "" : value};
    };
    if (!arguments.for_github && variable("GITHUB_ACTIONS") != "true") return;
    reports::complete(run);
    reports::make_strings_valid(run);
    std::fprintf(out, "%s", reports::github_annotations(run).c_str());
    const auto path = variable("GITHUB_STEP_SUMMARY");
    if (path.empty()) return;
    std::ofstream summary{path, std::ios::app};
    summary << reports::markdown_summary(run);
    if (!summary.flush()) {
        std::fprintf(stderr, "touchstone conform: %s: cannot append the step summary\n",
                     path.c_str());
    }
}

ExitCode run(const Arguments& arguments) {
    if (const auto mistakes = check_cases(); !mistakes.empty()) {
        for (const auto& mistake : mistakes)
            std::fprintf(stderr, "touchstone: %s\n", mistake.c_str());
        return ExitCode::run_invalid;
    }
    const auto cases = select(arguments.selection);
    const auto baseline = read_baseline(arguments.baseline);
    const auto broker = read_broker_file(arguments.target.broker_file);
    std::filesystem::path directory = arguments.out;
    const auto prepare = [&directory](const std::string& name) {
        if (directory.empty()) directory = reports::default_result_directory("conform", name);
        return reports::prepare_result_directory(directory);
    };
    std::optional<reports::Problem> problem;
    auto target = arguments.target;
    if (!target.broker_file.empty()) {
        // What a broker prints that the suite runs belongs to the results.
        problem = prepare(!arguments.name.empty() ? arguments.name
                          : broker.name().empty() ? "broker"
                                                  : broker.name());
        target.log_file = directory / "broker.log";
    }
    const auto seed = arguments.seed.value_or(std::random_device{}());
    std::unique_ptr<TargetSource> source;
    RunHeader header;
    if (!problem.has_value()) {
        source = make_source(target, broker);
        header = make_header(arguments, *source, broker.name(), seed);
        if (target.broker_file.empty()) problem = prepare(header.name);
    }
    if (problem.has_value()) {
        std::fprintf(stderr, "touchstone conform: %s\n", problem->line.c_str());
        return problem->exit_code;
    }

    auto* const out = arguments.json ? stderr : stdout;
    std::fprintf(out, "seed=%llu target=%s cases=%zu\n", static_cast<unsigned long long>(seed),
                 header.url.c_str(), cases.size());
    std::fflush(out);
    Progress progress{cases, out};
    const auto began_wall = std::chrono::system_clock::now().time_since_epoch();
    const auto began = std::chrono::steady_clock::now();
    header.started_unix_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(began_wall).count();

    RunSettings settings;
    settings.seed = seed;
    // A shared broker may still hold what an earlier run with this seed left there.
    settings.nonce =
        header.has_virtual_time ? 0 : static_cast<std::uint64_t>(header.started_unix_ms);
    settings.slow = arguments.slow;
    settings.split = parse_split(arguments.split);
    settings.declared = to_capabilities(broker.limits());
    settings.jobs = arguments.jobs;
    if (arguments.time_budget_s.has_value()) {
        settings.time_budget = std::chrono::seconds{*arguments.time_budget_s};
    }
    settings.is_interrupted = &is_interrupted;
    settings.on_case = [&progress](const CaseEntry& entry, const CaseOutcome& outcome) {
        progress.on_case(entry, outcome);
    };
    const InterruptGuard guard;
    const auto record = run_cases(*source, cases, settings);
    header.duration_ms =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::steady_clock::now() - began)
                                       .count());

    auto results = to_results(header, record);
    for (const auto& line : contradictions(broker.limits(), record.capabilities)) {
        std::fprintf(stderr, "touchstone conform: %s: %s\n", arguments.target.broker_file.c_str(),
                     line.c_str());
        results.add_notes(line);
    }
    add_declared_facts(broker, results);
    auto exit_code = record.exit_code;
    if (baseline.has_value()) {
        const auto comparison =
            apply_baseline(*baseline, date_of(header.started_unix_ms / 1'000), results);
        exit_code = exit_code_of(comparison, exit_code);
        print_comparison(comparison, results, out);
        // Whoever reads PASS shall not get an exit code that says otherwise.
        if (exit_code == ExitCode::unexpected_pass) results.set_verdict(results::Verdict::fail);
    }
    settle_verdict(results);
    for (const auto& result : results.cases()) {
        const bool is_bad =
            reports::is_failure(result) || result.verdict() == results::Verdict::flaky;
        if (is_bad && result.expected_verdict() != reports::overall_verdict(result)) {
            std::fprintf(out, "\n%s", failure_text(result).c_str());
        }
    }
    std::fprintf(out, "\n");
    if (!record.problem.empty()) {
        std::fprintf(stderr, "touchstone conform: %s\n", record.problem.c_str());
    }
    tell_github(arguments, results, out);
    if (!arguments.json) return reports::finish_run(results, directory, exit_code);

    reports::complete(results);
    std::printf("%s", to_json(results).c_str());
    std::fflush(stdout);
    if (const auto unwritten = reports::write_results(results, directory)) {
        std::fprintf(stderr, "touchstone conform: %s\n", unwritten->line.c_str());
        return exit_code == ExitCode::as_expected ? unwritten->exit_code : exit_code;
    }
    std::fprintf(stderr, "%s\n", reports::last_line(results, directory / "report.html").c_str());
    return exit_code;
}

}  // namespace

int conform_command(int argument_count, char** arguments) {
    if (argument_count > 1) {
        const auto* const found =
            std::ranges::find(subcommands, std::string_view{arguments[1]}, &Subcommand::name);
        if (found != subcommands.end()) return found->run(argument_count - 1, arguments + 1);
    }
    Arguments parsed;
    CLI::App app{"Judges a broker by the statements of MQTT 3.1.1 and 5.0.", "touchstone conform"};
    app.footer(std::string{examples});
    add_target_options(app, parsed.target);
    app.add_option("--seed", parsed.seed, "order of the cases, and the simulated world");
    add_selection_options(app, parsed.selection);
    app.add_option("--baseline", parsed.baseline,
                   "file of known failures; `touchstone conform baseline` writes it");
    app.add_flag("--github", parsed.for_github,
                 "annotations and a step summary for GitHub Actions (default where GITHUB_ACTIONS "
                 "is true)");
    app.add_flag("--list", parsed.list, "print statements and cases, run nothing");
    app.add_flag("--json", parsed.json, "results on stdout as JSON, progress on stderr");
    app.add_option("--name", parsed.name, "name of the run in reports");
    app.add_option("--out", parsed.out, "result directory (default out/conform-NAME)");
    app.add_option("--slow", parsed.slow, "factor on every patience, for slow machines")
        ->check(CLI::Range(1.0, 100.0));
    app.add_option("--time-budget", parsed.time_budget_s, "seconds after which no case is begun")
        ->check(CLI::PositiveNumber);
    app.add_option("--jobs", parsed.jobs, "cases side by side, of those that have to wait")
        ->check(CLI::Range(1U, 256U))
        ->capture_default_str();
    app.add_option("--split-bytes", parsed.split,
                   "what a client sends goes out in pieces of N bytes, or with at:N in two, the "
                   "first of N bytes")
        ->type_name("N|at:N");
    return guarded_command("touchstone conform", app, argument_count, arguments, [&parsed] {
        if (!parsed.list) return run(parsed);
        print_list(parsed);
        return ExitCode::as_expected;
    });
}

}  // namespace touchstone::conformance
