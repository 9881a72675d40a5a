#include "reports/command.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "reports/html.hpp"
#include "reports/merge.hpp"
#include "reports/merge_command.hpp"
#include "reports/protobuf_text.hpp"
#include "reports/result_directory.hpp"
#include "reports/run_file.hpp"
#include "reports/summary.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

struct Options {
    std::string title = "Touchstone report";
    std::filesystem::path out = "out/report.html";
    std::vector<std::filesystem::path> inputs;
    std::vector<std::string> gates;
    bool json = false;
};

constexpr std::string_view examples = R"(
Examples:
  touchstone report out/conform-mosquitto
      one run as out/report.html
  touchstone report --title "Release 1.4" --out out/release.html out/conform-ours-sim out/conform-ours-tcp out/conform-mosquitto
      three runs side by side
  touchstone report --gate ours-sim --gate ours-tcp out/conform-*
      exit code 1 when one of these two has a fail or a crash, whatever the others do
  touchstone report merge out/part-1 out/part-2
      the shards of one sweep as that sweep (see `touchstone report merge --help`)
  touchstone report --json out/conform-* > summary.json
      the numbers for a program

Exit codes: 0 written; 1 a gated run has an unexpected fail or crash, or judged nothing; 2 bad input or not writable.
)";

/// Terminal columns that a UTF-8 string takes, as far as one per character is right.
std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

using Row = std::vector<std::string>;

/// The first two columns are words, the others numbers, which end at the same place.
std::string table_text(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], columns_of(row[i]));
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - columns_of(row[i]), ' ');
            line += i < 2 ? row[i] + padding : padding + row[i];
            line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

std::string counts_table(const results::Report& report) {
    std::vector<Row> rows{{"run", "verdict", "pass", "non-strict", "info", "fail", "n/a",
                           "inconclusive", "flaky", "crash", "statements", "seed", "duration"}};
    for (const auto& summary : report.summaries()) {
        const auto& counts = summary.counts();
        const auto& statements = summary.statements();
        const auto number = [](std::uint64_t value) {
            return value == 0 ? std::string{"."} : fmt::format("{}", value);
        };
        const std::uint32_t judged = judged_count(statements.judged());
        rows.push_back(
            {one_line(summary.name()), std::string{verdict_text(summary.verdict())},
             number(counts.pass()), number(counts.non_strict()), number(counts.info()),
             number(counts.fail()), number(counts.not_applicable()), number(counts.inconclusive()),
             number(counts.flaky()), number(counts.crash()),
             statements.total() == 0 ? "." : fmt::format("{}/{}", judged, statements.total()),
             fmt::format("{}", summary.seed()), wall_time_text(summary.duration_ms())});
    }
    return table_text(rows);
}

/// What closes a gate, one line per reason; empty when the run may pass.
std::vector<std::string> objections_to(const results::RunSummary& summary) {
    std::vector<std::string> objections;
    for (const auto& failure : summary.failures()) {
        if (failure.as_expected() || !is_failure(failure.verdict())) continue;
        objections.push_back(one_line(
            fmt::format("gate {}: {} {}{}{}", summary.name(), verdict_text(failure.verdict()),
                        failure.id(), failure.reason().empty() ? "" : ": ", failure.reason())));
    }
    // A run that broke off before its first case must not open the gate.
    if (judged_count(summary.counts()) == 0) {
        objections.push_back(one_line(fmt::format("gate {}: it judged nothing", summary.name())));
    }
    if (objections.empty() && is_failure(summary.verdict())) {
        objections.push_back(one_line(fmt::format(
            "gate {}: the run's verdict is {}", summary.name(), verdict_text(summary.verdict()))));
    }
    return objections;
}

std::string shell_word(const std::string& word) {
    const bool is_plain =
        !word.empty() &&
        word.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") ==
            std::string::npos;
    if (is_plain) return word;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return quoted + "'";
}

std::string command_line(int argument_count, char** arguments) {
    std::string line = "touchstone";
    for (int i = 0; i < argument_count; ++i) line += ' ' + shell_word(arguments[i]);
    return line;
}

int fail_with(const Problem& problem) {
    std::cerr << "touchstone report: " << problem.line << '\n';
    return to_int(problem.exit_code);
}

