#include "broker/wire/properties.hpp"

#include <array>

#include "broker/base/check.hpp"
#include "broker/wire/primitives.hpp"
#include "broker/wire/topics.hpp"

namespace touchstone::wire {

namespace {

/// A set of PropertyPlaces: bit n is the place of value n.
using Places = std::uint16_t;

template <class... Place>
constexpr Places in(Place... place) {
    return static_cast<Places>(((1U << static_cast<unsigned>(place)) | ...));
}

/// What values a Property may have beyond its type.
enum class ValueRule : std::uint8_t { any, flag, not_zero, topic_alias, topic_name };

/// One row of table 2-4.
struct Rule {
    PropertyId id{};
    PropertyType type{};
    Places places = 0;  // 0: no such Property
    ValueRule value = ValueRule::any;
    Places repeatable = 0;
    Places client_only = 0;
    Places server_only = 0;
};

constexpr std::size_t property_id_max = 0x2A;

constexpr auto rules = [] {
    using enum PropertyPlace;
    using enum PropertyType;
    using Id = PropertyId;
    constexpr Places everywhere =
        in(will, connect, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback,
           unsubscribe, unsuback, disconnect, auth);
    constexpr Places reason_string_places =
        in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth);
    constexpr Rule rows[] = {
        {Id::payload_format_indicator, byte, in(publish, will), ValueRule::flag},
        {Id::message_expiry_interval, four_byte_integer, in(publish, will)},
        {Id::content_type, string, in(publish, will)},
        {Id::response_topic, string, in(publish, will), ValueRule::topic_name},
        {Id::correlation_data, binary, in(publish, will)},
        // A server's PUBLISH names every subscription that matched (§3.3.2.3.8); a client's has
        // none [MQTT-3.3.4-6].
        {.id = Id::subscription_identifier,
         .type = variable_byte_integer,
         .places = in(subscribe, publish),
         .value = ValueRule::not_zero,
         .repeatable = in(publish),
         .server_only = in(publish)},
        {.id = Id::session_expiry_interval,
         .type = four_byte_integer,
         .places = in(connect, connack, disconnect),
         .client_only = in(disconnect)},  // [MQTT-3.14.2-2]
        {Id::assigned_client_identifier, string, in(connack)},
        {Id::server_keep_alive, two_byte_integer, in(connack)},
        {Id::authentication_method, string, in(connect, connack, auth)},
        {Id::authentication_data, binary, in(connect, connack, auth)},
        {Id::request_problem_information, byte, in(connect), ValueRule::flag},
        {Id::will_delay_interval, four_byte_integer, in(will)},
        {Id::request_response_information, byte, in(connect), ValueRule::flag},
        {Id::response_information, string, in(connack)},
        {.id = Id::server_reference,
         .type = string,
         .places = in(connack, disconnect),
         .server_only = in(disconnect)},  // §3.14.2.2.5
        {Id::reason_string, string, reason_string_places},
        {Id::receive_maximum, two_byte_integer, in(connect, connack), ValueRule::not_zero},
        {Id::topic_alias_maximum, two_byte_integer, in(connect, connack)},
        {Id::topic_alias, two_byte_integer, in(publish), ValueRule::topic_alias},
        {Id::maximum_qos, byte, in(connack), ValueRule::flag},
        {Id::retain_available, byte, in(connack), ValueRule::flag},
        {.id = Id::user_property,
         .type = string_pair,
         .places = everywhere,
         .repeatable = everywhere},
        {Id::maximum_packet_size, four_byte_integer, in(connect, connack), ValueRule::not_zero},
        {Id::wildcard_subscription_available, byte, in(connack), ValueRule::flag},
        {Id::subscription_identifier_available, byte, in(connack), ValueRule::flag},
        {Id::shared_subscription_available, byte, in(connack), ValueRule::flag},
    };
    static_assert(std::size(rows) == 27);
    std::array<Rule, property_id_max + 1> by_id{};
    for (const auto& row : rows) by_id[static_cast<std::size_t>(row.id)] = row;
    return by_id;
}();

/// Takes one Property's value of type `type` into `property`.
Result<void> take_value(Bytes& input, PropertyType type, Property& property) {
    switch (type) {
        case PropertyType::byte: {
            BOOST_OUTCOME_TRY(property.integer, take_u8(input));
            return boost::outcome_v2::success();
        }
        case PropertyType::two_byte_integer: {
            BOOST_OUTCOME_TRY(property.integer, take_u16(input));
            return boost::outcome_v2::success();
        }
        case PropertyType::four_byte_integer: {
            BOOST_OUTCOME_TRY(property.integer, take_u32(input));
            return boost::outcome_v2::success();
        }
        case PropertyType::variable_byte_integer: {
            BOOST_OUTCOME_TRY(property.integer, take_variable_byte_integer(input));
            return boost::outcome_v2::success();
        }
        case PropertyType::string: {
            BOOST_OUTCOME_TRY(property.text, take_string(input));
            return boost::outcome_v2::success();
        }
        case PropertyType::binary: {
            BOOST_OUTCOME_TRY(property.binary, take_binary(input));
            return boost::outcome_v2::success();
        }
        case PropertyType::string_pair: {
            BOOST_OUTCOME_TRY(property.text, take_string(input));
            BOOST_OUTCOME_TRY(property.text_2, take_string(input));  // [MQTT-1.5.7-1]
            return boost::outcome_v2::success();
        }
    }
    UNREACHABLE();
}

Result<void> check_value(ValueRule rule, const Property& property) {
    switch (rule) {
        case ValueRule::any: return boost::outcome_v2::success();
        case ValueRule::flag:
            // §3.1.2.11.6 and its likes. For the Payload Format Indicator the standard names no
            // code; the packet was parsed, so it is a Protocol Error (§4.13).
            if (property.integer > 1) return ReasonCode::protocol_error;
            return boost::outcome_v2::success();
        case ValueRule::not_zero:
            // §3.1.2.11.3, §3.1.2.11.4, §3.8.2.1.2
            if (property.integer == 0) return ReasonCode::protocol_error;
            return boost::outcome_v2::success();
        case ValueRule::topic_alias:
            // [MQTT-3.3.2-8]; §3.3.2.3.4 names the code
            if (property.integer == 0) return ReasonCode::topic_alias_invalid;
            return boost::outcome_v2::success();
        case ValueRule::topic_name:
            // [MQTT-3.3.2-14], [MQTT-4.7.3-1]
            if (!is_topic_name(property.text)) return ReasonCode::protocol_error;
            return boost::outcome_v2::success();
    }
    UNREACHABLE();
}

/// Whether `sender` may not put a Property of this rule into `place`.
bool is_other_sides(const Rule& rule, Places place, Sender sender) {
    switch (sender) {
        case Sender::client: return (rule.server_only & place) != 0;
        case Sender::server: return (rule.client_only & place) != 0;
        case Sender::anyone: return false;
    }
    UNREACHABLE();
}

constexpr std::uint64_t bit_of(PropertyId id) {
    return 1ULL << static_cast<unsigned>(id);
}

/// Takes one Property and judges it, given those that are `present` already.
Result<PropertyId> take_checked(Bytes& input, Places place, Sender sender, std::uint64_t present) {
    // The identifier is a Variable Byte Integer, but all that exist are a single byte; the first
    // byte of a longer one, 0x80 or above, is as unknown as any other.
    BOOST_OUTCOME_TRY(const auto id, take_u8(input));
    if (id > property_id_max) return ReasonCode::malformed_packet;
    const auto& rule = rules[id];
    if ((rule.places & place) == 0) return ReasonCode::malformed_packet;  // §2.2.2.2
    Property property;
    BOOST_OUTCOME_TRYV(take_value(input, rule.type, property));
    const bool is_given_before = (present & bit_of(rule.id)) != 0;
    if (is_given_before && (rule.repeatable & place) == 0) return ReasonCode::protocol_error;
    if (is_other_sides(rule, place, sender)) return ReasonCode::protocol_error;
    BOOST_OUTCOME_TRYV(check_value(rule.value, property));
    return rule.id;
}

}  // namespace

