#include "simulator/fleet/bucket_list.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <queue>
#include <tuple>

#include "simulator/random.hpp"

namespace touchstone::simulator::fleet {
namespace {

constexpr Time ms = 1'000'000;
constexpr Time s = 1'000 * ms;

RandomStream stream(std::uint64_t seed) {
    return {seed, Domain::workload, 0, Purpose::publish};
}

/// The list beside a heap of (instant, number): both have to give the same event each time.
class Both {
public:
    void put(Time at) {
        list_->put({.at = at, .subject = count_});
        heap_.emplace(at, count_++);
    }
    /// What was taken from both; `never` when there is none.
    Time take(Time until) {
        TimedEvent event;
        if (!list_->take(until, event)) {
            EXPECT_TRUE(heap_.empty() || std::get<0>(heap_.top()) > until);
            EXPECT_EQ(list_->now(), until);
            return never;
        }
        EXPECT_FALSE(heap_.empty());
        const auto [at, subject] = heap_.top();
        heap_.pop();
        EXPECT_EQ(event.at, at);
        EXPECT_EQ(event.subject, subject);
        EXPECT_EQ(list_->now(), at);
        EXPECT_EQ(list_->size(), heap_.size());
        return at;
    }
    void drain() {
        while (!heap_.empty() && !testing::Test::HasFailure()) take(never - 1);
        EXPECT_EQ(take(never - 1), never);
    }
    [[nodiscard]] Time now() const { return list_->now(); }
    [[nodiscard]] std::size_t size() const { return list_->size(); }

private:
    using Item = std::tuple<Time, std::uint32_t>;
    std::unique_ptr<BucketList> list_ = std::make_unique<BucketList>();
    std::priority_queue<Item, std::vector<Item>, std::greater<>> heap_;
    std::uint32_t count_ = 0;
};

/// A delay of any size up to 2^`bits_max` ns, small ones as likely as large ones; often the same.
Time any_delay(RandomStream& random, unsigned bits_max) {
    const auto bits = random.below(bits_max + 1);
    const auto delay = random.below(std::uint64_t{1} << bits);
    return random.chance(300) ? delay >> (bits / 2) << (bits / 2) : delay;
}

TEST(BucketList, gives_back_what_a_heap_gives_back_whatever_the_delays) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        auto random = stream(seed);
        Both both;
        const unsigned bits_max = 20 + static_cast<unsigned>(random.below(26));
        for (int step = 0; step < 4'000 && !HasFailure(); ++step) {
            const auto puts = random.below(4);
            for (std::uint64_t i = 0; i < puts; ++i) {
                both.put(both.now() + any_delay(random, bits_max));
            }
            if (random.chance(50)) {
                both.take(both.now() + any_delay(random, bits_max));
            } else if (both.size() > 0) {
                both.take(never - 1);
            }
        }
        both.drain();
    }
}

TEST(BucketList, keeps_the_order_of_puts_for_events_of_one_instant_from_all_lanes) {
    // The same instant is put from far beyond, from afar, from nearby and from its own bucket.
    for (const Time at : {2'000 * s, 2'000 * s + 1, 2'000 * s + 12'345}) {
        Both both;
        both.put(at);
        for (const Time before : {2'000 * s, 600 * s, 100 * s, 1 * s, 30 * ms, 1 * ms, Time{1'000},
                                  Time{10}, Time{0}}) {
            both.put(at - before);
            both.put(at);
            if (at - before == at) break;
            while (both.now() < at - before) both.take(at - before);
            both.put(at);
        }
        both.drain();
    }
}

TEST(BucketList, takes_inserts_into_the_bucket_that_is_being_drained) {
    auto random = stream(7);
    Both both;
    for (int i = 0; i < 3'000; ++i) both.put(5 * ms + random.below(30'000));
    for (int i = 0; i < 20'000 && !HasFailure(); ++i) {
        const Time at = both.take(never - 1);
        ASSERT_NE(at, never);
        both.put(at + random.below(40));
        if (i % 3 == 0) both.put(at);
        if (i % 3 == 0) both.take(never - 1);
    }
    both.drain();
}

TEST(BucketList, sorts_a_crowd_at_one_instant_and_a_crowd_around_it) {
    auto random = stream(11);
    Both both;
    for (int i = 0; i < 30'000; ++i) both.put(60 * s);
    for (int i = 0; i < 30'000; ++i) both.put(60 * s + random.below(5'000));
    for (int i = 0; i < 30'000; ++i) both.put(60 * s + random.below(17 * ms));
    both.drain();
}

TEST(BucketList, goes_to_an_instant_without_an_event) {
    Both both;
    both.put(1'000 * s);
    EXPECT_EQ(both.take(10 * s), never);
    both.put(10 * s);
    both.put(10 * s + 1);
    EXPECT_EQ(both.take(999 * s), 10 * s);
    EXPECT_EQ(both.take(10 * s), never);
    both.put(1'000 * s - 1);
    both.put(1'000 * s);
    both.drain();
}

TEST(BucketList, reaches_events_of_years_ahead) {
    auto random = stream(13);
    Both both;
    for (int year = 0; year < 100; ++year) {
        for (int i = 0; i < 20; ++i) both.put(Time(year) * 31'536'000 * s + random.below(s));
    }
    both.drain();
}

TEST(BucketList, holds_a_million_at_the_mix_of_a_fleet) {
    auto random = stream(17);
    Both both;
    for (int i = 0; i < 1'000'000; ++i) both.put(random.below(60 * s));
    for (int i = 0; i < 200'000 && !HasFailure(); ++i) {
        const Time at = both.take(never - 1);
        both.put(at + (random.chance(900) ? 60 * s : random.below(100'000)));
    }
    EXPECT_EQ(both.size(), 1'000'000U);
}

}  // namespace
}  // namespace touchstone::simulator::fleet
