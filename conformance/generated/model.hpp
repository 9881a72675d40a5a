// The oracle: a plain model of what MQTT 3.1.1 and 5.0 demand of a server, for up to four clients.
// It says what a conforming client sends for a step, judges every packet that comes back, and
// knows what is still owed. What the standard leaves to the server is never owed and always
// allowed: the README lists these freedoms. Pure: no clock, no sockets. Rules about one packet are
// packets/reader.hpp's, rules about one Network Connection suite/monitor.hpp's; here is what
// depends on Sessions, other clients and time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conformance/generated/script.hpp"
#include "conformance/packets/reader.hpp"
#include "conformance/suite/monitor.hpp"
#include "conformance/suite/needs.hpp"
#include "conformance/suite/tolerances.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance::generated {

/// Where a broker and the standard part.
struct Divergence {
    std::string statement{};  // "v5/MQTT-3.3.1-1"; empty: none by number
    std::string kind{};       // a few words, the same for the same mistake: what shrinking keeps
    std::string text{};       // one line, with the details

    friend bool operator==(const Divergence&, const Divergence&) = default;
};

/// What a step comes to on the wire.
struct Outgoing {
    bool opens = false;             // a new Network Connection, first
    std::vector<Buffer> packets{};  // the last one may be cut
    std::optional<Ending> ends{};   // the client ends the connection afterwards
    bool is_text_frame = false;     // over WebSocket: in a text frame
    bool is_ping_frame = false;     // a Ping frame of WebSocket instead of a packet
};

/// Something that has to come.
struct Owed {
    char client = 'a';  // on whose connection it is waited for
    Divergence divergence{};
};

struct ModelSettings {
    std::string token;  // the run's own word, takes the place of ~
    Tolerances tolerances{};
    Capabilities capabilities{};                   // what a client knows before its first CONNACK
    std::optional<NameAndPassword> credentials{};  // go into every CONNECT
    /// What was acknowledged is known to all of the broker. One of several parts may acknowledge
    /// before that, and no statement forbids it.
    bool is_of_one_part = false;
};

class Model {
public:
    explicit Model(ModelSettings settings);

    /// What the client sends for `step`, the one at `number`. Nothing when the step does not
    /// apply: no connection, a limit of the broker, an option that the version does not have.
    [[nodiscard]] std::optional<Outgoing> begin(const Step& step, std::size_t number, Instant now);
    /// Judges `packet`, and returns what the client answers at once.
    [[nodiscard]] std::vector<Buffer> on_received(char client, Packet& packet, Instant now);
    /// The broker ended the connection.
    void on_end(char client, Arrival arrival, Instant now);
    /// The client has ended the connection, as Outgoing::ends said.
    void on_ended_by_client(char client, Instant now);
    /// Time has passed, and everything that came meanwhile was given to on_received().
    void on_time(Instant now);
    /// A PINGREQ of the client.
    [[nodiscard]] Buffer ping(char client, Instant now);
    /// Every client that is connected has made a round trip: all it had sent was processed.
    void on_settled();

    /// The first thing that is owed at `now`; nothing: all that has to come has come.
    [[nodiscard]] std::optional<Owed> owed(Instant now) const;
    [[nodiscard]] bool is_open(char client) const { return link(client).is_open; }
    /// Open, accepted, and nothing says that the broker should end it.
    [[nodiscard]] bool can_ping(char client) const;
    [[nodiscard]] ProtocolVersion version(char client) const { return link(client).version; }
    [[nodiscard]] std::size_t split(char client) const { return link(client).split; }
    [[nodiscard]] bool is_joined(char client) const { return link(client).is_joined; }
    [[nodiscard]] const std::vector<Divergence>& divergences() const { return divergences_; }
    /// The broker ended something for reasons of its own; nothing more can be judged. Why, in one
    /// line.
    [[nodiscard]] const std::string& inconclusive() const { return inconclusive_; }

