#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "broker/access/auto_subscribe.hpp"
#include "broker/access/mountpoint.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::access {
namespace {

Client client(std::string_view client_id, std::optional<std::string_view> user_name = {}) {
    return {.client_id = client_id, .user_name = user_name, .address = {}};
}

Mountpoint mountpoint(std::string_view text, const Client& of) {
    return MountpointTemplate::from_text(text).value().for_client(of).value();
}

TEST(mountpoint, puts_the_prefix_before_names_and_behind_the_share_name) {
    const auto mount = mountpoint("tenants/%u/%c/", client("c1", "u1"));
    EXPECT_EQ(mount.prefix(), "tenants/u1/c1/");
    EXPECT_EQ(mount.mount_name("a/b").value(), "tenants/u1/c1/a/b");
    EXPECT_EQ(mount.mount_filter("#").value(), "tenants/u1/c1/#");
    EXPECT_EQ(mount.mount_filter("$share/g/+/a").value(), "$share/g/tenants/u1/c1/+/a");
    EXPECT_EQ(mount.mount_name("$SYS/x").value(), "tenants/u1/c1/$SYS/x");
    EXPECT_EQ(mount.unmount("tenants/u1/c1/a/b"), "a/b");
    EXPECT_EQ(mount.unmount("tenants/u1/c2/a/b"), "tenants/u1/c2/a/b");
}

TEST(mountpoint, refuses_clients_that_would_leave_their_part_of_the_tree) {
    const auto by_client = MountpointTemplate::from_text("d/%c/").value();
    const auto by_user = MountpointTemplate::from_text("d/%u/").value();
    for (const auto* const name : {"+", "#", "a/b", "a+", ""}) {
        EXPECT_FALSE(by_client.for_client(client(name))) << name;
        EXPECT_FALSE(by_user.for_client(client("c", name))) << name;
    }
    EXPECT_FALSE(by_user.for_client(client("c")));
    EXPECT_TRUE(by_client.for_client(client("c")));
    EXPECT_TRUE(MountpointTemplate{}.for_client(client("#")));
}

TEST(mountpoint, says_what_a_prefix_must_look_like) {
    for (const auto* const text : {"a/+/", "#", "$SYS/", "dev%c", "%u"})
        EXPECT_TRUE(MountpointTemplate::from_text(text).has_error()) << text;
    EXPECT_TRUE(MountpointTemplate::from_text(std::string(1025, 'a')).has_error());
    for (const auto* const text : {"", "a/", "dev-", "%c/", "100%/%%c/", "a%d"})
        EXPECT_FALSE(MountpointTemplate::from_text(text).has_error()) << text;
    EXPECT_EQ(mountpoint("100%/%%c/", client("x")).prefix(), "100%/%x/");
}

TEST(mountpoint, refuses_topics_that_the_prefix_makes_too_long) {
    const auto mount = mountpoint("1234/", client("c"));
    const std::string fits(65'530, 'a');
    EXPECT_EQ(mount.mount_name(fits).value().size(), 65'535U);
    EXPECT_EQ(mount.mount_name(fits + "a").error(), ReasonCode::topic_name_invalid);
    EXPECT_EQ(mount.mount_filter(fits + "a").error(), ReasonCode::topic_filter_invalid);
}

RC_GTEST_PROP(mountpoint, gives_back_what_it_mounted_and_matches_as_before, ()) {
    const auto text_of = [](const std::vector<std::string>& levels) {
        std::string text;
        for (const auto& level : levels) text += "/" + level;
        return text.substr(1);
    };
    const auto levels_of = [](std::vector<std::string> words) {
        return rc::gen::nonEmpty(
            rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::move(words))));
    };
    const auto name = text_of(*levels_of({"a", "b", ""}));
    const auto filter =
        text_of(*levels_of({"a", "b", "", "+"})) + *rc::gen::element<std::string>("", "/#");
    RC_PRE(wire::is_topic_name(name) && wire::is_topic_filter(filter));
    const auto one = mountpoint("t/%c/", client("one"));
    const auto two = mountpoint("t/%c/", client("two"));
    RC_ASSERT(one.unmount(one.mount_name(name).value()) == name);
    RC_ASSERT(wire::matches(one.mount_filter(filter).value(), one.mount_name(name).value()) ==
              wire::matches(filter, name));
    RC_ASSERT(!wire::matches(one.mount_filter(filter).value(), two.mount_name(name).value()));
}

TEST(auto_subscribe, fills_in_client_and_user_and_skips_what_does_not_fit) {
    AutoSubscribe subscribe;
    subscribe.add(TopicTemplate::from_text("client/%c").value(), {.qos = QoS::at_least_once});
    subscribe.add(TopicTemplate::from_text("user/%u/+").value(),
                  {.qos = QoS::exactly_once, .no_local = true, .retain_handling = 2});
    subscribe.add(TopicTemplate::from_text("all").value(), {});

    const auto both = subscribe.for_client(client("c1", "u1"), ProtocolVersion::v5);
    ASSERT_EQ(both.subscriptions.size(), 3U);
    EXPECT_EQ(both.subscriptions[0].filter, "client/c1");
    EXPECT_EQ(both.subscriptions[0].options.qos, QoS::at_least_once);
    EXPECT_EQ(both.subscriptions[1].filter, "user/u1/+");
    EXPECT_TRUE(both.subscriptions[1].options.no_local);
    EXPECT_EQ(both.subscriptions[1].options.retain_handling, 2);
    EXPECT_TRUE(both.skipped.empty());

    const auto without_user = subscribe.for_client(client("c1"), ProtocolVersion::v5);
    ASSERT_EQ(without_user.subscriptions.size(), 2U);
    EXPECT_EQ(without_user.skipped, std::vector<std::string>{"user/%u/+"});
    for (const auto* const name : {"#", "+", "a/b"})
        EXPECT_EQ(
            subscribe.for_client(client(name, name), ProtocolVersion::v5).subscriptions.size(), 1U);
}

TEST(auto_subscribe, leaves_options_of_mqtt_5_away_from_older_clients) {
    AutoSubscribe subscribe;
    subscribe.add(TopicTemplate::from_text("t").value(), {.qos = QoS::exactly_once,
                                                          .no_local = true,
                                                          .retain_as_published = true,
                                                          .retain_handling = 1});
    const auto older = subscribe.for_client(client("c"), ProtocolVersion::v3_1_1);
    EXPECT_EQ(older.subscriptions.at(0).options,
              (wire::SubscriptionOptions{.qos = QoS::exactly_once}));
}

TEST(topic_template, says_what_it_must_look_like) {
    for (const auto* const text : {"", "a/#/b", "dev%c", "a/x%u", "$share/g", "$share/+/a"})
        EXPECT_TRUE(TopicTemplate::from_text(text).has_error()) << text;
    for (const auto* const text : {"%c", "a/%u/#", "$share/g/%c", "100%"})
        EXPECT_FALSE(TopicTemplate::from_text(text).has_error()) << text;
}

}  // namespace
}  // namespace touchstone::access
