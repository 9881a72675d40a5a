// `touchstone conform compare`: the same scripts on several brokers, and a table of what differs.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "conformance/generated/commands.hpp"
#include "conformance/generated/compare.hpp"
#include "conformance/generated/report.hpp"
#include "conformance/generated/session.hpp"
#include "reports/result_directory.hpp"

namespace touchstone::conformance::generated {

namespace {

constexpr std::uint64_t seeds_default = 200;
constexpr int repetitions = 2;
constexpr std::size_t plays_max = 100;

constexpr std::string_view examples = R"(
Examples:
  touchstone conform compare ours=sim theirs=mqtt://127.0.0.1:1883 --seeds 1..300
  touchstone conform compare mosquitto=mqtt://127.0.0.1:1883 aedes=mqtt://127.0.0.1:1884 --out out/compare
  touchstone conform compare ours=sim theirs=broker.textproto

Each script is played on every broker. Where the model of the standard says that a broker is wrong it stands in the
first table, with the statement; what differs although nobody is wrong is the standard's freedom, and in the second.
Exit code: 0 nobody is wrong, 1 somebody is, 2 bad arguments, 3 a broker is unreachable, 6 nothing could be judged,
  7 time budget used up, 130 interrupted
)";

struct CompareArguments {
    CommonArguments common{};
    std::vector<std::string> brokers{};
    std::string seeds{};
    std::size_t steps_max = 30;
};

struct Contestant {
    std::string name;
    TargetOptions options{};
    std::unique_ptr<TargetSource> source{};
    SearchSettings settings{};
    std::size_t judged = 0;
    std::size_t wrong = 0;
    std::size_t inconclusive = 0;
};

/// A divergence: on which brokers, how often, with which smallest script.
struct Wrong {
    Divergence divergence{};
    std::map<std::string, std::size_t> counts{};
    std::map<std::string, std::string> scripts{};  // path, by broker
};

/// A difference that the standard allows.
struct Choice {
    std::size_t count = 0;
    std::uint64_t seed = 0;
    std::string example{};
    std::string between{};
};

std::vector<Contestant> make_contestants(const CompareArguments& arguments) {
    std::vector<Contestant> all;
    for (const auto& text : arguments.brokers) {
        const auto equals = text.find('=');
        if (equals == 0 || equals == std::string::npos) {
            throw Refusal{"'" + text +
                          "': expected NAME=TARGET, as in theirs=mqtt://127.0.0.1:1883, or "
                          "NAME=FILE with what `touchstone conform probe` wrote"};
        }
        auto& one = all.emplace_back();
        one.name = text.substr(0, equals);
        one.options = arguments.common.target;
        const auto place = text.substr(equals + 1);
        const bool is_address = place == "sim" || place.find("://") != std::string::npos;
        (is_address ? one.options.target : one.options.broker_file) = place;
        const auto same = std::ranges::count(all, one.name, &Contestant::name);
        if (same > 1) throw Refusal{"'" + one.name + "' names two brokers"};
        one.source = make_played_source(one.options);
    }
    if (all.size() < 2) throw Refusal{"a comparison needs two brokers: NAME=TARGET NAME=TARGET"};
    return all;
}

/// What all of them can do.
Capabilities common_capabilities(const std::vector<Contestant>& all) {
    auto common = all.front().settings.play.capabilities;
    for (const auto& one : all) {
        const auto& its = one.settings.play.capabilities;
        common.speaks_v3_1_1 = common.speaks_v3_1_1 && its.speaks_v3_1_1;
        common.speaks_v5 = common.speaks_v5 && its.speaks_v5;
        common.maximum_qos = std::min(common.maximum_qos, its.maximum_qos);
        common.retain_available = common.retain_available && its.retain_available;
        common.wildcards_available = common.wildcards_available && its.wildcards_available;
        common.shared_subscriptions_available =
            common.shared_subscriptions_available && its.shared_subscriptions_available;
        common.subscription_identifiers_available =
            common.subscription_identifiers_available && its.subscription_identifiers_available;
        common.has_frames = common.has_frames && its.has_frames;
    }
    return common;
}

class Comparison {
public:
    Comparison(CommandSession& session, std::vector<Contestant>& all)
        : session_{session},
          all_{all} {}

