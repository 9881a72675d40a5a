#include "planner/measure/fit_loop.hpp"

#include <algorithm>
#include <cmath>

#include "planner/models/activity.hpp"

namespace touchstone::planner {

namespace {

Demand demand_of(const Phase& phase) {
    auto demand = demand_of(phase.load);
    demand.streams[0].messages_per_s = phase.sent_per_s();
    demand.pings_per_s = at(phase.rates, Operation::ping);
    return demand;
}

/// How far the calibration's wakes are from those that were measured.
double error_of_wakes(const Calibration& calibration, const std::vector<Phase>& phases) {
    double sum = 0;
    for (const auto& phase : phases) {
        const auto activity = activity_of(calibration, demand_of(phase), calibration.servers);
        const double packets = packets_in(phase.rates);
        if (packets <= 0) continue;
        const double off = (at(activity.rates, Operation::wake) - phase.wakes_per_s) / packets;
        sum += off * off;
    }
    return sum;
}

/// How long it takes until a server is at work, and until a client has acknowledged, by how often
/// servers had slept.
void fit_delays(Calibration& calibration, const std::vector<Phase>& phases) {
    for (double Calibration::*delay : {&Calibration::wake_delay_s, &Calibration::answer_s}) {
        const double before = calibration.*delay;
        double best = before;
        double least = INFINITY;
        for (const double factor : {0.6, 0.8, 1.0, 1.25, 1.6}) {
            calibration.*delay = before * factor;
            const double error = error_of_wakes(calibration, phases);
            if (error >= least) continue;
            least = error;
            best = calibration.*delay;
        }
        calibration.*delay = best;
    }
}

double error_of(const LinearFit& fit, const std::vector<Phase>& phases) {
    // One that the machine has spoiled does not decide.
    constexpr double most = 0.1;
    double sum = 0;
    for (const auto& phase : phases) {
        auto rates = phase.rates;
        at(rates, Operation::wake) = phase.wakes_per_s;
        const double off = std::min(most, std::abs(fit.mean_at(rates).value / phase.processor - 1));
        sum += off * off;
    }
    return std::sqrt(sum / static_cast<double>(phases.size()));
}

/// What is far off counts less (Cauchy's weights).
std::optional<LinearFit> fit_robustly(const std::vector<Observation>& observations) {
    auto weighted = observations;
    auto fit = fit_linear(weighted);
    for (int i = 0; fit && i < 8; ++i) {
        std::vector<double> off;
        for (const auto& one : observations) {
            off.push_back(std::abs(fit->mean_at(one.factors).value / one.value - 1));
        }
        auto sorted = off;
        const auto middle = sorted.begin() + std::ssize(sorted) / 2;
        std::ranges::nth_element(sorted, middle);
        const double usual = std::max(1e-6, 2 * *middle);
        for (std::size_t k = 0; k < off.size(); ++k) {
            const double far = off[k] / usual;
            weighted[k].weight = observations[k].weight / (1 + far * far);
        }
        fit = fit_linear(weighted);
    }
    return fit;
}

/// One factor for both, of which one takes `share` of what the other does.
void merge_copies_and_writes(std::vector<Observation>& observations, double share) {
    for (auto& one : observations) {
        auto& copies = one.factors[static_cast<std::size_t>(Operation::deliver_0)];
        one.factors[static_cast<std::size_t>(Operation::write)] += share * copies;
        copies = 0;
    }
}
void split_copies_and_writes(LinearFit& fit, double share) {
    constexpr auto copy = static_cast<std::size_t>(Operation::deliver_0);
    constexpr auto write = static_cast<std::size_t>(Operation::write);
    fit.coefficients[copy] = share * fit.coefficients[write];
    const auto covariance = [&](std::size_t row, std::size_t column) -> double& {
        return fit.covariance[row * operation_count + column];
    };
    for (std::size_t i = 0; i < operation_count; ++i) {
        covariance(copy, i) = covariance(i, copy) = share * covariance(write, i);
    }
    covariance(copy, copy) = share * covariance(copy, write);
}

std::optional<LoopFit> fit_kind(std::vector<Phase> phases, Calibration calibration,
                                std::optional<double> copy_share) {
    // A beginning: system calls cost most.
    calibration.cpu.coefficients.assign(operation_count, 0.3e-6);
    for (const auto operation : {Operation::byte_in, Operation::byte_out}) {
        calibration.cpu.coefficients[static_cast<std::size_t>(operation)] = 0;
    }
    for (const auto operation :
         {Operation::read, Operation::write, Operation::look, Operation::wake}) {
        calibration.cpu.coefficients[static_cast<std::size_t>(operation)] = 2e-6;
    }
    calibration.cpu.covariance.assign(operation_count * operation_count, 0);
    calibration.cpu.degrees_of_freedom = 1;
    calibration.wake_delay_s = 3e-6;
    constexpr int turns = 10;
    std::optional<LoopFit> result;
    for (int i = 0; i < turns; ++i) {
        for (auto& phase : phases) phase.rates = all_rates(calibration, phase);
        auto fit = fit_processor(phases, copy_share);
        if (!fit) return std::nullopt;
        result = LoopFit{.cpu = *fit,
                         .wake_delay_s = calibration.wake_delay_s,
                         .answer_s = calibration.answer_s,
                         .error = error_of(*fit, phases)};
        // Half of the way, so that it does not swing.
        for (std::size_t k = 0; k < operation_count; ++k) {
            auto& old = calibration.cpu.coefficients[k];
            old = (old + fit->coefficients[k]) / 2;
        }
        if (i + 1 < turns && i % 2 == 1) {
            fit_delays(calibration, phases);
        }
    }
    return result;
}

}  // namespace

OperationRates all_rates(const Calibration& calibration, const Phase& phase) {
    auto rates = phase.rates;
    const auto activity = activity_of(calibration, demand_of(phase), calibration.servers);
    at(rates, Operation::look) = at(activity.rates, Operation::look);
    // Where each packet is read and written by itself, that is a part of what it costs.
    const bool is_shared = calibration.gathers && !calibration.shares_queue;
    at(rates, Operation::read) = is_shared ? at(activity.rates, Operation::read) : 0;
    at(rates, Operation::write) = is_shared ? at(activity.rates, Operation::write) : 0;
    if (calibration.shares_queue) at(rates, Operation::look) = 0;
    at(rates, Operation::wake) = phase.wakes_per_s;
    return rates;
}

std::optional<LinearFit> fit_processor(const std::vector<Phase>& phases,
                                       std::optional<double> copy_share) {
    std::vector<Observation> observations;
    for (const auto& phase : phases) {
        if (phase.processor <= 0) continue;
        auto rates = phase.rates;
        at(rates, Operation::wake) = phase.wakes_per_s;
        const double value = phase.processor;
        // Errors are a share of the value rather than of a second; and a broker that is kept
        // waiting finds more to do at once, which makes it cheaper than it is.
        const double waited = phase.disturbance / phase.processor;
        observations.push_back({.factors = {rates.begin(), rates.end()},
                                .value = value,
                                .weight = 1 / (value * value * (1 + 4 * waited * waited))});
    }
    if (copy_share) merge_copies_and_writes(observations, *copy_share);
    auto fit = fit_robustly(observations);
    if (fit && copy_share) split_copies_and_writes(*fit, *copy_share);
    return fit;
}

std::optional<LoopFit> fit_loop(const std::vector<Phase>& phases, std::uint32_t servers,
                                bool shares_queue, double answer_s, const LoopKind& kind) {
    return fit_kind(phases,
                    {.servers = servers,
                     .shares_queue = shares_queue,
                     .answer_s = answer_s,
                     .gathers = kind.gathers},
                    kind.copy_share);
}

}  // namespace touchstone::planner
