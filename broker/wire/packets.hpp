// The Control Packets, one struct each; all versions share a struct and `version` says how it looks
// on the wire. A decoded packet is a view: valid as long as the bytes it was decoded from.
//
// decode_…: the body of a Frame of that type. Errors: malformed_packet or protocol_error as §4.13
// tells them apart (README.md lists them); everything that can be judged from one packet alone
// is judged here, everything that needs the session's state is left to broker/session.
// Where a rule depends on who sent the packet, `sender` says so; without it both sides' are taken.
// encode: appends the whole packet. Its input has been checked; a value that cannot be encoded
// (a string over 65,535 bytes) is a CHECK. Before v5 Properties and Reason Codes are left out where
// that version has no place for them.
#pragma once

#include <optional>
#include <string_view>

#include "broker/wire/frame.hpp"
#include "broker/wire/properties.hpp"

namespace touchstone::wire {

/// The Will Message of a CONNECT (§3.1.2.5).
struct Will {
    QoS qos = QoS::at_most_once;
    bool retain = false;
    std::string_view topic;
    Bytes payload;
    Properties properties;
    friend bool operator==(const Will& a, const Will& b) {
        return a.qos == b.qos && a.retain == b.retain && a.topic == b.topic &&
               as_text(a.payload) == as_text(b.payload) && a.properties == b.properties;
    }
};

/// CONNECT (§3.1). The version is part of the packet.
struct Connect {
    ProtocolVersion version = ProtocolVersion::v5;
    bool clean_start = true;         // v3: Clean Session
    std::uint16_t keep_alive_s = 0;  // 0: none
    std::string_view client_id;      // may be empty; whether that is accepted is a session's rule
    std::optional<Will> will;
    std::optional<std::string_view> user_name;
    std::optional<Bytes> password;
    Properties properties;
    friend bool operator==(const Connect& a, const Connect& b) {
        return a.version == b.version && a.clean_start == b.clean_start &&
               a.keep_alive_s == b.keep_alive_s && a.client_id == b.client_id && a.will == b.will &&
               a.user_name == b.user_name && a.password.has_value() == b.password.has_value() &&
               as_text(a.password.value_or(Bytes{})) == as_text(b.password.value_or(Bytes{})) &&
               a.properties == b.properties;
    }
};

/// CONNACK (§3.2). Before v5 the code on the wire is connack_return_code(reason).
struct Connack {
    bool session_present = false;  // not sent to v3.1, whose byte is reserved
    ReasonCode reason = ReasonCode::success;
    Properties properties;
    friend bool operator==(const Connack&, const Connack&) = default;
};

/// PUBLISH (§3.3).
struct Publish {
    bool dup = false;
    QoS qos = QoS::at_most_once;
    bool retain = false;
    std::string_view topic;             // empty only with a Topic Alias
    std::optional<PacketId> packet_id;  // exactly when qos > 0
    Properties properties;
    Bytes payload;
    friend bool operator==(const Publish& a, const Publish& b) {
        return a.dup == b.dup && a.qos == b.qos && a.retain == b.retain && a.topic == b.topic &&
               a.packet_id == b.packet_id && a.properties == b.properties &&
               as_text(a.payload) == as_text(b.payload);
    }
};

/// PUBACK, PUBREC, PUBREL, PUBCOMP (§3.4 – §3.7): the same fields.
struct Ack {
    PacketId packet_id;
    ReasonCode reason = ReasonCode::success;
    Properties properties;
    friend bool operator==(const Ack&, const Ack&) = default;
};

/// Subscription Options (§3.8.3.1).
struct SubscriptionOptions {
    QoS qos = QoS::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    std::uint8_t retain_handling = 0;  // 0 send, 1 send when new, 2 do not send
    friend bool operator==(const SubscriptionOptions&, const SubscriptionOptions&) = default;
};

/// One entry of a SUBSCRIBE. Its filter is well-formed UTF-8 and not empty; whether it is a valid
/// Topic Filter is the receiver's question (topics.hpp).
struct Subscription {
    std::string_view filter;
    SubscriptionOptions options;
    friend bool operator==(const Subscription&, const Subscription&) = default;
};

/// SUBSCRIBE (§3.8). The entries are visited in place; there is at least one.
struct Subscribe {
    PacketId packet_id;
    Properties properties;
    Bytes entries;  // encoded and checked
    std::size_t entry_count = 0;
    ProtocolVersion version = ProtocolVersion::v5;

    /// Calls `visit(const Subscription&)` for each entry in order.
    template <class Visit>
    void for_each(Visit visit) const {
        auto rest = entries;
        while (!rest.empty()) visit(take_entry(rest, version));
    }
    static Subscription take_entry(Bytes& trusted, ProtocolVersion version);
    friend bool operator==(const Subscribe& a, const Subscribe& b) {
        return a.packet_id == b.packet_id && a.properties == b.properties &&
               as_text(a.entries) == as_text(b.entries) && a.entry_count == b.entry_count &&
               a.version == b.version;
    }
};

/// UNSUBSCRIBE (§3.10). There is at least one filter.
struct Unsubscribe {
    PacketId packet_id;
    Properties properties;
    Bytes entries;
    std::size_t entry_count = 0;

