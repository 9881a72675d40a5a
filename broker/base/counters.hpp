// Counters of one shard: plain integers on the hot path, folded over the shards when somebody asks
// (the exporter in broker/asio). A closed set: no client ids, no topics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/base/disconnect_reason.hpp"

namespace touchstone {

// name, metric family, label "key=value" or "", help text of the family
#define TOUCHSTONE_COUNTERS(X)                                                                     \
    X(connections_opened, "connections_opened", "", "Network Connections opened.")                \
    X(connections_moved, "connections_moved", "",                                                 \
      "Network Connections handed to the shard that owns their client; opened again there.")      \
    X(clients_accepted, "clients_accepted", "", "CONNECT packets answered with success.")         \
    X(clients_refused, "clients_refused", "", "CONNECT packets refused or not understood.")       \
    X(keep_alive_timeouts, "keep_alive_timeouts", "", "Connections closed for silence.")          \
    X(sessions_created, "sessions_created", "", "Sessions made.")                                 \
    X(sessions_resumed, "sessions_resumed", "", "Sessions resumed by a new connection.")          \
    X(sessions_taken_over, "sessions_taken_over", "", "Connections ended by a newer one.")        \
    X(sessions_ended, "sessions_ended", "", "Sessions ended.")                                    \
    X(protocol_violations, "protocol_violations", "", "Connections closed for a peer's error.")   \
    X(publish_received_qos_0, "publish_received", "qos=0", "PUBLISH packets taken from clients.") \
    X(publish_received_qos_1, "publish_received", "qos=1", "PUBLISH packets taken from clients.") \
    X(publish_received_qos_2, "publish_received", "qos=2", "PUBLISH packets taken from clients.") \
    X(publish_sent_qos_0, "publish_sent", "qos=0", "PUBLISH packets sent, resends included.")     \
    X(publish_sent_qos_1, "publish_sent", "qos=1", "PUBLISH packets sent, resends included.")     \
    X(publish_sent_qos_2, "publish_sent", "qos=2", "PUBLISH packets sent, resends included.")     \
    X(publish_resent, "publish_resent", "", "PUBLISH and PUBREL packets sent again.")             \
    X(dropped_queue_full, "messages_dropped", "reason=queue_full",                                \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(dropped_expired, "messages_dropped", "reason=expired",                                      \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(dropped_too_large, "messages_dropped", "reason=too_large",                                  \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(dropped_offline_qos_0, "messages_dropped", "reason=offline_qos_0",                          \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(dropped_session_ended, "messages_dropped", "reason=session_ended",                          \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(dropped_memory_full, "messages_dropped", "reason=memory_full",                              \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(dropped_unreadable, "messages_dropped", "reason=unreadable",                                \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(messages_paged_out, "messages_paged_out", "",                                               \
      "Waiting messages that went from memory, since they can be read from the disk.")             \
    X(messages_paged_in, "messages_paged_in", "",                                                 \
      "Waiting messages that were read from the disk because their turn came.")                    \
    X(dropped_retained_full, "retained_refused", "", "Retained Messages beyond the limit.")       \
    X(publish_denied, "publish_refused", "reason=not_authorized",                                 \
      "Publications not taken, by reason.")                                                        \
    X(publish_over_quota, "publish_refused", "reason=quota_exceeded",                             \
      "Publications not taken, by reason.")                                                        \
    X(storage_full, "storage_refusals", "reason=full",                                            \
      "Batches that were not stored, by reason; they are tried again.")                            \
    X(storage_failed, "storage_refusals", "reason=failed",                                        \
      "Batches that were not stored, by reason; they are tried again.")                            \
    X(storage_reads_failed, "storage_reads_failed", "",                                           \
      "Waiting messages could not be read from the disk; it is tried again.")                      \
    X(refused_without_storage, "refused_without_storage", "",                                     \
      "Packets refused, and connections closed, because what they ask for could not be stored.")   \
    X(refused_by_cluster, "refused_by_cluster", "",                                                \
      "Packets refused because the cluster was not ready for them.")                               \
    X(publish_pauses, "publish_pauses", "", "Times a client's publications had to wait.")         \
    X(subscribe_denied, "subscribe_refused", "reason=not_authorized",                             \
      "Topic Filters not subscribed, by reason.")                                                  \
    X(subscribe_over_quota, "subscribe_refused", "reason=quota_exceeded",                         \
      "Topic Filters not subscribed, by reason.")                                                  \
    X(authentications_refused, "authentications_refused", "",                                     \
      "Clients that could not prove who they are.")                                                \
    X(clients_banned, "clients_banned", "", "Clients banned for coming and going too often.")     \
    X(dropped_no_member, "messages_dropped", "reason=no_member",                                  \
      "Messages accepted and not delivered, by reason, counted per receiver.")                     \
    X(messages_redistributed, "messages_redistributed", "",                                       \
      "Messages of ended sessions given to other members of their Shared Subscriptions.")          \
    X(messages_handed_over, "messages_handed_over", "",                                           \
      "Messages of sessions that have moved to another node of the cluster.")                      \
    X(messages_matched, "messages_matched", "", "Receivers found for messages.")                  \
    X(messages_acknowledged, "messages_acknowledged", "", "Flows to clients completed.")          \
    X(wills_published, "wills_published", "", "Will Messages published.")                         \
    X(subscribes, "subscribes", "", "Topic Filters subscribed.")                                  \
    X(unsubscribes, "unsubscribes", "", "Topic Filters unsubscribed.")                            \
    X(bytes_received, "bytes_received", "", "Bytes of Control Packets taken.")                    \
    X(bytes_sent, "bytes_sent", "", "Bytes of Control Packets handed to the driver.")

enum class Counter : std::size_t {
#define TOUCHSTONE_COUNTER(name, family, label, help) name,
    TOUCHSTONE_COUNTERS(TOUCHSTONE_COUNTER)
#undef TOUCHSTONE_COUNTER
        count_of_counters,
};

struct CounterDescription {
    std::string_view family;  // without prefix and suffix: touchstone_{family}_total
    std::string_view label;   // "key=value", or empty
    std::string_view help;
};

/// In the order of Counter.
inline constexpr std::array<CounterDescription,
                            static_cast<std::size_t>(Counter::count_of_counters)>
    counter_descriptions{{
#define TOUCHSTONE_COUNTER(name, family, label, help) {family, label, help},
        TOUCHSTONE_COUNTERS(TOUCHSTONE_COUNTER)
#undef TOUCHSTONE_COUNTER
    }};

/// What is there now, as opposed to what has happened.
struct Gauges {
    std::uint64_t connections = 0;      // Network Connections, with and without a session
    std::uint64_t sessions = 0;         // connected or waiting for their client
    std::uint64_t subscriptions = 0;
    std::uint64_t retained_messages = 0;  // each shard has a copy: not to be added up
    std::uint64_t queued_messages = 0;
    std::uint64_t queued_bytes = 0;
    std::uint64_t inflight_messages = 0;
    /// Of what clients began and have not finished: CONNECTs put aside, and the Packet Identifiers
    /// of their QoS 2 messages that are not released.
    std::uint64_t intake_bytes = 0;

    /// Of several shards together; the retained messages, of which each has all, are the most that
    /// any has.
    Gauges& operator+=(const Gauges& other);
};

class Counters {
public:
    void add(Counter counter, std::uint64_t by = 1) {
        values_[static_cast<std::size_t>(counter)] += by;
    }
    [[nodiscard]] std::uint64_t of(Counter counter) const {
        return values_[static_cast<std::size_t>(counter)];
    }
    void add(DisconnectReason reason) { ++disconnects_[static_cast<std::size_t>(reason)]; }
    /// Network Connections that ended for that reason.
    [[nodiscard]] std::uint64_t of(DisconnectReason reason) const {
        return disconnects_[static_cast<std::size_t>(reason)];
    }
    Counters& operator+=(const Counters& other) {
        for (std::size_t i = 0; i < values_.size(); ++i) values_[i] += other.values_[i];
        for (std::size_t i = 0; i < disconnects_.size(); ++i)
            disconnects_[i] += other.disconnects_[i];
        return *this;
    }

private:
    std::array<std::uint64_t, static_cast<std::size_t>(Counter::count_of_counters)> values_{};
    std::array<std::uint64_t, disconnect_reason_count> disconnects_{};
};

/// Messages for which accepted = delivered + queued + in flight + dropped (by reason) does not hold;
/// 0 between two inputs of a shard, or there is a defect.
[[nodiscard]] std::uint64_t unaccounted_messages(const Counters& counters, const Gauges& gauges);

}  // namespace touchstone
