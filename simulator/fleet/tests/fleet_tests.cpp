#include "simulator/fleet/fleet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "simulator/fleet/tests/fleet_models.hpp"

namespace touchstone::simulator::fleet {
namespace {

TEST(Fleet, connects_all_in_its_ramp_and_pings_once_a_keep_alive) {
    const auto outcome = Fleet{fleet_of({idle(5'000)}, 605 * s)}.run();
    const auto& counts = outcome.classes[0];
    EXPECT_EQ(outcome.connected, 5'000U);
    EXPECT_EQ(counts.attempts, 5'000U);
    EXPECT_EQ(counts.connects, 5'000U);
    // The last one connects after 5 s; from then on each has ten Keep Alives.
    EXPECT_NEAR(static_cast<double>(counts.pings), 50'000, 600);
    EXPECT_EQ(outcome.latencies.ping.count(), counts.pings);
    EXPECT_GE(*outcome.latencies.ping.quantile(10'000), 10 * ms);
    EXPECT_LE(outcome.latencies.ping.greatest(), 31 * ms);
}

TEST(Fleet, the_same_seed_is_the_same_run_and_another_is_not) {
    auto model = fleet_of({idle(2'000)}, 200 * s);
    model.crashes = {{.at = 70 * s, .down = 5 * s}};
    const auto once = Fleet{model}.run();
    const auto again = Fleet{model}.run();
    model.seed = 2;
    const auto other = Fleet{model}.run();
    EXPECT_EQ(once.digest, again.digest);
    EXPECT_EQ(once.steps, again.steps);
    EXPECT_NE(once.digest, other.digest);
}

TEST(Fleet, a_periodic_publisher_publishes_in_every_period_and_pings_only_when_it_is_silent) {
    auto busy = idle(1'000);
    busy.publishing = {
        .process = PublishProcess::periodic, .every = 10 * s, .phase_spread = 10 * s};
    auto silent = idle(1'000);
    silent.ping_every = 4 * s;
    silent.publishing = {.process = PublishProcess::periodic, .every = 10 * s, .phase_spread = 0};
    const auto outcome = Fleet{fleet_of({busy, silent}, 101 * s)}.run();
    EXPECT_EQ(outcome.classes[0].pings, 0U);
    EXPECT_NEAR(static_cast<double>(outcome.classes[0].published), 10'000, 150);
    // At 10 s, 20 s … 100 s, and two pings in between.
    EXPECT_EQ(outcome.classes[1].published, 10'000U);
    EXPECT_NEAR(static_cast<double>(outcome.classes[1].pings), 20'000, 400);
}

TEST(Fleet, bursts_have_as_many_messages_as_they_say) {
    auto one = idle(100);
    one.ramp_start = 2 * s;
    one.publishing = {.process = PublishProcess::bursts,
                      .every = 10 * s,
                      .phase_spread = 1 * s,
                      .burst_count = 5,
                      .burst_spacing = 20 * ms};
    const auto outcome = Fleet{fleet_of({one}, 105 * s)}.run();
    EXPECT_EQ(outcome.classes[0].published, 100U * 10 * 5);
}

TEST(Fleet, payloads_take_the_time_of_their_sizes) {
    const auto work_of = [](const Publishing& how) {
        auto one = idle(200);
        one.publishing = how;
        one.publishing.process = PublishProcess::periodic;
        one.publishing.every = one.publishing.phase_spread = 1 * s;
        auto model = fleet_of({one}, 201 * s);
        model.cost.publish = {};
        model.cost.picoseconds_per_byte = 100'000;
        const auto outcome = Fleet{model}.run();
        Time work = 0;
        for (std::size_t i = 1; i < outcome.samples.size(); ++i) {
            work += outcome.samples[i].service_sum;
        }
        return static_cast<double>(work) / static_cast<double>(outcome.classes[0].published);
    };
    EXPECT_NEAR(work_of({.payload_min = 100, .payload_max = 100}), 10'000, 100);
    EXPECT_NEAR(work_of({.payload_min = 0, .payload_max = 200}), 10'000, 200);
    EXPECT_NEAR(work_of({.payload_sizes = {{10, 9}, {910, 10}}}), 10'000, 500);
}

TEST(Fleet, every_message_is_delivered_or_counted) {
    auto sensors = idle(500);
    sensors.publishing = {.process = PublishProcess::poisson,
                          .every = 5 * s,
                          .qos = 1,
                          .payload_min = 20,
                          .payload_max = 200};
    sensors.fan_out = {.to_class = 1, .receivers = 3};
    auto readers = idle(50);
    auto callers = idle(5);
    callers.publishing = {.process = PublishProcess::periodic, .every = 20 * s, .phase_spread = s};
    callers.fan_out = {.to_class = 1, .receivers = 0};
    auto model = fleet_of({sensors, readers, callers}, 300 * s);
    model.cost.servers = 4;
    model.cost.nodes = 2;
    model.cost.forward = 2 * us;
    const auto outcome = Fleet{model}.run();
    const auto& reader = outcome.classes[1];
    // A few may still be on their way.
    const auto due = 3 * outcome.classes[0].published + 50 * outcome.classes[2].published;
    EXPECT_LE(reader.delivered + reader.undelivered, due);
    EXPECT_GE(reader.delivered + reader.undelivered + 60, due);
    EXPECT_EQ(outcome.latencies.delivery.count(), reader.delivered);
    EXPECT_EQ(outcome.latencies.publish.count(), outcome.classes[0].published);
    // There and back, and through the broker.
    EXPECT_GE(*outcome.latencies.delivery.quantile(1'000), 10 * ms);
}

TEST(Fleet, servers_that_share_a_queue_deliver_to_all_that_are_connected) {
    auto readers = idle(40);
    auto callers = idle(5);
    callers.publishing = {.process = PublishProcess::poisson, .every = 2 * s};
    callers.fan_out = {.to_class = 0, .receivers = 0};
    auto model = fleet_of({readers, callers}, 300 * s);
    model.cost.servers = 4;
    model.cost.any_server = true;
    model.crashes = {{.at = 100 * s, .down = 1 * s}};
    const auto outcome = Fleet{model}.run();
    EXPECT_EQ(outcome.connected, 45U);
    // All get everything, but for the moments after the start and after the crash.
    const auto& counts = outcome.classes;
    EXPECT_LE(counts[0].delivered, 40 * counts[1].published);
    EXPECT_GE(counts[0].delivered, 37 * counts[1].published);
}

TEST(Fleet, all_come_back_after_a_crash_and_jitter_spreads_them) {
    auto with = idle(20'000);
    with.ramp_every = 100 * us;
    with.reconnecting = {.policy = ReconnectPolicy::full_jitter, .base = 30 * s, .cap = 60 * s};
    auto without = with;
    without.reconnecting.policy = ReconnectPolicy::fixed;
    without.reconnecting.base = 10 * s;
    const auto peak_of = [](const DeviceClass& one) {
        auto model = fleet_of({one}, 120 * s);
        model.crashes = {{.at = 30 * s, .down = 5 * s}};
        const auto outcome = Fleet{model}.run();
        EXPECT_EQ(outcome.connected, 20'000U);
        EXPECT_EQ(outcome.classes[0].cut_off, 20'000U);
        std::uint64_t peak = 0;
        for (const auto& sample : outcome.samples) {
            if (sample.at > 30 * s) peak = std::max(peak, sample.since.attempts);
        }
        return peak;
    };
    EXPECT_EQ(peak_of(without), 20'000U);
    EXPECT_LT(peak_of(with), 1'500U);
}

TEST(Fleet, a_storm_of_clients_that_give_up_too_soon_never_ends) {
    // 20,000 clients at 1 ms of TLS each need 20 s; each waits 5 s and comes again 5 s later.
    auto hasty = idle(20'000);
    hasty.ramp_every = 2 * ms;
    hasty.tls = Tls::full;
    hasty.connect_patience = 5 * s;
    hasty.reconnecting = {.policy = ReconnectPolicy::fixed, .base = 5 * s};
    auto model = fleet_of({hasty}, 900 * s);
    model.cost.tls_full = 1 * ms;
    model.crashes = {{.at = 100 * s, .down = 5 * s}};
    const auto collapsed = Fleet{model}.run();
    EXPECT_LT(collapsed.connected, 19'000U);
    EXPECT_GT(collapsed.samples.back().since.connect_timeouts +
                  collapsed.samples[890].since.connect_timeouts +
                  collapsed.classes[0].connect_timeouts,
              100'000U);
    model.classes[0].reconnecting = {
        .policy = ReconnectPolicy::full_jitter, .base = 60 * s, .cap = 60 * s};
    EXPECT_EQ(Fleet{model}.run().connected, 20'000U);
}

TEST(Fleet, a_silent_nat_costs_the_connection_when_pings_are_rarer) {
    auto one = idle(100);
    one.link.nat_timeout = 30 * s;
    const auto lossy = Fleet{fleet_of({one}, 300 * s)}.run();
    EXPECT_GE(lossy.classes[0].nat_losses, 200U);
    one.ping_every = 25 * s;
    const auto kept = Fleet{fleet_of({one}, 300 * s)}.run();
    EXPECT_EQ(kept.classes[0].nat_losses, 0U);
    EXPECT_EQ(kept.classes[0].connects, 100U);
}

TEST(Fleet, a_cut_that_outlasts_the_keep_alive_publishes_the_wills_of_those_it_hits) {
    auto meters = idle(1'000);
    meters.has_will = true;
    meters.will_to = {.to_class = 1, .receivers = 0};
    auto watchers = idle(4);
    auto model = fleet_of({meters, watchers}, 600 * s);
    model.cuts = {
        {.at = 100 * s, .duration = 300 * s, .device_class = 0, .share = std::uint64_t{1} << 31U}};
    const auto outcome = Fleet{model}.run();
    EXPECT_NEAR(static_cast<double>(outcome.classes[0].wills), 500, 60);
    EXPECT_EQ(outcome.classes[0].wills, outcome.classes[0].cut_off);
    EXPECT_EQ(outcome.classes[1].delivered, 4 * outcome.classes[0].wills);
    EXPECT_EQ(outcome.connected, 1'004U);
    // Keep Alive 60 s: the last ping before the cut came at most 60 s before, so wills are
    // published between 30 s and 90 s after it.
    for (const auto& sample : outcome.samples) {
        const bool is_due = sample.at > 129 * s && sample.at <= 192 * s;
        EXPECT_TRUE(is_due || sample.since.wills == 0) << sample.at;
    }
}

TEST(Fleet, a_device_sleeps_and_wakes_by_its_duty_cycle) {
    auto one = idle(1'000);
    one.awake = 20 * s;
    one.asleep = 80 * s;
    const auto outcome = Fleet{fleet_of({one}, 1'000 * s)}.run();
    // After each has found its cycle, a fifth of them is there.
    EXPECT_NEAR(static_cast<double>(outcome.connected), 200, 60);
    EXPECT_NEAR(static_cast<double>(outcome.classes[0].connects), 10'000, 600);
    EXPECT_EQ(outcome.classes[0].cut_off, 0U);
}

TEST(Fleet, nodes_take_over_while_one_of_them_restarts) {
    auto model = fleet_of({idle(3'000)}, 300 * s);
    model.cost.nodes = 3;
    model.crashes = {{.at = 100 * s, .down = 60 * s, .node = 1}};
    const auto outcome = Fleet{model}.run();
    EXPECT_EQ(outcome.connected, 3'000U);
    EXPECT_NEAR(static_cast<double>(outcome.classes[0].cut_off), 1'000, 120);
    EXPECT_EQ(outcome.classes[0].refused, 0U);
}

TEST(Fleet, cohorts_agree_with_devices_that_are_simulated_one_by_one) {
    for (const bool has_crash : {false, true}) {
        auto model = fleet_of({idle(10'000)}, 400 * s);
        model.cost.servers = 2;
        if (has_crash) model.crashes = {{.at = 150 * s, .down = 10 * s}};
        const auto exact = Fleet{model}.run();
        model.tier = Tier::t3;
        const auto cohorts = Fleet{model}.run();
        EXPECT_EQ(cohorts.connected, exact.connected);
        EXPECT_EQ(cohorts.cohorts_max, 10'000U);
        EXPECT_EQ(cohorts.classes[0].cut_off, exact.classes[0].cut_off);
        const auto near = [](std::uint64_t a, std::uint64_t b, double share) {
            EXPECT_NEAR(static_cast<double>(a), static_cast<double>(b),
                        share * static_cast<double>(b));
        };
        near(cohorts.classes[0].pings, exact.classes[0].pings, 0.01);
        near(cohorts.classes[0].connects, exact.classes[0].connects, 0.01);
        near(*cohorts.latencies.ping.quantile(500'000), *exact.latencies.ping.quantile(500'000),
             0.1);
        EXPECT_LT(cohorts.steps * (has_crash ? 1 : 2), exact.steps);
    }
}

TEST(Fleet, cohorts_agree_while_devices_join_them_and_on_several_nodes) {
    auto slow = idle(20'000);
    slow.ramp_every = 10 * ms;
    auto model = fleet_of({slow}, 400 * s);
    model.cost.nodes = 3;
    model.cost.servers = 4;
    model.cost.ping = 1 * ms;
    const auto exact = Fleet{model}.run();
    model.tier = Tier::t3;
    const auto cohorts = Fleet{model}.run();
    EXPECT_NEAR(static_cast<double>(cohorts.classes[0].pings),
                static_cast<double>(exact.classes[0].pings), 600);
    for (std::size_t i = 250; i < 390; ++i) {
        EXPECT_NEAR(cohorts.samples[i].busy, exact.samples[i].busy, 0.003);
        EXPECT_NEAR(cohorts.samples[i].busiest, exact.samples[i].busiest, 0.02);
    }
}

TEST(Fleet, is_interrupted_between_samples) {
    int asked = 0;
    const auto outcome =
        Fleet{fleet_of({idle(10)}, 100 * s)}.run([&](Time, std::uint64_t) { return ++asked < 5; });
    EXPECT_TRUE(outcome.was_interrupted);
    EXPECT_EQ(outcome.ended_at, 5 * s);
}

TEST(Draws, exponential_draws_have_the_mean_and_the_tail_that_they_should) {
    const DrawFamily family{1, Purpose::device};
    double sum = 0;
    int beyond = 0;
    constexpr int count = 200'000;
    for (int i = 0; i < count; ++i) {
        auto draws = family.of(static_cast<std::uint32_t>(i), 77);
        const auto draw = static_cast<double>(draws.exponential(1'000'000));
        sum += draw;
        beyond += draw > 3'000'000 ? 1 : 0;
    }
    EXPECT_NEAR(sum / count, 1'000'000, 7'000);
    EXPECT_NEAR(beyond, count * std::exp(-3.0), 400);
}

TEST(Histogram, gives_quantiles_that_the_sample_supports_and_no_others) {
    Histogram histogram;
    for (Time value = 1; value <= 10'000; ++value) histogram.add(value * us);
    EXPECT_NEAR(static_cast<double>(*histogram.quantile(500'000)), 5'000.0 * us, 80.0 * us);
    EXPECT_NEAR(static_cast<double>(*histogram.quantile(990'000)), 9'900.0 * us, 160.0 * us);
    EXPECT_TRUE(histogram.quantile(999'000).has_value());
    EXPECT_FALSE(histogram.quantile(999'900).has_value());
    EXPECT_EQ(histogram.sum(), 10'000ULL * 10'001 / 2 * us);
    EXPECT_FALSE(Histogram{}.quantile(500'000).has_value());
}

TEST(Fleet, nothing_gets_to_the_other_side_of_a_partition) {
    auto sources = idle(200);
    sources.publishing = {.process = PublishProcess::periodic, .every = 2 * s, .phase_spread = s};
    sources.fan_out = {.to_class = 1, .receivers = 1};
    auto callers = idle(10);
    callers.publishing = sources.publishing;
    callers.fan_out = {.to_class = 1, .receivers = 0};
    auto model = fleet_of({sources, idle(40), callers}, 300 * s);
    model.cost.nodes = 4;
    EXPECT_EQ(Fleet{model}.run().classes[1].undelivered, 0U);
    model.partitions = {
        {.at = 100 * s, .duration = 100 * s, .is_apart = {true, false, false, false}}};
    const auto outcome = Fleet{model}.run();
    // Of each message's receivers, 2 * 1/4 * 3/4 are on the other side: of 10,000 messages to
    // one, of 500 to forty.
    EXPECT_NEAR(static_cast<double>(outcome.classes[1].undelivered),
                (100.0 * 100 + 5.0 * 100 * 40) * 0.375, 3'000);
    EXPECT_EQ(outcome.connected, 250U);
    EXPECT_EQ(outcome.all().cut_off, 0U);
}

}  // namespace
}  // namespace touchstone::simulator::fleet
