// The engine without MQTT: event list, random streams, digest.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "simulator/engine.hpp"

namespace touchstone::simulator {
namespace {

constexpr Instant at(std::int64_t us) {
    return Instant{Duration{us}};
}

RC_GTEST_PROP(EventList, takes_events_by_instant_and_equal_ones_in_the_order_of_putting, ()) {
    const auto instants = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 20));
    EventList list;
    std::vector<std::pair<int, std::uint32_t>> expected;
    for (std::uint32_t i = 0; i < instants.size(); ++i) {
        list.put(at(instants[i]), {.subject = i});
        expected.emplace_back(instants[i], i);
    }
    std::ranges::stable_sort(expected, {}, &std::pair<int, std::uint32_t>::first);
    for (const auto& [instant, subject] : expected) {
        RC_ASSERT(list.next_at() == at(instant));
        const auto taken = list.take();
        RC_ASSERT(taken.at == at(instant));
        RC_ASSERT(taken.event.subject == subject);
    }
    RC_ASSERT(!list.next_at().has_value());
}

// What a seed means must not change: these numbers were drawn once.
TEST(RandomStream, draws_the_same_numbers_for_ever) {
    RandomStream stream{42, Domain::link, 7, Purpose::delay_to_client};
    EXPECT_EQ(stream.next(), 1559691013164202941U);
    EXPECT_EQ(stream.next(), 6266919330314709726U);
    RandomStream bounded{42, Domain::client, 0, Purpose::publish};
    EXPECT_EQ(bounded.below(1'000), 177U);
    EXPECT_EQ(bounded.between(Duration{10}, Duration{20}), Duration{18});
    EXPECT_EQ(bounded.exponential(Duration{1'000'000}), Duration{2'756'301});
    EXPECT_EQ(bounded.exponential(std::chrono::hours{24 * 365}), Duration{10'613'854'248'046});
}

TEST(RandomStream, is_left_alone_by_draws_of_another_one) {
    RandomStream alone{1, Domain::node, 0, Purpose::core};
    const auto first = alone.next();
    const auto second = alone.next();

    RandomStream again{1, Domain::node, 0, Purpose::core};
    RandomStream other{1, Domain::node, 0, Purpose::accept};
    EXPECT_EQ(again.next(), first);
    EXPECT_NE(other.next(), second);
    EXPECT_EQ(again.next(), second);
}

TEST(RandomStream, differs_by_seed_domain_entity_and_purpose) {
    std::vector<std::uint64_t> firsts;
    for (const std::uint64_t seed : {0U, 1U}) {
        for (const auto domain : {Domain::link, Domain::client}) {
            for (const std::uint64_t entity : {0U, 1U}) {
                for (const auto purpose : {Purpose::publish, Purpose::disturb}) {
                    firsts.push_back(RandomStream{seed, domain, entity, purpose}.next());
                }
            }
        }
    }
    std::ranges::sort(firsts);
    EXPECT_EQ(std::ranges::adjacent_find(firsts), firsts.end());
}

RC_GTEST_PROP(RandomStream, stays_within_its_bounds, ()) {
    RandomStream stream{*rc::gen::arbitrary<std::uint64_t>(), Domain::link, 0,
                        Purpose::delay_to_broker};
    const auto bound = *rc::gen::positive<std::uint64_t>();
    RC_ASSERT(stream.below(bound) < bound);
    const Duration low{*rc::gen::inRange(0, 1'000)};
    const Duration high = low + Duration{*rc::gen::inRange(0, 3)};
    const auto drawn = stream.between(low, high);
    RC_ASSERT(drawn >= low);
    RC_ASSERT(drawn <= high);
    const Duration mean{*rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000)};
    const auto exponential = stream.exponential(mean);
    RC_ASSERT(exponential >= Duration::zero());
    RC_ASSERT(exponential <= 16 * mean);
}

TEST(RandomStream, has_the_moments_of_its_distributions) {
    RandomStream stream{3, Domain::workload, 0, Purpose::shape};
    constexpr std::int64_t draws = 100'000;
    Duration sum{};
    std::int64_t above_mean = 0;
    for (std::int64_t i = 0; i < draws; ++i) {
        const auto drawn = stream.exponential(Duration{1'000'000});
        sum += drawn;
        above_mean += drawn > Duration{1'000'000} ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(sum.count() / draws), 1e6, 1e4);       // mean
    EXPECT_NEAR(static_cast<double>(above_mean), 0.36788 * draws, 600.0);  // 1/e are above it
    std::int64_t hits = 0;
    for (std::int64_t i = 0; i < draws; ++i) hits += stream.chance(250) ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(hits), 0.25 * draws, 600.0);
}

TEST(Digest, tells_adjacent_pieces_apart) {
    Digest joined;
    joined.add(as_bytes("ab"));
    joined.add(as_bytes(""));
    Digest split;
    split.add(as_bytes("a"));
    split.add(as_bytes("b"));
    EXPECT_NE(joined.text(), split.text());
}

TEST(Digest, is_the_same_for_ever) {
    Digest digest;
    digest.add(1);
    digest.add(as_bytes("touchstone, and more than eight bytes"));
    EXPECT_EQ(digest.text(), "e58ad6241e8ced3e");
}

class Recorder final : public EventHandler {
public:
    explicit Recorder(Engine& engine) : engine_{engine}, owner{engine.add_handler(*this)} {}
    void on_event(const Event& event) override {
        seen.emplace_back(engine_.now(), event.subject);
        if (event.subject == 1)
            engine_.schedule_in(Duration::zero(), {.owner = owner, .subject = 9});
    }

private:
    Engine& engine_;

public:
    std::uint16_t owner;
    std::vector<std::pair<Instant, std::uint32_t>> seen;
};

TEST(Engine, executes_what_is_scheduled_for_now_behind_what_is_there) {
    Engine engine{1};
    Recorder recorder{engine};
    const Instant later = engine.now() + Duration{5};
    engine.schedule(later, {.owner = recorder.owner, .subject = 1});
    engine.schedule(later, {.owner = recorder.owner, .subject = 2});
    engine.run_until(later + Duration{5});
    const std::vector<std::pair<Instant, std::uint32_t>> expected{
        {later, 1}, {later, 2}, {later, 9}};
    EXPECT_EQ(recorder.seen, expected);
    EXPECT_EQ(engine.now(), later + Duration{5});
    EXPECT_EQ(engine.executed_events(), 3U);
}

TEST(Engine, leaves_what_is_due_later) {
    Engine engine{1};
    Recorder recorder{engine};
    engine.schedule(engine.now() + Duration{10}, {.owner = recorder.owner, .subject = 3});
    engine.run_until(engine.now() + Duration{9});
    EXPECT_TRUE(recorder.seen.empty());
    engine.run_until(engine.now() + Duration{1});
    EXPECT_EQ(recorder.seen.size(), 1U);
}

}  // namespace
}  // namespace touchstone::simulator
