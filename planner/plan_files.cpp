#include "planner/plan_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "planner/plan.pb.h"
#include "reports/result_directory.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::planner {

namespace {

namespace file = touchstone::plan;

constexpr std::uint32_t format_version = 2;

void put(file::Figure& to, const Figure& figure) {
    to.set_value(figure.value);
    to.set_half_width(figure.half_width);
}

Figure take(const file::Figure& from) {
    return {.value = from.value(), .half_width = from.half_width()};
}

template <std::size_t Size>
void put(file::Law& to, const LinearFit& fit, const std::array<std::string_view, Size>& names) {
    for (const auto name : names) to.add_factors(std::string{name});
    for (const double value : fit.coefficients) to.add_coefficients(value);
    for (const double value : fit.covariance) to.add_covariance(value);
    to.set_residual_variance(fit.residual_variance);
    to.set_degrees_of_freedom(static_cast<std::uint32_t>(fit.degrees_of_freedom));
}

/// Reads a calibration and collects what is wrong with it.
class Reader {
public:
    Reader(std::string path, std::vector<std::string>& problems)
        : path_{std::move(path)},
          problems_{problems} {}

    template <std::size_t Size>
    LinearFit law(const file::Law& from, std::string_view field,
                  const std::array<std::string_view, Size>& names) {
        LinearFit fit;
        fit.coefficients.assign(from.coefficients().begin(), from.coefficients().end());
        fit.covariance.assign(from.covariance().begin(), from.covariance().end());
        fit.residual_variance = from.residual_variance();
        fit.degrees_of_freedom = from.degrees_of_freedom();
        const bool has_names = std::ranges::equal(
            from.factors(), names,
            [](const std::string& one, std::string_view name) { return one == name; });
        const bool is_whole = fit.coefficients.size() == Size &&
                              fit.covariance.size() == Size * Size && fit.degrees_of_freedom >= 1;
        const bool is_sane = std::ranges::all_of(
            fit.coefficients, [](double value) { return std::isfinite(value) && value >= 0; });
        if (!has_names || !is_whole || !is_sane) {
            complain(field, "is not a law of this version");
        }
        return fit;
    }
    QuantileCurve curve(const file::Latency& from) {
        std::vector<std::pair<double, double>> points;
        for (const auto& point : from.points()) {
            const bool rises = points.empty() || (point.quantile() > points.back().first &&
                                                  point.seconds() >= points.back().second);
            if (!rises || point.quantile() < 0 || point.quantile() > 1) {
                complain("latencies", "has points that do not rise");
                return {};
            }
            points.emplace_back(point.quantile(), point.seconds());
        }
        return QuantileCurve{std::move(points)};
    }
    void complain(std::string_view field, std::string_view what) {
        problems_.push_back(fmt::format("{}: {}: {}; calibrate again", path_, field, what));
    }

private:
    std::string path_;
    std::vector<std::string>& problems_;
};

file::Calibration to_file(const CalibrationFile& from) {
    const auto& one = from.calibration;
    file::Calibration to;
    to.set_format(format_version);
    to.set_broker(one.broker);
    to.set_measured_at(one.measured_at);
    to.mutable_machine()->set_processor(one.machine.processor);
    to.mutable_machine()->set_processors(one.machine.processors);
    to.mutable_machine()->set_kernel(one.machine.kernel);
    to.mutable_machine()->set_memory_bytes(one.machine.memory_bytes);
    to.set_servers(one.servers);
    to.set_shares_queue(one.shares_queue);
    to.set_disturbance_max(one.disturbance_max);
    for (const auto& warning : from.warnings) to.add_warnings(warning);
    to.set_command(from.command);
    put(*to.mutable_processor(), one.cpu, operation_names);
    to.set_wake_delay_s(one.wake_delay_s);
    to.set_answer_s(one.answer_s);
    to.set_pace_s(one.pace_s);
    to.set_one_by_one(!one.gathers);
    put(*to.mutable_connect_s(), one.connect_s);
    put(*to.mutable_disconnect_s(), one.disconnect_s);
    put(*to.mutable_subscribe_s(), one.subscribe_s);
    if (one.tls_handshake_s.value > 0) put(*to.mutable_tls_handshake_s(), one.tls_handshake_s);
    put(*to.mutable_memory(), one.memory, holding_names);
    for (const double value : one.memory_range) to.mutable_memory()->add_range(value);
    for (const auto& latency : one.latencies) {
        auto& added = *to.add_latencies();
        added.set_qos(latency.qos);
        added.set_rate_per_s(latency.rate_per_s);
        added.set_samples(latency.samples);
        for (const auto& [quantile, seconds] : latency.seconds.points()) {
            auto& point = *added.add_points();
            point.set_quantile(quantile);
            point.set_seconds(seconds);
        }
    }
    put(*to.mutable_wait_factor(), one.wait_factor);
    to.set_awake_factor(one.awake_factor);
    to.set_payload_bytes(one.payload_bytes);
    const auto put_points = [](auto& list, const std::vector<ScalingPoint>& points) {
        for (const auto& point : points) {
            auto& added = *list.Add();
            added.set_servers(point.servers);
            added.set_per_s(point.throughput);
        }
    };
    put_points(*to.mutable_scaling(), one.scaling);
    put_points(*to.mutable_concurrency(), one.concurrency);
    for (const auto& error : one.last_validation) {
        auto& added = *to.add_last_validation();
        added.set_quantity(error.quantity);
        added.set_workload(error.workload);
        added.set_predicted(error.predicted);
        added.set_measured(error.measured);
        added.set_unit(error.unit);
        added.set_was_disturbed(error.was_disturbed);
        added.set_spread(error.spread);
    }
    to.set_validated_at(one.validated_at);
    return to;
}

CalibrationFile from_file(const file::Calibration& from, Reader& reader) {
    CalibrationFile result;
    auto& one = result.calibration;
    one.broker = from.broker();
    one.measured_at = from.measured_at();
    one.machine = {.processor = from.machine().processor(),
                   .processors = from.machine().processors(),
                   .kernel = from.machine().kernel(),
                   .memory_bytes = from.machine().memory_bytes()};
    one.servers = from.servers();
    if (one.servers == 0) reader.complain("servers", "is missing");
    one.shares_queue = from.shares_queue();
    one.disturbance_max = from.disturbance_max();
    result.warnings.assign(from.warnings().begin(), from.warnings().end());
    result.command = from.command();
    one.cpu = reader.law(from.processor(), "processor", operation_names);
    one.wake_delay_s = from.wake_delay_s();
    one.answer_s = from.answer_s();
    one.pace_s = from.pace_s();
    one.gathers = !from.one_by_one();
    one.connect_s = take(from.connect_s());
    one.disconnect_s = take(from.disconnect_s());
    one.subscribe_s = take(from.subscribe_s());
    one.tls_handshake_s = take(from.tls_handshake_s());
    one.memory = reader.law(from.memory(), "memory", holding_names);
    const auto& range = from.memory().range();
    for (std::size_t i = 0; i < std::min<std::size_t>(holding_count, range.size()); ++i) {
        one.memory_range[i] = range[static_cast<int>(i)];
    }
    for (const auto& latency : from.latencies()) {
        auto curve = reader.curve(latency);
        if (curve.is_empty()) continue;
        one.latencies.push_back({.qos = latency.qos(),
                                 .rate_per_s = latency.rate_per_s(),
                                 .samples = latency.samples(),
                                 .seconds = std::move(curve)});
    }
    one.wait_factor = take(from.wait_factor());
    one.awake_factor = from.awake_factor();
    one.payload_bytes = from.payload_bytes();
    for (const auto& point : from.scaling())
        one.scaling.push_back({point.servers(), point.per_s()});
    for (const auto& point : from.concurrency()) {
        one.concurrency.push_back({point.servers(), point.per_s()});
    }
    for (const auto& error : from.last_validation()) {
        one.last_validation.push_back({.quantity = error.quantity(),
                                       .workload = error.workload(),
                                       .predicted = error.predicted(),
                                       .measured = error.measured(),
                                       .unit = error.unit(),
                                       .was_disturbed = error.was_disturbed(),
                                       .spread = error.spread()});
    }
    one.validated_at = from.validated_at();
    return result;
}

}  // namespace