    /// Topics that may have a Retained Message, and Client Identifiers that may have a Session: to
    /// be cleaned up on a broker that lives on.
    [[nodiscard]] std::vector<std::string> topics_to_clear() const;
    [[nodiscard]] const std::map<std::string, ProtocolVersion>& sessions_to_end() const {
        return used_client_ids_;
    }

private:
    /// An Application Message.
    struct Message {
        std::string topic{};
        std::string payload{};
        std::uint8_t qos = 0;
        bool retain = false;
        Properties properties{};  // those that travel
        std::optional<std::uint32_t> expiry_s{};
        Instant from{};  // it reached the broker between these
        Instant to{};
        std::string publisher{};   // Client Identifier
        std::size_t sequence = 0;  // in the order of publication
        bool is_will = false;
        bool is_ordered = true;      // its place among the others is known
        bool was_offered = false;    // the broker may have had it
        bool is_ambiguous = false;   // another one looks the same
        bool is_late = false;        // it may not have reached all of the broker yet
        bool is_place_known = true;  // among the messages retained under its topic
    };
    using MessagePointer = std::shared_ptr<Message>;

    struct Subscription {
        FilterWord options{};
        std::uint8_t qos = 0;  // granted
        std::optional<std::uint32_t> identifier{};
        bool is_certain = false;  // SUBACK came, and no UNSUBSCRIBE has been sent
        std::size_t revision = 0;
    };

    /// A subscription as it was when a message matched it.
    struct Match {
        std::string filter;
        Subscription subscription;
    };

    /// What one Session may get of one message, and how many copies it has to.
    struct Copy {
        MessagePointer message;
        std::vector<Match> matches{};
        bool is_retained = false;  // sent because of a SUBSCRIBE
        unsigned needed = 0;
        unsigned arrived = 0;
        unsigned arrived_before = 0;  // when it was published once more
        unsigned maximum = 1;
        bool has_highest_qos = false;  // a copy with the highest QoS arrived
        bool is_optional = false;      // the broker may have had the message before it matched
        bool is_mixed = false;  // the subscriptions changed while the broker may have matched them
    };

    /// What may be retained under a topic, and what put it there.
    struct Retained {
        MessagePointer stored;  // nullptr: nothing
        MessagePointer source;
    };

    /// What one share group may get of one message.
    struct SharedCopy {
        MessagePointer message;
        std::string filter;                             // "$share/…"
        std::map<std::string, Subscription> members{};  // by Client Identifier
        std::vector<std::string> holders{};             // who got it, by Client Identifier
        bool is_optional = false;                       // nobody need get it
        unsigned needed = 0;
        unsigned arrived = 0;
        unsigned maximum = 1;
    };

    /// A PUBLISH above QoS 0 from the broker, whose flow is not known to be complete.
    struct Flight {
        std::uint16_t id = 0;
        std::uint8_t qos = 1;
        MessagePointer message;
        std::string topic{};
        std::string payload{};
        bool is_open = true;        // on this connection
        bool is_recorded = false;   // PUBREC was sent
        bool is_uncertain = false;  // the broker may not have seen our last acknowledgement
        bool is_complete = false;   // our last acknowledgement completes it
        bool is_resend_owed = false;
        bool is_pubrel_owed = false;
        std::shared_ptr<SharedCopy> shared{};
        bool is_ordered = false;
    };

    /// A PUBLISH above QoS 0 of ours, whose flow is not complete.
    struct Outbound {
        std::uint16_t id = 0;
        MessagePointer message;
        bool is_recorded = false;   // PUBREC came
        bool is_released = false;   // PUBREL was sent
        bool is_forgetful = false;  // the client acts as if the acknowledgement had not come
        bool was_answered = false;  // and it did come
    };

    /// A message that may reach others late: whoever sent it is not there to be asked.
    struct Late {
        MessagePointer message;
        bool is_certain = false;  // it was published
        unsigned steps = 0;       // since
    };

    struct Will {
        MessagePointer message;
        std::uint32_t delay_s = 0;
    };

    struct Session {
        ProtocolVersion version = ProtocolVersion::v5;
        bool is_certain = true;  // false: it may have expired
        std::optional<char> client{};
        std::uint32_t expiry_s = 0;
        Instant offline_since{};
        std::map<std::string, Subscription> subscriptions{};
        std::vector<Copy> copies{};
        std::vector<Flight> flights{};
        std::vector<Outbound> outbound{};
        std::optional<Will> will{};
        bool is_will_offered = false;
    };

    struct Pending {
        PacketType type = PacketType::reserved;
        std::uint16_t id = 0;
    };

