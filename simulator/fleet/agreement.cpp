#include "simulator/fleet/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace touchstone::simulator::fleet {

namespace {

using Judgement = Compared::Judgement;

// Counts of what devices do and get.
constexpr double sure_share = 0.005;
constexpr double sure_least = 10;
// Counts that the draws of a backoff decide.
constexpr double chance_share = 0.02;
constexpr double chance_deviations = 4;
// Quantiles: so many places further up or down in the other tier, in parts of a million.
constexpr std::uint32_t rank_apart = 5'000;
constexpr double time_share = 0.05;
constexpr double time_least_ns = 20'000;

struct Count {
    std::string_view name;
    std::uint64_t ClassCounts::*count;
    bool is_sure;
};

constexpr Count counts[] = {
    {"connects", &ClassCounts::connects, true},
    {"pings", &ClassCounts::pings, true},
    {"published", &ClassCounts::published, true},
    {"delivered", &ClassCounts::delivered, true},
    {"wills", &ClassCounts::wills, true},
    {"connections cut off", &ClassCounts::cut_off, true},
    {"connections that a NAT forgot", &ClassCounts::nat_losses, true},
    {"attempts to connect", &ClassCounts::attempts, false},
    {"refused", &ClassCounts::refused, false},
    {"connects that timed out", &ClassCounts::connect_timeouts, false},
    {"answers that timed out", &ClassCounts::answer_timeouts, false},
};

struct Latency {
    std::string_view name;
    Histogram Latencies::*histogram;
};

constexpr Latency latencies[] = {
    {"connect", &Latencies::connect},
    {"ping", &Latencies::ping},
    {"publish", &Latencies::publish},
    {"delivery", &Latencies::delivery},
};

constexpr std::pair<std::string_view, std::uint32_t> quantiles[] = {
    {"p50", 500'000}, {"p90", 900'000}, {"p99", 990'000}};

Compared compare_counts(std::string_view what, const std::vector<double>& values, bool is_sure) {
    Compared row;
    row.what = what;
    row.bound = is_sure ? "0.5 %, or 10" : "2 % and 4 times the square root of it";
    const double reference = values.front();
    const double apart_max =
        is_sure ? std::max(sure_least, sure_share * reference)
                : std::max(sure_least,
                           chance_share * reference + chance_deviations * std::sqrt(reference));
    for (const double value : values) {
        const bool agrees = std::abs(value - reference) <= apart_max;
        row.values.push_back({value, agrees ? Judgement::agrees : Judgement::differs});
    }
    row.values.front().judgement = Judgement::reference;
    return row;
}

/// The quantile, or the greatest where the sample does not support it.
double at_most(const Histogram& histogram, std::uint32_t per_million) {
    const auto value = histogram.quantile(std::min(per_million, 1'000'000U));
    return static_cast<double>(value.value_or(histogram.greatest()));
}

Compared compare_quantiles(const std::vector<TierOutcome>& runs, const Latency& latency,
                           std::string_view name, std::uint32_t per_million) {
    Compared row;
    row.what = fmt::format("{} {}", latency.name, name);
    row.is_time = true;
    row.bound = "half a percentile and 5 %";
    const auto& reference = runs.front().outcome.latencies.*latency.histogram;
    const bool has_reference = reference.quantile(per_million).has_value();
    for (const auto& run : runs) {
        const auto& histogram = run.outcome.latencies.*latency.histogram;
        const auto value = histogram.quantile(per_million);
        Compared::Value compared;
        if (value) compared.value = static_cast<double>(*value);
        // Cohorts know no losses, which are what the high quantiles of an idle fleet are made of.
        const bool is_known =
            run.tier != Tier::t3 || latency.name != "ping" || per_million <= 500'000;
        if (!value || !has_reference || !is_known) {
            compared.judgement = Judgement::not_compared;
        } else {
            const double low = at_most(reference, per_million - rank_apart) * (1 - time_share);
            const double high = at_most(reference, per_million + rank_apart) * (1 + time_share);
            const bool agrees =
                *compared.value >= low - time_least_ns && *compared.value <= high + time_least_ns;
            compared.judgement = agrees ? Judgement::agrees : Judgement::differs;
        }
        row.values.push_back(compared);
    }
    if (has_reference) row.values.front().judgement = Judgement::reference;
    return row;
}

}  // namespace

bool TierComparison::holds() const {
    return std::ranges::none_of(rows, [](const Compared& row) {
        return std::ranges::find(row.values, Judgement::differs, &Compared::Value::judgement) !=
               row.values.end();
    });
}

TierComparison compare_tiers(const std::vector<TierOutcome>& runs) {
    TierComparison comparison;
    const auto add_counts = [&](std::string_view what, bool is_sure, auto value_of) {
        std::vector<double> values;
        for (const auto& run : runs) values.push_back(static_cast<double>(value_of(run.outcome)));
        if (std::ranges::any_of(values, [](double value) { return value > 0; }))
            comparison.rows.push_back(compare_counts(what, values, is_sure));
    };
    add_counts("connected at the end", true, [](const Outcome& one) { return one.connected; });
    for (const auto& count : counts) {
        add_counts(count.name, count.is_sure,
                   [&](const Outcome& one) { return one.all().*count.count; });
    }
    add_counts("messages dropped by a limit", false, dropped_by_limit);
    for (const auto& latency : latencies) {
        for (const auto& [name, per_million] : quantiles) {
            auto row = compare_quantiles(runs, latency, name, per_million);
            if (std::ranges::any_of(row.values,
                                    [](const auto& one) { return one.value.has_value(); }))
                comparison.rows.push_back(std::move(row));
        }
    }
    return comparison;
}

std::vector<std::string> what_is_not_compared(const std::vector<TierOutcome>& runs) {
    std::vector<std::string> lines{
        "Waits in the broker's queues are not compared: in T0 each packet of a flow waits, in T2 "
        "the flow does once."};
    if (std::ranges::find(runs, Tier::t3, &TierOutcome::tier) != runs.end()) {
        lines.emplace_back(
            "Ping quantiles above the median are not compared in T3: cohorts know no losses.");
    }
    return lines;
}

}  // namespace touchstone::simulator::fleet
