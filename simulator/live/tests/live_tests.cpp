// Live runs on a broker of this process: real sockets, real time, the reference broker behind them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "simulator/live/courier.hpp"
#include "simulator/live/live_scenario.hpp"
#include "simulator/live/target.hpp"
#include "simulator/live/tests/live_fixture.hpp"
#include "simulator/set_up.hpp"

namespace touchstone::simulator::live {
namespace {

using asio_driver::RunningNode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Live : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Shards, Live, testing::Values(1U, 2U));

TEST_P(Live, a_broker_that_keeps_its_promises_passes) {
    RunningNode node{GetParam()};
    const auto result = run(url_of(node), loaded(cut_in_a_flow));
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.err, HasSubstr("given.textproto takes 0.5 s on mqtt://127.0.0.1:"));
    EXPECT_THAT(result.out, AllOf(HasSubstr("received by subscriber: [1, 2, 3]"),
                                  HasSubstr("[? || ?] -> [1,2,3]"), HasSubstr("PUBREC id=1"),
                                  HasSubstr("left out: `expect` of 1 snapshot: queue and window"),
                                  HasSubstr("left out: invariant R1"), Not(HasSubstr("pass  R1"))));
}

TEST(Live, a_defect_of_a_client_is_seen_as_in_virtual_time) {
    RunningNode node{1};
    const auto result =
        run(url_of(node), loaded(cut_in_a_flow), {"qos2_client_no_dedupe@subscriber"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out, AllOf(HasSubstr("FAIL  Q2"), Not(HasSubstr("FAIL  O1")),
                                  HasSubstr("--defect qos2_client_no_dedupe@subscriber\n")));
}

TEST(Live, names_are_of_this_run_and_nothing_stays_behind) {
    RunningNode node{2};
    const auto first = run(url_of(node), loaded(will_and_takeover));
    EXPECT_EQ(first.exit_code, 0) << first.out;
    EXPECT_THAT(first.out, HasSubstr("pass  S1"));
    EXPECT_THAT(first.out, AllOf(HasSubstr("-twin'"), HasSubstr("/will/mortal'")));
    EXPECT_EQ(node.sum([](const auto& one) { return one.gauges.sessions; }), 0U);
    EXPECT_EQ(node.sum([](const auto& one) { return one.gauges.retained_messages; }), 0U);
    const auto again = run(url_of(node), loaded(will_and_takeover));
    EXPECT_EQ(again.exit_code, 0) << again.out;
}

TEST(Live, a_target_where_nobody_listens_is_named) {
    const auto port = std::to_string([] { return RunningNode{1}.port(); }());
    const auto result = run("mqtt://127.0.0.1:" + port, loaded(will_and_takeover));
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_EQ(result.err, "touchstone simulate: mqtt://127.0.0.1:" + port +
                              ": nobody listens there; start the broker, or give its port\n");
}

TEST(Live, a_broker_that_does_not_let_clients_in_is_named) {
    Settings settings;
    settings.packet_size_bytes_max = 64;  // the longest Client Identifiers do not fit
    RunningNode node{1, settings};
    const auto address = std::get<Address>(resolve(std::get<Target>(target_of(url_of(node)))));
    const auto answer =
        Courier::come_in(address, url_of(node), ProtocolVersion::v3_1_1, std::string(100, 'c'));
    ASSERT_TRUE(std::holds_alternative<std::string>(answer));
    EXPECT_THAT(std::get<std::string>(answer),
                HasSubstr("the connection was closed on a CONNECT of MQTT 3.1.1 from 'ccc"));
}

TEST(Live, what_happens_to_a_node_is_refused_by_name) {
    const std::string url = "mqtt://127.0.0.1:1";
    const auto crash = run(url, loaded(cut_in_a_flow, "cut { link: \"subscriber\" }",
                                       "crash { restart_after_ms: 10 }"));
    EXPECT_EQ(crash.exit_code, 2);
    EXPECT_THAT(crash.err, HasSubstr("given.textproto cannot be run with --live: its step `crash` "
                                     "at 90 ms does something to the node itself"));
    const auto two = run(url, loaded(cut_in_a_flow, "nodes { name: \"broker\" }",
                                     "nodes { name: \"a\" } nodes { name: \"b\" }"));
    EXPECT_EQ(two.exit_code, 2);
    EXPECT_THAT(two.err, HasSubstr("it has 2 nodes, and --live is one"));
    const auto defect = run(url, loaded(cut_in_a_flow), {"redeliver_unordered"});
    EXPECT_EQ(defect.exit_code, 2);
    EXPECT_THAT(defect.err, HasSubstr("redeliver_unordered is a switch of our own nodes"));
    const auto unseen = run(url, loaded(std::string{will_and_takeover} + "invariants: \"R1\"",
                                        "expectations { received { client: \"watcher\" payloads: "
                                        "\"gone\" } }"));
    EXPECT_EQ(unseen.exit_code, 2);
    EXPECT_THAT(unseen.err, HasSubstr("nothing of what it asks can be seen from outside"));
}

TEST(Live, an_address_that_is_none_is_refused_with_what_to_write) {
    for (const auto* url : {"mqtts://h:1", "ws://h", "h:1883", "mqtt://", "mqtt://h:0",
                            "mqtt://h:70000", "mqtt://h:1x", "mqtt://[::1", "mqtt://u@h"}) {
        const auto result = run(url, loaded(will_and_takeover));
        EXPECT_EQ(result.exit_code, 2) << url;
        EXPECT_THAT(result.err, HasSubstr("write mqtt://HOST:PORT")) << url;
    }
    const auto target = std::get<Target>(target_of("mqtt://[::1]:1884/"));
    EXPECT_EQ(target.host, "::1");
    EXPECT_EQ(target.port, 1884);
    EXPECT_EQ(std::get<Target>(target_of("mqtt://broker.example")).port, 1883);
}

TEST(LiveScenario, names_get_the_prefix_where_the_standard_lets_them) {
    EXPECT_EQ(with_prefix("p", "a/b"), "p/a/b");
    EXPECT_EQ(with_prefix("p", "#"), "p/#");
    EXPECT_EQ(with_prefix("p", "/a"), "p//a");
    EXPECT_EQ(with_prefix("p", "$share/g/a/+"), "$share/g/p/a/+");
    EXPECT_EQ(with_prefix("p", "$SYS/a"), "$SYS/a");
    EXPECT_EQ(with_prefix("p", ""), "");
}

TEST(LiveScenario, raw_packets_get_the_prefix_and_what_is_none_does_not) {
    const auto changed = [](std::string_view hex, ProtocolVersion version) {
        return packets_with_prefix("p", bytes_of_hex(hex), version);
    };
    using enum ProtocolVersion;
    EXPECT_EQ(changed("30 05 0001 74 3132", v3_1_1), bytes_of_hex("30 07 0003 702F74 3132"));
    EXPECT_EQ(changed("34 07 0001 74 0001 00 78", v5),
              bytes_of_hex("34 09 0003 702F74 0001 00 78"));
    EXPECT_EQ(changed("82 06 0001 0001 74 01", v3_1_1), bytes_of_hex("82 08 0001 0003 702F74 01"));
    EXPECT_EQ(changed("10 0D 0004 4D515454 04 02 003C 0001 78 30 03 0000 41", v5),
              bytes_of_hex("10 0F 0004 4D515454 04 02 003C 0003 702D78 30 03 0000 41"));
    EXPECT_EQ(changed("C000 30 05 0001", v3_1_1), bytes_of_hex("C000 30 05 0001"));
}

TEST(LiveScenario, what_the_node_must_be_and_what_is_left_out_is_listed) {
    auto scenario = loaded(cut_in_a_flow).scenario;
    scenario.mutable_nodes(0)->set_shards(2);
    scenario.mutable_nodes(0)->mutable_settings()->set_inflight_max(2);
    auto& workload = *scenario.mutable_workload();
    workload.set_shuffle_nodes(true);
    workload.add_topics("a");
    workload.add_disturbances(scenario::crash_node);
    workload.add_disturbances(scenario::cut_link);
    const auto live = make_live(scenario, {}, "p");
    EXPECT_THAT(live.refusals, IsEmpty());
    EXPECT_THAT(live.demands, ElementsAre("inflight_max: 2"));
    EXPECT_THAT(live.left_out,
                testing::IsSupersetOf({"shards: 2 of the node", "limits drawn for the node",
                                       "crashes, pauses, disks, clocks and rules of the node"}));
    EXPECT_FALSE(live.scenario.workload().shuffle_nodes());
    EXPECT_THAT(live.scenario.workload().disturbances(), ElementsAre(scenario::cut_link));
    EXPECT_EQ(live.scenario.workload().topics(0), "p/a");
    EXPECT_EQ(live.scenario.clients(0).subscriptions(0).filter(), "p/t");
    EXPECT_EQ(live.scenario.steps(3).publish().messages(0).topic(), "p/t");
    EXPECT_EQ(promises_of(scenario, false).inflight_max, 65'535);
    EXPECT_EQ(promises_of(scenario, true).inflight_max, 2);
}

}  // namespace
}  // namespace touchstone::simulator::live
