// What must happen now and then in a sweep for its passing to mean anything. A sweep in which no
// message was ever resent says nothing about resends: its scenario lists what it is there for
// (Scenario.sometimes), and what never happened in any of its runs is reported.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>

#include "simulator/checkers/history.hpp"

namespace touchstone::simulator {

// name, what happened; by subject. A sender's window and flows are those of both_flow_directions.
#define TOUCHSTONE_SOMETIMES(X)                                                                    \
    X(broker_resent_publish, "the broker sent a PUBLISH again, with DUP 1")                        \
    X(client_resent_publish, "a client sent a PUBLISH again, with DUP 1")                          \
    X(broker_resent_on_live_connection, "the broker sent a PUBLISH twice on one connection")       \
    X(client_resent_on_live_connection, "a client sent a PUBLISH twice on one connection")         \
    X(broker_window_full, "the broker had as many messages in flight as it may")                   \
    X(client_window_full, "a client had as many messages in flight as it may")                     \
    X(broker_packet_id_wrapped, "the broker's Packet Identifiers began again from below")          \
    X(client_packet_id_wrapped, "a client's Packet Identifiers began again from below")            \
    X(broker_packet_ids_used_up, "all Packet Identifiers of a session were in use by the broker")  \
    X(broker_qos_2_resumed_before_pubrec,                                                          \
      "on a new connection the broker resumed a QoS 2 flow with its PUBLISH")                      \
    X(broker_qos_2_resumed_before_pubcomp,                                                         \
      "on a new connection the broker resumed a QoS 2 flow with its PUBREL")                       \
    X(client_qos_2_resumed_before_pubrec,                                                          \
      "on a new connection a client resumed a QoS 2 flow with its PUBLISH")                        \
    X(client_qos_2_resumed_before_pubcomp,                                                         \
      "on a new connection a client resumed a QoS 2 flow with its PUBREL")                         \
    X(broker_took_duplicate_before_release,                                                        \
      "the broker got a QoS 2 PUBLISH that it had answered and that was not released")             \
    X(client_took_duplicate_before_release,                                                        \
      "a client got a QoS 2 PUBLISH that it had answered and that was not released")               \
    X(broker_took_pubrel_after_pubcomp, "the broker got a PUBREL that it had answered before")     \
    X(client_took_pubrel_after_pubcomp, "a client got a PUBREL that it had answered before")       \
    X(publish_to_broker_lost, "a PUBLISH of QoS 1 or 2 to the broker was lost")                    \
    X(publish_to_client_lost, "a PUBLISH of QoS 1 or 2 to a client was lost")                      \
    X(acknowledgement_to_broker_lost, "an acknowledgement to the broker was lost")                 \
    X(acknowledgement_to_client_lost, "an acknowledgement to a client was lost")                   \
    X(connack_lost, "a CONNACK was lost")                                                          \
    X(session_resumed, "a client found its session")                                               \
    X(session_taken_over, "a CONNECT came while the session had another connection")               \
    X(taken_over_with_flows, "a session was taken over while flows to it were open")               \
    X(session_expired, "a session ended by its Session Expiry Interval")                           \
    X(session_discarded_by_clean_start, "Clean Start ended a session that was there")              \
    X(keep_alive_ran_out, "the broker disconnected a client that was silent")                      \
    X(node_came_back, "a node was there again after it had gone")                                  \
    X(node_crashed_with_flows, "a node crashed while flows to its clients were open")              \
    X(client_crashed_with_flows, "a client's process went while flows of its were open")           \
    X(unsubscribed_with_flows, "an UNSUBSCRIBE came while flows to its client were open")          \
    X(shared_member_left_with_flows,                                                               \
      "the connection of a member of a Shared Subscription ended while flows to it were open")     \
    X(will_published, "a Will Message was published")                                              \
    X(will_discarded, "a DISCONNECT took a Will Message away")                                     \
    X(will_delay_outlived, "a session was resumed before its Will Delay Interval was over")        \
    X(retained_delivered, "a client was sent a message with RETAIN 1")                             \
    X(retained_replaced, "a Retained Message was replaced by another")                             \
    X(retained_deleted, "a Retained Message was deleted")                                          \
    X(backlog_delivered, "a message that had waited for a connection was sent")                    \
    X(queue_overflowed, "a full queue dropped a message")                                          \
    X(message_expired_while_away, "a message expired while it waited for a connection")            \
    X(qos_lowered, "a message was sent with a lower QoS than it was published with")               \
    X(overlapping_subscriptions, "several subscriptions of one client matched a message")          \
    X(disk_full_met, "a broker refused something because its disk was full")                       \
    X(disk_failure_met, "a broker refused something because its disk could not store it")          \
    X(batch_lost, "a crash took batches that the disk had called stored")                          \
    X(batch_torn, "a crash left a part of a batch")                                                \
    X(batch_late, "a crash left a batch and took the one before it")                               \
    X(records_set_aside, "a node found records at its start that it could not use")                \
    X(queue_read_from_disk, "a message that waited on the disk only was read")                     \
    X(nodes_parted, "two nodes of a cluster did not reach each other")                             \
    X(node_sent_its_clients_away, "a node of a cluster disconnected its clients to begin anew")    \
    X(session_followed_its_client, "a client found its session at another node than before")       \
    X(let_in_twice, "a client was connected to two nodes of a cluster at once")                    \
    X(topic_alias_used, "a Topic Alias stood for a topic sent earlier on its connection")

enum class Sometimes : std::uint8_t {
#define TOUCHSTONE_ENUMERATOR(name, story) name,
    TOUCHSTONE_SOMETIMES(TOUCHSTONE_ENUMERATOR)
#undef TOUCHSTONE_ENUMERATOR
};

struct SometimesCondition {
    std::string_view name;
    std::string_view story;
};

/// In the order of the enumeration.
inline constexpr auto sometimes_conditions = std::to_array<SometimesCondition>({
#define TOUCHSTONE_CONDITION(name, story) {#name, story},
    TOUCHSTONE_SOMETIMES(TOUCHSTONE_CONDITION)
#undef TOUCHSTONE_CONDITION
});

/// Indexed by Sometimes.
using Happened = std::bitset<sometimes_conditions.size()>;

/// What happened in the run, seen from outside. One pass over the trace.
[[nodiscard]] Happened what_happened(const Trace& trace, const History& history);

}  // namespace touchstone::simulator
