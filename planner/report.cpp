#include "planner/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "planner/measure/windows.hpp"
#include "planner/models/scalability.hpp"

namespace touchstone::planner {

namespace {

using results::PlanChart;
using results::PlanReport;
using results::PlanSection;
using results::PlanSeries;
using results::PlanTable;
using results::Verdict;

/// Stands for no upper end where JSON has no infinity.
constexpr double without_end = 1e9;

std::string seconds(double value) {
    if (!std::isfinite(value) || value >= without_end) return "without bound";
    if (value < 1e-3) return fmt::format("{:.3g} us", value * 1e6);
    if (value < 1) return fmt::format("{:.3g} ms", value * 1e3);
    return fmt::format("{:.3g} s", value);
}

std::string bytes(double value) {
    if (value >= 1e9) return fmt::format("{:.3g} GB", value / 1e9);
    if (value >= 1e6) return fmt::format("{:.3g} MB", value / 1e6);
    if (value >= 1e3) return fmt::format("{:.3g} kB", value / 1e3);
    return fmt::format("{:.0f} B", value);
}

std::string percent(double share) {
    return fmt::format("{:.3g} %", share * 100);
}

std::string count(double value) {
    return value < 10 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
}

PlanTable& add_table(PlanSection& section, const std::string& title,
                     const std::vector<std::string>& columns) {
    auto& table = *section.add_tables();
    table.set_title(title);
    for (const auto& column : columns) table.add_columns(column);
    return table;
}

void add_row(PlanTable& table, const std::vector<std::string>& cells,
             const std::string& tone = "") {
    auto& row = *table.add_rows();
    for (const auto& cell : cells) row.add_cells(cell);
    row.set_tone(tone);
}

PlanSection& add_section(PlanReport& report, const std::string& title, const std::string& words) {
    auto& section = *report.add_sections();
    section.set_title(title);
    section.set_words(words);
    return section;
}

void add_measure(results::ScenarioResult& result, const std::string& name, const std::string& unit,
                 double value, std::optional<double> half_width = std::nullopt) {
    auto& measure = *result.add_measures();
    measure.set_name(name);
    measure.set_unit(unit);
    measure.set_value(value);
    if (!half_width) return;
    measure.set_confidence_half_width(*half_width);
    measure.set_confidence_level(0.95);
}

// ---- calibration
// -----------------------------------------------------------------------------------

void add_costs(PlanReport& report, const Calibration& one) {
    auto& section = add_section(report, "What operations cost",
                                "CPU time of the broker's process, user and kernel, with 95 % "
                                "intervals. `wake` is what it costs more when the broker had "
                                "gone to sleep.");
    auto& table = add_table(section, "", {"operation", "CPU time", "+-"});
    const auto add = [&](std::string_view name, const Figure& figure) {
        const bool is_known = figure.value > 0;
        add_row(table, {std::string{name}, is_known ? seconds(figure.value) : "not told from 0",
                        is_known ? seconds(figure.half_width) : ""});
    };
    for (std::size_t i = 0; i < operation_count; ++i)
        add(operation_names[i], one.cpu.coefficient(i));
    add("connect", one.connect_s);
    add("disconnect", one.disconnect_s);
    add("subscribe", one.subscribe_s);
    if (one.tls_handshake_s.value > 0) add("TLS handshake", one.tls_handshake_s);
}

void add_memory_law(PlanReport& report, const Calibration& one,
                    const std::vector<MemorySample>* samples) {
    auto& section = add_section(report, "Memory law",
                                "Private memory of the process: bytes of each thing, by least "
                                "squares over steps in which they were added. The kernel's memory "
                                "of sockets comes on top.");
    auto& table = add_table(section, "", {"thing", "bytes", "+-", "measured up to"});
    for (std::size_t i = 0; i < holding_count; ++i) {
        const auto figure = one.memory.coefficient(i);
        add_row(table, {std::string{holding_names[i]}, count(figure.value),
                        count(figure.half_width), count(one.memory_range[i])});
    }
    if (samples == nullptr) return;
    auto& chart = *section.add_charts();
    chart.set_title("Memory, step by step");
    chart.set_x_name("step");
    chart.set_y_unit("bytes");
    auto& measured = *chart.add_series();
    measured.set_name("private memory");
    measured.set_is_points(true);
    auto& law = *chart.add_series();
    law.set_name("the law");
    for (std::size_t i = 0; i < samples->size(); ++i) {
        measured.add_x(static_cast<double>(i));
        measured.add_y((*samples)[i].private_bytes);
        law.add_x(static_cast<double>(i));
        const auto figure = memory_of(one, (*samples)[i].holdings);
        law.add_y(figure.value);
        law.add_low(std::max(0.0, figure.value - figure.half_width));
        law.add_high(figure.value + figure.half_width);
    }
}

void add_latency(PlanReport& report, const Calibration& one) {
    auto& section = add_section(report, "Latency on a quiet broker",
                                "From the instant a message was due to its arrival at the "
                                "subscriber, on this machine. Under load the wait of the queues "
                                "comes on top.");
    auto& table = add_table(section, "",
                            {"QoS", "messages a second", "samples", "p50", "p90", "p99", "p99.9"});
    for (const auto& latency : one.latencies) {
        std::vector<std::string> cells{fmt::format("{}", latency.qos), count(latency.rate_per_s),
                                       fmt::format("{}", latency.samples)};
        for (const double quantile : told_quantiles) {
            const bool is_told = supports(latency.samples, quantile) &&
                                 quantile <= latency.seconds.points().back().first;
            cells.push_back(is_told ? seconds(latency.seconds.at(quantile)) : "too few samples");
        }
        add_row(table, cells);
    }
    table.set_note(fmt::format("Under load waits are {:.2f} +- {:.2f} times those of the queue by "
                               "itself, and finding a server awake saves {:.2f} times as much "
                               "(fitted to latencies at several loads).",
                               one.wait_factor.value, one.wait_factor.half_width,
                               one.awake_factor));
}

void add_concurrency(PlanReport& report, const Calibration& one) {
    if (one.concurrency.size() < 3) return;
    auto& section = add_section(report, "Throughput by messages under way",
                                "Closed loop: each client sends the next message when the last one "
                                "has arrived. Fitted with the Universal Scalability Law.");
    auto& chart = *section.add_charts();
    chart.set_title("Throughput");
    chart.set_x_name("messages under way");
    chart.set_y_unit("/s");
    auto& measured = *chart.add_series();
    measured.set_name("messages a second");
    measured.set_is_points(true);
    double most = 0;
    for (const auto& point : one.concurrency) {
        measured.add_x(point.servers);
        measured.add_y(point.throughput);
        most = std::max(most, point.servers);
    }
    const auto law = fit_scalability(one.concurrency);
    if (!law) {
        chart.set_note("Too few points for the law.");
        return;
    }
    auto& line = *chart.add_series();
    line.set_name("Universal Scalability Law");
    // As far as it may be asked, and no further.
    for (double n = 1; n <= most * extrapolation_max; n *= 1.25) {
        const auto at = predict_throughput(one.concurrency, n, false);
        if (!at) break;
        line.add_x(n);
        line.add_y(at->value);
        line.add_low(std::max(0.0, at->value - at->half_width));
        line.add_high(at->value + at->half_width);
    }
    chart.set_note(
        fmt::format("One alone {:.0f} /s; contention {:.4f}, coherency {:.6f}; peak at {} "
                    "under way. Shown up to twice what was measured.",
                    law->lambda, law->sigma, law->kappa,
                    std::isfinite(law->peak()) ? count(law->peak()) : "no"));
}

std::string machine_text(const Machine& machine) {
    return fmt::format("{} x {}, {}, {}", machine.processors, machine.processor,
                       bytes(static_cast<double>(machine.memory_bytes)), machine.kernel);
}

void add_origin(PlanReport& report, const CalibrationFile& file) {
    const auto& one = file.calibration;
    auto& section = add_section(report, "Where the figures come from", "");
    auto& table = add_table(section, "", {"what", ""});
    add_row(table, {"broker", one.broker});
    add_row(table, {"threads that do the work", fmt::format("{}", one.servers)});
    add_row(table, {"measured", one.measured_at});
    add_row(table, {"machine", machine_text(one.machine)});
    if (one.pace_s > 0) {
        add_row(table, {"pace: processor time of a small message that is sent back",
                        fmt::format("{:.1f} us", one.pace_s * 1e6)});
    }
    add_row(table, {"waited for a processor, at worst", percent(one.disturbance_max)});
    add_row(table, {"command", file.command});
}

std::string value_text(double value, const std::string& unit) {
    if (unit == "s") return seconds(value);
    if (unit == "bytes") return bytes(value);
    if (unit == "1") return percent(value);
    return count(value) + (unit.empty() ? "" : " " + unit);
}

void add_phases(PlanReport& report, const std::vector<Phase>& phases, const Calibration& one) {
    auto& section =
        add_section(report, "Measurements under load",
                    "What the fit of the costs was made from, and what it gives back. Processor "
                    "time is what it would have been at the machine's usual pace.");
    auto& table =
        add_table(section, "",
                  {"load", "messages a second", "CPU seconds a second", "by the fit", "off by",
                   "sleeps a second", "p50", "p99", "pace", "broker waited", "generator"});
    for (const auto& phase : phases) {
        auto rates = phase.rates;  // the fit has filled in what cannot be seen
        at(rates, Operation::wake) = phase.wakes_per_s;
        const double fitted = one.cpu.mean_at(rates).value;
        const auto told = told_of(curve_of(phase.deliveries));
        add_row(table,
                {phase.load.name, count(phase.sent_per_s()), fmt::format("{:.3f}", phase.processor),
                 fmt::format("{:.3f}", fitted),
                 fmt::format("{:+.1f} %", (fitted / phase.processor - 1) * 100),
                 count(phase.wakes_per_s), told[0] ? value_text(*told[0], "s") : "-",
                 told[2] ? value_text(*told[2], "s") : "-",
                 phase.pace_s > 0 ? fmt::format("{:.1f} us", phase.pace_s * 1e6) : "-",
                 percent(phase.disturbance), percent(phase.generator_busy)},
                phase.limit.is_generator ? "doubtful" : "");
    }
}

// ---- validation
// ------------------------------------------------------------------------------------

void add_errors(PlanReport& report, const Calibration& one) {
    auto& section =
        add_section(report, "How far off predictions are",
                    one.last_validation.empty()
                        ? "Never validated on this broker: `touchstone plan validate` measures "
                          "workloads that the calibration has not seen."
                        : fmt::format("The last validation, {}: workloads that the calibration has "
                                      "not seen, on the real broker.",
                                      one.validated_at));
    if (one.last_validation.empty()) return;
    auto& table =
        add_table(section, "",
                  {"quantity", "workload", "predicted", "measured", "repeats to", "error", "goal"});
    for (const auto& error : one.last_validation) {
        const double goal = goal_of(error.quantity);
        const double off = error.relative();
        const bool is_in = goal <= 0 || std::abs(off) <= goal;
        add_row(table,
                {error.quantity, error.workload, value_text(error.predicted, error.unit),
                 value_text(error.measured, error.unit),
                 error.spread > 0 ? fmt::format("+-{:.1f} %", error.spread * 100) : "-",
                 fmt::format("{:+.1f} %{}", off * 100,
                             error.was_disturbed ? ", disturbed by the machine" : ""),
                 goal > 0 ? percent(goal) : "-"},
                goal <= 0               ? ""
                : is_in                 ? "good"
                : error.is_unsure(goal) ? "doubtful"
                                        : "bad");
    }
}

// ---- estimate
// --------------------------------------------------------------------------------------

std::string band_text(const Band& band) {
    return fmt::format("{} ({} to {})", seconds(band.value), seconds(band.low), seconds(band.high));
}

void add_summary(PlanReport& report, const EstimateReport& from) {
    const auto& estimate = *from.estimate;
    const auto& demand = *from.demand;
    const auto& question = *from.question;
    auto& section = add_section(report, "At this load", "Of each node, with 95 % intervals.");
    auto& table = add_table(section, "", {"what", "of each node", "of all"});
    const double nodes = question.nodes;
    const auto add = [&](const std::string& what, const std::string& each, const std::string& all) {
        add_row(table, {what, each, all});
    };
    add("connections", count(demand.connections / nodes), count(demand.connections));
    add("messages published a second", count(estimate.messages_per_s / nodes),
        count(estimate.messages_per_s));
    add("messages delivered a second", count(estimate.deliveries_per_s / nodes),
        count(estimate.deliveries_per_s));
    add("pings a second", count(demand.pings_per_s / nodes), count(demand.pings_per_s));
    add("processors",
        fmt::format("{:.3g} +- {:.2g} of {}", estimate.processor.value,
                    estimate.processor.half_width, question.servers),
        fmt::format("{:.3g} of {}", estimate.processor.value * nodes,
                    question.servers * question.nodes));
    add("busy", percent(estimate.busy.value), "");
    add("memory of the process",
        fmt::format("{} +- {}", bytes(estimate.memory.value), bytes(estimate.memory.half_width)),
        bytes(estimate.memory.value * nodes));
    add("network in", bytes(estimate.network.in) + "/s", bytes(estimate.network.in * nodes) + "/s");
    add("network out", bytes(estimate.network.out) + "/s",
        bytes(estimate.network.out * nodes) + "/s");
    for (std::size_t i = 0; i < told_quantiles.size(); ++i) {
        const auto& band = estimate.now.latency_s[i];
        add(fmt::format("latency, {}", told_quantile_names[i]),
            band ? band_text(*band) : "not told: the samples do not support it", "");
    }
}

void add_latency_curves(PlanReport& report, const EstimateReport& from) {
    const auto& estimate = *from.estimate;
    if (estimate.curve.empty() || !estimate.curve.front().latency_s[0]) return;
    auto& section = add_section(report, "Latency against load",
                                "Of messages, in the broker and on the way to and from it on the "
                                "calibrated machine; the devices' own links come on top.");
    auto& chart = *section.add_charts();
    chart.set_title("Latency against messages a second");
    chart.set_x_name("messages published a second");
    chart.set_y_unit("s");
    chart.set_y_is_log(true);
    for (std::size_t i = 0; i < told_quantiles.size(); ++i) {
        PlanSeries series;
        series.set_name(std::string{told_quantile_names[i]});
        for (const auto& point : estimate.curve) {
            if (!point.latency_s[i]) continue;
            series.add_x(point.messages_per_s);
            series.add_y(point.latency_s[i]->value);
            series.add_low(point.latency_s[i]->low);
            series.add_high(std::min(point.latency_s[i]->high, without_end));
        }
        if (series.x_size() > 1) *chart.add_series() = series;
    }
    auto& now = *chart.add_markers();
    now.set_name("this load");
    now.set_x(estimate.messages_per_s);
    now.set_tone(estimate.fits ? "good" : "bad");
    if (estimate.knee && estimate.knee->value > 0) {
        auto& knee = *chart.add_markers();
        knee.set_name("knee");
        knee.set_x(estimate.knee->value * estimate.messages_per_s);
        knee.set_low(estimate.knee->low * estimate.messages_per_s);
        knee.set_high(estimate.knee->high * estimate.messages_per_s);
        knee.set_tone("doubtful");
    }
    auto& full = *chart.add_markers();
    full.set_name("saturated");
    full.set_x(estimate.saturation * estimate.messages_per_s);
    full.set_tone("bad");
    chart.set_y_limit(from.question->latency_max_s);
    chart.set_y_limit_name(fmt::format("p99 asked for: {}", seconds(from.question->latency_max_s)));
    chart.set_note("A quantile is drawn only where the samples of the calibration support it.");

    auto& load = *section.add_charts();
    load.set_title("Servers' time against messages a second");
    load.set_x_name("messages published a second");
    load.set_y_unit("percent");
    auto& busy = *load.add_series();
    busy.set_name("busy");
    const double unsure =
        estimate.busy.value > 0 ? estimate.busy.half_width / estimate.busy.value : 0;
    for (const auto& point : estimate.curve) {
        busy.add_x(point.messages_per_s);
        busy.add_y(point.busy * 100);
        busy.add_low(point.busy * 100 * (1 - unsure));
        busy.add_high(std::min(100.0, point.busy * 100 * (1 + unsure)));
    }
    *load.add_markers() = chart.markers(0);
    load.set_y_limit(from.question->busy_max * 100);
    load.set_y_limit_name(fmt::format("planned for: {}", percent(from.question->busy_max)));
}

void add_memory_split(PlanReport& report, const EstimateReport& from) {
    const auto& estimate = *from.estimate;
    auto& section = add_section(report, "Memory of a node", "");
    auto& bars = *section.add_bars();
    bars.set_title(fmt::format("{} +- {} in all", bytes(estimate.memory.value),
                               bytes(estimate.memory.half_width)));
    for (const auto& part : estimate.memory_parts) {
        auto& bar = *bars.add_bars();
        bar.set_name(part.name == "process" ? "the process itself"
                                            : fmt::format("{} x {}", count(part.count), part.name));
        bar.set_value(part.bytes.value);
        bar.set_words(
            fmt::format("{} +- {}", bytes(part.bytes.value), bytes(part.bytes.half_width)));
    }
    bars.set_note("Private memory of the broker's process. Not counted: the kernel's memory of "
                  "connections, some 3 to 5 kB each, and messages on their way.");
}

void add_storms(PlanReport& report, const Estimate& estimate) {
    if (estimate.storms.empty()) return;
    auto& section = add_section(report, "When many come at once",
                                "Beside the steady work, with the share of the servers' time that "
                                "is planned for.");
    auto& table = add_table(section, "", {"what", "what comes of it"});
    for (const auto& storm : estimate.storms) {
        add_row(table, {storm.what, storm.words}, storm.holds ? "good" : "bad");
    }
}

void add_lost_node(PlanReport& report, const EstimateReport& from) {
    const auto& lost = from.estimate->one_node_lost;
    if (!lost) return;
    auto& section = add_section(report, "With one node lost", "");
    auto& table = add_table(section, "", {"of each node", "all there", "one lost"});
    const auto& now = from.estimate->now;
    add_row(table,
            {"busy", percent(now.busy), lost->busy >= 1 ? "cannot keep up" : percent(lost->busy)});
    for (std::size_t i = 0; i < told_quantiles.size(); ++i) {
        const auto cell = [&](const LoadPoint& point) {
            return point.latency_s[i] ? band_text(*point.latency_s[i]) : std::string{"not told"};
        };
        add_row(table,
                {fmt::format("latency, {}", told_quantile_names[i]), cell(now), cell(*lost)});
    }
}

void add_sensitivities(PlanReport& report, const Estimate& estimate) {
    if (estimate.sensitivities.empty()) return;
    auto& section = add_section(report, "What moves the cost most", "");
    auto& bars = *section.add_bars();
    bars.set_title("Change of the nodes that are needed");
    auto& table = add_table(section, "", {"change", "processor", "memory", "network", "nodes"});
    const auto change = [](double share) { return fmt::format("{:+.1f} %", share * 100); };
    for (const auto& one : estimate.sensitivities) {
        auto& bar = *bars.add_bars();
        bar.set_name(one.what);
        bar.set_value(one.nodes);
        bar.set_words(change(one.nodes));
        add_row(table, {one.what, change(one.processor), change(one.memory), change(one.network),
                        change(one.nodes)});
    }
    bars.set_note("Before nodes are rounded up to whole ones.");
}

void add_offers(PlanReport& report, const EstimateReport& from) {
    if (from.prices == nullptr) return;
    const auto& currency = from.prices->currency;
    auto& section = add_section(
        report, "Nodes and prices",
        fmt::format("From the price list that was given. As many nodes as keep their servers below "
                    "{} busy and {} of their memory with one of them lost.",
                    percent(from.question->busy_max), percent(memory_share_max)));
    auto& table = add_table(section, "",
                            {"node", "how many", "bound by", "busy", "busy with one lost", "memory",
                             "nodes a month", "network a month", "all a month"});
    for (const auto& offer : from.offers) {
        add_row(table,
                {offer.node + (offer.mark.empty() ? "" : " (" + offer.mark + ")"),
                 fmt::format("{}", offer.nodes), offer.bound_by, percent(offer.busy),
                 percent(offer.busy_with_one_lost), bytes(offer.memory_bytes),
                 fmt::format("{:.2f} {}", offer.nodes_per_month, currency),
                 fmt::format("{:.2f} {}", offer.network_per_month, currency),
                 fmt::format("{:.2f} {}", offer.per_month, currency)},
                &offer == &from.offers.front() ? "good" : "");
    }
    if (from.offers.empty()) table.set_note("No number of these nodes can do it.");
}

void add_measures(results::ScenarioResult& result, const Estimate& estimate) {
    add_measure(result, "processors", "1", estimate.processor.value, estimate.processor.half_width);
    add_measure(result, "busy", "percent", estimate.busy.value * 100,
                estimate.busy.half_width * 100);
    add_measure(result, "memory", "bytes", estimate.memory.value, estimate.memory.half_width);
    add_measure(result, "network_in", "bytes/s", estimate.network.in);
    add_measure(result, "network_out", "bytes/s", estimate.network.out);
    add_measure(result, "saturation", "1", estimate.saturation);
    if (estimate.knee) {
        add_measure(result, "knee", "1", estimate.knee->value,
                    (estimate.knee->high - estimate.knee->low) / 2);
    }
    for (std::size_t i = 0; i < told_quantiles.size(); ++i) {
        const auto& band = estimate.now.latency_s[i];
        if (!band) continue;
        add_measure(result, fmt::format("latency_{}", told_quantile_names[i]), "us",
                    band->value * 1e6,
                    std::isfinite(band->high) ? std::optional{(band->high - band->low) / 2 * 1e6}
                                              : std::nullopt);
    }
}

results::Run run_with(const CalibrationFile& file, const std::string& what) {
    results::Run run;
    run.mutable_target()->set_name(file.calibration.broker);
    run.mutable_plan_report()->set_what(what);
    for (const auto& warning : file.warnings) run.mutable_plan_report()->add_marks(warning);
    return run;
}

}  // namespace

double goal_of(const std::string& quantity) {
    if (quantity == "memory") return 0.05;
    if (quantity == "knee" || quantity == "p50") return 0.10;
    if (quantity == "p99") return 0.15;
    return 0;
}

results::Run run_of_calibration(const CalibrationFile& file, const CalibrationRun* measured) {
    const auto& one = file.calibration;
    auto run = run_with(file, "calibration");
    auto& report = *run.mutable_plan_report();
    report.set_holds(true);
    OperationRates message{};
    at(message, Operation::publish_0) = at(message, Operation::deliver_0) = 1;
    at(message, Operation::byte_in) = at(message, Operation::byte_out) = one.payload_bytes;
    const auto cost = work_of(one, message);
    report.add_words(fmt::format(
        "{}: a message at QoS 0 of {:.0f} bytes to one receiver costs {} +- {} of a processor when "
        "it "
        "comes alone, so {} thread{} can do {:.0f} a second, and more where many come at once.",
        one.broker, one.payload_bytes, seconds(cost.value), seconds(cost.half_width), one.servers,
        one.servers == 1 ? "" : "s", one.servers / cost.value));
    const auto connection = one.memory.coefficient(static_cast<std::size_t>(Holding::connection));
    report.add_words(fmt::format("An idle connection takes {:.0f} +- {:.0f} bytes of the process, "
                                 "letting one in {} of a processor.",
                                 connection.value, connection.half_width,
                                 seconds(one.connect_s.value)));
    add_costs(report, one);
    add_memory_law(report, one, measured == nullptr ? nullptr : &measured->memory);
    add_latency(report, one);
    add_concurrency(report, one);
    if (measured != nullptr) add_phases(report, measured->phases, one);
    add_errors(report, one);
    add_origin(report, file);
    auto& result = *run.add_scenarios();
    result.set_scenario(one.broker);
    result.set_verdict(Verdict::pass);
    for (std::size_t i = 0; i < operation_count; ++i) {
        const auto figure = one.cpu.coefficient(i);
        add_measure(result, std::string{operation_names[i]}, "us", figure.value * 1e6,
                    figure.half_width * 1e6);
    }
    for (std::size_t i = 0; i < holding_count; ++i) {
        const auto figure = one.memory.coefficient(i);
        add_measure(result, std::string{holding_names[i]}, "bytes", figure.value,
                    figure.half_width);
    }
    return run;
}

results::Run run_of_estimate(const EstimateReport& from) {
    const auto& estimate = *from.estimate;
    auto run = run_with(*from.file, "estimate");
    auto& report = *run.mutable_plan_report();
    report.set_holds(estimate.fits);
    for (const auto& words : estimate.words) report.add_words(words);
    if (from.prices != nullptr && !from.offers.empty()) {
        const auto& best = from.offers.front();
        report.add_words(fmt::format("Cheapest: {} x {} for {:.2f} {} a month, network included.",
                                     best.nodes, best.node, best.per_month, from.prices->currency));
    }
    for (const auto& mark : estimate.marks) report.add_marks(mark);
    for (const auto& assumption : from.demand->assumptions) report.add_marks(assumption);
    add_summary(report, from);
    add_latency_curves(report, from);
    add_memory_split(report, from);
    add_sensitivities(report, estimate);
    add_offers(report, from);
    add_lost_node(report, from);
    add_storms(report, estimate);
    add_errors(report, from.file->calibration);
    add_costs(report, from.file->calibration);
    add_origin(report, *from.file);
    auto& result = *run.add_scenarios();
    result.set_scenario(from.workload);
    result.set_verdict(estimate.fits ? Verdict::pass : Verdict::fail);
    if (!estimate.fits) result.set_reason(estimate.words.front());
    add_measures(result, estimate);
    return run;
}

results::Run run_of_validation(const CalibrationFile& file,
                               const std::vector<PredictionError>& errors) {
    auto run = run_with(file, "validation");
    auto& report = *run.mutable_plan_report();
    std::size_t judged = 0;
    std::size_t missed = 0;
    std::size_t unsure = 0;
    for (const auto& error : errors) {
        auto& result = *run.add_scenarios();
        result.set_scenario(error.workload + ": " + error.quantity);
        add_measure(result, "predicted", error.unit, error.predicted);
        add_measure(result, "measured", error.unit, error.measured);
        const double goal = goal_of(error.quantity);
        result.set_verdict(goal > 0 ? Verdict::pass : Verdict::info);
        result.set_expected_verdict(result.verdict());
        if (goal <= 0) continue;
        ++judged;
        if (std::abs(error.relative()) <= goal) continue;
        const bool is_unsure = error.is_unsure(goal);
        result.set_reason(fmt::format(
            "{:+.1f} % off, the goal is {}{}", error.relative() * 100, percent(goal),
            error.was_disturbed ? "; disturbed by the machine"
            : is_unsure ? fmt::format("; measured again it differs by {:.1f} %", error.spread * 100)
                        : ""));
        result.set_verdict(is_unsure ? Verdict::inconclusive : Verdict::fail);
        result.set_expected_verdict(is_unsure ? Verdict::inconclusive : Verdict::pass);
        (is_unsure ? unsure : missed) += 1;
    }
    report.set_holds(missed == 0);
    report.add_words(fmt::format(
        "{} of {} predictions are within their goals{}{}.", judged - missed - unsure, judged,
        missed > 0 ? fmt::format(", {} are not", missed) : "",
        unsure > 0 ? fmt::format(", of {} the machine does not say whether they are", unsure)
                   : ""));
    add_errors(report, file.calibration);
    add_origin(report, file);
    return run;
}

std::string text_of(const PlanReport& report) {
    std::string text;
    for (const auto& words : report.words()) text += words + "\n";
    for (const auto& section : report.sections()) {
        const bool is_drawn_only = section.tables().empty() && !section.bars().empty();
        if (is_drawn_only) continue;
        text += "\n" + section.title() + "\n";
        if (section.tables().empty()) text += "  " + section.words() + "\n";
        for (const auto& table : section.tables()) {
            std::vector<std::size_t> widths(static_cast<std::size_t>(table.columns_size()));
            const auto fit = [&](const auto& cells) {
                for (int i = 0; i < std::min(cells.size(), table.columns_size()); ++i) {
                    auto& width = widths[static_cast<std::size_t>(i)];
                    width = std::max(width, cells[i].size());
                }
            };
            const auto line = [&](const auto& cells) {
                std::string row = " ";
                for (int i = 0; i < cells.size(); ++i) {
                    const auto width = static_cast<std::size_t>(i) < widths.size()
                                           ? widths[static_cast<std::size_t>(i)]
                                           : 0;
                    row += fmt::format(" {:<{}} ", cells[i], width);
                }
                row.erase(row.find_last_not_of(' ') + 1);
                text += row + "\n";
            };
            fit(table.columns());
            for (const auto& row : table.rows()) fit(row.cells());
            line(table.columns());
            for (const auto& row : table.rows()) line(row.cells());
            if (!table.note().empty()) text += "  " + table.note() + "\n";
        }
    }
    for (const auto& mark : report.marks()) text += "note: " + mark + "\n";
    return text;
}

}  // namespace touchstone::planner
