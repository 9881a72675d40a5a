// What is read from the system, what fits make of it, and measurements of a broker of ours in this
// process: counts are judged, and no time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "broker/asio/tests/running_node.hpp"
#include "planner/measure/calibrate.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"

namespace touchstone::planner {
namespace {

using asio_driver::RunningNode;

load::Target target_of(const RunningNode& node) {
    std::string problem;
    return *load::parse_target("mqtt://127.0.0.1:" + std::to_string(node.port()), problem);
}

bool always(const std::string& /*what*/) {
    return true;
}

TEST(Process, memory_is_read_from_the_text_of_the_kernel) {
    const std::string text =
        "00400000-7ffc ---p 00000000 00:00 0 [rollup]\nRss:    12 kB\nPss:   7 kB\n"
        "Private_Clean:       0 kB\nPrivate_Dirty:      3 kB\n";
    EXPECT_EQ(smaps_bytes(text, "Pss"), 7U * 1'024);
    EXPECT_EQ(smaps_bytes(text, "Private_Dirty"), 3U * 1'024);
    EXPECT_FALSE(smaps_bytes(text, "Swap"));
}

TEST(Process, workers_are_the_threads_that_spent_the_time) {
    const ProcessReading before{.threads = {{1, 5, 0}, {2, 1, 0}, {3, 0, 0}}};
    const ProcessReading after{.threads = {{1, 5.01, 0}, {2, 2, 0}, {3, 0.8, 0}}};
    EXPECT_EQ(after.workers_since(before), 2U);
}

TEST(Process, this_one_can_be_looked_at_and_one_that_is_not_there_cannot) {
    const auto reading = read_process(::getpid());
    ASSERT_TRUE(reading);
    EXPECT_GT(reading->cpu_s, 0);
    EXPECT_FALSE(reading->threads.empty());
    EXPECT_GT(read_memory(::getpid())->private_bytes, 0U);
    EXPECT_GT(this_machine().processors, 0U);
    constexpr int nobody = 0x7FFFFFFF;
    EXPECT_FALSE(read_process(nobody));
    EXPECT_FALSE(read_memory(nobody));
}

/// Phases of a broker that costs what `truth` says, exactly.
std::vector<Phase> phases_of(const LinearFit& truth) {
    std::vector<Phase> phases;
    for (int i = 1; i <= 14; ++i) {
        for (const unsigned qos : {0U, 1U, 2U}) {
            Phase phase{.load = {.qos = qos}};
            auto& rates = phase.rates;
            const double sent = 500.0 * i;
            rates[qos] = sent;
            rates[3 + qos] = sent * (i % 3);
            at(rates, Operation::byte_in) = sent * 64 * (1 + i % 4);
            at(rates, Operation::byte_out) = rates[3 + qos] * 64 * (1 + i % 5);
            at(rates, Operation::ping) = 100 * (i % 2);
            phase.wakes_per_s = sent / (1 + i);
            auto with_wakes = rates;
            at(with_wakes, Operation::wake) = phase.wakes_per_s;
            phase.processor = truth.mean_at(with_wakes).value;
            phases.push_back(phase);
        }
    }
    return phases;
}

TEST(Fits, the_costs_that_phases_were_made_with_come_back) {
    LinearFit truth;
    truth.coefficients = {2e-6, 3e-6, 5e-6, 1e-6, 2e-6, 4e-6, 1e-9, 2e-9, 1e-6, 6e-6};
    truth.covariance.assign(operation_count * operation_count, 0);
    truth.degrees_of_freedom = 10;
    const auto fit = fit_processor(phases_of(truth));
    ASSERT_TRUE(fit);
    for (std::size_t i = 0; i < operation_count; ++i) {
        EXPECT_NEAR(fit->coefficients[i], truth.coefficients[i], truth.coefficients[i] * 1e-3)
            << operation_names[i];
    }
    EXPECT_FALSE(fit_processor({}));
}

TEST(Fits, the_delay_of_waking_up_is_seen_in_how_seldom_a_server_sleeps) {
    std::vector<Phase> phases;
    for (const double rate : {1'000.0, 10'000.0, 40'000.0}) {
        Phase phase{.processor = 0.25};
        at(phase.rates, Operation::publish_0) = rate;
        phase.wakes_per_s = rate * 0.75 / (1 + rate * 50e-6);
        phases.push_back(phase);
    }
    EXPECT_NEAR(fit_wake_delay(phases, 1), 50e-6, 1e-9);
    EXPECT_EQ(fit_wake_delay({}, 1), 0);
}

TEST(Fits, memory_of_each_thing_comes_back) {
    std::vector<MemorySample> samples;
    const std::vector<double> truth{1e6, 400, 300, 200, 250, 1, 280, 1};
    MemorySample sample;
    at(sample.holdings, Holding::process) = 1;
    for (int i = 0; i < 24; ++i) {
        const auto holding = static_cast<std::size_t>(1 + i % 7);
        sample.holdings[holding] += 100.0 * (1 + i % 3);
        sample.private_bytes = 0;
        for (std::size_t k = 0; k < truth.size(); ++k) {
            sample.private_bytes += truth[k] * sample.holdings[k];
        }
        samples.push_back(sample);
    }
    const auto fit = fit_memory(samples);
    ASSERT_TRUE(fit);
    for (std::size_t k = 0; k < truth.size(); ++k)
        EXPECT_NEAR(fit->coefficients[k], truth[k], 1e-3);
}

TEST(Fits, a_curve_has_only_the_quantiles_that_the_sample_supports) {
    load::Histogram histogram;
    for (int i = 1; i <= 1'000; ++i) histogram.add(i * load::microsecond);
    const auto curve = curve_of(histogram);
    EXPECT_NEAR(curve.at(0.5), 500e-6, 1e-6);
    EXPECT_EQ(curve.points().back().first, 0.99);
    const auto told = quantiles_of(histogram);
    EXPECT_TRUE(told[2]);
    EXPECT_FALSE(told[3]);
}

TEST(Measurement, memory_steps_say_what_is_held_and_take_it_away_again) {
    RunningNode node{1};
    const MemoryPlan plan{.connections = 8,
                          .subscriptions = 12,
                          .retained = 6,
                          .sessions = 4,
                          .queued_each = 2,
                          .steps = 2};
    const auto samples = measure_memory(target_of(node), ::getpid(), plan, "test", always);
    ASSERT_EQ(samples.size(), 11U);
    const auto& all = samples.back().holdings;
    EXPECT_EQ(at(all, Holding::connection), 8);
    EXPECT_EQ(at(all, Holding::subscription), 12 + 4);
    EXPECT_EQ(at(all, Holding::retained), 6);
    EXPECT_EQ(at(all, Holding::retained_byte), 3 * 32 + 3 * 512);
    EXPECT_EQ(at(all, Holding::session), 4);
    EXPECT_EQ(at(all, Holding::queued), 8);
    EXPECT_GT(samples.back().private_bytes, 0);

    std::string problem;
    const auto address = load::resolve("127.0.0.1", node.port(), problem);
    PlainClient looker{target_of(node), *address, "looker", true};
    looker.enter();
    looker.subscribe({"touchstone/plan/#"});
    EXPECT_FALSE(looker.await_message(0.05)) << "a Retained Message is left";
    looker.disconnect();
}

TEST(Measurement, a_phase_knows_what_flowed) {
    RunningNode node{1};
    const PhaseOptions options{.target = target_of(node),
                               .pid = ::getpid(),
                               .warm_up_s = 0,
                               .measure_s = 0.5,
                               .attempts_max = 1,
                               .goes_on = always};
    const MessageLoad load{.name = "test",
                           .qos = 1,
                           .payload_bytes = 100,
                           .receivers = 3,
                           .per_s = 400,
                           .publishers = 2};
    const auto phase = measure_phase(load, options);
    EXPECT_GT(at(phase.rates, Operation::publish_1), 0);
    EXPECT_GT(at(phase.rates, Operation::deliver_1), at(phase.rates, Operation::publish_1));
    EXPECT_DOUBLE_EQ(at(phase.rates, Operation::byte_in),
                     100 * at(phase.rates, Operation::publish_1));
    EXPECT_EQ(at(phase.rates, Operation::publish_0), 0);
    EXPECT_GT(phase.processor, 0);
    EXPECT_GT(phase.times.delivery.count(), 0U);
    EXPECT_EQ(phase.lost, 0U);
}

TEST(Measurement, a_storm_counts_connections_that_got_in) {
    RunningNode node{1};
    const PhaseOptions options{.target = target_of(node), .pid = ::getpid(), .goes_on = always};
    EXPECT_GT(measure_storm(options, 20, 2).connect_s, 0);
}

TEST(Measurement, an_interruption_ends_it) {
    RunningNode node{1};
    const auto never = [](const std::string&) { return false; };
    EXPECT_THROW(static_cast<void>(measure_memory(target_of(node), ::getpid(),
                                                  {.connections = 4, .steps = 1}, "test", never)),
                 CannotMeasure);
}

}  // namespace
}  // namespace touchstone::planner
