// The checkers of clusters, on traces made by hand: what each finds, and what it lets pass.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulator/checkers/checkers.hpp"
#include "simulator/probe_names.hpp"
#include "simulator/tests/trace_builder.hpp"

namespace touchstone::simulator {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

/// Three members that agree about a session of `c` at the first of them, and about its route.
class Agreeing {
public:
    Agreeing() {
        builder.join_cluster();
        auto& trace = builder.trace();
        trace.cluster.has_registry = true;
        trace.cluster.shares_retained = true;
        trace.cluster.notices_within = std::chrono::seconds{1};
        nodes.push_back(builder.node());
        for (const auto* const name : {"second", "third"}) {
            builder.go_to_other_node(name);
            nodes.push_back(builder.node());
        }
        trace.agreement.at = Instant{std::chrono::seconds{100}};
        for (const auto node : nodes) {
            trace.agreement.members.push_back({.node = node,
                                               .is_up = true,
                                               .is_serving = true,
                                               .health = "healthy",
                                               .running = nodes,
                                               .routes = {"a @broker"},
                                               .sessions = {"c @broker"},
                                               .retained = {"t = x"},
                                               .own_retained = {"t = x"}});
        }
        trace.agreement.members[0].own_routes = {"a @broker"};
        trace.agreement.members[0].own_sessions = {"c @broker"};
    }
    TracedMember& member(std::size_t index) { return builder.trace().agreement.members[index]; }
    Failures of(Failures (*check)(const Trace&, const History&)) {
        const Trace& trace = builder.finished();
        return check(trace, History{trace});
    }

    TraceBuilder builder;
    std::vector<Actor> nodes;
};

TEST(cluster_checkers, let_pass_what_agrees) {
    Agreeing cluster;
    for (auto* const check :
         {check_registry_convergence, check_route_convergence, check_membership_convergence,
          check_silent_divergence, check_heal_liveness, check_single_owner_of_cluster,
          check_retained_in_cluster, check_declared_availability, check_probe})
        EXPECT_THAT(cluster.of(check), IsEmpty());
}

TEST(cluster_checkers, find_a_ghost_and_a_session_that_is_not_known) {
    Agreeing cluster;
    cluster.member(1).sessions = {"d @second"};
    EXPECT_THAT(cluster.of(check_registry_convergence), SizeIs(1));
    cluster.builder.trace().cluster.has_registry = false;
    EXPECT_THAT(cluster.of(check_registry_convergence), IsEmpty());
}

TEST(cluster_checkers, find_a_route_that_is_missing) {
    Agreeing cluster;
    cluster.member(2).routes.clear();
    EXPECT_THAT(cluster.of(check_route_convergence), SizeIs(1));
    cluster.builder.trace().cluster.floods = true;
    EXPECT_THAT(cluster.of(check_route_convergence), IsEmpty());
}

TEST(cluster_checkers, find_a_member_that_sees_others) {
    Agreeing cluster;
    cluster.member(0).running.pop_back();
    EXPECT_THAT(cluster.of(check_membership_convergence), SizeIs(1));
}

TEST(cluster_checkers, ask_nothing_of_a_member_that_is_down) {
    Agreeing cluster;
    cluster.member(2) = {.node = cluster.nodes[2]};
    for (const auto index : {0U, 1U}) cluster.member(index).running.pop_back();
    for (auto* const check : {check_registry_convergence, check_membership_convergence,
                              check_silent_divergence, check_heal_liveness})
        EXPECT_THAT(cluster.of(check), IsEmpty());
}

TEST(cluster_checkers, find_tables_that_differ_while_all_are_healthy) {
    for (auto TracedMember::*table :
         {&TracedMember::routes, &TracedMember::sessions, &TracedMember::retained}) {
        Agreeing cluster;
        (cluster.member(1).*table).push_back("z");
        EXPECT_THAT(cluster.of(check_silent_divergence), SizeIs(1));
        cluster.member(2).health = "partitioned";
        EXPECT_THAT(cluster.of(check_silent_divergence), IsEmpty());
    }
}

TEST(cluster_checkers, find_a_member_that_serves_nobody) {
    Agreeing cluster;
    cluster.member(1).is_serving = false;
    EXPECT_THAT(cluster.of(check_heal_liveness), SizeIs(1));
}

TEST(cluster_checkers, find_retained_messages_that_differ) {
    Agreeing cluster;
    cluster.member(1).own_retained = {"t = y"};
    EXPECT_THAT(cluster.of(check_retained_in_cluster), SizeIs(1));
    cluster.builder.trace().cluster.shares_retained = false;
    EXPECT_THAT(cluster.of(check_retained_in_cluster), IsEmpty());
}

TEST(cluster_checkers, find_a_client_that_is_at_two_nodes) {
    for (const bool is_closed : {false, true}) {
        Agreeing cluster;
        const auto number = cluster.builder.connect("c");
        if (is_closed) cluster.builder.closed_by_broker(number);
        cluster.builder.go_to_other_node("fourth");
        cluster.builder.connect("c");
        cluster.builder.trace().agreement.entry = cluster.builder.trace().entries.size();
        EXPECT_THAT(cluster.of(check_single_owner_of_cluster), SizeIs(is_closed ? 0 : 1));
    }
}

TEST(cluster_checkers, find_a_minority_that_lets_somebody_in) {
    for (const bool refuses : {false, true}) {
        for (const bool is_late : {false, true}) {
            Agreeing cluster;
            auto& trace = cluster.builder.trace();
            trace.cluster.minority_refuses = refuses;
            // The third node, at which clients connect, loses both others.
            for (const auto index : {0U, 1U})
                trace.reach.push_back({Instant{}, cluster.nodes[2], cluster.nodes[index], true});
            if (is_late) cluster.builder.pass(std::chrono::seconds{60});
            cluster.builder.connect("c");
            EXPECT_THAT(cluster.of(check_declared_availability),
                        SizeIs(refuses && is_late ? 1 : 0));
        }
    }
}

TEST(cluster_checkers, find_a_probe_that_does_not_get_through) {
    for (const unsigned times : {0U, 1U, 2U}) {
        Agreeing cluster;
        auto& builder = cluster.builder;
        const auto probe = builder.connect(std::string{probe_prefix} + "broker");
        for (const auto node : cluster.nodes) {
            static_cast<void>(node);
            builder.closed_by_broker(
                builder.connect(std::string{roaming_probe}, {.session_present = true}));
        }
        builder.publish(probe, "probe/0", "p", {.packet_id = 1});
        for (unsigned i = 0; i < times; ++i)
            builder.deliver(probe, "probe/0", "p", {.packet_id = 1});
        EXPECT_THAT(cluster.of(check_probe), SizeIs(times == 1 ? 0 : 1));
    }
}

TEST(cluster_checkers, find_a_session_that_does_not_follow_its_client) {
    Agreeing cluster;
    auto& builder = cluster.builder;
    const auto probe = builder.connect(std::string{probe_prefix} + "broker");
    for (const bool is_present : {false, true, false})
        builder.closed_by_broker(
            builder.connect(std::string{roaming_probe}, {.session_present = is_present}));
    builder.publish(probe, "probe/0", "p", {.packet_id = 1});
    builder.deliver(probe, "probe/0", "p", {.packet_id = 1});
    EXPECT_THAT(cluster.of(check_probe), SizeIs(1));
}

}  // namespace
}  // namespace touchstone::simulator
