#include "planner/measure/calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "planner/measure/fit_loop.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"
#include "planner/measure/windows.hpp"
#include "planner/models/estimate.hpp"
#include "planner/models/student.hpp"

namespace touchstone::planner {

namespace {

constexpr std::uint32_t fan = 20;
/// A generator that works more than this begins to measure itself.
constexpr double generator_max = 0.75;
/// How busy a broker is by the load that counts as none.
constexpr double quiet = 0.1;

/// A measurement: what flows, and how busy the broker's servers shall be by it.
struct Step {
    MessageLoad load;
    double busy = 0.4;
    /// Against a message at QoS 0 to one receiver: for the first guess of a rate.
    double dearness = 1;
};

std::vector<Step> steps() {
    const auto to_one = [](std::string name, unsigned qos, std::uint32_t bytes) {
        return MessageLoad{.name = std::move(name), .qos = qos, .payload_bytes = bytes};
    };
    const auto to_many = [](std::string name, unsigned qos, std::uint32_t bytes) {
        return MessageLoad{.name = std::move(name),
                           .qos = qos,
                           .payload_bytes = bytes,
                           .receivers = fan,
                           .publishers = 4};
    };
    const auto to_nobody = [](std::string name, unsigned qos) {
        return MessageLoad{.name = std::move(name), .qos = qos, .receivers = 0};
    };
    const auto with = [](MessageLoad load, std::uint32_t publishers) {
        load.publishers = publishers;
        return load;
    };
    auto pings = to_one("PINGREQ", 0, 64);
    pings.pingers = 1'000;
    pings.ping_every_s = 0.4;
    return {
        {.load = to_one("QoS 0, quiet", 0, 64), .busy = quiet},
        {.load = to_one("QoS 0, a quarter", 0, 64), .busy = 0.25},
        {.load = to_one("QoS 0, half", 0, 64), .busy = 0.45},
        {.load = to_one("QoS 0, two thirds", 0, 64), .busy = 0.65},
        {.load = with(to_one("QoS 0, 3 publishers", 0, 64), 3), .busy = 0.65},
        {.load = with(to_one("QoS 0, 500 publishers", 0, 64), 500), .busy = 0.65},
        {.load = with(to_one("QoS 0, 2000 publishers", 0, 64), 2'000),
         .busy = 0.5,
         .dearness = 1.3},
        {.load = to_one("QoS 0, 1 KiB", 0, 1'024), .busy = 0.4, .dearness = 1.3},
        {.load = to_nobody("QoS 0, to nobody", 0), .busy = 0.3, .dearness = 0.5},
        {.load = to_many("QoS 0, to 20", 0, 64), .busy = 0.4, .dearness = 10},
        {.load = to_many("QoS 0, 1 KiB, to 20", 0, 1'024), .busy = 0.4, .dearness = 12},
        {.load = to_one("QoS 1, quiet", 1, 64), .busy = quiet, .dearness = 2},
        {.load = to_one("QoS 1, half", 1, 64), .busy = 0.45, .dearness = 2},
        {.load = to_nobody("QoS 1, to nobody", 1), .busy = 0.3, .dearness = 1},
        {.load = to_many("QoS 1, to 20", 1, 64), .busy = 0.4, .dearness = 20},
        {.load = to_one("QoS 2, quiet", 2, 64), .busy = quiet, .dearness = 4},
        {.load = to_one("QoS 2, half", 2, 64), .busy = 0.4, .dearness = 4},
        {.load = to_many("QoS 2, to 20", 2, 64), .busy = 0.4, .dearness = 40},
        {.load = pings, .busy = 0},
    };
}

/// Mean and interval of a few measurements of the same thing.
Figure figure_of(const std::vector<double>& values) {
    double mean = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    if (values.size() < 2) return {.value = mean};
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    const auto n = static_cast<double>(values.size());
    return {.value = mean,
            .half_width = student_t_quantile(0.975, n - 1) * std::sqrt(squares / (n - 1) / n)};
}

class Calibrator {
public:
    explicit Calibrator(const CalibrateOptions& options) : options_{options} {
        phase_options_ = {.target = options.target,
                          .pid = options.pid,
                          .seed = options.seed,
                          .measure_s = options.measure_s,
                          .is_generator_separate = options.is_generator_separate,
                          .processors = options.processors,
                          .attempts_max = options.attempts_max,
                          .goes_on = options.goes_on};
    }

    CalibrationRun run() {
        auto& result = run_.calibration;
        result.broker =
            options_.name.empty() ? broker_name(options_.target, options_.pid) : options_.name;
        result.measured_at = now_text();
        result.machine = this_machine();
        measure_memory_law();
        probe();
        for (unsigned round = 0; round < options_.rounds; ++round) {
            measure_round(round);
            measure_heavy(round);
        }
        if (run_.phases.size() < options_.rounds * steps_.size()) {
            warn(fmt::format("the machine was slow: {} of {} measurements under load were made in "
                             "{:.0f} s; --thorough takes its time",
                             run_.phases.size(), options_.rounds * steps_.size(),
                             options_.rounds_until_s));
        }
        measure_storms();
        measure_concurrency();
        fit();
        return std::move(run_);
    }

private:
    void warn(std::string line) { run_.warnings.push_back(std::move(line)); }

    void measure_memory_law() {
        run_.memory = measure_memory(options_.target, options_.pid, options_.memory,
                                     fmt::format("{:x}", options_.seed), options_.goes_on);
        const auto fit = fit_memory(run_.memory);
        if (!fit) throw CannotMeasure{"memory: too few samples for a law"};
        run_.calibration.memory = *fit;
        run_.calibration.memory_range = run_.memory.back().holdings;
        for (std::size_t i = 0; i < holding_count; ++i) {
            const auto figure = fit->coefficient(i);
            options_.tell(fmt::format("memory  {:<14} {:>10.1f} +- {:.1f} bytes", holding_names[i],
                                      figure.value, figure.half_width));
        }
    }

    Phase measure(const MessageLoad& load) {
        phase_options_.seed += 17;
        phase_options_.attempts_max =
            spent_s() < options_.retry_until_s ? options_.attempts_max : 1;
        phase_options_.patience_s =
            std::clamp(options_.retry_until_s - spent_s(), 0.0, options_.patience_s);
        phase_options_.distance_s = usual_distance(distances_s_);
        auto phase = measure_phase(load, phase_options_);
        if (!phase.has_moved) distances_s_.push_back(phase.distance_s);
        options_.tell(fmt::format(
            "load    {:<20} {:>8.0f} messages/s  {:>5.1f} % of a processor  waited {:.1f} %  "
            "generator {:.0f} %{}",
            load.name, phase.sent_per_s(), phase.processor * 100, phase.disturbance * 100,
            phase.generator_busy * 100,
            phase.distance_s > 0 ? fmt::format(", {:.0f} ns away{}", phase.distance_s * 1e9,
                                               phase.has_moved ? " for a while" : "")
                                 : ""));
        return phase;
    }
    /// Measurements while the processors were as far apart as in most of them.
    void drop_unusual() {
        const double usual_s = run_.calibration.distance_s = usual_distance(distances_s_);
        std::vector<Phase> kept;
        const auto all = run_.phases.size();
        for (std::size_t i = 0; i < all; ++i) {
            if (!had_usual_distance(run_.phases[i], usual_s)) continue;
            kept.push_back(std::move(run_.phases[i]));
        }
        run_.phases = std::move(kept);
        if (run_.phases.size() == all) return;
        warn(
            fmt::format("{} of {} measurements were left out: the processors of broker and "
                        "generator were not as far apart as in the others ({:.0f} ns for a line of "
                        "memory, there and back)",
                        all - run_.phases.size(), all, usual_s * 1e9));
    }

    /// What a message costs, roughly: more and more of them, until the servers have a good part of
    /// their time to do.
    void probe() {
        auto load = steps().front().load;
        load.name = "a first guess";
        load.per_s = 1'000;
        constexpr double enough = 0.3;
        for (int i = 0; i < 4; ++i) {
            const auto phase = measure(load);
            if (phase.sent_per_s() <= 0) throw CannotMeasure{"the target delivers nothing"};
            servers_ = std::max(servers_, phase.workers);
            const double occupied = std::max(0.002, phase.occupied(servers_));
            message_s_ = occupied * servers_ / phase.sent_per_s();
            generator_s_ = phase.generator_busy / phase.sent_per_s();
            const double factor = std::min(enough / occupied, 6.0);
            if (factor < 1.3 || phase.generator_busy > generator_max) break;
            load.per_s *= factor;
        }
    }

    [[nodiscard]] double spent_s() const { return load::in_seconds(load::clock_now() - begun_at_); }

    void measure_round(unsigned round) {
        for (auto& step : steps_) {
            // Without the first round there is nothing to fit.
            if (round > 0 && spent_s() > options_.rounds_until_s) return;
            auto load = step.load;
            if (step.busy > 0) {
                double& rate = rates_[load.name];
                if (rate <= 0) {
                    // Quiet is quiet for both.
                    const double generator_share = step.busy > quiet ? generator_max : 2 * quiet;
                    rate = std::min(step.busy * servers_ / message_s_,
                                    generator_share / generator_s_) /
                           step.dearness;
                }
                // A little different each round, so that rounds are not one measurement.
                load.per_s = std::max(20.0, rate * (round % 2 == 0 ? 1 : 0.93));
            } else {
                load.per_s = 50;
            }
            auto phase = measure(load);
            if (step.busy > 0) adapt(step, phase);
            // Few messages a second, and all that is told of latency is made of them.
            constexpr int more_when_quiet = 2;
            for (int i = 0; i < more_when_quiet && step.busy == quiet; ++i) {
                run_.phases.push_back(measure(load));
            }
            run_.phases.push_back(std::move(phase));
        }
    }

    /// More and more, until there is always something to do: what sharing looks, reads and writes
    /// saves is seen there.
    void measure_heavy(unsigned round) {
        for (const unsigned qos : {0U, 1U, 2U}) {
            MessageLoad load{.name = fmt::format("QoS {}, more and more", qos), .qos = qos};
            const auto from = qos == 0 ? "QoS 0, two thirds" : fmt::format("QoS {}, half", qos);
            load.per_s = rates_[from] * (qos == 0 ? 1.3 : 2) * (round % 2 == 0 ? 1 : 1.1);
            if (load.per_s <= 0) return;
            constexpr double enough = 0.95;
            constexpr double step = 1.35;
            for (int i = 0; i < 4; ++i, load.per_s *= step) {
                if (round > 0 && spent_s() > options_.rounds_until_s) return;
                auto phase = measure(load);
                const bool is_much = phase.limit.is_generator || phase.lost > 0 ||
                                     phase.sent_per_s() < load.per_s * 0.97 ||
                                     phase.generator_busy > 0.9;
                if (is_much && i > 0) break;
                const double busy = phase.occupied(servers_);
                if (!is_much) {
                    run_.phases.push_back(std::move(phase));
                }
                if (is_much || busy > enough) break;
            }
        }
    }

    /// The next round's rate: nearer to what the servers should be busy, and within what the
    /// generator can do.
    void adapt(const Step& step, const Phase& phase) {
        double& rate = rates_[step.load.name];
        const double busy = std::max(0.01, phase.occupied(servers_));
        double factor = std::clamp(step.busy / busy, 0.4, 2.5);
        const double generator_share = step.busy > quiet ? generator_max : 2 * quiet;
        factor = std::min(factor, generator_share / std::max(0.01, phase.generator_busy));
        rate *= factor;
        servers_ = std::max(servers_, phase.workers);
    }

    void measure_storms() {
        constexpr std::uint32_t subscriptions = 10;
        std::vector<double> plain;
        std::vector<double> leaving;
        std::vector<double> with_subscriptions;
        for (unsigned i = 0; i < options_.rounds + 1; ++i) {
            phase_options_.seed += 17;
            const auto bare = measure_storm(phase_options_, options_.storm_clients, 0);
            phase_options_.seed += 17;
            const auto subscribed =
                measure_storm(phase_options_, options_.storm_clients / 2, subscriptions);
            plain.push_back(bare.connect_s);
            leaving.push_back(bare.disconnect_s);
            with_subscriptions.push_back(subscribed.connect_s);
        }
        auto& result = run_.calibration;
        result.connect_s = figure_of(plain);
        result.disconnect_s = figure_of(leaving);
        std::vector<double> each;
        for (std::size_t i = 0; i < plain.size(); ++i) {
            each.push_back(std::max(0.0, (with_subscriptions[i] - plain[i]) / subscriptions));
        }
        result.subscribe_s = figure_of(each);
        if (options_.tls_target) {
            auto secure = phase_options_;
            secure.target = *options_.tls_target;
            std::vector<double> handshakes;
            for (unsigned i = 0; i < options_.rounds + 1; ++i) {
                secure.seed += 17;
                const auto storm = measure_storm(secure, options_.storm_clients / 4, 0);
                handshakes.push_back(storm.connect_s - result.connect_s.value);
            }
            result.tls_handshake_s = figure_of(handshakes);
        }
        options_.tell(fmt::format("connect {:.1f} us, disconnect {:.1f} us, subscription {:.1f} us"
                                  ", TLS {:.1f} us",
                                  result.connect_s.value * 1e6, result.disconnect_s.value * 1e6,
                                  result.subscribe_s.value * 1e6,
                                  result.tls_handshake_s.value * 1e6));
    }

    /// Closed loop: throughput by messages under way.
    void measure_concurrency() {
        for (const std::uint32_t publishers : {1U, 2U, 4U, 8U, 16U, 32U}) {
            MessageLoad load{.name = fmt::format("closed loop, {}", publishers),
                             .publishers = publishers,
                             .in_flight = 1};
            const auto phase = measure(load);
            const double rate = phase.sent_per_s();
            if (rate > 0) {
                run_.calibration.concurrency.push_back({double{1} * publishers, rate});
            }
        }
    }

    /// About what a client takes to acknowledge: half of what a message takes to it.
    [[nodiscard]] double answer_s() const {
        for (const auto& phase : run_.phases) {
            const auto median = told_of(curve_of(phase.deliveries))[0];
            if (phase.load.name.ends_with("quiet") && median) return *median / 2;
        }
        return 0;
    }

    /// Processors were moved, and moved back before it was over.
    static constexpr double off_max = 0.2;
    [[nodiscard]] static bool is_outlier(const Calibration& result, const Phase& phase) {
        auto rates = phase.rates;
        at(rates, Operation::wake) = phase.wakes_per_s;
        return std::abs(result.cpu.mean_at(rates).value / phase.processor - 1) > off_max;
    }
    /// The generator's, where it is the generator's own.
    [[nodiscard]] QuantileCurve lateness_of(const std::vector<load::Histogram>& lags) const {
        return options_.is_generator_separate ? curve_of(lags) : QuantileCurve{};
    }

    void fit() {
        auto& result = run_.calibration;
        result.servers = servers_;
        drop_unusual();
        const auto loop = fit_loop(run_.phases, servers_, options_.shares_queue, answer_s());
        if (!loop) throw CannotMeasure{"the costs of operations cannot be told apart"};
        result.shares_queue = options_.shares_queue;
        result.cpu = loop->cpu;
        result.wake_delay_s = loop->wake_delay_s;
        result.gathers = loop->gathers;
        result.answer_s = answer_s();
        for (auto& phase : run_.phases) phase.rates = all_rates(result, phase);
        const auto all = run_.phases.size();
        std::erase_if(run_.phases, [&](const Phase& phase) { return is_outlier(result, phase); });
        if (run_.phases.size() < all) {
            warn(fmt::format("{} of {} measurements are off by more than {:.0f} % from what all of "
                             "them say, and were left out: the machine was faster or slower",
                             all - run_.phases.size(), all, off_max * 100));
        }
        options_.tell(fmt::format(
            "a loop that {}, at work {:.1f} us after it was woken: processor "
            "time of {} measurements is met to {:.1f} %",
            result.gathers ? "takes and writes all at once" : "takes and writes packets one by one",
            result.wake_delay_s * 1e6, run_.phases.size(), loop->error * 100));
        std::map<unsigned, std::vector<load::Histogram>> quiet_times;
        std::map<unsigned, std::vector<load::Histogram>> quiet_lags;
        std::map<unsigned, double> rates;
        for (std::size_t i = 0; i < run_.phases.size(); ++i) {
            const auto& phase = run_.phases[i];
            result.disturbance_max = std::max(result.disturbance_max, phase.disturbance);
            if (!phase.load.name.ends_with("quiet")) continue;
            auto& windows = quiet_times[phase.load.qos];
            windows.insert(windows.end(), phase.deliveries.begin(), phase.deliveries.end());
            auto& lags = quiet_lags[phase.load.qos];
            lags.insert(lags.end(), phase.lags.begin(), phase.lags.end());
            rates[phase.load.qos] = phase.sent_per_s();
        }
        // What a message takes at rest depends on how waits are, and the other way round.
        constexpr int turns = 2;
        for (int turn = 0; turn < turns; ++turn) {
            result.latencies.clear();
            for (const auto& [qos, windows] : quiet_times) {
                const auto curve = curve_of(windows);
                if (curve.is_empty()) continue;
                std::uint64_t samples = 0;
                for (const auto& window : windows) samples += window.count();
                const MessageLoad load{.qos = qos, .per_s = rates[qos]};
                const MeasuredLatency little{.demand = demand_of(load),
                                             .lateness = lateness_of(quiet_lags[qos])};
                result.latencies.push_back(
                    {.qos = qos,
                     .rate_per_s = rates[qos],
                     .samples = samples,
                     .seconds = at_rest(result, little, qos, curve, options_.seed)});
            }
            std::vector<MeasuredLatency> measured;
            for (const auto& phase : run_.phases) {
                if (phase.deliveries.empty() || phase.limit.is_generator) continue;
                auto demand = demand_of(phase.load);
                demand.streams[0].messages_per_s = phase.sent_per_s();
                measured.push_back({.demand = demand,
                                    .quantiles_s = told_of(curve_of(phase.deliveries)),
                                    .lateness = lateness_of(phase.lags)});
            }
            const auto waits = fit_waits(result, measured, options_.seed);
            run_.knows_waits = waits.has_value();
            if (!waits) break;
            result.wait_factor = waits->factor;
            result.awake_factor = waits->awake;
        }
        if (!run_.knows_waits) {
            warn("latencies under load were not those of a queue, since the generator or the "
                 "machine was the limit: waits are taken to be those of the queue by itself");
        }
        OperationRates one{};
        at(one, Operation::publish_0) = at(one, Operation::deliver_0) = 1;
        at(one, Operation::byte_in) = at(one, Operation::byte_out) = result.payload_bytes;
        result.scaling = {{double{1} * servers_, servers_ / work_of(result, one).value}};
        if (result.disturbance_max > phase_options_.disturbance_max) {
            warn(fmt::format("the machine kept the broker waiting for up to {:.0f} % of the time: "
                             "latencies are those of a machine that is shared",
                             result.disturbance_max * 100));
        }
        for (const auto& phase : run_.phases) {
            if (phase.lost == 0) continue;
            warn(fmt::format("{}: {} messages were lost", phase.load.name, phase.lost));
        }
    }

    const CalibrateOptions& options_;
    PhaseOptions phase_options_;
    CalibrationRun run_;
    std::vector<Step> steps_ = steps();
    std::map<std::string, double> rates_;  // by step
    std::vector<double> distances_s_;      // of processors, by measurement
    load::Nanos begun_at_ = load::clock_now();
    double message_s_ = 0;    // of the broker, for a message, roughly
    double generator_s_ = 0;  // of the generator, waiting for a processor included
    std::uint32_t servers_ = 1;
};

}  // namespace

std::string now_text() {
    const auto now = std::chrono::system_clock::now();
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::minutes>(now - day)};
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count());
}

std::string broker_name(const load::Target& target, int pid) {
    std::string problem;
    const auto address = load::resolve(target.host, target.port, problem);
    if (!address) throw CannotMeasure{problem};
    PlainClient client{target, *address, "touchstone-plan", true};
    client.enter();
    client.subscribe({"$SYS/broker/version"});
    constexpr double patience_s = 0.5;
    const auto version = client.await_message(patience_s);
    client.disconnect();
    const auto program = program_of(pid);
    if (!version || version->empty()) return program;
    return version->find(program) == std::string::npos ? program + " " + *version : *version;
}

CalibrationRun calibrate(const CalibrateOptions& options) {
    return Calibrator{options}.run();
}

}  // namespace touchstone::planner
