// R1: at rest every shard of a node holds the same Retained Message for a topic, and it is the last
// one that was published to it, or none if that one was empty (v5 [MQTT-3.3.1-5], [MQTT-3.3.1-6]).
// Which one was last can be seen where one client alone published to the topic.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "simulator/checkers/access_rules.hpp"
#include "simulator/checkers/checkers.hpp"
#include "simulator/checkers/flows.hpp"

namespace touchstone::simulator {

namespace {

/// Until all shards of a node have answered one that subscribes.
constexpr Duration routing_time_max = std::chrono::seconds{1};

struct Last {
    Actor publisher;
    std::string payload;
    Instant at;
    bool is_known = true;  // it is clear which one was last
};

/// By topic, as the broker took them since its last start.
std::map<std::string, Last> last_published(const Trace& trace, const History& history) {
    std::map<std::string, Last> all;
    std::set<std::uint32_t> acknowledged;
    for (const auto& one : history.accepted) acknowledged.insert(one.message);
    std::set<std::pair<ConnectionNumber, std::uint16_t>> refused;
    for (const auto& entry : trace.entries) {
        const auto* answer = sent_by_broker(trace, entry);
        const bool is_refusal =
            answer != nullptr && is_failure(answer->reason) &&
            (answer->type == wire::PacketType::puback || answer->type == wire::PacketType::pubrec);
        if (is_refusal) refused.insert({answer->connection, answer->packet_id});
    }
    for (std::size_t index = 0; index < trace.entries.size(); ++index) {
        const auto& entry = trace.entries[index];
        if (entry.kind == TraceEntry::Kind::node_crashed ||
            entry.kind == TraceEntry::Kind::node_stopped) {
            const bool is_durable = settings_of(trace.nodes, entry.actor).has_storage;
            if (!is_durable) all.clear();
            // What was not acknowledged may be lost, or not.
            for (auto& [topic, last] : all) {
                last.is_known &= !history.may_be_lost(trace, entry.actor, last.at);
            }
        }
        const auto* packet = taken_by_broker(trace, entry);
        if (packet == nullptr || packet->type != wire::PacketType::publish || !packet->retain) {
            continue;
        }
        const auto& connection = history.of(packet->connection);
        const auto publish =
            wire::decode_publish(trace.frame_of(*packet), connection.version).value();
        // A Topic Alias stands for the topic that the message was published to.
        const bool has_topic = !packet->topic.empty() || packet->message == no_message;
        const auto& topic = has_topic ? packet->topic : trace.messages[packet->message].topic;
        if (is_denied(trace, connection, index, access::Action::publish, topic)) continue;
        auto& last = all.try_emplace(topic, Last{entry.actor, {}, {}}).first->second;
        // A duplicate may have gone on or not, and what expires is gone some time.
        const bool is_clear = last.publisher == entry.actor && !packet->dup &&
                              connection.is_accepted &&
                              !publish.properties.has(wire::PropertyId::message_expiry_interval) &&
                              !publish.properties.has(wire::PropertyId::topic_alias);
        // What the node's driver had taken from a connection that then ended, the core may never
        // have seen: a SUBSCRIBE before it was waiting for the other shards.
        const bool is_seen =
            acknowledged.contains(packet->message) ||
            (!history.may_have_waited(packet->connection, index) &&
             (connection.end != ConnectionHistory::End::by_peer ||
              history.lives_on(trace, packet->connection, entry.at, routing_time_max)));
        const bool is_refused = !acknowledged.contains(packet->message) &&
                                (history.is_refusing(connection.node, entry.at) ||
                                 history.is_broken(connection.node, Instant{}, entry.at));
        // Its identifier may stand for another message by then; if not, this one went nowhere.
        const bool may_be_refused = packet->qos != QoS::at_most_once &&
                                    refused.contains({packet->connection, packet->packet_id});
        last.is_known &= is_clear && is_seen && !is_refused && !may_be_refused;
        last.payload = as_text(publish.payload);
        last.at = entry.at;
    }
    for (const auto& message : trace.messages) {
        const auto found = all.find(message.topic);
        if (found != all.end() && message.is_will) found->second.is_known = false;
    }
    return all;
}

}  // namespace

Failures check_retained_convergence(const Trace& trace, const History& history) {
    if (is_cluster_of_brokers(trace)) return check_retained_in_cluster(trace, history);
    Failures failures;
    const auto shown = [](const std::string& payload) {
        return payload.empty() ? std::string{"nothing"} : label_of(payload);
    };
    const auto published = last_published(trace, history);
    for (const auto& [topic, per_shard] : trace.end.retained) {
        const auto last = published.find(topic);
        const bool is_known = last != published.end() && last->second.is_known &&
                              (trace.nodes.size() == 1 || trace.cluster.one_broker) &&
                              last->second.at + progress_time <= history.end_of_run(trace);
        for (std::size_t shard = 0; shard < per_shard.size(); ++shard) {
            if (is_known && per_shard[shard] != last->second.payload) {
                failures.push_back(
                    {no_entry,
                     fmt::format("shard {} retains {} for '{}', but {} was published last", shard,
                                 shown(per_shard[shard]), topic, shown(last->second.payload))});
                break;
            }
            if (per_shard[shard] == per_shard[0]) continue;
            failures.push_back({no_entry, fmt::format("shard 0 retains {} for '{}', shard {} {}",
                                                      shown(per_shard[0]), topic, shard,
                                                      shown(per_shard[shard]))});
            break;
        }
    }
    return failures;
}

}  // namespace touchstone::simulator