Result<Properties> Properties::take(Bytes& input, PropertyPlace place, Sender sender) {
    auto rest = input;
    BOOST_OUTCOME_TRY(const auto length, take_variable_byte_integer(rest));  // [MQTT-2.2.2-1]
    if (length > rest.size()) return ReasonCode::malformed_packet;
    const auto encoded = rest.first(length);
    std::uint64_t present = 0;
    for (auto unchecked = encoded; !unchecked.empty();) {
        BOOST_OUTCOME_TRY(const auto id, take_checked(unchecked, in(place), sender, present));
        present |= bit_of(id);
    }
    input = rest.subspan(length);
    return Properties{encoded, present};
}

Properties Properties::trusted(Bytes encoded) {
    std::uint64_t present = 0;
    for (auto rest = encoded; !rest.empty();) present |= bit_of(take_trusted(rest).id);
    return Properties{encoded, present};
}

std::optional<std::uint32_t> Properties::integer(PropertyId id) const {
    if (!has(id)) return std::nullopt;
    return find(id).integer;
}

std::optional<std::string_view> Properties::text(PropertyId id) const {
    if (!has(id)) return std::nullopt;
    return find(id).text;
}

std::optional<Bytes> Properties::binary(PropertyId id) const {
    if (!has(id)) return std::nullopt;
    return find(id).binary;
}

