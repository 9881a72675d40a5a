// Latency of messages: what it is on a quiet broker, and the wait of the queues on top.

#include <algorithm>
#include <cmath>

#include "planner/models/activity.hpp"
#include "planner/models/estimate.hpp"
#include "planner/models/student.hpp"
#include "simulator/fleet/draws.hpp"

namespace touchstone::planner {

namespace {

using Quantiles = std::array<std::optional<double>, 4>;

const BaseLatency* base_of(const Calibration& calibration, unsigned qos) {
    const auto found = std::ranges::find(calibration.latencies, qos, &BaseLatency::qos);
    if (found != calibration.latencies.end()) return &*found;
    return calibration.latencies.empty() ? nullptr : &calibration.latencies.back();
}

/// The message whose latency was measured on a quiet broker.
double reference_s(const Calibration& calibration, unsigned qos) {
    Demand demand;
    demand.streams = {{.qos = qos,
                       .messages_per_s = 1,
                       .payload_bytes = calibration.payload_bytes,
                       .receivers = 1}};
    return alone_s(packets_of(calibration, demand, 1).front(), loop_costs_of(calibration));
}

/// A copy of a message: what one of the reference would take on a quiet broker, what this one takes
/// more by itself (its size, and the copies before it), and the wait at this load, which is
/// less than nothing for who finds its server awake.
struct Message {
    float at_rest_s = 0;
    float own_s = 0;
    float wait_s = 0;
};
struct Wait {
    unsigned qos = 0;
    double own_s = 0;
    double wait_s = 0;
};
/// How much longer waits are than the model's, and how much more it saves to find a server awake.
struct Factors {
    double wait = 1;
    double awake = 1;
};
struct Messages {
    std::vector<Message> all;
    std::uint64_t base_samples = 0;  // that the tail is known from
    double base_reaches = 1;         // the last quantile of all curves
};

struct Conditions {
    std::uint32_t servers = 1;
    double dearer = 1;  // how much more than the fit says each operation takes
    const QuantileCurve* lateness = nullptr;
    std::size_t events = 0;
    std::uint64_t seed = 0;
};

std::vector<Wait> waits_in_loop(const Calibration& calibration, const Demand& demand,
                                const Conditions& conditions) {
    auto packets = packets_of(calibration, demand, conditions.servers);
    for (auto& one : packets) {
        one.take_s *= conditions.dearer;
        one.copy_s *= conditions.dearer;
    }
    auto costs = loop_costs_of(calibration);
    for (double* one : {&costs.look_s, &costs.read_s, &costs.write_s, &costs.wake_s}) {
        *one *= conditions.dearer;
    }
    const auto run = run_loop(packets, costs, conditions.events, conditions.seed);
    if (!run.keeps_up) return {};
    const std::array<double, 3> references{reference_s(calibration, 0), reference_s(calibration, 1),
                                           reference_s(calibration, 2)};
    std::vector<Wait> waits;
    waits.reserve(run.deliveries.size());
    for (const auto& delivery : run.deliveries) {
        const auto qos = demand.streams[delivery.stream].qos;
        waits.push_back({.qos = qos,
                         .own_s = delivery.own_s - references[qos],
                         .wait_s = delivery.took_s - delivery.own_s});
    }
    return waits;
}

/// The same with one queue for all servers.
std::vector<Wait> waits_in_queue(const Calibration& calibration, const Demand& demand,
                                 const Conditions& conditions) {
    const auto loop = loop_costs_of(calibration);
    std::vector<Work> work;
    for (const auto& one : packets_of(calibration, demand, 1)) {
        // A copy is written by itself, and what acknowledges it is read.
        const double copy = one.copy_s + loop.write_s + one.qos * (loop.look_s + loop.read_s);
        const double taking =
            one.take_s + (one.is_whole ? 0 : loop.look_s + loop.read_s) + one.qos * loop.write_s;
        work.push_back({.rate_per_s = one.per_s,
                        .service_s = (taking + one.receivers * copy) * conditions.dearer,
                        .copies_s = std::max(0.0, one.receivers - 1) * copy * conditions.dearer,
                        .is_message = one.receivers > 0});
    }
    const Station station{.servers = conditions.servers,
                          .shares_queue = true,
                          .wake_s = loop.wake_s * conditions.dearer};
    const auto run = run_queues(work, station, conditions.events, conditions.seed);
    std::vector<Wait> waits;
    for (const auto& message : run.messages) {
        const auto& stream = demand.streams[message.kind];
        const double larger =
            (stream.payload_bytes - calibration.payload_bytes) *
            (calibration.cpu.coefficients[static_cast<std::size_t>(Operation::byte_in)] +
             calibration.cpu.coefficients[static_cast<std::size_t>(Operation::byte_out)]);
        waits.push_back(
            {.qos = stream.qos, .own_s = message.copies_s + larger, .wait_s = message.wait_s});
    }
    return waits;
}

/// They depend on what operations cost, not on latencies.
std::vector<Wait> waits_of(const Calibration& calibration, const Demand& demand,
                           const Conditions& conditions) {
    return calibration.shares_queue ? waits_in_queue(calibration, demand, conditions)
                                    : waits_in_loop(calibration, demand, conditions);
}

/// What messages take that wait like that.
Messages messages_of(const Calibration& calibration, const std::vector<Wait>& waits,
                     const Conditions& conditions) {
    simulator::fleet::Draws draws{conditions.seed ^ 0x5EED'0F'BA5EU};
    const auto draw = [&](const QuantileCurve& curve) {
        return curve.at(static_cast<double>(draws.next() >> 11U) * 0x1p-53);
    };
    Messages messages;
    messages.all.reserve(waits.size());
    for (const auto& one : waits) {
        const auto* base = base_of(calibration, one.qos);
        if (base == nullptr) return {};
        messages.base_samples = messages.base_samples == 0
                                    ? base->samples
                                    : std::min(messages.base_samples, base->samples);
        messages.base_reaches =
            std::min(messages.base_reaches, base->seconds.points().back().first);
        double at_rest_s = draw(base->seconds);
        if (conditions.lateness != nullptr && !conditions.lateness->is_empty()) {
            // When it sends, and when it looks at what has come.
            at_rest_s += draw(*conditions.lateness) + draw(*conditions.lateness);
        }
        messages.all.push_back({static_cast<float>(at_rest_s), static_cast<float>(one.own_s),
                                static_cast<float>(one.wait_s)});
    }
    return messages;
}

std::vector<float> values_with(const Messages& messages, const Factors& factors) {
    std::vector<float> values;
    values.reserve(messages.all.size());
    const auto wait = static_cast<float>(factors.wait);
    const auto awake = static_cast<float>(factors.awake);
    for (const auto& one : messages.all) {
        const float longer = one.wait_s > 0 ? wait * one.wait_s : awake * one.wait_s;
        values.push_back(std::max(one.at_rest_s / 10, one.at_rest_s + one.own_s + longer));
    }
    return values;
}

Quantiles quantiles_with(const Messages& messages, const Factors& factors) {
    auto values = values_with(messages, factors);
    Quantiles result;
    for (std::size_t i = 0; i < told_quantiles.size(); ++i) {
        // The tail of a sum is no better known than that of its parts.
        if (supports(messages.base_samples, told_quantiles[i]) &&
            told_quantiles[i] <= messages.base_reaches) {
            result[i] = quantile_of(values, told_quantiles[i]);
        }
    }
    return result;
}

/// Share of a server's time that a node's work takes however much of it is done at once.
double least_busy(const Calibration& calibration, const Demand& demand, std::uint32_t servers) {
    if (calibration.shares_queue || !calibration.gathers) {
        return (work_of(calibration, demand.rates()).value + admissions_of(calibration, demand)) /
               servers;
    }
    return (calibration.cpu.mean_at(demand.rates()).value + admissions_of(calibration, demand)) /
           servers;
}

/// Long enough for turns that take a good part of the limit.
std::size_t events_for(const Calibration& calibration, const Demand& demand,
                       const Question& question) {
    double per_s = 0;
    for (const auto& one : packets_of(calibration, demand, question.servers)) {
        per_s += one.per_s * (1 + one.receivers);
    }
    constexpr double limits = 25;
    constexpr double most = 200'000;
    const double wanted = std::min(most, per_s * question.latency_max_s * limits);
    return std::max(question.arrivals, static_cast<std::size_t>(wanted));
}

/// The rising values that are nearest to these (least squares, each weighed by the share of values
/// that its quantile stands for): pools of neighbours that fall.
void make_rise(std::vector<std::pair<double, double>>& points) {
    struct Pool {
        double sum = 0;
        double weight = 0;
        std::size_t count = 0;
        [[nodiscard]] double mean() const { return sum / weight; }
    };
    std::vector<Pool> pools;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const double from = i == 0 ? 0 : (points[i - 1].first + points[i].first) / 2;
        const double to = i + 1 == points.size() ? 1 : (points[i].first + points[i + 1].first) / 2;
        pools.push_back({points[i].second * (to - from), to - from, 1});
        while (pools.size() > 1 && pools.back().mean() < pools[pools.size() - 2].mean()) {
            const auto last = pools.back();
            pools.pop_back();
            auto& pool = pools.back();
            pool = {pool.sum + last.sum, pool.weight + last.weight, pool.count + last.count};
        }
    }
    std::size_t i = 0;
    double least = 0;
    for (const auto& pool : pools) {
        least = std::max(least, pool.mean());
        for (std::size_t k = 0; k < pool.count; ++k) points[i++].second = least;
    }
}

constexpr double full = 0.985;  // beyond, a run of this length says nothing

}  // namespace

