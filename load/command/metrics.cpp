#include "load/command/metrics.hpp"

#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>

#include <mutex>

#include "load/socket.hpp"
#include "reports/result_directory.hpp"

namespace touchstone::load {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Seen {
    Counts counts;
    std::uint64_t clients = 0;
    std::uint64_t connected = 0;
    std::uint64_t ready = 0;
    Stage stage = Stage::connecting;
    std::array<std::optional<double>, 3> delivery_s;  // of the last interval
};
constexpr double quantiles[] = {0.5, 0.9, 0.99};

MetricFamily family(std::string name, std::string_view help, MetricType type) {
    MetricFamily made;
    made.name = std::move(name);
    made.help = std::string{help};
    made.type = type;
    return made;
}

MetricFamily gauge(std::string name, std::string_view help, double value) {
    auto made = family(std::move(name), help, MetricType::Gauge);
    made.metric.emplace_back().gauge.value = value;
    return made;
}

std::vector<MetricFamily> families_of(const Seen& seen) {
    std::vector<MetricFamily> families;
    families.push_back(
        gauge("touchstone_load_clients", "clients of the run", static_cast<double>(seen.clients)));
    families.push_back(gauge("touchstone_load_connected", "clients with a connection",
                             static_cast<double>(seen.connected)));
    families.push_back(gauge("touchstone_load_ready", "clients that are connected and subscribed",
                             static_cast<double>(seen.ready)));
    auto stages =
        family("touchstone_load_stage", "1 for the stage that the run is in", MetricType::Gauge);
    for (const auto stage : {Stage::connecting, Stage::holding, Stage::warming_up, Stage::measuring,
                             Stage::draining, Stage::closing}) {
        auto& metric = stages.metric.emplace_back();
        metric.label.push_back({"stage", std::string{name_of(stage)}});
        metric.gauge.value = stage == seen.stage ? 1 : 0;
    }
    families.push_back(std::move(stages));
    auto delivery =
        family("touchstone_load_delivery_seconds",
               "from the instant a message was due to its arrival, in the last interval",
               MetricType::Gauge);
    for (std::size_t i = 0; i < std::size(quantiles); ++i) {
        if (!seen.delivery_s[i]) continue;
        auto& metric = delivery.metric.emplace_back();
        metric.label.push_back({"quantile", fmt::format("{}", quantiles[i])});
        metric.gauge.value = *seen.delivery_s[i];
    }
    if (!delivery.metric.empty()) families.push_back(std::move(delivery));
    for (std::size_t i = 0; i < count_kinds; ++i) {
        auto made = family(fmt::format("touchstone_load_{}_total", count_texts[i].name),
                           count_texts[i].meaning, MetricType::Counter);
        made.metric.emplace_back().counter.value =
            static_cast<double>(seen.counts[static_cast<Count>(i)]);
        families.push_back(std::move(made));
    }
    return families;
}

}  // namespace

struct Metrics::Served : prometheus::Collectable {
    std::vector<MetricFamily> Collect() const override {
        const std::scoped_lock lock{mutex};
        return families_of(seen);
    }

    mutable std::mutex mutex;
    Seen seen;
    std::unique_ptr<prometheus::Exposer> exposer;
};

Metrics::Metrics(std::optional<std::uint16_t> port, std::string file)
    : served_{std::make_shared<Served>()},
      file_{std::move(file)} {
    if (!port) return;
    try {
        served_->exposer =
            std::make_unique<prometheus::Exposer>(fmt::format("127.0.0.1:{}", *port), 1);
    } catch (const std::exception& error) {
        throw CannotRun{
            fmt::format("--metrics-port {}: {}; give another port, or 0", *port, error.what())};
    }
    served_->exposer->RegisterCollectable(served_);
}

Metrics::~Metrics() = default;

std::optional<std::uint16_t> Metrics::port() const {
    if (!served_->exposer) return std::nullopt;
    return static_cast<std::uint16_t>(served_->exposer->GetListeningPorts().front());
}

void Metrics::update(const Glimpse& glimpse) {
    {
        const std::scoped_lock lock{served_->mutex};
        auto& seen = served_->seen;
        seen.counts = glimpse.counts;
        seen.clients = glimpse.clients;
        seen.connected = glimpse.connected;
        seen.ready = glimpse.ready;
        seen.stage = glimpse.stage;
        for (std::size_t i = 0; i < std::size(quantiles); ++i) {
            seen.delivery_s[i].reset();
            if (glimpse.latest == nullptr) continue;
            if (const auto value = glimpse.latest->times.delivery.quantile(quantiles[i]))
                seen.delivery_s[i] = in_seconds(*value);
        }
    }
    if (file_.empty()) return;
    const auto now = clock_now();
    if (written_at_ != 0 && now < written_at_ + second) return;
    written_at_ = now;
    const auto text = prometheus::TextSerializer{}.Serialize(served_->Collect());
    if (const auto problem = reports::write_file_atomically(file_, text))
        throw CannotRun{"--metrics-file: " + problem->line};
}

}  // namespace touchstone::load
