#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/settings/assignments.hpp"
#include "broker/settings/keys.hpp"

namespace touchstone::settings {
namespace {

/// A name that the key's pattern stands for.
std::string example_of(const Key& key) {
    std::vector<std::string> parts;
    std::string_view rest = key.pattern;
    for (auto begin = rest.find('<'); begin != rest.npos; begin = rest.find('<')) {
        const auto free = rest.substr(begin, rest.find('>') - begin + 1);
        if (free == "<n>")
            parts.emplace_back("7");
        else if (free == "<zone>" || free == "<name>")
            parts.emplace_back("mine");
        else
            parts.emplace_back(free.substr(1, free.find_first_of("|>") - 1));
        rest.remove_prefix(begin + free.size());
    }
    return filled(key.pattern, parts);
}

TEST(keys, have_defaults_that_are_values_and_tell_all_there_is_to_know) {
    for (const auto& key : keys()) {
        EXPECT_FALSE(key.meaning.empty()) << key.pattern;
        EXPECT_TRUE(key.meaning.ends_with('.')) << key.pattern;
        EXPECT_FALSE(key.form.empty()) << key.pattern;
        EXPECT_FALSE(key.section.empty()) << key.pattern;
        EXPECT_EQ(key.scope == Scope::zone, !key.for_all_zones.empty()) << key.pattern;
        if (key.default_text.empty()) continue;
        ScratchTarget scratch;
        const auto canonical = key.put(scratch.target(), key.default_text);
        ASSERT_TRUE(canonical.has_value()) << key.pattern;
        const auto again = key.put(scratch.target(), canonical.value());
        EXPECT_EQ(again.value(), canonical.value()) << key.pattern;
    }
}

TEST(keys, have_different_names_that_are_found) {
    std::set<std::string> names;
    for (const auto& key : keys()) {
        const auto name = example_of(key);
        EXPECT_TRUE(names.insert(name).second) << name;
        const auto match = find_key(name);
        ASSERT_TRUE(match) << name;
        EXPECT_EQ(match->key, &key) << name;
        EXPECT_EQ(filled(key.pattern, match->parts), name);
        for (const auto& other : key.also) {
            EXPECT_TRUE(names.insert(other).second) << other;
            EXPECT_EQ(find_key(other)->key, &key);
        }
        if (key.for_all_zones.empty()) continue;
        EXPECT_TRUE(names.insert(key.for_all_zones).second) << key.for_all_zones;
        EXPECT_EQ(find_key(key.for_all_zones)->key, &key);
        EXPECT_TRUE(find_key(key.for_all_zones)->is_for_all_zones);
    }
}

TEST(keys, are_environment_variables_and_back) {
    EXPECT_EQ(variable_of("zone.external.max_inflight"), "TOUCHSTONE_ZONE__EXTERNAL__MAX_INFLIGHT");
    for (const auto& key : keys()) {
        const auto name = example_of(key);
        EXPECT_EQ(name_of_variable(variable_of(name)), name);
        EXPECT_EQ(name_of_variable(variable_of(key.for_all_zones)), key.for_all_zones);
    }
    EXPECT_FALSE(name_of_variable("PATH"));
    EXPECT_FALSE(name_of_variable("touchstone_node__name"));
}

RC_GTEST_PROP(keys, with_names_that_are_allowed_survive_as_variables, ()) {
    const auto name = *rc::gen::nonEmpty(
        rc::gen::container<std::string>(rc::gen::elementOf(std::string{"ab9_"})));
    if (!is_name(name)) {
        RC_ASSERT(!find_key("zone." + name + ".max_inflight"));
        return;
    }
    const auto key = "zone." + name + ".max_inflight";
    RC_ASSERT(find_key(key)->parts.at(0) == name);
    RC_ASSERT(name_of_variable(variable_of(key)) == key);
}

TEST(keys, that_are_misspelt_get_the_nearest_one) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"zone.external.max_inflihgt", "zone.external.max_inflight"},
        {"zone.my_zone.retry_intervall", "zone.my_zone.retry_interval"},
        {"mqtt.max_packetsize", "mqtt.max_packet_size"},
        {"listner.tcp.external", "listener.tcp.external"},
        {"listener.tpc.external", "listener.tcp.external"},
        {"listener.ssl.main.cert_file", "listener.ssl.main.certfile"},
        {"allow_anonymus", "allow_anonymous"},
        {"sys_interval", "broker.sys_interval"},
        {"module.subscription.12.topics", "module.subscription.12.topic"},
        {"listener.tcp.x.acess.3", "listener.tcp.x.access.3"}};
    for (const auto& [name, expected] : cases) {
        EXPECT_FALSE(find_key(name)) << name;
        EXPECT_EQ(advice_for_unknown_key(name), "the nearest key is " + expected);
    }
    for (const auto& name : {std::string{"xyzzy"}, std::string{}, std::string(100'000, 'a')})
        EXPECT_NE(advice_for_unknown_key(name).find("--help-settings"), std::string::npos);
}

TEST(keys, are_near_by_the_number_of_changes) {
    const std::vector<std::string> known{"abcdef", "uvwxyz"};
    EXPECT_EQ(nearest("badcef", known), "abcdef");  // two swaps
    EXPECT_EQ(nearest("abcde", known), "abcdef");
    EXPECT_EQ(nearest("uvw-xyz", known), "uvwxyz");
    EXPECT_EQ(nearest("abcxyz", known), "");
    EXPECT_EQ(nearest("", known), "");
}

TEST(keys, of_other_brokers_are_explained) {
    for (const auto* const name :
         {"listener.tcp.external.acceptors", "node.cookie", "cluster.discovery", "rpc.mode",
          "auth.user.1.username", "log.rotation.size", "module.rewrite.rule.1"}) {
        EXPECT_FALSE(find_key(name)) << name;
        EXPECT_NE(advice_for_unknown_key(name).find("no meaning here"), std::string::npos) << name;
    }
}

TEST(keys, belong_to_the_listeners_that_can_use_them) {
    EXPECT_TRUE(find_key("listener.wss.x.certfile"));
    EXPECT_TRUE(find_key("listener.ws.x.mqtt_path"));
    for (const auto* const name :
         {"listener.tcp.x.certfile", "listener.ws.x.verify", "listener.ssl.x.mqtt_path",
          "listener.udp.x", "listener.tcp.X", "listener.tcp.a__b", "listener.tcp.x.access.0",
          "listener.tcp.x.access.01", "listener.tcp.x.access.1234567", "listener.tcp", "listener",
          "listener.tcp.x.", "zone..max_inflight", "zone.x", "module.subscription.x.topic"})
        EXPECT_FALSE(find_key(name)) << name;
}

TEST(keys, are_all_in_the_help) {
    const auto help = help_text();
    for (const auto& key : keys()) {
        EXPECT_NE(help.find("\n  " + key.pattern), std::string::npos) << key.pattern;
        EXPECT_NE(help.find(variable_of(key.pattern)), std::string::npos) << key.pattern;
    }
    EXPECT_NE(help.find("  zone.<zone>.max_inflight, mqtt.max_inflight\n"), std::string::npos);
    EXPECT_NE(help.find("A whole number, 0 to 65535 messages. Default: 32. Reload: live."),
              std::string::npos);
}

}  // namespace
}  // namespace touchstone::settings
