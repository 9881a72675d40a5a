#include "broker/wire/properties.hpp"

#include <map>

#include "broker/wire/tests/decoding.hpp"
#include "broker/wire/tests/spec_tables.hpp"

namespace touchstone::wire {
namespace {

using std::string_view_literals::operator""sv;

struct Place {
    std::string_view name;     // as in spec::property_rows
    std::string_view senders;  // of its packet
};

constexpr Place places[] = {{"CONNECT", "C"},   {"WILL", "C"},        {"CONNACK", "S"},
                            {"PUBLISH", "CS"},  {"PUBACK", "CS"},     {"PUBREC", "CS"},
                            {"PUBREL", "CS"},   {"PUBCOMP", "CS"},    {"SUBACK", "S"},
                            {"SUBSCRIBE", "C"}, {"UNSUBSCRIBE", "C"}, {"UNSUBACK", "S"},
                            {"AUTH", "CS"},     {"DISCONNECT", "CS"}};

/// A v5 packet that is right but for `properties` (encoded, without Property Length) in `place`.
Buffer packet_with(std::string_view place, const Buffer& properties) {
    const auto set = properties_of(properties);
    if (place == "CONNECT")
        return packet_of(0x10, Prefixed{"MQTT"}, 5, 0x02, 0, 60, set, Prefixed{"client"});
    if (place == "WILL")
        return packet_of(0x10, Prefixed{"MQTT"}, 5, 0x06, 0, 60, 0x00, Prefixed{"client"}, set,
                         Prefixed{"will/topic"}, Prefixed{"payload"});
    if (place == "CONNACK") return packet_of(0x20, 0x00, 0x00, set);
    if (place == "PUBLISH") return packet_of(0x30, Prefixed{"topic"}, set, "payload");
    if (place == "PUBACK") return packet_of(0x40, 0, 1, 0x00, set);
    if (place == "PUBREC") return packet_of(0x50, 0, 1, 0x00, set);
    if (place == "PUBREL") return packet_of(0x62, 0, 1, 0x00, set);
    if (place == "PUBCOMP") return packet_of(0x70, 0, 1, 0x00, set);
    if (place == "SUBSCRIBE") return packet_of(0x82, 0, 1, set, Prefixed{"filter"}, 0x00);
    if (place == "SUBACK") return packet_of(0x90, 0, 1, set, 0x00);
    if (place == "UNSUBSCRIBE") return packet_of(0xA2, 0, 1, set, Prefixed{"filter"});
    if (place == "UNSUBACK") return packet_of(0xB0, 0, 1, set, 0x00);
    if (place == "DISCONNECT") return packet_of(0xE0, 0x00, set);
    if (place == "AUTH") return packet_of(0xF0, 0x18, set);
    ADD_FAILURE() << "no packet for " << place;
    return {};
}

/// Properties without which those of `id` would not be taken: an Authentication Method.
Buffer companions(std::string_view place, int id) {
    const bool is_needed = place == "AUTH" || (place == "CONNECT" && id == 0x16);
    return is_needed && id != 0x15 ? bytes_of(0x15, Prefixed{"method"}) : Buffer{};
}

/// A value that every Property of the type may have.
Buffer value_of(std::string_view type) {
    if (type == "Byte") return bytes_of(0x01);
    if (type == "Two Byte Integer") return bytes_of(0x00, 0x01);
    if (type == "Four Byte Integer") return bytes_of(0x00, 0x00, 0x00, 0x01);
    if (type == "Variable Byte Integer") return bytes_of(0x01);
    if (type == "UTF-8 Encoded String") return bytes_of(Prefixed{"text"});
    if (type == "Binary Data") return bytes_of(Prefixed{"\x00\xFF"sv});
    if (type == "UTF-8 String Pair") return bytes_of(Prefixed{"name"}, Prefixed{"value"});
    ADD_FAILURE() << "no value for " << type;
    return {};
}

const spec::PropertyRow* row_of(int id) {
    for (const auto& row : spec::property_rows) {
        if (row.id == id) return &row;
    }
    return nullptr;
}

bool may_send(std::string_view who, Sender sender) {
    switch (sender) {
        case Sender::client: return who.find('C') != who.npos;
        case Sender::server: return who.find('S') != who.npos;
        case Sender::anyone: return !who.empty();
    }
    return false;
}

constexpr Sender all_senders[] = {Sender::client, Sender::server, Sender::anyone};

TEST(properties, are_taken_where_table_2_4_allows_them_and_from_whom) {
    for (const auto& place : places) {
        for (int id = 0; id < 256; ++id) {
            const auto* row = row_of(id);
            const auto value = row != nullptr ? value_of(row->type) : bytes_of(0x00);
            const auto packet =
                packet_with(place.name, bytes_of(companions(place.name, id), id, value));
            const auto who = row != nullptr ? spec::who(row->places, place.name) : "";
            for (const auto sender : all_senders) {
                if (!may_send(place.senders, sender)) continue;
                const auto expected = who.empty()              ? ReasonCode::malformed_packet
                                      : !may_send(who, sender) ? ReasonCode::protocol_error
                                                               : ReasonCode::success;
                EXPECT_EQ(verdict_on(packet, ProtocolVersion::v5, sender), expected)
                    << "Property " << id << " in " << place.name << " from "
                    << static_cast<int>(sender);
            }
        }
    }
}

TEST(properties, may_be_given_twice_only_where_the_standard_says_so) {
    for (const auto& row : spec::property_rows) {
        for (const auto& place : places) {
            if (spec::who(row.places, place.name).empty()) continue;
            const auto once = bytes_of(row.id, value_of(row.type));
            // Not next to each other, so that it is the whole set that is looked at.
            const auto between = bytes_of(0x26, Prefixed{"between"}, Prefixed{""});
            const auto packet = packet_with(
                place.name, bytes_of(companions(place.name, row.id), once, between, once));
            const bool is_repeatable =
                std::string{" "}
                    .append(row.repeatable)
                    .append(" ")
                    .find(std::string{" "}.append(place.name).append(" ")) != std::string::npos;
            EXPECT_EQ(verdict_on(packet, ProtocolVersion::v5),
                      is_repeatable ? ReasonCode::success : ReasonCode::protocol_error)
                << row.name << " twice in " << place.name;
        }
    }
}

TEST(properties, have_values_within_their_rules) {
    constexpr auto wrong = ReasonCode::protocol_error;
    constexpr auto right = ReasonCode::success;
    struct Row {
        int id;
        Buffer value;
        ReasonCode expected;
    };
    std::vector<Row> rows = {
        {0x0B, bytes_of(0x00), wrong},                    // Subscription Identifier
        {0x0B, bytes_of(0xFF, 0xFF, 0xFF, 0x7F), right},  //
        {0x21, bytes_of(0x00, 0x00), wrong},              // Receive Maximum
        {0x21, bytes_of(0xFF, 0xFF), right},              //
        {0x22, bytes_of(0x00, 0x00), right},              // Topic Alias Maximum
        {0x23, bytes_of(0x00, 0x00), ReasonCode::topic_alias_invalid},
        {0x23, bytes_of(0xFF, 0xFF), right},              //
        {0x27, bytes_of(0x00, 0x00, 0x00, 0x00), wrong},  // Maximum Packet Size
        {0x27, bytes_of(0xFF, 0xFF, 0xFF, 0xFF), right},  //
        {0x11, bytes_of(0x00, 0x00, 0x00, 0x00), right},  // Session Expiry Interval
        {0x13, bytes_of(0x00, 0x00), right},              // Server Keep Alive
        {0x08, bytes_of(Prefixed{"a/+"}), wrong},         // Response Topic
        {0x08, bytes_of(Prefixed{"#"}), wrong},           //
        {0x08, bytes_of(Prefixed{""}), wrong},            //
        {0x03, bytes_of(Prefixed{""}), right},            // Content Type
        {0x26, bytes_of(Prefixed{""}, Prefixed{""}), right},
    };
    // Payload Format Indicator, Request Problem and Response Information, Maximum QoS, and what a
    // server has available
    for (const int id : {0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A}) {
        rows.push_back({id, bytes_of(0x00), right});
        for (const int value : {0x02, 0x80, 0xFF}) rows.push_back({id, bytes_of(value), wrong});
    }
    for (const auto& row : rows) {
        for (const auto& place : places) {
            if (spec::who(row_of(row.id)->places, place.name).empty()) continue;
            const auto packet = packet_with(
                place.name, bytes_of(companions(place.name, row.id), row.id, row.value));
            EXPECT_EQ(verdict_on(packet, ProtocolVersion::v5), row.expected)
                << row_of(row.id)->name << " in " << place.name;
        }
    }
}

TEST(properties, are_malformed_when_a_value_is_cut_short_or_ill_formed) {
    for (const auto& row : spec::property_rows) {
        for (const auto& place : places) {
            if (spec::who(row.places, place.name).empty()) continue;
            const auto whole = bytes_of(row.id, value_of(row.type));
            for (std::size_t length = 1; length < whole.size(); ++length) {
                const auto cut = Buffer(whole.begin(), whole.begin() + static_cast<int>(length));
                const auto packet =
                    packet_with(place.name, bytes_of(companions(place.name, row.id), cut));
                EXPECT_EQ(verdict_on(packet, ProtocolVersion::v5), ReasonCode::malformed_packet)
                    << row.name << " cut after " << length << " bytes in " << place.name;
            }
        }
    }
    for (const auto bad : {"\x00"sv, "\xED\xA0\x80"sv, "\xC0\xAF"sv}) {
        for (const auto& pair : {bytes_of(0x26, Prefixed{bad}, Prefixed{""}),  // [MQTT-1.5.7-1]
                                 bytes_of(0x26, Prefixed{""}, Prefixed{bad})}) {
            EXPECT_EQ(verdict_on(packet_with("SUBSCRIBE", pair), ProtocolVersion::v5),
                      ReasonCode::malformed_packet);
        }
        for (const int id : {0x03, 0x08}) {  // [MQTT-3.3.2-19], [MQTT-3.3.2-13]
            EXPECT_EQ(verdict_on(packet_with("PUBLISH", bytes_of(id, Prefixed{bad})),
                                 ProtocolVersion::v5),
                      ReasonCode::malformed_packet);
        }
    }
    // a Subscription Identifier that is not the shortest [MQTT-1.5.5-1]
    EXPECT_EQ(verdict_on(packet_with("SUBSCRIBE", bytes_of(0x0B, 0x81, 0x00)), ProtocolVersion::v5),
              ReasonCode::malformed_packet);
}

TEST(properties, are_malformed_when_their_length_does_not_fit) {
    for (const auto& bytes : {bytes_of(),                           // no Property Length
                              bytes_of(0x01),                       // nothing behind it
                              bytes_of(0x03, 0x01, 0x00),           // one byte less
                              bytes_of(0x01, 0x01, 0x00),           // ends within a Property
                              bytes_of(0x80, 0x00),                 // not the shortest
                              bytes_of(0xFF, 0xFF, 0xFF, 0xFF)}) {  // never ends
        Bytes input = bytes;
        EXPECT_EQ(Properties::take(input, PropertyPlace::publish).error(),
                  ReasonCode::malformed_packet);
        EXPECT_EQ(input.size(), bytes.size()) << "the input moved on";
    }
    // An identifier of two bytes is unknown, and so is an overlong form of a known one.
    for (const auto& bytes : {bytes_of(0x03, 0x80, 0x01, 0x00), bytes_of(0x03, 0x81, 0x00, 0x00)}) {
        Bytes input = bytes;
        EXPECT_EQ(Properties::take(input, PropertyPlace::publish).error(),
                  ReasonCode::malformed_packet);
    }
}

TEST(properties, leave_what_follows_them) {
    const auto bytes = bytes_of(0x02, 0x01, 0x01, "payload");
    Bytes input = bytes;
    const auto properties = Properties::take(input, PropertyPlace::publish).value();
    EXPECT_EQ(as_text(input), "payload");
    EXPECT_EQ(properties.integer(PropertyId::payload_format_indicator), 1U);
    EXPECT_FALSE(properties.empty());
    const auto none = bytes_of(0x00);
    input = none;
    EXPECT_TRUE(Properties::take(input, PropertyPlace::publish).value().empty());
}

TEST(properties, are_found_by_identifier_and_visited_in_order) {
    const auto bytes = properties_of(0x26, Prefixed{"n1"}, Prefixed{"v1"},   // User Property
                                     0x0B, 0x80, 0x01,                       // Subscription Id.
                                     0x02, 0x00, 0x01, 0x00, 0x00,           // Message Expiry
                                     0x0B, 0x07,                             // Subscription Id.
                                     0x03, Prefixed{"text/plain"},           // Content Type
                                     0x09, Prefixed{"\x00\x01"sv},           // Correlation Data
                                     0x23, 0x12, 0x34,                       // Topic Alias
                                     0x26, Prefixed{"n1"}, Prefixed{"v2"});  // User Property
    Bytes input = bytes;
    const auto taken = Properties::take(input, PropertyPlace::publish).value();
    const auto trusted = Properties::trusted(taken.raw());
    EXPECT_EQ(taken, trusted);
    for (const auto& properties : {taken, trusted}) {
        EXPECT_EQ(properties.integer(PropertyId::subscription_identifier), 128U) << "the first";
        EXPECT_EQ(properties.integer(PropertyId::message_expiry_interval), 65'536U);
        EXPECT_EQ(properties.integer(PropertyId::topic_alias), 0x1234U);
        EXPECT_EQ(properties.text(PropertyId::content_type), "text/plain");
        EXPECT_EQ(as_text(properties.binary(PropertyId::correlation_data).value()), "\x00\x01"sv);
        EXPECT_TRUE(properties.has(PropertyId::user_property));
        EXPECT_FALSE(properties.has(PropertyId::response_topic));
        EXPECT_FALSE(properties.text(PropertyId::response_topic).has_value());
        EXPECT_FALSE(properties.integer(PropertyId::payload_format_indicator).has_value());
        EXPECT_FALSE(properties.binary(PropertyId::authentication_data).has_value());

        std::vector<PropertyId> ids;
        std::string pairs;
        Buffer together;
        properties.for_each([&](const Property& property) {
            ids.push_back(property.id);
            append(together, property.encoded);
            if (property.id != PropertyId::user_property) return;
            pairs.append(property.text).append("=").append(property.text_2).append(" ");
        });
        using enum PropertyId;
        EXPECT_EQ(ids, (std::vector{user_property, subscription_identifier, message_expiry_interval,
                                    subscription_identifier, content_type, correlation_data,
                                    topic_alias, user_property}));
        EXPECT_EQ(pairs, "n1=v1 n1=v2 ");
        EXPECT_EQ(as_text(together), as_text(properties.raw()));
    }
}

TEST(properties_writer, writes_every_type_as_the_wire_has_it) {
    PropertiesWriter writer;
    writer.put_integer(PropertyId::maximum_qos, 1)
        .put_integer(PropertyId::receive_maximum, 0x0102)
        .put_integer(PropertyId::maximum_packet_size, 0x0102'0304)
        .put_integer(PropertyId::subscription_identifier, 128)
        .put_text(PropertyId::reason_string, "why")
        .put_binary(PropertyId::authentication_data, as_bytes("\x00\xFF"sv))
        .put_pair(PropertyId::user_property, "n", "v")
        .put_encoded(bytes_of(0x25, 0x00));
    const auto expected = bytes_of(0x24, 0x01,                          // Maximum QoS
                                   0x21, 0x01, 0x02,                    // Receive Maximum
                                   0x27, 0x01, 0x02, 0x03, 0x04,        // Maximum Packet Size
                                   0x0B, 0x80, 0x01,                    // Subscription Identifier
                                   0x1F, Prefixed{"why"},               // Reason String
                                   0x16, Prefixed{"\x00\xFF"sv},        // Authentication Data
                                   0x26, Prefixed{"n"}, Prefixed{"v"},  // User Property
                                   0x25, 0x00);                         // Retain Available
    EXPECT_EQ(as_text(writer.view().raw()), as_text(expected));
    EXPECT_EQ(writer.view().integer(PropertyId::retain_available), 0U);
    writer.clear();
    EXPECT_TRUE(writer.view().empty());
}

TEST(properties, have_the_types_of_table_2_4) {
    const std::map<std::string_view, PropertyType> types = {
        {"Byte", PropertyType::byte},
        {"Two Byte Integer", PropertyType::two_byte_integer},
        {"Four Byte Integer", PropertyType::four_byte_integer},
        {"Variable Byte Integer", PropertyType::variable_byte_integer},
        {"UTF-8 Encoded String", PropertyType::string},
        {"Binary Data", PropertyType::binary},
        {"UTF-8 String Pair", PropertyType::string_pair},
    };
    EXPECT_EQ(std::size(spec::property_rows), 27U);
    for (const auto& row : spec::property_rows) {
        EXPECT_EQ(type_of(static_cast<PropertyId>(row.id)), types.at(row.type)) << row.name;
    }
}

}  // namespace
}  // namespace touchstone::wire
