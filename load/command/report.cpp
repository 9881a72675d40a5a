#include "load/command/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "load/interval_log.hpp"

namespace touchstone::load {

namespace {

using results::Verdict;

constexpr std::string_view time_unit = "us";
constexpr std::string_view rate_unit = "1/s";

struct NamedTimes {
    std::string_view name;
    Histogram Times::*histogram;
};
constexpr auto all_times = std::to_array<NamedTimes>({{"delivery", &Times::delivery},
                                                      {"acknowledge", &Times::acknowledge},
                                                      {"connect", &Times::connect},
                                                      {"ping", &Times::ping},
                                                      {"generator_lag", &Times::lag}});

constexpr std::pair<std::string_view, double> named_quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}};

double in_us(Nanos time) {
    return static_cast<double>(time) / static_cast<double>(microsecond);
}

template <class Message>
results::Measure& add_measure(Message& to, std::string_view name, std::string_view unit,
                              double value) {
    auto& measure = *to.add_measures();
    measure.set_name(std::string{name});
    measure.set_unit(std::string{unit});
    measure.set_value(value);
    return measure;
}

void add_times(results::ScenarioResult& result, const Times& times) {
    for (const auto& [name, member] : all_times) {
        const auto& histogram = times.*member;
        for (const auto& [suffix, quantile] : named_quantiles) {
            const auto value = histogram.quantile(quantile);
            if (!value) continue;
            add_measure(result, fmt::format("{}_{}", name, suffix), time_unit, in_us(*value))
                .set_samples(histogram.count());
        }
    }
}

void add_target(results::ScenarioResult& result, const Outcome& outcome) {
    if (!outcome.target_before || !outcome.target_after || outcome.measured <= 0) return;
    const auto cpu_s = outcome.target_after->cpu_s - outcome.target_before->cpu_s;
    add_measure(result, "target_cpu", "percent", cpu_s / in_seconds(outcome.measured) * 100);
    const auto all = outcome.all();
    if (all[Count::sent_in_window] > 0) {
        add_measure(result, "target_cpu_per_message_sent", time_unit,
                    cpu_s * 1e6 / static_cast<double>(all[Count::sent_in_window]));
    }
    add_measure(result, "target_resident", "bytes",
                static_cast<double>(outcome.target_after->resident_bytes));
    add_measure(result, "target_resident_at_start", "bytes",
                static_cast<double>(outcome.target_before->resident_bytes));
}

void add_generator(results::ScenarioResult& result, const Outcome& outcome) {
    ThreadUse most;
    for (const auto& thread : outcome.threads) {
        most.busy = std::max(most.busy, thread.busy);
        most.waited = std::max(most.waited, thread.waited);
    }
    add_measure(result, "generator_threads", "1", static_cast<double>(outcome.threads.size()));
    add_measure(result, "generator_busiest_thread", "percent", most.busy * 100);
    add_measure(result, "generator_waited_for_processor", "percent", most.waited * 100);
}

void add_curves(results::ScenarioResult& result, const std::vector<Interval>& intervals) {
    const auto add = [&](std::string_view name, std::string_view unit, auto value_of) {
        results::Curve curve;
        bool is_flat = true;
        for (const auto& interval : intervals) {
            const double value = value_of(interval);
            is_flat = is_flat && value == 0;
            curve.add_at_s(static_cast<float>(in_seconds(interval.from + interval.length)));
            curve.add_values(static_cast<float>(value));
        }
        if (is_flat) return;
        curve.set_name(std::string{name});
        curve.set_unit(std::string{unit});
        *result.add_curves() = std::move(curve);
    };
    const auto add_rate = [&](std::string_view name, Count count) {
        add(name, rate_unit, [count](const Interval& interval) {
            return static_cast<double>(interval.counts[count]) / in_seconds(interval.length);
        });
    };
    add("connected", "1",
        [](const Interval& interval) { return static_cast<double>(interval.connected); });
    add_rate("connects_per_s", Count::connects);
    add_rate("offered_per_s", Count::offered);
    add_rate("sent_per_s", Count::sent);
    add_rate("received_per_s", Count::received);
    for (const auto& [suffix, quantile] : {std::pair{"p50", 0.5}, std::pair{"p99", 0.99}}) {
        for (const auto& [name, member] : all_times) {
            add(fmt::format("{}_{}", name, suffix), time_unit,
                [member = member, quantile = quantile](const Interval& interval) {
                    const auto value = (interval.times.*member).quantile(quantile);
                    return value ? in_us(*value) : 0.0;
                });
        }
    }
    add_rate("pings_answered_per_s", Count::pings_answered);
    add_rate("lost_connections_per_s", Count::lost_connections);
}