    void play(const Script& script, std::uint64_t seed) {
        std::vector<std::pair<const Contestant*, std::vector<std::string>>> behaviours;
        for (auto& one : all_) {
            auto settings = with_less_patience(one.settings);
            const auto played = play_anew(*one.source, script, seed, settings);
            if (played.was_interrupted) return;
            if (!played.inconclusive.empty()) {
                ++one.inconclusive;
                continue;
            }
            ++one.judged;
            if (played.divergence.has_value()) {
                add_wrong(one, script, played, seed);
            } else {
                behaviours.emplace_back(&one, behaviour(played, played.token));
            }
        }
        for (std::size_t i = 1; i < behaviours.size(); ++i) {
            const auto difference =
                first_difference(behaviours.front().second, behaviours[i].second);
            if (difference.empty()) continue;
            const auto between = behaviours.front().first->name + " | " + behaviours[i].first->name;
            auto& choice = choices_[between + ": " + kind_of_difference(difference)];
            if (++choice.count > 1) continue;
            choice.seed = seed;
            choice.example = difference;
            choice.between = between;
        }
    }

    [[nodiscard]] bool has_wrong() const { return !wrong_.empty(); }

    [[nodiscard]] std::string markdown(std::size_t scripts) const {
        std::ostringstream text;
        text << "# " << scripts << " scripts on " << all_.size() << " brokers\n\n|";
        for (const auto& one : all_) text << ' ' << one.name << " |";
        text << "\n|";
        for (std::size_t i = 0; i < all_.size(); ++i) text << "---|";
        text << "\n|";
        for (const auto& one : all_) {
            text << ' ' << one.judged << " judged, " << one.wrong << " wrong, " << one.inconclusive
                 << " inconclusive |";
        }
        text << "\n\n## Somebody is wrong\n\n| statement | what |";
        for (const auto& one : all_) text << ' ' << one.name << " |";
        text << "\n|---|---|";
        for (std::size_t i = 0; i < all_.size(); ++i) text << "---|";
        text << "\n";
        for (const auto& wrong : wrong_) {
            text << "| " << wrong.divergence.statement << " | " << wrong.divergence.kind << " |";
            for (const auto& one : all_) {
                const auto count = wrong.counts.find(one.name);
                text << ' ' << (count == wrong.counts.end() ? "" : std::to_string(count->second))
                     << " |";
            }
            text << "\n";
        }
        text << "\nFigures are scripts; each smallest script is in `scripts/`.\n";
        for (const auto& wrong : wrong_) {
            for (const auto& [name, path] : wrong.scripts) {
                text << "- " << name << ": " << wrong.divergence.statement << ' '
                     << wrong.divergence.kind << ": `" << path << "`\n";
            }
        }
        text << "\n## The standard leaves it open\n\n"
                "| scripts | one | other | one sends | other sends | first seed |\n"
                "|---|---|---|---|---|---|\n";
        for (const auto& [kind, choice] : choices_) {
            auto sent = choice.example;
            sent.replace(sent.find(" | "), 3, "` | `");
            text << "| " << choice.count << " | " << choice.between << " | `" << sent << "` | "
                 << choice.seed << " |\n";
        }
        return text.str();
    }

private:
    void add_wrong(Contestant& one, const Script& script, const Played& played,
                   std::uint64_t seed) {
        const auto& divergence = *played.divergence;
        auto found = std::ranges::find_if(wrong_, [&](const Wrong& wrong) {
            return is_same_mistake(wrong.divergence, divergence);
        });
        const bool is_known = found != wrong_.end() && found->counts.contains(one.name);
        if (!is_known && one.settings.play.is_shared_broker) {
            // Believed when it is seen again, with all patience.
            for (int i = 0; i < repetitions; ++i) {
                const auto again = play_anew(*one.source, script, seed, one.settings);
                if (!again.divergence.has_value() ||
                    !is_same_mistake(*again.divergence, divergence)) {
                    ++one.inconclusive;
                    --one.judged;
                    return;
                }
            }
        }
        ++one.wrong;
        if (found == wrong_.end()) {
            wrong_.push_back({.divergence = divergence});
            found = std::prev(wrong_.end());
        }
        if (++found->counts[one.name] > 1) return;
        auto small =
            shrink(*one.source, script, divergence, seed, with_less_patience(one.settings));
        auto last = play_anew(*one.source, small, seed, one.settings);
        if (!last.divergence.has_value()) {
            small = script;
            last = played;
        }
        const auto id = one.name + "-seed-" + std::to_string(seed);
        const auto path = session_.write_script(id, small, to_text(*last.divergence));
        found->scripts[one.name] = path;
        const auto again = "touchstone conform replay " + shell_word(path) +
                           to_command_line(one.options, one.source->url());
        add_script_case(
            session_.run(),
            {.id = "compared/" + id, .title = last.divergence->kind, .reproduce = again}, last);
        std::printf("%s is wrong: %s\n%s", one.name.c_str(), to_text(*last.divergence).c_str(),
                    generated::to_text(small).c_str());
        std::printf("  again:    %s\n\n", again.c_str());
        std::fflush(stdout);
    }

