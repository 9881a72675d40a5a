#include "conformance/baseline_command.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <string>
#include <variant>

#include "conformance/baseline.hpp"
#include "conformance/target_options.hpp"
#include "conformance/text_file.hpp"
#include "reports/result_directory.hpp"
#include "reports/run_file.hpp"

namespace touchstone::conformance {

namespace {

constexpr const char* examples = R"(
Examples:
  touchstone conform baseline out/conform-mosquitto --file baseline.textproto
      lists what failed in that run, each with what the standard demands as its reason
  touchstone conform baseline out/conform-mosquitto --file baseline.textproto
      --reason 'to be mended in 2.1' --link https://tracker.example/7 --expires 2027-03-31
      later again: adds what is new, removes what passes, leaves the other entries as they are
)";

constexpr const char* guide = R"(Failures that are known: touchstone conform … --baseline THIS_FILE
Exit code 4 when a case fails that is not here, or after its day; 5 when one that is here passes.
Kept up to date by: touchstone conform baseline RESULT_DIRECTORY --file THIS_FILE
)";

struct Arguments {
    std::string directory{};
    std::string file{};
    NewEntry entry{};
};

ExitCode run(const Arguments& arguments) {
    if (!arguments.entry.expires.empty() && !is_date(arguments.entry.expires)) {
        throw Refusal{"--expires " + arguments.entry.expires + ": expected a day like 2027-03-31"};
    }
    const auto loaded = reports::load_run(arguments.directory);
    if (const auto* const problem = std::get_if<reports::Problem>(&loaded)) {
        throw Refusal{problem->line};
    }
    Baseline baseline;
    if (std::filesystem::exists(arguments.file)) {
        if (const auto problem = read_text_file(arguments.file, baseline); !problem.empty()) {
            throw Refusal{problem};
        }
    }
    const auto changes = update_baseline(std::get<results::Run>(loaded), arguments.entry, baseline);
    for (const auto& change : changes) std::printf("%s\n", change.c_str());
    std::printf("%s: %d known failures, %zu changes\n", arguments.file.c_str(),
                baseline.known_size(), changes.size());
    if (const auto problem =
            reports::write_file_atomically(arguments.file, to_text_file(baseline, guide))) {
        std::fprintf(stderr, "touchstone conform baseline: %s\n", problem->line.c_str());
        return problem->exit_code;
    }
    return ExitCode::as_expected;
}

}  // namespace

int baseline_command(int argument_count, char** arguments) {
    Arguments parsed;
    CLI::App app{"Brings the file of known failures in line with a run.",
                 "touchstone conform baseline"};
    app.footer(examples);
    app.add_option("directory", parsed.directory, "result directory of the run")->required();
    app.add_option("--file", parsed.file, "the file, made when it is not there")->required();
    app.add_option("--reason", parsed.entry.reason,
                   "of new entries (default: what the standard demands)");
    app.add_option("--link", parsed.entry.link, "of new entries: where they are discussed");
    app.add_option("--expires", parsed.entry.expires,
                   "of new entries: the last day on which they are accepted, like 2027-03-31");
    return guarded_command("touchstone conform baseline", app, argument_count, arguments,
                           [&parsed] { return run(parsed); });
}

}  // namespace touchstone::conformance