void add_groups(results::ScenarioResult& result, const Workload& workload, const Outcome& outcome) {
    for (std::size_t g = 0; g < workload.groups.size(); ++g) {
        auto& tally = *result.add_devices();
        tally.set_name(workload.groups[g].name);
        tally.set_devices(workload.groups[g].count);
        for (std::size_t i = 0; i < count_kinds; ++i) {
            const auto value = outcome.groups[g][static_cast<Count>(i)];
            if (value == 0) continue;
            auto& measure = *tally.add_counts();
            measure.set_name(std::string{count_texts[i].name});
            measure.set_unit("1");
            measure.set_value(static_cast<double>(value));
        }
    }
}

void add_quantiles(results::LoadReport& load, std::string_view name, const Histogram& histogram) {
    if (histogram.count() == 0) return;
    auto& curve = *load.add_quantiles();
    curve.set_name(std::string{name});
    curve.set_samples(histogram.count());
    curve.set_mean_us(histogram.mean() / static_cast<double>(microsecond));
    curve.set_max_us(in_us(histogram.max()));
    // Denser towards 1, as far as the sample supports.
    double beyond = 1;
    while (beyond > 1e-7) {
        for (int step = 0; step < 10; ++step) {
            const double quantile = 1 - beyond * (1 - 0.05 * step);
            const auto value = histogram.quantile(quantile);
            if (!value) continue;
            curve.add_quantiles(quantile);
            curve.add_values_us(in_us(*value));
        }
        beyond /= 2;
    }
}

}  // namespace

Judged judge(const Outcome& outcome, const Limit& limit,
             const std::vector<Expectation>& expectations) {
    if (outcome.ending == Ending::interrupted)
        return {Verdict::inconclusive, ExitCode::interrupted, "interrupted"};
    if (limit.is_generator)
        return {Verdict::inconclusive, ExitCode::run_invalid, limit.words.front()};
    std::vector<std::string> failures;
    std::vector<std::string> unknown;
    if (outcome.ending == Ending::connect_timeout)
        failures.emplace_back("not all clients were connected in time");
    for (const auto& expectation : expectations) {
        const auto finding = find(expectation, outcome);
        if (finding.kind == Finding::Kind::fails) failures.push_back("expected " + finding.words);
        if (finding.kind == Finding::Kind::unknown) unknown.push_back("expected " + finding.words);
    }
    if (!failures.empty()) {
        return {Verdict::fail, ExitCode::expectation_failed,
                fmt::format("{}", fmt::join(failures, "; "))};
    }
    if (!unknown.empty()) {
        return {Verdict::inconclusive, ExitCode::run_invalid,
                fmt::format("{}", fmt::join(unknown, "; "))};
    }
    return {Verdict::pass, ExitCode::as_expected, ""};
}

results::ScenarioResult to_result(const Workload& workload, const Outcome& outcome,
                                  const Judged& judged, const std::string& reproduce) {
    results::ScenarioResult result;
    result.set_scenario(workload.name);
    result.set_seed(workload.seed);
    result.set_verdict(judged.verdict);
    result.set_expected_verdict(Verdict::pass);
    result.set_reason(judged.reason);
    result.set_reproduce(reproduce);
    const auto all = outcome.all();
    add_measure(result, "clients", "1", static_cast<double>(workload.clients()));
    add_measure(result, "connected", "1", static_cast<double>(outcome.connected));
    add_measure(result, "connected_max", "1", static_cast<double>(outcome.connected_max));
    if (outcome.connected_after > 0)
        add_measure(result, "connected_after", time_unit, in_us(outcome.connected_after));
    if (all[Count::offered] > 0) {
        add_measure(result, "offered_per_s", rate_unit, outcome.offered_per_s());
        add_measure(result, "sent_per_s", rate_unit, outcome.sent_per_s());
        add_measure(result, "received_per_s", rate_unit, outcome.received_per_s());
        if (outcome.is_loss_judged)
            add_measure(result, "lost", "1", static_cast<double>(outcome.lost));
        if (outcome.unsent > 0)
            add_measure(result, "unsent", "1", static_cast<double>(outcome.unsent));
        if (outcome.unacknowledged > 0)
            add_measure(result, "unacknowledged", "1", static_cast<double>(outcome.unacknowledged));
    }
    for (std::size_t i = 0; i < count_kinds; ++i) {
        const auto value = all[static_cast<Count>(i)];
        if (value > 0) add_measure(result, count_texts[i].name, "1", static_cast<double>(value));
    }
    add_times(result, outcome.times);
    if (outcome.measured > 0) add_measure(result, "measured", time_unit, in_us(outcome.measured));
    add_generator(result, outcome);
    add_target(result, outcome);
    add_curves(result, outcome.intervals);
    add_groups(result, workload, outcome);
    return result;
}

