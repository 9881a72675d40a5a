// Traces made by hand, to show checkers what no healthy broker does.
#pragma once

#include <string>
#include <vector>

#include "broker/wire/packets.hpp"
#include "broker/wire/primitives.hpp"
#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

/// One node and any number of clients, one packet after the other, 10 ms apart. What a client sends
/// arrives at once, and so does what the broker sends.
/// Packet Identifier of every SUBSCRIBE.
inline constexpr std::uint16_t request_id = 999;

class TraceBuilder {
public:
    struct ConnectOptions {
        bool clean_start = false;
        std::uint32_t session_expiry_s = 600;
        std::uint16_t receive_maximum = 10;
        std::uint16_t keep_alive_s = 0;
        bool session_present = false;
        std::string will_payload;  // topic "will"; empty: none
        std::uint32_t will_delay_s = 0;
        std::uint16_t server_receive_maximum = 65'535;
        ReasonCode reason = ReasonCode::success;         // of CONNACK
        std::uint32_t server_packet_size_bytes_max = 0;  // 0: not announced
        std::uint16_t server_topic_alias_max = 0;
        bool has_server_qos_2 = true;
        bool is_answered = true;  // false: no CONNACK
    };
    struct PublishOptions {
        QoS qos = QoS::at_least_once;
        std::uint16_t packet_id = 1;
        bool dup = false;
        bool retain = false;
        std::uint16_t topic_alias = 0;  // 0: none
        std::uint32_t expiry_s = 0;     // 0: none
    };