LoadPoint load_point(const Calibration& calibration, const Demand& demand, const Question& question,
                     double scale) {
    // A node's part.
    const auto part = demand.scaled(scale / question.nodes);
    LoadPoint point{.scale = scale};
    double packets_per_s = 0;
    for (const auto& one : packets_of(calibration, part, 1)) packets_per_s += one.per_s;
    for (const auto& stream : demand.streams) point.messages_per_s += stream.messages_per_s * scale;
    if (packets_per_s <= 0) return point;
    const auto activity = activity_of(calibration, part, question.servers);
    point.busy =
        (calibration.cpu.mean_at(activity.rates).value + admissions_of(calibration, part)) /
        question.servers;
    const double least = least_busy(calibration, part, question.servers);
    if (!activity.keeps_up || least > full) {
        point.busy = std::max(1.0, point.busy);
        return point;
    }
    const auto work = work_of(calibration, part.rates());
    const double unsure = work.value > 0 ? std::min(0.5, work.half_width / work.value) : 0;
    const auto& factor = calibration.wait_factor;
    const auto events = events_for(calibration, part, question);
    const auto at = [&](double dearer, double wait_factor) {
        if (least * dearer > full) return Quantiles{};
        const Conditions conditions{.servers = question.servers,
                                    .dearer = dearer,
                                    .lateness = question.lateness,
                                    .events = events,
                                    .seed = question.seed};
        const auto waits = waits_of(calibration, part, conditions);
        return quantiles_with(messages_of(calibration, waits, conditions),
                              {.wait = wait_factor, .awake = calibration.awake_factor});
    };
    const auto middle = at(1, factor.value);
    const bool is_sure = unsure <= 0 && factor.half_width <= 0;
    const auto low =
        is_sure ? middle : at(1 - unsure, std::max(0.0, factor.value - factor.half_width));
    const auto high = is_sure ? middle : at(1 + unsure, factor.value + factor.half_width);
    for (std::size_t i = 0; i < middle.size(); ++i) {
        if (!middle[i]) continue;
        point.latency_s[i] = Band{.value = *middle[i],
                                  .low = low[i] ? std::min(*low[i], *middle[i]) : *middle[i],
                                  // Without an upper end: they may not keep up.
                                  .high = high[i] ? std::max(*high[i], *middle[i]) : INFINITY};
    }
    return point;
}

