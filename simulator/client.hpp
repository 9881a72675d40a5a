// A simulated client: a whole MQTT client over the codec, for v3.1.1 and v5, with the habits that
// make trouble for brokers. A state machine like the broker's core: inputs with the time, effects
// on a port. Its Session State outlives its Network Connections.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/wire/packets.hpp"
#include "simulator/client_defects.hpp"
#include "simulator/links.hpp"
#include "simulator/random.hpp"

namespace touchstone::simulator {

struct Publication {
    std::string topic;
    std::string payload;
    QoS qos = QoS::at_most_once;
    bool retain = false;
    std::optional<std::uint32_t> expiry_s;  // v5 Message Expiry Interval
};

/// The Will Message of every CONNECT. As payloads are unique, the n-th one (n > 1) gets `#n`
/// behind.
struct WillOptions {
    Publication message;
    std::uint32_t delay_s = 0;  // v5 Will Delay Interval
};

struct Wish {  // a subscription the application wants
    std::string filter;
    wire::SubscriptionOptions options;
};

/// When the client acknowledges. Acknowledgements keep the order of what they answer (§4.6).
struct AckPolicy {
    Duration delay_low = Duration::zero();  // uniform between the two
    Duration delay_high = Duration::zero();
    /// The application handles one message at a time and takes so long for each.
    Duration per_message = Duration::zero();
    /// So many from now on, then none until acknowledge() or another policy; nothing: all.
    std::optional<std::uint64_t> only_first;
};

struct ReconnectPolicy {
    bool enabled = true;
    Duration delay_low = std::chrono::milliseconds{100};  // uniform between the two
    Duration delay_high = std::chrono::milliseconds{500};
    /// When given: both double with each attempt that failed, up to this.
    std::optional<Duration> delay_max;
};

/// What outlives the client's process.
enum class Store : std::uint8_t {
    memory,   // nothing
    durable,  // Session State, and what waits to be sent or handed over
};

struct ClientOptions {
    std::string client_id;  // may be empty: the server assigns one
    ProtocolVersion version = ProtocolVersion::v5;
    bool clean_start = true;                              // v3: Clean Session
    std::uint32_t session_expiry_s = 0;                   // v5; 0xFFFFFFFF: never
    std::uint16_t receive_maximum = 65'535;               // v5
    std::uint16_t keep_alive_s = 60;                      // 0: none
    Duration ping_timeout = std::chrono::seconds{10};     // PINGREQ to PINGRESP
    Duration connect_timeout = std::chrono::seconds{10};  // CONNECT to CONNACK
    std::optional<WillOptions> will;
    /// The largest Packet Identifier the client uses.
    std::uint16_t packet_id_max = 65'535;
    /// QoS 1 and 2 messages in flight at most; a server's Receive Maximum lowers it.
    std::uint16_t inflight_max = 20;
    AckPolicy acknowledgements;  // PUBACK and PUBREC
    AckPolicy completions;       // PUBCOMP
    ReconnectPolicy reconnect;
    /// After CONNACK without Session Present: subscribe again to what was subscribed, and publish
    /// unacknowledged messages anew, as other messages.
    bool restore_subscriptions = true;
    bool republish_unacknowledged = false;
    /// Whether QoS 0 messages published while away wait for the connection.
    bool queue_qos_0_offline = false;
    /// Sends nothing by itself and listens to nothing: what it sends is send_raw().
    bool only_raw = false;
    std::optional<std::string> user_name;
    /// Topic Aliases the client uses at most; the server's Topic Alias Maximum lowers it. v5.
    std::uint16_t topic_alias_max = 0;
    /// 3.1.1 only: repeats what was not acknowledged for so long on a live connection; zero never.
    Duration retry_interval = Duration::zero();
    Store store = Store::durable;
    ClientDefects defects;
};

/// What a client does to its world. Nothing calls back.
class ClientPort {
public:
    virtual ConnectionNumber open() = 0;
    virtual void send(ConnectionNumber connection, Bytes bytes) = 0;
    virtual void close(ConnectionNumber connection) = 0;
    virtual void abort(ConnectionNumber connection) = 0;
    /// A message has come that is for the application. Returns its number for deliver().
    virtual std::uint32_t receive(ConnectionNumber connection, const wire::Publish& publish) = 0;
    /// It was handed to the application.
    virtual void deliver(std::uint32_t received) = 0;
    /// The Session State is gone, by whatever reason.
    virtual void forgot() = 0;
    /// The process has ended by a fault of its own: nothing is called any more.
    virtual void died() = 0;
    /// A CONNECT with this Will Message is about to be sent.
    virtual void register_will(const Publication& will) = 0;
    virtual RandomStream& random(Purpose purpose) = 0;

protected:
    ~ClientPort() = default;
};

class Client {
public:
    Client(ClientOptions options, ClientPort& port);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // The application. Changes of the options take effect with the next use of them.

