#include "conformance/generated/commands.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "broker/base/exit_code.hpp"
#include "conformance/generated/explore.hpp"
#include "conformance/generated/report.hpp"
#include "conformance/generated/search.hpp"
#include "conformance/generated/session.hpp"

namespace touchstone::conformance::generated {

namespace {

constexpr std::uint64_t seeds_default = 200;
/// Divergences that differ are shrunk, those that were seen before counted; a broker with more is
/// better read about in the first ones.
constexpr std::size_t findings_max = 30;
/// Scripts without a divergence stand in the report in so many blocks at most.
constexpr std::uint64_t blocks_max = 100;
constexpr std::size_t ladder_lines_max = 10;
/// What fails on a broker of the real world is played again so often before it is believed.
constexpr int repetitions = 2;
constexpr std::size_t plays_of_a_real_broker_max = 120;

constexpr std::string_view generate_examples = R"(
Examples:
  touchstone conform generate --target sim --seeds 1..10000
      the reference broker in virtual time, with small limits
  touchstone conform generate --target mqtt://127.0.0.1:1883 --seeds 1..500 --out out/generated
      any broker; the scripts of what was found are in out/generated/scripts
  touchstone conform generate --target mqtt://127.0.0.1:1883 --time-budget 60
      as many seeds as a minute has room for
  touchstone conform generate --target sim --print --seeds 7..7
      the script of seed 7, without running it

Exit code: 0 broker and model agree, 1 they part or a divergence is flaky, 2 bad arguments, 3 broker unreachable,
  6 nothing could be judged, 7 time budget used up before all of --seeds, 130 interrupted
)";

constexpr std::string_view replay_examples = R"(
Examples:
  touchstone conform replay out/generated/scripts/seed-7.script --target mqtt://127.0.0.1:1883
  touchstone conform replay mine.script --target sim --times 20

The grammar of a script is in conformance/generated/README.md.
Exit code: 0 no script diverges, 1 one does, 2 bad arguments or a line that is no step, 3 broker unreachable,
  6 nothing could be judged, 130 interrupted
)";

constexpr std::string_view explore_examples = R"(
Examples:
  touchstone conform explore --target sim --steps 4
      all sequences of up to 4 steps of two clients, in virtual time
  touchstone conform explore --target sim --steps 4 --version 3.1.1

Exit code: 0 broker and model agree, 1 they part, 2 bad arguments, 3 broker unreachable, 6 nothing could be judged,
  7 time budget used up, 130 interrupted
)";

struct GenerateArguments {
    CommonArguments common{};
    std::string seeds{};
    std::size_t steps_max = 30;
    std::uint32_t wait_s_max = 0;
    bool has_wait = false;
    bool print = false;
};

/// Blocks of seeds without a divergence.
class Blocks {
public:
    explicit Blocks(std::uint64_t seed_count)
        : size_{std::max<std::uint64_t>(1, seed_count / blocks_max)} {}

    void add(results::Run& run, std::uint64_t seed) {
        if (count_ == 0) first_ = seed;
        last_ = seed;
        if (++count_ >= size_) flush(run);
    }
    void flush(results::Run& run) {
        if (count_ == 0) return;
        const auto name = first_ == last_ ? std::to_string(first_)
                                          : std::to_string(first_) + ".." + std::to_string(last_);
        add_script_case(run,
                        {.id = "generated/seeds-" + name,
                         .title = std::to_string(count_) + " generated scripts"},
                        {});
        count_ = 0;
    }

private:
    std::uint64_t size_;
    std::uint64_t count_ = 0;
    std::uint64_t first_ = 0;
    std::uint64_t last_ = 0;
};

/// A divergence with the smallest script that shows it.
struct Finding {
    Divergence divergence{};
    std::string id{};
    std::size_t count = 1;
    bool is_flaky = false;
};

class Findings {
public:
    Findings(CommandSession& session, const SearchSettings& settings)
        : session_{session},
          settings_{settings} {}

