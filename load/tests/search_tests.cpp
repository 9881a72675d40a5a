#include "load/search.hpp"

#include <gtest/gtest.h>

namespace touchstone::load {
namespace {

/// A target that holds up to `limit`, measured by a generator that can do `generator_limit`.
SearchResult search(double limit, const SearchOptions& options = {}, double generator_limit = 1e12,
                    int* steps = nullptr) {
    return find_highest_rate(options, [&](double rate, unsigned attempt) -> std::optional<Step> {
        if (steps != nullptr) ++*steps;
        return Step{.rate = rate,
                    .attempt = attempt,
                    .holds = rate <= limit && rate <= generator_limit,
                    .is_valid = rate <= generator_limit};
    });
}

TEST(Search, finds_the_limit_to_its_precision) {
    for (const double limit : {40.0, 999.0, 1'000.0, 17'500.0, 1'234'567.0}) {
        const auto found = search(limit);
        ASSERT_TRUE(found.limit) << limit;
        EXPECT_LE(*found.limit, limit);
        EXPECT_GT(*found.limit * 1.06, limit);
        EXPECT_GT(*found.lowest_failed, limit);
        EXPECT_FALSE(found.was_generator_limit);
        EXPECT_FALSE(found.was_cut_short);
    }
}

TEST(Search, finds_nothing_where_nothing_holds) {
    const auto found = search(0.1);
    EXPECT_FALSE(found.limit);
    EXPECT_FALSE(found.was_cut_short);
}

TEST(Search, goes_no_higher_than_it_is_told) {
    const auto found = search(1e9, {.first_rate = 1'000, .rate_max = 3'000});
    EXPECT_EQ(found.limit, 3'000);
    EXPECT_FALSE(found.lowest_failed);
}

TEST(Search, says_when_the_generator_could_do_no_more) {
    const auto found = search(1e6, {}, 50'000);
    ASSERT_TRUE(found.limit);
    EXPECT_LE(*found.limit, 50'000);
    EXPECT_TRUE(found.was_generator_limit);
}

TEST(Search, measures_again_before_it_believes_a_failure) {
    // Each first measurement of a rate goes wrong by chance.
    const auto found = find_highest_rate({}, [](double rate, unsigned attempt) {
        return std::optional{
            Step{.rate = rate, .attempt = attempt, .holds = attempt > 1 && rate <= 5'000}};
    });
    ASSERT_TRUE(found.limit);
    EXPECT_NEAR(*found.limit, 5'000, 300);
}

TEST(Search, does_not_believe_a_rate_that_held_once) {
    const auto found = find_highest_rate({}, [](double rate, unsigned attempt) {
        return std::optional{
            Step{.rate = rate, .attempt = attempt, .holds = rate <= 5'000 || attempt == 1}};
    });
    ASSERT_TRUE(found.limit);
    EXPECT_LE(*found.limit, 5'000);
}

TEST(Search, ends_when_it_is_interrupted_or_has_used_its_steps_up) {
    EXPECT_TRUE(find_highest_rate({}, [](double, unsigned) {
                    return std::optional<Step>{};
                }).was_cut_short);
    int steps = 0;
    EXPECT_TRUE(search(1e8, {.steps_max = 5}, 1e12, &steps).was_cut_short);
    EXPECT_EQ(steps, 5);
}

}  // namespace
}  // namespace touchstone::load