/// "runs a, b": for a --gate that names none of them.
std::optional<Problem> unknown_gate(const Options& options, const std::vector<results::Run>& runs) {
    for (const auto& gate : options.gates) {
        const bool is_known =
            std::ranges::any_of(runs, [&](const auto& run) { return run.name() == gate; });
        if (is_known) continue;
        std::vector<std::string> names;
        for (const auto& run : runs) names.push_back(run.name());
        return Problem{one_line(fmt::format("--gate {}: no run has this name; the runs are: {}",
                                            gate, fmt::join(names, ", ")))};
    }
    return std::nullopt;
}

int report_on(const Options& options, const std::string& command) {
    std::vector<results::Run> runs;
    for (const auto& input : options.inputs) {
        auto loaded = load_run(input);
        if (const auto* problem = std::get_if<Problem>(&loaded)) return fail_with(*problem);
        runs.push_back(std::get<results::Run>(std::move(loaded)));
        complete(runs.back());
    }
    if (const auto problem = unknown_gate(options, runs)) return fail_with(*problem);
    // Names change in the merge when two runs share one; a gate holds for all of that name.
    std::vector<bool> is_gated;
    for (const auto& run : runs)
        is_gated.push_back(std::ranges::find(options.gates, run.name()) != options.gates.end());

    const results::Report report = merge_runs(valid_utf8(options.title), std::move(runs));
    if (options.out.has_parent_path()) {
        if (const auto problem = prepare_result_directory(options.out.parent_path()))
            return fail_with(*problem);
    }
    if (const auto problem = write_file_atomically(options.out, html_report(report)))
        return fail_with(*problem);

    std::vector<std::string> objections;
    results::Counts all;
    for (int i = 0; i < report.summaries_size(); ++i) {
        add_counts(all, report.summaries(i).counts());
        if (!is_gated[static_cast<std::size_t>(i)]) continue;
        const auto more = objections_to(report.summaries(i));
        objections.insert(objections.end(), more.begin(), more.end());
    }
    // With --json the standard output is for a program, so people are told on the other one.
    std::ostream& people = options.json ? std::cerr : std::cout;
    if (options.json) {
        results::Report numbers = report;
        numbers.clear_runs();
        numbers.clear_rows();
        std::cout << message_to_json(numbers, JsonLayout::indented);
    }
    people << counts_table(report);
    for (const auto& objection : objections) people << objection << '\n';
    const std::string_view verdict = options.gates.empty() ? "WRITTEN"
                                     : objections.empty()  ? "PASS"
                                                           : "FAIL";
    const int run_count = report.summaries_size();
    people << one_line(fmt::format("{} report {} | {} run{}: {} | report {} | again: {}", verdict,
                                   options.title, run_count, run_count == 1 ? "" : "s",
                                   counts_text(all), options.out.string(), command))
           << std::endl;
    return to_int(objections.empty() ? ExitCode::as_expected : ExitCode::expectation_failed);
}

}  // namespace

int report_command(int argument_count, char** arguments) {
    if (argument_count > 1 && arguments[1] == std::string_view{"merge"}) {
        return merge_command(argument_count - 1, arguments + 1);
    }
    Options options;
    CLI::App app{"Merges results of several runs into one HTML report, side by side.",
                 "touchstone report"};
    app.footer(std::string{examples});
    app.add_option("results", options.inputs,
                   "Result directories, run.pb or run.json files; columns in this order")
        ->required()
        ->type_name("DIR|FILE");
    app.add_option("--title", options.title, "Title of the page")->capture_default_str();
    app.add_option("--out", options.out, "The HTML file to write")->capture_default_str();
    app.add_option("--gate", options.gates,
                   "Exit code 1 when this run has an unexpected fail or crash (repeatable)")
        ->type_name("NAME")
        ->allow_extra_args(false);  // what follows the name is a result
    app.add_flag("--json", options.json,
                 "Print the merged numbers as JSON; the table goes to standard error");
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return fail_with({one_line(fmt::format("{}; see touchstone report --help", error.what()))});
    }
    try {
        return report_on(options, command_line(argument_count, arguments));
    } catch (const std::exception& error) {
        return fail_with(
            {one_line(fmt::format("{}; give fewer or smaller results", error.what()))});
    }
}

}  // namespace touchstone::reports
