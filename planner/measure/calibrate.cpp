#include "planner/measure/calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>

#include "planner/measure/fit_calibration.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"
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
        run_.calibration.servers = servers_;
        run_.calibration.shares_queue = options_.shares_queue;
        run_.calibration.pace_s = usual_pace(paces_s_);
        const auto knowledge =
            fit_calibration(run_.calibration, run_.phases,
                            {.is_generator_separate = options_.is_generator_separate,
                             .seed = options_.seed,
                             .disturbance_max = phase_options_.disturbance_max,
                             .tell = options_.tell});
        run_.knows_waits = knowledge.knows_waits;
        for (const auto& line : knowledge.warnings) warn(line);
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
        phase_options_.pace_s = usual_pace(paces_s_);
        auto phase = measure_phase(load, phase_options_);
        if (!phase.has_changed) paces_s_.push_back(phase.pace_s);
        options_.tell(fmt::format(
            "load    {:<20} {:>8.0f} messages/s  {:>5.1f} % of a processor  waited {:.1f} %  "
            "generator {:.0f} %{}",
            load.name, phase.sent_per_s(), phase.processor * 100, phase.disturbance * 100,
            phase.generator_busy * 100,
            phase.pace_s > 0 ? fmt::format(", pace {:.1f} us{}", phase.pace_s * 1e6,
                                           phase.has_changed ? ", which changed" : "")
                             : ""));
        return phase;
    }
    /// Nothing: the machine was too busy for it, which is told of.
    std::optional<Phase> try_to_measure(const MessageLoad& load) {
        try {
            return measure(load);
        } catch (const MachineTooBusy& problem) {
            warn(problem.what());
            return std::nullopt;
        }
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
            // Few messages a second, and all that is told of latency is made of them.
            const int times = step.busy == quiet ? 3 : 1;
            for (int i = 0; i < times; ++i) {
                auto phase = try_to_measure(load);
                if (!phase) continue;
                if (step.busy > 0 && i == 0) adapt(step, *phase);
                run_.phases.push_back(*std::move(phase));
            }
        }
    }

    /// More and more, until there is always something to do: what sharing looks, reads and writes
    /// saves is seen there.
    void measure_heavy(unsigned round) {
        struct Heavy {
            MessageLoad load;
            std::string from;
            double factor = 1;
        };
        const std::array all{
            Heavy{{.name = "QoS 0, more and more"}, "QoS 0, two thirds", 1.3},
            // Of few connections each has much at once.
            Heavy{{.name = "QoS 0, more of 3", .publishers = 3}, "QoS 0, 3 publishers", 1.3},
            Heavy{{.name = "QoS 1, more and more", .qos = 1}, "QoS 1, half", 2},
            Heavy{{.name = "QoS 2, more and more", .qos = 2}, "QoS 2, half", 2},
        };
        for (const auto& heavy : all) {
            auto load = heavy.load;
            load.per_s = rates_[heavy.from] * heavy.factor * (round % 2 == 0 ? 1 : 1.1);
            if (load.per_s <= 0) return;
            constexpr double enough = 0.95;
            constexpr double step = 1.35;
            for (int i = 0; i < 4; ++i, load.per_s *= step) {
                if (round > 0 && spent_s() > options_.rounds_until_s) return;
                auto phase = try_to_measure(load);
                if (!phase) break;
                const bool is_much = phase->limit.is_generator || phase->lost > 0 ||
                                     phase->sent_per_s() < load.per_s * 0.97 ||
                                     phase->generator_busy > 0.9;
                if (is_much && i > 0) break;
                const double busy = phase->occupied(servers_);
                if (!is_much) {
                    run_.phases.push_back(*std::move(phase));
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
            const auto phase = try_to_measure(load);
            const double rate = phase ? phase->sent_per_s() : 0;
            if (rate > 0) {
                run_.calibration.concurrency.push_back({double{1} * publishers, rate});
            }
        }
    }

    const CalibrateOptions& options_;
    PhaseOptions phase_options_;
    CalibrationRun run_;
    std::vector<Step> steps_ = steps();
    std::map<std::string, double> rates_;  // by step
    std::vector<double> paces_s_;          // by measurement
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
