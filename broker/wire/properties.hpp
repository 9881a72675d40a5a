// Properties (§2.2.2): checked once when a packet is taken off the wire, then looked up in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "broker/base/bytes.hpp"
#include "broker/wire/types.hpp"

namespace touchstone::wire {

/// §2.2.2.2, table 2-4.
enum class PropertyId : std::uint8_t {
    payload_format_indicator = 0x01,
    message_expiry_interval = 0x02,
    content_type = 0x03,
    response_topic = 0x08,
    correlation_data = 0x09,
    subscription_identifier = 0x0B,
    session_expiry_interval = 0x11,
    assigned_client_identifier = 0x12,
    server_keep_alive = 0x13,
    authentication_method = 0x15,
    authentication_data = 0x16,
    request_problem_information = 0x17,
    will_delay_interval = 0x18,
    request_response_information = 0x19,
    response_information = 0x1A,
    server_reference = 0x1C,
    reason_string = 0x1F,
    receive_maximum = 0x21,
    topic_alias_maximum = 0x22,
    topic_alias = 0x23,
    maximum_qos = 0x24,
    retain_available = 0x25,
    user_property = 0x26,
    maximum_packet_size = 0x27,
    wildcard_subscription_available = 0x28,
    subscription_identifier_available = 0x29,
    shared_subscription_available = 0x2A,
};

/// The type of a Property's value (table 2-4).
enum class PropertyType : std::uint8_t {
    byte,
    two_byte_integer,
    four_byte_integer,
    variable_byte_integer,
    string,
    binary,
    string_pair,
};

/// Where a set of Properties stands: decides which are allowed (table 2-4). The values are those
/// of PacketType; the Will Properties (§3.1.3.2) have a set of their own.
enum class PropertyPlace : std::uint8_t {
    will = 0,
    connect = 1,
    connack = 2,
    publish = 3,
    puback = 4,
    pubrec = 5,
    pubrel = 6,
    pubcomp = 7,
    subscribe = 8,
    suback = 9,
    unsubscribe = 10,
    unsuback = 11,
    disconnect = 14,
    auth = 15,
};

/// One Property, as met in order.
struct Property {
    PropertyId id{};
    std::uint32_t integer = 0;  // of the four integer types
    std::string_view text;      // string; name of a string pair
    std::string_view text_2;    // value of a string pair
    Bytes binary;               // binary
    Bytes encoded;              // the whole Property as on the wire, identifier included
};

/// A checked set of Properties: a view, valid as long as the bytes it was taken from.
class Properties {
public:
    Properties() = default;

    /// Takes Property Length and Properties off the front of `input`.
    /// Errors: malformed_packet for a length that does not fit, an unknown or misplaced identifier
    /// or a value that cannot be parsed; protocol_error for a once-only Property given twice and
    /// for a value outside its rules (table in spec: Receive Maximum 0, flags other than 0 and 1,
    /// …). A Response Topic that is no Topic Name is a protocol_error [MQTT-3.3.2-14], a Topic
    /// Alias of 0 topic_alias_invalid [MQTT-3.3.2-8], and a Property that only the other side may
    /// send (Subscription Identifier in a client's PUBLISH [MQTT-3.3.4-6], Session Expiry Interval
    /// in a server's DISCONNECT [MQTT-3.14.2-2], Server Reference in a client's) a protocol_error.
    /// `input` is unchanged when there is an error.
    static Result<Properties> take(Bytes& input, PropertyPlace place,
                                   Sender sender = Sender::anyone);

    /// Bytes written by PropertiesWriter, or the raw() of a checked set.
    static Properties trusted(Bytes encoded);

    [[nodiscard]] bool empty() const { return encoded_.empty(); }
    [[nodiscard]] bool has(PropertyId id) const {
        return (present_ >> static_cast<unsigned>(id) & 1U) != 0;
    }
    /// Value of an integer Property; the first one where it may repeat.
    [[nodiscard]] std::optional<std::uint32_t> integer(PropertyId id) const;
    [[nodiscard]] std::optional<std::string_view> text(PropertyId id) const;
    [[nodiscard]] std::optional<Bytes> binary(PropertyId id) const;

    /// Encoded Properties without the Property Length.
    [[nodiscard]] Bytes raw() const { return encoded_; }

    /// Calls `visit(const Property&)` for each Property in the order of the wire.
    template <class Visit>
    void for_each(Visit visit) const {
        auto rest = encoded_;
        while (!rest.empty()) visit(take_trusted(rest));
    }

    friend bool operator==(const Properties& a, const Properties& b) {
        return as_text(a.encoded_) == as_text(b.encoded_);
    }

private:
    Properties(Bytes encoded, std::uint64_t present) : encoded_{encoded}, present_{present} {}
    static Property take_trusted(Bytes& input);
    [[nodiscard]] Property find(PropertyId id) const;

    Bytes encoded_;
    std::uint64_t present_ = 0;  // bit n: the Property with identifier n is there
};

/// Appends Properties to a buffer of its own; view() checks nothing.
class PropertiesWriter {
public:
    PropertiesWriter& put_integer(PropertyId id, std::uint32_t value);
    PropertiesWriter& put_text(PropertyId id, std::string_view text);
    PropertiesWriter& put_binary(PropertyId id, Bytes bytes);
    PropertiesWriter& put_pair(PropertyId id, std::string_view name, std::string_view value);
    /// A Property in its encoded form, or several.
    PropertiesWriter& put_encoded(Bytes encoded);
    void clear() { encoded_.clear(); }

    /// Valid until the next put or clear.
    [[nodiscard]] Properties view() const { return Properties::trusted(encoded_); }

private:
    Buffer encoded_;
};

/// The type of a Property's value.
[[nodiscard]] PropertyType type_of(PropertyId id);

}  // namespace touchstone::wire
