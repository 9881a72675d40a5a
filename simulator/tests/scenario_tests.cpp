// Scenario files that are wrong: one line says where, what, and what to do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "simulator/scenario.hpp"

namespace touchstone::simulator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* good = R"(# A story
# of two lines.

description: "d"
duration_ms: 1000
nodes { name: "broker" }
clients { name: "subscriber" }
)";

std::vector<std::string> problems_of(const std::string& added) {
    return parse_scenario("x.textproto", good + added).problems;
}

TEST(Scenario, a_good_one_has_no_problems) {
    const auto loaded = parse_scenario("x.textproto", good);
    EXPECT_THAT(loaded.problems, IsEmpty());
    EXPECT_EQ(loaded.scenario.description(), "d");
    EXPECT_EQ(story_of(good), "A story\nof two lines.\n");
}

TEST(Scenario, names_the_nearest_field_for_an_unknown_one) {
    EXPECT_THAT(
        problems_of("steps { at_ms: 1 conect { client: \"subscriber\" } }"),
        ElementsAre("x.textproto:8: conect: no such field in Step; did you mean 'connect'?"));
}

TEST(Scenario, lists_the_values_of_an_enumeration) {
    EXPECT_THAT(
        problems_of("steps { at_ms: 1 subscribe { client: \"subscriber\"\n"
                    "  subscriptions { filter: \"t\" qos: at_lest_once } } }"),
        ElementsAre("x.textproto:9: qos: 'at_lest_once' is none of at_most_once, at_least_once, "
                    "exactly_once; did you mean 'at_least_once'?"));
}

TEST(Scenario, names_line_and_field_of_an_unknown_client) {
    EXPECT_THAT(problems_of("\nsteps { at_ms: 1 connect { client: \"subscribr\" } }"),
                ElementsAre("x.textproto:9: steps[0].connect.client: no client is called "
                            "'subscribr'; did you mean 'subscriber'?"));
}

TEST(Scenario, knows_links_by_their_clients_and_nodes_by_name) {
    EXPECT_THAT(problems_of("steps { at_ms: 1 stall { link: \"x\" } }\n"
                            "steps { at_ms: 1 crash { node: \"brocker\" } }"),
                ElementsAre("x.textproto:8: steps[0].stall.link: no client is called 'x'; known: "
                            "subscriber",
                            "x.textproto:9: steps[1].crash.node: no node is called 'brocker'; did "
                            "you mean 'broker'?"));
}

TEST(Scenario, wants_payloads_to_be_unique) {
    EXPECT_THAT(
        problems_of("steps { at_ms: 1 publish { client: \"subscriber\"\n"
                    "messages { topic: \"t\" payload: \"1\" }\n"
                    "messages { topic: \"t\" payload: \"1\" } } }"),
        ElementsAre(HasSubstr("x.textproto:10: steps[0].publish.messages[1].payload: '1' is the "
                              "payload of steps[0].publish.messages[0] already")));
}

TEST(Scenario, wants_a_disk_whose_times_are_in_order) {
    EXPECT_THAT(problems_of("nodes { name: \"n\" storage { sync_ms_low: 2 } }"), IsEmpty());
    EXPECT_THAT(problems_of("nodes { name: \"n\" storage { sync_ms_low: 7 } }"),
                ElementsAre("x.textproto:8: nodes[1].storage.sync_ms_high: 5 is less than "
                            "sync_ms_low, 7"));
}

TEST(Scenario, wants_a_clock_that_can_be) {
    EXPECT_THAT(problems_of("clients { name: \"c\" clock { drift_ppm: -900001 } }"),
                ElementsAre(HasSubstr(":8: clients[1].clock.drift_ppm: -900001 is not in "
                                      "-900000..1000000")));
    EXPECT_THAT(problems_of("clients { name: \"c\" clock { offset_ms: 1 } }"),
                ElementsAre(HasSubstr("clients[1].clock.offset_ms: is for nodes; a client reads no "
                                      "wall clock")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 set_clock { jump_ms: 3162240000001 } }"),
                ElementsAre(HasSubstr("jump_ms: 3162240000001 is more than a hundred years")));
}

