#include "broker/asio/metrics.hpp"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/asio/node.hpp"
#include "broker/base/counters.hpp"
#include "broker/base/disconnect_reason.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Families = std::vector<MetricFamily>;
using Labels = std::vector<ClientMetric::Label>;
using AllFigures = std::vector<std::optional<ShardFigures>>;

constexpr auto answer_wait_max = 1s;

/// Seconds since 1970. The one place where the wall clock is read.
const double process_start_time_s = static_cast<double>(std::time(nullptr));

struct GaugeDescription {
    std::string_view name;
    std::string_view help;
    double (*value)(const ShardFigures&);
};

/// Per shard, in the order of the page.
constexpr auto gauge_descriptions = std::to_array<GaugeDescription>({
    {"connections", "Network Connections, with and without a session.",
     [](const ShardFigures& of) { return static_cast<double>(of.gauges.connections); }},
    {"sessions", "Sessions, connected or waiting for their client.",
     [](const ShardFigures& of) { return static_cast<double>(of.gauges.sessions); }},
    {"subscriptions", "Subscriptions of all sessions.",
     [](const ShardFigures& of) { return static_cast<double>(of.gauges.subscriptions); }},
    {"retained_messages",
     "Retained Messages; every shard has a copy of all, so do not add them up.",
     [](const ShardFigures& of) { return static_cast<double>(of.gauges.retained_messages); }},
    {"queued_messages", "Messages waiting in sessions.",
     [](const ShardFigures& of) { return static_cast<double>(of.gauges.queued_messages); }},
    {"inflight_messages", "Messages sent to clients and not yet acknowledged.",
     [](const ShardFigures& of) { return static_cast<double>(of.gauges.inflight_messages); }},
    {"driver_sockets", "Sockets of connections, those being closed included.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.sockets); }},
    {"driver_output_bytes", "Memory that holds output clients have not taken yet.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.output_bytes); }},
    {"driver_output_most_bytes", "The most that was since the start.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.output_bytes_most); }},
    {"driver_letter_bytes", "Memory that holds messages other shards have not taken yet.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.letter_bytes); }},
});

constexpr auto driver_counter_descriptions = std::to_array<GaugeDescription>({
    {"driver_turns_total", "Turns of the shard's loop.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.turns); }},
    {"driver_accepted_total", "Connections accepted by the shard's thread.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.accepted); }},
    {"driver_accept_pauses_total", "Times accepting paused for want of descriptors or memory.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.accept_pauses); }},
    {"driver_accept_rate_pauses_total",
     "Times a listener paused because connections came faster than it takes them.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.accept_rate_pauses); }},
    {"driver_read_rate_pauses_total",
     "Times a connection was not read because it sent faster than its listener takes it.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.read_rate_pauses); }},
    {"driver_output_pauses_total",
     "Times a connection was not read because its peer did not take what is owed to it.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.output_pauses); }},
    {"driver_send_timeouts_total", "Connections closed because their output did not move.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.send_timeouts); }},
    {"websocket_upgrades_total", "WebSockets opened.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.upgrades); }},
    {"driver_moved_total", "Connections taken over from the shard that accepted them.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.moved_here); }},
    {"driver_moves_refused_total",
     "Connections refused because their shard's own table of descriptors was full.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.moves_refused); }},
    {"driver_move_pauses_total",
     "Times the system took no more descriptors for another shard's table.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.move_pauses); }},
    {"driver_letter_pauses_total",
     "Times the shard read no connection because another one did not take its messages in time.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.letter_pauses); }},
    {"driver_peer_messages_total", "Messages taken from other shards.",
     [](const ShardFigures& of) { return static_cast<double>(of.driver.peer_messages); }},
    {"driver_cpu_seconds_total", "Processor time of the shard's thread.",
     [](const ShardFigures& of) { return of.driver.cpu_s; }},
});

/// The family called `name`, made when it is not there yet.
MetricFamily& family(Families& families, std::string name, std::string_view help, MetricType type) {
    const auto known = std::ranges::find(families, name, &MetricFamily::name);
    if (known != families.end()) return *known;
    return families.emplace_back(MetricFamily{std::move(name), std::string{help}, type, {}});
}

void add(MetricFamily& to, Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (to.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    to.metric.push_back(std::move(metric));
}

void add_counters(Families& families, const std::string& shard, const ShardFigures& of) {
    for (std::size_t i = 0; i < counter_descriptions.size(); ++i) {
        const CounterDescription& about = counter_descriptions[i];
        Labels labels{{"shard", shard}};
        if (const auto equals = about.label.find('='); equals != std::string_view::npos) {
            labels.push_back({std::string{about.label.substr(0, equals)},
                              std::string{about.label.substr(equals + 1)}});
        }
        const auto value = of.counters.of(static_cast<Counter>(i));
        add(family(families, "touchstone_" + std::string{about.family} + "_total", about.help,
                   MetricType::Counter),
            std::move(labels), static_cast<double>(value));
    }
}

void add_disconnects(Families& families, const std::string& shard, const ShardFigures& of) {
    MetricFamily& disconnects =
        family(families, "touchstone_disconnects_total", "Network Connections ended, by reason.",
               MetricType::Counter);
    for (std::size_t i = 0; i < disconnect_reason_count; ++i) {
        const auto reason = static_cast<DisconnectReason>(i);
        add(disconnects, {{"shard", shard}, {"reason", std::string{name_of(reason)}}},
            static_cast<double>(of.counters.of(reason)));
    }
}

/// Connections that ended before MQTT began, and what there was before it.
void add_transports(Families& families, const std::string& shard, const ShardFigures& of) {
    const DriverFigures& driver = of.driver;
    const auto add_one = [&](const char* name, const char* help, const char* label,
                             std::string_view value, std::uint64_t count) {
        add(family(families, name, help, MetricType::Counter),
            {{"shard", shard}, {label, std::string{value}}}, static_cast<double>(count));
    };
    const auto add_refusal = [&](std::string_view reason, std::uint64_t count) {
        add_one("touchstone_connections_refused_total",
                "Network Connections that ended before the first byte of MQTT, by reason.",
                "reason", reason, count);
    };
    for (std::size_t i = 0; i < refusal_count; ++i) {
        add_refusal(refusal_names[i], driver.refused[i]);
    }
    for (std::size_t i = 0; i < transport::tls_alert_count; ++i) {
        const auto alert = static_cast<transport::TlsAlert>(i);
        add_refusal("tls_alert:" + std::string{transport::name_of(alert)}, driver.tls_alerts[i]);
    }
    for (std::size_t i = 0; i < transport::upgrade_refusal_count; ++i) {
        add_one("touchstone_websocket_upgrades_refused_total",
                "Requests for a WebSocket that were refused, by reason.", "reason",
                transport::name_of(static_cast<transport::UpgradeRefusal>(i)),
                driver.upgrades_refused[i]);
    }
    const auto add_failure = [&](std::string_view code, std::uint64_t count) {
        add_one("touchstone_websocket_failures_total",
                "WebSockets closed because the client broke their rules, by close code.", "code",
                code, count);
    };
    add_failure("1002", driver.web_protocol_errors);
    add_failure("1003", driver.web_text_frames);
    const auto add_handshakes = [&](std::string_view kind, std::uint64_t count) {
        add_one("touchstone_tls_handshakes_total", "TLS handshakes completed, by kind.", "kind",
                kind, count);
    };
    add_handshakes("full", driver.handshakes_full);
    add_handshakes("resumed", driver.handshakes_resumed);
}

void add_shard(Families& families, const std::string& shard, const ShardFigures& of) {
    add_counters(families, shard, of);
    add_disconnects(families, shard, of);
    add_transports(families, shard, of);
    const auto add_all = [&](const auto& descriptions, MetricType type) {
        for (const GaugeDescription& about : descriptions) {
            add(family(families, "touchstone_" + std::string{about.name}, about.help, type),
                {{"shard", shard}}, about.value(of));
        }
    };
    add_all(gauge_descriptions, MetricType::Gauge);
    add_all(driver_counter_descriptions, MetricType::Counter);
}

/// The node's data directory.
void add_store(Families& families, const rocksdb_driver::StoreFigures& of) {
    const auto add_one = [&](const char* name, const char* help, MetricType type, auto value,
                             Labels labels = {}) {
        add(family(families, name, help, type), std::move(labels), static_cast<double>(value));
    };
    constexpr auto counter = MetricType::Counter;
    constexpr auto batches = "touchstone_storage_batches_total";
    constexpr auto batches_help = "Batches of the shards, by what became of them.";
    add_one(batches, batches_help, counter, of.batches - of.batches_full - of.batches_failed,
            {{"outcome", "stored"}});
    add_one(batches, batches_help, counter, of.batches_full, {{"outcome", "full"}});
    add_one(batches, batches_help, counter, of.batches_failed, {{"outcome", "failed"}});
    add_one("touchstone_storage_record_bytes_total", "Bytes of stored records, keys included.",
            counter, of.record_bytes);
    constexpr auto written = "touchstone_storage_written_bytes_total";
    constexpr auto written_help = "Bytes the database has written into its files, by kind.";
    add_one(written, written_help, counter, of.log_bytes, {{"kind", "log"}});
    add_one(written, written_help, counter, of.flush_bytes, {{"kind", "flush"}});
    add_one(written, written_help, counter, of.compaction_bytes, {{"kind", "compaction"}});
    add_one("touchstone_storage_bytes", "Size of the database's files, without its log.",
            MetricType::Gauge, of.size_bytes);
    add_one("touchstone_storage_refusing",
            "1 while nothing can be stored, because the disk is full or fails.", MetricType::Gauge,
            of.is_refusing ? 1 : 0);
    add_one("touchstone_storage_bad_records_total",
            "Records set aside at the start: damaged, or without what they refer to.", counter,
            of.bad_records);
    add_one("touchstone_storage_damaged_parts_total",
            "Parts of the database set aside at the start because they could not be read.", counter,
            of.damaged_parts);

    ClientMetric times;
    times.histogram.sample_count = of.syncs;
    times.histogram.sample_sum = static_cast<double>(of.sync_us) * 1e-6;
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < of.syncs_by_time.size(); ++i) {
        so_far += of.syncs_by_time[i];
        const bool is_last = i == rocksdb_driver::sync_time_bounds.size();
        const double bound_s =
            is_last ? std::numeric_limits<double>::infinity()
                    : std::chrono::duration<double>{rocksdb_driver::sync_time_bounds[i]}.count();
        times.histogram.bucket.push_back({.cumulative_count = so_far, .upper_bound = bound_s});
    }
    family(families, "touchstone_storage_sync_seconds",
           "Time it took to write and sync what all shards had ended.", MetricType::Histogram)
        .metric.push_back(std::move(times));
}

double resident_bytes() {
    std::ifstream pages{"/proc/self/statm"};
    double total = 0;
    double resident = 0;
    pages >> total >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_files() {
    std::error_code error;
    const std::filesystem::directory_iterator files{"/proc/self/fd", error};
    if (error) return 0;
    return static_cast<double>(std::distance(begin(files), end(files)));
}

double cpu_s() {
    timespec used{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double open_files_max() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<double>(limit.rlim_cur);
}

/// The metrics every Prometheus exporter has, under their usual names. `own_descriptors`: open in
/// tables of the shards' own, by shard.
void add_process(Families& families, const std::vector<std::uint64_t>& own_descriptors) {
    const auto add_one = [&](const char* name, const char* help, MetricType type, double value) {
        add(family(families, name, help, type), {}, value);
    };
    add(family(families, "touchstone_build_info", "Always 1; what runs is in the label.",
               MetricType::Gauge),
        {{"version", TOUCHSTONE_VERSION}}, 1);
    add_one("process_start_time_seconds", "When the process began, in seconds since 1970.",
            MetricType::Gauge, process_start_time_s);
    add_one("process_cpu_seconds_total", "Processor time used.", MetricType::Counter, cpu_s());
    add_one("process_resident_memory_bytes", "Memory in use.", MetricType::Gauge, resident_bytes());
    const auto in_own_tables =
        std::accumulate(own_descriptors.begin(), own_descriptors.end(), std::uint64_t{0});
    const auto tables = 1 + own_descriptors.size();
    add_one("process_open_fds", "Open file descriptors, in all of its tables.", MetricType::Gauge,
            open_files() + static_cast<double>(in_own_tables));
    add_one("process_max_fds", "Most file descriptors it may open, in all of its tables.",
            MetricType::Gauge, open_files_max() * static_cast<double>(tables));
}

class NodeFigures final : public prometheus::Collectable {
public:
    explicit NodeFigures(Node& node) : node_{node} {}

    Families Collect() const override {
        Families families;
        const AllFigures all = node_.figures(answer_wait_max);
        std::vector<std::uint64_t> own_descriptors;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::string shard = std::to_string(i);
            add(family(
                    families, "touchstone_shard_answers",
                    "1 when the shard answered this scrape in time, else 0 and its other figures "
                    "are missing.",
                    MetricType::Gauge),
                {{"shard", shard}}, all[i] ? 1 : 0);
            if (all[i]) add_shard(families, shard, *all[i]);
            if (all[i]) add_conservation(families, shard, i, *all[i]);
            if (all[i] && all[i]->driver.own_descriptors > 0) {
                own_descriptors.push_back(all[i]->driver.own_descriptors);
            }
        }
        if (const auto store = node_.store_figures()) add_store(families, *store);
        add_process(families, own_descriptors);
        return families;
    }

private:
    /// Whether every message is accounted for, looked at with each scrape.
    void add_conservation(Families& families, const std::string& shard, std::size_t place,
                          const ShardFigures& of) const {
        const std::scoped_lock lock{mutex_};
        if (violations_.size() <= place) violations_.resize(place + 1);
        if (unaccounted_messages(of.counters, of.gauges) != 0) ++violations_[place];
        add(family(
                families, "touchstone_conservation_violations_total",
                "Scrapes at which messages accepted were not the sum of those delivered, queued, "
                "in flight and dropped: a defect.",
                MetricType::Counter),
            {{"shard", shard}}, static_cast<double>(violations_[place]));
    }

    Node& node_;
    mutable std::mutex mutex_;  // scrapes may come at the same time
    mutable std::vector<std::uint64_t> violations_;
};

}  // namespace

class Metrics::Server {
public:
    Server(const std::string& address, Node& node)
        : figures_{std::make_shared<NodeFigures>(node)},
          exposer_{address} {
        exposer_.RegisterCollectable(figures_);
    }
    [[nodiscard]] std::uint16_t port() const {
        return static_cast<std::uint16_t>(exposer_.GetListeningPorts().front());
    }

private:
    std::shared_ptr<NodeFigures> figures_;
    prometheus::Exposer exposer_;
};

Metrics::Metrics(const Endpoint& wanted, Node& node) : endpoint_{wanted} {
    if (wanted.address.find(':') != std::string::npos) {
        throw OperatorError{"--metrics " + wanted.to_text() +
                            ": the web server takes IPv4 addresses only; use 127.0.0.1:" +
                            std::to_string(wanted.port)};
    }
    // The web server does not say what is wrong with an address; opening it once does.
    ListeningSocket::open(wanted);
    try {
        server_ = std::make_unique<Server>(wanted.to_text(), node);
    } catch (const std::exception& failure) {
        throw OperatorError{"cannot serve metrics on " + wanted.to_text() + ": " + failure.what() +
                            "; choose another address"};
    }
    endpoint_.port = server_->port();
}

Metrics::~Metrics() = default;

}  // namespace touchstone::asio_driver
