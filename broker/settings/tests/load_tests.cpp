#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/settings/keys.hpp"
#include "broker/settings/report.hpp"
#include "broker/settings/tests/files.hpp"

namespace touchstone::settings {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

std::shared_ptr<const NodeSettings> settings_of(std::string text, Sources sources = {}) {
    auto loaded = load_text(std::move(text), std::move(sources));
    for (const auto& problem : loaded.problems) ADD_FAILURE() << problem.to_text();
    return loaded.settings;
}

std::vector<std::string> problems_of(const Loaded& loaded) {
    EXPECT_EQ(loaded.settings == nullptr, !loaded.problems.empty());
    std::vector<std::string> texts;
    for (const auto& problem : loaded.problems) texts.push_back(problem.to_text());
    return texts;
}

std::vector<std::string> problems_of(std::string text) {
    return problems_of(load_text(std::move(text)));
}

std::vector<std::string> warnings_of(const Loaded& loaded) {
    std::vector<std::string> texts;
    for (const auto& warning : loaded.warnings) texts.push_back(warning.to_text());
    return texts;
}

const Entry& entry(const NodeSettings& settings, std::string_view key) {
    const auto found = std::ranges::find(settings.entries, key, &Entry::key);
    EXPECT_NE(found, settings.entries.end()) << key;
    return *found;
}

using Texts = std::vector<std::string>;

// --- Without anything ----------------------------------------------------------------------------

TEST(load, without_a_file_listens_on_loopback_only_and_has_the_documented_defaults) {
    const auto loaded = load(Sources{});
    ASSERT_TRUE(loaded.settings);
    EXPECT_TRUE(loaded.warnings.empty());
    const auto& node = *loaded.settings;
    ASSERT_EQ(node.listeners.size(), 1U);
    EXPECT_EQ(node.listeners[0].address.to_text(), "127.0.0.1:1883");
    EXPECT_EQ(node.listeners[0].zone, "external");
    EXPECT_EQ(node.listeners[0].connections_max, 1'024'000U);
    EXPECT_EQ(node.listeners[0].connection_rate, std::nullopt);
    EXPECT_FALSE(node.listeners[0].byte_rate);
    EXPECT_FALSE(node.listeners[0].tls);
    EXPECT_FALSE(node.metrics);
    EXPECT_FALSE(node.passwords);
    ASSERT_EQ(node.zones.size(), 1U);
    const auto& zone = node.zones.at("external");
    EXPECT_EQ(zone.name, "external");
    EXPECT_EQ(zone.settings.inflight_max, 32);
    EXPECT_EQ(zone.settings.connect_timeout, seconds{15});
    EXPECT_EQ(zone.settings.retry_interval, seconds{20});
    EXPECT_EQ(zone.settings.queue_messages_max, 1'000U);
    EXPECT_EQ(zone.settings.session_expiry_s_v3, 7'200U);
    EXPECT_EQ(zone.settings.session_expiry_s_max, 0xFFFF'FFFFU);
    EXPECT_FALSE(zone.settings.queue_qos_0_offline);
    EXPECT_TRUE(zone.policy.allow_anonymous);
    EXPECT_EQ(node.access_rules.size(), 3U);
    EXPECT_EQ(node.policy.sys_interval, minutes{1});
    EXPECT_EQ(node.policy.limits.sessions_max, 2'048'000U);
    EXPECT_EQ(node.policy.shared_strategy, access::SharedStrategy::round_robin);
}

TEST(load, has_the_defaults_of_the_core_where_no_document_says_otherwise) {
    const auto loaded = load(Sources{});
    const auto& zone = loaded.settings->zones.at("external");
    const Settings core;
    EXPECT_EQ(zone.settings.packet_size_bytes_max, core.packet_size_bytes_max);
    EXPECT_EQ(zone.settings.keep_alive_s_max, core.keep_alive_s_max);
    EXPECT_EQ(zone.settings.unwritten_bytes_max, core.unwritten_bytes_max);
    EXPECT_EQ(zone.settings.receive_maximum, core.receive_maximum);
    EXPECT_EQ(zone.settings.queue_bytes_max, core.queue_bytes_max);
    EXPECT_EQ(zone.settings.subscriptions_max, core.subscriptions_max);
    EXPECT_EQ(zone.settings.topic_alias_max, core.topic_alias_max);
    EXPECT_EQ(zone.settings.topic_alias_max_outgoing, core.topic_alias_max_outgoing);
    EXPECT_EQ(zone.settings.topic_levels_max, core.topic_levels_max);
    EXPECT_EQ(zone.settings.retained_messages_max, core.retained_messages_max);
    EXPECT_EQ(zone.settings.maximum_qos, core.maximum_qos);
    EXPECT_EQ(zone.settings.retain_available, core.retain_available);
    EXPECT_TRUE(zone.policy == access::ZonePolicy{});
}

// --- Values --------------------------------------------------------------------------------------

constexpr const char* full_example = R"(## An example that uses what there is.
node.name = touchstone@node1
node.shards = 4
metrics.address = 127.0.0.1:9100
allow_anonymous = off
acl_nomatch = deny
password_file = users
mqtt.max_packet_size = 64KB
mqtt.max_inflight = 0

zone.external.max_mqueue_len = 0
zone.external.mqueue_store_qos0 = on
zone.external.mqueue_priorities = topic/1=10,topic/2=8
zone.external.publish_limit = 10,100
zone.external.enable_flapping_detect = on
zone.external.flapping_threshold = 5, 30s
zone.external.session_expiry_interval = infinity
zone.external.acl_deny_action = disconnect
zone.internal.allow_anonymous = true
zone.internal.max_inflight = 7

listener.tcp.external = 0.0.0.0:1883
listener.tcp.external.access.10 = allow all
listener.tcp.external.access.2 = deny 192.0.2.0/24   ## these never
listener.tcp.external.rate_limit = 1024,4096
listener.tcp.external.mountpoint = tenants/%u/
listener.tcp.external.proxy_protocol = on
listener.tcp.internal = 127.0.0.1:11883
listener.tcp.internal.zone = internal
listener.ws.web = [::1]:8083
listener.ws.web.mqtt_path = /broker

module.subscription = on
module.subscription.2.topic = client/%c/#
module.subscription.2.qos = 1
module.subscription.1.topic = all
broker.sys_interval = 10s
limits.max_sessions = 0
)";

Files full_files() {
    return Files{}.with("etc/users",
                        make_password_entry("anna", "p", CredentialKind::scram_sha_256).value());
}

TEST(load, puts_every_value_where_it_belongs) {
    const auto loaded = full_files().load(full_example);
    ASSERT_TRUE(loaded.settings) << problems_text(loaded);
    EXPECT_TRUE(loaded.warnings.empty()) << problems_text(loaded);
    const auto& node = *loaded.settings;
    EXPECT_EQ(node.policy.node_name, "touchstone@node1");
    EXPECT_EQ(node.shard_count, 4U);
    EXPECT_EQ(node.metrics->to_text(), "127.0.0.1:9100");
    EXPECT_EQ(node.policy.sys_interval, seconds{10});
    EXPECT_EQ(node.policy.limits.sessions_max, access::NodeLimits::unlimited);
    EXPECT_EQ(node.passwords->size(), 1U);

    const auto& external = node.zones.at("external");
    EXPECT_EQ(external.settings.packet_size_bytes_max, 65'536U);
    EXPECT_EQ(external.settings.inflight_max, 65'535);
    EXPECT_EQ(external.settings.queue_messages_max, UINT32_MAX);
    EXPECT_TRUE(external.settings.queue_qos_0_offline);
    EXPECT_EQ(external.settings.session_expiry_s_v3, 0xFFFF'FFFFU);
    EXPECT_FALSE(external.policy.allow_anonymous);
    EXPECT_EQ(external.policy.without_match, access::Verdict::deny);
    EXPECT_EQ(external.policy.deny_action, access::DenyAction::disconnect);
    EXPECT_EQ(external.policy.queue_priorities.by_topic.size(), 2U);
    EXPECT_EQ(external.policy.publish_limit, (access::Rate{10, 100}));
    EXPECT_EQ(external.policy.flapping,
              (access::FlappingThreshold{.changes_max = 5, .window = seconds{30}}));
    const auto& internal = node.zones.at("internal");
    EXPECT_TRUE(internal.policy.allow_anonymous);
    EXPECT_FALSE(internal.policy.has_access_rules);
    EXPECT_TRUE(external.policy.has_access_rules);
    EXPECT_EQ(internal.settings.inflight_max, 7);
    EXPECT_EQ(internal.settings.packet_size_bytes_max, 65'536U);

    ASSERT_EQ(node.listeners.size(), 3U);
    const auto& tcp = node.listeners[0];
    EXPECT_EQ(tcp.to_text(), "tcp:external");
    EXPECT_TRUE(tcp.has_proxy_header);
    EXPECT_EQ(tcp.byte_rate, (access::Rate{1'024, 4'096}));
    EXPECT_EQ(tcp.mountpoint.text(), "tenants/%u/");
    ASSERT_EQ(tcp.access.entries().size(), 2U);
    EXPECT_EQ(tcp.access.entries()[0].to_text(), "deny 192.0.2.0/24");
    EXPECT_EQ(node.listeners[1].zone, "internal");
    EXPECT_EQ(node.listeners[2].transport, Transport::ws);
    EXPECT_EQ(node.listeners[2].path, "/broker");

    const auto subscriptions = node.policy.auto_subscribe.for_client(
        {.client_id = "c", .user_name = {}, .address = {}}, ProtocolVersion::v5);
    ASSERT_EQ(subscriptions.subscriptions.size(), 2U);
    EXPECT_EQ(subscriptions.subscriptions[0].filter, "all");
    EXPECT_EQ(subscriptions.subscriptions[1].filter, "client/c/#");
    EXPECT_EQ(subscriptions.subscriptions[1].options.qos, QoS::at_least_once);
}

TEST(load, looks_a_zones_value_up_in_the_zone_then_for_all_zones_then_in_the_table) {
    const auto settings = settings_of("mqtt.max_inflight = 5\nzone.a.max_inflight = 6\n"
                                      "zone.a.idle_timeout = 1s\nlistener.tcp.x = 127.0.0.1:1\n"
                                      "listener.tcp.x.zone = a\n");
    EXPECT_EQ(settings->zones.at("a").settings.inflight_max, 6);
    EXPECT_EQ(settings->zones.at("external").settings.inflight_max, 5);
    EXPECT_EQ(settings->zones.at("a").settings.connect_timeout, seconds{1});
    EXPECT_EQ(settings->zones.at("external").settings.connect_timeout, seconds{15});
}

TEST(load, takes_an_option_before_a_variable_and_a_variable_before_the_file) {
    const std::string file = "mqtt.max_inflight = 1\nmqtt.max_mqueue_len = 1\nnode.shards = 1\n";
    const auto settings =
        settings_of(file, {.environment = {{"TOUCHSTONE_MQTT__MAX_INFLIGHT", "2"},
                                           {"TOUCHSTONE_MQTT__MAX_MQUEUE_LEN", " 2 "},
                                           {"HOME", "/"}},
                           .overrides = {{"mqtt.max_inflight", "3", "--set"}}});
    EXPECT_EQ(settings->zones.at("external").settings.inflight_max, 3);
    EXPECT_EQ(settings->zones.at("external").settings.queue_messages_max, 2U);
    EXPECT_EQ(settings->shard_count, 1U);
    EXPECT_EQ(entry(*settings, "zone.external.max_inflight").origin.to_text(),
              "command line --set");
    EXPECT_EQ(entry(*settings, "zone.external.max_mqueue_len").origin.to_text(),
              "environment TOUCHSTONE_MQTT__MAX_MQUEUE_LEN");
    EXPECT_EQ(entry(*settings, "node.shards").origin.to_text(), "etc/touchstone.conf:3");
    EXPECT_EQ(entry(*settings, "node.name").origin.to_text(), "default");
}

TEST(load, lets_the_default_listener_be_tuned_and_replaced) {
    const auto tuned = settings_of("listener.tcp.external.backlog = 7\n");
    ASSERT_EQ(tuned->listeners.size(), 1U);
    EXPECT_EQ(tuned->listeners[0].backlog, 7U);
    EXPECT_EQ(tuned->listeners[0].address.to_text(), "127.0.0.1:1883");
    const auto replaced = settings_of("listener.ws.web = 127.0.0.1:8083\n");
    ASSERT_EQ(replaced->listeners.size(), 1U);
    EXPECT_EQ(replaced->listeners[0].to_text(), "ws:web");
}

TEST(load, knows_other_names_of_a_key) {
    const auto settings = settings_of("mqtt.acl_nomatch = deny\nnode.process_limit = 10\n");
    EXPECT_EQ(settings->zones.at("external").policy.without_match, access::Verdict::deny);
    EXPECT_EQ(settings->policy.limits.sessions_max, 10U);
    EXPECT_EQ(problems_of("acl_nomatch = deny\nmqtt.acl_nomatch = deny\n"),
              Texts{"etc/touchstone.conf:2: acl_nomatch is set already (etc/touchstone.conf:1); "
                    "keep one of them"});
}

// --- Problems ------------------------------------------------------------------------------------

TEST(load, tells_all_problems_at_once_with_their_places) {
    const auto problems = problems_of(load_text(
        "zone.external.max_inflihgt = 3\n"
        "\n"
        "mqtt.max_inflight = many\n"
        "allow_anonymous = yes\n"
        "just words\n"
        "= 3\n"
        "mqtt.idle_timeout =\n"
        "node.shards = 65\n"
        "node.shards = 2\n"
        "acl_nomatch = \"deny\"\n"
        "mqtt.retry_interval = 20\n",
        {.environment = {{"TOUCHSTONE_NODE__NMAE", "x"}, {"TOUCHSTONE_MQTT__MAX_QOS_ALLOWED", "3"}},
         .overrides = {{"no.such.key.at.all", "1", "--set"}}}));
    EXPECT_EQ(
        problems,
        (Texts{
            "etc/touchstone.conf:1: unknown key zone.external.max_inflihgt; the nearest key is "
            "zone.external.max_inflight",
            "etc/touchstone.conf:3: mqtt.max_inflight = many: expected a whole number, 0 to 65535 "
            "messages; the default is 32",
            "etc/touchstone.conf:4: allow_anonymous = yes: expected on or off; the default is on",
            "etc/touchstone.conf:5: expected key = value, found 'just words'",
            "etc/touchstone.conf:6: expected key = value, found '= 3'",
            "etc/touchstone.conf:7: mqtt.idle_timeout = : expected a time, 100ms to 1h, with a "
            "unit "
            "(ms, s, m, h, d); the default is 15s",
            "etc/touchstone.conf:8: node.shards = 65: expected a whole number, 0 to 64; the "
            "default "
            "is 0",
            "etc/touchstone.conf:9: node.shards is set already (etc/touchstone.conf:8); keep one "
            "of "
            "them",
            "etc/touchstone.conf:10: acl_nomatch = \"deny\": expected one of allow, deny; write it "
            "without quotes; the default is allow",
            "etc/touchstone.conf:11: mqtt.retry_interval = 20: expected a time, 0 to 1d, with a "
            "unit "
            "(ms, s, m, h, d); the default is 20s",
            "environment TOUCHSTONE_MQTT__MAX_QOS_ALLOWED: mqtt.max_qos_allowed = 3: expected a "
            "whole "
            "number, 0 to 2; the default is 2",
            "environment TOUCHSTONE_NODE__NMAE: unknown key node.nmae; the nearest key is "
            "node.name",
            "command line --set: unknown key no.such.key.at.all; `touchstone broker "
            "--help-settings` lists all keys",
        }));
}

TEST(load, does_not_fall_back_to_a_weaker_source_when_a_stronger_one_is_wrong) {
    const auto problems = problems_of(
        load_text("mqtt.max_inflight = 5\n", {.overrides = {{"mqtt.max_inflight", "x", "--set"}}}));
    EXPECT_EQ(problems.size(), 1U);
    // What the weaker source says is not judged either.
    const auto listener = problems_of(load_text("listener.tcp.x = 0.0.0.0:1883\n",
                                                {.overrides = {{"listener.tcp.x", "?", "--set"}}}));
    EXPECT_EQ(listener.size(), 1U);
}

TEST(load, tells_of_files_that_cannot_be_read) {
    Sources sources;
    sources.file = "etc/none.conf";
    EXPECT_EQ(
        problems_of(load(sources, Files{}.reader())),
        Texts{"etc/none.conf: cannot be read: No such file or directory; name a file that can "
              "be"});
    EXPECT_EQ(
        problems_of("acl_file = acl.conf\npassword_file = /users\n"),
        (Texts{"etc/touchstone.conf:1: acl_file = etc/acl.conf: cannot be read: No such file or "
               "directory; name a file that can be",
               "etc/touchstone.conf:2: password_file = /users: cannot be read: No such file or "
               "directory; name a file that can be"}));
}

TEST(load, tells_of_mistakes_inside_the_files_it_names) {
    const auto loaded = Files{}
                            .with("etc/acl.conf", "{allow, all}.\n{deny, al}.\n")
                            .with("etc/users", "anna:secret\n")
                            .with("etc/bans", "client_id forever x\n")
                            .load("acl_file = acl.conf\npassword_file = users\nban_list = bans\n");
    EXPECT_EQ(
        problems_of(loaded),
        (Texts{
            "etc/acl.conf:2:8: expected all, {user, …}, {client, …}, {ipaddr, …}, {'and', […]} or "
            "{'or', […]}, found 'al'",
            "etc/bans:1: expected never or a time as in 2030-01-01T00:00:00Z, found 'forever'",
            "etc/users:1: expected NAME:$argon2id$… or NAME:$scram-sha-256$…; passwords in clear "
            "or "
            "of other kinds are not taken"}));
}

TEST(load, refuses_anonymous_access_beyond_loopback_that_was_not_asked_for) {
    for (const auto* const address : {"0.0.0.0:1883", "1883", "[::]:1883", "192.0.2.1:1883"}) {
        const auto line = "listener.tcp.x = " + std::string{address} + "\n";
        const auto problems = problems_of(line);
        ASSERT_EQ(problems.size(), 1U) << address;
        EXPECT_NE(problems[0].find("allow_anonymous is not set; set it off"), std::string::npos);
        EXPECT_TRUE(problems_of(line + "allow_anonymous = on\n").empty());
        EXPECT_TRUE(problems_of(line + "zone.external.allow_anonymous = on\n").empty());
        EXPECT_EQ(problems_of(line + "zone.other.allow_anonymous = on\n").size(), 1U);
    }
    for (const auto* const address : {"127.0.0.1:1883", "127.1.2.3:1883", "[::1]:1883"})
        EXPECT_TRUE(problems_of("listener.tcp.x = " + std::string{address} + "\n").empty());
    const auto with_variable = load_text("listener.tcp.x = 1883\n",
                                         {.environment = {{"TOUCHSTONE_ALLOW_ANONYMOUS", "on"}}});
    EXPECT_TRUE(with_variable.settings);
}

TEST(load, refuses_a_node_that_nobody_could_use) {
    EXPECT_EQ(
        problems_of("allow_anonymous = off\n"),
        Texts{"etc/touchstone.conf:1: allow_anonymous is off in zone external and no list says "
              "who may come; add password_file or client_id_list"});
    const auto loaded =
        Files{}.with("etc/ids", "sensor\n").load("allow_anonymous = off\nclient_id_list = ids\n");
    EXPECT_TRUE(loaded.settings);
}

TEST(load, refuses_listeners_that_cannot_both_be_there) {
    const auto both = [](const std::string& a, const std::string& b) {
        return problems_of("allow_anonymous = on\nlistener.tcp.a = " + a +
                           "\nlistener.ws.b = " + b + "\n");
    };
    EXPECT_EQ(
        both("127.0.0.1:1883", "127.0.0.1:1883"),
        Texts{"etc/touchstone.conf:3: listener.ws.b = 127.0.0.1:1883: listener.tcp.a listens on "
              "127.0.0.1:1883 already; give one of them another port"});
    EXPECT_EQ(both("0.0.0.0:1883", "127.0.0.1:1883").size(), 1U);
    EXPECT_EQ(both("[::1]:1883", "[::]:1883").size(), 1U);
    EXPECT_TRUE(both("0.0.0.0:1883", "[::]:1883").empty());
    EXPECT_TRUE(both("127.0.0.1:0", "127.0.0.1:0").empty());
    EXPECT_TRUE(both("127.0.0.1:1883", "127.0.0.2:1883").empty());
    EXPECT_EQ(problems_of("metrics.address = 127.0.0.1:1883\n").size(), 1U);
}

TEST(load, refuses_zones_that_nothing_defines) {
    EXPECT_EQ(problems_of("listener.tcp.x = 127.0.0.1:1\nlistener.tcp.x.zone = extrenal\n"),
              Texts{"etc/touchstone.conf:2: listener.tcp.x.zone = extrenal: no zone.<zone>.… sets "
                    "anything for this zone; the nearest zone is external"});
}

TEST(load, refuses_parts_without_their_whole) {
    EXPECT_EQ(
        problems_of("listener.tcp.x = 127.0.0.1:1\nlistener.tcp.y.backlog = 3\n"),
        Texts{"etc/touchstone.conf:2: listener.tcp.y.backlog is set, but listener.tcp.y is not; "
              "add listener.tcp.y = ADDRESS:PORT or remove it"});
    EXPECT_EQ(
        problems_of("module.subscription.1.topic = a\n"),
        Texts{"etc/touchstone.conf:1: module.subscription.1 is set, but module.subscription is "
              "off by default; set it on, or off to keep the rules for later"});
    EXPECT_EQ(problems_of("module.subscription = on\nmodule.subscription.1.qos = 1\n"),
              Texts{"etc/touchstone.conf:2: module.subscription.1 has no topic; add "
                    "module.subscription.1.topic"});
    EXPECT_TRUE(
        problems_of("module.subscription = off\nmodule.subscription.1.topic = a\n").empty());
}

TEST(load, tells_one_problem_once) {
    // A wrong value is not also a missing one.
    EXPECT_EQ(problems_of("listener.tcp.x = nowhere\nlistener.tcp.x.backlog = 3\n").size(), 1U);
    EXPECT_EQ(problems_of("module.subscription = on\nmodule.subscription.1.topic = a/#/b\n").size(),
              1U);
    EXPECT_EQ(problems_of("module.subscription = o\nmodule.subscription.1.topic = a\n").size(), 1U);
    EXPECT_EQ(problems_of("listener.tcp.x = 1883\nallow_anonymous = maybe\n").size(), 1U);
    EXPECT_EQ(
        problems_of("mqtt.max_inflight = x\nzone.a.max_inflight = 1\nzone.b.max_inflight = 1\n")
            .size(),
        1U);
}

TEST(load, warns_of_what_is_hardly_meant) {
    const auto loaded =
        Files{}
            .with("etc/acl.conf", "{deny, all, publish, [\"a\"]}.\n")
            .with("etc/users", "", true)
            .load("acl_file = acl.conf\npassword_file = users\nzone.lonely.max_inflight = 1\n");
    ASSERT_TRUE(loaded.settings);
    EXPECT_EQ(
        warnings_of(loaded),
        (Texts{
            "etc/touchstone.conf:1: what no rule of acl_file decides is allowed in zone "
            "external; end the file with a rule for all, or set acl_nomatch",
            "etc/touchstone.conf:2: password_file = etc/users: every user of this machine can "
            "read it; chmod o-r",
            "etc/touchstone.conf:2: password_file is set, but clients that it does not name get in "
            "to zone external as well; set allow_anonymous",
            "etc/touchstone.conf:3: zone lonely: no listener is in it"}));
    const auto quiet = Files{}
                           .with("etc/acl.conf", "{deny, all, publish, [\"a\"]}.\n")
                           .load("acl_file = acl.conf\nacl_nomatch = allow\n");
    EXPECT_TRUE(quiet.warnings.empty());
}

TEST(load, bounds_what_a_file_of_nonsense_costs) {
    std::string text;
    for (int i = 0; i < 5'000; ++i) text += "nonsense " + std::to_string(i) + "\n";
    const auto problems = problems_of(text);
    ASSERT_EQ(problems.size(), 101U);
    EXPECT_EQ(problems.back(), "and 4900 more problems");
    EXPECT_EQ(problems_of(std::string("a\0b = c\n", 8)).at(0),
              "etc/touchstone.conf:1: expected text, found a control character");
    EXPECT_EQ(problems_of("node.name\x1B[2J = x\n").size(), 1U);
}

RC_GTEST_PROP(load, survives_files_of_anything, ()) {
    std::string text = full_example;
    for (int i = *rc::gen::inRange(1, 20); i > 0; --i) {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
        switch (*rc::gen::inRange(0, 4)) {
            case 0: text.erase(at, *rc::gen::inRange<std::size_t>(1, 30)); break;
            case 1: text[at] = static_cast<char>(*rc::gen::inRange(0, 256)); break;
            case 2:
                text.insert(at, *rc::gen::elementOf(std::vector<std::string>{
                                    "=", ".", "\n", " ##", "0", "999999999999999999999",
                                    "listener.ssl.", "-", ","}));
                break;
            default: text.insert(at, text.substr(text.size() - text.size() / 8)); break;
        }
        if (text.empty()) text = "\n";
    }
    const auto loaded = full_files().load(text);
    RC_ASSERT((loaded.settings == nullptr) == !loaded.problems.empty());
    for (const auto& problem : loaded.problems) {
        RC_ASSERT(problem.to_text().find('\n') == std::string::npos);
        RC_ASSERT(problem.message.size() > 10U);
    }
    if (loaded.settings) RC_ASSERT(!effective_text(*loaded.settings).empty());
}

RC_GTEST_PROP(load, refuses_or_takes_any_value_of_any_key, ()) {
    const auto& key = *rc::gen::elementOf(std::vector<const Key*>{[] {
        std::vector<const Key*> all;
        for (const auto& one : keys()) all.push_back(&one);
        return all;
    }()});
    std::string name = key->pattern;
    for (auto begin = name.find('<'); begin != name.npos; begin = name.find('<')) {
        const auto end = name.find('>', begin);
        const auto free = name.substr(begin, end - begin + 1);
        name.replace(begin, free.size(),
                     free == "<n>" ? "1"
                     : free == "<zone>" || free == "<name>"
                         ? "external"
                         : free.substr(1, free.find_first_of("|>") - 1));
    }
    const auto value = *rc::gen::container<std::string>(
        rc::gen::elementOf(std::string{"019-+.,:/#%cu=[]abdhkmnostKMGB on"}));
    const auto loaded = load_text(name + " = " + value + "\n");
    RC_ASSERT((loaded.settings == nullptr) == !loaded.problems.empty());
}

// --- What is told of it --------------------------------------------------------------------------

TEST(effective_settings, are_a_file_that_means_the_same) {
    auto files = full_files();
    const auto first = files.load(full_example);
    ASSERT_TRUE(first.settings);
    const auto text = effective_text(*first.settings);
    EXPECT_NE(text.find("zone.external.max_inflight = 0  ## etc/touchstone.conf:9\n"),
              std::string::npos);
    EXPECT_NE(text.find("zone.internal.max_inflight = 7  ## etc/touchstone.conf:20\n"),
              std::string::npos);
    EXPECT_NE(text.find("zone.external.idle_timeout = 15s  ## default\n"), std::string::npos);
    EXPECT_NE(text.find("## acl_file is not set\n"), std::string::npos);
    // The effective paths are from where the program runs; here the file lies there, too.
    files.with("effective.conf", text);
    Sources sources;
    sources.file = "effective.conf";
    const auto second = load(sources, files.reader());
    ASSERT_TRUE(second.settings) << problems_text(second);
    ASSERT_EQ(second.settings->entries.size(), first.settings->entries.size());
    for (std::size_t i = 0; i < first.settings->entries.size(); ++i) {
        EXPECT_EQ(second.settings->entries[i].key, first.settings->entries[i].key);
        EXPECT_EQ(second.settings->entries[i].value, first.settings->entries[i].value);
    }
    const auto changes = changes_between(*first.settings, *second.settings);
    EXPECT_TRUE(changes.live.empty() && changes.restart.empty());
}

TEST(effective_settings, are_json_for_programs) {
    const auto valid = effective_json(load_text("node.name = a\"b\\c\n"));
    EXPECT_NE(
        valid.find(R"({"key": "node.name", "value": "a\"b\\c", "origin": "etc/touchstone.conf:1", )"
                   R"("variable": "TOUCHSTONE_NODE__NAME", "reload": "restart"})"),
        std::string::npos);
    EXPECT_NE(valid.find(R"("key": "acl_file", "value": null, "origin": "default")"),
              std::string::npos);
    EXPECT_TRUE(valid.starts_with("{\n  \"valid\": true,"));
    const auto invalid = effective_json(load_text("x = 1\n"));
    EXPECT_TRUE(invalid.starts_with("{\n  \"valid\": false,\n  \"settings\": [],"));
    EXPECT_NE(invalid.find(R"({"origin": "etc/touchstone.conf:1", "message": "unknown key x)"),
              std::string::npos);
}

TEST(effective_settings, have_each_key_once) {
    const auto loaded = full_files().load(full_example);
    std::set<std::string> names;
    for (const auto& one : loaded.settings->entries)
        EXPECT_TRUE(names.insert(one.key).second) << one.key;
}

// --- Reload --------------------------------------------------------------------------------------

Texts texts_of(const std::vector<Change>& changes) {
    Texts texts;
    for (const auto& change : changes) texts.push_back(change.to_text());
    return texts;
}

TEST(reload, tells_what_changes_at_once_and_what_needs_a_restart) {
    const auto before = settings_of("mqtt.max_inflight = 5\nnode.shards = 1\n"
                                    "listener.tcp.a = 127.0.0.1:1\nlistener.tcp.b = 127.0.0.1:2\n"
                                    "listener.tcp.b.max_connections = 9\n");
    const auto after =
        settings_of("mqtt.max_inflight = 6\nnode.shards = 2\n"
                    "listener.tcp.a = 127.0.0.1:1\n"
                    "listener.tcp.a.max_conn_rate = 7\nlistener.tcp.c = 127.0.0.1:3\n"
                    "listener.tcp.a.access.1 = allow all\nmetrics.address = 9\n"
                    "zone.new.max_inflight = 3\n");
    const auto changes = changes_between(*before, *after);
    EXPECT_EQ(texts_of(changes.live),
              (Texts{"zone.external.max_inflight: 5 → 6", "zone.new.max_inflight: not set → 3",
                     "listener.tcp.a.max_conn_rate: 0 → 7",
                     "listener.tcp.a.access.1: not set → allow all"}));
    EXPECT_EQ(
        texts_of(changes.restart),
        (Texts{"listener.tcp.b: 127.0.0.1:2 → not set", "node.shards: 1 → 2",
               "metrics.address: not set → 0.0.0.0:9", "listener.tcp.c: not set → 127.0.0.1:3"}));
    const auto none = changes_between(*before, *before);
    EXPECT_TRUE(none.live.empty() && none.restart.empty());
}

TEST(reload, sees_files_whose_content_has_changed) {
    const std::string text = "acl_file = acl.conf\n";
    const auto before = Files{}.with("etc/acl.conf", "{allow, all}.\n").load(text);
    const auto after = Files{}.with("etc/acl.conf", "{deny, all}.\n").load(text);
    const auto changes = changes_between(*before.settings, *after.settings);
    EXPECT_EQ(texts_of(changes.live), Texts{"acl_file: etc/acl.conf has another content"});
    EXPECT_TRUE(changes.restart.empty());
}

TEST(reload, with_a_mistake_gives_nothing_that_could_take_the_place_of_what_is_in_force) {
    const std::string text = "acl_file = acl.conf\nmqtt.max_inflight = 9\n";
    const auto loaded = Files{}.with("etc/acl.conf", "{allow, all}\n").load(text);
    EXPECT_FALSE(loaded.settings);
    EXPECT_EQ(loaded.problems.size(), 1U);
}

}  // namespace
}  // namespace touchstone::settings
