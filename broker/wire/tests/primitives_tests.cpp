#include "broker/wire/primitives.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "broker/wire/tests/bytes_of.hpp"

namespace touchstone::wire {
namespace {

struct VariableByteIntegerRow {
    std::uint32_t value;
    std::vector<int> encoded;
};

// §1.5.5, table 1-1
const VariableByteIntegerRow variable_byte_integer_rows[] = {
    {0, {0x00}},
    {1, {0x01}},
    {127, {0x7F}},
    {128, {0x80, 0x01}},
    {16'383, {0xFF, 0x7F}},
    {16'384, {0x80, 0x80, 0x01}},
    {2'097'151, {0xFF, 0xFF, 0x7F}},
    {2'097'152, {0x80, 0x80, 0x80, 0x01}},
    {268'435'455, {0xFF, 0xFF, 0xFF, 0x7F}},
};

Buffer buffer_of(const std::vector<int>& bytes) {
    Buffer buffer;
    for (const auto byte : bytes) put_part(buffer, byte);
    return buffer;
}

TEST(variable_byte_integer, has_the_bytes_of_table_1_1_at_every_boundary) {
    for (const auto& row : variable_byte_integer_rows) {
        Buffer buffer;
        put_variable_byte_integer(buffer, row.value);
        EXPECT_EQ(buffer, buffer_of(row.encoded)) << row.value;
        EXPECT_EQ(variable_byte_integer_size_bytes(row.value), row.encoded.size()) << row.value;

        Bytes input = buffer;
        EXPECT_EQ(take_variable_byte_integer(input).value(), row.value);
        EXPECT_TRUE(input.empty());
    }
}

TEST(variable_byte_integer, is_refused_when_cut_short_too_long_or_not_the_shortest) {
    const std::vector<int> bad[] = {
        {},
        {0x80},
        {0xFF, 0xFF, 0xFF},
        {0x80, 0x80, 0x80, 0x80},
        {0xFF, 0xFF, 0xFF, 0xFF, 0x7F},
        {0x80, 0x00},              // 0 in two bytes
        {0xFF, 0x80, 0x00},        // 127 in three
        {0x80, 0x80, 0x80, 0x00},  // 0 in four
    };
    for (const auto& bytes : bad) {
        const auto buffer = buffer_of(bytes);
        Bytes input = buffer;
        EXPECT_EQ(take_variable_byte_integer(input).error(), ReasonCode::malformed_packet);
        EXPECT_EQ(input.size(), buffer.size()) << "the input moved on";
    }
}

RC_GTEST_PROP(variable_byte_integer, comes_back_as_it_was_put, ()) {
    const auto value = *rc::gen::inRange<std::uint32_t>(0, variable_byte_integer_max + 1);
    Buffer buffer;
    put_variable_byte_integer(buffer, value);
    RC_ASSERT(buffer.size() == variable_byte_integer_size_bytes(value));
    Bytes input = buffer;
    RC_ASSERT(take_variable_byte_integer(input).value() == value);
}

TEST(integers, are_big_endian) {
    const auto buffer = bytes_of(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07);
    Bytes input = buffer;
    EXPECT_EQ(take_u8(input).value(), 0x01);
    EXPECT_EQ(take_u16(input).value(), 0x0203);
    EXPECT_EQ(take_u32(input).value(), 0x0405'0607U);
    EXPECT_TRUE(input.empty());

    Buffer back;
    put_u8(back, 0x01);
    put_u16(back, 0x0203);
    put_u32(back, 0x0405'0607);
    EXPECT_EQ(back, buffer);
}

TEST(integers, leave_a_short_input_alone) {
    const auto buffer = bytes_of(0x01, 0x02, 0x03);
    Bytes none;
    EXPECT_EQ(take_u8(none).error(), ReasonCode::malformed_packet);
    Bytes one = Bytes{buffer}.first(1);
    EXPECT_EQ(take_u16(one).error(), ReasonCode::malformed_packet);
    EXPECT_EQ(one.size(), 1U);
    Bytes three = buffer;
    EXPECT_EQ(take_u32(three).error(), ReasonCode::malformed_packet);
    EXPECT_EQ(three.size(), 3U);
}

TEST(packet_id, is_never_zero) {
    const auto buffer = bytes_of(0x00, 0x00, 0xFF, 0xFF);
    Bytes input = buffer;
    EXPECT_EQ(take_packet_id(input).error(), ReasonCode::protocol_error);
    EXPECT_EQ(input.size(), 4U);
    input = input.subspan(2);
    EXPECT_EQ(take_packet_id(input).value().raw(), 0xFFFF);
}

TEST(binary_data, is_refused_when_its_length_runs_over_the_end) {
    for (const auto& bytes :
         {bytes_of(), bytes_of(0x00), bytes_of(0x00, 0x01), bytes_of(0xFF, 0xFF, 'a')}) {
        Bytes input = bytes;
        EXPECT_EQ(take_binary(input).error(), ReasonCode::malformed_packet);
        EXPECT_EQ(take_string(input).error(), ReasonCode::malformed_packet);
        EXPECT_EQ(input.size(), bytes.size());
    }
}

TEST(binary_data, may_hold_any_byte_and_65_535_of_them) {
    const auto longest = std::string(65'535, '\0');
    Buffer buffer;
    put_binary(buffer, as_bytes(longest));
    put_u8(buffer, 0x2A);
    Bytes input = buffer;
    EXPECT_EQ(as_text(take_binary(input).value()), longest);
    EXPECT_EQ(input.size(), 1U);
}

TEST(utf8, takes_the_first_and_last_character_of_every_length_and_the_byte_order_mark) {
    for (const std::string_view text :
         {"", "a", "\x01", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
          "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF",
          "\xEF\xBB\xBF"
          "topic"}) {
        EXPECT_TRUE(is_utf8_string(text)) << text;
    }
}

TEST(utf8, refuses_what_is_not_well_formed_wherever_it_stands) {
    using namespace std::string_view_literals;
    for (const auto bad : {
             "\x00"sv,              // U+0000 [MQTT-1.5.4-2]
             "\x80"sv,              // continuation without a lead
             "\xBF"sv,              //
             "\xC0\x80"sv,          // U+0000, overlong
             "\xC0\xAF"sv,          // overlong
             "\xC1\xBF"sv,          // overlong
             "\xC2"sv,              // cut short
             "\xC2\x41"sv,          //
             "\xE0\x80\x80"sv,      // overlong
             "\xE0\x9F\xBF"sv,      // overlong
             "\xE1\x80"sv,          // cut short
             "\xE1\x80\x41"sv,      //
             "\xED\xA0\x80"sv,      // U+D800 [MQTT-1.5.4-1]
             "\xED\xBF\xBF"sv,      // U+DFFF
             "\xF0\x80\x80\x80"sv,  // overlong
             "\xF0\x8F\xBF\xBF"sv,  // overlong
             "\xF1\x80\x80"sv,      // cut short
             "\xF1\x80\x80\x41"sv,  //
             "\xF4\x90\x80\x80"sv,  // U+110000
             "\xF5\x80\x80\x80"sv,  //
             "\xFF"sv,              //
         }) {
        // Each position in a word of eight, with and without a word before and after it.
        for (std::size_t before = 0; before <= 17; ++before) {
            for (const std::size_t after : {0, 1, 7, 8, 9}) {
                auto text = std::string(before, 'a');
                text += bad;
                EXPECT_FALSE(is_utf8_string(text)) << before;
                text += std::string(after, 'a');
                EXPECT_FALSE(is_utf8_string(text)) << before << ' ' << after;
            }
        }
    }
}

/// The rule in its plainest form: decode a character by its bit pattern, then look at its number.
bool is_utf8_by_arithmetic(std::string_view text) {
    const auto byte = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t at = 0; at < text.size();) {
        const unsigned lead = byte(at);
        std::size_t size = 0;
        std::uint32_t code_point = 0;
        if (lead < 0x80) {
            size = 1;
            code_point = lead;
        } else if ((lead & 0xE0U) == 0xC0) {
            size = 2;
            code_point = lead & 0x1FU;
        } else if ((lead & 0xF0U) == 0xE0) {
            size = 3;
            code_point = lead & 0x0FU;
        } else if ((lead & 0xF8U) == 0xF0) {
            size = 4;
            code_point = lead & 0x07U;
        } else {
            return false;
        }
        if (at + size > text.size()) return false;
        for (std::size_t i = 1; i < size; ++i) {
            if ((byte(at + i) & 0xC0U) != 0x80) return false;
            code_point = code_point << 6U | (byte(at + i) & 0x3FU);
        }
        constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x1'0000};
        if (code_point < smallest[size] || code_point > 0x10'FFFF) return false;
        if (code_point == 0 || (code_point >= 0xD800 && code_point <= 0xDFFF)) return false;
        at += size;
    }
    return true;
}

TEST(utf8, agrees_with_the_arithmetic_on_every_sequence_of_three_bytes) {
    char text[3];
    for (unsigned word = 0; word < 1U << 24U; ++word) {
        text[0] = static_cast<char>(word >> 16U);
        text[1] = static_cast<char>(word >> 8U);
        text[2] = static_cast<char>(word);
        const std::string_view view{text, sizeof text};
        ASSERT_EQ(is_utf8_string(view), is_utf8_by_arithmetic(view)) << std::hex << word;
    }
}

RC_GTEST_PROP(utf8, agrees_with_the_arithmetic_on_random_bytes, ()) {
    const auto interesting = rc::gen::elementOf(
        std::string("a/\x7F\x80\x8F\x90\x9F\xA0\xBF\xC2\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5\x01"
                    "\0",
                    20));
    const auto text = *rc::gen::container<std::string>(interesting);
    RC_ASSERT(is_utf8_string(text) == is_utf8_by_arithmetic(text));
}

}  // namespace
}  // namespace touchstone::wire
