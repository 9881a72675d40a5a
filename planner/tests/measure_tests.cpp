// What is read from the system, what fits make of it, and measurements of a broker of ours in this
// process: counts are judged, and no time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cmath>

#include "broker/asio/tests/running_node.hpp"
#include "planner/measure/calibrate.hpp"
#include "planner/measure/fit_loop.hpp"
#include "planner/measure/pace.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"
#include "planner/measure/windows.hpp"
#include "planner/models/activity.hpp"

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
            at(rates, Operation::read) = sent * (1 + i % 2);
            at(rates, Operation::write) = sent * (2 - i % 5 * 0.3);
            at(rates, Operation::look) = sent / (1 + i % 7);
            at(rates, Operation::uncached) = sent * (i % 6);
            at(rates, Operation::far_uncached) = sent * (i % 6 > 3 ? i % 4 : 0);
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
    truth.coefficients = {2e-6, 3e-6,   5e-6, 1e-6, 2e-6, 4e-6,   1e-9,  2e-9,
                          1e-6, 1.5e-6, 3e-6, 1e-6, 6e-6, 0.4e-6, 0.7e-6};
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

TEST(Fits, a_copy_that_takes_a_share_of_its_write_is_as_sure_as_that) {
    constexpr double share = 0.05;
    LinearFit truth;
    truth.coefficients = {2e-6, 3e-6,   5e-6, 3e-6 * share, 2e-6, 4e-6,   1e-9,  2e-9,
                          1e-6, 1.5e-6, 3e-6, 1e-6,         6e-6, 0.4e-6, 0.7e-6};
    truth.covariance.assign(operation_count * operation_count, 0);
    truth.degrees_of_freedom = 10;
    auto phases = phases_of(truth);
    const auto fit = fit_processor(phases, share);
    ASSERT_TRUE(fit);
    for (std::size_t i = 0; i < operation_count; ++i) {
        EXPECT_NEAR(fit->coefficients[i], truth.coefficients[i], truth.coefficients[i] * 1e-3)
            << operation_names[i];
    }
    for (std::size_t i = 0; i < phases.size(); ++i) phases[i].processor *= i % 2 == 0 ? 1.02 : 0.98;
    const auto unsure = fit_processor(phases, share);
    ASSERT_TRUE(unsure);
    const auto figure = [&](Operation operation) {
        return unsure->coefficient(static_cast<std::size_t>(operation));
    };
    const auto write = figure(Operation::write);
    ASSERT_GT(write.half_width, 0);
    EXPECT_NEAR(figure(Operation::deliver_0).value, share * write.value, 1e-12);
    EXPECT_NEAR(figure(Operation::deliver_0).half_width, share * write.half_width, 1e-12);
    // A copy and its write are unsure together.
    OperationRates both{};
    at(both, Operation::deliver_0) = at(both, Operation::write) = 1;
    EXPECT_NEAR(unsure->mean_at(both).half_width, (1 + share) * write.half_width, 1e-12);
}

