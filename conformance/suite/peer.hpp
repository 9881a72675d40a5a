// A client of the suite, as the cases use it. A Peer is a handle: copies name the same client, and
// every call that is not a question returns the handle, so that calls chain. What a call expects
// and does not get ends the case with the fitting verdict.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/mqtt.hpp"
#include "conformance/packets/build.hpp"
#include "conformance/packets/draft.hpp"
#include "conformance/packets/reader.hpp"
#include "conformance/targets/target.hpp"

namespace touchstone::conformance {

class Context;
struct Actor;

enum class CleanStart : bool { no, yes };
enum class Retain : bool { no, yes };
enum class Dup : bool { no, yes };

/// A Topic Name or Topic Filter. A plain text is put under the topic that belongs to this case
/// alone; absolute() is taken as it is, and shared() becomes "$share/NAME/…".
struct Topic {
    std::string text;
    std::string share_name{};
    bool is_absolute = false;

    Topic(const char* relative) : text{relative} {}             // NOLINT: reads as text
    Topic(std::string relative) : text{std::move(relative)} {}  // NOLINT
    Topic(std::string text_, std::string share_name_, bool is_absolute_)
        : text{std::move(text_)},
          share_name{std::move(share_name_)},
          is_absolute{is_absolute_} {}
};
[[nodiscard]] inline Topic absolute(std::string text) {
    return Topic{std::move(text), {}, true};
}
[[nodiscard]] inline Topic shared(std::string share_name, std::string filter) {
    return Topic{std::move(filter), std::move(share_name), false};
}

/// §3.1.2.5. Properties only in 5.0.
struct Will {
    Topic topic = "will";
    std::string payload = "gone";
    QoS qos = QoS::at_most_once;
    Retain retain = Retain::no;
    std::optional<std::uint32_t> delay_s{};
    Properties properties{};
};

/// What goes into a CONNECT. Everything that 3.1.1 does not know is left out there.
struct ConnectOptions {
    CleanStart clean_start = CleanStart::yes;
    std::chrono::seconds keep_alive{600};
    std::optional<std::uint32_t> session_expiry_s{};
    std::optional<std::uint16_t> receive_maximum{};
    std::optional<std::uint32_t> maximum_packet_size_bytes{};
    std::optional<std::uint16_t> topic_alias_maximum{};
    std::optional<Will> will{};
    std::optional<std::string> client_id{};  // default: one of this peer's own
    std::optional<std::string> user_name{};
    std::optional<std::string> password{};
    bool is_anonymous = false;                 // without the credentials that the operator gave us
    Properties properties{};                   // further ones
    std::optional<ProtocolVersion> version{};  // default: the case's
};

/// A Session that outlives its Network Connection, in either version.
[[nodiscard]] inline ConnectOptions kept_session() {
    return {.clean_start = CleanStart::no, .session_expiry_s = 300};
}

/// §3.3.
struct Publication {
    Topic topic = "t";
    QoS qos = QoS::at_most_once;
    std::string payload{};
    Retain retain = Retain::no;
    Dup dup = Dup::no;
    Properties properties{};
    std::optional<std::uint16_t> packet_id{};  // default: the next one that is free
};

/// §3.8.3.1; before 5.0 only the QoS exists.
struct SubscriptionOptions {
    QoS qos = QoS::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint8_t retain_handling = 0;

    [[nodiscard]] std::uint8_t byte() const;
};

struct Subscription {
    Topic filter = "t";
    SubscriptionOptions options{};
};

/// What a received PUBLISH has to be; a field that is absent may be anything.
struct ExpectedPublish {
    std::optional<Topic> topic{};
    std::optional<std::string> payload{};
    std::optional<QoS> qos{};
    std::optional<Retain> retain{};
    std::optional<Dup> dup{};
    std::optional<Duration> within{};  // default: Tolerances::answer()
};

/// Whether the standard obliges the broker to notice a mistake ("How strict a test may be").
enum class Detection : std::uint8_t {
    binding,    // the statement demands it: going on is a fail
    free,       // §4.13.1 leaves the rigour to the implementation: going on is non-strict
    elsewhere,  // another case judges that it is noticed; this one looks at what a refusal is like
};

/// What a broker may answer to a CONNECT that it refuses.
enum class RefusalAnswer : std::uint8_t {
    optional_connack,  // a CONNACK with a code, or none
    connack,           // it has to be there
    silence,           // 3.1.1 §3.1.4: no CONNACK
    any_version,       // a CONNACK of another version is fine, too: it was asked for one
};

/// How a Network Connection went after something that has to end it.
struct End {
    bool is_closed = false;
    std::optional<Packet> connack{};
    std::optional<Packet> disconnect{};
    std::vector<Packet> others{};  // whatever else came before the end
};

class Peer {
public:
    explicit Peer(Actor& actor) : actor_{&actor} {}

    // The Network Connection.
    Peer open();
    /// Ends it without DISCONNECT, as when the network fails.
    Peer cut();
    Peer send(const Draft& draft);
    /// Any bytes; whole packets among them are recorded one by one.
    Peer send(Bytes bytes);
    /// Over WebSocket alone. What is in the messages is recorded as if it came in one piece.
    Peer send(const std::vector<WebSocketMessage>& messages);
    [[nodiscard]] bool is_open() const;