    [[nodiscard]] ClientOptions& options() { return options_; }
    [[nodiscard]] const ClientOptions& options() const { return options_; }

    /// Opens a connection and sends CONNECT. One that is still there is left alone and not listened
    /// to any more, as after a change of network: the server has to notice.
    void connect(Instant now);
    /// DISCONNECT and the end of the connection; `session_expiry_s` overrides (v5 §3.14.2.2.2). No
    /// reconnecting before connect().
    void disconnect(Instant now, ReasonCode reason = ReasonCode::success,
                    std::optional<std::uint32_t> session_expiry_s = std::nullopt);
    /// Resets the connection without a word. No reconnecting before connect().
    void vanish(Instant now);
    /// Loses the Session State, as a device whose memory is not durable.
    void forget();
    /// The process goes without a word; what Store keeps is there for the next connect(). Until
    /// then the application publishes nothing. It says Clean Start when nothing was kept.
    void crash(Instant now);
    /// Whether there is an application that takes messages. While there is none they are kept.
    void set_listening(bool is_listening);
    /// Another client of the same pool has lost its connection.
    void on_sibling_lost(Instant now);
    void publish(Publication publication, Instant now);
    void subscribe(const std::vector<Wish>& wishes, Instant now);
    void unsubscribe(const std::vector<std::string>& filters, Instant now);
    /// Replaces the policy; what waits is released by the new one. `only_first` counts from now.
    void set_acknowledgements(const AckPolicy& policy, Instant now);
    void set_completions(const AckPolicy& policy, Instant now);
    /// Sends up to `count` withheld PUBACKs and PUBRECs, oldest first, now.
    void acknowledge(std::uint64_t count, Instant now);
    /// Bytes as they are, on the present connection.
    void send_raw(Bytes bytes);

    // The network.

    void on_bytes(ConnectionNumber connection, Bytes bytes, Instant now);
    void on_ended(ConnectionNumber connection, Instant now);
    void on_tick(Instant now);
    [[nodiscard]] std::optional<Instant> next_tick() const;

    // Questions.

    [[nodiscard]] bool is_connected() const { return phase_ == Phase::connected; }
    [[nodiscard]] bool has_process() const { return phase_ != Phase::crashed; }
    /// The present connection, if there is one.
    [[nodiscard]] std::optional<ConnectionNumber> connection() const { return connection_; }
    /// As the server knows the client; options().client_id unless it was assigned.
    [[nodiscard]] const std::string& client_id() const { return client_id_; }
    /// Publications that are not yet acknowledged or not yet sent.
    [[nodiscard]] std::size_t unfinished_publications() const {
        return exchanges_.size() + queue_.size();
    }
    /// Answers withheld.
    [[nodiscard]] std::size_t withheld_acknowledgements() const {
        return acknowledgements_.pending.size() + completions_.pending.size();
    }

private:
    static wire::PacketId packet_id_of(std::uint16_t raw);
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.

    enum class Phase : std::uint8_t { offline, connecting, connected, crashed };

    /// A QoS 1 or 2 message to the server, or the PUBREL that is owed for it.
    struct Exchange {
        std::uint16_t packet_id = 0;
        Publication publication;
        bool is_released = false;        // PUBREC came: PUBREL is what is sent
        bool was_sent = false;           // ever: DUP from then on
        bool is_on_connection = false;   // sent on the present connection
        bool holds_quota = false;        // of the present connection: PUBLISH went out on it
        Instant sent_at = run_begin;     // last
        std::uint16_t stored_alias = 0;  // sent instead of the topic, as alias_only_stored keeps it
    };

    struct Waiting {  // published, not sent
        Publication publication;
        bool is_stored = true;
    };

    /// What the server announced for this connection.
    struct ServerLimits {
        std::uint32_t packet_size_bytes_max = wire::packet_size_bytes_max;
        std::uint32_t qos_max = 2;
        std::uint32_t topic_alias_max = 0;
    };

    struct Answer {
        wire::PacketType type{};
        std::uint16_t packet_id = 0;
        Instant due;
    };
    struct Answers {
        AckPolicy policy;
        Instant busy_until = run_begin;
        std::deque<Answer> pending;
    };

    struct Request {  // SUBSCRIBE or UNSUBSCRIBE
        std::uint16_t packet_id = 0;
    };