Property Properties::find(PropertyId id) const {
    for (auto rest = encoded_; !rest.empty();) {
        const auto property = take_trusted(rest);
        if (property.id == id) return property;
    }
    UNREACHABLE();  // has(id) was true
}

Property Properties::take_trusted(Bytes& input) {
    const auto before = input;
    Property property;
    property.id = static_cast<PropertyId>(input.front());
    input = input.subspan(1);
    const auto taken = take_value(input, type_of(property.id), property);
    CHECK(taken.has_value());
    property.encoded = before.first(before.size() - input.size());
    return property;
}

PropertiesWriter& PropertiesWriter::put_integer(PropertyId id, std::uint32_t value) {
    put_u8(encoded_, static_cast<std::uint8_t>(id));
    switch (type_of(id)) {
        case PropertyType::byte:
            CHECK(value <= 0xFF);
            put_u8(encoded_, static_cast<std::uint8_t>(value));
            return *this;
        case PropertyType::two_byte_integer:
            CHECK(value <= 0xFFFF);
            put_u16(encoded_, static_cast<std::uint16_t>(value));
            return *this;
        case PropertyType::four_byte_integer: put_u32(encoded_, value); return *this;
        case PropertyType::variable_byte_integer:
            put_variable_byte_integer(encoded_, value);
            return *this;
        case PropertyType::string:
        case PropertyType::binary:
        case PropertyType::string_pair: UNREACHABLE();  // not an integer Property
    }
    UNREACHABLE();
}

PropertiesWriter& PropertiesWriter::put_text(PropertyId id, std::string_view text) {
    CHECK(type_of(id) == PropertyType::string);
    put_u8(encoded_, static_cast<std::uint8_t>(id));
    put_string(encoded_, text);
    return *this;
}

PropertiesWriter& PropertiesWriter::put_binary(PropertyId id, Bytes bytes) {
    CHECK(type_of(id) == PropertyType::binary);
    put_u8(encoded_, static_cast<std::uint8_t>(id));
    wire::put_binary(encoded_, bytes);
    return *this;
}

PropertiesWriter& PropertiesWriter::put_pair(PropertyId id, std::string_view name,
                                             std::string_view value) {
    CHECK(type_of(id) == PropertyType::string_pair);
    put_u8(encoded_, static_cast<std::uint8_t>(id));
    put_string(encoded_, name);
    put_string(encoded_, value);
    return *this;
}

PropertiesWriter& PropertiesWriter::put_encoded(Bytes encoded) {
    append(encoded_, encoded);
    return *this;
}

PropertyType type_of(PropertyId id) {
    const auto index = static_cast<std::size_t>(id);
    CHECK(index <= property_id_max);
    CHECK(rules[index].places != 0);
    return rules[index].type;
}

}  // namespace touchstone::wire