QuantileCurve at_rest(const Calibration& calibration, const MeasuredLatency& quiet, unsigned qos,
                      const QuantileCurve& measured, std::uint64_t seed) {
    constexpr std::size_t events = 60'000;
    constexpr int turns = 12;
    auto tried = calibration;
    tried.latencies = {{.qos = qos, .samples = events, .seconds = measured}};
    const Conditions conditions{.servers = calibration.servers,
                                .lateness = &quiet.lateness,
                                .events = events,
                                .seed = seed};
    const auto waits = waits_of(calibration, quiet.demand, conditions);
    for (int turn = 0; turn < turns; ++turn) {
        const auto& before = tried.latencies[0].seconds;
        const auto messages = messages_of(tried, waits, conditions);
        if (messages.all.empty()) return measured;
        auto values = values_with(
            messages, {.wait = calibration.wait_factor.value, .awake = calibration.awake_factor});
        std::vector<std::pair<double, double>> points;
        for (const auto& [quantile, seconds] : measured.points()) {
            const double predicted = quantile_of(values, quantile).value_or(seconds);
            // Never less than a third of what was measured.
            points.emplace_back(
                quantile, std::max(before.at(quantile) + (seconds - predicted) * 0.7, seconds / 3));
        }
        make_rise(points);
        tried.latencies[0].seconds = QuantileCurve{std::move(points)};
    }
    return tried.latencies[0].seconds;
}