    /// False: it is no packet that a client can make sense of.
    [[nodiscard]] bool on_packet(const wire::Frame& frame, Instant now);
    /// Whether a decoder that believes the lengths it reads would leave the packet.
    [[nodiscard]] bool is_fatal(const wire::Frame& frame) const;
    void on_connack(const wire::Connack& connack, Instant now);
    void on_publish(const wire::Publish& publish, Instant now);
    void on_ack(wire::PacketType type, const wire::Ack& ack, Instant now);
    void on_disconnect(const wire::Disconnect& disconnect);
    /// The connection is gone, by whose doing ever; tries again if `may_reconnect`.
    void lose_connection(Instant now, bool may_reconnect);
    void send(Bytes packet, Instant now);
    void send_ack(wire::PacketType type, std::uint16_t packet_id, Instant now);
    void send_connect(Instant now);
    [[nodiscard]] Publication next_will();
    void send_subscribe(const std::vector<Wish>& wishes, Instant now);
    void send_publish(Exchange& exchange, Instant now);
    void send_pubrel(Exchange& exchange, Instant now);
    [[nodiscard]] Buffer publish_packet(Exchange& exchange);
    void put_topic(wire::Publish& publish, wire::PropertiesWriter& properties, Exchange& exchange);
    /// Whether the server takes such a message.
    [[nodiscard]] bool is_sendable(const Publication& publication) const;
    /// Sends what may be sent: first what is owed from before, then what waits.
    void pump(Instant now);
    /// The next of what is owed. False when there is none, or no quota.
    bool send_owed(Instant now);
    /// The next of what waits. False when there is none, no quota or no identifier.
    bool send_waiting(Instant now);
    void repeat_overdue(Instant now);
    void hand_over(std::uint32_t received);
    void answer(Answers& answers, wire::PacketType type, std::uint16_t packet_id, Instant now);
    void release(Answers& answers, Instant now);
    [[nodiscard]] static std::optional<Instant> next_release(const Answers& answers);
    [[nodiscard]] std::optional<std::uint16_t> free_packet_id();
    [[nodiscard]] std::optional<std::uint16_t> request_packet_id();
    [[nodiscard]] std::uint16_t next_packet_id() const;
    /// The next of as many as may be in flight, as pid_collision_stash_stuck gives them out.
    [[nodiscard]] std::uint16_t stash_packet_id() const;
    [[nodiscard]] bool is_retrying() const { return options_.retry_interval != Duration::zero(); }
    [[nodiscard]] Duration reconnect_delay();
    [[nodiscard]] bool has(ClientDefect defect) const { return options_.defects.has(defect); }
    [[nodiscard]] bool is_in_use(std::uint16_t packet_id) const;
    [[nodiscard]] std::deque<Exchange>::iterator find(std::uint16_t packet_id);

    ClientOptions options_;
    ClientPort& port_;
    std::string client_id_;
    Phase phase_ = Phase::offline;
    std::optional<ConnectionNumber> connection_;
    Buffer partial_;
    Buffer built_;  // what is sent at the moment

    // Session State of the client (§4.1), with what its application wants.
    std::deque<Exchange> exchanges_;      // in the order of the first transmission
    std::set<std::uint16_t> unreleased_;  // QoS 2 received, PUBREL not yet
    std::deque<Waiting> queue_;
    std::deque<std::uint32_t> inbox_;  // received, not handed over
    std::vector<Wish> wishes_;
    std::uint16_t last_packet_id_ = 0;
    std::uint32_t wills_ = 0;  // registered so far
    bool is_listening_ = true;
    /// After a crash without a store: what the server still has is of no use [MQTT-3.2.2-4].
    bool must_start_clean_ = false;
    std::optional<Publication> stash_;   // of pid_collision_stash_stuck: waits for an identifier
    std::uint32_t leaked_quota_ = 0;     // of inflight_counter_leak
    std::uint32_t failed_attempts_ = 0;  // to connect, since the last that worked

    // Of the present connection.
    std::uint32_t quota_ = 0;
    ServerLimits limits_;
    std::map<std::string, std::uint16_t> aliases_;
    std::vector<Request> requests_;
    Answers acknowledgements_;
    Answers completions_;
    Duration keep_alive_ = Duration::zero();  // zero: none
    Instant last_sent_at_ = run_begin;
    std::optional<Instant> answer_deadline_;  // of CONNACK or PINGRESP
    std::optional<Instant> reconnect_at_;
    bool was_taken_over_ = false;  // coming back would only take the session over in turn
};

}  // namespace touchstone::simulator
