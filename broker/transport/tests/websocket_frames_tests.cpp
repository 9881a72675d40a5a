#include "broker/transport/websocket_frames.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace touchstone::transport {
namespace {

using Next = FrameReader::Next;

Buffer bytes(std::initializer_list<unsigned> values) {
    Buffer buffer;
    for (const unsigned value : values) buffer.push_back(static_cast<std::byte>(value));
    return buffer;
}

/// A client's frame; the payload is masked with 0x11 0x22 0x33 0x44.
Buffer frame(unsigned first, std::string_view payload) {
    Buffer buffer = bytes({first});
    const auto size = payload.size();
    if (size < 126) {
        append(buffer, bytes({0x80U | static_cast<unsigned>(size)}));
    } else if (size <= 0xFFFF) {
        append(buffer, bytes({0xFE, static_cast<unsigned>(size >> 8U),
                              static_cast<unsigned>(size & 0xFFU)}));
    } else {
        append(buffer, bytes({0xFF, 0, 0, 0, 0, static_cast<unsigned>(size >> 24U),
                              static_cast<unsigned>((size >> 16U) & 0xFFU),
                              static_cast<unsigned>((size >> 8U) & 0xFFU),
                              static_cast<unsigned>(size & 0xFFU)}));
    }
    append(buffer, bytes({0x11, 0x22, 0x33, 0x44}));
    for (std::size_t i = 0; i < size; ++i)
        buffer.push_back(static_cast<std::byte>(payload[i]) ^
                         static_cast<std::byte>(0x11 * (i % 4 + 1)));
    return buffer;
}

struct Read {
    std::string payload;
    Next next = Next::more_bytes;
    CloseCode code = CloseCode::normal;
    std::vector<std::string> pings;
};

/// What comes of `all` when it arrives in pieces of `piece_bytes`.
Read read(const Buffer& all, std::size_t piece_bytes = 1'000'000) {
    FrameReader reader;
    Read result;
    for (std::size_t begin = 0; begin < all.size() && result.next == Next::more_bytes;
         begin += piece_bytes) {
        Buffer piece(all.begin() + static_cast<std::ptrdiff_t>(begin),
                     all.begin() +
                         static_cast<std::ptrdiff_t>(std::min(begin + piece_bytes, all.size())));
        const auto taken = reader.take(piece);
        result.payload += as_text(Bytes{piece}.first(taken.payload_bytes));
        if (taken.has_ping) result.pings.emplace_back(as_text(reader.ping()));
        result.next = taken.next;
        result.code = taken.code;
    }
    return result;
}

void expect_failure(const Buffer& all, CloseCode code) {
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{1'000}}) {
        const auto result = read(all, piece_bytes);
        EXPECT_EQ(result.next, Next::failed);
        EXPECT_EQ(result.code, code);
    }
}

Buffer operator+(Buffer left, const Buffer& right) {
    append(left, right);
    return left;
}

TEST(frame_reader, joins_the_payload_of_binary_messages) {
    const auto all = frame(0x82, "ab") + frame(0x82, "") + frame(0x82, "cde");
    EXPECT_EQ(read(all).payload, "abcde");
    EXPECT_EQ(read(all, 1).payload, "abcde");
}

TEST(frame_reader, joins_the_frames_of_a_message_with_control_frames_between_them) {
    const auto all = frame(0x02, "ab") + frame(0x89, "ping") + frame(0x00, "c") +
                     frame(0x8A, "pong") + frame(0x80, "d") + frame(0x82, "e");
    for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{3}, std::size_t{1'000}}) {
        const auto result = read(all, piece_bytes);
        EXPECT_EQ(result.payload, "abcde");
        EXPECT_EQ(result.next, Next::more_bytes);
        EXPECT_EQ(result.pings, std::vector<std::string>{"ping"});
    }
}

TEST(frame_reader, takes_each_form_of_the_length) {
    for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65'535U, 65'536U, 70'000U}) {
        const std::string payload(size, 'x');
        EXPECT_EQ(read(frame(0x82, payload) + frame(0x82, "y"), 1'000).payload, payload + "y");
    }
}

TEST(frame_reader, refuses_what_the_standard_forbids) {
    expect_failure(frame(0x81, "text"), CloseCode::unsupported_data);
    expect_failure(frame(0xC2, "a"), CloseCode::protocol_error);  // a reserved bit
    expect_failure(frame(0x83, "a"), CloseCode::protocol_error);  // a reserved opcode
    expect_failure(frame(0x8B, "a"), CloseCode::protocol_error);
    expect_failure(bytes({0x82, 1, 'a'}), CloseCode::protocol_error);  // no mask
    expect_failure(frame(0x80, "a"), CloseCode::protocol_error);       // nothing to continue
    expect_failure(frame(0x02, "a") + frame(0x82, "b"), CloseCode::protocol_error);
    expect_failure(frame(0x09, "a"), CloseCode::protocol_error);  // a fragmented Ping
    expect_failure(frame(0x89, std::string(126, 'x')), CloseCode::protocol_error);
    expect_failure(bytes({0x82, 0xFE, 0, 125, 0, 0, 0, 0}), CloseCode::protocol_error);
    expect_failure(bytes({0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0}),
                   CloseCode::protocol_error);
    expect_failure(bytes({0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
                   CloseCode::protocol_error);
}

TEST(frame_reader, delivers_what_came_before_a_mistake) {
    EXPECT_EQ(read(frame(0x82, "ab") + frame(0x81, "text")).payload, "ab");
}

TEST(frame_reader, passes_on_the_code_of_a_close_frame) {
    EXPECT_EQ(read(frame(0x88, "")).code, CloseCode::no_status);
    EXPECT_EQ(read(frame(0x88, std::string_view{"\x03\xE8", 2})).code, CloseCode::normal);
    EXPECT_EQ(read(frame(0x88, std::string_view{"\x03\xE9 bye", 6})).code, CloseCode::going_away);
    EXPECT_EQ(read(frame(0x88, "")).next, Next::closed);
    for (const auto wrong : {std::string_view{"\x03", 1}, std::string_view{"\x03\xED", 2},
                             std::string_view{"\x00\x00", 2}, std::string_view{"\x13\x88", 2}}) {
        expect_failure(frame(0x88, wrong), CloseCode::protocol_error);
    }
}

RC_GTEST_PROP(frame_reader, gives_the_same_however_the_bytes_arrive, ()) {
    Buffer all;
    std::string expected;
    bool is_begun = false;
    const auto frames = *rc::gen::inRange(1, 8);
    for (int i = 0; i < frames; ++i) {
        if (*rc::gen::inRange(0, 4) == 0) {
            append(all, frame(0x89, "ping"));
            continue;
        }
        const auto payload = std::string(*rc::gen::inRange<std::size_t>(0, 300), 'p');
        const bool is_last = *rc::gen::arbitrary<bool>();
        append(all, frame((is_last ? 0x80U : 0U) | (is_begun ? 0U : 2U), payload));
        is_begun = !is_last;
        expected += payload;
    }
    const auto result = read(all, *rc::gen::inRange<std::size_t>(1, 400));
    RC_ASSERT(result.next == Next::more_bytes);
    RC_ASSERT(result.payload == expected);
}

/// All that is sent for a payload, when the peer takes it in pieces of `piece_bytes`.
std::string sent(FrameWriter& writer, std::string payload, std::size_t piece_bytes = 1'000'000) {
    std::string all;
    while (true) {
        writer.prepare(payload.size());
        const std::string next{as_text(writer.head())};
        const auto frame = next + payload.substr(0, writer.frame_payload_bytes());
        if (frame.empty()) return all;
        const auto piece = frame.substr(0, piece_bytes);
        all += piece;
        payload.erase(0, writer.on_written(piece.size()));
    }
}

TEST(frame_writer, makes_a_binary_message_of_what_waits) {
    FrameWriter writer;
    EXPECT_EQ(sent(writer, "abc"), "\x82\x03"
                                   "abc");
    EXPECT_EQ(sent(writer, "abc", 1), "\x82\x03"
                                      "abc");
    EXPECT_FALSE(writer.has_output());
    const std::string medium(126, 'x');
    EXPECT_EQ(sent(writer, medium), std::string("\x82\x7E\0\x7E", 4) + medium);
    const std::string large(65'536, 'x');
    EXPECT_EQ(sent(writer, large), std::string("\x82\x7F\0\0\0\0\0\1\0\0", 10) + large);
}

TEST(frame_writer, never_puts_a_control_frame_into_a_frame) {
    FrameWriter writer;
    writer.prepare(3);
    EXPECT_EQ(writer.on_written(3), 1U);
    writer.answer_ping(as_bytes("p"));
    writer.prepare(2);
    EXPECT_TRUE(writer.head().empty());
    EXPECT_EQ(writer.frame_payload_bytes(), 2U);
    EXPECT_EQ(writer.on_written(2), 2U);
    EXPECT_EQ(sent(writer, "d"), "\x8A\x01p\x82\x01"
                                 "d");
}

TEST(frame_writer, answers_the_latest_ping_only) {
    FrameWriter writer;
    writer.answer_ping(as_bytes("one"));
    writer.answer_ping(as_bytes("two"));
    EXPECT_TRUE(writer.has_output());
    EXPECT_EQ(sent(writer, ""), "\x8A\x03two");
    EXPECT_FALSE(writer.has_output());
}

TEST(frame_writer, closes_once_and_behind_everything) {
    FrameWriter writer;
    writer.begin_with(as_bytes("answer"));
    writer.close(CloseCode::protocol_error);
    writer.close(CloseCode::normal);
    EXPECT_EQ(sent(writer, "a", 1), "answer\x82\x01"
                                    "a\x88\x02\x03\xEA");
    EXPECT_EQ(sent(writer, ""), "");
    FrameWriter without_code;
    without_code.close(CloseCode::no_status);
    EXPECT_EQ(sent(without_code, ""), std::string("\x88\0", 2));
}

}  // namespace
}  // namespace touchstone::transport