    /// `seed` draws the world; `script` ended in `played`.
    void add(const Script& script, const Played& played, std::uint64_t seed,
             const std::string& id) {
        for (auto& known : findings_) {
            if (!is_same_mistake(known.divergence, *played.divergence)) continue;
            ++known.count;
            return;
        }
        if (settings_.play.is_shared_broker) {
            // Seen with little patience.
            const auto again = play_anew(session_.source(), script, seed, settings_);
            if (!again.divergence.has_value()) {
                ++late_;
                return;
            }
        }
        if (findings_.size() >= findings_max) {
            ++left_out_;
            return;
        }
        auto& finding = findings_.emplace_back();
        finding.divergence = *played.divergence;
        finding.id = id;
        auto& source = session_.source();
        if (settings_.play.is_shared_broker) {
            for (int i = 0; i < repetitions && !finding.is_flaky; ++i) {
                const auto again = play_anew(source, script, seed, settings_);
                finding.is_flaky = !again.divergence.has_value() ||
                                   !is_same_mistake(*again.divergence, *played.divergence);
            }
        }
        auto small = script;
        auto last = played;
        if (!finding.is_flaky) {
            small = shrink(source, script, *played.divergence, seed, with_less_patience(settings_));
            last = play_anew(source, small, seed, settings_);
            // What impatience made smaller than it is stays as it was.
            if (!last.divergence.has_value()) {
                small = script;
                last = played;
            }
        }
        const auto path = session_.write_script(id, small, to_text(*last.divergence));
        const auto reproduce = session_.replay_command(path);
        add_script_case(session_.run(),
                        {.id = "generated/" + id,
                         .title = last.divergence->kind,
                         .reproduce = reproduce,
                         .is_flaky = finding.is_flaky},
                        last);
        std::fprintf(stdout, "%s generated/%s, %zu packets%s\n%s%s  again:    %s\n\n",
                     finding.is_flaky ? "FLAKY" : "FAIL", id.c_str(), packet_lines(small),
                     finding.is_flaky ? " (not shrunk)" : "",
                     ("  seen:     " + to_text(*last.divergence) + "\n").c_str(),
                     ladder_text(last, ladder_lines_max).c_str(), reproduce.c_str());
        std::fflush(stdout);
    }

    [[nodiscard]] bool empty() const { return findings_.empty(); }
    [[nodiscard]] std::size_t size() const { return findings_.size(); }
    void note(results::Run& run) const {
        for (const auto& finding : findings_) {
            run.add_notes("generated/" + finding.id + ": " + std::to_string(finding.count) +
                          (finding.count == 1 ? " script: " : " scripts: ") +
                          finding.divergence.statement + ' ' + finding.divergence.kind);
        }
        if (late_ > 0) {
            run.add_notes(
                std::to_string(late_) +
                " scripts diverged when there was little patience only: the broker is slow "
                "there, or not deterministic");
        }
        if (left_out_ > 0) {
            run.add_notes(std::to_string(left_out_) + " further scripts diverge; the first " +
                          std::to_string(findings_max) + " divergences are shown");
        }
    }

private:
    CommandSession& session_;
    const SearchSettings& settings_;
    std::vector<Finding> findings_{};
    std::size_t left_out_ = 0;
    std::size_t late_ = 0;
};

ExitCode exit_code_of(const Findings& findings, std::size_t judged, bool is_interrupted,
                      bool is_over) {
    if (is_interrupted) return ExitCode::interrupted;
    if (!findings.empty()) return ExitCode::expectation_failed;
    if (judged == 0) return ExitCode::run_invalid;
    return is_over ? ExitCode::time_budget_used_up : ExitCode::as_expected;
}

