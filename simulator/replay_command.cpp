#include "simulator/replay_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <variant>

#include "broker/base/exit_code.hpp"
#include "reports/run_file.hpp"
#include "simulator/command_parts.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/interruption.hpp"
#include "simulator/print.hpp"
#include "simulator/recording_command.hpp"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"

namespace touchstone::simulator {

namespace {

constexpr std::string_view replay_examples = R"(
Examples:
  touchstone simulate replay out/simulate-inflight-window-2
      the recorded run again, from its own copy of the scenario: every event and byte is the same
  touchstone broker --record out/record       (clients come and go; SIGTERM)
  touchstone simulate replay out/record
      what crossed the border of a real broker's core, through a core of this build: the same bytes come out
  touchstone simulate replay out/record --trace sensor-7
      and every packet of that client
  touchstone simulate replay out/record --judge
      and the checkers that need packets only judge what clients and broker did: a report with a sequence diagram

Exit codes: 0 all that was recorded came out the same, and was judged right if --judge asks; 1 something did or was not:
another build, or a defect; 2 bad arguments, a damaged file, or nothing to replay in there; 130 interrupted.
)";

constexpr std::string_view diff_examples = R"(
Examples:
  touchstone simulate diff scenarios/ordering/or-07.textproto --defect live_bypasses_backlog
      the first event where the run with the defect parts from the one without
  touchstone simulate diff scenarios/sweep/session-faults.textproto --seed 1 --to-seed 2
  touchstone simulate diff out/shrunk.textproto scenarios/qos2/qx-08.textproto

Exit codes: 0 the runs are the same, event by event; 1 they part; 2 bad arguments or scenario.
)";

/// True: parsed. Else what to return is in `exit_code`.
bool parse(CLI::App& app, int argument_count, char** arguments, int& exit_code) {
    try {
        app.parse(argument_count, arguments);
        return true;
    } catch (const CLI::CallForHelp&) {
        fmt::print("{}", app.help());
        exit_code = to_int(ExitCode::as_expected);
    } catch (const CLI::ParseError& error) {
        exit_code = usage_error(fmt::format("{}; see `{} --help`", error.what(), app.get_name()));
    }
    return false;
}

enum class Repeated : std::uint8_t { same, other, broken_off };

/// Runs it again and says in a line what came of it.
Repeated replay_one(const results::ScenarioResult& recorded) {
    const auto loaded = parse_scenario(recorded.scenario(), recorded.scenario_text());
    if (!loaded.problems.empty()) {
        for (const auto& problem : loaded.problems) std::cerr << problem << '\n';
        return Repeated::other;
    }
    RunOptions options{.seed = recorded.seed(),
                       .defects = {recorded.defects().begin(), recorded.defects().end()},
                       .is_to_end = Interruption::is_asked_for};
    if (recorded.shards() != 0) options.shard_count = recorded.shards();
    const auto outcome = run_scenario(loaded.scenario, options);
    if (outcome.was_ended) {
        fmt::print("broken off  {}  seed {}\n", recorded.scenario(), recorded.seed());
        return Repeated::broken_off;
    }
    const bool is_same = outcome.digest() == recorded.digest() &&
                         outcome.world->engine().executed_events() == recorded.events();
    fmt::print("{}  {}  seed {}  {} events  digest {}{}\n", is_same ? "same" : "DIFF",
               recorded.scenario(), recorded.seed(), outcome.world->engine().executed_events(),
               outcome.digest(),
               is_same ? ""
                       : fmt::format(", recorded {} events, digest {}", recorded.events(),
                                     recorded.digest()));
    return is_same ? Repeated::same : Repeated::other;
}

struct Side {
    std::string path;
    RunOptions options;
    std::optional<LoadedScenario> loaded;
    std::vector<std::string> lines;
};

int load(Side& side) {
    side.loaded = load_scenario(side.path);
    for (const auto& problem : side.loaded->problems) std::cerr << problem << '\n';
    if (!side.loaded->problems.empty()) return to_int(ExitCode::usage_error);
    if (const auto problem = problem_of_defects(side.options.defects, *side.loaded)) {
        return usage_error(*problem);
    }
    return to_int(ExitCode::as_expected);
}

void print_side(char mark, const Side& side, std::size_t from) {
    constexpr std::size_t shown_max = 8;
    const auto end = std::min(side.lines.size(), from + shown_max);
    for (auto i = from; i < end; ++i) fmt::print("{}{}\n", mark, side.lines[i]);
    if (from >= side.lines.size()) fmt::print("{}  (ends here)\n", mark);
}

}  // namespace

