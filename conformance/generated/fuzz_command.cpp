// `touchstone conform fuzz`: runs attacks until the seeds or the time are used up.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>

#include "conformance/generated/commands.hpp"
#include "conformance/generated/fuzz.hpp"
#include "conformance/generated/report.hpp"
#include "conformance/generated/session.hpp"
#include "conformance/suite/runner.hpp"
#include "reports/result_directory.hpp"

namespace touchstone::conformance::generated {

namespace {

constexpr std::uint64_t seeds_default = 2'000;
/// In virtual time so many attacks share a world; a real broker is one for all.
constexpr std::uint64_t attacks_per_world = 50;
constexpr std::uint64_t blocks_max = 100;
constexpr std::size_t findings_max = 20;
/// Memory is compared with what it was after so many attacks: first use is no leak.
constexpr std::uint64_t warm_up_attacks = 500;
constexpr std::uint64_t mebibyte = 1'048'576;

constexpr std::string_view examples = R"(
Examples:
  touchstone conform fuzz --target sim --seeds 1..20000
  touchstone conform fuzz --target mqtt://127.0.0.1:1883 --time-budget 60 --pid 4711
      for a minute; the memory of the process has to stay within 64 MiB of what it was
  touchstone conform fuzz --target mqtt://127.0.0.1:1883 --seeds 4711
      one attack again

Watched are: that a newcomer is served after each attack, that clients who do nothing wrong are not disturbed, that
what the broker sends is well formed, and with --pid its memory.
Exit code: 0 nothing found, 1 something was, 2 bad arguments, 3 broker unreachable, 6 nothing could be judged,
  7 time budget used up before all of --seeds, 130 interrupted
)";

struct FuzzArguments {
    CommonArguments common{};
    std::string seeds{};
    std::optional<unsigned> process_id{};
    std::uint64_t growth_max_mib = 64;
};

std::string to_text(const Attack& attack) {
    std::string text = "# " + attack.story + "\n";
    text += "# pieces of " + std::to_string(attack.piece_bytes) + " bytes (0: whole), then " +
            (attack.ending == Ending::abort ? "a reset\n" : "a close\n");
    constexpr std::size_t bytes_max = 100'000;
    for (const auto& packet : attack.packets) text += to_hex(packet, bytes_max) + "\n";
    return text;
}

/// The record of an attack, as a case of the report.
Played to_played(const Attack& attack, const std::optional<Divergence>& divergence) {
    Played played;
    played.divergence = divergence;
    played.outcome.actors = {"attacker", "broker"};
    for (const auto& packet : attack.packets) {
        constexpr std::size_t recorded_bytes_max = 4'096;
        auto bytes = packet;
        bytes.resize(std::min(bytes.size(), recorded_bytes_max));
        auto text = describe(decode(packet, attack.version, Sender::client));
        played.outcome.trace.push_back({.kind = TraceStep::Kind::packet,
                                        .from = "attacker",
                                        .to = "broker",
                                        .bytes = std::move(bytes),
                                        .text = std::move(text)});
    }
    if (divergence.has_value()) {
        played.outcome.trace.push_back({.kind = TraceStep::Kind::noted,
                                        .from = "broker",
                                        .text = divergence->text,
                                        .deviates = true});
    }
    return played;
}

class Fuzzer {
public:
    Fuzzer(CommandSession& session, const FuzzArguments& arguments, std::uint64_t seed_count)
        : session_{session},
          arguments_{arguments},
          play_{session.settings().play},
          block_size_{std::max<std::uint64_t>(1, seed_count / blocks_max)} {}

    /// Attacks with `seed`. False when nothing more can be done.
    bool attack(std::uint64_t seed) {
        if (!is_begun_ && !begin_world(seed)) return false;
        const auto attack =
            make_attack(mix(seed, "attack", 0), play_.token, play_.capabilities.speaks_v3_1_1,
                        play_.capabilities.speaks_v5);
        const auto attacked = siege_->run(attack);
        if (attacked.was_interrupted) return false;
        ++attacks_;
        packets_ += attack.packets.size();
        answers_ += attacked.packets_received;
        slowest_ = std::max(slowest_, attacked.round_trip);
        if (attacks_ == warm_up_attacks) resident_before_ = resident();
        if (!attacked.divergence.has_value()) {
            pass(seed);
        } else {
            add_finding(seed, attack, *attacked.divergence);
            if (attacked.is_gone && play_.is_shared_broker) {
                is_gone_ = true;
                return false;
            }
            // The witnesses may be gone: others take their place.
            is_begun_ = false;
        }
        if (!play_.is_shared_broker && attacks_ % attacks_per_world == 0) is_begun_ = false;
        return true;
    }