    TraceBuilder() {
        node_ = trace_.add_actor("broker");
        trace_.nodes.push_back({.actor = node_,
                                .inflight_max = 10,
                                .packet_id_max = 10,
                                .session_expiry_s_v3 = 600,
                                .session_expiry_s_max = 600,
                                .queue_messages_max = 1'000});
    }

    /// CONNECT and CONNACK on a new connection of the client with that identifier.
    ConnectionNumber connect(const std::string& client_id) { return connect(client_id, {}); }
    ConnectionNumber connect(const std::string& client_id, const ConnectOptions& options) {
        const auto number = trace_.add_connection(actor(client_id), node_);
        recorders_.resize(recorders_.size() + 2);
        note(TraceEntry::Kind::opening, Direction::to_client, number);
        note(TraceEntry::Kind::opened, Direction::to_broker, number);
        wire::PropertiesWriter properties;
        properties.put_integer(wire::PropertyId::session_expiry_interval, options.session_expiry_s);
        properties.put_integer(wire::PropertyId::receive_maximum, options.receive_maximum);
        wire::PropertiesWriter will_properties;
        wire::Connect connect{.version = ProtocolVersion::v5,
                              .clean_start = options.clean_start,
                              .keep_alive_s = options.keep_alive_s,
                              .client_id = client_id,
                              .will = std::nullopt,
                              .user_name = std::nullopt,
                              .password = std::nullopt,
                              .properties = properties.view()};
        if (!options.will_payload.empty()) {
            trace_.add_message({.payload = options.will_payload,
                                .topic = "will",
                                .is_will = true,
                                .publisher = actor(client_id)});
            will_properties.put_integer(wire::PropertyId::will_delay_interval,
                                        options.will_delay_s);
            connect.will = wire::Will{.topic = "will",
                                      .payload = as_bytes(options.will_payload),
                                      .properties = will_properties.view()};
        }
        Buffer bytes;
        wire::encode(bytes, connect);
        to_broker(number, bytes);
        if (!options.is_answered) return number;
        Buffer connack;
        wire::PropertiesWriter granted;
        granted.put_integer(wire::PropertyId::receive_maximum, options.server_receive_maximum);
        granted.put_integer(wire::PropertyId::topic_alias_maximum, options.server_topic_alias_max);
        if (options.server_packet_size_bytes_max != 0) {
            granted.put_integer(wire::PropertyId::maximum_packet_size,
                                options.server_packet_size_bytes_max);
        }
        if (!options.has_server_qos_2) granted.put_integer(wire::PropertyId::maximum_qos, 1);
        wire::encode(connack,
                     wire::Connack{.session_present = options.session_present,
                                   .reason = options.reason,
                                   .properties = granted.view()},
                     ProtocolVersion::v5);
        to_client(number, connack);
        return number;
    }

    /// SUBSCRIBE and the SUBACK that grants what was asked for.
    void subscribe(ConnectionNumber number, std::string_view filter, QoS qos = QoS::exactly_once) {
        ask_for(number, filter, qos);
        grant(number, qos);
    }
    /// SUBACK.
    void grant(ConnectionNumber number, QoS qos = QoS::exactly_once) {
        Buffer suback;
        const std::array codes{static_cast<std::byte>(qos)};
        wire::encode_suback(suback, {.packet_id = id(request_id), .reasons = codes},
                            ProtocolVersion::v5);
        to_client(number, suback);
    }

    /// SUBSCRIBE without an answer.
    void ask_for(ConnectionNumber number, std::string_view filter, QoS qos = QoS::exactly_once) {
        Buffer entries;
        wire::put_subscription(entries, {.filter = filter, .options = {.qos = qos}},
                               ProtocolVersion::v5);
        Buffer bytes;
        wire::encode(
            bytes,
            wire::Subscribe{.packet_id = id(request_id), .entries = entries, .entry_count = 1},
            ProtocolVersion::v5);
        to_broker(number, bytes);
    }

    /// UNSUBSCRIBE without an answer.
    void unsubscribe(ConnectionNumber number, std::string_view filter) {
        Buffer entries;
        wire::put_string(entries, filter);
        Buffer bytes;
        wire::encode(
            bytes,
            wire::Unsubscribe{.packet_id = id(request_id), .entries = entries, .entry_count = 1},
            ProtocolVersion::v5);
        to_broker(number, bytes);
    }

    /// A client's PUBLISH; a payload that is new is a new message of its.
    void publish(ConnectionNumber number, std::string_view topic, std::string_view payload,
                 const PublishOptions& options) {
        add_message(number, topic, payload, options);
        to_broker(number, encoded(topic, payload, options));
    }

    /// The application's call, on topic "t": nothing is sent yet.
    void call_publish(ConnectionNumber number, std::string_view payload,
                      QoS qos = QoS::at_least_once) {
        add_message(number, "t", payload, {.qos = qos});
        note(TraceEntry::Kind::published, Direction::to_client, number,
             trace_.find_message(payload));
    }

    /// Something that concerns the client of the connection, or its end of it.
    void note_client(TraceEntry::Kind kind, ConnectionNumber number) {
        note(kind, Direction::to_client, number);
    }

    /// What the client's settings promise; `actor` is filled in.
    void set_client(ConnectionNumber number, TracedClient settings) {
        settings.actor = trace_.client_of(number);
        trace_.clients.push_back(settings);
    }
    void note_node(TraceEntry::Kind kind) {
        note(kind, Direction::to_broker, ConnectionNumber{~std::uint32_t{0}});
        trace_.entries.back().actor = node_;
    }
    /// A message that somebody else has published, elsewhere.
    void add_bridged(ConnectionNumber bridge, std::string_view payload) {
        add_message(bridge, "t", payload, {});
        trace_.messages.back().publisher = actor("elsewhere");
    }
    TracedNode& node_settings() { return trace_.nodes.front(); }
    /// The node has a disk, of which that is true from now on.
    void set_disk_fault(std::string kind) {
        node_settings().has_storage = true;
        trace_.faults.push_back({std::move(kind), "broker", "", now_, never});
        note_node(TraceEntry::Kind::fault_began);
        trace_.entries.back().index = static_cast<std::uint32_t>(trace_.faults.size() - 1);
    }
    /// The node crashes and is up again; of what it had stored within `taken`, the disk has spoilt
    /// something in that way, or nothing if that is empty.
    void crash(std::string how, Duration taken = {}) {
        node_settings().has_storage = true;
        note_node(TraceEntry::Kind::node_crashed);
        trace_.losses.push_back({.node = node_,
                                 .at = now_,
                                 .unsynced_since = now_,
                                 .broken_since = how.empty() ? never : now_ - taken,
                                 .how = std::move(how)});
        note_node(TraceEntry::Kind::node_started);
    }

    /// The broker's PUBLISH, which the client takes.
    void send_to(ConnectionNumber number, std::string_view topic, std::string_view payload,
                 const PublishOptions& options) {
        to_client(number, encoded(topic, payload, options));
    }
    /// The same, handed to the application.
    void deliver(ConnectionNumber number, std::string_view topic, std::string_view payload,
                 const PublishOptions& options) {
        send_to(number, topic, payload, options);
        note(TraceEntry::Kind::delivered, Direction::to_client, number,
             static_cast<std::uint32_t>(trace_.packets.size() - 1));
    }

    void to_broker(ConnectionNumber number, wire::PacketType type, std::uint16_t packet_id) {
        to_broker(number, ack(type, packet_id, ReasonCode::success));
    }
    void to_client(ConnectionNumber number, wire::PacketType type, std::uint16_t packet_id,
                   ReasonCode reason = ReasonCode::success) {
        to_client(number, ack(type, packet_id, reason));
    }
    /// What is sent from here on is lost, or is not any more.
    void set_losing(bool on) { is_losing_ = on; }
    void to_broker(ConnectionNumber number, Bytes bytes) {
        transfer(number, Direction::to_broker, bytes);
    }
    void to_client(ConnectionNumber number, Bytes bytes) {
        transfer(number, Direction::to_client, bytes);
    }

    void closed_by_broker(ConnectionNumber number) {
        note(TraceEntry::Kind::closed, Direction::to_broker, number);
    }
    void lost_by_client(ConnectionNumber number) {
        note(TraceEntry::Kind::ended, Direction::to_broker, number);
    }
    void settles() {
        note(TraceEntry::Kind::settle_began, Direction::to_broker, ConnectionNumber{});
    }
    void pass(Duration span) { now_ += span; }

    /// The trace, and that it is the whole run.
    Trace& finished() {
        trace_.end.known = true;
        trace_.end.at = now_;
        return trace_;
    }
    [[nodiscard]] Actor node() const { return node_; }
    [[nodiscard]] Trace& trace() { return trace_; }
    /// The node is one of a cluster.
    void join_cluster() { trace_.cluster.model = "some"; }
    /// Clients connect to another node from now on.
    void go_to_other_node(const std::string& name) {
        node_ = trace_.add_actor(name);
        trace_.nodes.push_back(trace_.nodes.front());
        trace_.nodes.back().actor = node_;
    }

private:
    static wire::PacketId id(std::uint16_t raw) { return wire::PacketId::from_wire(raw).value(); }

    static Buffer ack(wire::PacketType type, std::uint16_t packet_id, ReasonCode reason) {
        Buffer bytes;
        wire::encode(bytes, type, wire::Ack{.packet_id = id(packet_id), .reason = reason},
                     ProtocolVersion::v5);
        return bytes;
    }

    static Buffer encoded(std::string_view topic, std::string_view payload,
                          const PublishOptions& options) {
        wire::Publish publish{.dup = options.dup,
                              .qos = options.qos,
                              .retain = options.retain,
                              .topic = topic,
                              .payload = as_bytes(payload)};
        if (options.qos != QoS::at_most_once) publish.packet_id = id(options.packet_id);
        wire::PropertiesWriter properties;
        if (options.topic_alias != 0) {
            properties.put_integer(wire::PropertyId::topic_alias, options.topic_alias);
        }
        if (options.expiry_s != 0) {
            properties.put_integer(wire::PropertyId::message_expiry_interval, options.expiry_s);
        }
        publish.properties = properties.view();
        Buffer bytes;
        wire::encode(bytes, publish, ProtocolVersion::v5);
        return bytes;
    }

    void add_message(ConnectionNumber number, std::string_view topic, std::string_view payload,
                     const PublishOptions& options) {
        if (trace_.find_message(payload) != no_message) return;
        trace_.add_message({.payload = std::string{payload},
                            .topic = std::string{topic},
                            .qos = options.qos,
                            .retain = options.retain,
                            .publisher = trace_.client_of(number),
                            .sequence = ++sequence_});
    }

    Actor actor(const std::string& name) {
        for (std::uint32_t i = 0; i < trace_.actors.size(); ++i) {
            if (trace_.actors[i] == name) return Actor{i};
        }
        return trace_.add_actor(name);
    }

    void note(TraceEntry::Kind kind, Direction direction, ConnectionNumber number,
              std::uint32_t index = 0) {
        pass(std::chrono::milliseconds{10});
        const bool has_connection = number.raw() < trace_.connections.size();
        trace_.add({now_, kind, direction, has_connection ? trace_.client_of(number) : Actor{},
                    number, index});
    }

    void transfer(ConnectionNumber number, Direction direction, Bytes bytes) {
        pass(std::chrono::milliseconds{10});
        auto& recorder = recorders_[number.raw() * 2 + static_cast<std::size_t>(direction)];
        auto version = ProtocolVersion::v5;
        recorder.on_sent(trace_, now_, number, direction, bytes, version);
        if (!is_losing_) recorder.on_taken(trace_, now_, direction, bytes.size());
    }

    Trace trace_;
    Actor node_;
    Instant now_{std::chrono::seconds{1}};
    std::vector<StreamRecorder> recorders_;
    std::uint64_t sequence_ = 0;
    bool is_losing_ = false;
};

}  // namespace touchstone::simulator
