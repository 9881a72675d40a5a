// The scenarios of the project: each ends as it declares, proves what it says it proves, and is
// decided by its seed alone. And a sweep over random ones.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "broker/base/defects.hpp"
#include "simulator/client_defects.hpp"
#include "simulator/defect_choice.hpp"
#include "simulator/library.hpp"
#include "simulator/results.hpp"
#include "simulator/run.hpp"
#include "simulator/scenario.hpp"
#include "simulator/text_format.hpp"

namespace touchstone::simulator {
namespace {

std::vector<std::string> scenario_paths() {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{"scenarios"}) {
        if (entry.path().extension() == ".textproto") paths.push_back(entry.path().string());
    }
    std::ranges::sort(paths);
    return paths;
}

scenario::Scenario load(const std::string& path) {
    auto loaded = load_scenario(path);
    EXPECT_TRUE(loaded.problems.empty()) << loaded.problems.front();
    return std::move(loaded.scenario);
}

std::string explain(const Outcome& outcome) {
    std::string text = "seed " + std::to_string(outcome.seed) + "\n";
    for (const auto& one : outcome.invariants) {
        for (const auto& failure : one.failures) {
            text += std::string{one.checker->id} + ": " + failure.explanation + "\n";
        }
    }
    for (const auto& one : outcome.disappointments) {
        text += one.what + ": expected " + one.expected + ", got " + one.seen + "\n";
    }
    return text;
}

class Library : public testing::TestWithParam<std::string> {};

TEST_P(Library, ends_as_declared_and_the_same_every_time) {
    const auto scenario = load(GetParam());
    const auto first = run_scenario(scenario, {});
    EXPECT_TRUE(is_as_declared(scenario, first)) << explain(first);
    const auto second = run_scenario(scenario, {});
    EXPECT_EQ(first.digest(), second.digest());
}

TEST_P(Library, catches_the_defects_it_names_and_breaks_nothing_unrelated) {
    const auto scenario = load(GetParam());
    for (const auto& proof : scenario.proofs()) {
        SCOPED_TRACE(proof.defect());
        const auto proved = prove(scenario, proof);
        EXPECT_EQ(broken_invariants(proved.outcome), proved.expected) << explain(proved.outcome);
    }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Library, testing::ValuesIn(scenario_paths()),
                         [](const testing::TestParamInfo<std::string>& parameter) {
                             std::string name;
                             for (const char c : parameter.param) {
                                 name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                             }
                             return name;
                         });

TEST(Defects, each_switch_is_caught_by_a_scenario) {
    std::set<std::string> caught;
    for (const auto& path : scenario_paths()) {
        const auto scenario = load(path);
        for (const auto& proof : scenario.proofs()) caught.insert(proof.defect());
    }
    for (const auto& name : all_defect_names()) EXPECT_TRUE(caught.contains(name)) << name;
}

std::vector<LoadedScenario> entries_of_library() {
    std::vector<LoadedScenario> entries;
    for (const auto& path : scenario_paths()) {
        auto loaded = load_scenario(path);
        if (!loaded.scenario.catalogue().empty()) entries.push_back(std::move(loaded));
    }
    return entries;
}

TEST(Catalogue, has_every_entry_once_and_scenarios_where_they_belong) {
    const auto loaded = load_catalogue("scenarios/catalogue.pbtxt");
    EXPECT_THAT(loaded.problems, testing::IsEmpty());
    EXPECT_EQ(loaded.catalogue.entries_size(), 197);
    std::vector<LoadedScenario> known;
    for (const auto& one : entries_of_library()) {
        EXPECT_THAT(problems_of_place(one, loaded.catalogue, known), testing::IsEmpty());
        known.push_back(one);
    }
    EXPECT_FALSE(known.empty());
}

TEST(Catalogue, a_scenario_out_of_place_is_told_why) {
    scenario::Catalogue catalogue;
    auto* entry = catalogue.add_entries();
    entry->set_id("QX-01");
    entry->add_switches("qos2_client_no_dedupe");
    LoadedScenario loaded;
    loaded.path = "qos2/qx-02.textproto";
    loaded.scenario.set_catalogue("QX-01");
    loaded.scenario.add_proofs()->set_defect("will_twice");
    EXPECT_THAT(problems_of_place(loaded, catalogue, {}),
                testing::ElementsAre(testing::HasSubstr("call it qx-01.textproto"),
                                     testing::HasSubstr("name a switch of QX-01: qos2_client")));
    entry->set_not_expressible("no such thing");
    EXPECT_THAT(problems_of_place(loaded, catalogue, {loaded}),
                testing::Contains(testing::HasSubstr("QX-01 has a scenario already")));
    EXPECT_THAT(problems_of_place(loaded, catalogue, {}),
                testing::Contains(testing::HasSubstr("recorded as not expressible")));
    loaded.scenario.set_catalogue("QX-99");
    EXPECT_THAT(problems_of_place(loaded, catalogue, {}),
                testing::ElementsAre(testing::HasSubstr("there is no entry 'QX-99'")));
}

TEST(Catalogue, the_index_in_the_readme_is_up_to_date) {
    std::vector<std::string> problems;
    const auto readme = read_text_file("scenarios/README.md", "it has the index", problems);
    ASSERT_TRUE(readme) << problems.front();
    const auto catalogue = load_catalogue("scenarios/catalogue.pbtxt").catalogue;
    const auto index = index_of(catalogue, entries_of_library(), "scenarios");
    EXPECT_TRUE(readme->ends_with("<!-- ci/library --index -->\n" + index))
        << "ci/library --index writes it";
}

void sweep(const std::string& path, std::uint64_t first_seed, std::uint64_t last_seed,
           unsigned shard_count) {
    const auto scenario = load(path);
    std::set<std::string_view> never{scenario.sometimes().begin(), scenario.sometimes().end()};
    ASSERT_THAT(never, Not(testing::IsEmpty())) << path << " says what it is there for";
    for (auto seed = first_seed; seed <= last_seed; ++seed) {
        const auto outcome = run_scenario(scenario, {.seed = seed, .shard_count = shard_count});
        for (const auto& one : outcome.sometimes) {
            if (one.has_happened) never.erase(one.condition->name);
        }
        ASSERT_TRUE(outcome.has_passed())
            << explain(outcome) << "again: touchstone simulate " << path << " --seed " << seed
            << " --shards " << shard_count;
    }
    EXPECT_THAT(never, testing::IsEmpty()) << "in " << path;
}

TEST(Sweep, crashes_of_a_node_with_a_disk_on_one_shard) {
    sweep("scenarios/sweep/durable.textproto", 1, 200, 1);
}

TEST(Sweep, crashes_of_a_node_with_a_disk_on_two_shards) {
    sweep("scenarios/sweep/durable.textproto", 1'001, 1'200, 2);
}

TEST(Sweep, disks_that_fail_or_lie_on_one_shard) {
    sweep("scenarios/sweep/disks.textproto", 1, 200, 1);
}

TEST(Sweep, disks_that_fail_or_lie_on_two_shards) {
    sweep("scenarios/sweep/disks.textproto", 1'001, 1'200, 2);
}

TEST(Sweep, session_faults_on_one_shard) {
    sweep("scenarios/sweep/session-faults.textproto", 1, 200, 1);
}

TEST(Sweep, session_faults_on_two_shards) {
    sweep("scenarios/sweep/session-faults.textproto", 1'001, 1'200, 2);
}

TEST(Sweep, session_faults_on_five_shards) {
    sweep("scenarios/sweep/session-faults.textproto", 2'001, 2'050, 5);
}

TEST(Sweep, shared_subscriptions) {
    sweep("scenarios/sweep/shared.textproto", 1, 100, 2);
}

TEST(Sweep, shared_subscriptions_on_disks_that_fail_or_lie) {
    sweep("scenarios/sweep/shared-disks.textproto", 1, 200, 2);
}

TEST(Sweep, disks_in_trouble_under_clients_that_are_cut_off) {
    sweep("scenarios/sweep/troubled-disks.textproto", 1, 200, 2);
}

TEST(Sweep, crashes) {
    sweep("scenarios/sweep/crashes.textproto", 1, 100, 2);
}

TEST(Sweep, visitors_that_break_the_rules) {
    sweep("scenarios/sweep/visitors.textproto", 1, 200, 2);
}

TEST(Sweep, what_is_in_the_messages) {
    sweep("scenarios/sweep/contents.textproto", 1, 200, 2);
}

TEST(Sweep, retained_states_on_three_shards) {
    sweep("scenarios/sweep/states.textproto", 1, 200, 3);
}

TEST(Sweep, runs_that_break_off) {
    sweep("scenarios/sweep/unfinished.textproto", 1, 200, 3);
}

TEST(Sweep, absences_of_minutes) {
    sweep("scenarios/sweep/long.textproto", 1, 30, 2);
}

TEST(Sweep, packets_of_megabytes) {
    sweep("scenarios/sweep/large.textproto", 1, 15, 2);
}

TEST(Sweep, a_bridge) {
    sweep("scenarios/sweep/bridge.textproto", 1, 200, 2);
}

TEST(Sweep, clusters) {
    sweep("scenarios/sweep/cluster.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_of_cores) {
    sweep("scenarios/sweep/cluster-cores.textproto", 1, 200, 1);
}

TEST(Sweep, clusters_that_merge) {
    sweep("scenarios/sweep/cluster-merge.textproto", 1, 200, 3);
}

TEST(Sweep, clusters_whose_minority_pauses) {
    sweep("scenarios/sweep/cluster-pause.textproto", 1, 200, 1);
}

// A node that had got tables of an attempt to join that it had given up took no others any more.
TEST(Sweep, a_cluster_whose_node_gave_an_attempt_to_join_up) {
    const auto scenario = load("scenarios/sweep/cluster-pause.textproto");
    for (const std::uint64_t seed : {2'326U, 2'539U, 4'526U}) {
        const auto outcome = run_scenario(scenario, {.seed = seed, .shard_count = 2});
        EXPECT_TRUE(outcome.has_passed()) << explain(outcome);
    }
}

TEST(Sweep, clusters_that_agree_upon_their_clients) {
    sweep("scenarios/sweep/cluster-agreed.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_that_are_one_broker) {
    sweep("scenarios/sweep/cluster-strict.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_that_are_one_broker_of_one_shard) {
    sweep("scenarios/sweep/cluster-strict.textproto", 1'001, 1'200, 1);
}

TEST(Sweep, clusters_whose_sides_both_serve) {
    sweep("scenarios/sweep/cluster-ideal.textproto", 1, 300, 2);
}

TEST(Sweep, clusters_that_serve_only_as_a_whole) {
    sweep("scenarios/sweep/cluster-ready.textproto", 1, 200, 1);
}

TEST(Sweep, clusters_whose_sides_go_on) {
    sweep("scenarios/sweep/cluster-allowed.textproto", 1, 200, 2);
}

TEST(Sweep, messages_that_nodes_keep_for_each_other) {
    sweep("scenarios/sweep/cluster-kept.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_whose_minorities_refuse) {
    sweep("scenarios/sweep/cluster-quorum.textproto", 1, 200, 1);
}

TEST(Sweep, clusters_that_lose_a_node_for_good) {
    sweep("scenarios/sweep/cluster-leave.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_whose_minority_is_gone_for_good) {
    sweep("scenarios/sweep/cluster-lost.textproto", 1, 200, 1);
}

TEST(Sweep, clusters_of_which_some_nodes_have_no_vote) {
    sweep("scenarios/sweep/cluster-voters.textproto", 1, 200, 1);
}

TEST(Sweep, clusters_whose_clocks_differ) {
    sweep("scenarios/sweep/cluster-clocks.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_whose_clients_die) {
    sweep("scenarios/sweep/cluster-wills.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_that_are_parted_for_minutes) {
    sweep("scenarios/sweep/cluster-long.textproto", 1, 200, 1);
}

TEST(Sweep, clusters_of_cores_and_replicants) {
    sweep("scenarios/sweep/cluster-replicants.textproto", 1, 200, 2);
}

TEST(Sweep, clusters_that_boot) {
    sweep("scenarios/sweep/cluster-boot.textproto", 1, 200, 1);
}

TEST(Sweep, a_crowd) {
    sweep("scenarios/sweep/crowd.textproto", 1, 50, 1);
}

/// The sweep that meets a defect, where the one of session faults does not.
const std::map<std::string_view, const char*> special_sweeps{
    {"ack_before_commit", "cluster-strict"},
    {"ack_type_confusion", "visitors"},
    {"alloc_by_announced_len", "limits"},
    {"autocluster_two_seeds", "cluster-boot"},
    {"bridge_echo_retained", "bridge"},
    {"client_id_pattern_acl", "visitors"},
    {"cluster_no_uniqueness", "cluster"},
    {"confirm_in_minority", "cluster-strict"},
    {"connect_event_before_disconnect", "visitors"},
    {"federation_double_route", "cluster-ideal"},
    {"forward_buffer_drop_after_ack", "cluster-kept"},
    {"heal_asymmetric_unsupported", "cluster-long"},
    {"heal_disabled", "cluster"},
    {"heal_loser_state_dropped", "cluster-replicants"},
    {"heal_needs_all_nodes", "cluster-leave"},
    {"heal_reconnect_no_wipe", "cluster-quorum"},
    {"heal_single_shot", "cluster"},
    {"heal_two_phase_rpc", "cluster"},
    {"heal_two_sides_only", "cluster"},
    {"heal_wrong_electorate", "cluster-replicants"},
    {"keepalive_by_bytes", "visitors"},
    {"keepalive_uncapped", "visitors"},
    {"leak_on_bad_property", "visitors"},
    {"lock_over_reachable", "cluster-quorum"},
    {"lww_wall_clock", "cluster-clocks"},
    {"merge_union_resurrects", "cluster-merge"},
    {"metadata_merge_crash", "cluster-allowed"},
    {"migration_owner_ambiguous", "cluster-allowed"},
    {"overlap_prevention_cascade", "cluster"},
    {"pause_minority_missed", "cluster-pause"},
    {"prop_len_unchecked", "visitors"},
    {"purge_after_rejoin", "cluster"},
    {"purge_never", "cluster-leave"},
    {"purge_on_nodedown", "cluster-merge"},
    {"qos2_drop_leak", "visitors"},
    {"qos2_expiry_removes_release", "contents"},
    {"qos2_go_back_n", "swarm"},
    {"qos2_rx_ttl", "long"},
    {"raft_boot_needs_leader", "cluster-strict"},
    {"raft_no_redial", "cluster-strict"},
    {"ready_requires_all", "cluster-allowed"},
    {"reconnect_no_jitter", "crowd"},
    {"recvmax_overrun_unchecked", "visitors"},
    {"recvmax_overwritten_on_takeover", "durable"},
    {"register_crash_on_nodedown", "cluster-allowed"},
    {"registry_ghost_after_heal", "cluster"},
    {"registry_node_local", "cluster"},
    {"registry_third_party_cleanup", "cluster-merge"},
    {"reject_keeps_state", "visitors"},
    {"reject_tears_incumbent", "visitors"},
    {"replica_magnet", "cluster-replicants"},
    {"replica_not_ready_stall", "cluster-strict"},
    {"replicant_needs_one_core_view", "cluster-long"},
    {"reroute_kicks_live", "cluster-ideal"},
    {"retain_after_revoke", "visitors"},
    {"retain_async_single_writer", "states"},
    {"retain_delete_poison", "states"},
    {"retain_replication_lag", "states"},
    {"sei_ignored", "visitors"},
    {"session_cas_conflict", "cluster-agreed"},
    {"session_open_to_anyone", "visitors"},
    {"share_membership_race", "unfinished"},
    {"share_picks_offline", "unfinished"},
    {"share_remote_missing_after_restart", "cluster"},
    {"stale_target_buffer", "cluster-kept"},
    {"stall_without_quorum", "cluster-lost"},
    {"suback_waits_for_dead", "cluster-allowed"},
    {"sweeper_crash_on_churn", "cluster-leave"},
    {"takeover_old_gone_error", "limits"},
    {"takeover_wedge", "limits"},
    {"topic_len_underflow", "visitors"},
    {"tracker_local_member_only", "cluster-voters"},
    {"tracker_majority_required", "cluster"},
    {"unbounded_inflight", "unfinished"},
    {"unbounded_write_buffer", "contents"},
    {"uncertainty_window", "cluster-kept"},
    {"varint4_rejected", "large"},
    {"will_lost_not_ready", "cluster-wills"},
};

// Bytes that nobody makes in a sweep. Hostile input finds these: `ci/hunt`, and the first seeds
// of it in conformance/generated/tests.
const std::set<std::string_view> defects_beyond_the_sweeps{
    "deep_topic_recursion", "pid_bytes_unchecked", "server_only_packet_path", "subopts_unchecked",
    "zero_len_topic_crash"};

bool is_found_by_search(std::string_view name, const std::string& switched_on,
                        const char* ordinary) {
    const auto special = special_sweeps.find(name);
    const char* sweep = special != special_sweeps.end() ? special->second : ordinary;
    const auto scenario = load("scenarios/sweep/" + std::string{sweep} + ".textproto");
    constexpr std::uint64_t seeds_max = 300;
    for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
        const RunOptions options{
            .seed = seed, .shard_count = std::nullopt, .defects = {switched_on}};
        if (!run_scenario(scenario, options).has_passed()) return true;
    }
    return false;
}

// What shows only on a node that stores.
const std::set<std::string_view> defects_of_storage{"offline_single_copy",
                                                    "persist_only_on_growth",
                                                    "qos2_ack_on_store_error",
                                                    "qos2_delete_before_forward",
                                                    "ram_only_session",
                                                    "restore_drops_queue",
                                                    "retain_restore_corrupt",
                                                    "sei_clock_stops_when_down",
                                                    "snapshot_dangling_ref",
                                                    "snapshot_no_fsync",
                                                    "snapshot_without_inflight",
                                                    "will_lost_on_crash",
                                                    "will_owner_gone"};

/// Names of switches; one test for each, so that a slow build of all has no slow test.
template <class Switches>
std::vector<std::string> names_of(const Switches& switches, auto is_wanted) {
    std::vector<std::string> names;
    for (const auto& one : switches) {
        if (is_wanted(one.name)) names.emplace_back(one.name);
    }
    return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
    return info.param;
}

// Random search finds what the scenarios were made for.
class DefectOfNodes : public testing::TestWithParam<std::string> {};

TEST_P(DefectOfNodes, is_found) {
    const auto& name = GetParam();
    const char* ordinary = defects_of_storage.contains(name) ? "disks"
                           : name.starts_with("share_")      ? "shared"
                                                             : "session-faults";
    EXPECT_TRUE(is_found_by_search(name, name, ordinary));
}

INSTANTIATE_TEST_SUITE_P(Sweep, DefectOfNodes,
                         testing::ValuesIn(names_of(defect_switches,
                                                    [](std::string_view name) {
                                                        return !defects_beyond_the_sweeps.contains(
                                                            name);
                                                    })),
                         test_name);

class DefectOfClients : public testing::TestWithParam<std::string> {};

TEST_P(DefectOfClients, is_found) {
    const auto everywhere = GetParam() + "@*";
    EXPECT_TRUE(is_found_by_search(GetParam(), everywhere, "clients") ||
                is_found_by_search(GetParam(), everywhere, "limits"));
}

INSTANTIATE_TEST_SUITE_P(Sweep, DefectOfClients,
                         testing::ValuesIn(names_of(client_defect_switches,
                                                    [](std::string_view) { return true; })),
                         test_name);

TEST(Sweep, clients_that_crash) {
    sweep("scenarios/sweep/clients.textproto", 1, 100, 2);
}

TEST(Sweep, swarms) {
    sweep("scenarios/sweep/swarm.textproto", 1, 60, 2);
}

TEST(Sweep, clients_of_a_limited_server) {
    sweep("scenarios/sweep/limits.textproto", 1, 100, 1);
}

TEST(Snapshot, text_has_the_newest_left) {
    StateRecord record;
    EXPECT_EQ(record.text(), "[||] -> []");
    record.queue = {"3", "4"};
    record.inflight = {"1", "2"};
    record.received = {"1", "2"};
    EXPECT_EQ(record.text(), "[4,3 || 2,1] -> [1,2]");
    record.inflight.clear();
    EXPECT_EQ(record.text(), "[4,3 ||] -> [1,2]");
    record.queue.clear();
    record.inflight = {"4"};
    EXPECT_EQ(record.text(), "[|| 4] -> [1,2]");
}

// The sequence of the reference example, its states, and how they reach the report.
TEST(InflightWindow2, is_reported_with_its_six_states) {
    const std::string path = "scenarios/ordering/inflight-window-2.textproto";
    const auto scenario = load(path);
    const auto outcome = run_scenario(scenario, {});
    const auto result = to_result(path, scenario, outcome, "again", Detail::everything);
    EXPECT_EQ(sequence_text({result.received().begin(), result.received().end()}),
              "[1, 2, 3, 2, 3, 4]");
    std::vector<std::string> states;
    for (const auto& state : result.states()) states.push_back(state.text());
    const std::vector<std::string> expected{"[4,3,2,1 ||] -> []",      "[4,3 || 2,1] -> [1,2]",
                                            "[4 || 3,2] -> [1,2,3]",   "[4 || 3,2] -> [1,2,3,2,3]",
                                            "[|| 4] -> [1,2,3,2,3,4]", "[||] -> [1,2,3,2,3,4]"};
    EXPECT_EQ(states, expected);
    EXPECT_EQ(result.verdict(), results::Verdict::pass);
    EXPECT_EQ(result.digest(), outcome.digest());

    // Watched, the run is the same, and each state that was asked for is one that an event made.
    const auto watched = run_scenario(scenario, {.watches_sessions = true});
    EXPECT_EQ(watched.digest(), outcome.digest());
    auto change = watched.changes.begin();
    for (const auto& state : watched.states) {
        change = std::find_if(change, watched.changes.end(), [&](const StateRecord& one) {
            return one.client == state.client && one.text() == state.text();
        });
        ASSERT_NE(change, watched.changes.end()) << state.text();
        EXPECT_LE(change->after_entry, state.after_entry);
    }
    EXPECT_GT(watched.changes.size(), watched.states.size());
    const auto stepwise = to_result(path, scenario, watched, "again", Detail::everything);
    EXPECT_EQ(std::ranges::count(stepwise.states(), false, &results::StateSnapshot::is_change), 6);
    EXPECT_EQ(std::size_t(stepwise.states_size()), watched.changes.size() + 6);

    const auto broken = run_scenario(scenario, {.defects = {"redeliver_unordered"}});
    const auto failed = to_result(path, scenario, broken, "again", Detail::everything);
    EXPECT_EQ(failed.verdict(), results::Verdict::fail);
    const auto order =
        std::ranges::find(failed.invariants(), "O2", &results::InvariantVerdict::invariant);
    ASSERT_NE(order, failed.invariants().end());
    EXPECT_EQ(order->verdict(), results::Verdict::fail);
    ASSERT_TRUE(order->has_at_step());
    const auto& step = failed.trace(static_cast<int>(order->at_step()));
    EXPECT_TRUE(step.deviates());
    EXPECT_EQ(step.text(), "PUBLISH id=3 q1 dup t='ordered' 3");
}

}  // namespace
}  // namespace touchstone::simulator