ExitCode generate(const GenerateArguments& arguments) {
    const bool has_range = !arguments.seeds.empty();
    const bool is_timed = arguments.common.time_budget_s.has_value();
    const auto [first, last] =
        has_range ? parse_seeds(arguments.seeds)
                  : std::pair{std::uint64_t{1}, is_timed ? ~std::uint64_t{0} : seeds_default};
    const bool is_simulated = arguments.common.target.target == "sim";
    // A wait costs nothing in virtual time.
    const auto wait_s_max = arguments.has_wait ? arguments.wait_s_max : is_simulated ? 60U : 0U;
    GenerateSettings generate_settings{.steps_max = arguments.steps_max, .wait_s_max = wait_s_max};
    if (arguments.print) {
        generate_settings.capabilities.speaks_v5 = true;
        generate_settings.capabilities.speaks_v3_1_1 = true;
        for (auto seed = first; seed <= last; ++seed) {
            std::printf("# seed %llu\n%s", static_cast<unsigned long long>(seed),
                        to_text(generate_script(seed, generate_settings)).c_str());
        }
        return ExitCode::as_expected;
    }
    std::string options;
    if (has_range) options += " --seeds " + arguments.seeds;
    if (arguments.steps_max != GenerateArguments{}.steps_max) {
        options += " --steps " + std::to_string(arguments.steps_max);
    }
    if (arguments.has_wait) options += " --wait-max " + std::to_string(wait_s_max);
    if (is_timed) options += " --time-budget " + std::to_string(*arguments.common.time_budget_s);
    CommandSession session{"generate", arguments.common, options, first};
    if (const auto failed = session.begin()) return *failed;
    auto settings = session.settings();
    if (settings.play.is_shared_broker) settings.plays_max = plays_of_a_real_broker_max;
    generate_settings.capabilities = settings.play.capabilities;

    Findings findings{session, settings};
    Blocks blocks{last - first + 1};
    std::size_t judged = 0;
    unsigned inconclusive_in_a_row = 0;
    bool is_over = false;
    bool is_gone = false;
    std::size_t packets = 0;
    for (auto seed = first; seed <= last; ++seed) {
        if (session.is_over()) {
            is_over = has_range;
            break;
        }
        const auto script = generate_script(seed, generate_settings);
        const auto played = play_anew(session.source(), script, seed, with_less_patience(settings));
        if (played.was_interrupted) break;
        packets += played.packet_count;
        const auto id = "seed-" + std::to_string(seed);
        if (played.divergence.has_value()) {
            ++judged;
            findings.add(script, played, seed, id);
        } else if (!played.inconclusive.empty()) {
            const auto path = session.write_script(id, script, played.inconclusive);
            add_script_case(session.run(),
                            {.id = "generated/" + id,
                             .title = "a generated script",
                             .reproduce = session.replay_command(path)},
                            played);
            // A broker that is gone, or refuses everything, has nothing more to say.
            constexpr unsigned in_a_row_max = 3;
            if (++inconclusive_in_a_row < in_a_row_max) continue;
            is_gone = played.was_unreachable;
            break;
        } else {
            ++judged;
            blocks.add(session.run(), seed);
        }
        inconclusive_in_a_row = 0;
        if (seed == ~std::uint64_t{0}) break;
    }
    blocks.flush(session.run());
    findings.note(session.run());
    session.run().add_notes(std::to_string(judged) + " scripts judged, " + std::to_string(packets) +
                            " packets of clients, " + std::to_string(findings.size()) +
                            " different divergences");
    std::printf("%zu scripts, %zu packets of clients, %zu different divergences\n", judged, packets,
                findings.size());
    if (is_gone) return session.finish(ExitCode::target_unreachable);
    return session.finish(exit_code_of(findings, judged, session.is_interrupted(), is_over));
}

struct ReplayArguments {
    CommonArguments common{};
    std::vector<std::string> files{};
    unsigned times = 1;
    std::uint64_t seed = 1;
};

Script read_script(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file) throw Refusal{path + " cannot be read; expected a packet script"};
    std::stringstream text;
    text << file.rdbuf();
    std::string problem;
    auto script = parse_script(text.str(), problem);
    if (!script.has_value()) throw Refusal{path + ": " + problem};
    return std::move(*script);
}

ExitCode replay(const ReplayArguments& arguments) {
    std::vector<Script> scripts;
    for (const auto& path : arguments.files) scripts.push_back(read_script(path));
    std::string options;
    for (const auto& path : arguments.files) options += ' ' + shell_word(path);
    if (arguments.times != 1) options += " --times " + std::to_string(arguments.times);
    if (arguments.seed != 1) options += " --seed " + std::to_string(arguments.seed);
    CommandSession session{"replay", arguments.common, options, arguments.seed};
    if (const auto failed = session.begin()) return *failed;
    const auto settings = session.settings();
    std::size_t judged = 0;
    std::size_t failed = 0;
    std::size_t gone = 0;
    for (std::size_t i = 0; i < scripts.size(); ++i) {
        const auto name = std::filesystem::path{arguments.files[i]}.filename().string();
        for (unsigned k = 0; k < arguments.times && !session.is_over(); ++k) {
            const auto played = play_anew(session.source(), scripts[i], arguments.seed, settings);
            if (played.was_interrupted) break;
            constexpr std::size_t all = 2'000;
            const auto id =
                "replay/" + name + (arguments.times > 1 ? ":" + std::to_string(k + 1) : "");
            const auto* const word = played.divergence.has_value() ? "FAIL"
                                     : played.inconclusive.empty() ? "PASS"
                                                                   : "INCONCLUSIVE";
            std::printf("%s %s\n%s", word, id.c_str(), ladder_text(played, all).c_str());
            if (played.divergence.has_value()) {
                std::printf("  seen:     %s\n", to_text(*played.divergence).c_str());
            }
            for (std::size_t step = 0; step < played.has_applied.size(); ++step) {
                if (played.has_applied[step]) continue;
                std::printf("  left out: step %zu does not apply here: %s\n", step + 1,
                            to_text(scripts[i][step]).c_str());
            }
            add_script_case(session.run(),
                            {.id = id,
                             .title = "the packet script " + name,
                             .reproduce = session.replay_command(arguments.files[i])},
                            played);
            judged += played.inconclusive.empty() ? 1 : 0;
            failed += played.divergence.has_value() ? 1 : 0;
            gone += played.was_unreachable ? 1 : 0;
        }
    }
    if (session.is_interrupted()) return session.finish(ExitCode::interrupted);
    if (failed > 0) return session.finish(ExitCode::expectation_failed);
    if (gone > 0) return session.finish(ExitCode::target_unreachable);
    return session.finish(judged == 0 ? ExitCode::run_invalid : ExitCode::as_expected);
}

