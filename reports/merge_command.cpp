#include "reports/merge_command.hpp"

#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "reports/result_directory.hpp"
#include "reports/run_file.hpp"
#include "reports/summary.hpp"
#include "reports/sweep.hpp"
#include "reports/text.hpp"

namespace touchstone::reports {

namespace {

constexpr std::string_view examples = R"(
Examples:
  touchstone report merge out/part-1 out/part-2 out/part-3
      three parts of `touchstone simulate … --shard i/3` as one sweep, in out/simulate-NAME
  touchstone report merge --out out/nightly out/part-*

Exit codes, as if the sweep had been run in one go: 0 all runs ended as declared; 1 one did not; 6 something that a
scenario lists in `sometimes` never happened; 7, 130 a part was broken off. And 2: a part is missing, there twice, of
another sweep, or unreadable.
)";

int fail_with(const Problem& problem) {
    std::cerr << "touchstone report merge: " << problem.line << '\n';
    return to_int(problem.exit_code);
}

/// The command of a shard without the words that make it one.
std::string whole_command(std::string command) {
    const auto begin = command.find(" --shard ");
    if (begin == std::string::npos) return command;
    const auto value = command.find_first_not_of(' ', begin + std::string_view{" --shard "}.size());
    const auto end = std::min(command.find(' ', value), command.size());
    return command.erase(begin, end - begin);
}

int merge(const std::vector<std::filesystem::path>& inputs, const std::string& out) {
    std::vector<SweepShard> shards;
    for (const auto& input : inputs) {
        auto loaded = load_run(input);
        if (const auto* problem = std::get_if<Problem>(&loaded)) return fail_with(*problem);
        shards.push_back({input, std::get<results::Run>(std::move(loaded))});
    }
    auto merged = merge_sweep(std::move(shards));
    if (const auto* problem = std::get_if<Problem>(&merged)) return fail_with(*problem);
    auto& run = std::get<results::Run>(merged);
    run.set_reproduce(whole_command(run.reproduce()));
    const auto directory =
        out.empty() ? default_result_directory("simulate", run.name()) : std::filesystem::path{out};
    if (const auto problem = prepare_result_directory(directory)) return fail_with(*problem);
    for (const auto& note : run.notes()) std::cout << one_line(note) << '\n';
    const auto exit_code = exit_code_of(run);
    return to_int(finish_run(std::move(run), directory, exit_code));
}

}  // namespace

int merge_command(int argument_count, char** arguments) {
    std::vector<std::filesystem::path> inputs;
    std::string out;
    CLI::App app{"Joins the shards of a sweep into the sweep.", "touchstone report merge"};
    app.footer(std::string{examples});
    app.add_option("results", inputs, "Result directories or run.pb files of all shards")
        ->required()
        ->type_name("DIR|FILE");
    app.add_option("--out", out, "Result directory; default: out/simulate-NAME");
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return fail_with(
            {one_line(fmt::format("{}; see touchstone report merge --help", error.what()))});
    }
    return merge(inputs, out);
}

}  // namespace touchstone::reports
