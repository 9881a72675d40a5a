#include "planner/measure/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "planner/measure/plain_client.hpp"
#include "planner/measure/process.hpp"
#include "planner/measure/windows.hpp"
#include "planner/models/activity.hpp"
#include "planner/models/estimate.hpp"

namespace touchstone::planner {

namespace {

/// Other sizes, other fan-outs, other numbers of clients than the calibration has.
struct Unseen {
    MessageLoad load;
    double busy = 0;
};

std::vector<Unseen> unseen_loads() {
    const auto messages = [](unsigned qos, std::uint32_t bytes, std::uint32_t receivers,
                             std::uint32_t publishers, double busy) {
        return Unseen{
            .load = {.name = fmt::format("QoS {}, {} bytes, to {}", qos, bytes, receivers),
                     .qos = qos,
                     .payload_bytes = bytes,
                     .receivers = receivers,
                     .publishers = publishers},
            .busy = busy};
    };
    return {
        messages(0, 300, 1, 30, 0.3),  messages(0, 300, 1, 30, 0.5), messages(0, 300, 1, 30, 0.65),
        messages(1, 150, 1, 15, 0.35), messages(1, 150, 1, 15, 0.6), messages(0, 200, 5, 10, 0.4),
        messages(0, 200, 5, 10, 0.6),  messages(2, 100, 1, 10, 0.4),
    };
}

/// Half of the range, as a share of the median; 0 with fewer than two.
double spread_of(const std::vector<double>& values) {
    if (values.size() < 2) return 0;
    const auto ends = std::ranges::minmax(values);
    return (ends.max - ends.min) / 2 / median_of(values);
}

class Validator {
public:
    Validator(const Calibration& calibration, const ValidateOptions& options)
        : calibration_{calibration},
          options_{options},
          question_{.servers = calibration.servers,
                    .latency_max_s = options.latency_max_s,
                    .seed = options.seed} {
        phase_options_ = {.target = options.target,
                          .pid = options.pid,
                          .seed = options.seed,
                          .warm_up_s = 1,
                          .measure_s = options.measure_s,
                          .is_generator_separate = options.is_generator_separate,
                          .processors = options.processors,
                          .pace_s = calibration.pace_s,
                          .attempts_max = options.attempts_max,
                          .goes_on = options.goes_on};
    }

    Validation run() {
        compare_memory();
        std::vector<Repeated> all;
        for (auto& unseen : unseen_loads()) {
            unseen.load.per_s = rate_for(unseen.load, unseen.busy);
            all.push_back({.load = unseen.load});
        }
        for (unsigned round = 0; round < std::max(1U, options_.rounds); ++round) {
            for (auto& one : all) {
                unless_too_busy([&] { one.phases.push_back(measure_within_generator(one.load)); });
            }
        }
        for (const auto& one : all) {
            if (!one.phases.empty()) compare(one);
        }
        unless_too_busy([&] { compare_knee(); });
        return std::move(result_);
    }

private:
    /// A workload that was measured now and then.
    struct Repeated {
        MessageLoad load;
        std::vector<Phase> phases;
    };

    /// What the machine is too busy for is left out, and told of.
    void unless_too_busy(const std::function<void()>& measurement) {
        try {
            measurement();
        } catch (const MachineTooBusy& problem) {
            result_.notes.push_back(problem.what());
        }
    }
    [[nodiscard]] static double pace_of_all(const std::vector<Phase>& phases) {
        std::vector<double> paces_s;
        for (const auto& phase : phases) paces_s.push_back(phase.pace_s);
        return usual_pace(paces_s);
    }

    void add(const std::string& quantity, const std::string& workload, double predicted,
             double measured, const std::string& unit, bool was_disturbed, double spread = 0) {
        if (measured <= 0) return;
        result_.errors.push_back({.quantity = quantity,
                                  .workload = workload,
                                  .predicted = predicted,
                                  .measured = measured,
                                  .unit = unit,
                                  .was_disturbed = was_disturbed,
                                  .spread = spread});
        const auto& error = result_.errors.back();
        options_.tell(
            fmt::format("{:<10} {:<34} predicted {:>12.6g}  measured {:>12.6g} {}  {:+.1f} %{}{}",
                        quantity, workload, predicted, measured, unit, error.relative() * 100,
                        spread > 0 ? fmt::format("  (repeats to {:.1f} %)", spread * 100) : "",
                        was_disturbed ? "  (disturbed)" : ""));
    }

