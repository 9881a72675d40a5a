#include "simulator/fleet/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace touchstone::simulator::fleet {

namespace {

using touchstone::results::Measure;
using touchstone::results::ScenarioResult;
using touchstone::results::Verdict;

constexpr double us = 1'000;
constexpr double second = 1e9;
constexpr std::string_view time_unit = "us";

struct Counter {
    std::string_view name;
    std::uint64_t ClassCounts::*count;
};

constexpr auto counters = std::to_array<Counter>({
    {"connect_attempts", &ClassCounts::attempts},
    {"connects", &ClassCounts::connects},
    {"refused", &ClassCounts::refused},
    {"connect_timeouts", &ClassCounts::connect_timeouts},
    {"answer_timeouts", &ClassCounts::answer_timeouts},
    {"nat_losses", &ClassCounts::nat_losses},
    {"cut_off", &ClassCounts::cut_off},
    {"pings", &ClassCounts::pings},
    {"published", &ClassCounts::published},
    {"delivered", &ClassCounts::delivered},
    {"undelivered", &ClassCounts::undelivered},
    {"wills", &ClassCounts::wills},
});

template <class Message>
Measure& add_measure(Message& to, std::string_view name, std::string_view unit, double value) {
    auto& measure = *to.add_measures();
    measure.set_name(std::string{name});
    measure.set_unit(std::string{unit});
    measure.set_value(value);
    return measure;
}

void add_latency(ScenarioResult& result, std::string_view name, const Histogram& histogram) {
    const std::pair<std::string_view, std::uint32_t> quantiles[] = {
        {"p50", 500'000}, {"p90", 900'000}, {"p99", 990'000}, {"p999", 999'000}};
    for (const auto& [suffix, per_million] : quantiles) {
        const auto value = histogram.quantile(per_million);
        if (!value) continue;
        add_measure(result, fmt::format("{}_{}", name, suffix), time_unit,
                    static_cast<double>(*value) / us)
            .set_samples(histogram.count());
    }
}

/// The mean wait in the queues over the second half, with its interval from twenty batches.
void add_mean_wait(ScenarioResult& result, const std::vector<Sample>& samples) {
    constexpr std::size_t batches = 20;
    constexpr double student_t = 2.093;  // 97.5 % of 19 degrees of freedom
    const std::size_t half = samples.size() / 2;
    const std::size_t each = (samples.size() - half) / batches;
    if (each == 0) return;
    double sum = 0;
    double squares = 0;
    std::uint64_t packets = 0;
    for (std::size_t batch = 0; batch < batches; ++batch) {
        std::uint64_t waits = 0;
        std::uint64_t wait_sum = 0;
        for (std::size_t i = half + batch * each; i < half + (batch + 1) * each; ++i) {
            waits += samples[i].waits;
            wait_sum += samples[i].wait_sum;
        }
        if (waits == 0) return;
        packets += waits;
        const double mean = static_cast<double>(wait_sum) / static_cast<double>(waits) / us;
        sum += mean;
        squares += mean * mean;
    }
    const double mean = sum / batches;
    const double variance = std::max(0.0, (squares - sum * mean) / (batches - 1));
    auto& measure = add_measure(result, "mean_wait_second_half", time_unit, mean);
    measure.set_confidence_half_width(student_t * std::sqrt(variance / batches));
    measure.set_confidence_level(0.95);
    measure.set_samples(packets);
}

/// How long after the last crash nearly all were back that had been there before the first.
void add_recovery(ScenarioResult& result, const FleetModel& model, const Outcome& outcome) {
    if (model.crashes.empty()) return;
    const auto [first, last] = std::ranges::minmax(model.crashes, {}, &Crash::at);
    std::uint64_t before = 0;
    for (const auto& sample : outcome.samples) {
        if (sample.at < first.at) before = sample.connected;
    }
    const auto enough = before - before / 100;
    // From the end backwards: it may have been enough for a moment.
    auto back = outcome.samples.end();
    while (back != outcome.samples.begin() && (back - 1)->at > last.at &&
           (back - 1)->connected >= enough) {
        --back;
    }
    if (back == outcome.samples.end()) return;
    add_measure(result, "recovered_after_last_crash", time_unit,
                static_cast<double>(back->at - last.at) / us);
}

void add_curves(ScenarioResult& result, const std::vector<Sample>& samples) {
    const auto add = [&](std::string_view name, std::string_view unit, auto value_of) {
        touchstone::results::Curve curve;
        bool is_flat = true;
        Time before = 0;
        for (const auto& sample : samples) {
            const double value = value_of(sample, static_cast<double>(sample.at - before) / second);
            before = sample.at;
            is_flat = is_flat && value == 0;
            curve.add_at_s(static_cast<float>(static_cast<double>(sample.at) / second));
            curve.add_values(static_cast<float>(value));
        }
        if (is_flat) return;
        curve.set_name(std::string{name});
        curve.set_unit(std::string{unit});
        *result.add_curves() = std::move(curve);
    };
    add("connected", "1",
        [](const Sample& one, double) { return static_cast<double>(one.connected); });
    // Of the servers' time: above 100 % it piles up.
    add("work_offered", "percent", [](const Sample& one, double) { return one.busy * 100; });
    add("work_offered_to_busiest_server", "percent",
        [](const Sample& one, double) { return one.busiest * 100; });
    add("longest_wait", time_unit,
        [](const Sample& one, double) { return static_cast<double>(one.longest_wait) / us; });
    add("mean_wait", time_unit, [](const Sample& one, double) {
        if (one.waits == 0) return 0.0;
        return static_cast<double>(one.wait_sum) / static_cast<double>(one.waits) / us;
    });
    for (const auto& counter : counters) {
        add(fmt::format("{}_per_s", counter.name), "1/s", [&](const Sample& one, double length_s) {
            return static_cast<double>(one.since.*counter.count) / length_s;
        });
    }
}

/// Work offered to a server in a sample, as a share of its time: the most there was, from `from`
/// on.
double busiest(const Outcome& outcome, Time from) {
    double most = 0;
    for (const auto& sample : outcome.samples) {
        if (sample.at > from) most = std::max(most, sample.busiest);
    }
    return most;
}

Time last_quarter(const Outcome& outcome) {
    return outcome.ended_at - outcome.ended_at / 4;
}

/// What did not come as the description expects it; empty when all did.
std::string disappointment(const touchstone::fleet::Expectation& expect, const Outcome& outcome) {
    std::vector<std::string> wrong;
    const auto all = outcome.all();
    const auto judge = [&](bool is_set, std::string_view what, double value, std::string_view word,
                           double bound) {
        const bool holds = word == "at least" ? value >= bound : value <= bound;
        if (is_set && !holds) {
            wrong.push_back(
                fmt::format("{}: expected {} {}, got {:.10g}", what, word, bound, value));
        }
    };
    const auto at_least = [&](bool is_set, std::string_view what, std::uint64_t value,
                              std::uint64_t bound) {
        judge(is_set, what, static_cast<double>(value), "at least", static_cast<double>(bound));
    };
    const auto at_most = [&](bool is_set, std::string_view what, std::uint64_t value,
                             std::uint64_t bound) {
        judge(is_set, what, static_cast<double>(value), "at most", static_cast<double>(bound));
    };
    at_least(expect.has_connected_min(), "connected", outcome.connected, expect.connected_min());
    at_most(expect.has_connected_max(), "connected", outcome.connected, expect.connected_max());
    at_most(expect.has_timeouts_max(), "timeouts", all.connect_timeouts + all.answer_timeouts,
            expect.timeouts_max());
    at_most(expect.has_refused_max(), "refused", all.refused, expect.refused_max());
    at_least(expect.has_wills_min(), "wills", all.wills, expect.wills_min());
    at_least(expect.has_delivered_min(), "delivered", all.delivered, expect.delivered_min());
    const auto p99 = [&](bool is_set, std::string_view what, const Histogram& histogram,
                         std::uint32_t bound_ms) {
        if (!is_set) return;
        const auto value = histogram.quantile(990'000);
        if (value) {
            judge(true, what, static_cast<double>(*value) / 1e6, "at most", bound_ms);
        } else {
            wrong.push_back(
                fmt::format("{}: {} samples are too few for it", what, histogram.count()));
        }
    };
    const auto& latencies = outcome.latencies;
    p99(expect.has_connect_p99_ms_max(), "connect p99 in ms", latencies.connect,
        expect.connect_p99_ms_max());
    p99(expect.has_ping_p99_ms_max(), "ping p99 in ms", latencies.ping, expect.ping_p99_ms_max());
    p99(expect.has_delivery_p99_ms_max(), "delivery p99 in ms", latencies.delivery,
        expect.delivery_p99_ms_max());
    const double settled = busiest(outcome, last_quarter(outcome)) * 100;
    judge(expect.has_busiest_percent_max(), "busiest server in percent", settled, "at most",
          expect.busiest_percent_max());
    judge(expect.has_busiest_percent_min(), "busiest server in percent", settled, "at least",
          expect.busiest_percent_min());
    return fmt::format("{}", fmt::join(wrong, "; "));
}

/// For a class that a crash disconnects: how long its backoff has to spread it.
std::string cap_rule(const FleetRun& run, const DeviceClass& one) {
    const double rate = connects_per_second(run.model, one);
    const double all_s = one.count / rate;
    const double cap_min_s = all_s / 0.8;
    const double patience_s = static_cast<double>(one.connect_patience) / second;
    const auto& how = one.reconnecting;
    const double cap_s =
        static_cast<double>(how.policy == ReconnectPolicy::fixed ? how.base
                                                                 : std::max(how.base, how.cap)) /
        second;
    const bool has_jitter = how.policy == ReconnectPolicy::full_jitter;
    return fmt::format(
        "{}{}: {} clients, {:.0f} connects a second: all at once take {:.1f} s, and each gives up "
        "after {:.1f} s. Rule: full jitter with a cap of at least clients / (0.8 x connects a "
        "second) = {:.1f} s; here {} with {:.1f} s: {}",
        run.name.empty() ? "" : run.name + ", ", one.name, one.count, rate, all_s, patience_s,
        cap_min_s, has_jitter ? "full jitter" : "no jitter", cap_s,
        has_jitter && cap_s >= cap_min_s ? "kept"
        : all_s <= patience_s            ? "not kept, but nobody gives up"
                                         : "not kept");
}

}  // namespace

std::string_view tier_text(Tier tier) {
    return tier == Tier::t2 ? "T2" : "T3";
}

ScenarioResult to_result(const LoadedFleet& loaded, const FleetRun& run, const Outcome& outcome,
                         const std::string& reproduce) {
    ScenarioResult result;
    result.set_scenario(run.name.empty() ? loaded.path
                                         : fmt::format("{} ({})", loaded.path, run.name));
    result.set_variant(run.name);
    result.set_description(run.description.description());
    result.set_seed(run.model.seed);
    result.set_fidelity(std::string{tier_text(run.model.tier)});
    result.set_digest(fmt::format("{:016x}", outcome.digest));
    result.set_virtual_duration_us(outcome.ended_at / 1'000);
    result.set_events(outcome.steps);
    result.set_reproduce(reproduce);
    result.set_expected_verdict(Verdict::pass);
    const auto reason = disappointment(run.description.expect(), outcome);
    result.set_reason(outcome.was_interrupted ? "ended before its time" : reason);
    result.set_verdict(outcome.was_interrupted ? Verdict::inconclusive
                       : reason.empty()        ? Verdict::pass
                                               : Verdict::fail);
    add_measure(result, "devices", "1", run.model.devices());
    add_measure(result, "connected", "1", static_cast<double>(outcome.connected));
    add_measure(result, "connected_max", "1", static_cast<double>(outcome.connected_max));
    const auto all = outcome.all();
    for (const auto& counter : counters) {
        const auto count = all.*counter.count;
        if (count > 0) add_measure(result, counter.name, "1", static_cast<double>(count));
    }
    add_recovery(result, run.model, outcome);
    const auto& latencies = outcome.latencies;
    add_latency(result, "connect", latencies.connect);
    add_latency(result, "ping", latencies.ping);
    add_latency(result, "publish", latencies.publish);
    add_latency(result, "delivery", latencies.delivery);
    add_latency(result, "wait", latencies.wait);
    add_mean_wait(result, outcome.samples);
    add_measure(result, "work_offered_to_busiest_max", "percent", busiest(outcome, 0) * 100);
    add_measure(result, "same_in_last_quarter", "percent",
                busiest(outcome, last_quarter(outcome)) * 100);
    add_measure(result, "memory_of_connections_max", "bytes",
                static_cast<double>(outcome.connected_max * run.model.cost.bytes_per_connection));
    add_curves(result, outcome.samples);
    for (std::size_t i = 0; i < run.model.classes.size(); ++i) {
        auto& tally = *result.add_devices();
        const auto& firmware = run.description.classes(static_cast<int>(i)).firmware();
        const auto& name = run.model.classes[i].name;
        tally.set_name(firmware.empty() ? name : fmt::format("{}, firmware {}", name, firmware));
        tally.set_devices(run.model.classes[i].count);
        for (const auto& counter : counters) {
            const auto count = outcome.classes[i].*counter.count;
            if (count == 0) continue;
            auto& measure = *tally.add_counts();
            measure.set_name(std::string{counter.name});
            measure.set_unit("1");
            measure.set_value(static_cast<double>(count));
        }
    }
    return result;
}

std::vector<std::string> notes_of(const LoadedFleet& loaded) {
    std::vector<std::string> notes;
    const auto& first = loaded.runs.front();
    notes.push_back(first.model.tier == Tier::t2
                        ? "tier T2: every device by itself, a cost model in place of the broker"
                        : "tier T3: devices that only ping are cohorts, whose packets come evenly; "
                          "a cost model "
                          "in place of the broker");
    const auto& from = first.description.broker().costs_from();
    notes.push_back(fmt::format("costs of the broker: {}",
                                from.empty() ? "assumed, not measured (fleet.proto)" : from));
    for (const auto& run : loaded.runs) {
        if (run.model.crashes.empty()) continue;
        const auto largest = std::ranges::max_element(run.model.classes, {}, &DeviceClass::count);
        notes.push_back(cap_rule(run, *largest));
    }
    return notes;
}

std::string text_of(const ScenarioResult& result) {
    std::string text;
    for (const auto& measure : result.measures()) {
        std::string value;
        if (measure.unit() == time_unit) {
            value = measure.value() < 1e4 ? fmt::format("{:.4g} us", measure.value())
                                          : fmt::format("{:.5g} ms", measure.value() / 1e3);
        } else if (measure.unit() == "bytes") {
            value = fmt::format("{:.4g} GB", measure.value() / 1e9);
        } else if (measure.unit() == "percent") {
            value = fmt::format("{:.3g} %", measure.value());
        } else {
            value = fmt::format("{:.0f}", measure.value());
        }
        if (measure.has_confidence_half_width()) {
            value += fmt::format(" +- {:.3g} us", measure.confidence_half_width());
        }
        text += fmt::format("  {:<28} {:>16}\n", measure.name(), value);
    }
    return text;
}

}  // namespace touchstone::simulator::fleet
