#include "simulator/command_parts.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>

#include "broker/base/exit_code.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {

int usage_error(std::string_view line) {
    std::cerr << "touchstone simulate: " << line << '\n';
    return to_int(ExitCode::usage_error);
}

void add_run_options(CLI::App& app, RunOptions& run) {
    app.add_option("--defect", run.defects,
                   "Switch a published defect on, NAME, NAME@CLIENT or NAME@*; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--shards", run.shard_count, "Shards of every node; default: the scenario's")
        ->check(CLI::Range(1U, 64U));
}

std::optional<int> parse_or_answer(CLI::App& app, std::string_view name, int argument_count,
                                   char** arguments) {
    const std::string space{name.empty() ? "" : " "};
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::CallForHelp&) {
        fmt::print("{}", app.help());
        return to_int(ExitCode::as_expected);
    } catch (const CLI::ParseError& error) {
        return usage_error(fmt::format("{}{}{}; see `touchstone simulate{}{} --help`", name,
                                       name.empty() ? "" : ": ", error.what(), space, name));
    }
    return std::nullopt;
}

std::string shell_word(const std::string& text) {
    const auto is_plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               std::string_view{"/._-+=:,@"}.find(c) != std::string_view::npos;
    };
    if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return quoted + "'";
}

std::optional<std::string> expand_folders(std::vector<std::string>& paths) {
    namespace fs = std::filesystem;
    std::vector<std::string> files;
    for (const auto& path : paths) {
        std::error_code failed;
        if (!fs::is_directory(path, failed)) {
            files.push_back(path);
            continue;
        }
        std::vector<std::string> found;
        for (auto one = fs::recursive_directory_iterator{path, failed};
             !failed && one != fs::recursive_directory_iterator{}; one.increment(failed)) {
            if (one->path().extension() == ".textproto") found.push_back(one->path().string());
        }
        if (failed) return fmt::format("{}: {}", path, failed.message());
        if (found.empty()) return fmt::format("{}: no *.textproto in this folder", path);
        std::ranges::sort(found);
        files.insert(files.end(), found.begin(), found.end());
    }
    paths = std::move(files);
    return std::nullopt;
}

std::optional<LoadedScenario> load_to_run(const std::string& path,
                                          const std::vector<std::string>& defects) {
    for (const auto& text : defects) {
        if (const auto problem = problem_of_defect(text)) {
            usage_error("--defect " + *problem);
            return std::nullopt;
        }
    }
    auto loaded = load_scenario(path);
    for (const auto& problem : loaded.problems) std::cerr << problem << '\n';
    if (!loaded.problems.empty()) return std::nullopt;
    if (const auto problem = problem_of_defects(defects, loaded)) {
        usage_error(*problem);
        return std::nullopt;
    }
    return loaded;
}

std::optional<std::string> problem_of_defects(const std::vector<std::string>& defects,
                                              const LoadedScenario& loaded) {
    std::vector<std::string> clients;
    for (const auto& client : loaded.scenario.clients()) clients.push_back(client.name());
    for (const auto& text : defects) {
        for (const auto& name : choose_defect(loaded.scenario, text).clients) {
            if (std::ranges::find(clients, name) != clients.end()) continue;
            return fmt::format("--defect {}: {} has no client '{}'{}", text, loaded.path, name,
                               remedy(name, clients));
        }
    }
    return std::nullopt;
}

}  // namespace touchstone::simulator