    void finish() {
        flush();
        if (siege_ != nullptr && play_.is_shared_broker && !is_gone_) siege_->clean_up();
        siege_.reset();
        judge_memory();
        auto& run = session_.run();
        for (const auto& [kind, count] : counts_) {
            run.add_notes(kind + ": " + std::to_string(count) + " attacks");
        }
        const auto slowest_ms = slowest_.count() / 1'000;
        const auto line = std::to_string(attacks_) + " attacks, " + std::to_string(packets_) +
                          " packets, " + std::to_string(answers_) +
                          " answers; slowest round trip of the witnesses " +
                          std::to_string(slowest_ms) + " ms";
        run.add_notes(line);
        std::printf("%s\n", line.c_str());
    }

    [[nodiscard]] bool has_findings() const { return !counts_.empty(); }
    [[nodiscard]] bool is_gone() const { return is_gone_; }
    [[nodiscard]] std::uint64_t attacks() const { return attacks_; }
    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    bool begin_world(std::uint64_t seed) {
        siege_.reset();
        target_ = session_.source().make(mix(seed, "world", 0));
        play_.token =
            "g" + std::to_string(mix(seed, "token", session_.settings().nonce) % 1'000'000'000);
        siege_ = std::make_unique<Siege>(*target_, play_);
        problem_ = siege_->begin();
        is_begun_ = problem_.empty();
        return is_begun_;
    }

    void pass(std::uint64_t seed) {
        if (block_count_ == 0) block_first_ = seed;
        block_last_ = seed;
        if (++block_count_ >= block_size_) flush();
    }

    void flush() {
        if (block_count_ == 0) return;
        add_script_case(session_.run(),
                        {.id = "fuzz/seeds-" + std::to_string(block_first_) + ".." +
                               std::to_string(block_last_),
                         .title = std::to_string(block_count_) + " attacks"},
                        {});
        block_count_ = 0;
    }

    void add_finding(std::uint64_t seed, const Attack& attack, const Divergence& divergence) {
        const auto kind = divergence.statement + ' ' + divergence.kind;
        if (++counts_[kind] > 1 || counts_.size() > findings_max) return;
        const auto id = "seed-" + std::to_string(seed);
        const auto path = session_.directory() / "attacks" / (id + ".hex");
        std::error_code error;
        std::filesystem::create_directories(path.parent_path(), error);
        if (const auto problem = reports::write_file_atomically(path, to_text(attack))) {
            std::fprintf(stderr, "touchstone conform fuzz: %s\n", problem->line.c_str());
        }
        const auto again = session_.again_command("--seeds " + std::to_string(seed));
        auto played = to_played(attack, divergence);
        add_script_case(session_.run(),
                        {.id = "fuzz/" + id, .title = divergence.kind, .reproduce = again}, played);
        std::printf("FAIL fuzz/%s: %s\n  seen:     %s\n%s  bytes:    %s\n  again:    %s\n\n",
                    id.c_str(), attack.story.c_str(), generated::to_text(divergence).c_str(),
                    ladder_text(played, 12).c_str(), path.string().c_str(), again.c_str());
        std::fflush(stdout);
    }

    std::optional<std::uint64_t> resident() const {
        return arguments_.process_id.has_value() ? resident_bytes(*arguments_.process_id)
                                                 : std::nullopt;
    }

    void judge_memory() {
        if (!arguments_.process_id.has_value() || is_gone_) return;
        const auto after = resident();
        Played played;
        if (!after.has_value() || !resident_before_.has_value()) {
            played.inconclusive =
                after.has_value() ? "fewer than " + std::to_string(warm_up_attacks) + " attacks"
                                  : "the memory of process " +
                                        std::to_string(*arguments_.process_id) + " cannot be read";
        } else {
            const auto text = "resident memory " + std::to_string(*resident_before_ / mebibyte) +
                              " MiB after " + std::to_string(warm_up_attacks) + " attacks, " +
                              std::to_string(*after / mebibyte) + " MiB after " +
                              std::to_string(attacks_);
            session_.run().add_notes(text);
            std::printf("%s\n", text.c_str());
            if (*after > *resident_before_ + arguments_.growth_max_mib * mebibyte) {
                played.divergence = Divergence{"", "memory grows", text};
                ++counts_["memory grows"];
            }
        }
        add_script_case(session_.run(), {.id = "fuzz/memory", .title = "memory stays"}, played);
    }

    CommandSession& session_;
    const FuzzArguments& arguments_;
    PlaySettings play_;
    std::unique_ptr<Target> target_{};
    std::unique_ptr<Siege> siege_{};
    bool is_begun_ = false;
    bool is_gone_ = false;
    std::string problem_{};
    std::uint64_t attacks_ = 0;
    std::uint64_t packets_ = 0;
    std::uint64_t answers_ = 0;
    Duration slowest_{0};
    std::optional<std::uint64_t> resident_before_{};
    std::map<std::string, std::uint64_t> counts_{};
    std::uint64_t block_size_;
    std::uint64_t block_count_ = 0;
    std::uint64_t block_first_ = 0;
    std::uint64_t block_last_ = 0;
};

ExitCode fuzz(const FuzzArguments& arguments) {
    const bool has_range = !arguments.seeds.empty();
    const bool is_timed = arguments.common.time_budget_s.has_value();
    const auto [first, last] =
        has_range ? parse_seeds(arguments.seeds)
                  : std::pair{std::uint64_t{1}, is_timed ? ~std::uint64_t{0} - 1 : seeds_default};
    if (arguments.process_id.has_value() && !resident_bytes(*arguments.process_id).has_value()) {
        throw Refusal{"--pid " + std::to_string(*arguments.process_id) +
                      ": no process of this machine whose memory can be read"};
    }
    std::string options;
    if (has_range) options += " --seeds " + arguments.seeds;
    if (is_timed) options += " --time-budget " + std::to_string(*arguments.common.time_budget_s);
    CommandSession session{"fuzz", arguments.common, options, first};
    if (const auto failed = session.begin()) return *failed;
    Fuzzer fuzzer{session, arguments, last - first + 1};
    bool is_over = false;
    for (auto seed = first; seed <= last; ++seed) {
        if (session.is_over()) {
            is_over = has_range;
            break;
        }
        if (!fuzzer.attack(seed)) break;
    }
    fuzzer.finish();
    if (!fuzzer.problem().empty()) {
        std::fprintf(stderr, "touchstone conform fuzz: the witnesses cannot begin: %s\n",
                     fuzzer.problem().c_str());
    }
    if (CommandSession::is_interrupted()) return session.finish(ExitCode::interrupted);
    if (fuzzer.has_findings()) return session.finish(ExitCode::expectation_failed);
    if (fuzzer.attacks() == 0) return session.finish(ExitCode::run_invalid);
    return session.finish(is_over ? ExitCode::time_budget_used_up : ExitCode::as_expected);
}

}  // namespace

int fuzz_command(int argument_count, char** arguments) {
    FuzzArguments parsed;
    CLI::App app{"Sends what is nearly right, and watches whether the broker and its clients mind.",
                 "touchstone conform fuzz"};
    app.footer(std::string{examples});
    add_common_options(app, parsed.common);
    app.add_option("--seeds", parsed.seeds,
                   "A or A..B (default 1..2000; with --time-budget 1 and on)");
    app.add_option("--pid", parsed.process_id, "the broker's process on this machine");
    app.add_option("--memory-growth-max", parsed.growth_max_mib,
                   "MiB that the process may grow by, with --pid")
        ->capture_default_str();
    return run_command(app, argument_count, arguments, [&] { return fuzz(parsed); });
}

}  // namespace touchstone::conformance::generated
