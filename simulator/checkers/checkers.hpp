// Checkers: one per promise, each in a file of its own. They watch from outside, read a trace once,
// and know nothing of the broker but what it promised. What the promises are is said by their ids,
// which are those of the catalogue of published defects (scenarios/README.md lists them).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

/// A promise that was broken.
struct Failure {
    std::size_t entry = no_entry;  // of the trace, which completes it; no_entry: at the end
    std::string explanation;       // what was promised, what was observed
};
using Failures = std::vector<Failure>;

/// Whether a checker is asked of a cluster, too.
enum class InClusters : std::uint8_t {
    no,  // it asks for what one process alone promises
    /// Few models promise it: a scenario has to name it.
    if_named,
    if_kept,  // the same, and clusters that keep publications until all nodes have them promise it
    /// It looks at connections one by one, or at what the members of a cluster agree about.
    yes,
};

struct Checker {
    std::string_view id;
    std::string_view title;
    Failures (*check)(const Trace& trace, const History& history);
    InClusters in_clusters = InClusters::no;
    bool judges_nodes = true;  // that are none of a cluster
};

/// What is there to be judged.
enum class JudgedAs : std::uint8_t {
    nodes,
    cluster,
    keepers,     // a cluster that keeps publications until all of its nodes have them
    one_broker,  // that the nodes of a cluster are together: it promises what either does
};
[[nodiscard]] constexpr bool is_judged_by(const Checker& checker, JudgedAs what) {
    const bool is_one_process = what == JudgedAs::nodes || what == JudgedAs::one_broker;
    return (is_one_process && checker.judges_nodes) ||
           (what != JudgedAs::nodes && checker.in_clusters != InClusters::no);
}
/// Whether a scenario that names these invariants, or none, asks for it.
template <class Names>
[[nodiscard]] bool is_asked(const Checker& checker, JudgedAs what, const Names& named) {
    if (!is_judged_by(checker, what)) return false;
    if (!named.empty()) return std::ranges::find(named, checker.id) != named.end();
    switch (what) {
        case JudgedAs::nodes:
        case JudgedAs::one_broker: return true;
        case JudgedAs::cluster: return checker.in_clusters == InClusters::yes;
        case JudgedAs::keepers:
            return checker.in_clusters == InClusters::yes ||
                   checker.in_clusters == InClusters::if_kept;
    }
    return false;
}
[[nodiscard]] inline JudgedAs judged_as(const Trace& trace) {
    if (trace.cluster.model.empty()) return JudgedAs::nodes;
    if (trace.cluster.one_broker) return JudgedAs::one_broker;
    return trace.cluster.keeps_log ? JudgedAs::keepers : JudgedAs::cluster;
}

/// Each of its nodes is one of its own.
[[nodiscard]] inline bool is_cluster_of_brokers(const Trace& trace) {
    return !trace.cluster.model.empty() && !trace.cluster.one_broker;
}

/// In the order in which reports list them.
[[nodiscard]] std::span<const Checker> all_checkers();

Failures check_publisher_order(const Trace& trace, const History& history);           // O1
Failures check_resend_order(const Trace& trace, const History& history);              // O2
Failures check_acknowledgement_order(const Trace& trace, const History& history);     // O3
Failures check_application_order(const Trace& trace, const History& history);         // O4
Failures check_window(const Trace& trace, const History& history);                    // W1
Failures check_progress(const Trace& trace, const History& history);                  // W3
Failures check_packet_id_uniqueness(const Trace& trace, const History& history);      // P1
Failures check_packet_id_stability(const Trace& trace, const History& history);       // P2
Failures check_namespace_independence(const Trace& trace, const History& history);    // P3
Failures check_at_least_once(const Trace& trace, const History& history);             // Q1
Failures check_exactly_once(const Trace& trace, const History& history);              // Q2
Failures check_duplicate_before_release(const Trace& trace, const History& history);  // Q3
Failures check_unseen_duplicate(const Trace& trace, const History& history);          // Q4
Failures check_release_resume(const Trace& trace, const History& history);            // Q5
Failures check_single_owner(const Trace& trace, const History& history);              // S1
Failures check_takeover_continuity(const Trace& trace, const History& history);       // S2
Failures check_session_present(const Trace& trace, const History& history);           // S3
Failures check_connection_epoch(const Trace& trace, const History& history);          // S4
Failures check_session_end(const Trace& trace, const History& history);               // S5
Failures check_will_once(const Trace& trace, const History& history);                 // L1
Failures check_will_ownership(const Trace& trace, const History& history);            // L2
Failures check_retained_convergence(const Trace& trace, const History& history);      // R1
Failures check_retained_order(const Trace& trace, const History& history);            // R2
Failures check_unsolicited_replay(const Trace& trace, const History& history);        // R3
Failures check_shared_dispatch(const Trace& trace, const History& history);           // H1
Failures check_bounds(const Trace& trace, const History& history);                    // B1
Failures check_keep_alive(const Trace& trace, const History& history);                // K1
Failures check_alias_scope(const Trace& trace, const History& history);               // A1
Failures check_access_rules(const Trace& trace, const History& history);              // N1
Failures check_availability(const Trace& trace, const History& history);              // C5
Failures check_message_expiry(const Trace& trace, const History& history);            // expiry
Failures check_presence_order(const Trace& trace, const History& history);            // presence
Failures check_byte_order(const Trace& trace, const History& history);                // O5
Failures check_intake_room(const Trace& trace, const History& history);               // M2
Failures check_reading(const Trace& trace, const History& history);                   // reading
Failures check_refusal(const Trace& trace, const History& history);                   // refusal
Failures check_survival(const Trace& trace, const History& history);                  // M1
Failures check_dollar_rule(const Trace& trace, const History& history);               // D1
Failures check_registry_convergence(const Trace& trace, const History& history);      // C1
Failures check_route_convergence(const Trace& trace, const History& history);         // C2
Failures check_membership_convergence(const Trace& trace, const History& history);    // C3
Failures check_silent_divergence(const Trace& trace, const History& history);         // C4
Failures check_heal_liveness(const Trace& trace, const History& history);             // C6
/// C5, S1, Q1 and R1 across the nodes of a cluster.
Failures check_declared_availability(const Trace& trace, const History& history);
Failures check_single_owner_of_cluster(const Trace& trace, const History& history);
Failures check_delivery_in_cluster(const Trace& trace, const History& history);
Failures check_retained_in_cluster(const Trace& trace, const History& history);
Failures check_healed_retained(const Trace& trace, const History& history);  // healed
Failures check_probe(const Trace& trace, const History& history);            // probe
// Promises that the catalogue has no id for.
Failures check_delivery_qos(const Trace& trace, const History& history);       // qos
Failures check_receive_maximum(const Trace& trace, const History& history);    // receive-maximum
Failures check_acknowledged(const Trace& trace, const History& history);       // acknowledged
Failures check_published(const Trace& trace, const History& history);          // published
Failures check_resume(const Trace& trace, const History& history);             // resume
Failures check_peer_limits(const Trace& trace, const History& history);        // limits
Failures check_connection_causes(const Trace& trace, const History& history);  // causes
Failures check_recovery(const Trace& trace, const History& history);           // recovery
Failures check_bridge_once(const Trace& trace, const History& history);        // bridges
Failures check_conservation(const Trace& trace, const History& history);       // conservation

}  // namespace touchstone::simulator