TEST(Scenario, wants_paths_that_the_client_has) {
    const std::string two = "clients { name: \"c\" paths { delay_us: 1 } }\n";
    EXPECT_THAT(problems_of(two + "steps { at_ms: 1 change_path { client: \"c\" path: 1 } }"),
                IsEmpty());
    EXPECT_THAT(problems_of(two + "steps { at_ms: 1 change_path { client: \"c\" path: 2 } }"),
                ElementsAre("x.textproto:9: steps[0].change_path.path: 2 is none of 'c', which has "
                            "paths 0..1"));
    EXPECT_THAT(problems_of("clients { name: \"c\" paths { buffer_bytes: 0 } }"),
                ElementsAre(HasSubstr("clients[1].paths[0].buffer_bytes: 0 is not in 1..")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 set_link { link: \"subscriber\"\n"
                            "  model { delay_us: 2 delay_us_high: 1 } } }"),
                ElementsAre(HasSubstr("set_link.model.delay_us_high: 1 is less than delay_us, 2")));
}

TEST(Scenario, wants_a_change_of_a_clock_to_change_something_of_somebody) {
    EXPECT_THAT(problems_of("steps { at_ms: 1 set_clock { jump_ms: -1 } }"), IsEmpty());
    EXPECT_THAT(problems_of("steps { at_ms: 1 set_clock { node: \"broker\" } }"),
                ElementsAre(HasSubstr("steps[0].set_clock.drift_ppm: is missing; say what changes, "
                                      "drift_ppm or jump_ms")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 set_clock { node: \"broker\" client: \"x\"\n"
                            "  drift_ppm: 1 } }"),
                ElementsAre(HasSubstr("set_clock.client: no client is called 'x'"),
                            HasSubstr("set_clock.client: and a node; name one of them")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 set_clock { client: \"subscriber\" jump_ms: 1\n"
                            "  drift_ppm: 1 } }"),
                ElementsAre(HasSubstr("set_clock.jump_ms: is for nodes; a client reads no wall "
                                      "clock")));
}

TEST(Scenario, refuses_what_is_out_of_range_or_no_topic) {
    EXPECT_THAT(problems_of("steps { at_ms: 2000 vanish { client: \"subscriber\" } }"),
                ElementsAre(HasSubstr(":8: steps[0].at_ms: 2000 is behind the end of the run")));
    EXPECT_THAT(problems_of("clients { name: \"c\" receive_maximum: 70000 }"),
                ElementsAre(HasSubstr(":8: clients[1].receive_maximum: 70000 is not in 1..65535")));
    EXPECT_THAT(problems_of("clients { name: \"c\" subscriptions { filter: \"a/#/b\" } }"),
                ElementsAre(HasSubstr("'a/#/b' is no Topic Filter")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 raw { client: \"subscriber\" hex: \"c0 0\" } }"),
                ElementsAre(HasSubstr("pairs of hexadecimal digits")));
    EXPECT_THAT(
        problems_of("steps { at_ms: 1 access_rules { node: \"x\" rules: \"{allow, al}.\" } }"),
        ElementsAre(HasSubstr("steps[0].access_rules.node: no node is called 'x'"),
                    HasSubstr("access_rules.rules: rule line 1, column 9: expected")));
    EXPECT_THAT(problems_of("nodes { name: \"n\" settings { access_rules: \"deny\" } }"),
                ElementsAre(HasSubstr(":8: nodes[1].settings.access_rules: rule line 1")));
    EXPECT_THAT(problems_of("clients { name: \"broker\" }"),
                ElementsAre(HasSubstr("'broker' is taken")));
    EXPECT_THAT(problems_of("clients { name: \"c\" version: 4 }"),
                ElementsAre(HasSubstr("4 is neither 3 (MQTT 3.1.1) nor 5")));
    EXPECT_THAT(problems_of("clients { name: \"c\" version: 3 session_expiry_s: 5 }"),
                ElementsAre(HasSubstr("is MQTT 5.0 only")));
}

TEST(Scenario, says_what_is_missing) {
    EXPECT_THAT(parse_scenario("x", "").problems,
                ElementsAre(HasSubstr("description: is missing"),
                            HasSubstr("duration_ms: is missing"), HasSubstr("nodes: is missing")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 }"),
                ElementsAre(HasSubstr(":8: steps[0]: nothing happens; add one of connect")));
    EXPECT_THAT(problems_of("expectations { }"), ElementsAre(HasSubstr("expects nothing")));
}

TEST(Scenario, knows_invariants_and_defect_switches) {
    EXPECT_THAT(problems_of("invariants: \"O9\"\ndefects: \"will_twic\""),
                ElementsAre(HasSubstr(":8: invariants: 'O9' is no invariant; did you mean 'O"),
                            HasSubstr(":9: defects: 'will_twic' is no defect switch; did you mean "
                                      "'will_twice'?")));
    EXPECT_THAT(
        problems_of("proofs { defect: \"will_twice\" invariant: \"zzz\" }"),
        ElementsAre(HasSubstr(":8: proofs[0].invariant: 'zzz' is no invariant; known: O1")));
}

TEST(Scenario, knows_who_may_have_a_defect) {
    EXPECT_THAT(
        problems_of("proofs { defect: \"will_twice\" invariant: \"L1\" client: \"subscriber\" }"),
        ElementsAre(HasSubstr(":8: proofs[0].client: 'will_twice' is a defect of nodes")));
    EXPECT_THAT(problems_of("proofs { defect: \"qos2_client_no_dedupe\" invariant: \"Q2\"\n"
                            "client: \"x\" }"),
                ElementsAre(HasSubstr(":9: proofs[0].client: no client is called 'x'")));
    EXPECT_THAT(problems_of("defects: \"qos2_client_no_dedupe@x\""),
                ElementsAre(HasSubstr(":8: defects: no client is called 'x'")));
    EXPECT_THAT(problems_of("defects: \"qos2_client_no_dedupe@\""),
                ElementsAre(HasSubstr("names no client; write qos2_client_no_dedupe@CLIENT")));
}

TEST(Scenario, knows_the_rules_of_its_clients_and_their_faults) {
    EXPECT_THAT(problems_of("clients { name: \"c\" retry_interval_ms: 5 }"),
                ElementsAre(HasSubstr("retry_interval_ms: is MQTT 3.1.1 only; use version: 3")));
    EXPECT_THAT(problems_of("clients { name: \"c\" version: 3 topic_alias_max: 5 }"),
                ElementsAre(HasSubstr("topic_alias_max: is MQTT 5.0 only; use version: 5")));
    EXPECT_THAT(problems_of("bridges { one: \"subscriber\" other: \"subscriber\" }"),
                ElementsAre(HasSubstr("bridges[0].other: is the same client")));
    EXPECT_THAT(problems_of("steps { reset_after { link: \"subscriber\" } }"),
                ElementsAre(HasSubstr("bytes: is missing; at least 1"),
                            HasSubstr("direction: is missing; to_broker or to_client")));
    EXPECT_THAT(
        problems_of("clients { name: \"c\" count: 3 }\nsteps { vanish { client: \"c\" } }"),
        ElementsAre(HasSubstr(":9: steps[0].vanish.client: 'c' has a count; only `connect`")));
    EXPECT_THAT(problems_of("steps { raw_to_client { client: \"subscriber\" hex: \"3\" } }"),
                ElementsAre(HasSubstr("hex: pairs of hexadecimal digits")));
}

TEST(Scenario, has_a_cluster_whose_model_is_known_and_time_for_it_to_heal) {
    const auto with = [](const std::string& more) {
        return problems_of("nodes { name: \"b\" } " + more);
    };
    EXPECT_THAT(with("cluster { model: \"emqx4\" }"), IsEmpty());
    EXPECT_THAT(with("cluster {}"), ElementsAre(HasSubstr("cluster.model: is missing")));
    EXPECT_THAT(with("cluster { model: \"emqx6\" }"),
                ElementsAre(HasSubstr("'emqx6' is no model; did you mean 'emqx4'?")));
    EXPECT_THAT(problems_of("cluster { model: \"emqx4\" }"),
                ElementsAre(HasSubstr("cluster: takes at least two nodes")));
    EXPECT_THAT(with("cluster { model: \"emqx4\" } settle_ms: 500"),
                ElementsAre(HasSubstr("settle_ms: 500 is too short for emqx4")));
    EXPECT_THAT(with("cluster { model: \"emqx4\" } invariants: \"Q2\""),
                ElementsAre(HasSubstr("'Q2' is no invariant of clusters")));
    EXPECT_THAT(with("invariants: \"C1\""), ElementsAre(HasSubstr("'C1' is no invariant")));
    EXPECT_THAT(with("cluster { model: \"emqx4\" } nodes { name: \"d\" storage {} }"),
                ElementsAre(HasSubstr("storage: is not for nodes of a cluster")));
}

TEST(Scenario, says_of_a_cluster_what_its_model_can_do) {
    const auto with = [](const std::string& more) {
        return problems_of("nodes { name: \"b\" } cluster { " + more + " }");
    };
    EXPECT_THAT(with("model: \"emqx4\" autoclean_ms: 1 discovers: true locks_most_of_all: true"),
                IsEmpty());
    EXPECT_THAT(with("model: \"hivemq\" autoclean_ms: 1 discovers: true locks_most_of_all: true"),
                ElementsAre(HasSubstr("autoclean_ms: is for models with a database; hivemq is"),
                            HasSubstr("discovers: is for models with a database"),
                            HasSubstr("locks_most_of_all: is for models that lock clients")));
    EXPECT_THAT(with("model: \"vernemq\" kept_messages_max: 1"), IsEmpty());
    EXPECT_THAT(with("model: \"vernemq\" kept_messages_max: 0"),
                ElementsAre(HasSubstr("kept_messages_max: 0 is not in 1..1000000")));
    EXPECT_THAT(with("model: \"emqx4\" kept_messages_max: 1"),
                ElementsAre(HasSubstr("is for models that keep publications for others")));
    EXPECT_THAT(with("model: \"emqx5\" replicants: \"b\""), IsEmpty());
    EXPECT_THAT(with("model: \"emqx5\" replicants: \"x\""),
                ElementsAre(HasSubstr("replicants: no node is called 'x'")));
    EXPECT_THAT(with("model: \"emqx4\" replicants: \"b\""),
                ElementsAre(HasSubstr("is for models of cores and replicants")));
}

TEST(Scenario, has_a_node_come_back_or_not) {
    EXPECT_THAT(problems_of("steps { at_ms: 1 crash { for_good: true } }"), IsEmpty());
    EXPECT_THAT(problems_of("steps { at_ms: 1 stop { for_good: true restart_after_ms: 1 } }"),
                ElementsAre(HasSubstr("is said of a node that goes for good")));
}

TEST(Scenario, parts_nodes_of_a_cluster_that_are_there) {
    const auto with = [](const std::string& partition) {
        return problems_of(
            "nodes { name: \"b\" } nodes { name: \"c\" } cluster { model: \"emqx4\" } "
            "steps { at_ms: 1 partition { " +
            partition + " } }");
    };
    EXPECT_THAT(with("side: \"b\""), IsEmpty());
    EXPECT_THAT(with(""), ElementsAre(HasSubstr("partition.side: is missing")));
    EXPECT_THAT(with("side: \"x\""), ElementsAre(HasSubstr("side: no node is called 'x'")));
    EXPECT_THAT(with("side: \"b\" from: \"b\""), ElementsAre(HasSubstr("'b' is on both sides")));
    EXPECT_THAT(problems_of("steps { at_ms: 1 partition { side: \"broker\" from: \"x\" } }"),
                testing::Contains(HasSubstr("takes a cluster")));
}

TEST(Scenario, wants_policies_that_the_model_can_have) {
    const auto with = [](const std::string& cluster) {
        return problems_of("nodes { name: \"b\" } cluster { " + cluster + " }");
    };
    EXPECT_THAT(with("model: \"emqx4\" healing: \"rabbit_autoheal\""), IsEmpty());
    EXPECT_THAT(with("model: \"vernemq\" allowed { publishing: true }"), IsEmpty());
    EXPECT_THAT(with("model: \"emqx4\" healing: \"emqx3\""),
                ElementsAre(HasSubstr("healing: 'emqx3' is no way to heal; did you mean 'emqx4'")));
    EXPECT_THAT(with("model: \"hivemq\" healing: \"off\" allowed {}"),
                ElementsAre(HasSubstr("healing: is for models with a database; hivemq is none"),
                            HasSubstr("allowed: is for models that need all members")));
    EXPECT_THAT(with("model: \"emqx5\" healing: \"off\" replicants: \"b\""),
                ElementsAre(HasSubstr("replicants: is for models of cores and replicants")));
}

TEST(Scenario, has_visitors_and_rules_for_what_a_workload_does_with_them) {
    const auto with = [](const std::string& more) {
        return problems_of("workload { clients: \"subscriber\" topics: \"t/%c\" filters: \"t/+\" "
                           "publish_every_ms_low: 1 publish_every_ms_high: 1 "
                           "disturb_every_ms_low: 1 disturb_every_ms_high: 1 " +
                           more + " }");
    };
    EXPECT_THAT(with("disturbances: visit disturbances: change_access_rules"),
                ElementsAre(HasSubstr("workload.disturbances: visit is what `visitors` do"),
                            HasSubstr("change_access_rules chooses from `access_rules`")));
    EXPECT_THAT(with("disturbances: overlong_length"),
                ElementsAre(HasSubstr("overlong_length is what `visitors` do")));
    EXPECT_THAT(with("disturbances: visit_with_will"),
                ElementsAre(HasSubstr("visit_with_will is what `visitors` do")));
    EXPECT_THAT(with("disturbances: [lose_any_node, change_any_clock]"),
                ElementsAre(HasSubstr("lose_any_node takes a cluster"),
                            HasSubstr("change_any_clock takes a cluster")));
    EXPECT_THAT(with("nodes_every_ms_high: 5 nodes_for_ms_low: 2 nodes_for_ms_high: 1"),
                ElementsAre(HasSubstr("nodes_for_ms_high: 1 is less than nodes_for_ms_low, 2"),
                            HasSubstr("nodes_every_ms_low: is missing; at least 1")));
    EXPECT_THAT(with("visitors: [\"subscriber\", \"x\"]"),
                ElementsAre(HasSubstr("visitors: 'subscriber' is among `clients`"),
                            HasSubstr("visitors: no client is called 'x'")));
    EXPECT_THAT(with("access_rules: \"{allow, al}.\" delete_per_mille: 1001"),
                ElementsAre(HasSubstr("delete_per_mille: 1001 is not in 0..1000"),
                            HasSubstr("access_rules: rule line 1, column 9: expected")));
    EXPECT_THAT(with("expiry_s_low: 5 expiry_s_high: 4"), ElementsAre(HasSubstr("expiry_s_")));
    EXPECT_THAT(with("topics: \"+/%c/%c\""),
                ElementsAre(HasSubstr("topics: '+/subscriber/subscriber' is no Topic Name")));
}

TEST(Scenario, of_the_catalogue_has_story_reference_and_proof) {
    EXPECT_THAT(problems_of("catalogue: \"QX-01\""),
                ElementsAre(HasSubstr("story: is missing"), HasSubstr("references: is missing"),
                            HasSubstr("proofs: is missing")));
    EXPECT_THAT(problems_of("story: \"s\""),
                ElementsAre(HasSubstr(":8: story: is for entries of the catalogue")));
}

TEST(Scenario, a_file_that_cannot_be_read_is_named) {
    EXPECT_THAT(load_scenario("no/such.textproto").problems,
                ElementsAre(HasSubstr("no/such.textproto: No such file or directory")));
    EXPECT_THAT(load_scenario("scenarios").problems, ElementsAre(HasSubstr("Is a directory")));
}

TEST(Scenario, a_syntax_error_has_its_line) {
    EXPECT_THAT(problems_of("steps { at_ms: }"), ElementsAre(HasSubstr("x.textproto:8: ")));
}

TEST(Scenario, a_disk_has_to_be_there_before_it_can_fail) {
    EXPECT_THAT(problems_of("steps { at_ms: 1 disk { trouble: full } }"),
                ElementsAre("x.textproto:8: steps[0].disk: a node without a disk; add `storage {}` "
                            "to it"));
    EXPECT_THAT(problems_of("steps { at_ms: 1 disk { node: \"broker\" trouble: lost } }"),
                ElementsAre(HasSubstr(":8: steps[0].disk.node: a node without a disk")));
    const std::string workload =
        "workload { clients: \"subscriber\" topics: \"t\" filters: \"t\" publish_every_ms_low: 1 "
        "publish_every_ms_high: 2 disturb_every_ms_low: 1 disturb_every_ms_high: 2\n"
        "disturbances: tear_batch }";
    EXPECT_THAT(problems_of(workload),
                ElementsAre("x.textproto:9: workload.disturbances: tear_batch takes a disk, which "
                            "the first node has not; add `storage {}` to it"));
}

TEST(Scenario, a_disk_fails_in_one_way_at_a_time) {
    const auto of = [](const std::string& fault) {
        return parse_scenario("x.textproto", "description: \"d\"\nduration_ms: 1000\n"
                                             "nodes { storage {} }\nsteps { at_ms: 1 disk { " +
                                                 fault + " } }")
            .problems;
    };
    EXPECT_THAT(of("trouble: late for_ms: 5"), IsEmpty());
    EXPECT_THAT(of("sync_ms_high: 5"), IsEmpty());
    EXPECT_THAT(of(""), ElementsAre("x.textproto:1: steps[0].disk.sync_ms_high: is missing; or "
                                    "name another `trouble`"));
    EXPECT_THAT(of("sync_ms_high: 1001"),
                ElementsAre(HasSubstr("sync_ms_high: 1001 is not in 0..1000")));
    EXPECT_THAT(of("sync_ms_low: 6 sync_ms_high: 5"),
                ElementsAre(HasSubstr("sync_ms_high: 5 is less than sync_ms_low, 6")));
    EXPECT_THAT(of("trouble: full sync_ms_high: 5"),
                ElementsAre(HasSubstr("sync_ms_high: is for slow_sync alone")));
    EXPECT_THAT(of("trouble: torn batches: 5"),
                ElementsAre(HasSubstr("batches: is for `lost` alone")));
    EXPECT_THAT(of("trouble: lost batches: 0"),
                ElementsAre(HasSubstr("batches: 0 is not in 1..1000")));
}

}  // namespace
}  // namespace touchstone::simulator