    /// Calls `visit(std::string_view filter)` for each filter in order.
    template <class Visit>
    void for_each(Visit visit) const {
        auto rest = entries;
        while (!rest.empty()) visit(take_entry(rest));
    }
    static std::string_view take_entry(Bytes& trusted);
    friend bool operator==(const Unsubscribe& a, const Unsubscribe& b) {
        return a.packet_id == b.packet_id && a.properties == b.properties &&
               as_text(a.entries) == as_text(b.entries) && a.entry_count == b.entry_count;
    }
};

/// SUBACK (§3.9) and UNSUBACK (§3.11): one code for each entry. UNSUBACK has none before v5.
struct SubscribeAck {
    PacketId packet_id;
    Properties properties;
    Bytes reasons;  // as on the wire: v3.1.1 SUBACK has 0x00 0x01 0x02 0x80 only
    friend bool operator==(const SubscribeAck& a, const SubscribeAck& b) {
        return a.packet_id == b.packet_id && a.properties == b.properties &&
               as_text(a.reasons) == as_text(b.reasons);
    }
};

/// DISCONNECT (§3.14).
struct Disconnect {
    ReasonCode reason = ReasonCode::success;  // "Normal disconnection"
    Properties properties;
    friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

/// AUTH (§3.15), v5 only.
struct Auth {
    ReasonCode reason = ReasonCode::success;
    Properties properties;
    friend bool operator==(const Auth&, const Auth&) = default;
};

/// Protocol Name and Version are judged first: unsupported_protocol_version for anything but
/// MQIsdp/3, MQTT/4, MQTT/5 [MQTT-3.1.2-1, MQTT-3.1.2-2].
Result<Connect> decode_connect(const Frame& frame);
Result<Connack> decode_connack(const Frame& frame, ProtocolVersion version);
Result<Publish> decode_publish(const Frame& frame, ProtocolVersion version,
                               Sender sender = Sender::anyone);
/// `frame.type` is one of puback, pubrec, pubrel, pubcomp.
/// The Packet Identifier of an acknowledgement in its shortest form, which says Success (§3.4.2.1)
/// and is the only one before MQTT 5.0. Nothing when decode_ack has to look.
inline std::optional<PacketId> short_ack(const Frame& frame) {
    const unsigned flags = frame.type == PacketType::pubrel ? 0b0010 : 0;
    if (frame.body.size() != 2 || frame.flags != flags) return std::nullopt;
    const auto packet_id = PacketId::from_wire(static_cast<std::uint16_t>(
        std::to_integer<unsigned>(frame.body[0]) << 8U | std::to_integer<unsigned>(frame.body[1])));
    if (!packet_id) return std::nullopt;
    return packet_id.value();
}
Result<Ack> decode_ack(const Frame& frame, ProtocolVersion version, Sender sender = Sender::anyone);
Result<Subscribe> decode_subscribe(const Frame& frame, ProtocolVersion version);
Result<SubscribeAck> decode_suback(const Frame& frame, ProtocolVersion version);
Result<Unsubscribe> decode_unsubscribe(const Frame& frame, ProtocolVersion version);
Result<SubscribeAck> decode_unsuback(const Frame& frame, ProtocolVersion version);
/// PINGREQ and PINGRESP: flags and length only.
Result<void> decode_ping(const Frame& frame, ProtocolVersion version = ProtocolVersion::v5);
Result<Disconnect> decode_disconnect(const Frame& frame, ProtocolVersion version,
                                     Sender sender = Sender::anyone);
/// protocol_error without an Authentication Method (§3.15.2.2.2).
Result<Auth> decode_auth(const Frame& frame, Sender sender = Sender::anyone);

void encode(Buffer& to, const Connect& packet);
void encode(Buffer& to, const Connack& packet, ProtocolVersion version);
void encode(Buffer& to, const Publish& packet, ProtocolVersion version);
/// Whether there is a Remaining Length for it (§2.1.4). What a server adds to a message can make it
/// too long; it must not be encoded then.
[[nodiscard]] bool fits_remaining_length(const Publish& packet, ProtocolVersion version);
/// The part of a PUBLISH before its payload, whose size counts in the Remaining Length: for a
/// payload that is sent from where it lies.
void encode_head(Buffer& to, const Publish& packet, ProtocolVersion version);
/// `type` is one of puback, pubrec, pubrel, pubcomp. In v5 the shortest form is used.
void encode(Buffer& to, PacketType type, const Ack& packet, ProtocolVersion version);
/// The same for Success without Properties, in any version: a packet of four bytes.
inline std::array<std::byte, 4> short_ack(PacketType type, PacketId packet_id) {
    const unsigned flags = type == PacketType::pubrel ? 0b0010 : 0;  // §2.1.3
    return {static_cast<std::byte>(static_cast<unsigned>(type) << 4U | flags), std::byte{2},
            static_cast<std::byte>(packet_id.raw() >> 8U),
            static_cast<std::byte>(packet_id.raw() & 0xFFU)};
}
void encode(Buffer& to, const Subscribe& packet, ProtocolVersion version);
void encode_suback(Buffer& to, const SubscribeAck& packet, ProtocolVersion version);
void encode(Buffer& to, const Unsubscribe& packet, ProtocolVersion version);
void encode_unsuback(Buffer& to, const SubscribeAck& packet, ProtocolVersion version);
void encode_pingreq(Buffer& to);
void encode_pingresp(Buffer& to);
void encode(Buffer& to, const Disconnect& packet, ProtocolVersion version);
void encode(Buffer& to, const Auth& packet);

/// Appends an entry for Subscribe::entries.
void put_subscription(Buffer& entries, const Subscription& subscription, ProtocolVersion version);

/// Whether `sender` may put `code` into a packet of `type` in MQTT 5.0 (§2.4, tables 3-1 to 3-11).
[[nodiscard]] bool is_allowed(ReasonCode code, PacketType type, Sender sender);

/// The packet's name as the standard writes it: "PUBLISH".
[[nodiscard]] std::string_view name_of(PacketType type);

}  // namespace touchstone::wire
