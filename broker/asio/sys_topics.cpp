#include "broker/asio/sys_topics.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <initializer_list>
#include <span>
#include <utility>

#include "broker/wire/topics.hpp"

namespace touchstone::asio_driver {

namespace {

constexpr std::array<std::string_view, 2> roots{"$SYS/brokers/", "$SYS/broker/"};

void put(std::vector<ServerMessage>& messages, std::string_view node_name, std::string_view name,
         const std::string& payload, bool retain = false, QoS qos = QoS::at_most_once) {
    for (const auto root : roots) {
        auto topic = fmt::format("{}{}/{}", root, node_name, name);
        if (wire::is_topic_name(topic))
            messages.push_back({std::move(topic), payload, qos, retain});
    }
}

struct Metric {
    std::string_view name;  // with / for .
    std::vector<Counter> sum;
};

/// The names of the compatible broker, where we count what they mean.
const std::vector<Metric>& metrics() {
    using enum Counter;
    static const std::vector<Metric> all{
        {"bytes/received", {bytes_received}},
        {"bytes/sent", {bytes_sent}},
        {"messages/received",
         {publish_received_qos_0, publish_received_qos_1, publish_received_qos_2}},
        {"messages/qos0/received", {publish_received_qos_0}},
        {"messages/qos1/received", {publish_received_qos_1}},
        {"messages/qos2/received", {publish_received_qos_2}},
        {"messages/sent", {publish_sent_qos_0, publish_sent_qos_1, publish_sent_qos_2}},
        {"messages/qos0/sent", {publish_sent_qos_0}},
        {"messages/qos1/sent", {publish_sent_qos_1}},
        {"messages/qos2/sent", {publish_sent_qos_2}},
        {"messages/acked", {messages_acknowledged}},
        {"messages/dropped/expired", {dropped_expired}},
        {"delivery/dropped",
         {dropped_queue_full, dropped_expired, dropped_too_large, dropped_offline_qos_0,
          dropped_session_ended, dropped_memory_full, dropped_no_member, dropped_unreadable}},
        {"delivery/dropped/too_large", {dropped_too_large}},
        {"delivery/dropped/queue_full", {dropped_queue_full, dropped_memory_full}},
        {"delivery/dropped/qos0_msg", {dropped_offline_qos_0}},
        {"delivery/dropped/expired", {dropped_expired}},
        {"packets/publish/received",
         {publish_received_qos_0, publish_received_qos_1, publish_received_qos_2}},
        {"packets/publish/auth_error", {publish_denied}},
        {"packets/subscribe/auth_error", {subscribe_denied}},
        {"client/connected", {clients_accepted}},
        {"client/auth/failure", {authentications_refused}},
        {"client/acl/deny", {publish_denied, subscribe_denied}},
        {"client/subscribe", {subscribes}},
        {"client/unsubscribe", {unsubscribes}},
        {"session/created", {sessions_created}},
        {"session/resumed", {sessions_resumed}},
        {"session/takeovered", {sessions_taken_over}},
        {"session/terminated", {sessions_ended}},
    };
    return all;
}

boost::json::object about(const ClientEvent& client, std::int64_t at_ms) {
    boost::json::object all;
    all["clientid"] = client.client_id;
    all["username"] = client.user_name.value_or("undefined");
    all["ipaddress"] = client.address.to_text();
    all["proto_name"] = client.version == ProtocolVersion::v3_1 ? "MQIsdp" : "MQTT";
    all["proto_ver"] = static_cast<int>(client.version);
    all["sockport"] = client.listener_port;
    all["ts"] = at_ms;
    return all;
}

std::vector<ServerMessage> event(std::string_view node_name, const ClientEvent& client,
                                 std::string_view what, const boost::json::object& payload) {
    std::vector<ServerMessage> messages;
    put(messages, node_name, fmt::format("clients/{}/{}", client.client_id, what),
        boost::json::serialize(payload), false, client.qos);
    return messages;
}

}  // namespace

void SysTopics::put_stat(std::vector<ServerMessage>& messages, std::string_view name,
                         std::uint64_t value) {
    auto& highest = highest_[std::string{name}];
    highest = std::max(highest, value);
    put(messages, node_name_, fmt::format("stats/{}/count", name), std::to_string(value));
    put(messages, node_name_, fmt::format("stats/{}/max", name), std::to_string(highest));
}

std::vector<ServerMessage> SysTopics::figures(const Counters& counters, const Gauges& gauges) {
    std::vector<ServerMessage> messages;
    messages.push_back({"$SYS/brokers", node_name_, QoS::at_most_once, true});
    put(messages, node_name_, "version", TOUCHSTONE_VERSION, true);
    put(messages, node_name_, "sysdescr", "Touchstone", true);
    put_stat(messages, "connections", gauges.connections);
    put_stat(messages, "sessions", gauges.sessions);
    put_stat(messages, "subscriptions", gauges.subscriptions);
    put_stat(messages, "retained", gauges.retained_messages);
    put_stat(messages, "queued", gauges.queued_messages);
    put_stat(messages, "inflight", gauges.inflight_messages);
    for (const auto& [name, sum] : metrics()) {
        std::uint64_t value = 0;
        for (const auto counter : sum) value += counters.of(counter);
        put(messages, node_name_, fmt::format("metrics/{}", name), std::to_string(value));
    }
    for (std::size_t i = 0; i < disconnect_reason_count; ++i) {
        const auto reason = static_cast<DisconnectReason>(i);
        put(messages, node_name_, fmt::format("metrics/client/disconnected/{}", name_of(reason)),
            std::to_string(counters.of(reason)));
    }
    return messages;
}

std::vector<ServerMessage> SysTopics::heartbeat(std::chrono::seconds uptime,
                                                std::chrono::local_seconds local_time) const {
    std::vector<ServerMessage> messages;
    put(messages, node_name_, "uptime", uptime_text(uptime));
    const std::chrono::sys_seconds shown{local_time.time_since_epoch()};
    put(messages, node_name_, "datetime", fmt::format("{:%Y-%m-%d %H:%M:%S}", shown));
    return messages;
}

std::vector<ServerMessage> SysTopics::connected(std::string_view node_name,
                                                const ClientEvent& client, std::int64_t at_ms) {
    auto payload = about(client, at_ms);
    payload["keepalive"] = client.keep_alive_s;
    payload["clean_start"] = client.clean_start;
    payload["expiry_interval"] = client.session_expiry_s;
    payload["connack"] = 0;
    payload["connected_at"] = at_ms;
    return event(node_name, client, "connected", payload);
}

std::vector<ServerMessage> SysTopics::disconnected(std::string_view node_name,
                                                   const ClientEvent& client,
                                                   DisconnectReason reason, std::int64_t at_ms) {
    auto payload = about(client, at_ms);
    payload["reason"] = name_of(reason);
    payload["disconnected_at"] = at_ms;
    return event(node_name, client, "disconnected", payload);
}

std::string uptime_text(std::chrono::seconds uptime) {
    const auto total_s = uptime.count();
    return fmt::format("{} days, {} hours, {} minutes, {} seconds", total_s / 86'400,
                       total_s / 3'600 % 24, total_s / 60 % 60, total_s % 60);
}

}  // namespace touchstone::asio_driver
