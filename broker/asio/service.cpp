#include "broker/asio/service.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <thread>
#include <utility>

#include "broker/asio/clock.hpp"
#include "broker/base/check.hpp"
#include "broker/settings/report.hpp"
#include "broker/settings/rules.hpp"

namespace touchstone::asio_driver {

namespace {

/// The shards may be busy; figures that come too late are left out.
constexpr std::chrono::milliseconds figures_wait_max{1'000};

settings::Moment this_moment() {
    return {.now = read_clock(), .unix_s = unix_time_ms() / 1'000};
}

std::chrono::local_seconds local_time() {
    const std::time_t now = std::time(nullptr);
    std::tm fields{};
    localtime_r(&now, &fields);
    return std::chrono::local_seconds{std::chrono::seconds{now + fields.tm_gmtoff}};
}

AuthenticationService::Lists lists_of(const settings::NodeSettings& settings) {
    return {.users = settings.passwords, .client_ids = settings.client_ids};
}

spdlog::level::level_enum log_level(settings::LogLevel level) {
    switch (level) {
        case settings::LogLevel::debug: return spdlog::level::debug;
        case settings::LogLevel::info: return spdlog::level::info;
        case settings::LogLevel::warning: return spdlog::level::warn;
        case settings::LogLevel::error: return spdlog::level::err;
        case settings::LogLevel::off: return spdlog::level::off;
    }
    UNREACHABLE();
}

rocksdb_driver::Durability durability(settings::Durability value) {
    switch (value) {
        case settings::Durability::sync: return rocksdb_driver::Durability::sync;
        case settings::Durability::interval: return rocksdb_driver::Durability::interval;
        case settings::Durability::none: return rocksdb_driver::Durability::none;
    }
    UNREACHABLE();
}

unsigned shard_count_of(const settings::NodeSettings& settings) {
    const auto wanted =
        settings.shard_count == 0 ? std::thread::hardware_concurrency() : settings.shard_count;
    return std::clamp(wanted, 1U, Node::shard_count_max);
}

}  // namespace

Service::Service(settings::Sources sources, std::shared_ptr<const settings::NodeSettings> settings,
                 std::function<void()> on_stopped, std::optional<RecordOptions> record)
    : sources_{std::move(sources)},
      settings_{std::move(settings)},
      rules_{settings::rules_of(*settings_, nullptr, this_moment())},
      topics_{settings_->policy.node_name},
      started_at_{std::chrono::steady_clock::now()},
      authentication_{std::make_unique<AuthenticationService>(
          lists_of(*settings_), AuthenticationService::Options{},
          [this](unsigned shard, QuestionNumber number, AuthenticationAnswer answer) {
              node_.deliver(shard, number, std::move(answer));
          })},
      node_{node_options(std::move(on_stopped), std::move(record))} {}

Service::~Service() {
    authentication_->stop();
}

Node::Options Service::node_options(std::function<void()> on_stopped,
                                    std::optional<RecordOptions> record) {
    for (const auto& listener : settings_->listeners)
        listeners_.push_back({listener, settings::index_of(*rules_, listener)});
    Node::Options options;
    options.listeners = listeners_;
    options.rules = rules_;
    options.shard_count = shard_count_of(*settings_);
    options.descriptor_tables = settings_->descriptor_tables;
    options.drain_time_max = settings_->drain_time_max;
    options.authentication = authentication_.get();
    options.on_stopped = std::move(on_stopped);
    options.record = std::move(record);
    if (!settings_->data_directory.empty()) {
        options.store = StoreOptions{.directory = settings_->data_directory,
                                     .durability = durability(settings_->durability),
                                     .sync_interval = settings_->sync_interval};
    }
    return options;
}

void Service::reload() {
    const auto loaded = settings::load(sources_);
    for (const auto& warning : loaded.warnings) spdlog::warn("{}", warning.to_text());
    if (!loaded.settings) {
        for (const auto& problem : loaded.problems) spdlog::error("{}", problem.to_text());
        spdlog::error("reload: the settings are wrong; those before stay in force");
        return;
    }
    auto listeners = listeners_;
    for (auto& one : listeners) {
        const auto same = std::ranges::find(loaded.settings->listeners, one.settings.to_text(),
                                            &settings::Listener::to_text);
        if (same != loaded.settings->listeners.end()) one.settings = *same;
    }
    try {
        node_.reload(listeners);  // the only part that can fail, so it is the first
    } catch (const OperatorError& error) {
        spdlog::error("reload: {}; the settings before stay in force", error.what());
        return;
    }
    const auto changes = settings::changes_between(*settings_, *loaded.settings);
    rules_ = settings::rules_of(*loaded.settings, rules_.get(), this_moment());
    authentication_->set_lists(lists_of(*loaded.settings));
    node_.reload(rules_);
    listeners_ = std::move(listeners);
    settings_ = loaded.settings;
    spdlog::default_logger()->set_level(log_level(settings_->log_level));
    for (const auto& change : changes.live) spdlog::info("reload: {}", change.to_text());
    for (const auto& change : changes.restart)
        spdlog::warn("reload: {} needs a restart of the broker", change.to_text());
    spdlog::info("reload: {} in force, {} need a restart", changes.live.size(),
                 changes.restart.size());
}

void Service::publish_figures() {
    Counters counters;
    Gauges gauges;
    for (const auto& shard : node_.figures(figures_wait_max)) {
        if (!shard) return;  // half of a sum is worse than none
        counters += shard->counters;
        gauges += shard->gauges;
    }
    node_.publish(topics_.figures(counters, gauges));
}

void Service::publish_heartbeat() {
    const auto uptime =
        std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - started_at_);
    node_.publish(topics_.heartbeat(uptime, local_time()));
}

void set_up_log(settings::LogLevel level) {
    auto logger = std::make_shared<spdlog::logger>(
        "touchstone", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l: %v", spdlog::pattern_time_type::utc);
    logger->set_level(log_level(level));
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace touchstone::asio_driver
