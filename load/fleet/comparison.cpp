#include "load/fleet/comparison.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

namespace touchstone::load {

namespace {

struct Named {
    std::string_view name;
    Count count;
};
// As simulator/fleet/report.cpp has them.
constexpr auto counters = std::to_array<Named>({{"connect_attempts", Count::connect_attempts},
                                                {"connects", Count::connects},
                                                {"refused", Count::refused},
                                                {"connect_timeouts", Count::connect_timeouts},
                                                {"answer_timeouts", Count::answer_timeouts},
                                                {"cut_off", Count::lost_connections},
                                                {"pings", Count::pings},
                                                {"published", Count::sent},
                                                {"delivered", Count::received},
                                                {"wills", Count::wills}});

struct NamedTimes {
    std::string_view name;
    Histogram Times::*histogram;
};
constexpr auto times = std::to_array<NamedTimes>({{"connect", &Times::connect},
                                                  {"ping", &Times::ping},
                                                  {"publish", &Times::acknowledge},
                                                  {"delivery", &Times::delivery}});

template <class Message>
results::Measure& add_measure(Message& measures, std::string_view name, std::string_view unit,
                              double value) {
    auto& measure = *measures.Add();
    measure.set_name(std::string{name});
    measure.set_unit(std::string{unit});
    measure.set_value(value);
    return measure;
}

void add_curve(results::ScenarioResult& result, const Outcome& outcome, std::string_view name,
               std::string_view unit, const auto& value_of) {
    results::Curve curve;
    bool is_flat = true;
    for (const auto& interval : outcome.intervals) {
        const double value = value_of(interval);
        is_flat = is_flat && value == 0;
        curve.add_at_s(static_cast<float>(in_seconds(interval.from + interval.length)));
        curve.add_values(static_cast<float>(value));
    }
    if (is_flat) return;
    curve.set_name(std::string{name});
    curve.set_unit(std::string{unit});
    *result.add_curves() = std::move(curve);
}

}  // namespace

results::ScenarioResult to_live_result(const Workload& workload, const Outcome& outcome) {
    results::ScenarioResult result;
    result.set_seed(workload.seed);
    const auto all = outcome.all();
    auto& measures = *result.mutable_measures();
    add_measure(measures, "devices", "1", static_cast<double>(workload.clients()));
    add_measure(measures, "connected", "1", static_cast<double>(outcome.connected));
    add_measure(measures, "connected_max", "1", static_cast<double>(outcome.connected_max));
    for (const auto& [name, count] : counters) {
        if (all[count] > 0) add_measure(measures, name, "1", static_cast<double>(all[count]));
    }
    for (const auto& [name, member] : times) {
        const auto& histogram = outcome.times.*member;
        for (const auto& [suffix, quantile] : {std::pair{"p50", 0.5}, std::pair{"p90", 0.9},
                                               std::pair{"p99", 0.99}, std::pair{"p999", 0.999}}) {
            const auto value = histogram.quantile(quantile);
            if (!value) continue;
            add_measure(measures, fmt::format("{}_{}", name, suffix), "us",
                        static_cast<double>(*value) / static_cast<double>(microsecond))
                .set_samples(histogram.count());
        }
    }
    add_curve(result, outcome, "connected", "1",
              [](const Interval& one) { return static_cast<double>(one.connected); });
    for (const auto& named : counters) {
        add_curve(result, outcome, fmt::format("{}_per_s", named.name), "1/s",
                  [count = named.count](const Interval& one) {
                      return static_cast<double>(one.counts[count]) / in_seconds(one.length);
                  });
    }
    for (std::size_t g = 0; g < workload.groups.size(); ++g) {
        auto& tally = *result.add_devices();
        tally.set_name(workload.groups[g].name);
        tally.set_devices(workload.groups[g].count);
        for (const auto& [name, count] : counters) {
            const auto value = outcome.groups[g][count];
            if (value > 0)
                add_measure(*tally.mutable_counts(), name, "1", static_cast<double>(value));
        }
    }
    return result;
}

std::string disagreement(const simulator::fleet::Outcome& simulated, const Outcome& live) {
    const auto virtual_all = simulated.all();
    const auto real = live.all();
    std::vector<std::string> wrong;
    const auto compare = [&](std::string_view what, std::uint64_t expected, std::uint64_t seen) {
        const auto larger = std::max(expected, seen);
        const auto apart = larger - std::min(expected, seen);
        const auto allowed =
            static_cast<std::uint64_t>(agreement_share * static_cast<double>(larger)) +
            agreement_slack;
        if (apart > allowed)
            wrong.push_back(fmt::format("{}: {} simulated, {} real", what, expected, seen));
    };
    compare("connected at the end", simulated.connected, live.connected);
    compare("connects", virtual_all.connects, real[Count::connects]);
    compare("pings", virtual_all.pings, real[Count::pings]);
    compare("published", virtual_all.published, real[Count::sent]);
    compare("delivered", virtual_all.delivered, real[Count::received]);
    return fmt::format("{}", fmt::join(wrong, "; "));
}

}  // namespace touchstone::load
