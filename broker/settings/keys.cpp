#include "broker/settings/keys.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <utility>

#include "broker/wire/types.hpp"

namespace touchstone::settings {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t count_most = 1'000'000'000'000;
constexpr std::int64_t bytes_most = std::int64_t{1} << 50;
constexpr std::int64_t u32_most = 0xFFFF'FFFF;

/// What all keys of a scope and a section share.
struct Place {
    Scope scope = Scope::node;
    std::string_view section;
    std::string_view prefix;       // before a key's own name
    std::string_view zone_prefix;  // scope zone: before the name for all zones
};

/// Rows of the table.
class Table {
public:
    Table() {
        add_node_keys();
        add_access_keys();
        add_zone_keys();
        add_listener_keys();
        add_module_keys();
        add_limits();
    }
    std::vector<Key> take() { return std::move(keys_); }

private:
    /// `put` gets the target and the value that `form` has read.
    template <class Form, class Put>
    Key& add(const Place& place, std::string_view name, std::string_view default_text, Form form,
             std::string_view meaning, Put put) {
        Key key;
        key.scope = place.scope;
        key.section = place.section;
        key.pattern = std::string{place.prefix} + std::string{name};
        if (place.scope == Scope::zone)
            key.for_all_zones = std::string{place.zone_prefix} + std::string{name};
        key.default_text = default_text;
        key.meaning = meaning;
        key.form = form.describe();
        key.put = [form, put](const Target& target,
                              std::string_view text) -> ParsedValue<std::string> {
            auto value = form.read(text);
            if (value.has_error()) return std::move(value).error();
            auto canonical = form.write(value.value());
            put(target, std::move(value).value());
            return canonical;
        };
        return keys_.emplace_back(std::move(key));
    }

    void add_node_keys();
    void add_storage_keys();
    void add_access_keys();
    void add_zone_keys();
    void add_zone_admission_keys();
    void add_zone_flow_keys();
    void add_zone_session_keys();
    void add_zone_topic_keys();
    void add_listener_keys();
    void add_listener_socket_keys();
    void add_listener_tls_keys();
    void add_module_keys();
    void add_limits();