    /// A Network Connection.
    struct Link {
        bool is_open = false;
        bool is_connected = false;
        bool is_awaiting_connack = false;
        bool is_clean_start = false;
        bool may_close = false;                       // the broker is free to
        std::optional<Divergence> must_close{};       // why, and what it breaks when it does not
        std::optional<Divergence> must_not_accept{};  // a CONNECT that has to be refused
        std::optional<Divergence> must_not_answer{};  // one that has to be refused without CONNACK
        bool may_be_any_connack = false;              // in the format of whichever version
        std::string refused_filter_rule{};            // a SUBACK that grants would break this
        ProtocolVersion version = ProtocolVersion::v5;
        std::string client_id{};
        std::string session{};  // key of the Session; empty: taken over, or none
        bool is_manual = false;
        std::size_t split = 0;
        bool is_joined = false;
        std::uint32_t expiry_s = 0;
        std::uint16_t keep_alive_s = 0;
        std::optional<Will> will{};
        std::optional<std::uint32_t> packet_size_max{};
        std::uint16_t receive_maximum = 65'535;
        std::uint16_t server_receive_maximum = 65'535;
        std::uint16_t server_alias_maximum = 0;
        std::uint8_t server_maximum_qos = 2;
        bool has_retain = true;
        bool has_wildcards = true;
        bool has_identifiers = true;
        bool has_shared = true;
        std::optional<std::uint32_t> server_packet_size{};
        std::map<std::uint32_t, std::string> aliases{};
        std::map<std::pair<PacketType, std::uint16_t>, int> awaited{};
        std::vector<std::string> asked_filters{};  // of the SUBSCRIBE or UNSUBSCRIBE under way
        std::vector<bool> had_filters{};           // of UNSUBSCRIBE: known for certain to be there
        std::deque<Pending> pending{};             // acknowledgements that a manual client owes
        std::optional<std::uint8_t> disconnect_code{};
        Instant last_sent{};
        Monitor monitor{};
        /// Sequence of the last message of a stream: publisher, topic, QoS of both sides.
        std::map<std::string, std::size_t> last_of_stream{};
    };

    [[nodiscard]] Link& link(char client) { return links_[static_cast<std::size_t>(client - 'a')]; }
    [[nodiscard]] const Link& link(char client) const {
        return links_[static_cast<std::size_t>(client - 'a')];
    }
    [[nodiscard]] Session* session_of(const Link& link);
    [[nodiscard]] const Session* session_of(const Link& link) const;
    [[nodiscard]] std::string expand(std::string_view text) const;
    void diverge(const Rule& rule, ProtocolVersion version, std::string kind, std::string text);
    [[nodiscard]] static Divergence divergence(const Rule& rule, ProtocolVersion version,
                                               std::string kind, std::string text);

    // What clients do.
    std::optional<Outgoing> begin_verb(const Step& step, std::size_t number, Instant now);
    [[nodiscard]] Draft connect_packet(ConnectFields fields) const;
    std::optional<Outgoing> begin_connect(const Step& step, std::size_t number, Instant now);
    std::optional<Outgoing> begin_subscribe(const Step& step, Instant now);
    std::optional<Outgoing> begin_unsubscribe(const Step& step, Instant now);
    std::optional<Outgoing> begin_publish(const Step& step, std::size_t number, Instant now);
    std::optional<Outgoing> begin_acknowledge(const Step& step, Instant now);
    std::optional<Outgoing> begin_disconnect(const Step& step, Instant now);
    std::optional<Outgoing> begin_wrong(const Step& step, std::size_t number, Instant now);
    Buffer send(Link& link, const Draft& draft, Instant now);
    Buffer send_raw(Link& link, Buffer bytes, Instant now);
    Buffer send_outbound(Link& link, Outbound& outbound, bool is_again, const Draft* draft,
                         Instant now);
    Buffer acknowledge(Link& link, const Pending& pending, std::uint8_t code, Instant now);
    [[nodiscard]] bool is_acceptable(const Link& link, const std::string& filter) const;