    void compare_memory() {
        const auto reading = read_memory(options_.pid);
        if (!reading) throw CannotMeasure{"the process cannot be looked at"};
        // Starts of a process differ, by megabytes in some; what is held comes on top of this
        // one's.
        const double calibrated = calibration_.memory.coefficients[0];
        const auto base = static_cast<double>(reading->private_bytes);
        constexpr double fresh_factor = 2;
        if (base > calibrated * fresh_factor) {
            result_.notes.push_back(fmt::format(
                "memory was not compared: the process has {:.1f} MB, {:.1f} MB when it was "
                "calibrated; start the broker anew before",
                base / 1e6, calibrated / 1e6));
            return;
        }
        if (std::abs(base / calibrated - 1) > 0.05) {
            result_.notes.push_back(fmt::format("memory: this process began with {:.1f} MB, the "
                                                "one that was calibrated with {:.1f} "
                                                "MB; the prediction is for what it holds besides",
                                                base / 1e6, calibrated / 1e6));
        }
        const auto& range = calibration_.memory_range;
        const auto part = [&](Holding holding, double share) {
            return static_cast<std::uint32_t>(at(range, holding) * share);
        };
        const MemoryPlan plan{.connections = part(Holding::connection, 0.65),
                              .subscriptions = part(Holding::subscription, 0.6),
                              .retained = part(Holding::retained, 0.6),
                              .sessions = part(Holding::session, 0.55),
                              .queued_each = 7,
                              .payloads = {{50, 150, 90, 310, 220, 450}},
                              .steps = 1};
        const auto samples = measure_memory(options_.target, options_.pid, plan,
                                            fmt::format("{:x}", options_.seed), options_.goes_on);
        const auto compare = [&](const MemorySample& sample, const std::string& what) {
            auto held = sample.holdings;
            at(held, Holding::process) = 0;
            add("memory", what, base + memory_of(calibration_, held).value, sample.private_bytes,
                "bytes", false);
        };
        constexpr std::size_t connections_only = 1;
        compare(samples[connections_only], fmt::format("{} connections", plan.connections));
        compare(samples.back(), "a mix of everything");
    }

    /// By the prediction.
    [[nodiscard]] double rate_for(MessageLoad load, double busy) const {
        load.per_s = 1;
        const double work = work_of(calibration_, demand_of(load).rates()).value;
        double rate = busy * calibration_.servers / work;
        // Waking up takes its share, the more the less there is to do.
        for (int i = 0; i < 8; ++i) {
            load.per_s = rate;
            const auto all = processor_time(calibration_, demand_of(load), calibration_.servers);
            rate *= busy * calibration_.servers / all.value;
        }
        return rate;
    }

    Phase measure(const MessageLoad& messages) {
        phase_options_.seed += 17;
        const double spent_s = load::in_seconds(load::clock_now() - begun_at_);
        phase_options_.attempts_max = spent_s < options_.retry_until_s ? options_.attempts_max : 1;
        phase_options_.patience_s =
            std::clamp(options_.retry_until_s - spent_s, 0.0, options_.patience_s);
        return measure_phase(messages, phase_options_);
    }
    [[nodiscard]] static bool is_too_much_for_generator(const Phase& phase) {
        constexpr double generator_max = 0.8;
        return phase.limit.is_generator || phase.generator_busy > generator_max;
    }
    [[nodiscard]] bool is_disturbed(const Phase& phase) const {
        return phase.disturbance > phase_options_.disturbance_max || phase.limit.is_generator ||
               !had_usual_pace(phase, calibration_.pace_s);
    }

    /// At less, from then on, where the generator cannot do it.
    Phase measure_within_generator(MessageLoad& load) {
        auto phase = measure(load);
        for (int i = 0; i < 3 && is_too_much_for_generator(phase); ++i) {
            load.per_s = std::min(load.per_s, phase.sent_per_s()) * 0.6;
            phase = measure(load);
        }
        return phase;
    }

