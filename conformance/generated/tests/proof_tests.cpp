// The search can find: it is run on the broken brokers of the suite's own tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include "conformance/generated/search.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/tests/mutants.hpp"

namespace touchstone::conformance::generated {
namespace {

/// What a search for each mutant is given: about 2 s of CPU where it finds nothing.
constexpr std::uint64_t seeds_per_mutant = 3'000;

struct Found {
    std::uint64_t seed = 0;
    Divergence divergence{};
    Script script{};
};

SearchSettings settings_of(const Mutant& mutant) {
    // Most hide behind the CONNACK of the reference broker.
    const bool shows_itself = mutant.announces_limits || mutant.frames.has_value();
    const auto source = shows_itself ? make_mutant_source(mutant) : make_sim_source({});
    return {.play = survey(*source, 1, 0, 1.0, nullptr).play};
}

std::optional<Found> search(const Mutant& mutant) {
    const auto settings = settings_of(mutant);
    const auto source = make_mutant_source(mutant);
    const GenerateSettings generate{.capabilities = settings.play.capabilities};
    for (std::uint64_t seed = 1; seed <= seeds_per_mutant; ++seed) {
        const auto script = generate_script(seed, generate);
        const auto played = play_anew(*source, script, seed, settings);
        if (!played.divergence.has_value()) continue;
        return Found{seed, *played.divergence,
                     shrink(*source, script, *played.divergence, seed, settings)};
    }
    return std::nullopt;
}

TEST(Proof, most_broken_brokers_are_found_and_what_finds_them_is_short) {
    std::vector<std::size_t> sizes;
    std::vector<std::string> survivors;
    for (const auto& mutant : all_mutants()) {
        const auto found = search(mutant);
        if (!found.has_value()) {
            survivors.push_back(mutant.name);
            continue;
        }
        sizes.push_back(packet_lines(found->script));
        std::printf("%-44s seed %4llu, %2zu packets, %s %s\n", mutant.name.c_str(),
                    static_cast<unsigned long long>(found->seed), sizes.back(),
                    found->divergence.statement.c_str(), found->divergence.kind.c_str());
    }
    for (const auto& name : survivors) std::printf("%-44s not found\n", name.c_str());
    ASSERT_FALSE(sizes.empty());
    std::ranges::sort(sizes);
    const auto median = sizes[sizes.size() / 2];
    std::printf("found %zu of %zu, packets: median %zu, at most %zu\n", sizes.size(),
                sizes.size() + survivors.size(), median, sizes.back());
    EXPECT_LE(median, 10U);
}

}  // namespace
}  // namespace touchstone::conformance::generated
