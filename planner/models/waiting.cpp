#include "planner/models/waiting.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "broker/base/check.hpp"
#include "planner/models/student.hpp"
#include "simulator/fleet/draws.hpp"
#include "simulator/fleet/servers.hpp"

namespace touchstone::planner {

namespace {

using simulator::fleet::Draws;
using simulator::fleet::Servers;
using simulator::fleet::Time;

constexpr double ns = 1e9;  // in a second

Time to_time(double seconds) {
    return static_cast<Time>(std::max(0.0, seconds) * ns);
}

/// Draws kinds of work by their rates.
class Mix {
public:
    explicit Mix(std::span<const Work> work) {
        for (const auto& one : work) ends_.push_back(total_ += one.rate_per_s);
    }
    [[nodiscard]] std::size_t draw(Draws& draws) const {
        const double at = static_cast<double>(draws.next() >> 11U) * 0x1p-53 * total_;
        const auto found = std::ranges::upper_bound(ends_, at);
        return std::min(static_cast<std::size_t>(found - ends_.begin()), ends_.size() - 1);
    }

private:
    std::vector<double> ends_;
    double total_ = 0;
};

}  // namespace

Moments moments_of(std::span<const Work> work) {
    Moments moments;
    for (const auto& one : work) {
        moments.rate_per_s += one.rate_per_s;
        moments.mean_s += one.rate_per_s * one.service_s;
        moments.second_s2 += one.rate_per_s * one.service_s * one.service_s;
    }
    if (moments.rate_per_s > 0) {
        moments.mean_s /= moments.rate_per_s;
        moments.second_s2 /= moments.rate_per_s;
    }
    return moments;
}

std::optional<double> mean_wait_one_server(const Moments& moments, double wake_s) {
    const double rate = moments.rate_per_s;
    const double load = rate * moments.mean_s;
    if (load >= 1) return std::nullopt;
    // The second moment of mean + wake less that of the mean alone.
    const double more = 2 * moments.mean_s * wake_s + wake_s * wake_s;
    return rate * moments.second_s2 / (2 * (1 - load)) + rate * more / (2 * (1 + rate * wake_s));
}

double erlang_c(std::uint32_t servers, double erlangs) {
    CHECK(erlangs < servers);
    // By the recursion of Erlang B, which does not overflow.
    double blocked = 1;
    for (std::uint32_t k = 1; k <= servers; ++k)
        blocked = erlangs * blocked / (k + erlangs * blocked);
    return blocked / (1 - erlangs / servers * (1 - blocked));
}

std::optional<double> mean_wait_shared_queue(const Moments& moments, std::uint32_t servers) {
    const double erlangs = moments.rate_per_s * moments.mean_s;
    if (erlangs >= servers) return std::nullopt;
    if (erlangs <= 0) return 0;
    const double exponential = erlang_c(servers, erlangs) * moments.mean_s / (servers - erlangs);
    const double squares = moments.second_s2 / (moments.mean_s * moments.mean_s);  // 1 + C^2
    return exponential * squares / 2;
}

double wait_quantile_exponential(std::uint32_t servers, double erlangs, double service_s,
                                 double quantile) {
    const double waits = erlang_c(servers, erlangs);
    if (1 - quantile >= waits) return 0;
    return std::log(waits / (1 - quantile)) * service_s / (servers - erlangs);
}

double utilization_of(const Moments& moments, const Station& station) {
    const double rate = moments.rate_per_s / station.servers;
    const double load = rate * moments.mean_s;
    if (load >= 1) return load;
    return (load + rate * station.wake_s) / (1 + rate * station.wake_s);
}

WaitingRun run_queues(std::span<const Work> work, const Station& station, std::size_t arrivals,
                      std::uint64_t seed) {
    const auto moments = moments_of(work);
    CHECK(moments.rate_per_s > 0);
    const Time gap = std::max<Time>(1, to_time(1 / moments.rate_per_s));
    simulator::fleet::CostModel cost;
    cost.servers = station.servers;
    cost.any_server = station.shares_queue;
    Servers servers{cost};
    const Mix mix{work};
    Draws draws{seed};
    const Time wake = to_time(station.wake_s);
    constexpr std::size_t batches = 30;
    std::array<double, batches> sums{};
    std::array<std::size_t, batches> counts{};
    WaitingRun run;
    Time at = 0;
    Time measured_from = 0;
    double busy = 0;
    const std::size_t discarded = arrivals / 10;
    for (std::size_t i = 0; i < arrivals + discarded; ++i) {
        at += draws.exponential(gap);
        const auto connection = static_cast<std::uint32_t>(draws.next() >> 32U);
        const std::size_t kind = mix.draw(draws);
        const Work& one = work[kind];
        const bool is_idle = servers.wait(0, connection, at) == 0;
        const auto service =
            servers.serve(0, connection, at, to_time(one.service_s) + (is_idle ? wake : 0), draws);
        const Time copies = draws.below(to_time(one.copies_s) + 1);
        if (i == discarded) measured_from = at;
        if (i < discarded) continue;
        const double wait_s = static_cast<double>(service.start - at) / ns;
        const std::size_t batch = (i - discarded) * batches / arrivals;
        sums[batch] += wait_s;
        ++counts[batch];
        busy += static_cast<double>(service.end - service.start) / ns;
        if (!one.is_message) continue;
        run.messages.push_back({.kind = static_cast<std::uint32_t>(kind),
                                .wait_s = static_cast<float>(wait_s),
                                .copies_s = static_cast<float>(static_cast<double>(copies) / ns)});
    }
    double mean = 0;
    double squares = 0;
    for (std::size_t i = 0; i < batches; ++i) {
        const double one = sums[i] / static_cast<double>(std::max<std::size_t>(1, counts[i]));
        mean += one / batches;
        squares += one * one;
    }
    const double variance = std::max(0.0, (squares - batches * mean * mean) / (batches - 1));
    run.mean_wait_s = mean;
    run.mean_wait_half_width =
        student_t_quantile(0.975, batches - 1) * std::sqrt(variance / batches);
    run.busy = busy * ns / (static_cast<double>(at - measured_from) * station.servers);
    return run;
}

}  // namespace touchstone::planner
