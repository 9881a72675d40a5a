// The suite's own builder and reader, against vectors written by hand from the standard's tables.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "conformance/packets/build.hpp"
#include "conformance/packets/draft.hpp"
#include "conformance/packets/reader.hpp"

namespace touchstone::conformance {
namespace {

Packet from_server(std::string_view digits, ProtocolVersion version = ProtocolVersion::v5) {
    return decode(hex(digits), version, Sender::server);
}

bool breaks(const Packet& packet, std::string_view statement) {
    return std::ranges::find(packet.faults, statement, &Fault::statement) != packet.faults.end();
}

TEST(Builder, writes_connect_of_5_0_field_by_field) {
    ConnectFields fields{.version = ProtocolVersion::v5,
                         .client_id = "ab",
                         .clean_start = true,
                         .keep_alive_s = 60,
                         .properties = {number_property(PropertyId::receive_maximum, 20)}};
    fields.will =
        WillFields{.topic = "w", .payload = "x", .qos = QoS::at_least_once, .retain = true};
    fields.user_name = "u";
    fields.password = "p";
    EXPECT_EQ(build_connect(fields).bytes(), hex("10"                 // CONNECT
                                                 "1f"                 // Remaining Length
                                                 "00 04 4d 51 54 54"  // "MQTT"
                                                 "05"                 // Protocol Version
                                                 "ee"                 // all flags, Will QoS 1
                                                 "00 3c"              // Keep Alive
                                                 "03 21 00 14"        // Receive Maximum 20
                                                 "00 02 61 62"        // Client Identifier
                                                 "00"                 // no Will Properties
                                                 "00 01 77 00 01 78"  // Will Topic and Payload
                                                 "00 01 75 00 01 70"  // User Name and Password
                                                 ));
}

TEST(Builder, writes_connect_of_3_1_1_without_properties) {
    const ConnectFields fields{.version = ProtocolVersion::v3_1_1,
                               .client_id = "a",
                               .clean_start = false,
                               .properties = {number_property(PropertyId::receive_maximum, 20)}};
    EXPECT_EQ(build_connect(fields).bytes(), hex("10 0d 00 04 4d 51 54 54 04 00 00 00 00 01 61"));
}

TEST(Builder, writes_publish_subscribe_and_the_short_forms) {
    using enum ProtocolVersion;
    EXPECT_EQ(build_publish(
                  v5, {.topic = "a/b", .payload = "hi", .qos = QoS::at_least_once, .packet_id = 7})
                  .bytes(),
              hex("32 0a 00 03 61 2f 62 00 07 00 68 69"));
    EXPECT_EQ(build_publish(v3_1_1, {.topic = "a", .retain = true, .dup = true}).bytes(),
              hex("39 03 00 01 61"));
    EXPECT_EQ(build_subscribe(v5, 1, {{"a", 0x2E}}).bytes(), hex("82 07 00 01 00 00 01 61 2e"));
    EXPECT_EQ(build_unsubscribe(v3_1_1, 258, {"a"}).bytes(), hex("a2 05 01 02 00 01 61"));
    EXPECT_EQ(build_acknowledgement(v5, PacketType::pubrel, 5).bytes(), hex("62 02 00 05"));
    EXPECT_EQ(build_acknowledgement(v5, PacketType::pubrec, 5, 0x97).bytes(),
              hex("50 03 00 05 97"));
    EXPECT_EQ(build_disconnect(v5).bytes(), hex("e0 00"));
    EXPECT_EQ(build_disconnect(v5, 4).bytes(), hex("e0 01 04"));
    EXPECT_EQ(build_pingreq().bytes(), hex("c0 00"));
}

TEST(Builder, can_make_every_field_of_every_packet_wrong) {
    using enum ProtocolVersion;
    const std::vector<Draft> drafts{
        build_connect({.client_id = "c",
                       .will = WillFields{.topic = "w", .payload = "p"},
                       .user_name = "u",
                       .password = "p"}),
        build_publish(v5, {.topic = "t", .payload = "p", .qos = QoS::exactly_once, .packet_id = 1}),
        build_acknowledgement(v5, PacketType::puback, 1, 0x80, {pair_property("a", "b")}),
        build_subscribe(v5, 1, {{"a", 0}, {"b", 1}}),
        build_unsubscribe(v5, 1, {"a", "b"}),
        build_disconnect(v5, 0x80, {pair_property("a", "b")}),
        build_auth(0x18, {text_property(PropertyId::authentication_method, "m")}),
    };
    for (const auto& draft : drafts) {
        const auto right = draft.bytes();
        for (const auto& name : draft.names()) {
            EXPECT_NE(Draft{draft}.set(name, hex("ff fe fd fc")).bytes(), right) << name;
            EXPECT_NE(Draft{draft}.set_length(name, hex("ff ff")).bytes(), right) << name;
            EXPECT_LT(Draft{draft}.drop(name).bytes().size(), right.size()) << name;
        }
        EXPECT_NE(Draft{draft}.first_byte(0x00).bytes(), right);
        EXPECT_NE(Draft{draft}.remaining_length(hex("ff ff ff ff 7f")).bytes(), right);
        EXPECT_EQ(Draft{draft}.append(hex("00")).bytes().size(), right.size() + 1);
        EXPECT_EQ(Draft{draft}.truncate(1).bytes().size(), 3U);
    }
    EXPECT_THROW(build_pingreq().set("nothing", "x"), std::logic_error);
}

TEST(Builder, writes_lengths_at_the_borders_of_table_2_1) {
    const auto length_of = [](std::size_t payload_bytes) {
        const auto bytes = build_publish(ProtocolVersion::v3_1_1,
                                         {.topic = "t", .payload = std::string(payload_bytes, 'x')})
                               .bytes();
        const auto size = bytes.size() - payload_bytes - 3 - 1;
        return to_hex(Bytes{bytes}.subspan(1, size));
    };
    EXPECT_EQ(length_of(124), "7f");
    EXPECT_EQ(length_of(125), "80 01");
    EXPECT_EQ(length_of(16'380), "ff 7f");
    EXPECT_EQ(length_of(16'381), "80 80 01");
    EXPECT_EQ(length_of(2'097'148), "ff ff 7f");
    EXPECT_EQ(length_of(2'097'149), "80 80 80 01");
}

TEST(Hex, refuses_what_is_no_hex) {
    EXPECT_THROW(static_cast<void>(hex("4")), std::logic_error);
    EXPECT_THROW(static_cast<void>(hex("zz")), std::logic_error);
}

TEST(Reader, reads_what_a_server_sends) {
    const auto connack = from_server("20 06 01 00 03 21 00 0a");
    EXPECT_TRUE(connack.is_decodable && connack.faults.empty());
    EXPECT_TRUE(connack.session_present());
    EXPECT_EQ(number_of(connack.properties, PropertyId::receive_maximum), 10U);

    const auto publish =
        from_server("3d 0d 00 01 74 00 07 05 26 00 01 61 00 00 78", ProtocolVersion::v5);
    EXPECT_FALSE(publish.is_decodable);  // the Property Length is one too small
    const auto repaired = from_server("3d 0d 00 01 74 00 07 06 26 00 01 61 00 00 78");
    EXPECT_TRUE(repaired.is_decodable && repaired.faults.empty());
    EXPECT_EQ(describe(repaired),
              "PUBLISH id=7 q2 dup retain t='t' 1 B 'x' {user_property='a':''}");

    const auto suback = from_server("90 05 01 02 00 02 80");
    EXPECT_EQ(suback.packet_id, 258);
    EXPECT_EQ(suback.reason_codes, (std::vector<std::uint8_t>{2, 0x80}));
    EXPECT_EQ(describe(from_server("e0 01 8e")), "DISCONNECT 0x8e session_taken_over");
    EXPECT_EQ(describe(from_server("40 02 00 07", ProtocolVersion::v3_1_1)), "PUBACK id=7");
}

TEST(Reader, names_the_statement_that_a_packet_breaks) {
    EXPECT_TRUE(breaks(from_server("21 03 00 00 00"), "v5/MQTT-2.1.3-1"));
    EXPECT_TRUE(breaks(from_server("21 02 00 00", ProtocolVersion::v3_1_1), "v3.1.1/MQTT-2.2.2-1"));
    EXPECT_TRUE(breaks(from_server("20 03 02 00 00"), "v5/MQTT-3.2.2-1"));
    EXPECT_TRUE(breaks(from_server("20 03 01 80 00"), "v5/MQTT-3.2.2-6"));
    EXPECT_TRUE(breaks(from_server("20 03 00 01 00"), "v5/MQTT-3.2.2-8"));
    EXPECT_TRUE(breaks(from_server("20 02 00 00"), "v5/MQTT-2.2.2-1"));
    EXPECT_TRUE(breaks(from_server("20 83 00 00 00 00"), "v5/MQTT-1.5.5-1"));
    EXPECT_TRUE(breaks(from_server("32 06 00 01 74 00 00 00"), "v5/MQTT-2.2.1-4"));
    EXPECT_TRUE(breaks(from_server("36 06 00 01 74 00 01 00"), "v5/MQTT-3.3.1-4"));
    EXPECT_TRUE(breaks(from_server("38 04 00 01 74 00"), "v5/MQTT-3.3.1-2"));
    EXPECT_TRUE(breaks(from_server("30 04 00 01 23 00"), "v5/MQTT-3.3.2-2"));
    EXPECT_TRUE(breaks(from_server("30 05 00 02 c0 af 00"), "v5/MQTT-3.3.2-1"));
    EXPECT_TRUE(breaks(from_server("30 05 00 02 61 00 00"), "v5/MQTT-1.5.4-2"));
    EXPECT_TRUE(breaks(from_server("30 07 00 01 74 03 23 00 00"), "v5/MQTT-3.3.2-8"));
    EXPECT_TRUE(breaks(from_server("30 08 00 01 74 04 08 00 01 2b"), "v5/MQTT-3.3.2-14"));
    EXPECT_TRUE(breaks(from_server("40 03 00 01 92"), "v5/MQTT-3.4.2-1"));
    EXPECT_TRUE(breaks(from_server("62 03 00 01 10"), "v5/MQTT-3.6.2-1"));
    EXPECT_TRUE(breaks(from_server("90 04 00 01 00 03"), "v5/MQTT-3.9.3-2"));
    EXPECT_TRUE(breaks(from_server("b0 04 00 01 00 01"), "v5/MQTT-3.11.3-2"));
    EXPECT_TRUE(breaks(from_server("e0 01 04"), "v5/MQTT-3.14.2-1"));
    EXPECT_TRUE(breaks(from_server("e0 07 00 05 11 00 00 00 01"), "v5/MQTT-3.14.2-2"));
    EXPECT_TRUE(breaks(from_server("d0 01 00"), "v5/X5-90"));
    EXPECT_TRUE(breaks(from_server("82 00"), "v5/X5-90"));
    EXPECT_TRUE(breaks(from_server("20 06 00 00 03 23 00 01"), "v5/X5-55"));
    EXPECT_TRUE(breaks(from_server("20 05 00 00 02 25 02"), "v5/X5-28"));
}

TEST(Reader, does_not_blame_a_broker_for_the_contradiction_about_0x8c) {
    const auto packet = from_server("e0 01 8c");
    ASSERT_EQ(packet.faults.size(), 1U);
    EXPECT_TRUE(packet.faults[0].statement.empty());
}

TEST(Reader, finds_packets_in_a_stream_and_its_end) {
    Buffer stream = hex("d0 00 d0");
    Buffer raw;
    EXPECT_EQ(take_packet(stream, raw), Framing::packet);
    EXPECT_EQ(raw, hex("d0 00"));
    EXPECT_EQ(take_packet(stream, raw), Framing::need_more);
    stream = hex("d0 ff ff ff ff 01");
    EXPECT_EQ(take_packet(stream, raw), Framing::broken);
    EXPECT_TRUE(stream.empty());
}

TEST(Utf8, accepts_what_is_well_formed_and_nothing_else) {
    EXPECT_EQ(judge_utf8("\xEF\xBB\xBF\xC3\xA9\xF0\x9F\x92\xA9"), Utf8::well_formed);
    EXPECT_EQ(judge_utf8(std::string_view{"a\0b", 3}), Utf8::contains_null);
    for (const std::string_view bad : {"\xED\xA0\x80", "\xC0\x80", "\xC0\xAF", "\xE0\x80\xAF",
                                       "\xF0\x80\x80\xAF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                                       "\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x92", "\xFF"}) {
        EXPECT_EQ(judge_utf8(bad), Utf8::ill_formed) << printable(bad);
    }
}

RC_GTEST_PROP(Reader, is_total_over_random_bytes, (std::vector<std::uint8_t> random)) {
    Buffer bytes;
    for (const auto value : random) bytes.push_back(static_cast<std::byte>(value));
    for (const auto version : {ProtocolVersion::v3_1_1, ProtocolVersion::v5}) {
        for (const auto sender : {Sender::client, Sender::server}) {
            const auto packet = decode(bytes, version, sender);
            RC_ASSERT(packet.raw == bytes);
            RC_ASSERT(packet.is_decodable || !packet.faults.empty());
            RC_ASSERT(!describe(packet).empty());
        }
    }
    // Cut into packets, every byte goes somewhere.
    std::size_t taken_bytes = 0;
    Buffer stream = bytes;
    Buffer raw;
    while (take_packet(stream, raw) != Framing::need_more) {
        RC_ASSERT(!raw.empty());
        taken_bytes += raw.size();
    }
    RC_ASSERT(taken_bytes + stream.size() == bytes.size());
}

RC_GTEST_PROP(Reader, survives_each_flipped_bit_of_a_packet, (std::string text, std::uint16_t id)) {
    const auto bytes = build_publish(ProtocolVersion::v5,
                                     {.topic = "t/" + std::to_string(id),
                                      .payload = text,
                                      .qos = QoS::at_least_once,
                                      .packet_id = static_cast<std::uint16_t>(id | 1U),
                                      .properties = {pair_property("name", text),
                                                     number_property(PropertyId::topic_alias, 3)}})
                           .bytes();
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        const auto packet = decode(flipped, ProtocolVersion::v5, Sender::client);
        RC_ASSERT(!describe(packet).empty());
    }
}

RC_GTEST_PROP(Reader, reads_back_what_the_builder_wrote,
              (std::uint16_t id, std::uint32_t number, std::string payload)) {
    const auto packet_id = static_cast<std::uint16_t>(id | 1U);
    const Properties properties{
        number_property(PropertyId::message_expiry_interval, number),
        text_property(PropertyId::correlation_data, payload.substr(0, 1'000))};
    const auto packet = decode(build_publish(ProtocolVersion::v5, {.topic = "t",
                                                                   .payload = payload,
                                                                   .qos = QoS::exactly_once,
                                                                   .packet_id = packet_id,
                                                                   .properties = properties})
                                   .bytes(),
                               ProtocolVersion::v5, Sender::server);
    RC_ASSERT(packet.faults.empty());
    RC_ASSERT(packet.packet_id == packet_id);
    RC_ASSERT(packet.payload == payload);
    RC_ASSERT(packet.properties == properties);
}

TEST(Draft, with_a_flipped_flag_is_wrong_in_that_flag_alone) {
    const ConnectFields fields{.client_id = "c", .user_name = "user", .password = "pass"};
    const auto sound = build_connect(fields).bytes();
    const auto packet = decode(build_connect(fields).flip("connect_flags", 1).bytes(),
                               ProtocolVersion::v5, Sender::client);
    EXPECT_EQ(packet.user_name, "user");
    EXPECT_EQ(packet.password, "pass");
    EXPECT_EQ(packet.faults.size(), 1U);
    EXPECT_TRUE(decode(sound, ProtocolVersion::v5, Sender::client).faults.empty());
    EXPECT_THROW(build_connect(fields).flip("client_id", 1).flip("user_name", 1), std::logic_error);
}

}  // namespace
}  // namespace touchstone::conformance