int replay_command(int argument_count, char** arguments) {
    std::string path;
    RecordingOptions of_recording;
    CLI::App app{
        "Repeats what a result directory or a broker's record holds, and compares everything.",
        "touchstone simulate replay"};
    app.footer(std::string{replay_examples});
    app.add_option("DIR", path,
                   "Result directory of `simulate`, or its run.pb; directory of `broker --record`")
        ->required();
    app.add_option(
           "--defect", of_recording.defects,
           "Of a broker's record: a switch of nodes that is on in the replay; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--trace", of_recording.trace_of,
                   "Of a broker's record: print the packets of a client, or of `all`");
    auto* const judge = app.add_flag("--judge", of_recording.is_judged,
                                     "Of a broker's record: judge the packets, write a report");
    app.add_option("--out", of_recording.out,
                   "With --judge: result directory; default: out/replay-NAME")
        ->needs(judge);
    int exit_code = 0;
    if (!parse(app, argument_count, arguments, exit_code)) return exit_code;
    if (const auto files = recording_in(path); !files.empty()) {
        return replay_recording(path, files, of_recording);
    }
    if (!of_recording.defects.empty() || !of_recording.trace_of.empty() || of_recording.is_judged) {
        return usage_error(
            fmt::format("replay: {} holds no broker's record (shard-0.record …), and "
                        "--defect, --trace and --judge are for those",
                        path));
    }
    const auto read = reports::load_run(path);
    if (const auto* const problem = std::get_if<reports::Problem>(&read)) {
        std::cerr << "touchstone simulate replay: " << problem->line << '\n';
        return to_int(problem->exit_code);
    }
    const auto& run = std::get<results::Run>(read);
    const Interruption interruption;
    std::size_t replayed = 0;
    std::size_t same = 0;
    bool is_broken_off = false;
    for (const auto& recorded : run.scenarios()) {
        if (recorded.scenario_text().empty()) continue;
        const auto repeated = replay_one(recorded);
        is_broken_off = repeated == Repeated::broken_off;
        if (is_broken_off) break;
        ++replayed;
        same += repeated == Repeated::same ? 1 : 0;
    }
    if (is_broken_off) {
        fmt::print("INTERRUPTED replay {} | {} runs, {} the same | again: touchstone simulate "
                   "replay {}\n",
                   run.name(), replayed, same, shell_word(path));
        return to_int(ExitCode::interrupted);
    }
    if (replayed == 0) {
        return usage_error(
            fmt::format("replay: {} holds no recorded run; passing seeds of a sweep are kept "
                        "without theirs, run one alone with --seed",
                        path));
    }
    fmt::print("{} replay {} | {} runs, {} the same | again: touchstone simulate replay {}\n",
               same == replayed ? "PASS" : "FAIL", run.name(), replayed, same, shell_word(path));
    return to_int(same == replayed ? ExitCode::as_expected : ExitCode::expectation_failed);
}

int diff_command(int argument_count, char** arguments) {
    Side left;
    Side right;
    std::optional<std::uint64_t> to_seed;
    CLI::App app{"Runs twice and shows the first event where the runs part.",
                 "touchstone simulate diff"};
    app.footer(std::string{diff_examples});
    app.add_option("FILE", left.path, "Scenario (*.textproto)")->required();
    app.add_option("TO-FILE", right.path, "Scenario of the other run; default: the same");
    app.add_option("--seed", left.options.seed, "Seed of both; default: the scenario's");
    app.add_option("--to-seed", to_seed, "Seed of the other run");
    app.add_option("--defect", right.options.defects,
                   "Switched on in the other run, NAME or NAME@CLIENT; may be repeated")
        ->allow_extra_args(false);
    int exit_code = 0;
    if (!parse(app, argument_count, arguments, exit_code)) return exit_code;
    for (const auto& text : right.options.defects) {
        if (const auto problem = problem_of_defect(text))
            return usage_error("--defect " + *problem);
    }
    if (right.path.empty()) right.path = left.path;
    right.options.seed = to_seed ? to_seed : left.options.seed;
    for (Side* const side : {&left, &right}) {
        if (const int code = load(*side); code != 0) return code;
        const auto outcome = run_scenario(side->loaded->scenario, side->options);
        side->lines = trace_lines(outcome.world->trace(), "all");
    }
    const auto parting = std::ranges::mismatch(left.lines, right.lines);
    const auto common = static_cast<std::size_t>(parting.in1 - left.lines.begin());
    if (parting.in1 == left.lines.end() && parting.in2 == right.lines.end()) {
        fmt::print("SAME {} events\n", common);
        return to_int(ExitCode::as_expected);
    }
    constexpr std::size_t before_max = 8;
    for (auto i = common - std::min(common, before_max); i < common; ++i) {
        fmt::print(" {}\n", left.lines[i]);
    }
    print_side('-', left, common);
    print_side('+', right, common);
    fmt::print("PART after {} events, of {} and {}\n", common, left.lines.size(),
               right.lines.size());
    return to_int(ExitCode::expectation_failed);
}

}  // namespace touchstone::simulator
