#include "planner/measure/fit_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <future>
#include <map>
#include <optional>

#include "planner/measure/fit_loop.hpp"
#include "planner/measure/plain_client.hpp"
#include "planner/measure/windows.hpp"
#include "planner/models/estimate.hpp"

namespace touchstone::planner {

namespace {

/// Processors were moved, and moved back before it was over.
constexpr double off_max = 0.2;

bool is_outlier(const Calibration& result, const Phase& phase) {
    auto rates = phase.rates;
    at(rates, Operation::wake) = phase.wakes_per_s;
    return std::abs(result.cpu.mean_at(rates).value / phase.processor - 1) > off_max;
}

bool is_quiet(const Phase& phase) {
    return phase.load.name.ends_with("quiet");
}

/// About what a client takes to acknowledge: half of what a message takes to it.
double answer_s(const std::vector<Phase>& phases) {
    for (const auto& phase : phases) {
        const auto median = told_of(curve_of(phase.deliveries))[0];
        if (is_quiet(phase) && median) return *median / 2;
    }
    return 0;
}

/// A calibration by one kind of loop.
class Fitter {
public:
    Fitter(Calibration result, std::vector<Phase> phases, const FitOptions& options)
        : result_{std::move(result)},
          phases_{std::move(phases)},
          options_{options} {}

    /// False: the costs of operations cannot be told apart.
    bool run(const LoopKind& kind) {
        const auto loop =
            fit_loop(phases_, result_.servers, result_.shares_queue, answer_s(phases_), kind);
        if (!loop) return false;
        result_.cpu = loop->cpu;
        result_.wake_delay_s = loop->wake_delay_s;
        result_.answer_s = loop->answer_s;
        result_.gathers = kind.gathers;
        cost_error_ = loop->error;
        for (auto& phase : phases_) phase.rates = all_rates(result_, phase);
        words_ = fmt::format("a loop that {}, at work {:.1f} us after it was woken: processor "
                             "time of {} measurements is met to {:.1f} %",
                             kind.gathers ? "takes and writes all at once"
                                          : "takes and writes packets one by one",
                             result_.wake_delay_s * 1e6, phases_.size(), cost_error_ * 100);
        drop_outliers();
        fit_latencies();
        fit_throughput();
        look_at_machine();
        return true;
    }
    /// Of processor time and of latencies, as shares.
    [[nodiscard]] double error() const { return cost_error_ + latency_error_; }
    [[nodiscard]] const std::string& words() const { return words_; }

    FitKnowledge take(Calibration& result, std::vector<Phase>& phases) {
        result = std::move(result_);
        phases = std::move(phases_);
        return std::move(knowledge_);
    }

private:
    void warn(std::string line) { knowledge_.warnings.push_back(std::move(line)); }

    void drop_outliers() {
        const auto all = phases_.size();
        std::erase_if(phases_, [&](const Phase& phase) { return is_outlier(result_, phase); });
        if (phases_.size() == all) return;
        warn(fmt::format("{} of {} measurements are off by more than {:.0f} % from what all of "
                         "them say, and were left out: the machine was faster or slower",
                         all - phases_.size(), all, off_max * 100));
    }

    /// The generator's, where it is the generator's own.
    [[nodiscard]] QuantileCurve lateness_of(const std::vector<load::Histogram>& lags,
                                            double pace_s) const {
        return options_.is_generator_separate ? at_usual_pace(curve_of(lags), pace_s)
                                              : QuantileCurve{};
    }
    [[nodiscard]] QuantileCurve at_usual_pace(const QuantileCurve& curve, double pace_s) const {
        return curve.times(1 / latency_factor(pace_s, result_.pace_s));
    }

    /// What was measured at a low load, of a QoS.
    struct Quiet {
        std::vector<load::Histogram> deliveries;
        std::vector<load::Histogram> lags;
        double per_s = 0;
        std::vector<double> paces_s;
    };
    struct Latencies {
        std::vector<BaseLatency> at_rest;
        std::optional<Figure> wait_factor;  // nothing: no queue explains them
        double awake = 1;
        double error = INFINITY;
    };
    /// What a message takes at rest depends on how waits are, and the other way round.
    [[nodiscard]] Latencies latencies_with(double awake, const std::map<unsigned, Quiet>& quiet,
                                           const std::vector<MeasuredLatency>& measured) const {
        Latencies result{.awake = awake};
        auto calibration = result_;
        calibration.awake_factor = awake;
        constexpr int turns = 2;
        for (int turn = 0; turn < turns; ++turn) {
            calibration.latencies.clear();
            for (const auto& [qos, one] : quiet) {
                const double pace_s = median_of(one.paces_s);
                const auto curve = at_usual_pace(curve_of(one.deliveries), pace_s);
                if (curve.is_empty()) continue;
                std::uint64_t samples = 0;
                for (const auto& window : one.deliveries) samples += window.count();
                const MessageLoad load{.qos = qos, .per_s = one.per_s};
                const MeasuredLatency little{.demand = demand_of(load),
                                             .lateness = lateness_of(one.lags, pace_s)};
                calibration.latencies.push_back(
                    {.qos = qos,
                     .rate_per_s = one.per_s,
                     .samples = samples,
                     .seconds = at_rest(calibration, little, qos, curve, options_.seed)});
            }
            result.at_rest = calibration.latencies;
            const auto waits = fit_waits(calibration, measured, options_.seed);
            if (!waits) return {.at_rest = result.at_rest, .awake = awake};
            result.wait_factor = calibration.wait_factor = waits->factor;
            constexpr double quantiles = 3;
            result.error = waits->error / quantiles / static_cast<double>(measured.size());
        }
        return result;
    }

