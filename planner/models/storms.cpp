#include "planner/models/storms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace touchstone::planner {

namespace {

/// Of the rate that a broker can do: the rest is for those who come again.
constexpr double planned_share = 0.8;

double cost(const Calibration& calibration, Operation operation) {
    return calibration.cpu.coefficients[static_cast<std::size_t>(operation)];
}

StormForecast after_crash(const Arrival& arrival, double rate) {
    StormForecast storm{.what = fmt::format("{}: all {:.0f} connect again after a crash",
                                            arrival.name, arrival.clients),
                        .clients = arrival.clients,
                        .connects_per_s = rate,
                        .all_s = arrival.clients / rate,
                        .patience_s = arrival.patience_s,
                        .cap_s = arrival.backoff_cap_s,
                        .cap_min_s = arrival.clients / (planned_share * rate)};
    const bool nobody_gives_up = storm.all_s <= storm.patience_s;
    const bool is_spread = arrival.has_jitter && storm.cap_s >= storm.cap_min_s;
    storm.holds = nobody_gives_up || is_spread;
    storm.words = fmt::format("{:.0f} connects a second: {:.1f} s for all. ", rate, storm.all_s);
    if (nobody_gives_up) {
        storm.words += fmt::format("Each waits {:.0f} s, so nobody gives up.", storm.patience_s);
    } else if (is_spread) {
        storm.words += fmt::format(
            "Each gives up after {:.0f} s, but full jitter with a cap of {:.0f} s spreads them.",
            storm.patience_s, storm.cap_s);
    } else {
        storm.words += fmt::format(
            "Each gives up after {:.0f} s and comes again, so the broker works for clients that "
            "are gone. Give the clients full jitter with a cap of at least {:.0f} s (now {}{:.0f} "
            "s).",
            storm.patience_s, storm.cap_min_s, arrival.has_jitter ? "" : "no jitter, ",
            storm.cap_s);
    }
    return storm;
}

}  // namespace

double admission_s(const Calibration& calibration, const Arrival& arrival) {
    return calibration.connect_s.value + (arrival.has_tls ? calibration.tls_handshake_s.value : 0) +
           arrival.subscriptions * calibration.subscribe_s.value +
           arrival.retained * (cost(calibration, Operation::deliver_0) +
                               arrival.retained_bytes * cost(calibration, Operation::byte_out));
}

std::vector<StormForecast> forecast_arrivals(const Calibration& calibration, const Demand& demand,
                                             double spare) {
    std::vector<StormForecast> storms;
    for (const auto& arrival : demand.arrivals) {
        const double each_s = admission_s(calibration, arrival);
        if (each_s <= 0 || spare <= 0 || arrival.clients < 1) continue;
        const double rate = spare / each_s;
        if (arrival.per_s > 0) {
            StormForecast ramp{.what = fmt::format("{}: a ramp of {:.0f} connects a second",
                                                   arrival.name, arrival.per_s),
                               .clients = arrival.clients,
                               .connects_per_s = rate,
                               .all_s = arrival.clients / std::min(rate, arrival.per_s),
                               .patience_s = arrival.patience_s,
                               .holds = arrival.per_s <= rate};
            ramp.words = fmt::format(
                "{:.3g} % of the {:.0f} connects a second that the nodes can do beside their work; "
                "all are in after {:.0f} s.{}",
                arrival.per_s / rate * 100, rate, ramp.all_s,
                ramp.holds ? "" : " Slow the ramp down, or clients give up.");
            storms.push_back(ramp);
        }
        storms.push_back(after_crash(arrival, rate));
    }
    return storms;
}

std::vector<StormForecast> forecast_bursts(const Calibration& calibration, const Demand& demand,
                                           double spare, double latency_max_s) {
    std::vector<StormForecast> storms;
    for (const auto& burst : demand.bursts) {
        const auto& stream = demand.streams[burst.stream];
        OperationRates rates{};
        Demand alone;
        alone.streams = {stream};
        alone.streams[0].messages_per_s = burst.messages;
        rates = alone.rates();
        // In steady operation this stream's work is in `spare` already, spread evenly.
        const double work_s = work_of(calibration, rates).value;
        const double busy_s = work_s / std::max(1e-9, spare);
        const double late_s = std::max(0.0, busy_s - burst.within_s);
        StormForecast storm{
            .what = fmt::format("{}: {:.0f} messages within {:.3g} s, every {:.0f} s", burst.name,
                                burst.messages, burst.within_s, burst.every_s),
            .clients = burst.messages,
            .all_s = std::max(busy_s, burst.within_s),
            .holds = late_s <= latency_max_s};
        storm.words = fmt::format(
            "{:.3g} s of work for the nodes: the last ones are {:.3g} s late.{}", busy_s, late_s,
            storm.holds ? "" : " Spread the devices' clocks over at least that time.");
        storms.push_back(storm);
    }
    return storms;
}

}  // namespace touchstone::planner
