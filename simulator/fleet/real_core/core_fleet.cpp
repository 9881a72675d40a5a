#include "simulator/fleet/real_core/core_fleet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "broker/base/check.hpp"
#include "broker/base/hash.hpp"

namespace touchstone::simulator::fleet {

namespace {

/// A session of the core takes about 0.5 KB, with its device and what is on its way about 0.8.
constexpr std::uint32_t devices_max = 5'000'000;
/// The core goes through all sessions to say what waits, so of more devices that is asked at every
/// so many samples only.
constexpr std::uint32_t gauged_devices_max = 20'000;
constexpr std::size_t gauged_samples = 10;

std::shared_ptr<const access::NodeRules> rules_of(const FleetModel& model) {
    Settings settings;
    settings.inflight_max = static_cast<std::uint16_t>(model.limits.inflight);
    settings.queue_messages_max = model.limits.queue_messages;
    settings.queue_bytes_max = model.limits.queue_bytes;
    settings.unwritten_bytes_max = model.limits.unwritten_bytes;
    access::NodeRules rules = *access::open_rules(settings);
    if (model.limits.node_queue_bytes > 0)
        rules.policy.limits.queued_bytes_max = model.limits.node_queue_bytes;
    return std::make_shared<const access::NodeRules>(std::move(rules));
}

/// What is wrong with a class; empty: nothing.
std::string wrong_with(const FleetModel& model, const DeviceClass& one) {
    for (const auto* const to : {&one.fan_out, &one.will_to}) {
        if (to->to_class < 0) continue;
        if (model.cost.nodes > 1) {
            return "has messages for others, and there are several nodes, which share nothing in "
                   "T0; give one node, or --tier T2";
        }
        if (to->receivers > LightPackets::receivers_max) {
            return fmt::format(
                "sends each message to {} that are drawn, at most {} in T0 (a Shared Subscription "
                "for each); give fewer, or 0 for all, or --tier T2",
                to->receivers, LightPackets::receivers_max);
        }
    }
    if (one.subscriptions > LightPackets::subscriptions_max) {
        return fmt::format("has {} subscriptions each, at most {} in T0 (one SUBSCRIBE); give "
                           "fewer, or --tier T2",
                           one.subscriptions, LightPackets::subscriptions_max);
    }
    return "";
}

}  // namespace

std::optional<std::string> what_t0_cannot(const FleetModel& model) {
    if (model.devices() > devices_max) {
        return fmt::format("{} devices; the real core has room for {} in T0; give --tier T2",
                           model.devices(), devices_max);
    }
    if (model.cost.servers > Broker::shard_count_max) {
        return fmt::format("servers_per_node is {}; a node of the real core has at most {} "
                           "shards; give fewer, or --tier T2",
                           model.cost.servers, Broker::shard_count_max);
    }
    if (model.cost.any_server) {
        return "shared_queue: shards of the real core have a queue each; leave it out, or give "
               "--tier T2";
    }
    if (!model.partitions.empty()) {
        return "partitions: nodes share nothing in T0, so there is nothing to part; give --tier "
               "T2, or a scenario of a cluster (scenarios/cluster)";
    }
    for (const auto& one : model.classes) {
        const auto wrong = wrong_with(model, one);
        if (!wrong.empty()) return fmt::format("class '{}' {}", one.name, wrong);
    }
    return std::nullopt;
}

CoreFleet::CoreFleet(FleetModel model)
    : model_{std::move(model)},
      packets_{model_},
      rules_{rules_of(model_)},
      device_draws_{model_.seed, Purpose::device},
      phase_draws_{model_.seed, Purpose::phase},
      cut_draws_{model_.seed, Purpose::cut_off},
      devices_{model_.devices()},
      nodes_(model_.cost.nodes),
      started_(model_.classes.size()),
      cuts_(model_.classes.size()),
      flows_(model_.classes.size()),
      inboxes_(model_.classes.size()),
      sampler_{std::size_t{model_.cost.nodes} * model_.cost.servers} {
    CHECK(!what_t0_cannot(model_));
    outcome_.classes.resize(model_.classes.size());
    for (std::size_t i = 0; i < model_.classes.size(); ++i) {
        const auto& one = model_.classes[i];
        if (one.count == 0) continue;
        put(one.ramp_start, Kind::start, static_cast<std::uint32_t>(i));
        const bool has_flows =
            one.publishing.process != PublishProcess::none && one.publishing.qos > 0;
        if (has_flows) flows_[i].resize(one.count);
        if (one.read_every > 0) inboxes_[i].resize(one.count);
    }
    for (std::size_t i = 0; i < model_.crashes.size(); ++i)
        put(model_.crashes[i].at, Kind::crash, static_cast<std::uint32_t>(i));
    for (const auto& cut : model_.cuts)
        cuts_[static_cast<std::size_t>(cut.device_class)].push_back(cut);
    if (model_.sample_every > 0) put(model_.sample_every, Kind::sample, 0);
    heap_before_ = heap_bytes();
    for (std::uint32_t node = 0; node < model_.cost.nodes; ++node) {
        nodes_up_.push_back(node);
        for (std::uint32_t index = 0; index < model_.cost.servers; ++index) {
            const CoreShard::Options options{.number = node * model_.cost.servers + index,
                                             .index = index,
                                             .node = node,
                                             .seed = model_.seed};
            shards_.push_back(std::make_unique<CoreShard>(model_.cost, rules_, options,
                                                          static_cast<CoreHost&>(*this)));
        }
        publish_retained(node);
    }
}

CoreFleet::~CoreFleet() = default;

Outcome CoreFleet::run(const std::function<bool(Time, std::uint64_t)>& goes_on) {
    TimedEvent event;
    while (list_.take(model_.duration, event)) {
        ++outcome_.steps;
        digest_ = (digest_ ^ event.at ^ std::uint64_t{event.subject} << 24U ^
                   std::uint64_t{event.kind} << 56U) *
                  0x9E37'79B9'7F4A'7C15U;
        digest_ ^= digest_ >> 32U;
        step(event);
        if (event.kind == static_cast<std::uint8_t>(Kind::sample) && goes_on &&
            !goes_on(event.at, outcome_.connected)) {
            outcome_.was_interrupted = true;
            break;
        }
    }
    outcome_.ended_at = list_.now();
    if (sampler_.at() < list_.now() && model_.sample_every > 0) on_sample();
    finish_core_figures();
    outcome_.digest = digest_;
    return std::move(outcome_);
}

void CoreFleet::step(const TimedEvent& event) {
    switch (static_cast<Kind>(event.kind)) {
        case Kind::timer: return on_timer(event);
        case Kind::to_broker: return on_to_broker(event);
        case Kind::to_client: return on_to_client(event);
        case Kind::connect: return on_connect(event);
        case Kind::moved: return on_moved(event);
        case Kind::letter: return on_letter(event);
        case Kind::shard_free:
            if (event.generation == nodes_[node_of(event.subject)].life)
                shards_[event.subject]->on_free(event.at);
            return;
        case Kind::shard_tick:
            if (event.generation == nodes_[node_of(event.subject)].life)
                shards_[event.subject]->on_tick(event.at);
            return;
        case Kind::read: return on_read(event);
        case Kind::start: return start_devices(event.subject, event.at);
        case Kind::crash: return on_crash(event);
        case Kind::node_up: {
            const auto node = event.subject;
            nodes_[node].is_up = true;
            nodes_up_.push_back(node);
            std::ranges::sort(nodes_up_);
            for (std::uint32_t i = 0; i < model_.cost.servers; ++i)
                shards_[node * model_.cost.servers + i]->start();
            return publish_retained(node);
        }
        case Kind::sample:
            on_sample();
            if (event.at + model_.sample_every <= model_.duration)
                put(event.at + model_.sample_every, Kind::sample, 0);
            return;
    }
    UNREACHABLE();
}

std::size_t CoreFleet::class_of(std::uint32_t device) const {
    std::size_t at = 0;
    while (device - model_.classes[at].first >= model_.classes[at].count) ++at;
    return at;
}

/// As if they had been found on a disk: they are there before the first client.
void CoreFleet::publish_retained(std::uint32_t node) {
    const Buffer payload(
        std::ranges::max_element(model_.classes, {}, &DeviceClass::retained_bytes)->retained_bytes,
        std::byte{'r'});
    for (std::size_t number = 0; number < model_.classes.size(); ++number) {
        const auto& one = model_.classes[number];
        for (std::uint32_t i = 0; i < one.retained; ++i) {
            const auto topic = LightPackets::retained_topic(number, i);
            shards_[node * model_.cost.servers]->publish(
                {.topic = topic,
                 .payload = Bytes{payload}.first(std::max(1U, one.retained_bytes)),
                 .properties = {},
                 .retain = true},
                list_.now());
        }
    }
}

/// The broker's processes are gone: their system resets all connections.
void CoreFleet::on_crash(const TimedEvent& event) {
    const auto& crash = model_.crashes[event.subject];
    const Time up_at = event.at + crash.down;
    for (std::uint32_t number = 0; number < model_.cost.nodes; ++number) {
        auto& node = nodes_[number];
        if (!node.is_up || (crash.node >= 0 && crash.node != static_cast<int>(number))) continue;
        node.is_up = false;
        ++node.life;
        std::erase(nodes_up_, number);
        for (std::uint32_t i = 0; i < model_.cost.servers; ++i)
            shards_[number * model_.cost.servers + i]->stop(event.at, up_at);
        put(up_at, Kind::node_up, number);
        for (std::uint32_t i = 0; i < connections_.size(); ++i) {
            auto& connection = connections_[i];
            if (!connection.is_at_broker || node_of(connection.shard) != number) continue;
            const ConnectionRef ref{i, connection.serial};
            connection.is_at_broker = false;
            connection.slot = Connection::no_slot;
            if (connection.is_left) {
                free_if_over(ref);
                continue;
            }
            const auto parcel = take_parcel(ref, {});
            parcels_[parcel].is_end = true;
            parcels_[parcel].is_crash = true;
            auto draws = draws_of(connection.device, event.at);
            const auto& link = model_.classes[class_of(connection.device)].link;
            put(event.at + one_way(link, reset_bytes, draws), Kind::to_client, parcel);
        }
    }
}

void CoreFleet::on_sample() {
    const Time now = list_.now();
    std::vector<Time> busy;
    Time longest = 0;
    std::uint64_t wills = 0;
    for (const auto& shard : shards_) {
        busy.push_back(shard->busy());
        longest = std::max(longest, shard->wait(now));
        wills += shard->counters().of(Counter::wills_published);
    }
    // The core does not say whose they were.
    for (std::size_t i = 0; i < model_.classes.size(); ++i) {
        if (!model_.classes[i].has_will) continue;
        outcome_.classes[i].wills = wills;
        break;
    }
    const auto every = model_.devices() > gauged_devices_max ? gauged_samples : 1;
    if (outcome_.samples.size() % every == every - 1) look_at_queues();
    sampler_.take(now, longest, busy, outcome_);
}

void CoreFleet::look_at_queues() {
    Gauges gauges;
    for (const auto& shard : shards_)
        if (shard->is_up()) gauges += shard->broker()->gauges();
    figures_.queued_messages_max = std::max(figures_.queued_messages_max, gauges.queued_messages);
    figures_.queued_bytes_max = std::max(figures_.queued_bytes_max, gauges.queued_bytes);
    if (gauges.sessions <= figures_.heap_sessions) return;
    // What is on its way is not the core's, and little.
    const auto heap = heap_bytes();
    figures_.heap_bytes = heap > heap_before_ ? heap - heap_before_ : 0;
    figures_.heap_sessions = gauges.sessions;
}

void CoreFleet::finish_core_figures() {
    Counters counters;
    Gauges gauges;
    const bool keeps_its_books = model_.crashes.empty();
    for (const auto& shard : shards_) {
        counters += shard->counters();
        figures_.packets_taken += shard->packets_taken();
        if (!shard->is_up()) continue;
        gauges += shard->broker()->gauges();
        if (!keeps_its_books) continue;
        figures_.surprises +=
            unaccounted_messages(shard->broker()->counters(), shard->broker()->gauges());
    }
    figures_.sessions = gauges.sessions;
    figures_.subscriptions = gauges.subscriptions;
    figures_.bytes_received = counters.of(Counter::bytes_received);
    figures_.bytes_sent = counters.of(Counter::bytes_sent);
    const std::pair<std::string_view, Counter> reasons[] = {
        {"queue_full", Counter::dropped_queue_full},
        {"memory_full", Counter::dropped_memory_full},
        {"expired", Counter::dropped_expired},
        {"too_large", Counter::dropped_too_large},
        {"offline_qos_0", Counter::dropped_offline_qos_0},
        {"session_ended", Counter::dropped_session_ended},
        {"no_member", Counter::dropped_no_member},
    };
    for (const auto& [name, counter] : reasons) {
        const auto count = counters.of(counter);
        if (count > 0) figures_.drops.emplace_back(std::string{name}, count);
    }
    outcome_.core = figures_;
}

}  // namespace touchstone::simulator::fleet
