#include "simulator/set_up.hpp"

#include <algorithm>
#include <limits>

#include "broker/base/check.hpp"

namespace touchstone::simulator {

namespace {

Duration microseconds(std::uint64_t count) {
    return Duration{static_cast<std::int64_t>(count)};
}

std::uint16_t narrow(std::uint32_t value) {
    CHECK(value <= 0xFFFF);
    return static_cast<std::uint16_t>(value);
}

}  // namespace

NodeOptions node_options(const scenario::Node& node) {
    NodeOptions options;
    options.shard_count = std::max(1U, node.shards());
    if (node.has_shard_delay_us_low()) {
        options.peer_delay_low = microseconds(node.shard_delay_us_low());
    }
    if (node.has_shard_delay_us_high()) {
        options.peer_delay_high = microseconds(node.shard_delay_us_high());
    }
    options.publishes_presence = true;
    options.timer_resolution = milliseconds(node.timer_resolution_ms());
    if (node.accepts_per_s() > 0) {
        options.accept_interval = microseconds(1'000'000 / node.accepts_per_s());
    }
    if (node.has_storage()) {
        auto& storage = options.storage.emplace();
        const auto& disk = node.storage();
        if (disk.has_sync_ms_low()) storage.sync_low = milliseconds(disk.sync_ms_low());
        if (disk.has_sync_ms_high()) storage.sync_high = milliseconds(disk.sync_ms_high());
    }
    auto& settings = options.settings;
    const auto& given = node.settings();
    if (given.has_inflight_max()) settings.inflight_max = narrow(given.inflight_max());
    if (given.has_receive_maximum()) settings.receive_maximum = narrow(given.receive_maximum());
    if (given.has_retry_interval_ms()) {
        settings.retry_interval = milliseconds(given.retry_interval_ms());
    }
    if (given.has_queue_messages_max()) {
        settings.queue_messages_max = given.queue_messages_max() == 0
                                          ? std::numeric_limits<std::uint32_t>::max()
                                          : given.queue_messages_max();
    }
    if (given.has_queue_qos_0_offline()) {
        settings.queue_qos_0_offline = given.queue_qos_0_offline();
    }
    if (given.has_packet_id_max()) settings.packet_id_max = narrow(given.packet_id_max());
    if (given.has_session_expiry_s_max()) {
        settings.session_expiry_s_max = given.session_expiry_s_max();
    }
    if (given.has_session_expiry_s_v3()) settings.session_expiry_s_v3 = given.session_expiry_s_v3();
    if (given.has_connect_timeout_ms()) {
        settings.connect_timeout = milliseconds(given.connect_timeout_ms());
    }
    if (given.has_keep_alive_s_max()) settings.keep_alive_s_max = narrow(given.keep_alive_s_max());
    if (given.has_packet_size_bytes_max()) {
        settings.packet_size_bytes_max = given.packet_size_bytes_max();
    }
    if (given.has_maximum_qos()) settings.maximum_qos = static_cast<QoS>(given.maximum_qos());
    if (given.has_topic_alias_max()) settings.topic_alias_max = narrow(given.topic_alias_max());
    if (given.has_unwritten_bytes_max()) settings.unwritten_bytes_max = given.unwritten_bytes_max();
    const bool has_policy = node.storage().has_resident_queue_bytes() ||
                            given.has_awaiting_release_max() || !given.access_rules().empty() ||
                            given.user_name_as_client_id();
    if (has_policy) options.rules = rules_of(node, settings);
    return options;
}

std::shared_ptr<const access::NodeRules> rules_of(const scenario::Node& node,
                                                  const Settings& settings) {
    const auto& given = node.settings();
    auto rules = std::make_shared<access::NodeRules>(*access::open_rules(settings));
    if (node.storage().has_resident_queue_bytes())
        rules->policy.limits.resident_queue_bytes = node.storage().resident_queue_bytes();
    auto& policy = rules->zones.front().policy;
    if (given.has_awaiting_release_max())
        policy.awaiting_release_max = given.awaiting_release_max();
    policy.user_name_as_client_id = given.user_name_as_client_id();
    if (given.access_rules().empty()) return rules;
    policy.has_access_rules = true;
    rules->access_rules = access::AccessRules::parse(given.access_rules()).value();
    return rules;
}

ClientOptions client_options(const scenario::Client& client) {
    ClientOptions options;
    options.client_id = client.has_client_id() ? client.client_id() : client.name();
    options.version = client.version() == 3 ? ProtocolVersion::v3_1_1 : ProtocolVersion::v5;
    if (client.has_clean_start()) options.clean_start = client.clean_start();
    options.session_expiry_s = client.session_expiry_s();
    if (client.has_receive_maximum()) options.receive_maximum = narrow(client.receive_maximum());
    if (client.has_keep_alive_s()) options.keep_alive_s = narrow(client.keep_alive_s());
    if (client.has_answer_timeout_ms()) {
        options.ping_timeout = milliseconds(client.answer_timeout_ms());
        options.connect_timeout = options.ping_timeout;
    }
    if (client.has_will()) {
        options.will = WillOptions{publication(client.will()), client.will_delay_s()};
    }
    if (client.has_packet_id_max()) options.packet_id_max = narrow(client.packet_id_max());
    if (client.has_inflight_max()) options.inflight_max = narrow(client.inflight_max());
    options.acknowledgements = ack_policy(client.acknowledgements());
    options.completions = ack_policy(client.completions());
    const auto& reconnect = client.reconnect();
    if (reconnect.has_enabled()) options.reconnect.enabled = reconnect.enabled();
    if (reconnect.has_delay_ms_low()) {
        options.reconnect.delay_low = milliseconds(reconnect.delay_ms_low());
    }
    if (reconnect.has_delay_ms_high()) {
        options.reconnect.delay_high = milliseconds(reconnect.delay_ms_high());
    }
    if (reconnect.has_delay_ms_max()) {
        options.reconnect.delay_max = milliseconds(reconnect.delay_ms_max());
    }
    options.topic_alias_max = narrow(client.topic_alias_max());
    options.retry_interval = milliseconds(client.retry_interval_ms());
    options.store = client.store() == scenario::memory ? Store::memory : Store::durable;
    if (client.has_restore_subscriptions()) {
        options.restore_subscriptions = client.restore_subscriptions();
    }
    options.republish_unacknowledged = client.republish_unacknowledged();
    options.queue_qos_0_offline = client.queue_qos_0_offline();
    options.only_raw = client.only_raw();
    if (client.has_user_name()) options.user_name = client.user_name();
    return options;
}

Clock clock_of(const scenario::Clock& clock) {
    return Clock{Drift{clock.drift_ppm()}, std::chrono::milliseconds{clock.offset_ms()}};
}

LinkModel link_model(const scenario::Link& link) {
    LinkModel model;
    if (link.has_delay_us()) model.delay.low = microseconds(link.delay_us());
    if (link.has_delay_us_high()) {
        model.delay.kind = DelayModel::Kind::uniform;
        model.delay.high = microseconds(link.delay_us_high());
    } else if (link.has_delay_us_mean()) {
        model.delay.kind = DelayModel::Kind::exponential;
        model.delay.high = microseconds(link.delay_us_mean());
    }
    model.bandwidth_bytes_per_s = link.bandwidth_bytes_per_s();
    if (link.has_buffer_bytes()) model.buffer_bytes = link.buffer_bytes();
    return model;
}

DiskFault disk_fault(const scenario::DiskFault& fault) {
    using Kind = DiskFault::Kind;
    const auto kind = [&] {
        switch (fault.trouble()) {
            case scenario::slow_sync: return Kind::slow;
            case scenario::full: return Kind::full;
            case scenario::failing: return Kind::failing;
            case scenario::lost: return Kind::lost;
            case scenario::torn: return Kind::torn;
            case scenario::late: return Kind::late;
            default: UNREACHABLE();  // Protobuf adds sentinels to its enumerations.
        }
    };
    return {.kind = kind(),
            .sync_low = milliseconds(fault.sync_ms_low()),
            .sync_high = milliseconds(fault.sync_ms_high()),
            .batches = fault.has_batches() ? fault.batches() : 1};
}

std::string node_name(const scenario::Node& node) {
    return node.name().empty() ? "broker" : node.name();
}

cluster::ModelRules cluster_rules(const scenario::Cluster& cluster) {
    auto rules = *cluster::find_model(cluster.model());
    rules.voters_max = cluster.voters();
    if (cluster.has_autoclean_ms()) rules.autoclean = milliseconds(cluster.autoclean_ms());
    if (cluster.has_kept_messages_max()) rules.kept_messages_max = cluster.kept_messages_max();
    if (const auto* const healing = cluster::find_healing(cluster.healing()))
        cluster::heal_by(rules, healing->policy);
    if (cluster.has_allowed()) {
        rules.may_register = cluster.allowed().registering();
        rules.may_publish = cluster.allowed().publishing();
        rules.may_subscribe = cluster.allowed().subscribing();
    }
    rules.discovers = cluster.discovers();
    rules.locks_most_of_all = cluster.locks_most_of_all();
    rules.minority_refuses = rules.minority_refuses || rules.locks_most_of_all;
    return rules;
}

MeshOptions mesh_options(const scenario::Cluster& cluster, const cluster::ModelRules& rules) {
    MeshOptions options{.detects_low = rules.detects_low, .detects_high = rules.detects_high};
    if (cluster.has_delay_us_low()) options.delay_low = microseconds(cluster.delay_us_low());
    if (cluster.has_delay_us_high()) options.delay_high = microseconds(cluster.delay_us_high());
    if (cluster.has_detect_ms_low()) options.detects_low = milliseconds(cluster.detect_ms_low());
    if (cluster.has_detect_ms_high()) options.detects_high = milliseconds(cluster.detect_ms_high());
    options.delay_high = std::max(options.delay_low, options.delay_high);
    options.detects_high = std::max(options.detects_low, options.detects_high);
    return options;
}

JudgedAs judged_as(const scenario::Scenario& scenario) {
    if (!scenario.has_cluster()) return JudgedAs::nodes;
    const auto* const rules = cluster::find_model(scenario.cluster().model());
    if (rules == nullptr) return JudgedAs::cluster;
    if (rules->is_one_broker) return JudgedAs::one_broker;
    return rules->keeps_log ? JudgedAs::keepers : JudgedAs::cluster;
}

AckPolicy ack_policy(const scenario::Acknowledgements& policy) {
    AckPolicy result;
    result.delay_low = milliseconds(policy.delay_ms_low());
    result.delay_high = milliseconds(std::max(policy.delay_ms_low(), policy.delay_ms_high()));
    result.per_message = milliseconds(policy.per_message_ms());
    if (policy.has_only_first()) result.only_first = policy.only_first();
    return result;
}

Publication publication(const scenario::Publication& publication) {
    Publication result{.topic = publication.topic(),
                       .payload = publication.payload(),
                       .qos = static_cast<QoS>(publication.qos()),
                       .retain = publication.retain(),
                       .expiry_s = std::nullopt};
    if (publication.size_bytes() > result.payload.size()) {
        result.payload.resize(publication.size_bytes(), '.');
    }
    if (publication.has_expiry_s()) result.expiry_s = publication.expiry_s();
    return result;
}

Wish wish(const scenario::Subscription& subscription) {
    return {
        .filter = subscription.filter(),
        .options = {.qos = static_cast<QoS>(subscription.qos()),
                    .no_local = subscription.no_local(),
                    .retain_as_published = subscription.retain_as_published(),
                    .retain_handling = static_cast<std::uint8_t>(subscription.retain_handling())}};
}

Buffer bytes_of_hex(std::string_view hex) {
    Buffer bytes;
    unsigned value = 0;
    bool is_half = false;
    for (const char c : hex) {
        if (c == ' ') continue;
        const unsigned digit = c <= '9' ? static_cast<unsigned>(c - '0')
                                        : static_cast<unsigned>((c | 0x20) - 'a') + 10;
        value = value << 4U | digit;
        if (is_half) bytes.push_back(static_cast<std::byte>(value & 0xFFU));
        is_half = !is_half;
    }
    return bytes;
}

Directions directions(scenario::LinkDirection direction) {
    switch (direction) {
        case scenario::to_broker: return Directions::to_broker;
        case scenario::to_client: return Directions::to_client;
        default: return Directions::both;  // Protobuf adds sentinels to its enumerations.
    }
}

}  // namespace touchstone::simulator
