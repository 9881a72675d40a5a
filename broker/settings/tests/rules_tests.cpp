#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/settings/load.hpp"
#include "broker/settings/rules.hpp"

namespace touchstone::settings {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::shared_ptr<const NodeSettings> settings_of(const Lines& lines) {
    Sources sources;
    for (const auto& [key, value] : lines) sources.overrides.push_back({key, value, "--set"});
    const auto no_file = [](const std::string&, std::size_t) -> std::variant<FileContent, FileError> {
        return FileError{"No such file or directory"};
    };
    auto loaded = load(sources, no_file);
    EXPECT_TRUE(loaded.settings) << (loaded.problems.empty() ? "" : loaded.problems[0].to_text());
    return loaded.settings;
}

TEST(rules, give_each_listener_the_rules_of_its_zone) {
    const auto settings = settings_of({{"listener.tcp.external", "127.0.0.1:1883"},
                                       {"listener.tcp.internal", "127.0.0.1:11883"},
                                       {"listener.tcp.internal.mountpoint", "inside/"},
                                       {"listener.tcp.internal.zone", "internal"},
                                       {"zone.internal.max_inflight", "7"}});
    const auto rules = rules_of(*settings, nullptr, {});
    ASSERT_EQ(rules->listeners.size(), 2U);
    for (const auto& listener : settings->listeners) {
        const auto index = index_of(*rules, listener);
        const bool internal = listener.name == "internal";
        EXPECT_EQ(rules->zone_of(index).name, listener.zone);
        EXPECT_EQ(rules->zone_of(index).settings.inflight_max, internal ? 7 : 32);
        EXPECT_EQ(rules->listeners[index.raw()].mountpoint.text(), internal ? "inside/" : "");
        EXPECT_EQ(rules->listeners[index.raw()].port, internal ? 11'883 : 1'883);
    }
    EXPECT_FALSE(rules->has_credentials);
    EXPECT_EQ(rules->authentication_method, "");
}

TEST(rules, keep_the_places_of_zones_and_listeners_over_a_reload) {
    const auto first = rules_of(*settings_of({{"listener.tcp.b", "127.0.0.1:1883"},
                                              {"listener.tcp.b.zone", "mine"},
                                              {"zone.mine.max_inflight", "5"}}),
                                nullptr, {});
    const auto changed = settings_of({{"listener.tcp.a", "127.0.0.1:1884"},
                                      {"listener.tcp.b", "127.0.0.1:1883"},
                                      {"listener.tcp.b.zone", "mine"},
                                      {"zone.mine.max_inflight", "6"}});
    const auto second = rules_of(*changed, first.get(), {});
    ASSERT_EQ(second->listeners.size(), 2U);
    EXPECT_EQ(second->listeners[0].name, "tcp:b");
    EXPECT_EQ(second->listeners[1].name, "tcp:a");
    EXPECT_EQ(second->zone_of(access::ListenerIndex{0}).settings.inflight_max, 6);

    // A listener that is gone keeps its rules: sessions may still be under them.
    const auto third = rules_of(*settings_of({{"listener.tcp.a", "127.0.0.1:1884"}}),
                                second.get(), {});
    ASSERT_EQ(third->listeners.size(), 2U);
    EXPECT_EQ(third->zone_of(access::ListenerIndex{0}).settings.inflight_max, 6);
}

}  // namespace
}  // namespace touchstone::settings
