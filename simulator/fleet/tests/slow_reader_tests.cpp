// Devices that take messages slower than they come: what waits, what is dropped by which limit.
#include <gtest/gtest.h>

#include "simulator/fleet/agreement.hpp"
#include "simulator/fleet/tests/fleet_models.hpp"
#include "simulator/fleet/tiers.hpp"

namespace touchstone::simulator::fleet {
namespace {

/// Ten readers are to get ten messages a second each, and take `reads_per_s`.
FleetModel slow(unsigned qos, double reads_per_s) {
    auto sources = idle(10);
    sources.ramp_start = 10 * s;
    sources.publishing = {.process = PublishProcess::periodic,
                          .every = 1 * s,
                          .phase_spread = 1 * s,
                          .qos = qos,
                          .payload_min = 200,
                          .payload_max = 200};
    sources.fan_out = {.to_class = 1, .receivers = 0};
    auto readers = idle(10);
    readers.read_every = static_cast<Time>(1e9 / reads_per_s);
    readers.answer_patience = 1'000 * s;
    auto model = fleet_of({sources, readers}, 310 * s);
    model.limits = {
        .inflight = 20, .queue_messages = 300, .unwritten_bytes = 2'000, .socket_bytes = 4'000};
    return model;
}

class SlowReader : public testing::TestWithParam<std::tuple<Tier, unsigned>> {};

TEST_P(SlowReader, gets_what_it_reads_and_the_queue_drops_the_rest) {
    const auto [tier, qos] = GetParam();
    auto model = slow(qos, 4);
    model.tier = tier;
    const auto outcome = run_tier(model);
    const auto& counts = outcome.classes[1];
    // 300 s, 4 a second.
    EXPECT_NEAR(static_cast<double>(counts.delivered), 12'000, 150);
    // 3,000 for each, 1,200 read, some 320 waiting.
    EXPECT_NEAR(static_cast<double>(dropped_by_limit(outcome)), 14'800, 300);
    // In the end a message waits while 300 others come, 10 a second, and 20 or so are read, 4 a
    // second.
    EXPECT_NEAR(static_cast<double>(outcome.latencies.delivery.greatest()) / 1e9, 35, 4);
    EXPECT_EQ(counts.answer_timeouts, 0U);
}

TEST_P(SlowReader, loses_nothing_while_the_queue_has_room) {
    const auto [tier, qos] = GetParam();
    auto model = slow(qos, 9.5);
    model.tier = tier;
    const auto outcome = run_tier(model);
    EXPECT_EQ(dropped_by_limit(outcome), 0U);
    EXPECT_NEAR(static_cast<double>(outcome.classes[1].delivered), 28'500, 200);
}

TEST_P(SlowReader, pays_when_the_node_has_no_memory_left) {
    const auto [tier, qos] = GetParam();
    auto model = slow(qos, 4);
    model.tier = tier;
    model.limits.node_queue_bytes = 10 * 50 * 300;  // about 50 messages each
    const auto outcome = run_tier(model);
    EXPECT_NEAR(static_cast<double>(outcome.classes[1].delivered), 12'000, 150);
    EXPECT_NEAR(static_cast<double>(dropped_by_limit(outcome)), 17'300, 400);
}

TEST_P(SlowReader, gives_up_when_answers_come_behind_too_much) {
    const auto [tier, qos] = GetParam();
    auto model = slow(qos, 1);
    model.tier = tier;
    model.limits.inflight = 60;
    model.limits.socket_bytes = 12'000;
    model.classes[1].answer_patience = 20 * s;
    const auto outcome = run_tier(model);
    EXPECT_GE(outcome.classes[1].answer_timeouts, 20U);
    EXPECT_GT(outcome.classes[1].connects, 20U);
}

INSTANTIATE_TEST_SUITE_P(Tiers, SlowReader,
                         testing::Combine(testing::Values(Tier::t0, Tier::t2),
                                          testing::Values(0U, 1U)));

TEST(SlowReaders, tiers_agree_on_them) {
    for (const unsigned qos : {0U, 1U}) {
        auto model = slow(qos, 4);
        // T2 knows how full sockets are on average, which few messages are too coarse for.
        model.limits.socket_bytes = 16'000;
        std::vector<TierOutcome> runs;
        for (const auto tier : {Tier::t0, Tier::t2}) {
            model.tier = tier;
            runs.push_back({tier, run_tier(model)});
        }
        for (const auto& row : compare_tiers(runs).rows) {
            for (const auto& value : row.values) {
                EXPECT_NE(value.judgement, Compared::Judgement::differs)
                    << "QoS " << qos << ", " << row.what << ": " << row.values[0].value.value_or(-1)
                    << " and " << value.value.value_or(-1);
            }
        }
    }
}

}  // namespace
}  // namespace touchstone::simulator::fleet
