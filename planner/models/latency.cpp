// Latency of messages: what it is on a quiet broker, and the wait of the queues on top.

#include <algorithm>
#include <cmath>

#include "planner/models/estimate.hpp"
#include "planner/models/student.hpp"
#include "simulator/fleet/draws.hpp"

namespace touchstone::planner {

namespace {

double cost(const Calibration& calibration, Operation operation) {
    return calibration.cpu.coefficients[static_cast<std::size_t>(operation)];
}

const BaseLatency* base_of(const Calibration& calibration, unsigned qos) {
    const auto found = std::ranges::find(calibration.latencies, qos, &BaseLatency::qos);
    if (found != calibration.latencies.end()) return &*found;
    return calibration.latencies.empty() ? nullptr : &calibration.latencies.back();
}

/// What a node has to do, as kinds of work with their rates. The first ones are the demand's
/// streams.
std::vector<Work> work_of_node(const Calibration& calibration, const Demand& demand) {
    std::vector<Work> all;
    const auto qos_cost = [&](Operation first, unsigned qos) {
        return calibration.cpu.coefficients[static_cast<std::size_t>(first) + qos];
    };
    for (const auto& stream : demand.streams) {
        const double copy = qos_cost(Operation::deliver_0, stream.qos) +
                            stream.payload_bytes * cost(calibration, Operation::byte_out);
        const double taking = qos_cost(Operation::publish_0, stream.qos) +
                              stream.payload_bytes * cost(calibration, Operation::byte_in);
        all.push_back({.rate_per_s = stream.messages_per_s,
                       .service_s = taking + stream.receivers * copy,
                       .copies_s = std::max(0.0, stream.receivers - 1) * copy,
                       .is_message = stream.receivers > 0});
    }
    const auto add = [&](double rate, double service_s) {
        if (rate > 0) all.push_back({.rate_per_s = rate, .service_s = service_s});
    };
    add(demand.pings_per_s, cost(calibration, Operation::ping));
    add(demand.connects_per_s, calibration.connect_s.value + calibration.disconnect_s.value);
    add(demand.handshakes_per_s, calibration.tls_handshake_s.value);
    add(demand.subscribes_per_s, calibration.subscribe_s.value);
    if (demand.retained_per_s > 0) {
        add(demand.retained_per_s, cost(calibration, Operation::deliver_0) +
                                       demand.retained_bytes_per_s / demand.retained_per_s *
                                           cost(calibration, Operation::byte_out));
    }
    return all;
}

/// Beyond what the messages that were measured took: larger payloads, at rest.
double size_cost(const Calibration& calibration, const Stream& stream) {
    return (stream.payload_bytes - calibration.payload_bytes) *
           (cost(calibration, Operation::byte_in) + cost(calibration, Operation::byte_out));
}

using Quantiles = std::array<std::optional<double>, 4>;

/// `dearer`: how much more than the fit says each operation takes.
Quantiles latencies(const Calibration& calibration, const Demand& demand, const Station& station,
                    double dearer, double wait_factor, std::size_t arrivals, std::uint64_t seed) {
    auto work = work_of_node(calibration, demand);
    for (auto& one : work) {
        one.service_s *= dearer;
        one.copies_s *= dearer;
    }
    const auto run = run_queues(work, station, arrivals, seed);
    simulator::fleet::Draws draws{seed ^ 0x5EED'0F'BA5EU};
    std::vector<float> values;
    std::uint64_t base_samples = 0;
    values.reserve(run.messages.size());
    for (const auto& message : run.messages) {
        const auto& stream = demand.streams[message.kind];
        const auto* base = base_of(calibration, stream.qos);
        if (base == nullptr) return {};
        base_samples = base_samples == 0 ? base->samples : std::min(base_samples, base->samples);
        const double at_rest = base->seconds.at(static_cast<double>(draws.next() >> 11U) * 0x1p-53);
        values.push_back(static_cast<float>(at_rest + size_cost(calibration, stream) +
                                            wait_factor * message.wait_s + message.copies_s));
    }
    Quantiles result;
    for (std::size_t i = 0; i < told_quantiles.size(); ++i) {
        // The tail of a sum is no better known than that of its parts.
        if (supports(base_samples, told_quantiles[i])) {
            result[i] = quantile_of(values, told_quantiles[i]);
        }
    }
    return result;
}

Station station_of(const Calibration& calibration, const Demand& demand, std::uint32_t servers) {
    return {.servers = servers,
            .shares_queue = calibration.shares_queue,
            .wake_s = wake_of(calibration, packets_in(demand.rates()) / servers)};
}

}  // namespace

LoadPoint load_point(const Calibration& calibration, const Demand& demand, const Question& question,
                     double scale) {
    // A node's part.
    const auto part = demand.scaled(scale / question.nodes);
    LoadPoint point{.scale = scale};
    for (const auto& stream : demand.streams) point.messages_per_s += stream.messages_per_s * scale;
    const auto all_work = work_of_node(calibration, part);
    const auto moments = moments_of(all_work);
    if (moments.rate_per_s <= 0) return point;
    const auto station = station_of(calibration, part, question.servers);
    const double admissions =
        part.connects_per_s * (calibration.connect_s.value + calibration.disconnect_s.value) +
        part.handshakes_per_s * calibration.tls_handshake_s.value +
        part.subscribes_per_s * calibration.subscribe_s.value;
    point.busy = (processor_time(calibration, part.rates(), question.servers).value + admissions) /
                 question.servers;
    constexpr double full = 0.985;  // beyond, a run of this length says nothing
    if (point.busy > full) return point;
    const auto work = work_of(calibration, part.rates());
    const double unsure = work.value > 0 ? std::min(0.5, work.half_width / work.value) : 0;
    const auto& factor = calibration.wait_factor;
    const auto at = [&](double dearer, double wait_factor) {
        const double load = moments.rate_per_s * moments.mean_s * dearer / question.servers;
        if (load > full) return Quantiles{};
        return latencies(calibration, part, station, dearer, wait_factor, question.arrivals,
                         question.seed);
    };
    const auto middle = at(1, factor.value);
    const auto low = at(1 - unsure, std::max(0.0, factor.value - factor.half_width));
    const auto high = at(1 + unsure, factor.value + factor.half_width);
    for (std::size_t i = 0; i < middle.size(); ++i) {
        if (!middle[i]) continue;
        point.latency_s[i] = Band{.value = *middle[i],
                                  .low = low[i] ? std::min(*low[i], *middle[i]) : *middle[i],
                                  // Without an upper end: they may not keep up.
                                  .high = high[i] ? std::max(*high[i], *middle[i]) : INFINITY};
    }
    return point;
}

std::optional<Figure> fit_wait_factor(const Calibration& calibration,
                                      const std::vector<MeasuredLatency>& measured,
                                      std::uint64_t seed) {
    if (measured.size() < 3) return std::nullopt;
    constexpr std::size_t arrivals = 30'000;
    const auto error = [&](const MeasuredLatency& one, double factor) {
        const auto station = station_of(calibration, one.demand, calibration.servers);
        const auto predicted =
            latencies(calibration, one.demand, station, 1, factor, arrivals, seed);
        double sum = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            if (!predicted[i] || !one.quantiles_s[i]) continue;
            const double off = std::log(*predicted[i] / *one.quantiles_s[i]);
            sum += off * off;
        }
        return sum;
    };
    // A grid of factors, each step a twelfth more: finer than the model is true.
    constexpr double least_factor = 0.125;
    std::vector<double> factors{0};
    for (double factor = least_factor; factor < 40; factor *= 13.0 / 12) factors.push_back(factor);
    std::vector<std::vector<double>> errors;  // by measurement, by factor
    for (const auto& one : measured) {
        auto& row = errors.emplace_back();
        const auto station = station_of(calibration, one.demand, calibration.servers);
        const bool keeps_up =
            utilization_of(moments_of(work_of_node(calibration, one.demand)), station) < 0.97;
        for (const double factor : factors) row.push_back(keeps_up ? error(one, factor) : 0);
    }
    const auto best_without = [&](std::size_t left_out) {
        double least = INFINITY;
        double best = 1;
        for (std::size_t f = 0; f < factors.size(); ++f) {
            double sum = 0;
            for (std::size_t i = 0; i < errors.size(); ++i) {
                if (i != left_out) sum += errors[i][f];
            }
            if (sum < least) {
                least = sum;
                best = factors[f];
            }
        }
        return best;
    };
    const double value = best_without(measured.size());
    // More than any queue explains: it was the machine, or the generator.
    if (value >= factors.back()) return std::nullopt;
    std::vector<double> others;
    double mean = 0;
    for (std::size_t i = 0; i < measured.size(); ++i) {
        others.push_back(best_without(i));
        mean += others.back() / static_cast<double>(measured.size());
    }
    double squares = 0;
    for (const double one : others) squares += (one - mean) * (one - mean);
    const auto n = static_cast<double>(measured.size());
    const double deviation = std::sqrt((n - 1) / n * squares);
    // Not narrower than the grid.
    const double step = std::max(least_factor, value / 12);
    return Figure{.value = value,
                  .half_width = std::max(step, student_t_quantile(0.975, n - 1) * deviation)};
}

}  // namespace touchstone::planner
