#include "conformance/packets/properties.hpp"

#include <algorithm>
#include <array>

#include "conformance/packets/draft.hpp"

namespace touchstone::conformance {

namespace {

constexpr std::uint16_t in(PacketType type) {
    return static_cast<std::uint16_t>(1U << static_cast<unsigned>(type));
}

constexpr std::uint16_t in_will = 1;

using enum PacketType;

constexpr std::uint16_t in_acknowledgements =
    in(puback) | in(pubrec) | in(pubrel) | in(pubcomp) | in(suback) | in(unsuback);

}  // namespace

std::string_view name_of(PacketType type) {
    switch (type) {
        case reserved: return "RESERVED";
        case connect: return "CONNECT";
        case connack: return "CONNACK";
        case publish: return "PUBLISH";
        case puback: return "PUBACK";
        case pubrec: return "PUBREC";
        case pubrel: return "PUBREL";
        case pubcomp: return "PUBCOMP";
        case subscribe: return "SUBSCRIBE";
        case suback: return "SUBACK";
        case unsubscribe: return "UNSUBSCRIBE";
        case unsuback: return "UNSUBACK";
        case pingreq: return "PINGREQ";
        case pingresp: return "PINGRESP";
        case disconnect: return "DISCONNECT";
        case auth: return "AUTH";
    }
    return "?";
}

const std::vector<PropertyRule>& property_rules() {
    using enum PropertyId;
    using enum PropertyType;
    static const std::vector<PropertyRule> rules{
        {payload_format_indicator, "payload_format_indicator", byte, in(publish) | in_will},
        {message_expiry_interval, "message_expiry_interval", four_byte_integer,
         in(publish) | in_will},
        {content_type, "content_type", text, in(publish) | in_will},
        {response_topic, "response_topic", text, in(publish) | in_will},
        {correlation_data, "correlation_data", binary, in(publish) | in_will},
        {subscription_identifier, "subscription_identifier", variable_byte_integer,
         in(publish) | in(subscribe)},
        {session_expiry_interval, "session_expiry_interval", four_byte_integer,
         in(PacketType::connect) | in(connack) | in(disconnect)},
        {assigned_client_identifier, "assigned_client_identifier", text, in(connack)},
        {server_keep_alive, "server_keep_alive", two_byte_integer, in(connack)},
        {authentication_method, "authentication_method", text,
         in(PacketType::connect) | in(connack) | in(auth)},
        {authentication_data, "authentication_data", binary,
         in(PacketType::connect) | in(connack) | in(auth)},
        {request_problem_information, "request_problem_information", byte, in(PacketType::connect)},
        {will_delay_interval, "will_delay_interval", four_byte_integer, in_will},
        {request_response_information, "request_response_information", byte,
         in(PacketType::connect)},
        {response_information, "response_information", text, in(connack)},
        {server_reference, "server_reference", text, in(connack) | in(disconnect)},
        {reason_string, "reason_string", text,
         in(connack) | in_acknowledgements | in(disconnect) | in(auth)},
        {receive_maximum, "receive_maximum", two_byte_integer,
         in(PacketType::connect) | in(connack)},
        {topic_alias_maximum, "topic_alias_maximum", two_byte_integer,
         in(PacketType::connect) | in(connack)},
        {topic_alias, "topic_alias", two_byte_integer, in(publish)},
        {maximum_qos, "maximum_qos", byte, in(connack)},
        {retain_available, "retain_available", byte, in(connack)},
        {user_property, "user_property", pair,
         in(PacketType::connect) | in(connack) | in(publish) | in_will | in_acknowledgements |
             in(subscribe) | in(unsubscribe) | in(disconnect) | in(auth)},
        {maximum_packet_size, "maximum_packet_size", four_byte_integer,
         in(PacketType::connect) | in(connack)},
        {wildcard_subscription_available, "wildcard_subscription_available", byte, in(connack)},
        {subscription_identifier_available, "subscription_identifier_available", byte, in(connack)},
        {shared_subscription_available, "shared_subscription_available", byte, in(connack)},
    };
    return rules;
}

const PropertyRule* find_property_rule(std::uint32_t id) {
    const auto& rules = property_rules();
    const auto found = std::ranges::find_if(
        rules, [id](const auto& rule) { return static_cast<std::uint32_t>(rule.id) == id; });
    return found == rules.end() ? nullptr : &*found;
}

Property number_property(PropertyId id, std::uint32_t number) {
    return Property{.id = id, .number = number};
}

Property text_property(PropertyId id, std::string_view text) {
    return Property{.id = id, .text = std::string{text}};
}

Property pair_property(std::string_view name, std::string_view value) {
    return Property{
        .id = PropertyId::user_property, .text = std::string{name}, .value = std::string{value}};
}

const Property* find(const Properties& properties, PropertyId id) {
    const auto found = std::ranges::find(properties, id, &Property::id);
    return found == properties.end() ? nullptr : &*found;
}

std::size_t count(const Properties& properties, PropertyId id) {
    return static_cast<std::size_t>(std::ranges::count(properties, id, &Property::id));
}

std::optional<std::uint32_t> number_of(const Properties& properties, PropertyId id) {
    const auto* found = find(properties, id);
    if (found == nullptr) return std::nullopt;
    return found->number;
}

std::optional<std::string> text_of(const Properties& properties, PropertyId id) {
    const auto* found = find(properties, id);
    if (found == nullptr) return std::nullopt;
    return found->text;
}

Properties all_of(const Properties& properties, PropertyId id) {
    Properties chosen;
    std::ranges::copy_if(properties, std::back_inserter(chosen),
                         [id](const auto& property) { return property.id == id; });
    return chosen;
}

void put_property(Buffer& out, const Property& property) {
    out.push_back(static_cast<std::byte>(property.id));
    const auto* rule = find_property_rule(static_cast<std::uint32_t>(property.id));
    // An identifier that does not exist is written with the number as one byte: still an unknown
    // property.
    switch (rule == nullptr ? PropertyType::byte : rule->type) {
        case PropertyType::byte: out.push_back(static_cast<std::byte>(property.number)); break;
        case PropertyType::two_byte_integer: put_u16(out, property.number); break;
        case PropertyType::four_byte_integer: put_u32(out, property.number); break;
        case PropertyType::variable_byte_integer: put_variable(out, property.number); break;
        case PropertyType::text:
        case PropertyType::binary: put_text(out, property.text); break;
        case PropertyType::pair:
            put_text(out, property.text);
            put_text(out, property.value);
            break;
    }
}

}  // namespace touchstone::conformance
