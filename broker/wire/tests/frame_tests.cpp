#include "broker/wire/frame.hpp"

#include <gtest/gtest.h>

#include "broker/wire/tests/bytes_of.hpp"

namespace touchstone::wire {
namespace {

constexpr auto no_limit = packet_size_bytes_max;

TEST(take_frame, takes_packet_after_packet_and_leaves_the_rest) {
    const auto stream = bytes_of(0xC0,                            // PINGREQ
                                 0x00,                            // Remaining Length
                                 0x3D,                            // PUBLISH, DUP, QoS 2, RETAIN
                                 0x05, 0x00, 0x01, 'a', 0x00, 7,  // Topic Name, Packet Identifier
                                 0x40, 0x02, 0x00);               // PUBACK, not complete
    Bytes input = stream;

    const auto ping = take_frame(input, no_limit, ProtocolVersion::v3_1_1).value();
    ASSERT_TRUE(ping.has_value());
    EXPECT_EQ(ping->type, PacketType::pingreq);
    EXPECT_TRUE(ping->body.empty());
    EXPECT_EQ(ping->size_bytes, 2U);

    const auto publish = take_frame(input, no_limit, ProtocolVersion::v3_1_1).value();
    ASSERT_TRUE(publish.has_value());
    EXPECT_EQ(publish->type, PacketType::publish);
    EXPECT_EQ(publish->flags, 0x0D);
    EXPECT_EQ(publish->body.data(), stream.data() + 4) << "a view, not a copy";
    EXPECT_EQ(publish->body.size(), 5U);
    EXPECT_EQ(publish->size_bytes, 7U);

    EXPECT_EQ(input.size(), 3U);
    EXPECT_FALSE(take_frame(input, no_limit, ProtocolVersion::v3_1_1).value().has_value());
    EXPECT_EQ(input.size(), 3U) << "an incomplete packet stays";
}

TEST(take_frame, needs_more_of_every_proper_prefix) {
    for (const std::size_t size : {0, 1, 127, 128, 16'383, 16'384, 2'097'151, 2'097'152}) {
        const auto packet = packet_of(0x30, std::string(size, 'x'));
        const auto header = packet.size() - size;
        for (std::size_t length = 0; length < packet.size(); length += length < 8 ? 1 : 4'093) {
            Bytes input = Bytes{packet}.first(length);
            EXPECT_FALSE(take_frame(input, no_limit, ProtocolVersion::v5).value().has_value());
            EXPECT_EQ(input.size(), length);
            EXPECT_EQ(announced_size_bytes(input).has_value(), length >= header);
        }
        Bytes input = packet;
        const auto frame = take_frame(input, no_limit, ProtocolVersion::v5).value();
        ASSERT_TRUE(frame.has_value());
        EXPECT_EQ(frame->body.size(), size);
        EXPECT_EQ(announced_size_bytes(packet), packet.size());
    }
}

TEST(take_frame, refuses_the_forbidden_types) {
    for (const auto version :
         {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5}) {
        const auto reserved = bytes_of(0x00);
        Bytes input = reserved;
        EXPECT_EQ(take_frame(input, no_limit, version).error(), ReasonCode::malformed_packet);

        const auto auth = bytes_of(0xF0, 0x00);
        input = auth;
        EXPECT_EQ(take_frame(input, no_limit, version).has_value(), version == ProtocolVersion::v5);
    }
}

TEST(take_frame, refuses_a_length_of_more_than_four_bytes_at_the_fourth) {
    for (const auto version :
         {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1, ProtocolVersion::v5}) {
        const auto four = bytes_of(0x30, 0xFF, 0xFF, 0xFF, 0xFF);
        Bytes input = four;
        EXPECT_EQ(take_frame(input, no_limit, version).error(), ReasonCode::malformed_packet);
        EXPECT_FALSE(announced_size_bytes(four).has_value());
        const auto five = bytes_of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01);
        input = five;
        EXPECT_EQ(take_frame(input, no_limit, version).error(), ReasonCode::malformed_packet);
        EXPECT_FALSE(announced_size_bytes(five).has_value());
    }
}

TEST(take_frame, wants_the_shortest_length_from_version_5_on) {
    const auto overlong = bytes_of(0xC0, 0x80, 0x00);  // PINGREQ
    Bytes input = overlong;
    EXPECT_EQ(take_frame(input, no_limit, ProtocolVersion::v5).error(),
              ReasonCode::malformed_packet);
    for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1}) {
        input = overlong;
        const auto frame = take_frame(input, no_limit, version).value();
        ASSERT_TRUE(frame.has_value());
        EXPECT_EQ(frame->size_bytes, 3U);
    }
}

TEST(take_frame, finds_a_packet_too_large_from_its_fixed_header_alone) {
    // 2 + 127 bytes, 3 + 128 bytes, 5 + 268,435,455 bytes
    struct Row {
        Buffer header;
        std::uint32_t size_bytes;
    };
    for (const auto& row : {Row{bytes_of(0x30, 0x7F), 129}, Row{bytes_of(0x30, 0x80, 0x01), 131},
                            Row{bytes_of(0x30, 0xFF, 0xFF, 0xFF, 0x7F), 268'435'460}}) {
        Bytes input = row.header;
        EXPECT_EQ(announced_size_bytes(input), row.size_bytes);
        EXPECT_EQ(take_frame(input, row.size_bytes - 1, ProtocolVersion::v5).error(),
                  ReasonCode::packet_too_large);
        EXPECT_FALSE(take_frame(input, row.size_bytes, ProtocolVersion::v5).value().has_value());
        EXPECT_EQ(input.size(), row.header.size());
    }
}

}  // namespace
}  // namespace touchstone::wire