results::LoadReport to_load_report(const Workload& workload, const Outcome& outcome,
                                   const Limit& limit) {
    results::LoadReport load;
    for (const auto& words : limit.words) load.add_words(words);
    if (!outcome.steadiness.empty()) load.add_words("The run was " + outcome.steadiness + ".");
    if (!outcome.is_loss_judged && outcome.all()[Count::offered] > 0) {
        load.add_words(
            "Loss is not judged: clients came and went without Sessions, or there are too "
            "many pairs of publishers and subscribers to write down.");
    }
    for (const auto& [words, times] : outcome.failures)
        load.add_words(fmt::format("{} times: {}", times, words));
    load.set_limiter(std::string{name_of(limit.limiter)});
    for (const auto& [name, member] : all_times) add_quantiles(load, name, outcome.times.*member);
    for (auto& setting : settings_of(workload)) load.add_settings(std::move(setting));
    load.add_settings(
        fmt::format("{} threads{}{}", outcome.threads.size(),
                    outcome.own_tables > 0 ? ", each with a table of descriptors of its own" : "",
                    outcome.sources.empty()
                        ? ""
                        : fmt::format(", from {} addresses, {} to {}", outcome.sources.size(),
                                      outcome.sources.front(), outcome.sources.back())));
    return load;
}

results::Run to_run(const Workload& workload, results::ScenarioResult result,
                    results::LoadReport load, const std::string& reproduce) {
    results::Run run;
    run.set_kind(results::Run::load);
    run.set_name(workload.name);
    auto& target = *run.mutable_target();
    target.set_name(workload.target.url);
    target.set_url(workload.target.url);
    const bool has_tls = workload.target.has_tls;
    target.set_transport(workload.target.is_web ? (has_tls ? "wss" : "ws")
                                                : (has_tls ? "tls" : "tcp"));
    target.set_mqtt_versions(workload.version == ProtocolVersion::v5 ? "5.0" : "3.1.1");
    run.set_seed(workload.seed);
    run.set_reproduce(reproduce);
    if (result.verdict() == Verdict::inconclusive) run.set_verdict(Verdict::inconclusive);
    *run.mutable_load_report() = std::move(load);
    *run.add_scenarios() = std::move(result);
    return run;
}

std::string interval_log_of(const Outcome& outcome) {
    IntervalLog log{outcome.started_unix_ms};
    for (const auto& interval : outcome.intervals) {
        for (const auto& [name, member] : all_times)
            log.add(name, interval.from, interval.length, interval.times.*member);
    }
    return log.text();
}

std::string text_of(const results::ScenarioResult& result, const results::LoadReport& load) {
    std::string text;
    for (const auto& measure : result.measures()) {
        std::string value;
        if (measure.unit() == time_unit) {
            value = time_text(static_cast<Nanos>(measure.value() * 1e3));
        } else if (measure.unit() == "bytes") {
            value = fmt::format("{:.1f} MB", measure.value() / 1e6);
        } else if (measure.unit() == "percent") {
            value = fmt::format("{:.3g} %", measure.value());
        } else {
            value =
                fmt::format("{:.0f}{}", measure.value(), measure.unit() == rate_unit ? " /s" : "");
        }
        text += fmt::format("  {:<32} {:>14}\n", measure.name(), value);
    }
    for (const auto& words : load.words()) text += words + '\n';
    return text;
}

}  // namespace touchstone::load
