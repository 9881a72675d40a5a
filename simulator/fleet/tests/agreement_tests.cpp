// That the tiers agree, and that it is seen where they do not.
#include "simulator/fleet/agreement.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "simulator/fleet/description.hpp"
#include "simulator/fleet/tests/fleet_models.hpp"
#include "simulator/fleet/tiers.hpp"

namespace touchstone::simulator::fleet {
namespace {

std::vector<TierOutcome> run_in(FleetModel model, std::initializer_list<Tier> tiers) {
    std::vector<TierOutcome> runs;
    for (const auto tier : tiers) {
        model.tier = tier;
        EXPECT_EQ(what_its_tier_cannot(model), std::nullopt);
        runs.push_back({tier, run_tier(model)});
    }
    return runs;
}

std::string differences(const TierComparison& comparison) {
    std::string text;
    for (const auto& row : comparison.rows) {
        for (const auto& value : row.values) {
            if (value.judgement != Compared::Judgement::differs) continue;
            text += row.what + ": " + std::to_string(row.values.front().value.value_or(-1)) +
                    " and " + std::to_string(value.value.value_or(-1)) + "\n";
        }
    }
    return text;
}

TEST(Agreement, tiers_agree_on_ten_thousand_devices) {
    const auto loaded = load_fleet("scenarios/million/agreement-10k.fleet");
    ASSERT_TRUE(loaded.problems.empty()) << loaded.problems.front();
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        auto model = loaded.runs.front().model;
        model.seed = seed;
        const auto comparison = compare_tiers(run_in(model, {Tier::t0, Tier::t2, Tier::t3}));
        EXPECT_TRUE(comparison.holds()) << "seed " << seed << "\n" << differences(comparison);
        EXPECT_GE(comparison.rows.size(), 20U);
    }
}

TEST(Agreement, what_differs_is_seen) {
    auto model = fleet_of({idle(1'000)}, 300 * s);
    auto runs = run_in(model, {Tier::t0, Tier::t2});
    EXPECT_TRUE(compare_tiers(runs).holds()) << differences(compare_tiers(runs));
    const auto counted = runs[1];
    runs[1].outcome.classes[0].pings += 100;
    EXPECT_FALSE(compare_tiers(runs).holds());
    runs[1] = counted;
    model.tier = Tier::t2;
    model.classes[0].link.latency_min = 7 * ms;
    runs[1].outcome = run_tier(model);
    const auto slower = differences(compare_tiers(runs));
    EXPECT_NE(slower.find("ping p50"), std::string::npos) << slower;
}

TEST(Agreement, a_quantile_that_a_sample_cannot_support_is_not_compared) {
    const auto runs = run_in(fleet_of({idle(20)}, 50 * s), {Tier::t2, Tier::t3});
    const auto comparison = compare_tiers(runs);
    EXPECT_TRUE(comparison.holds());
    EXPECT_EQ(std::ranges::find(comparison.rows, "connect p99", &Compared::what),
              comparison.rows.end());
}

}  // namespace
}  // namespace touchstone::simulator::fleet
