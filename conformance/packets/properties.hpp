// The properties of MQTT 5.0 (§2.2.2.2) as the suite writes and reads them. Own tables, shared with
// no broker.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.hpp"

namespace touchstone::conformance {

/// The fifteen Control Packets (§2.1.2), and 0, which is none.
enum class PacketType : std::uint8_t {
    reserved = 0,
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
    pingreq = 12,
    pingresp = 13,
    disconnect = 14,
    auth = 15,
};

/// As the standard spells it: "PUBACK".
[[nodiscard]] std::string_view name_of(PacketType type);

/// Property identifiers (§2.2.2.2, table 2-4).
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

enum class PropertyType : std::uint8_t {
    byte,
    two_byte_integer,
    four_byte_integer,
    variable_byte_integer,
    text,    // UTF-8 Encoded String
    binary,  // Binary Data
    pair,    // UTF-8 String Pair
};

/// What the standard says about one property.
struct PropertyRule {
    PropertyId id;
    std::string_view name;  // snake_case: "receive_maximum"
    PropertyType type;
    std::uint16_t
        packets;  // bit n: allowed in the packet of type n, whoever sends it; bit 0: in a Will
};

/// The rule of `id`, or nullptr for an identifier that does not exist. Lives as long as the
/// program.
[[nodiscard]] const PropertyRule* find_property_rule(std::uint32_t id);

/// All 27 rules, in the order of their identifiers.
[[nodiscard]] const std::vector<PropertyRule>& property_rules();

/// One property with its value, in the field that fits its type.
struct Property {
    PropertyId id{};
    std::uint32_t number = 0;  // of the integer types
    std::string text{};        // of text and binary; the name of a pair
    std::string value{};       // the value of a pair

    friend bool operator==(const Property&, const Property&) = default;
};

using Properties = std::vector<Property>;

/// Makes a property with an integer value.
[[nodiscard]] Property number_property(PropertyId id, std::uint32_t number);
/// Makes a property with a string or binary value.
[[nodiscard]] Property text_property(PropertyId id, std::string_view text);
/// Makes a User Property (§3.3.2.3.7).
[[nodiscard]] Property pair_property(std::string_view name, std::string_view value);

/// The first property `id` in `properties`, or nullptr. Valid as long as `properties` is unchanged.
[[nodiscard]] const Property* find(const Properties& properties, PropertyId id);
/// How often `id` occurs.
[[nodiscard]] std::size_t count(const Properties& properties, PropertyId id);
/// The number of the first property `id`; nothing when it is absent.
[[nodiscard]] std::optional<std::uint32_t> number_of(const Properties& properties, PropertyId id);
/// The text of the first property `id`; nothing when it is absent.
[[nodiscard]] std::optional<std::string> text_of(const Properties& properties, PropertyId id);
/// The properties `id`, in order.
[[nodiscard]] Properties all_of(const Properties& properties, PropertyId id);

/// Appends identifier and value as they are on the wire. Integers are cut to the width of the type.
void put_property(Buffer& out, const Property& property);

}  // namespace touchstone::conformance