    void fit_latencies() {
        std::map<unsigned, Quiet> quiet;
        std::vector<MeasuredLatency> measured;
        for (const auto& phase : phases_) {
            if (is_quiet(phase)) {
                auto& one = quiet[phase.load.qos];
                one.deliveries.insert(one.deliveries.end(), phase.deliveries.begin(),
                                      phase.deliveries.end());
                one.lags.insert(one.lags.end(), phase.lags.begin(), phase.lags.end());
                one.per_s = phase.sent_per_s();
                one.paces_s.push_back(phase.pace_s);
            }
            if (phase.deliveries.empty() || phase.limit.is_generator) continue;
            auto demand = demand_of(phase.load);
            demand.streams[0].messages_per_s = phase.sent_per_s();
            measured.push_back(
                {.demand = demand,
                 .quantiles_s = told_of(at_usual_pace(curve_of(phase.deliveries), phase.pace_s)),
                 .lateness = lateness_of(phase.lags, phase.pace_s)});
        }
        std::optional<Latencies> best;
        for (const double awake : {0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5}) {
            auto one = latencies_with(awake, quiet, measured);
            if (!best || one.error < best->error) best = std::move(one);
        }
        result_.latencies = std::move(best->at_rest);
        knowledge_.knows_waits = best->wait_factor.has_value();
        if (best->wait_factor) {
            result_.wait_factor = *best->wait_factor;
            result_.awake_factor = best->awake;
            latency_error_ = best->error;
        }
        if (knowledge_.knows_waits) return;
        warn("latencies under load were not those of a queue, since the generator or the machine "
             "was the limit: waits are taken to be those of the queue by itself");
    }

    void fit_throughput() {
        OperationRates one{};
        at(one, Operation::publish_0) = at(one, Operation::deliver_0) = 1;
        at(one, Operation::byte_in) = at(one, Operation::byte_out) = result_.payload_bytes;
        result_.scaling = {
            {double{1} * result_.servers, result_.servers / work_of(result_, one).value}};
    }

    void look_at_machine() {
        for (const auto& phase : phases_) {
            result_.disturbance_max = std::max(result_.disturbance_max, phase.disturbance);
            if (phase.lost == 0) continue;
            warn(fmt::format("{}: {} messages were lost", phase.load.name, phase.lost));
        }
        if (result_.disturbance_max <= options_.disturbance_max) return;
        warn(fmt::format("the machine kept the broker waiting for up to {:.0f} % of the time: "
                         "latencies are those of a machine that is shared",
                         result_.disturbance_max * 100));
    }

    Calibration result_;
    std::vector<Phase> phases_;
    const FitOptions& options_;
    double cost_error_ = 0;
    double latency_error_ = 1;  // nothing is known of them
    std::string words_;
    FitKnowledge knowledge_;
};

}  // namespace

FitKnowledge fit_calibration(Calibration& result, std::vector<Phase>& phases,
                             const FitOptions& options) {
    const auto all = phases.size();
    // Measurements while the machine was as in most of them, and what they had been at one pace.
    std::erase_if(phases,
                  [&](const Phase& phase) { return !had_usual_pace(phase, result.pace_s); });
    for (auto& phase : phases) phase.processor /= cost_factor(phase.pace_s, result.pace_s);
    const auto kept = phases.size();
    // A copy that shares its message takes next to nothing besides the system call that writes it.
    constexpr double small_share = 0.05;
    const std::array<LoopKind, 3> kinds{
        {{.gathers = true}, {.gathers = true, .copy_share = small_share}, {.gathers = false}}};
    std::vector<std::future<std::optional<Fitter>>> tries;
    for (const auto& kind : kinds) {
        tries.push_back(std::async(std::launch::async, [&result, &phases, &options, kind] {
            Fitter one{result, phases, options};
            return one.run(kind) ? std::optional{std::move(one)} : std::nullopt;
        }));
    }
    std::optional<Fitter> best;
    for (auto& one : tries) {
        auto fitter = one.get();
        if (!fitter || (best && best->error() <= fitter->error())) continue;
        best.emplace(*std::move(fitter));
    }
    if (!best) throw CannotMeasure{"the costs of operations cannot be told apart"};
    options.tell(best->words());
    auto knowledge = best->take(result, phases);
    if (kept < all) {
        knowledge.warnings.insert(
            knowledge.warnings.begin(),
            fmt::format("{} of {} measurements were left out: the machine was much faster or "
                        "slower than in the others ({:.1f} us for a small message that is sent "
                        "back)",
                        all - kept, all, result.pace_s * 1e6));
    }
    return knowledge;
}

}  // namespace touchstone::planner