std::optional<CalibrationFile> read_calibration(const std::string& path,
                                                std::vector<std::string>& problems) {
    const auto text = simulator::read_text_file(
        path, "name a file that `touchstone plan calibrate --save` has written", problems);
    file::Calibration parsed;
    if (!text || !simulator::parse_text(path, *text, parsed, nullptr, problems))
        return std::nullopt;
    Reader reader{path, problems};
    if (parsed.format() != format_version) {
        reader.complain(
            "format", fmt::format("is {}, this version reads {}", parsed.format(), format_version));
        return std::nullopt;
    }
    auto result = from_file(parsed, reader);
    if (!problems.empty()) return std::nullopt;
    return result;
}

std::optional<std::string> write_calibration(const std::string& path, const CalibrationFile& from) {
    const auto text = simulator::file_text(
        to_file(from), fmt::format("What {} costs on this machine: written by `touchstone plan "
                                   "calibrate`, read by `touchstone plan estimate`.",
                                   from.calibration.broker));
    const auto problem = reports::write_file_atomically(path, text);
    if (!problem) return std::nullopt;
    return problem->line;
}

std::optional<PriceList> read_prices(const std::string& path, std::vector<std::string>& problems) {
    const auto text =
        simulator::read_text_file(path, "see planner/README.md for what it holds", problems);
    file::Prices parsed;
    if (!text || !simulator::parse_text(path, *text, parsed, nullptr, problems))
        return std::nullopt;
    PriceList prices{.currency = parsed.currency(), .per_gb_out = parsed.per_gb_out()};
    for (const auto& node : parsed.nodes()) {
        if (node.processors() == 0 || node.memory_gb() <= 0 || node.per_month() < 0 ||
            node.speed() < 0) {
            problems.push_back(
                fmt::format("{}: nodes: '{}' needs processors and memory_gb above 0, "
                            "and no negative price or speed",
                            path, node.name()));
            continue;
        }
        prices.nodes.push_back({.name = node.name(),
                                .servers = node.processors(),
                                .memory_bytes = node.memory_gb() * 1e9,
                                .per_month = node.per_month(),
                                .speed = node.speed() > 0 ? node.speed() : 1});
    }
    if (prices.nodes.empty() && problems.empty()) {
        problems.push_back(fmt::format("{}: there is no node in it; add nodes {{ … }}", path));
    }
    if (!problems.empty()) return std::nullopt;
    return prices;
}

}  // namespace touchstone::planner
