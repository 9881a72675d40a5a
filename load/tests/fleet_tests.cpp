#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/fleet/comparison.hpp"
#include "load/fleet/translate.hpp"

namespace touchstone::load {
namespace {

namespace fleet = simulator::fleet;
using testing::HasSubstr;

fleet::FleetModel model() {
    fleet::FleetModel made;
    made.duration = 600 * second;
    made.sample_every = second;
    fleet::DeviceClass meters;
    meters.name = "meters";
    meters.count = 10'000;
    meters.ramp_every = millisecond;
    meters.keep_alive = 60 * second;
    meters.publishing = {.process = fleet::PublishProcess::periodic,
                         .every = 60 * second,
                         .phase_spread = 60 * second,
                         .qos = 1,
                         .payload_min = 16,
                         .payload_max = 16,
                         .payload_sizes = {{10, 3}, {20, 10}}};
    meters.fan_out = {.to_class = 1, .receivers = 1};
    meters.link.latency_min = 5 * millisecond;
    meters.connect_patience = meters.answer_patience = second;
    auto consoles = meters;
    consoles.name = "consoles";
    consoles.first = 10'000;
    consoles.count = 4;
    consoles.publishing = {};
    consoles.fan_out = {};
    consoles.subscriptions = 3;
    made.classes = {meters, consoles};
    made.crashes = {{.at = second, .down = second}};
    return made;
}

TEST(LiveFleet, is_the_files_devices_at_scale) {
    const auto live = translate(model(), 0.01, 0);
    ASSERT_EQ(live.workload.groups.size(), 2U);
    const auto& meters = live.workload.groups[0];
    EXPECT_EQ(meters.count, 100U);
    EXPECT_DOUBLE_EQ(meters.ramp_per_s, 10) << "the ramp takes as long as the file's";
    EXPECT_EQ(meters.publishing.process, Publishing::Process::periodic);
    EXPECT_EQ(meters.publishing.audience.kind, Audience::Kind::some_of);
    EXPECT_EQ(meters.publishing.sizes[1], (std::pair{20U, 7U})) << "weights, not their sums";
    EXPECT_EQ(live.workload.groups[1].count, 1U) << "one is left of each class";
    EXPECT_EQ(live.model.classes[0].count, 100U);
    EXPECT_EQ(live.model.classes[1].first, 100U);
    EXPECT_EQ(live.workload.measure, 600 * second);
    EXPECT_TRUE(live.workload.publishes_at_once);
}

TEST(LiveFleet, who_gets_messages_subscribes_to_them) {
    const auto live = translate(model(), 1, 0);
    const auto& subscribing = live.workload.groups[1].subscribing;
    EXPECT_TRUE(subscribing.takes_some_of);
    EXPECT_FALSE(subscribing.takes_all_of);
    EXPECT_EQ(subscribing.qos, QoS::at_least_once);
    EXPECT_EQ(subscribing.idle_filters, 2U);
    EXPECT_FALSE(live.workload.groups[0].subscribing.is_any());
}

TEST(LiveFleet, an_aligned_process_stays_aligned) {
    auto made = model();
    made.classes[0].publishing.phase_spread = 2 * second;
    const auto live = translate(made, 1, 0);
    EXPECT_EQ(live.workload.groups[0].publishing.process, Publishing::Process::aligned);
    EXPECT_EQ(live.workload.groups[0].publishing.clock_error, 2 * second);
}

TEST(LiveFleet, says_what_it_leaves_out_of_both_runs) {
    const auto live = translate(model(), 1, 10 * second);
    EXPECT_EQ(live.left_out.size(), 2U);
    EXPECT_THAT(live.left_out[0], HasSubstr("Crashes"));
    EXPECT_TRUE(live.model.crashes.empty());
    EXPECT_EQ(live.model.classes[0].link.latency_min, 0U);
    EXPECT_EQ(live.model.duration, static_cast<fleet::Time>(10 * second));
}

TEST(LiveFleet, counts_of_both_have_to_agree) {
    fleet::Outcome simulated;
    simulated.connected = 1'000;
    simulated.classes.resize(1);
    simulated.classes[0].connects = 1'000;
    simulated.classes[0].published = 5'000;
    Outcome live;
    live.connected = 990;
    live.groups.resize(1);
    live.groups[0][Count::connects] = 1'000;
    live.groups[0][Count::sent] = 4'900;
    EXPECT_EQ(disagreement(simulated, live), "");
    live.groups[0][Count::sent] = 4'000;
    EXPECT_EQ(disagreement(simulated, live), "published: 5000 simulated, 4000 real");
}

TEST(LiveFleet, a_real_run_has_the_figures_of_a_virtual_one) {
    const auto live = translate(model(), 0.001, 0);
    Outcome outcome;
    outcome.groups.resize(2);
    outcome.groups[0][Count::sent] = 70;
    const auto result = to_live_result(live.workload, outcome);
    EXPECT_TRUE(std::ranges::any_of(result.measures(), [](const auto& measure) {
        return measure.name() == "published" && measure.value() == 70;
    }));
    EXPECT_EQ(result.devices(0).name(), "meters");
}

}  // namespace
}  // namespace touchstone::load