struct ExploreArguments {
    CommonArguments common{};
    std::size_t steps_max = 3;
    std::string version = "5";
};

ExitCode explore_all(const ExploreArguments& arguments) {
    std::string options = " --steps " + std::to_string(arguments.steps_max);
    if (arguments.version != "5") options += " --version " + arguments.version;
    CommandSession session{"explore", arguments.common, options, 1};
    if (const auto failed = session.begin()) return *failed;
    const auto settings = session.settings();
    const auto version = arguments.version == "5" ? ProtocolVersion::v5 : ProtocolVersion::v3_1_1;
    Findings findings{session, settings};
    Played passed;
    std::size_t judged = 0;
    const auto explored =
        explore(session.source(), exploration_alphabet(version), arguments.steps_max, settings,
                [&](const Script& script, const Played& played) {
                    if (played.was_interrupted || played.was_unreachable || session.is_over())
                        return false;
                    if (played.inconclusive.empty()) ++judged;
                    if (played.divergence.has_value()) {
                        findings.add(script, played, 1, "script-" + std::to_string(judged));
                    }
                    return true;
                });
    if (judged > 0 && findings.empty()) {
        add_script_case(session.run(),
                        {.id = "explored/" + arguments.version + "/" +
                               std::to_string(arguments.steps_max) + "-steps",
                         .title = std::to_string(judged) + " sequences of steps"},
                        passed);
    }
    findings.note(session.run());
    session.run().add_notes(std::to_string(judged) + " sequences of up to " +
                            std::to_string(arguments.steps_max) + " steps");
    std::printf("%zu sequences of up to %zu steps, %zu different divergences\n", judged,
                arguments.steps_max, findings.size());
    return session.finish(
        exit_code_of(findings, judged, session.is_interrupted(), explored.was_ended));
}

}  // namespace

int generate_command(int argument_count, char** arguments) {
    GenerateArguments parsed;
    CLI::App app{"Plays random packet scripts, and judges the broker by a model of the standard.",
                 "touchstone conform generate"};
    app.footer(std::string{generate_examples});
    add_common_options(app, parsed.common);
    app.add_option("--seeds", parsed.seeds,
                   "A or A..B (default 1..200; with --time-budget 1 and on)");
    app.add_option("--steps", parsed.steps_max, "most steps of a script")
        ->check(CLI::Range(1U, 10'000U))
        ->capture_default_str();
    auto* const wait =
        app.add_option("--wait-max", parsed.wait_s_max,
                       "longest wait in a script, seconds (default: 60 on sim, else 0)");
    app.add_flag("--print", parsed.print, "print the scripts, run nothing");
    return run_command(app, argument_count, arguments, [&] {
        parsed.has_wait = wait->count() > 0;
        return generate(parsed);
    });
}

int replay_command(int argument_count, char** arguments) {
    ReplayArguments parsed;
    CLI::App app{"Plays packet scripts, and judges the broker by a model of the standard.",
                 "touchstone conform replay"};
    app.footer(std::string{replay_examples});
    add_common_options(app, parsed.common);
    app.add_option("FILE", parsed.files, "packet scripts")->required();
    app.add_option("--times", parsed.times, "how often each is played")
        ->check(CLI::Range(1U, 100'000U));
    app.add_option("--seed", parsed.seed, "draws the simulated world");
    return run_command(app, argument_count, arguments, [&] { return replay(parsed); });
}

int explore_command(int argument_count, char** arguments) {
    ExploreArguments parsed;
    CLI::App app{"Plays all sequences of up to so many steps of two clients.",
                 "touchstone conform explore"};
    app.footer(std::string{explore_examples});
    add_common_options(app, parsed.common);
    app.add_option("--steps", parsed.steps_max,
                   "longest sequence; each more takes ten times as long")
        ->check(CLI::Range(1U, 12U))
        ->capture_default_str();
    app.add_option("--version", parsed.version, "5 or 3.1.1")
        ->check(CLI::IsMember({"5", "3.1.1"}))
        ->capture_default_str();
    return run_command(app, argument_count, arguments, [&] { return explore_all(parsed); });
}

}  // namespace touchstone::conformance::generated
