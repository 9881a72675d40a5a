#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "broker/asio/authentication_service.hpp"
#include "broker/asio/command_line.hpp"
#include "broker/asio/sys_topics.hpp"
#include "broker/settings/credentials.hpp"

namespace touchstone::asio_driver {
namespace {

using settings::CredentialKind;
using settings::Credentials;
using Verdict = AuthenticationAnswer::Verdict;

std::shared_ptr<const Credentials> users_of(CredentialKind kind) {
    const auto entry = settings::make_password_entry("anna", "secret", kind).value();
    settings::Problems problems;
    return std::make_shared<const Credentials>(
        Credentials::read(entry, Credentials::Use::users, "users", problems));
}

/// A service whose answers a test waits for, one at a time.
class Service {
public:
    explicit Service(AuthenticationService::Lists lists,
                     AuthenticationService::Options options = {})
        : service{std::move(lists), options,
                  [this](unsigned shard, QuestionNumber number, AuthenticationAnswer answer) {
                      EXPECT_EQ(shard, 3U);
                      EXPECT_EQ(number, 7U);
                      promise_.set_value(std::move(answer));
                  }} {}
    AuthenticationAnswer ask(AuthenticationQuestion question) {
        promise_ = {};
        service.ask(3, 7, std::move(question));
        return promise_.get_future().get();
    }

private:
    std::promise<AuthenticationAnswer> promise_;

public:
    AuthenticationService service;  // ends before what its threads use
};

PlainCredentials plain(std::string user_name, std::string_view password) {
    const auto bytes = as_bytes(password);
    return {.client_id = "c",
            .user_name = std::move(user_name),
            .password = Buffer{bytes.begin(), bytes.end()}};
}

ExchangeStep step(std::string_view data, bool is_first) {
    const auto bytes = as_bytes(data);
    return {.method = "SCRAM-SHA-256", .data = {bytes.begin(), bytes.end()}, .is_first = is_first};
}

TEST(authentication_service, decides_by_its_lists_and_by_new_ones_at_once) {
    Service one{{.users = users_of(CredentialKind::argon2id)}};
    EXPECT_EQ(one.ask(plain("anna", "secret")).verdict, Verdict::accepted);
    const auto wrong = one.ask(plain("anna", "guess"));
    EXPECT_EQ(wrong.verdict, Verdict::refused);
    EXPECT_EQ(wrong.reason, ReasonCode::bad_user_name_or_password);
    EXPECT_EQ(one.ask(plain("bob", "secret")).reason, ReasonCode::bad_user_name_or_password);
    EXPECT_EQ(one.ask(PlainCredentials{.client_id = "c"}).reason, ReasonCode::not_authorized);
    auto anonymous = plain("bob", "secret");
    anonymous.allow_anonymous = true;
    EXPECT_EQ(one.ask(anonymous).verdict, Verdict::accepted);
    one.service.set_lists({});
    EXPECT_EQ(one.ask(plain("anna", "secret")).verdict, Verdict::refused);
}

TEST(authentication_service, leads_exchanges_and_forgets_them) {
    Service one{{.users = users_of(CredentialKind::scram_sha_256)}};
    const auto challenge = one.ask(step("n,,n=anna,r=client-nonce", true));
    EXPECT_EQ(challenge.verdict, Verdict::continues);
    EXPECT_TRUE(as_text(challenge.data).starts_with("r=client-nonce"));
    EXPECT_EQ(one.ask(step("c=biws,r=wrong,p=AAAA", false)).reason, ReasonCode::not_authorized);
    EXPECT_EQ(one.ask(step("c=biws,r=wrong,p=AAAA", false)).verdict, Verdict::refused);

    EXPECT_EQ(one.ask(step("n,,n=anna,r=client-nonce", true)).verdict, Verdict::continues);
    one.service.forget(3, 7);
    EXPECT_EQ(one.ask(step("c=biws,r=client-nonce,p=AAAA", false)).verdict, Verdict::refused);
    one.service.set_lists({});
    EXPECT_EQ(one.ask(step("n,,n=anna,r=x", true)).reason, ReasonCode::bad_authentication_method);
}

TEST(authentication_service, says_busy_when_too_many_wait) {
    Service one{{}, {.waiting_max = 0}};
    const auto answer = one.ask(plain("anna", "secret"));
    EXPECT_EQ(answer.verdict, Verdict::refused);
    EXPECT_EQ(answer.reason, ReasonCode::server_busy);
}

const ServerMessage* find(const std::vector<ServerMessage>& messages, std::string_view topic) {
    const auto found = std::ranges::find(messages, topic, &ServerMessage::topic);
    return found == messages.end() ? nullptr : &*found;
}

TEST(sys_topics, tell_figures_with_their_highest_values_under_both_prefixes) {
    SysTopics topics{"n@h"};
    Counters counters;
    counters.add(Counter::publish_received_qos_0, 2);
    counters.add(Counter::publish_received_qos_2, 3);
    counters.add(DisconnectReason::keepalive_timeout);
    const auto before = topics.figures(counters, {.connections = 5});
    EXPECT_FALSE(before.empty());
    const auto messages = topics.figures(counters, {.connections = 4, .sessions = 9});
    for (const std::string root : {"$SYS/brokers/n@h/", "$SYS/broker/n@h/"}) {
        EXPECT_EQ(find(messages, root + "stats/connections/count")->payload, "4");
        EXPECT_EQ(find(messages, root + "stats/connections/max")->payload, "5");
        EXPECT_FALSE(find(messages, root + "stats/connections/max")->retain);
        EXPECT_EQ(find(messages, root + "stats/sessions/count")->payload, "9");
        EXPECT_EQ(find(messages, root + "metrics/messages/received")->payload, "5");
        EXPECT_EQ(find(messages, root + "metrics/client/disconnected/keepalive_timeout")->payload,
                  "1");
        EXPECT_TRUE(find(messages, root + "version")->retain);
        EXPECT_TRUE(find(messages, root + "sysdescr")->retain);
    }
    EXPECT_EQ(find(messages, "$SYS/brokers")->payload, "n@h");
    EXPECT_TRUE(find(messages, "$SYS/brokers")->retain);
}

TEST(sys_topics, tell_how_long_and_what_time_it_is) {
    const SysTopics topics{"n@h"};
    const auto messages = topics.heartbeat(
        std::chrono::days{3} + std::chrono::seconds{4 * 3'600 + 5 * 60 + 6},
        std::chrono::local_seconds{std::chrono::seconds{86'400 + 3'661}});
    EXPECT_EQ(find(messages, "$SYS/brokers/n@h/uptime")->payload,
              "3 days, 4 hours, 5 minutes, 6 seconds");
    EXPECT_EQ(find(messages, "$SYS/brokers/n@h/datetime")->payload, "1970-01-02 01:01:01");
    EXPECT_FALSE(find(messages, "$SYS/brokers/n@h/uptime")->retain);
}

TEST(sys_topics, say_nothing_of_clients_whose_identifier_fits_into_no_topic_name) {
    for (const auto& id : {std::string(65'520, 'c'), std::string{"a+"}, std::string{"#"}}) {
        const ClientEvent client{.client_id = id};
        EXPECT_TRUE(SysTopics::connected("n@h", client, 1).empty()) << id.size();
        EXPECT_TRUE(SysTopics::disconnected("n@h", client, DisconnectReason::closed, 1).empty());
    }
}

TEST(sys_topics, tell_of_clients_in_json) {
    const ClientEvent client{.client_id = "c\"1",
                             .address = *access::PeerAddress::from_text("192.0.2.1"),
                             .listener_port = 1883,
                             .version = ProtocolVersion::v5,
                             .keep_alive_s = 60,
                             .clean_start = true,
                             .session_expiry_s = 7,
                             .qos = QoS::at_least_once};
    const auto connected = SysTopics::connected("n@h", client, 1'234);
    ASSERT_EQ(connected.size(), 2U);
    EXPECT_EQ(connected[0].topic, "$SYS/brokers/n@h/clients/c\"1/connected");
    EXPECT_EQ(connected[0].qos, QoS::at_least_once);
    EXPECT_EQ(connected[0].payload,
              R"({"clientid":"c\"1","username":"undefined","ipaddress":"192.0.2.1",)"
              R"("proto_name":"MQTT","proto_ver":5,"sockport":1883,"ts":1234,"keepalive":60,)"
              R"("clean_start":true,"expiry_interval":7,"connack":0,"connected_at":1234})");
    const auto gone = SysTopics::disconnected("n@h", client, DisconnectReason::closed, 1'235);
    EXPECT_EQ(gone[1].topic, "$SYS/broker/n@h/clients/c\"1/disconnected");
    EXPECT_EQ(gone[1].payload,
              R"({"clientid":"c\"1","username":"undefined","ipaddress":"192.0.2.1",)"
              R"("proto_name":"MQTT","proto_ver":5,"sockport":1883,"ts":1235,"reason":"closed",)"
              R"("disconnected_at":1235})");
}

TEST(command_line, makes_settings_of_options) {
    std::vector<std::string> texts{"broker", "--listen", "127.0.0.1:0", "--listen", "[::1]:0",
                                   "--shards", "2", "--set", "mqtt.max_inflight = 7",
                                   "--drain-time", "3", "--allow-anonymous"};
    std::vector<char*> arguments;
    for (auto& text : texts) arguments.push_back(text.data());
    const auto parsed =
        parse_command_line(static_cast<int>(arguments.size()), arguments.data());
    ASSERT_TRUE(parsed.is_complete);
    std::vector<std::string> seen;
    for (const auto& one : parsed.command_line.sources.overrides)
        seen.push_back(one.option + " " + one.key + "=" + one.value);
    EXPECT_EQ(seen, (std::vector<std::string>{
                        "--listen listener.tcp.external=127.0.0.1:0",
                        "--listen listener.tcp.external_2=[::1]:0",
                        "--allow-anonymous allow_anonymous=on", "--shards node.shards=2",
                        "--drain-time node.drain_time=3s", "--set mqtt.max_inflight=7"}));
}

}  // namespace
}  // namespace touchstone::asio_driver
