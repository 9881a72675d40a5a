// The search can find: it is run on the broken brokers of the suite's own tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include "conformance/generated/search.hpp"
#include "conformance/generated/small_limits.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance::generated {
namespace {

/// What a search for each mutant is given: about 2 s of CPU where it finds nothing.
constexpr std::uint64_t seeds_per_mutant = 3'000;

/// What no script can show, and why.
const std::set<std::string> out_of_reach{
    // Clients have no User Name, and are impatient.
    "password_needs_user_name", "any_password", "forbidden_publish_ignored",
    "forbidden_filter_left_out", "refused_identifier_remembered", "connect_awaited_for_ever",
    // They acknowledge what they got, with the packet that belongs to it.
    "ack_type_confusion", "quota_inc_on_unknown_ack",
    // Handshakes are the transport's, and of enhanced authentication.
    "mqtt_always_selected", "first_offered_selected", "nothing_selected",
    "authentication_data_ignored", "auth_with_code_0", "connack_without_method",
    "auth_with_any_method", "auth_with_any_code", "any_proof", "serves_before_authentication",
    "auth_too_large", "auth_with_long_user_property", "any_proof_again",
    // The standard leaves it open, or asks with a SHOULD.
    "disconnect_without_code", "recvmax_overrun_unchecked", "unsuback_always_success",
    // The model allows a broker what it adds to a PUBLISH, and no refusal is that long.
    "too_large_goes_to_nobody", "connack_with_long_reason", "connack_with_long_user_property"};

/// Of what a script can show, so many seeds may miss some: a change of the broker or of the
/// generator gives other scripts to each seed. (Now: pid_no_in_use_check, share_ack_on_write.)
constexpr std::size_t unlucky_max = 5;

struct Found {
    std::uint64_t seed = 0;
    Divergence divergence{};
    Script script{};
};

SearchSettings settings_of(const Mutant& mutant) {
    // Most hide behind the CONNACK of the reference broker.
    const bool shows_itself = mutant.announces_limits || mutant.frames.has_value();
    SimOptions sound;
    set_small_limits(sound.settings);
    const auto source = shows_itself ? make_mutant_source(mutant) : make_sim_source(sound);
    return {.play = survey(*source, 1, 0, 1.0, nullptr).play};
}

std::optional<Found> search(Mutant mutant) {
    // As on the target `sim`.
    set_small_limits(mutant.options.settings);
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
        const auto found = out_of_reach.contains(mutant.name) ? std::nullopt : search(mutant);
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
    EXPECT_LE(survivors.size(), out_of_reach.size() + unlucky_max);
}

}  // namespace
}  // namespace touchstone::conformance::generated