    // CONNECT and DISCONNECT.
    /// Opens, sends CONNECT and expects CONNACK with code 0.
    Peer connect(const ConnectOptions& options = {});
    /// As connect(), and expects that Session Present is `present`.
    Peer connect_expecting_session(bool present, const ConnectOptions& options);
    /// The CONNECT that connect() would send.
    [[nodiscard]] Draft connect_packet(const ConnectOptions& options = {});
    /// The CONNACK of the last connect().
    [[nodiscard]] const Packet& connack() const;
    /// Opens, sends `draft`, and expects a refusal: no CONNACK with code 0, and a close. A code
    /// that is not among `codes` makes the close verdict non-strict; empty: any code.
    End expect_connect_refused(const Draft& draft, std::initializer_list<int> codes,
                               RefusalAnswer answer = RefusalAnswer::optional_connack,
                               Detection detection = Detection::binding);
    Peer disconnect(std::uint8_t reason_code = 0, const Properties& properties = {});

    // PUBLISH.
    /// Sends it and completes the flow of its QoS.
    Peer publish(const Topic& topic, QoS qos = QoS::at_most_once, std::string_view payload = "");
    Peer publish(const Publication& publication);
    /// Sends it only. Returns the Packet Identifier, 0 at QoS 0.
    std::uint16_t send_publish(const Publication& publication);
    [[nodiscard]] Draft publish_packet(const Publication& publication);
    /// PUBACK, PUBREC, PUBREL or PUBCOMP with this identifier.
    Peer send_acknowledgement(PacketType type, std::uint16_t packet_id,
                              std::uint8_t reason_code = 0, const Properties& properties = {});
    /// The next acknowledgement of `type` for `packet_id`.
    Packet expect_acknowledgement(PacketType type, std::uint16_t packet_id);

    // SUBSCRIBE and UNSUBSCRIBE.
    /// Expects a SUBACK that grants what was asked for; a broker that grants less makes the case
    /// not applicable.
    Peer subscribe(const Topic& filter, QoS qos = QoS::at_most_once);
    Peer subscribe(const Topic& filter, const SubscriptionOptions& options,
                   const Properties& properties = {});
    /// Sends one SUBSCRIBE and returns the SUBACK, whatever it grants.
    Packet try_subscribe(const std::vector<Subscription>& subscriptions,
                         const Properties& properties = {});
    [[nodiscard]] Draft subscribe_packet(const std::vector<Subscription>& subscriptions,
                                         const Properties& properties = {});
    /// Returns the UNSUBACK; a code of 0x80 or above ends the case.
    Packet unsubscribe(const std::vector<Topic>& filters);
    [[nodiscard]] Draft unsubscribe_packet(const std::vector<Topic>& filters);
    /// The next Packet Identifier of this client.
    std::uint16_t take_packet_id();

    // Receiving. Acknowledging is the case's business unless acknowledging() was called.
    /// From now on each PUBLISH is acknowledged when it is received.
    Peer acknowledging(bool on = true);
    /// The next packet of `type`; a PUBLISH that comes before it waits for expect_publish().
    Packet expect(PacketType type);
    /// The next packet of any type; nothing when the connection ends or nothing comes in time.
    std::optional<Packet> next();
    /// The next PUBLISH, which has to be as `expected`. Ends the case as not applicable when it
    /// comes only after a flow that is open was completed: how many flows a server opens at a time
    /// is its own choice below Receive Maximum (§4.9).
    Packet expect_publish(const ExpectedPublish& expected = {});
    /// expect_publish(), then completes its flow.
    Packet expect_message(const ExpectedPublish& expected = {});
    std::vector<Packet> expect_publishes(std::size_t count);
    /// Everything that was published before this call has arrived, and it was nothing: the other
    /// clients of the case publish a marker to this one, then it makes a round trip of its own.
    Peer expect_nothing();
    /// The same with a PINGREQ alone, where a marker would disturb.
    Peer expect_nothing_by_ping();
    /// Returns when everything that any client of the case has done before is known where this one
    /// is served: a broker of several parts may acknowledge before all of them know, and no
    /// statement forbids that.
    Peer settle();
    /// All PUBLISHes that have arrived when the markers of expect_nothing() are through.
    std::vector<Packet> collect();
    /// Completes the flow of `publish`; nothing at QoS 0.
    Peer acknowledge(const Packet& publish);
    /// Completes the oldest flow that is not complete.
    Peer complete_oldest_flow();
    /// PINGREQ, PINGRESP.
    Peer ping();

    // The end.
    /// After a packet that has to end the connection: expects the close, with DISCONNECT before it
    /// in 5.0 (SHOULD). A code that is not among `codes` makes the close verdict non-strict; empty:
    /// any code.
    End expect_rejected(std::initializer_list<int> codes, Detection detection = Detection::binding);
    /// After something that is no Control Packet and has to end the connection: expects the close.
    /// How it comes is the transport's matter.
    End expect_transport_close();
    /// Waits for the close that follows from what another client did (takeover, shutdown).
    End expect_close(std::initializer_list<int> codes);
    /// Receives until `deadline` or the close. Packets stay for the expectations.
    End wait_for_close(Instant deadline);

    [[nodiscard]] const std::string& client_id() const;
    [[nodiscard]] ProtocolVersion version() const;
    [[nodiscard]] Instant now() const;

private:
    Actor* actor_;
};

}  // namespace touchstone::conformance