    std::vector<Key> keys_;
};

/// A whole number where 0 means that there is no limit.
template <class Number>
Number unlimited_if_zero(std::int64_t value) {
    return value == 0 ? std::numeric_limits<Number>::max() : static_cast<Number>(value);
}

void Table::add_node_keys() {
    const Place node{.section = "Node"};
    add(node, "node.name", "touchstone@127.0.0.1", Text{"a name, as in touchstone@host"},
        "Names the node in $SYS topics.",
        [](const Target& to, std::string value) { to.node->policy.node_name = std::move(value); })
        .reload = Reload::restart;
    add(node, "node.shards", "0", Integer{0, 64, {}},
        "Threads that serve clients; 0: one for each processor.",
        [](const Target& to, std::int64_t value) {
            to.node->shard_count = static_cast<std::uint32_t>(value);
        })
        .reload = Reload::restart;
    add(node, "node.descriptor_tables", "shared",
        Choice<DescriptorTables>{
            {{"shared", DescriptorTables::shared}, {"per_shard", DescriptorTables::per_shard}}},
        "per_shard: each shard may have as many open files as otherwise the process, so that N "
        "shards serve N times as many connections.",
        [](const Target& to, DescriptorTables value) { to.node->descriptor_tables = value; })
        .reload = Reload::restart;
    add(node, "node.drain_time", "5s", Span{Duration::zero(), hours{1}},
        "Most time clients get to read what is owed to them when the broker stops.",
        [](const Target& to, Duration value) { to.node->drain_time_max = value; });
    add_storage_keys();
    add(node, "metrics.address", "", Address{},
        "Where /metrics is served for Prometheus; not set: nowhere.",
        [](const Target& to, const ListenAddress& value) { to.node->metrics = value; })
        .reload = Reload::restart;
    add(node, "log.level", "info",
        Choice<LogLevel>{{{"debug", LogLevel::debug},
                          {"info", LogLevel::info},
                          {"warning", LogLevel::warning},
                          {"error", LogLevel::error},
                          {"off", LogLevel::off}}},
        "What goes to standard error.",
        [](const Target& to, LogLevel value) { to.node->log_level = value; });
    add(node, "broker.sys_interval", "1m", Span{Duration::zero(), days{1}, seconds{1}},
        "Time between two publications of figures in $SYS; 0: never.",
        [](const Target& to, Duration value) { to.node->policy.sys_interval = value; });
    add(node, "broker.sys_heartbeat", "30s", Span{Duration::zero(), days{1}, seconds{1}},
        "Time between two publications of the node's uptime and date in $SYS; 0: never.",
        [](const Target& to, Duration value) { to.node->policy.sys_heartbeat = value; });
    add(node, "broker.shared_subscription_strategy", "round_robin",
        Choice<access::SharedStrategy>{{{"round_robin", access::SharedStrategy::round_robin},
                                        {"random", access::SharedStrategy::random},
                                        {"sticky", access::SharedStrategy::sticky},
                                        {"hash_clientid", access::SharedStrategy::hash_client_id},
                                        {"hash", access::SharedStrategy::hash_client_id},
                                        {"hash_topic", access::SharedStrategy::hash_topic},
                                        {"local", access::SharedStrategy::local}}},
        "Which member of a Shared Subscription gets a message.",
        [](const Target& to, access::SharedStrategy value) {
            to.node->policy.shared_strategy = value;
        });
}

void Table::add_storage_keys() {
    const Place node{.section = "Node"};
    auto& directory = add(
        node, "node.data_dir", "", Text{"a path"},
        "Directory for sessions, their messages and Retained Messages, which then outlive the "
        "process; not set: they end with it.",
        [](const Target& to, std::string value) { to.node->data_directory = std::move(value); });
    directory.is_path = true;
    directory.reload = Reload::restart;
    add(node, "node.durability", "sync",
        Choice<Durability>{{{"sync", Durability::sync},
                            {"interval", Durability::interval},
                            {"none", Durability::none}}},
        "What has happened before the node acknowledges. sync: the disk has it, and nothing "
        "acknowledged is lost. interval: the system has it; its crash, or a power cut, takes what "
        "came within node.durability_interval. none: the same, and the system decides when it "
        "writes: "
        "half a minute or more is lost. The end of the process alone loses nothing.",
        [](const Target& to, Durability value) { to.node->durability = value; })
        .reload = Reload::restart;
    add(node, "node.durability_interval", "1s", Span{milliseconds{10}, hours{1}},
        "Time between two syncs with node.durability = interval.",
        [](const Target& to, Duration value) { to.node->sync_interval = value; })
        .reload = Reload::restart;
}

void Table::add_access_keys() {
    const Place files{.section = "Who is who, and who may do what"};
    const auto no_value = [](const Target&, const std::string&) {};  // load() reads the file
    const auto add_file = [&](std::string_view name, std::string_view meaning) {
        add(files, name, "", Text{"a path"}, meaning, no_value).is_path = true;
    };
    add_file("acl_file",
             "Rules about who may publish and subscribe to what; not set: all may do all, but only "
             "clients of this machine may subscribe $SYS/# and #.");
    add_file("password_file", "Users, a line each: NAME:$argon2id$… or NAME:$scram-sha-256$… .");
    add_file("client_id_list",
             "Client Identifiers that may connect, a line each: ID alone, or ID:$argon2id$… .");
    add_file(
        "ban_list",
        "Who is kept out, a line each: client_id, username or ip_address, then never or a time "
        "as in 2030-01-01T00:00:00Z, then whom.");
}

void Table::add_zone_keys() {
    add_zone_admission_keys();
    add_zone_flow_keys();
    add_zone_session_keys();
    add_zone_topic_keys();
}

void Table::add_zone_admission_keys() {
    const Place plain{Scope::zone, "Zones: who gets in", "zone.<zone>.", ""};
    const Place zone{Scope::zone, "Zones: who gets in", "zone.<zone>.", "mqtt."};
    add(plain, "allow_anonymous", "on", Boolean{},
        "Whether a client that no list knows gets in. Has to be set, on or off, when a listener of "
        "the zone can be reached from other machines.",
        [](const Target& to, bool value) { to.zone->policy.allow_anonymous = value; });
    add(plain, "enable_acl", "on", Boolean{},
        "Whether acl_file holds; off by default in the zone internal.",
        [](const Target& to, bool value) { to.zone->policy.has_access_rules = value; });
    add(plain, "acl_nomatch", "allow",
        Choice<access::Verdict>{
            {{"allow", access::Verdict::allow}, {"deny", access::Verdict::deny}}},
        "What happens when no rule matches. deny is the safe choice.",
        [](const Target& to, access::Verdict value) { to.zone->policy.without_match = value; })
        .also = {"mqtt.acl_nomatch"};
    add(plain, "acl_deny_action", "ignore",
        Choice<access::DenyAction>{{{"ignore", access::DenyAction::ignore},
                                    {"disconnect", access::DenyAction::disconnect}}},
        "What a PUBLISH that is denied leads to: it is dropped, or the connection is closed.",
        [](const Target& to, access::DenyAction value) { to.zone->policy.deny_action = value; });
    add(plain, "enable_acl_cache", "on", Boolean{}, "Whether a connection remembers verdicts.",
        [](const Target& to, bool value) {
            if (!value) to.zone->policy.access_cache.reset();
        });
    add(plain, "acl_cache_max_size", "32", Integer{1, 65'536, "verdicts"},
        "Most verdicts that a connection remembers.", [](const Target& to, std::int64_t value) {
            auto& cache = to.zone->policy.access_cache;
            if (cache) cache->entries_max = static_cast<std::uint32_t>(value);
        });
    add(plain, "acl_cache_ttl", "1m", Span{seconds{1}, days{1}},
        "How long a connection remembers a verdict.", [](const Target& to, Duration value) {
            auto& cache = to.zone->policy.access_cache;
            if (cache) cache->life = value;
        });
    add(zone, "enable_ban", "on", Boolean{}, "Whether ban_list and automatic bans hold.",
        [](const Target& to, bool value) { to.zone->policy.has_bans = value; });
    add(zone, "max_clientid_len", "65535", Integer{23, 65'535, "bytes"},
        "Longest Client Identifier.", [](const Target& to, std::int64_t value) {
            to.zone->policy.client_id_bytes_max = static_cast<std::uint16_t>(value);
        });
    add(zone, "use_username_as_clientid", "off", Boolean{},
        "Whether the User Name takes the place of the Client Identifier.",
        [](const Target& to, bool value) { to.zone->policy.user_name_as_client_id = value; });
    add(zone, "enable_flapping_detect", "off", Boolean{},
        "Whether clients that come and go too often are banned for a while.",
        [](const Target& to, bool value) {
            if (value) to.zone->policy.flapping.emplace();
        });
    add(zone, "flapping_threshold", "10, 1m", Threshold{},
        "More than so many connects and disconnects in so much time are too many.",
        [](const Target& to, const access::FlappingThreshold& value) {
            if (to.zone->policy.flapping) to.zone->policy.flapping = value;
        });
    add(zone, "flapping_banned_expiry_interval", "1h", Span{seconds{1}, days{365}},
        "How long such a client is banned.",
        [](const Target& to, Duration value) { to.zone->policy.flapping_ban = value; });
}

void Table::add_zone_flow_keys() {
    const Place zone{Scope::zone, "Zones: packets and flows", "zone.<zone>.", "mqtt."};
    add(zone, "max_packet_size", "1MB", Size{128, wire::packet_size_bytes_max},
        "Longest Control Packet taken; a longer one closes the connection (0x95).",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.packet_size_bytes_max = static_cast<std::uint32_t>(value);
        });
    add(zone, "idle_timeout", "15s", Span{milliseconds{100}, hours{1}},
        "From the opening of a connection to its CONNECT.",
        [](const Target& to, Duration value) { to.zone->settings.connect_timeout = value; });
    add(zone, "server_keepalive", "0", Integer{0, 65'535, "seconds"},
        "Longest Keep Alive, told to clients of MQTT 5.0 that ask for none or for more; 0: the "
        "client's own.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.keep_alive_s_max = static_cast<std::uint16_t>(value);
        });
    add(zone, "keepalive_backoff", "0.75", Thousandths{500, 10'000},
        "A silent client is closed after twice this much of its Keep Alive; the standard says "
        "0.75.",
        [](const Target& to, std::int64_t value) {
            to.zone->policy.keep_alive_backoff_permille = static_cast<std::uint32_t>(value);
        });
    add(zone, "publish_limit", "none", RateLimit{"PUBLISH packets"},
        "Publications of one client; reading pauses above it.",
        [](const Target& to, const std::optional<access::Rate>& value) {
            to.zone->policy.publish_limit = value;
        });
    add(zone, "max_inflight", "32", Integer{0, 65'535, "messages"},
        "QoS 1 and 2 messages sent to a client and not yet acknowledged; its Receive Maximum "
        "lowers "
        "it; 0: no limit.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.inflight_max = unlimited_if_zero<std::uint16_t>(value);
        });
    add(zone, "receive_maximum", "100", Integer{1, 65'535, "messages"},
        "QoS 1 and 2 messages of a client of MQTT 5.0 that may be unacknowledged.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.receive_maximum = static_cast<std::uint16_t>(value);
        });
    add(zone, "max_awaiting_rel", "100", Integer{0, 65'535, "messages"},
        "QoS 2 messages of an MQTT 5.0 client that await PUBREL (PUBREC 0x97 above it); 0: no "
        "limit.",
        [](const Target& to, std::int64_t value) {
            to.zone->policy.awaiting_release_max = unlimited_if_zero<std::uint32_t>(value);
        });
    add(zone, "retry_interval", "20s", Span{Duration::zero(), days{1}},
        "When what a connected client of MQTT 3.1 or 3.1.1 has not acknowledged is sent again; 0: "
        "only when it comes back, as for MQTT 5.0.",
        [](const Target& to, Duration value) { to.zone->settings.retry_interval = value; });
    add(zone, "upgrade_qos", "off", Boolean{},
        "Whether a message is delivered with the higher QoS of publication and subscription "
        "instead of the lower.",
        [](const Target& to, bool value) { to.zone->policy.deliver_with_higher_qos = value; });
    add(zone, "ignore_loop_deliver", "off", Boolean{},
        "Whether clients of MQTT 3.1 and 3.1.1 do not get what they published themselves.",
        [](const Target& to, bool value) { to.zone->policy.no_local_for_v3 = value; });
    add(zone, "max_unwritten", "256KB", Size{4'096, std::int64_t{1} << 30},
        "Output that waits for one connection before messages stay in its queue.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.unwritten_bytes_max = static_cast<std::size_t>(value);
        });
}

void Table::add_zone_session_keys() {
    const Place zone{Scope::zone, "Zones: sessions and queues", "zone.<zone>.", "mqtt."};
    const Span expiry{.least = Duration::zero(),
                      .most = seconds{u32_most - 1},
                      .step = seconds{1},
                      .may_be_infinite = true};
    const auto seconds_of = [](Duration value) {
        return value == Duration::max() ? static_cast<std::uint32_t>(u32_most)
                                        : static_cast<std::uint32_t>(value / seconds{1});
    };
    add(zone, "session_expiry_interval", "2h", expiry,
        "Life of a session of MQTT 3.1 or 3.1.1 with Clean Session 0 after its connection.",
        [seconds_of](const Target& to, Duration value) {
            to.zone->settings.session_expiry_s_v3 = seconds_of(value);
        });
    add(zone, "max_session_expiry_interval", "infinity", expiry,
        "Longest Session Expiry Interval that a client of MQTT 5.0 is granted.",
        [seconds_of](const Target& to, Duration value) {
            to.zone->settings.session_expiry_s_max = seconds_of(value);
        });
    add(zone, "max_subscriptions", "100000", Integer{0, u32_most - 1, "subscriptions"},
        "Subscriptions of one session (SUBACK 0x97 above it); 0: no limit.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.subscriptions_max = unlimited_if_zero<std::uint32_t>(value);
        });
    add(zone, "max_mqueue_len", "1000", Integer{0, u32_most - 1, "messages"},
        "Messages waiting for one session beyond those in flight; the oldest is dropped for a new "
        "one; 0: no limit.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.queue_messages_max = unlimited_if_zero<std::uint32_t>(value);
        });
    add(zone, "max_mqueue_bytes", "64MB", Size{0, bytes_most},
        "Memory of those messages; 0: no limit.", [](const Target& to, std::int64_t value) {
            to.zone->settings.queue_bytes_max = unlimited_if_zero<std::size_t>(value);
        });
    add(zone, "mqueue_store_qos0", "off", Boolean{},
        "Whether QoS 0 messages wait for a client that is away.",
        [](const Target& to, bool value) { to.zone->settings.queue_qos_0_offline = value; });
    add(zone, "mqueue_priorities", "none", Priorities{},
        "Topics whose messages leave the queue by priority, the highest first.",
        [](const Target& to, Priorities::Value value) {
            to.zone->policy.queue_priorities.by_topic = std::move(value);
        });
    add(zone, "mqueue_default_priority", "highest",
        Choice<bool>{{{"highest", true}, {"lowest", false}}}, "The priority of the other topics.",
        [](const Target& to, bool value) {
            to.zone->policy.queue_priorities.is_other_highest = value;
        });
}

void Table::add_zone_topic_keys() {
    const Place zone{Scope::zone, "Zones: topics and features", "zone.<zone>.", "mqtt."};
    add(zone, "max_topic_levels", "128", Integer{0, 65'535, "levels"},
        "Levels of a Topic Name or Topic Filter; 0: no limit.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.topic_levels_max = unlimited_if_zero<std::uint16_t>(value);
        });
    add(zone, "max_topic_alias", "64", Integer{0, 65'535, "aliases"},
        "Topic Aliases that a client may use.", [](const Target& to, std::int64_t value) {
            to.zone->settings.topic_alias_max = static_cast<std::uint16_t>(value);
        });
    add(zone, "max_topic_alias_outgoing", "16", Integer{0, 65'535, "aliases"},
        "Topic Aliases that the broker uses towards a client that allows them.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.topic_alias_max_outgoing = static_cast<std::uint16_t>(value);
        });
    add(zone, "max_qos_allowed", "2", Integer{0, 2, {}}, "Highest QoS.",
        [](const Target& to, std::int64_t value) {
            to.zone->settings.maximum_qos = static_cast<QoS>(value);
        });
    add(zone, "retain_available", "on", Boolean{}, "Whether messages may be retained.",
        [](const Target& to, bool value) { to.zone->settings.retain_available = value; });
    add(zone, "wildcard_subscription", "on", Boolean{}, "Whether filters may have wildcards.",
        [](const Target& to, bool value) {
            to.zone->settings.wildcard_subscription_available = value;
        });
    add(zone, "shared_subscription", "on", Boolean{}, "Whether there are Shared Subscriptions.",
        [](const Target& to, bool value) {
            to.zone->settings.shared_subscription_available = value;
        });
    add(zone, "response_information", "", Text{"a topic prefix"},
        "Response Information for clients that ask: this, the Client Identifier and a slash.",
        [](const Target& to, std::string value) {
            to.zone->settings.response_topic_prefix = std::move(value);
        });
}

void Table::add_listener_keys() {
    const Place listener{Scope::listener, "Listeners", "listener.<tcp|ssl|ws|wss>.<name>", ""};
    const Place tcp{Scope::listener, "Listeners", "listener.<tcp>.<name>", ""};
    const Place other{Scope::listener, "Listeners", "listener.<ssl|ws|wss>.<name>", ""};
    const Place plain{Scope::listener, "Listeners", "listener.<tcp|ws>.<name>", ""};
    const Place secure{Scope::listener, "Listeners", "listener.<ssl|wss>.<name>", ""};
    const Place entry{Scope::access_entry, "Listeners", "listener.<tcp|ssl|ws|wss>.<name>", ""};
    const Place web{Scope::listener, "Listeners", "listener.<ws|wss>.<name>", ""};
    add(listener, "", "", Address{},
        "Where it listens: MQTT over TCP (tcp), TLS (ssl), WebSocket (ws), WebSocket over TLS "
        "(wss). "
        "Without any listener: listener.tcp.external = 127.0.0.1:1883.",
        [](const Target& to, const ListenAddress& value) { to.listener->address = value; })
        .reload = Reload::restart;
    add(listener, ".zone", "external", Text{"the name of a zone"},
        "Whose zone.<zone>.… hold for its clients.",
        [](const Target& to, std::string value) { to.listener->zone = std::move(value); });
    const auto put_connections_max = [](const Target& to, std::int64_t value) {
        to.listener->connections_max = unlimited_if_zero<std::uint64_t>(value);
    };
    constexpr std::string_view connections_meaning =
        "Connections at a time; a further one is closed at once; 0: no limit.";
    add(tcp, ".max_connections", "1024000", Integer{0, count_most, "connections"},
        connections_meaning, put_connections_max);
    add(other, ".max_connections", "102400", Integer{0, count_most, "connections"},
        connections_meaning, put_connections_max);
    const auto put_connection_rate = [](const Target& to, std::int64_t value) {
        to.listener->connection_rate.reset();
        if (value != 0)
            to.listener->connection_rate = access::Rate{.per_second = value, .burst = value};
    };
    constexpr std::string_view rate_meaning =
        "Accepting pauses above it, nothing is refused; 0: no limit.";
    // A handshake of TLS costs a hundred times what a connection costs without: there, no limit is
    // better than clients that give up and come again.
    add(plain, ".max_conn_rate", "0", Integer{0, 1'000'000, "connections per second"}, rate_meaning,
        put_connection_rate);
    add(secure, ".max_conn_rate", "1000", Integer{0, 1'000'000, "connections per second"},
        rate_meaning, put_connection_rate);
    add(entry, ".access.<n>", "", AccessEntry{},
        "Whom to accept, by address, in the order of the numbers: the first match decides, no "
        "match "
        "refuses. Without any: everybody.",
        [](const Target& to, const access::AddressAccess::Entry& value) {
            *to.access_entry = value;
        });
    add(listener, ".rate_limit", "none", RateLimit{"bytes"},
        "Bytes from one connection; reading pauses above it.",
        [](const Target& to, const std::optional<access::Rate>& value) {
            to.listener->byte_rate = value;
        });
    add(listener, ".mountpoint", "", Prefix{},
        "Put before every topic of its clients, who do not see it; %c: Client Identifier, %u: User "
        "Name.",
        [](const Target& to, access::MountpointTemplate value) {
            to.listener->mountpoint = std::move(value);
        });
    add(listener, ".proxy_protocol", "off", Boolean{},
        "Whether each connection begins with a PROXY header, version 1 or 2. Only behind a proxy: "
        "it names the client's address.",
        [](const Target& to, bool value) { to.listener->has_proxy_header = value; });
    add(listener, ".proxy_protocol_timeout", "3s", Span{milliseconds{100}, minutes{5}},
        "When a connection without that header is closed.",
        [](const Target& to, Duration value) { to.listener->proxy_header_timeout = value; });
    add(plain, ".peer_cert_as_username", "off", Choice<bool>{{{"off", false}, {"cn", true}}},
        "Whether the Common Name of the client's certificate becomes its User Name, where a proxy "
        "has "
        "checked the certificate and tells the name in a PROXY header, version 2.",
        [](const Target& to, bool value) { to.listener->proxied_name_is_user_name = value; });
    add(web, ".mqtt_path", "/mqtt", Text{"a path"}, "The path of WebSocket requests.",
        [](const Target& to, std::string value) { to.listener->path = std::move(value); });
    add(web, ".fail_if_no_subprotocol", "on", Boolean{},
        "Whether a WebSocket request has to name the subprotocol mqtt.",
        [](const Target& to, bool value) { to.listener->requires_subprotocol = value; });
    add_listener_socket_keys();
    add_listener_tls_keys();
}

void Table::add_listener_socket_keys() {
    const Place listener{Scope::listener, "Listeners: sockets", "listener.<tcp|ssl|ws|wss>.<name>",
                         ""};
    add(listener, ".backlog", "1024", Integer{1, 65'535, "connections"},
        "Connections that the system keeps until they are accepted.",
        [](const Target& to, std::int64_t value) {
            to.listener->backlog = static_cast<std::uint32_t>(value);
        })
        .reload = Reload::restart;
    add(listener, ".nodelay", "on", Boolean{}, "TCP_NODELAY.",
        [](const Target& to, bool value) { to.listener->has_no_delay = value; });
    add(listener, ".recbuf", "", Size{1'024, std::int64_t{1} << 30},
        "SO_RCVBUF; not set: the system's choice.", [](const Target& to, std::int64_t value) {
            to.listener->receive_buffer_bytes = static_cast<std::uint32_t>(value);
        });
    add(listener, ".sndbuf", "", Size{1'024, std::int64_t{1} << 30},
        "SO_SNDBUF; not set: the system's choice.", [](const Target& to, std::int64_t value) {
            to.listener->send_buffer_bytes = static_cast<std::uint32_t>(value);
        });
    add(listener, ".send_timeout", "15s", Span{milliseconds{100}, hours{1}},
        "When output that the client does not take counts as stuck.",
        [](const Target& to, Duration value) { to.listener->send_timeout = value; });
    add(listener, ".send_timeout_close", "on", Boolean{}, "Whether the connection is then closed.",
        [](const Target& to, bool value) { to.listener->closes_on_send_timeout = value; });
}

void Table::add_listener_tls_keys() {
    constexpr std::string_view section = "Listeners: TLS";
    const Place tls{Scope::listener, section, "listener.<ssl|wss>.<name>", ""};
    const Place host{Scope::server_name, section, "listener.<ssl|wss>.<name>", ""};
    const Text path{"a path"};
    const auto add_file = [&](const Place& place, std::string_view name, std::string_view meaning,
                              auto put) {
        add(place, name, "", path, meaning, put).is_path = true;
    };
    add_file(tls, ".certfile", "Certificate and its chain, PEM.",
             [](const Target& to, std::string value) {
                 to.listener->tls->identity.certificate_file = std::move(value);
             });
    add_file(tls, ".keyfile", "Key of the certificate, PEM, without a passphrase.",
             [](const Target& to, std::string value) {
                 to.listener->tls->identity.key_file = std::move(value);
             });
    add_file(tls, ".cacertfile", "Authorities that clients' certificates come from, PEM.",
             [](const Target& to, std::string value) {
                 to.listener->tls->authorities_file = std::move(value);
             });
    add(host, ".sni.<n>.host", "", Text{"a host name"},
        "A server name with a certificate of its own.",
        [](const Target& to, std::string value) { to.server_name->host = std::move(value); });
    add_file(host, ".sni.<n>.certfile", "Its certificate and chain, PEM.",
             [](const Target& to, std::string value) {
                 to.server_name->certificate_file = std::move(value);
             });
    add_file(
        host, ".sni.<n>.keyfile", "The key of that certificate, PEM.",
        [](const Target& to, std::string value) { to.server_name->key_file = std::move(value); });
    add(tls, ".verify", "verify_none",
        Choice<bool>{{{"verify_none", false}, {"verify_peer", true}}},
        "Whether clients are asked for a certificate, which is then checked with cacertfile.",
        [](const Target& to, bool value) { to.listener->tls->verifies_client = value; });
    add(tls, ".fail_if_no_peer_cert", "off", Boolean{},
        "Whether a client without a certificate is refused.", [](const Target& to, bool value) {
            to.listener->tls->requires_client_certificate = value;
        });
    add(tls, ".peer_cert_as_username", "off",
        Choice<CertificateName>{{{"off", CertificateName::none},
                                 {"cn", CertificateName::common_name},
                                 {"dn", CertificateName::subject},
                                 {"crt", CertificateName::certificate}}},
        "What of the client's certificate becomes its User Name.",
        [](const Target& to, CertificateName value) { to.listener->tls->user_name_from = value; });
    add(tls, ".tls_versions", "tlsv1.3,tlsv1.2",
        WordList{{"tlsv1.3", "tlsv1.2"}, "versions with commas between them"},
        "Versions that are offered.", [](const Target& to, const WordList::Value& value) {
            auto& settings = *to.listener->tls;
            settings.has_tls_1_2 = std::ranges::find(value, "tlsv1.2") != value.end();
            settings.has_tls_1_3 = std::ranges::find(value, "tlsv1.3") != value.end();
        });
    add(tls, ".ciphers", "", WordList{{}, "OpenSSL's names of ciphers with commas between them"},
        "Ciphers that are offered; those of TLS 1.3 begin with TLS_; not set: OpenSSL's choice.",
        [](const Target& to, const WordList::Value& value) {
            for (const auto& name : value) {
                auto& list = name.starts_with("TLS_") ? to.listener->tls->ciphers_1_3
                                                      : to.listener->tls->ciphers_1_2;
                list += (list.empty() ? "" : ":") + name;
            }
        });
    add(tls, ".honor_cipher_order", "on", Boolean{},
        "Whether the order of the server's ciphers counts, not that of the client's.",
        [](const Target& to, bool value) { to.listener->tls->prefers_own_cipher_order = value; });
    add(tls, ".reuse_sessions", "on", Boolean{},
        "Whether a client that comes back may skip the full handshake.",
        [](const Target& to, bool value) { to.listener->tls->resumes_sessions = value; });
    add(tls, ".handshake_timeout", "15s", Span{milliseconds{100}, minutes{5}},
        "When a handshake that is not over closes the connection.",
        [](const Target& to, Duration value) { to.listener->tls->handshake_timeout = value; });
}

void Table::add_module_keys() {
    const Place modules{.section = "Modules"};
    const Place rule{Scope::subscription, "Modules", "module.subscription.<n>", ""};
    add(modules, "module.presence", "on", Boolean{},
        "Whether $SYS tells of clients that come and go.",
        [](const Target& to, bool value) { to.node->policy.publishes_presence = value; });
    add(modules, "module.presence.qos", "1", Integer{0, 2, {}}, "The QoS of these messages.",
        [](const Target& to, std::int64_t value) {
            to.node->policy.presence_qos = static_cast<QoS>(value);
        });
    add(modules, "module.subscription", "off", Boolean{},
        "Whether the broker subscribes on behalf of every new session.",
        [](const Target&, bool) {});  // load() adds the rules when it is on
    add(rule, ".topic", "", Topic{},
        "What to subscribe; %c: Client Identifier, %u: User Name (skipped without one).",
        [](const Target& to, access::TopicTemplate value) {
            to.subscription->topic = std::move(value);
        });
    add(rule, ".qos", "0", Integer{0, 2, {}}, "Its QoS.", [](const Target& to, std::int64_t value) {
        to.subscription->options.qos = static_cast<QoS>(value);
    });
    add(rule, ".nl", "off", Boolean{}, "No Local, for clients of MQTT 5.0.",
        [](const Target& to, bool value) { to.subscription->options.no_local = value; });
    add(rule, ".rap", "off", Boolean{}, "Retain As Published, for clients of MQTT 5.0.",
        [](const Target& to, bool value) { to.subscription->options.retain_as_published = value; });
    add(rule, ".rh", "0", Integer{0, 2, {}}, "Retain Handling, for clients of MQTT 5.0.",
        [](const Target& to, std::int64_t value) {
            to.subscription->options.retain_handling = static_cast<std::uint8_t>(value);
        });
}

void Table::add_limits() {
    const Place limits{.section = "Limits of the node"};
    const auto add_limit = [&](std::string_view name, std::string_view default_text, auto form,
                               std::string_view meaning,
                               std::uint64_t access::NodeLimits::*member) -> Key& {
        return add(limits, name, default_text, form, meaning,
                   [member](const Target& to, std::int64_t value) {
                       to.node->policy.limits.*member = unlimited_if_zero<std::uint64_t>(value);
                   });
    };
    using access::NodeLimits;
    add_limit("limits.max_connections", "1024000", Integer{0, count_most, "connections"},
              "Network Connections of all listeners (0x97 above it); 0: no limit.",
              &NodeLimits::connections_max)
        .also = {"node.max_ports"};
    add_limit("limits.max_sessions", "2048000", Integer{0, count_most, "sessions"},
              "Sessions, connected or not (0x97 above it); 0: no limit.", &NodeLimits::sessions_max)
        .also = {"node.process_limit"};
    add_limit("limits.max_subscriptions", "10000000", Integer{0, count_most, "subscriptions"},
              "Subscriptions of all sessions (0x97 above it); 0: no limit.",
              &NodeLimits::subscriptions_max);
    add_limit("limits.max_queue_memory", "1GB", Size{0, bytes_most},
              "Memory of all messages that wait for sessions; above it the longest queues lose "
              "their oldest messages; 0: no limit.",
              &NodeLimits::queued_bytes_max);
    add_limit("limits.resident_queue_memory", "64MB", Size{0, bytes_most},
              "With a data directory: memory of messages that wait for stored sessions; above it "
              "the longest queues are on disk only, and read when it is their turn; 0: no limit.",
              &NodeLimits::resident_queue_bytes);
    add_limit("limits.max_retained_messages", "1000000", Integer{0, u32_most - 1, "messages"},
              "Retained Messages; 0: no limit.", &NodeLimits::retained_messages_max);
    add_limit("limits.max_retained_memory", "1GB", Size{0, bytes_most},
              "Memory of the Retained Messages; 0: no limit.", &NodeLimits::retained_bytes_max);
}

}  // namespace

const std::vector<Key>& keys() {
    static const std::vector<Key> all = Table{}.take();
    return all;
}

}  // namespace touchstone::settings