    // What the broker answers.
    std::vector<Buffer> on_connack(char client, const Packet& packet, Instant now);
    std::vector<Buffer> on_publish(char client, const Packet& packet, Instant now);
    std::vector<Buffer> on_pubrel(char client, const Packet& packet, Instant now);
    std::vector<Buffer> on_acknowledgement(char client, const Packet& packet, Instant now);
    void on_suback(char client, const Packet& packet, Instant now);
    void on_unsuback(char client, const Packet& packet);
    void on_gone(char client, bool is_normal, Instant now);
    std::vector<Buffer> answer(Link& link, PacketType type, std::uint16_t id, Instant now);
    bool take_resend(Link& link, Session& session, const Packet& packet);
    /// What a PUBLISH was taken for.
    struct Taken {
        MessagePointer message;
        std::shared_ptr<SharedCopy> shared{};
        bool is_ordered = false;  // its place among the messages of its publisher is known
    };
    std::optional<Taken> take_copy(Link& link, Session& session, const Packet& packet, Instant now,
                                   std::vector<Divergence>& problems);
    [[nodiscard]] bool is_member(const SharedCopy& copy, const std::string& client_id) const;
    bool make_room(const std::string& client_id, const Packet& packet);
    [[nodiscard]] static bool is_in_group_of(const Session& session, const std::string& topic);
    void explain_unwanted(const Link& link, const Session& session, const Packet& packet,
                          std::vector<Divergence>& problems);
    [[nodiscard]] std::optional<Divergence> judge(const Link& link, const Session& session,
                                                  const Copy& copy, const Packet& packet,
                                                  bool is_shared, Instant now) const;
    [[nodiscard]] static std::vector<std::uint32_t> own_identifier(const Match& match);
    [[nodiscard]] static std::vector<std::uint32_t> all_identifiers(const Copy& copy);
    /// Whether the broker sends a copy per subscription, each with its own Subscription Identifier.
    [[nodiscard]] static bool is_one_of_several(const Link& link, const Session& session,
                                                const Copy& copy, const Packet& packet);
    [[nodiscard]] std::optional<Divergence>
    judge_properties(const Message& message, const Packet& packet, Instant now) const;
    void check_order(Link& link, const Message& message, const Packet& packet);

    // What becomes of messages and Sessions.
    void accept(const MessagePointer& message, bool is_certain, Instant now);
    void offer_to(const std::string& client_id, Session& session, const MessagePointer& message,
                  bool is_certain, bool is_first);
    void offer_to_groups(const MessagePointer& message, bool is_certain, bool is_first);
    void retain(const MessagePointer& message, bool is_certain, bool is_first);
    void offer_retained(const Link& link, Session& session, const std::string& filter, bool is_new,
                        Instant now);
    void refuse(const MessagePointer& message);
    void repeat(const MessagePointer& message, bool is_new);
    void end_session(const std::string& client_id, bool is_will_certain, Instant now);
    void publish_will(Session& session, bool is_certain, Instant now);
    void foresee_end(char client, Instant now);
    [[nodiscard]] static bool fits(const Link& link, const Message& message);
    [[nodiscard]] bool can_be_owed(const Link& link, const Message& message, Instant now) const;
    [[nodiscard]] bool is_expired(const Message& message, Instant now, Duration later) const;
    /// The connection on which `session` can be owed a PUBLISH: no flow is open on it.
    [[nodiscard]] const Link* idle_link(const Session& session) const;
    [[nodiscard]] static std::uint8_t highest_qos(const Copy& copy);
    [[nodiscard]] static bool is_unchanged(const Session& session, const Copy& copy);
    [[nodiscard]] std::optional<Owed> owed_on(char client) const;
    [[nodiscard]] std::optional<Owed> owed_to(const Session& session, Instant now) const;
    [[nodiscard]] std::optional<Owed> owed_to_groups(Instant now) const;
    MessagePointer make_message(std::string topic, std::string payload, std::uint8_t qos,
                                bool retain, std::string publisher, Instant now);

    ModelSettings settings_;
    std::array<Link, 4> links_{};
    std::map<std::string, Session> sessions_{};  // by Client Identifier
    std::map<std::string, ProtocolVersion> used_client_ids_{};
    std::vector<std::shared_ptr<SharedCopy>> shared_{};
    std::map<std::string, std::vector<Retained>> retained_{};  // by Topic Name: one of these
    std::vector<MessagePointer> messages_{};
    std::vector<Late> late_{};
    std::size_t revision_ = 0;
    std::size_t anonymous_ = 0;
    std::vector<Divergence> divergences_{};
    std::string inconclusive_{};
};

/// Whether the Topic Filter (no `$share/` prefix) matches the Topic Name (§4.7).
[[nodiscard]] bool matches_topic(std::string_view filter, std::string_view topic);

}  // namespace touchstone::conformance::generated