    CommandSession& session_;
    std::vector<Contestant>& all_;
    std::vector<Wrong> wrong_{};
    std::map<std::string, Choice> choices_{};
};

ExitCode compare(CompareArguments& arguments) {
    const bool has_range = !arguments.seeds.empty();
    const auto [first, last] =
        has_range ? parse_seeds(arguments.seeds) : std::pair{std::uint64_t{1}, seeds_default};
    auto all = make_contestants(arguments);
    std::string options;
    for (const auto& broker : arguments.brokers) options += ' ' + shell_word(broker);
    if (has_range) options += " --seeds " + arguments.seeds;
    auto common = arguments.common;
    common.target = all.front().options;
    if (common.name.empty()) {
        for (const auto& one : all) common.name += (common.name.empty() ? "" : "-") + one.name;
    }
    CommandSession session{"compare", common, options, first};
    if (const auto failed = session.begin()) return *failed;
    session.run().set_reproduce("touchstone conform compare" + options);
    for (auto& one : all) {
        one.settings = session.settings();
        one.settings.plays_max = plays_max;
        const auto surveyed =
            survey(*one.source, first, session.settings().nonce, arguments.common.slow,
                   session.settings().play.is_interrupted, declared_limits(one.options));
        if (!surveyed.problem.empty()) {
            std::fprintf(stderr, "touchstone conform compare: %s: %s\n", one.name.c_str(),
                         surveyed.problem.c_str());
            return surveyed.is_reachable ? ExitCode::run_invalid : ExitCode::target_unreachable;
        }
        one.settings.play = surveyed.play;
    }
    const auto capabilities = common_capabilities(all);
    for (auto& one : all) one.settings.play.capabilities = capabilities;
    GenerateSettings generate_settings{
        .steps_max = arguments.steps_max, .wait_s_max = 0, .capabilities = capabilities};
    Comparison comparison{session, all};
    std::size_t scripts = 0;
    bool is_over = false;
    for (auto seed = first; seed <= last && !is_over; ++seed) {
        is_over = session.is_over();
        if (is_over) break;
        comparison.play(generate_script(seed, generate_settings), seed);
        ++scripts;
    }
    std::size_t judged = 0;
    for (const auto& one : all) {
        judged += one.judged;
        const auto line = one.name + ": " + std::to_string(one.judged) + " scripts judged, " +
                          std::to_string(one.wrong) + " wrong, " +
                          std::to_string(one.inconclusive) + " inconclusive";
        session.run().add_notes(line);
        std::printf("%s\n", line.c_str());
        if (one.wrong == 0 && one.judged > 0) {
            add_script_case(session.run(), {.id = "compared/" + one.name, .title = line}, {});
        }
    }
    const auto path = session.directory() / "compare.md";
    if (const auto problem = reports::write_file_atomically(path, comparison.markdown(scripts))) {
        std::fprintf(stderr, "touchstone conform compare: %s\n", problem->line.c_str());
        return session.finish(problem->exit_code);
    }
    std::printf("table: %s\n", path.string().c_str());
    if (CommandSession::is_interrupted()) return session.finish(ExitCode::interrupted);
    if (comparison.has_wrong()) return session.finish(ExitCode::expectation_failed);
    if (judged == 0) return session.finish(ExitCode::run_invalid);
    return session.finish(is_over ? ExitCode::time_budget_used_up : ExitCode::as_expected);
}

}  // namespace

int compare_command(int argument_count, char** arguments) {
    CompareArguments parsed;
    CLI::App app{"Plays the same packet scripts on several brokers, and says who is wrong.",
                 "touchstone conform compare"};
    app.footer(std::string{examples});
    add_common_options(app, parsed.common);
    app.add_option(
           "NAME=TARGET", parsed.brokers,
           "brokers; TARGET may be a file as for --broker; --target and --broker are not used")
        ->required();
    app.add_option("--seeds", parsed.seeds, "A or A..B (default 1..200)");
    app.add_option("--steps", parsed.steps_max, "most steps of a script")
        ->check(CLI::Range(1U, 10'000U))
        ->capture_default_str();
    return run_command(app, argument_count, arguments, [&] { return compare(parsed); });
}

}  // namespace touchstone::conformance::generated