/// Phases of pairs on a loop that costs what the calibration says.
std::vector<Phase> phases_of(const Calibration& truth) {
    std::vector<Phase> phases;
    const auto add = [&](unsigned qos, std::uint32_t publishers, std::uint32_t receivers,
                         std::uint32_t bytes, double per_s) {
        Phase phase{.load = {.qos = qos,
                             .payload_bytes = bytes,
                             .receivers = receivers,
                             .per_s = per_s,
                             .publishers = publishers}};
        const auto activity = activity_of(truth, demand_of(phase.load), 1);
        phase.rates = activity.rates;
        phase.wakes_per_s = at(activity.rates, Operation::wake);
        phase.processor = truth.cpu.mean_at(activity.rates).value;
        phases.push_back(phase);
    };
    for (const double per_s : {5'000.0, 60'000.0, 200'000.0}) {
        for (const std::uint32_t publishers : {3U, 20U, 500U, 2'000U})
            add(0, publishers, 1, 64, per_s);
        add(0, 20, 0, 64, per_s);
        add(0, 20, 1, 1'024, per_s);
        add(0, 20, 0, 1'024, per_s);  // else bytes in and bytes out are one
        add(0, 4, 20, 64, per_s / 10);
        for (const unsigned qos : {1U, 2U}) {
            add(qos, 20, 1, 64, per_s / 2);
            add(qos, 20, 0, 64, per_s / 2);
            add(qos, 4, 20, 64, per_s / 20);
        }
    }
    MessageLoad pings{.per_s = 50, .pingers = 1'000, .ping_every_s = 0.4};
    Phase phase{.load = pings};
    const auto activity = activity_of(truth, demand_of(pings), 1);
    phase.rates = activity.rates;
    phase.wakes_per_s = at(activity.rates, Operation::wake);
    phase.processor = truth.cpu.mean_at(activity.rates).value;
    phases.push_back(phase);
    return phases;
}

TEST(Fits, processor_time_of_a_loop_that_was_not_seen_is_met) {
    constexpr double us = 1e-6;
    Calibration truth;
    truth.cpu.coefficients = {0.4 * us, 0.6 * us, 1.2 * us, 0.3 * us, 0.5 * us,
                              us,       1e-10,    1e-10,    0.2 * us, us,
                              3 * us,   us,       2 * us,   0.3 * us, 0.8 * us};
    truth.cpu.covariance.assign(operation_count * operation_count, 0);
    truth.cpu.degrees_of_freedom = 20;
    truth.wake_delay_s = 5 * us;
    truth.answer_s = 20 * us;
    for (const bool gathers : {true, false}) {
        truth.gathers = gathers;
        const auto phases = phases_of(truth);
        const auto fit = fit_loop(phases, 1, false, truth.answer_s, {.gathers = gathers});
        ASSERT_TRUE(fit);
        const auto other = fit_loop(phases, 1, false, truth.answer_s, {.gathers = !gathers});
        ASSERT_TRUE(other);
        EXPECT_LT(fit->error, other->error);
        EXPECT_LT(fit->error, 0.02);
        Calibration fitted{.cpu = fit->cpu,
                           .wake_delay_s = fit->wake_delay_s,
                           .answer_s = truth.answer_s,
                           .gathers = gathers};
        // Other numbers of publishers and receivers than the phases have.
        for (const double per_s : {3'000.0, 40'000.0}) {
            const auto demand = demand_of(MessageLoad{
                .qos = 1, .payload_bytes = 300, .receivers = 2, .per_s = per_s, .publishers = 50});
            const double expected = processor_time(truth, demand, 1).value;
            EXPECT_NEAR(processor_time(fitted, demand, 1).value, expected, expected * 0.06);
        }
    }
    EXPECT_FALSE(fit_loop({}, 1, false, 0, {}));
}

TEST(Fits, memory_of_each_thing_comes_back) {
    std::vector<MemorySample> samples;
    const std::vector<double> truth{1e6, 400, 300, 200, 250, 1, 280, 1, 90};
    MemorySample sample;
    at(sample.holdings, Holding::process) = 1;
    for (int i = 0; i < 32; ++i) {
        const auto holding = static_cast<std::size_t>(1 + i % 8);
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
    const auto told = told_of(curve);
    EXPECT_TRUE(told[2]);
    EXPECT_FALSE(told[3]);
}

/// Intervals of a tenth of a second with so many deliveries each, measured from the second on.
load::Outcome outcome_of(const std::vector<std::pair<int, load::Nanos>>& intervals) {
    constexpr auto length = load::second / 10;
    load::Outcome outcome;
    for (const auto& [count, took] : intervals) {
        load::Interval interval{.from = length * std::ssize(outcome.intervals), .length = length};
        for (int i = 0; i < count; ++i) interval.times.delivery.add(took + i);
        outcome.intervals.push_back(std::move(interval));
    }
    outcome.measured_from = length;
    outcome.measured = length * (std::ssize(outcome.intervals) - 1);
    return outcome;
}

TEST(Pace, is_known_of_processors_that_may_be_used_and_of_no_others) {
    cpu_set_t ours{};
    ASSERT_EQ(sched_getaffinity(0, sizeof ours, &ours), 0);
    std::vector<int> allowed;
    for (int i = 0; i < CPU_SETSIZE; ++i) {
        if (CPU_ISSET(i, &ours)) allowed.push_back(i);
    }
    // Whatever else the machine does; one processor can do both parts.
    constexpr auto patience = 60 * load::second;
    const auto pace = pace_of(ProcessorPair{allowed.front(), allowed.back()}, patience);
    ASSERT_TRUE(pace);
    EXPECT_GT(*pace, 1e-7);
    EXPECT_FALSE(pace_of(ProcessorPair{allowed[0], CPU_SETSIZE - 1}));
    EXPECT_FALSE(pace_of(ProcessorPair{CPU_SETSIZE - 1, allowed[0]}));
    EXPECT_FALSE(pace_of(std::span<const ProcessorPair>{}));
    cpu_set_t after{};
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&ours, &after));
}

TEST(Pace, the_usual_one_is_in_the_middle_of_most) {
    EXPECT_EQ(usual_pace(std::vector{11e-6, 5e-6, 0.0, 5.4e-6, 10e-6, 5.2e-6}), 5.2e-6);
    EXPECT_EQ(usual_pace(std::vector{0.0}), 0);
    EXPECT_TRUE(is_similar_pace(8e-6, 10e-6));
    EXPECT_FALSE(is_similar_pace(11e-6, 8e-6));
    EXPECT_TRUE(is_similar_pace(0, 8e-6)) << "not known";
    EXPECT_TRUE(had_usual_pace({.pace_s = 8.4e-6}, 8e-6));
    EXPECT_FALSE(had_usual_pace({.pace_s = 16e-6}, 8e-6));
    EXPECT_FALSE(had_usual_pace({.pace_s = 8.4e-6, .has_changed = true}, 8e-6));
}

TEST(Windows, are_whole_intervals_of_the_measured_part_with_enough_values) {
    const auto outcome = outcome_of({{5'000, 1}, {600, 1}, {600, 1}, {2'000, 1}, {10, 1}});
    const auto windows = windows_of(outcome, &load::Times::delivery);
    ASSERT_EQ(windows.size(), 2U);
    EXPECT_EQ(windows[0].count(), 1'200U);
    EXPECT_EQ(windows[1].count(), 2'010U) << "the rest belongs to the last one";
    EXPECT_EQ(windows_of(outcome_of({{9, 1}, {30, 1}}), &load::Times::delivery).size(), 1U);
    EXPECT_TRUE(windows_of(outcome_of({{9, 1}}), &load::Times::delivery).empty());
}

TEST(Windows, a_pause_of_the_machine_is_not_typical) {
    constexpr auto usual = 50 * load::microsecond;
    const auto outcome = outcome_of({{0, usual},
                                     {2'000, usual},
                                     {2'000, 20 * load::millisecond},
                                     {2'000, usual},
                                     {2'000, usual}});
    const auto told = told_of(curve_of(windows_of(outcome, &load::Times::delivery)));
    ASSERT_TRUE(told[2]);
    EXPECT_NEAR(*told[2], 52e-6, 1e-6);
    // 2,000 values say nothing of p999, 8,000 neither.
    EXPECT_FALSE(told[3]);
    const auto more = outcome_of({{0, usual},
                                  {6'000, usual},
                                  {6'000, 20 * load::millisecond},
                                  {6'000, usual},
                                  {6'000, usual},
                                  {6'000, usual},
                                  {6'000, usual}});
    // Pairs of them support it, and one of three is the slow one.
    EXPECT_NEAR(*told_of(curve_of(windows_of(more, &load::Times::delivery)))[3], 56e-6, 1e-6);
    // Of fewer than three pieces all values count.
    const auto few = outcome_of({{0, usual}, {2'000, usual}, {2'000, 20 * load::millisecond}});
    EXPECT_NEAR(*told_of(curve_of(windows_of(few, &load::Times::delivery)))[2], 0.02, 1e-4);
}

TEST(Windows, the_middle_of_values) {
    EXPECT_EQ(median_of({3, 1, 2}), 2);
    EXPECT_EQ(median_of({4, 1, 2, 30}), 3);
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
    EXPECT_EQ(at(all, Holding::retained_byte), 2 * (24 + 40 + 64));
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
    ASSERT_FALSE(phase.deliveries.empty());
    EXPECT_GT(phase.deliveries.front().count(), 0U);
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
