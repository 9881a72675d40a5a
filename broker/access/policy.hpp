// What an operator sets for a zone and for a node beyond `Settings`: plain values, which the core
// and the drivers are handed. The key of each as it stands in a settings file is named behind it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "broker/access/access_rules.hpp"
#include "broker/access/auto_subscribe.hpp"
#include "broker/access/flapping.hpp"
#include "broker/access/token_bucket.hpp"
#include "broker/base/instant.hpp"
#include "broker/base/settings.hpp"

namespace touchstone::access {

/// What a PUBLISH that is denied leads to: drop it and acknowledge as usual (v5: 0x87), or close
/// the connection.
enum class DenyAction : unsigned char { ignore, disconnect };

/// Verdicts that a connection remembers, lost with it.
struct AccessCache {
    std::uint32_t entries_max = 32;           // acl_cache_max_size
    Duration life = std::chrono::minutes{1};  // acl_cache_ttl
    friend bool operator==(const AccessCache&, const AccessCache&) = default;
};

/// Message queues by topic (mqueue_priorities): the highest first, the bound of the queue for each.
struct QueuePriorities {
    std::map<std::string, std::uint8_t, std::less<>> by_topic;  // 1 … 255
    bool is_other_highest = true;  // mqueue_default_priority: other topics go first, not last
    friend bool operator==(const QueuePriorities&, const QueuePriorities&) = default;
};

struct ZonePolicy {
    // --- Who gets in -----------------------------------------------------------------------------
    bool allow_anonymous = true;                    // allow_anonymous: nobody else has decided
    bool has_bans = true;                           // enable_ban
    std::uint16_t client_id_bytes_max = 65'535;     // max_clientid_len
    bool user_name_as_client_id = false;            // use_username_as_clientid
    std::optional<FlappingThreshold> flapping;      // enable_flapping_detect, flapping_threshold
    Duration flapping_ban = std::chrono::hours{1};  // flapping_banned_expiry_interval

    // --- Who may do what -------------------------------------------------------------------------
    bool has_access_rules = true;                             // enable_acl
    Verdict without_match = Verdict::allow;                   // acl_nomatch: allow or deny
    DenyAction deny_action = DenyAction::ignore;              // acl_deny_action
    std::optional<AccessCache> access_cache = AccessCache{};  // enable_acl_cache

    // --- Flows -----------------------------------------------------------------------------------
    /// A silent client is closed after twice this much of its Keep Alive; 750 is the standard's one
    /// and a half times [MQTT-3.1.2-22].
    std::uint32_t keep_alive_backoff_permille = 750;  // keepalive_backoff
    std::optional<Rate> publish_limit;                // publish_limit: PUBLISH packets of a client
    bool deliver_with_higher_qos = false;             // upgrade_qos: the higher QoS, not the lower
    bool no_local_for_v3 = false;                     // ignore_loop_deliver
    /// QoS 2 messages of a client awaiting PUBREL; UINT32_MAX: as many as there are identifiers.
    std::uint32_t awaiting_release_max = 100;  // max_awaiting_rel
    QueuePriorities queue_priorities;

    friend bool operator==(const ZonePolicy&, const ZonePolicy&) = default;
};

/// The settings of the listeners that name it.
struct Zone {
    std::string name;
    Settings settings;
    ZonePolicy policy;
};

/// How a Shared Subscription picks the member that gets a message.
enum class SharedStrategy : unsigned char {
    round_robin,
    random,
    sticky,
    hash_client_id,
    hash_topic,
    local,
};

/// Bounds of a whole node. `unlimited` where none is wanted.
struct NodeLimits {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    std::uint64_t connections_max = unlimited;        // limits.max_connections
    std::uint64_t sessions_max = unlimited;           // limits.max_sessions
    std::uint64_t subscriptions_max = unlimited;      // limits.max_subscriptions
    std::uint64_t queued_bytes_max = unlimited;       // limits.max_queue_memory
    std::uint64_t resident_queue_bytes = unlimited;   // limits.resident_queue_memory
    std::uint64_t retained_messages_max = unlimited;  // limits.max_retained_messages
    std::uint64_t retained_bytes_max = unlimited;     // limits.max_retained_memory
    friend bool operator==(const NodeLimits&, const NodeLimits&) = default;
};

struct NodePolicy {
    std::string node_name;  // node.name, in `$SYS/brokers/{name}/…`
    NodeLimits limits;
    Duration sys_interval = std::chrono::minutes{1};    // broker.sys_interval; 0: never
    Duration sys_heartbeat = std::chrono::seconds{30};  // broker.sys_heartbeat; 0: never
    SharedStrategy shared_strategy = SharedStrategy::round_robin;
    bool publishes_presence = true;         // module.presence
    QoS presence_qos = QoS::at_least_once;  // module.presence.qos
    AutoSubscribe auto_subscribe;           // module.subscription
};

}  // namespace touchstone::access
