#include "conformance/generated/search.hpp"

#include <algorithm>
#include <utility>

#include "conformance/suite/runner.hpp"

namespace touchstone::conformance::generated {

namespace {

/// Ten letters and digits that no other script has.
std::string make_token(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::string word = "g";
    for (int i = 0; i < 9; ++i) {
        word += digits[value % digits.size()];
        value /= digits.size();
    }
    return word;
}

class Shrinker {
public:
    Shrinker(TargetSource& source, const Divergence& divergence, std::uint64_t seed,
             const SearchSettings& settings)
        : source_{source},
          divergence_{divergence},
          seed_{seed},
          settings_{settings} {}

    Script shrink(Script script) {
        // What did not apply, and what came after the divergence, changes nothing.
        if (auto tidy = tidied(script); tidy.size() < script.size() && fails(tidy)) {
            script = std::move(tidy);
        }
        for (;;) {
            const auto before = script;
            drop_steps(script);
            drop_words(script);
            simplify_filters(script);
            merge_clients(script);
            if (script == before || is_over()) return script;
        }
    }

private:
    [[nodiscard]] bool is_over() const {
        return plays_ >= settings_.plays_max ||
               (settings_.deadline.has_value() &&
                std::chrono::steady_clock::now() >= *settings_.deadline) ||
               (settings_.play.is_interrupted != nullptr && *settings_.play.is_interrupted);
    }

    bool fails(const Script& script) {
        if (is_over()) return false;
        ++plays_;
        const auto played = play_anew(source_, script, seed_, settings_);
        return played.divergence.has_value() && is_same_mistake(*played.divergence, divergence_);
    }

    Script tidied(const Script& script) {
        ++plays_;
        const auto played = play_anew(source_, script, seed_, settings_);
        Script tidy;
        for (std::size_t i = 0; i < played.has_applied.size(); ++i) {
            if (played.has_applied[i]) tidy.push_back(script[i]);
        }
        return tidy;
    }

    bool try_instead(Script& script, const Script& candidate) {
        if (candidate.empty() || candidate == script || !fails(candidate)) return false;
        script = candidate;
        return true;
    }

    void drop_steps(Script& script) {
        for (auto size = std::max<std::size_t>(script.size() / 2, 1); size > 0; size /= 2) {
            for (std::size_t at = script.size(); at > 0;) {
                at -= std::min(at, size);
                if (at >= script.size()) continue;
                auto candidate = script;
                const auto first = candidate.begin() + static_cast<std::ptrdiff_t>(at);
                const auto count = std::min(size, candidate.size() - at);
                candidate.erase(first, first + static_cast<std::ptrdiff_t>(count));
                try_instead(script, candidate);
            }
        }
    }

    void drop_words(Script& script) {
        for (std::size_t i = 0; i < script.size(); ++i) {
            for (std::size_t k = script[i].words.size(); k > 0; --k) {
                auto candidate = script;
                auto& words = candidate[i].words;
                words.erase(words.begin() + static_cast<std::ptrdiff_t>(k) - 1);
                // A verb keeps what it needs: the text has to stay a script.
                std::string problem;
                if (!parse_script(to_text(candidate[i]), problem).has_value()) continue;
                try_instead(script, candidate);
            }
        }
    }

    void simplify_filters(Script& script) {
        for (std::size_t i = 0; i < script.size(); ++i) {
            for (std::size_t k = 0; k < script[i].words.size(); ++k) {
                const auto word = script[i].words[k];
                if (word.key != "filter") continue;
                const auto full = parse_filter_word(word.value);
                const FilterWord simpler[]{
                    {.filter = full.filter},
                    {.filter = full.filter, .qos = full.qos},
                    {.filter = full.filter, .qos = full.qos, .no_local = full.no_local},
                    {.filter = full.filter,
                     .qos = full.qos,
                     .retain_as_published = full.retain_as_published},
                    {.filter = full.filter,
                     .qos = full.qos,
                     .retain_handling = full.retain_handling}};
                for (const auto& one : simpler) {
                    auto candidate = script;
                    candidate[i].words[k].value = to_text(one);
                    if (try_instead(script, candidate)) break;
                }
            }
        }
    }

    /// A client that another one can stand for is one too many.
    void merge_clients(Script& script) {
        for (const char from : {'d', 'c', 'b'}) {
            const bool is_used = std::ranges::any_of(script, [from](const Step& step) {
                return step.verb != Verb::wait && step.client == from;
            });
            for (char to = 'a'; is_used && to < from; ++to) {
                auto candidate = script;
                for (auto& step : candidate) {
                    if (step.client == from) step.client = to;
                    for (auto& word : step.words) {
                        if (word.key == "id" && word.value == std::string{from}) {
                            word.value = std::string{to};
                        }
                    }
                }
                if (try_instead(script, candidate)) break;
            }
        }
    }

    TargetSource& source_;
    const Divergence& divergence_;
    std::uint64_t seed_;
    const SearchSettings& settings_;
    std::size_t plays_ = 0;
};

}  // namespace

bool is_same_mistake(const Divergence& one, const Divergence& other) {
    return one.kind == other.kind && one.statement == other.statement;
}

std::size_t packet_lines(const Script& script) {
    return static_cast<std::size_t>(std::ranges::count_if(script, [](const Step& step) {
        return step.verb != Verb::wait && step.verb != Verb::cut;
    }));
}

SearchSettings with_less_patience(const SearchSettings& settings) {
    constexpr double part = 0.1;
    auto less = settings;
    // In virtual time patience costs nothing, and what comes late comes late.
    if (less.play.is_shared_broker) less.play.patience = part;
    return less;
}

Played play_anew(TargetSource& source, const Script& script, std::uint64_t seed,
                 const SearchSettings& settings) {
    auto play_settings = settings.play;
    // In virtual time every script has a world of its own; a real broker remembers.
    static std::atomic<std::uint64_t> plays{0};
    const auto number = play_settings.is_shared_broker ? ++plays : 0;
    play_settings.token = make_token(mix(mix(seed, "token", settings.nonce), "play", number));
    const auto target = source.make(mix(seed, "world", 0));
    return play(*target, script, play_settings);
}

Script shrink(TargetSource& source, const Script& script, const Divergence& divergence,
              std::uint64_t seed, const SearchSettings& settings) {
    return Shrinker{source, divergence, seed, settings}.shrink(script);
}

Surveyed survey(TargetSource& source, std::uint64_t seed, std::uint64_t nonce, double slow,
                const std::atomic<bool>* is_interrupted, const Capabilities& declared) {
    RunSettings run;
    run.declared = declared;
    run.seed = seed;
    run.nonce = nonce;
    run.slow = slow;
    run.is_interrupted = is_interrupted;
    const auto found = probe(source, run);
    Surveyed surveyed;
    surveyed.problem = found.problem;
    surveyed.is_reachable = found.is_reachable;
    surveyed.play.tolerances = found.surroundings.tolerances;
    surveyed.play.capabilities = found.surroundings.capabilities;
    surveyed.play.credentials = found.surroundings.declaration.credentials;
    surveyed.play.is_of_one_part = source.has_virtual_time();
    surveyed.play.is_shared_broker = found.surroundings.is_shared_broker;
    surveyed.play.is_interrupted = is_interrupted;
    return surveyed;
}

}  // namespace touchstone::conformance::generated