    void compare(const Repeated& one) {
        // What was sent, not what was meant to be.
        auto load = one.load;
        load.per_s = 0;
        const auto count = static_cast<double>(one.phases.size());
        for (const auto& phase : one.phases) load.per_s += phase.sent_per_s() / count;
        load.name += fmt::format(", {:.3g} k/s", load.per_s / 1e3);
        const auto demand = demand_of(load);
        // A workload's measurements are compared at the pace that the machine had in them.
        const double pace_s = pace_of_all(one.phases);
        const auto calibration = at_pace(calibration_, pace_s);
        const bool was_disturbed =
            2 * std::ranges::count_if(one.phases,
                                      [this](const Phase& phase) { return is_disturbed(phase); }) >
            std::ssize(one.phases);
        std::vector<double> processor;
        std::vector<load::Histogram> deliveries;
        std::vector<load::Histogram> lags;
        std::array<std::vector<double>, told_quantiles.size()> rounds;
        for (const auto& phase : one.phases) {
            processor.push_back(phase.processor * load.per_s / phase.sent_per_s() /
                                cost_factor(phase.pace_s, pace_s));
            deliveries.insert(deliveries.end(), phase.deliveries.begin(), phase.deliveries.end());
            lags.insert(lags.end(), phase.lags.begin(), phase.lags.end());
            const auto told = told_of(curve_of(phase.deliveries));
            for (std::size_t i = 0; i < told.size(); ++i) {
                if (told[i]) rounds[i].push_back(*told[i]);
            }
        }
        add("processor", load.name, processor_time(calibration, demand, calibration.servers).value,
            median_of(processor), "", was_disturbed, spread_of(processor));
        // What this generator adds of its own is no part of the broker.
        const auto lateness = options_.is_generator_separate ? curve_of(lags) : QuantileCurve{};
        auto question = question_;
        question.lateness = &lateness;
        const auto point = load_point(calibration, demand, question, 1);
        const auto measured = told_of(curve_of(deliveries));
        for (std::size_t i = 0; i < measured.size(); ++i) {
            if (!measured[i] || !point.latency_s[i]) continue;
            add(std::string{told_quantile_names[i]}, load.name, point.latency_s[i]->value,
                *measured[i], "s", was_disturbed, spread_of(rounds[i]));
        }
    }

    /// Whether p99 is what is asked for, and everything sent comes.
    [[nodiscard]] bool holds(const Phase& phase, double rate) const {
        const auto p99 = told_of(curve_of(phase.deliveries))[2];
        return p99 && *p99 <= options_.latency_max_s && phase.lost == 0 &&
               phase.sent_per_s() > rate * 0.97;
    }

    void compare_knee() {
        MessageLoad load{.name = "QoS 0, 200 bytes, to 5",
                         .payload_bytes = 200,
                         .receivers = 5,
                         .per_s = 1'000,
                         .publishers = 10};
        const auto one = load;
        const auto knee_at = [&](double pace_s) {
            const auto predicted =
                estimate(at_pace(calibration_, pace_s), demand_of(one), question_);
            return predicted.knee ? predicted.knee->value * one.per_s : 0;
        };
        const double knee = knee_at(calibration_.pace_s);
        if (knee <= 0) {
            result_.notes.push_back("knee: there is no prediction of p99");
            return;
        }
        double held = 0;
        std::vector<Phase> nearest;  // the last that held, and those that did not
        constexpr double step = 1.08;
        bool was_disturbed = false;
        for (double rate = knee * 0.65; rate < knee * 1.6; rate *= step) {
            load.per_s = rate;
            load.publishers =
                static_cast<std::uint32_t>(std::lround(one.publishers * rate / one.per_s));
            auto phase = measure(load);
            if (!holds(phase, rate)) {
                nearest.push_back(phase);
                phase = measure(load);
            }
            was_disturbed = was_disturbed || phase.disturbance > phase_options_.disturbance_max;
            if (holds(phase, rate)) {
                held = rate;
                nearest = {phase};
                continue;
            }
            nearest.push_back(phase);
            if (phase.limit.is_generator) {
                result_.notes.push_back(fmt::format(
                    "knee: the generator was the limit at {:.0f} messages a second, {:.0f} were "
                    "predicted for the broker",
                    rate, knee));
                return;
            }
            if (held > 0) {
                add("knee", load.name, knee_at(pace_of_all(nearest)), std::sqrt(held * rate), "/s",
                    was_disturbed);
            } else {
                result_.notes.push_back(fmt::format(
                    "knee: below {:.0f} messages a second, the least that was tried; {:.0f} were "
                    "predicted{}",
                    rate, knee, was_disturbed ? "; disturbed by the machine" : ""));
            }
            return;
        }
        result_.notes.push_back(fmt::format(
            "knee: none was found up to {:.0f} messages a second, {:.0f} were predicted",
            knee * 1.6, knee));
    }

    const Calibration& calibration_;
    const ValidateOptions& options_;
    Question question_;
    load::Nanos begun_at_ = load::clock_now();
    PhaseOptions phase_options_;
    Validation result_;
};

}  // namespace

Validation validate(const Calibration& calibration, const ValidateOptions& options) {
    return Validator{calibration, options}.run();
}

}  // namespace touchstone::planner
