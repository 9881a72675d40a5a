// Random search for one published defect: generated scripts and hostile input in turn, on the
// reference broker in virtual time with the switch on, until something speaks up. The part of
// `ci/hunt` that speaks MQTT packet by packet; the other part is `touchstone simulate`.
//
// usage: touchstone_hunt DEFECT FIRST_SEED LAST_SEED
// One line: `found seed=N by=script|attack …`, or `not found`. Exit code: 0, 1; 2 for bad arguments.
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/defects.hpp"
#include "conformance/generated/fuzz.hpp"
#include "conformance/generated/search.hpp"
#include "conformance/generated/small_limits.hpp"
#include "conformance/targets/sim.hpp"

namespace touchstone::conformance::generated {
namespace {

struct Prey {
    SearchSettings settings{};
    std::unique_ptr<TargetSource> source{};
};

std::optional<std::string> search_script(const Prey& prey, std::uint64_t seed) {
    const auto script =
        generate_script(seed, {.capabilities = prey.settings.play.capabilities});
    const auto played = play_anew(*prey.source, script, seed, prey.settings);
    if (!played.divergence) return std::nullopt;
    return "by=script: " + played.divergence->text;
}

/// So many attacks one behind the other on one broker: what leaks shows in none alone.
constexpr std::uint64_t attacks_per_siege = 20;

std::optional<std::string> search_attack(const Prey& prey, std::uint64_t seed) {
    const auto target = prey.source->make(seed);
    Siege siege{*target, prey.settings.play};
    if (const auto problem = siege.begin(); !problem.empty()) return "by=attack: " + problem;
    for (std::uint64_t i = 0; i < attacks_per_siege; ++i) {
        const auto attacked = siege.run(make_attack(seed * attacks_per_siege + i,
                                                    prey.settings.play.token, true, true));
        if (!attacked.divergence) continue;
        return "by=attack: " + attacked.divergence->text;
    }
    return std::nullopt;
}

int hunt(Defects defects, std::uint64_t first, std::uint64_t last) {
    SimOptions sound;
    set_small_limits(sound.settings);
    // What is asked of a broker is what the right one announces.
    const Prey prey{
        .settings = {.play = survey(*make_sim_source(sound), 1, 0, 1.0, nullptr).play},
        .source = make_sim_source({.settings = sound.settings, .defects = defects})};
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        for (const auto& search : {search_script, search_attack}) {
            const auto found = search(prey, seed);
            if (!found) continue;
            std::printf("found seed=%llu %s\n", static_cast<unsigned long long>(seed),
                        found->c_str());
            return 0;
        }
    }
    std::puts("not found");
    return 1;
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}

}  // namespace
}  // namespace touchstone::conformance::generated

int main(int argument_count, char** arguments) {
    using namespace touchstone;
    using conformance::generated::number;
    Defects defects;
    const bool is_named = argument_count == 4 && turn_on(defects, arguments[1]);
    const auto first = is_named ? number(arguments[2]) : std::nullopt;
    const auto last = is_named ? number(arguments[3]) : std::nullopt;
    if (!first || !last || *first > *last) {
        std::fputs("usage: touchstone_hunt DEFECT FIRST_SEED LAST_SEED\n", stderr);
        return 2;
    }
    return conformance::generated::hunt(defects, *first, *last);
}