std::optional<WaitFit> fit_waits(const Calibration& calibration,
                                 const std::vector<MeasuredLatency>& measured, std::uint64_t seed) {
    if (measured.size() < 3) return std::nullopt;
    constexpr std::size_t events = 8'000;
    const auto error = [&](const MeasuredLatency& one, const Messages& messages, double factor) {
        const auto predicted =
            quantiles_with(messages, {.wait = factor, .awake = calibration.awake_factor});
        double sum = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            if (!predicted[i] || !one.quantiles_s[i]) continue;
            // Not its square: one that a pause of the machine is in would decide.
            sum += std::abs(std::log(*predicted[i] / *one.quantiles_s[i]));
        }
        return sum;
    };
    // Each step a sixth more: finer than the model is true.
    constexpr double least_factor = 0.125;
    std::vector<double> grid{0};
    for (double factor = least_factor; factor < 40; factor *= 7.0 / 6) grid.push_back(factor);
    std::vector<std::vector<double>> errors;  // by measurement, by place in the grid
    for (const auto& one : measured) {
        auto& row = errors.emplace_back();
        const bool keeps_up = least_busy(calibration, one.demand, calibration.servers) < 0.97;
        const Conditions conditions{.servers = calibration.servers,
                                    .lateness = &one.lateness,
                                    .events = events,
                                    .seed = seed};
        const auto messages =
            keeps_up ? messages_of(calibration, waits_of(calibration, one.demand, conditions),
                                   conditions)
                     : Messages{};
        for (const auto& factor : grid) row.push_back(error(one, messages, factor));
    }
    struct Best {
        double factor = 0;
        double error = INFINITY;
    };
    const auto best_without = [&](std::size_t left_out) {
        Best best;
        for (std::size_t f = 0; f < grid.size(); ++f) {
            double sum = 0;
            for (std::size_t i = 0; i < errors.size(); ++i) {
                if (i != left_out) sum += errors[i][f];
            }
            if (sum < best.error) best = {.factor = grid[f], .error = sum};
        }
        return best;
    };
    const auto best = best_without(measured.size());
    // More than any queue explains: it was the machine, or the generator.
    if (best.factor >= grid.back()) return std::nullopt;
    std::vector<double> others;
    double mean = 0;
    for (std::size_t i = 0; i < measured.size(); ++i) {
        others.push_back(best_without(i).factor);
        mean += others.back() / static_cast<double>(measured.size());
    }
    double squares = 0;
    for (const double one : others) squares += (one - mean) * (one - mean);
    const auto n = static_cast<double>(measured.size());
    const double deviation = std::sqrt((n - 1) / n * squares);
    // Not narrower than the grid.
    const double step = std::max(least_factor, best.factor / 6);
    return WaitFit{
        .factor = {.value = best.factor,
                   .half_width = std::max(step, student_t_quantile(0.975, n - 1) * deviation)},
        .error = best.error};
}

}  // namespace touchstone::planner
