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
/// With fewer the tables that the core has anyway are most of it.
constexpr std::uint64_t sessions_to_measure_min = 10'000;

std::string time_words(double time_us) {
    return time_us < 1e4 ? fmt::format("{:.4g} us", time_us)
                         : fmt::format("{:.5g} ms", time_us / 1e3);
}

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
    {"dropped", &ClassCounts::dropped},
    {"wills", &ClassCounts::wills},
    {"closed_by_broker", &ClassCounts::closed_by_broker},
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

/// What only the real core can tell.
void add_core(ScenarioResult& result, const CoreFigures& core) {
    const auto add = [&](std::string_view name, std::string_view unit, std::uint64_t value) {
        add_measure(result, name, unit, static_cast<double>(value));
    };
    add("core_sessions", "1", core.sessions);
    add("core_subscriptions", "1", core.subscriptions);
    add("core_packets_taken", "1", core.packets_taken);
    add("core_bytes_received", "bytes", core.bytes_received);
    add("core_bytes_sent", "bytes", core.bytes_sent);
    if (core.queued_messages_max > 0) {
        add("core_queued_messages_max", "1", core.queued_messages_max);
        add("core_queued_bytes_max", "bytes", core.queued_bytes_max);
    }
    for (const auto& [reason, count] : core.drops) add("core_dropped_" + reason, "1", count);
    if (core.heap_bytes > 0 && core.heap_sessions >= sessions_to_measure_min) {
        add_measure(result, "core_heap_per_session", "bytes",
                    static_cast<double>(core.heap_bytes) / static_cast<double>(core.heap_sessions))
            .set_samples(core.heap_sessions);
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
    at_least(expect.has_dropped_min(), "dropped", dropped_by_limit(outcome), expect.dropped_min());
    at_most(expect.has_dropped_max(), "dropped", dropped_by_limit(outcome), expect.dropped_max());
    if (outcome.core && outcome.core->surprises > 0) {
        wrong.push_back(fmt::format(
            "{} packets that nobody had reason to expect, or messages that the core cannot "
            "account for: a defect of the core or of the light clients",
            outcome.core->surprises));
    }
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
    switch (tier) {
        case Tier::t0: return "T0";
        case Tier::t2: return "T2";
        case Tier::t3: return "T3";
    }
    return "";
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
    if (outcome.core) add_core(result, *outcome.core);
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

std::string_view note_of(Tier tier) {
    switch (tier) {
        case Tier::t0:
            return "tier T0: every device by itself with real packets, the real core; how long its "
                   "work takes is the cost model's";
        case Tier::t2:
            return "tier T2: every device by itself, a cost model in place of the broker";
        case Tier::t3:
            return "tier T3: devices that only ping are cohorts, whose packets come evenly; a cost "
                   "model in place of the broker";
    }
    return "";
}

std::vector<std::string> notes_of(const LoadedFleet& loaded) {
    std::vector<std::string> notes;
    const auto add = [&](std::string note) {
        if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
    };
    for (const auto& run : loaded.runs) add(std::string{note_of(run.model.tier)});
    const auto& from = loaded.runs.front().description.broker().costs_from();
    add(fmt::format("costs of the broker: {}",
                    from.empty() ? "assumed, not measured (fleet.proto)" : from));
    for (const auto& run : loaded.runs) {
        if (run.model.crashes.empty()) continue;
        const auto largest = std::ranges::max_element(run.model.classes, {}, &DeviceClass::count);
        add(cap_rule(run, *largest));
    }
    return notes;
}

touchstone::results::TierAgreement to_agreement(const std::string& variant,
                                                const std::vector<TierOutcome>& runs) {
    touchstone::results::TierAgreement agreement;
    agreement.set_variant(variant);
    const auto comparison = compare_tiers(runs);
    agreement.set_holds(comparison.holds());
    agreement.add_columns("figure");
    for (const auto& run : runs) agreement.add_columns(std::string{tier_text(run.tier)});
    agreement.add_columns("may differ by");
    for (const auto& row : comparison.rows) {
        auto& to = *agreement.add_rows();
        to.add_cells(row.what);
        for (const auto& value : row.values) {
            to.add_cells(!value.value  ? "-"
                         : row.is_time ? time_words(*value.value / us)
                                       : fmt::format("{:.0f}", *value.value));
            to.add_tones(value.judgement == Compared::Judgement::agrees    ? "good"
                         : value.judgement == Compared::Judgement::differs ? "bad"
                                                                           : "");
        }
        to.add_cells(row.bound);
    }
    for (const auto& line : what_is_not_compared(runs)) agreement.add_notes(line);
    return agreement;
}

std::string text_of(const touchstone::results::TierAgreement& agreement) {
    std::string text = fmt::format(
        "how far the tiers agree{}: {}\n",
        agreement.variant().empty() ? "" : fmt::format(", variant '{}'", agreement.variant()),
        agreement.holds() ? "within the bounds" : "NOT within the bounds");
    const auto add_line = [&](const auto& cells, const auto& tones) {
        for (int i = 0; i < cells.size(); ++i) {
            const bool is_bad = i > 0 && i - 1 < tones.size() && tones[i - 1] == "bad";
            text += i == 0                 ? fmt::format("  {:<30}", cells[i])
                    : i + 1 < cells.size() ? fmt::format(" {:>15}", cells[i] + (is_bad ? " !" : ""))
                                           : fmt::format("  {}\n", cells[i]);
        }
    };
    add_line(agreement.columns(), google::protobuf::RepeatedPtrField<std::string>{});
    for (const auto& row : agreement.rows()) add_line(row.cells(), row.tones());
    for (const auto& note : agreement.notes()) text += note + "\n";
    return text;
}

std::string text_of(const ScenarioResult& result) {
    std::string text;
    for (const auto& measure : result.measures()) {
        std::string value;
        if (measure.unit() == time_unit) {
            value = time_words(measure.value());
        } else if (measure.unit() == "bytes") {
            value = measure.value() < 1e6 ? fmt::format("{:.0f} B", measure.value())
                                          : fmt::format("{:.4g} GB", measure.value() / 1e9);
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
