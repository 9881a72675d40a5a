// Defect switches: bugs that were published elsewhere, built in on purpose and off. The simulator
// and the tests turn one on to prove that a checker or a case catches it; a deployed broker has no
// way to. Each is asked for where the rule stands that it breaks, in one line; what it then does is
// in `…_defects.cpp` beside it.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>

namespace touchstone {

// name, what the broker does wrong; by name
#define TOUCHSTONE_DEFECTS(X)                                                                      \
    X(ack_before_commit, "what is written counts as stored before most of the nodes have it")      \
    X(ack_delete_race, "a message acknowledged just before its client leaves waits for it again")  \
    X(ack_type_confusion, "PUBACK ends a QoS 2 flow")                                              \
    X(alloc_by_announced_len,                                                                      \
      "room is made for what a Remaining Length announces, before any limit")                      \
    X(assert_on_dollar, "a topic that begins with $ and is not $SYS ends the process")             \
    X(autocluster_two_seeds, "clusters that formed apart from each other stay apart")              \
    X(client_id_pattern_acl, "wildcards in a Client Identifier are wildcards in access rules")     \
    X(cluster_no_uniqueness, "a node of a cluster lets in clients that another node has")          \
    X(confirm_in_minority,                                                                         \
      "who has lost most of the nodes goes on, and acknowledges what it will discard")             \
    X(congested_tail_reorder,                                                                      \
      "what a congested connection did not take goes behind later packets")                        \
    X(connect_event_before_disconnect,                                                             \
      "of a takeover the new connection is told of before the end of the old one")                 \
    X(deep_topic_recursion, "a Topic Filter of very many levels ends the process")                 \
    X(dollar_matched, "wildcards match topics that begin with $")                                  \
    X(drop_inflight_on_disconnect, "what is in flight goes with the connection")                   \
    X(dup_flag_missing, "DUP stays 0 on a resend")                                                 \
    X(exclusive_teardown_race,                                                                     \
      "the queue of a client that left goes away when the client is there again")                  \
    X(expiry_index_corrupt, "a session that left twice is on the list of expiries twice")          \
    X(federation_double_route,                                                                     \
      "a session is left at its node when its client goes to another one")                         \
    X(forward_buffer_drop_after_ack, "what a full buffer between nodes drops is not counted")      \
    X(halfopen_first_loss, "the first message written to a dead connection counts as delivered")   \
    X(heal_asymmetric_unsupported,                                                                 \
      "a node that is linked to both sides of a partition is left alone")                          \
    X(heal_disabled, "nodes that lost each other do not report it when their links are back")      \
    X(heal_loser_state_dropped,                                                                    \
      "who copies tables gets no Retained Messages, and does not say again what it has")           \
    X(heal_needs_all_nodes, "a cluster is not healed while a member is unreachable")               \
    X(heal_reconnect_no_wipe, "a member that was removed returns with the tables that it has")     \
    X(heal_single_shot, "a cluster is healed once and never again")                                \
    X(heal_two_phase_rpc, "a node is shut down and started again by two calls")                    \
    X(heal_two_sides_only, "a cluster that fell into more than two parts is not healed")           \
    X(heal_wrong_electorate, "healing may be led by a node that has no database")                  \
    X(index_add_before_remove,                                                                     \
      "a newer connection is entered before the older one is removed, by its name")                \
    X(keep_alive_ignored, "silent clients are never disconnected")                                 \
    X(keepalive_1x, "silent clients are disconnected after one Keep Alive")                        \
    X(keepalive_by_bytes, "any byte counts as a sign of life, not only whole packets")             \
    X(keepalive_uncapped, "the Keep Alive that a client asks for is not limited")                  \
    X(late_unregister_wins,                                                                        \
      "the end of a connection that was taken over removes the newer one's entry")                 \
    X(leak_on_bad_property,                                                                        \
      "what was decoded of a CONNECT stays in memory when its Will is malformed")                  \
    X(live_bypasses_backlog, "a new message overtakes the session's queue")                        \
    X(lock_over_reachable, "a client is locked at most of the nodes that are reached, not of all") \
    X(lww_wall_clock, "of two Retained Messages the later one by its node's clock holds")          \
    X(merge_union_resurrects,                                                                      \
      "routes of both sides are united, those that were given up included")                        \
    X(metadata_merge_crash, "two nodes with a session of one client end the exchange of tables")   \
    X(migration_batch_lost,                                                                        \
      "what is in flight of a longer queue is lost when the session changes hands")                \
    X(migration_owner_ambiguous, "of two sessions of one client that meet, neither gives way")     \
    X(new_before_retransmit, "after a resume queued messages go before the resends")               \
    X(no_conn_epoch, "the end of a connection that was taken over closes the newer one")           \
    X(no_takeover, "a second connection of a client leaves the first alone")                       \
    X(offline_queue_batch_reversed,                                                                \
      "what waited for a client is sent in batches that are turned round")                         \
    X(offline_single_copy, "what waits for a client that is away is at one node only")             \
    X(overflow_silent, "messages that a full queue drops are not counted")                         \
    X(overlap_prevention_cascade, "who loses a node makes all others drop their links to it")      \
    X(pause_minority_missed, "losses of several nodes at one instant do not pause a minority")     \
    X(persist_only_on_growth, "what only takes messages away is stored when one is added")         \
    X(pid_alloc_restart_on_resume, "after a resume Packet Identifiers are given out from 1 again") \
    X(pid_bytes_unchecked, "a PUBLISH that ends before its Packet Identifier ends the process")    \
    X(pid_fresh_on_redelivery, "a resend gets a new Packet Identifier")                            \
    X(pid_no_in_use_check, "Packet Identifiers are given out while in use")                        \
    X(prop_len_unchecked, "Properties longer than their packet end the process")                   \
    X(puback_missing, "QoS 1 publications are never acknowledged")                                 \
    X(purge_after_rejoin, "routes of a node that was down are removed when it is back")            \
    X(purge_never, "routes of a node that left stay")                                              \
    X(purge_on_nodedown, "routes of a node that was not reached are not known when it is again")   \
    X(qos2_ack_on_store_error, "PUBREC and PUBCOMP are sent although nothing could be stored")     \
    X(qos2_delete_before_forward,                                                                  \
      "a QoS 2 message for another shard is erased before it is stored there")                     \
    X(qos2_drop_leak, "QoS 2 messages that are refused for want of room stay in memory")           \
    X(qos2_drop_unseen_dup, "a QoS 2 PUBLISH with DUP 1 that never came before goes nowhere")      \
    X(qos2_dup_limit, "the second duplicate of an unreleased QoS 2 message is a Protocol Error")   \
    X(qos2_dup_rejected, "a duplicate of an unreleased QoS 2 message is refused with 0x91")        \
    X(qos2_expiry_removes_release, "a Message Expiry Interval ends flows that are past PUBREC")    \
    X(qos2_publish_duplicates, "a duplicate of an unreleased QoS 2 message goes on again")         \
    X(qos2_pubrel_not_resumed, "an owed PUBREL is not resent")                                     \
    X(qos2_release_context_lost,                                                                   \
      "PUBREL sends on what the connection's last PUBLISH was, not the stored one")                \
    X(qos2_rx_not_in_session, "identifiers of received QoS 2 messages go with the connection")     \
    X(qos2_rx_ttl, "identifiers of received QoS 2 messages are forgotten after 300 s")             \
    X(qos2_same_id_leak, "each duplicate of an unreleased QoS 2 message is stored again")          \
    X(qos2_window_drop, "after a resume every second stored QoS 2 message is missing at PUBREL")   \
    X(qos_not_lowered, "delivered with the QoS of the publication")                                \
    X(quota_carried_over, "a new connection begins with the send quota that was left")             \
    X(quota_inc_on_unknown_ack, "a PUBACK that belongs to nothing raises the send quota")          \
    X(raft_boot_needs_leader,                                                                      \
      "a node that starts again takes part in nothing until a leader speaks to it")                \
    X(raft_no_redial, "a leader that lost other nodes does not connect to them again")             \
    X(ram_only_session, "sessions are not stored")                                                 \
    X(ready_requires_all, "nobody is let in while a member is down, although it is allowed")       \
    X(recvmax_overrun_unchecked, "clients may exceed the server's Receive Maximum")                \
    X(recvmax_overwritten_on_takeover,                                                             \
      "a resumed session keeps the Receive Maximum of its former connection")                      \
    X(redeliver_unordered, "resends go in another order than the first transmission")              \
    X(register_crash_on_nodedown, "who comes back while its session's node is down is not let in") \
    X(registry_ghost_after_heal, "sessions of a node that was parted stay in the tables")          \
    X(registry_node_local,                                                                         \
      "the nodes of a cluster do not tell each other which clients they have")                     \
    X(registry_third_party_cleanup,                                                                \
      "sessions of a node that was not reached are removed for good")                              \
    X(reject_keeps_state, "a refused connection stays open")                                       \
    X(reject_tears_incumbent,                                                                      \
      "refusing a client ends the connection of the one that has its name")                        \
    X(replica_magnet, "replicants all go to the core that was started last")                       \
    X(replica_not_ready_stall, "who once found the leader not ready does not try again")           \
    X(replicant_needs_one_core_view,                                                               \
      "a replicant takes no core while the cores see each other differently")                      \
    X(reroute_kicks_live,                                                                          \
      "clients that are announced anew when a node has left are taken for doubles")                \
    X(resend_only_by_timer, "after a resume unacknowledged messages wait for a timer")             \
    X(restore_drops_queue, "what waits for clients is gone after a restart")                       \
    X(retain_after_revoke, "what a client left behind is published although its rights are gone")  \
    X(retain_async_single_writer,                                                                  \
      "one slow writer keeps Retained Messages, and passes over some when it is busy")             \
    X(retain_buffer_alias, "a mirrored Retained Message takes on the bytes of the next one")       \
    X(retain_bypass_inflight, "Retained Messages of QoS 1 and 2 are sent without a flow")          \
    X(retain_delete_poison, "a Retained Message once deleted is not mirrored again")               \
    X(retain_double_mirror, "a mirrored Retained Message is sent twice")                           \
    X(retain_flag_lost, "Retained Messages for a new subscription with RETAIN 0")                  \
    X(retain_node_local, "Retained Messages stay on the shard where they were published")          \
    X(retain_on_resume, "Retained Messages are sent again without a SUBSCRIBE")                    \
    X(retain_replication_lag, "Retained Messages reach the other shards late")                     \
    X(retain_restore_corrupt, "after a restart Retained Messages have other bytes and no expiry")  \
    X(retain_snapshot_after_live, "Retained Messages are read at SUBSCRIBE and sent later")        \
    X(rx_counts_in_tx_window, "QoS 2 messages that come in take places of the outgoing window")    \
    X(sei_clock_stops_when_down,                                                                   \
      "the time in which a node is down does not count for Session Expiry Intervals")              \
    X(sei_ignored, "the Session Expiry Interval of DISCONNECT is ignored")                         \
    X(server_only_packet_path, "a packet that only servers send ends the process")                 \
    X(session_cas_conflict, "a client is let in only if who had it last is known here already")    \
    X(session_open_to_anyone, "a client may use the session of another user")                      \
    X(session_present_lies, "CONNACK says Session Present without a session")                      \
    X(share_ack_on_write, "shared messages count as delivered when they are written")              \
    X(share_credit_leak, "a member of a Shared Subscription does not get its credit back")         \
    X(share_membership_race,                                                                       \
      "of members that leave a Shared Subscription at once, one stays behind")                     \
    X(share_no_redispatch, "shared messages go with the session that did not acknowledge them")    \
    X(share_picks_offline, "shared messages go to members that are away, too")                     \
    X(share_redispatch_on_takeover, "a takeover sends shared messages to another member as well")  \
    X(share_remote_missing_after_restart,                                                          \
      "a node that starts again knows no members of other nodes")                                  \
    X(share_sub_needs_subscribe,                                                                   \
      "a resumed member of a Shared Subscription gets nothing before SUBSCRIBE")                   \
    X(snapshot_dangling_ref,                                                                       \
      "a message goes with the first session that has it, though others refer to it")              \
    X(snapshot_no_fsync, "what is written counts as stored before it is synced")                   \
    X(snapshot_without_inflight, "messages in flight are not stored")                              \
    X(stale_target_buffer,                                                                         \
      "what was kept for a node goes, late, to wherever its subscribers are now")                  \
    X(stall_without_quorum, "nobody is let in until all nodes are there")                          \
    X(sub_list_race, "a message that meets an UNSUBSCRIBE of its topic ends the process")          \
    X(suback_waits_for_dead, "SUBACK waits for nodes that are down")                               \
    X(subopts_unchecked, "a SUBSCRIBE that ends before its options ends the process")              \
    X(sweeper_crash_on_churn, "clients that leave end the clean-up after a node that is gone")     \
    X(takeover_gap_drop, "messages that arrive during a takeover are lost")                        \
    X(takeover_ignores_sei0, "a session that ends with its connection is taken over")              \
    X(takeover_lazy_map_cleanup,                                                                   \
      "a quick second takeover hits the connection that the first one made")                       \
    X(takeover_old_gone_error,                                                                     \
      "a session whose connection has just ended is an error for the next one")                    \
    X(takeover_wedge, "a takeover that follows another one too soon is never finished")            \
    X(topic_len_underflow, "a Topic Name longer than its packet ends the process")                 \
    X(tracker_local_member_only, "the leader of the agreement is known to its voters only")        \
    X(tracker_majority_required,                                                                   \
      "nobody is let in without most of the nodes, although nothing is agreed upon")               \
    X(unbounded_inflight, "a queue has no limit")                                                  \
    X(unbounded_write_buffer,                                                                      \
      "what a connection, or another node, does not take is kept without limit")                   \
    X(uncertainty_window,                                                                          \
      "what is sent to a node before it is called down is lost and not counted")                   \
    X(varint4_rejected, "a Remaining Length of four bytes is refused")                             \
    X(will_delay_not_capped,                                                                       \
      "a Will Delay Interval longer than the session loses the Will Message")                      \
    X(will_dropped_delay_sei0, "a takeover drops a delayed Will Message though the session ends")  \
    X(will_keyed_by_client, "a newer connection's Will Message replaces the one of the older")     \
    X(will_lost_not_ready, "Will Messages are lost while a member is down")                        \
    X(will_lost_on_crash, "a crash loses the Will Messages of all who were connected")             \
    X(will_never_published, "Will Messages are lost")                                              \
    X(will_on_normal_disconnect, "DISCONNECT does not drop the Will Message")                      \
    X(will_owner_gone,                                                                             \
      "after a restart Will Messages from before it are published, again and again")               \
    X(will_skipped_on_takeover, "a takeover publishes no Will Message")                            \
    X(will_timer_hits_successor,                                                                   \
      "the end of a Will Delay Interval takes the subscriptions of a newer connection")            \
    X(will_twice, "a Will Message is published twice")                                             \
    X(window_not_enforced, "more in flight than the peer's Receive Maximum")                       \
    X(zero_len_topic_crash, "a PUBLISH without a topic ends the process")                          \
    X(zero_means_drop_all, "a queue without a limit has no room for QoS 1 and 2")

enum class Defect : std::uint8_t {
#define TOUCHSTONE_DEFECT(name, story) name,
    TOUCHSTONE_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
};

/// One switch with its name, for command lines and reports.
struct DefectSwitch {
    Defect defect;
    std::string_view name;
    std::string_view story;
};

inline constexpr auto defect_switches = std::to_array<DefectSwitch>({
#define TOUCHSTONE_DEFECT(name, story) {Defect::name, #name, story},
    TOUCHSTONE_DEFECTS(TOUCHSTONE_DEFECT)
#undef TOUCHSTONE_DEFECT
});

/// The switches that are on: none at first.
class Defects {
public:
    [[nodiscard]] bool has(Defect defect) const { return is_on_[static_cast<std::size_t>(defect)]; }
    [[nodiscard]] bool any() const { return is_on_.any(); }
    void turn_on(Defect defect) { is_on_[static_cast<std::size_t>(defect)] = true; }

private:
    std::bitset<defect_switches.size()> is_on_;
};

/// Turns the switch called `name` on. False when there is none.
[[nodiscard]] inline bool turn_on(Defects& defects, std::string_view name) {
    for (const auto& one : defect_switches) {
        if (one.name != name) continue;
        defects.turn_on(one.defect);
        return true;
    }
    return false;
}

}  // namespace touchstone
