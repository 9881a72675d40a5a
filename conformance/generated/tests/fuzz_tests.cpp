// What watches a broker under attack says nothing about one that is right, and speaks up when
// something goes wrong.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "conformance/generated/fuzz.hpp"
#include "conformance/generated/search.hpp"
#include "conformance/targets/sim.hpp"
#include "conformance/tests/mutants/mutant.hpp"

namespace touchstone::conformance::generated {
namespace {

constexpr std::uint64_t attack_count = 300;

Attack attack_of(std::uint64_t seed, const PlaySettings& settings) {
    return make_attack(seed, settings.token, true, true);
}

/// The first thing that is found.
std::optional<Divergence> besiege(Target& target, const PlaySettings& settings) {
    Siege siege{target, settings};
    if (const auto problem = siege.begin(); !problem.empty())
        return Divergence{"", "begin", problem};
    for (std::uint64_t seed = 1; seed <= attack_count; ++seed) {
        const auto attacked = siege.run(attack_of(seed, settings));
        if (attacked.divergence.has_value()) return attacked.divergence;
    }
    return std::nullopt;
}

std::optional<Divergence> besiege_mutant(const std::string& name) {
    const auto& mutant = *std::ranges::find(all_mutants(), name, &Mutant::name);
    const auto sound = make_sim_source({});
    const auto settings = survey(*sound, 1, 0, 1.0, nullptr).play;
    const auto target = make_mutant_source(mutant)->make(1);
    return besiege(*target, settings);
}

/// A broker that ends after so many connections.
class Mortal final : public Target {
public:
    Mortal(std::unique_ptr<Target> target, int connections)
        : target_{std::move(target)},
          left_{connections} {}
    std::unique_ptr<Connection> open(std::string& problem) override {
        problem = "refused";
        return left_-- > 0 ? target_->open(problem) : nullptr;
    }
    Instant now() override { return target_->now(); }
    void pass_time_until(Instant instant) override { target_->pass_time_until(instant); }

private:
    std::unique_ptr<Target> target_;
    int left_;
};

TEST(Fuzz, has_the_same_attack_for_the_same_seed) {
    const PlaySettings settings;
    EXPECT_EQ(attack_of(5, settings).packets, attack_of(5, settings).packets);
    EXPECT_NE(attack_of(5, settings).packets, attack_of(6, settings).packets);
}

TEST(Fuzz, finds_nothing_about_the_reference_broker) {
    const auto source = make_sim_source({});
    const auto settings = survey(*source, 1, 0, 1.0, nullptr).play;
    const auto target = source->make(1);
    const auto found = besiege(*target, settings);
    EXPECT_FALSE(found.has_value()) << found->kind << ": " << found->text;
}

TEST(Fuzz, notices_a_broker_that_is_gone) {
    const auto source = make_sim_source({});
    const auto settings = survey(*source, 1, 0, 1.0, nullptr).play;
    Mortal target{source->make(1), 40};
    const auto found = besiege(target, settings);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->kind, "broker gone");
}

TEST(Fuzz, notices_clients_who_get_what_is_not_for_them) {
    const auto found = besiege_mutant("everything_to_everybody");
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->kind, "isolation broken");
}

TEST(Fuzz, notices_what_is_ill_formed) {
    const auto passed_on = besiege_mutant("topic_with_wildcard_delivered");
    ASSERT_TRUE(passed_on.has_value());
    EXPECT_EQ(passed_on->statement, "v5/MQTT-3.3.2-2");
    const auto answered = besiege_mutant("PUBREC_flags");
    ASSERT_TRUE(answered.has_value());
    EXPECT_EQ(answered->kind, "ill-formed answer");
}

TEST(Fuzz, reads_the_memory_of_a_process) {
    EXPECT_GT(resident_bytes(static_cast<unsigned>(getpid())).value_or(0), 1'000'000U);
    EXPECT_FALSE(resident_bytes(0).has_value());
}

}  // namespace
}  // namespace touchstone::conformance::generated
