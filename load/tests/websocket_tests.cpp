// WebSockets of the generator: bytes in, bytes out. The other end is that of our broker.

#include "load/websocket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <string>

#include "broker/transport/upgrade.hpp"
#include "broker/transport/websocket_frames.hpp"

namespace touchstone::load {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Buffer bytes_of(std::initializer_list<unsigned> values) {
    Buffer bytes;
    for (const auto value : values) bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

class web_socket : public testing::Test {
protected:
    web_socket() {
        std::string problem;
        target_ = *parse_target("ws://broker.example:8083/mqtt", problem);
        web_.emplace(target_, draws_);
    }

    std::string answer_of_broker(bool requires_subprotocol = true) {
        transport::UpgradeReader reader;
        EXPECT_EQ(reader.take(web_->output), web_->output.size());
        EXPECT_TRUE(reader.is_complete());
        web_->output.clear();
        return reader.answer({.path = "/mqtt", .requires_subprotocol = requires_subprotocol})
            .response;
    }
    WebSocket::Taken take(Buffer bytes, std::string* payload = nullptr) {
        const auto taken = web_->take(bytes);
        if (payload != nullptr) *payload += as_text(Bytes{bytes}.first(taken.payload_bytes));
        return taken;
    }
    std::string failure_of(std::string_view text) {
        Buffer bytes;
        append(bytes, as_bytes(text));
        return take(bytes).failure;
    }
    void open() {
        EXPECT_THAT(failure_of(answer_of_broker()), IsEmpty());
        ASSERT_TRUE(web_->is_open());
    }

    Draws draws_{1, Purpose::masks, 0};
    Target target_;
    std::optional<WebSocket> web_;
};

TEST_F(web_socket, asks_for_the_path_and_the_subprotocol) {
    const std::string request{as_text(web_->output)};
    EXPECT_THAT(request, StartsWith("GET /mqtt HTTP/1.1\r\nHost: broker.example:8083\r\n"));
    EXPECT_THAT(request, HasSubstr("Sec-WebSocket-Protocol: mqtt\r\n"));
    std::string problem;
    const WebSocket other{*parse_target("ws://[::1]:80", problem), draws_};
    EXPECT_THAT(std::string{as_text(other.output)}, HasSubstr("Host: [::1]:80\r\n"));
}

TEST_F(web_socket, is_open_with_an_answer_that_comes_in_pieces) {
    const auto answer = answer_of_broker();
    for (const char one : answer) {
        EXPECT_FALSE(web_->is_open());
        EXPECT_THAT(failure_of({&one, 1}), IsEmpty());
    }
    EXPECT_TRUE(web_->is_open());
}

TEST_F(web_socket, says_what_is_wrong_with_an_answer) {
    const auto good = answer_of_broker();
    const auto changed = [&](std::string_view text, std::string_view into) {
        auto answer = good;
        answer.replace(answer.find(text), text.size(), into);
        return answer;
    };
    for (const auto& [answer, words] : std::initializer_list<std::pair<std::string, std::string>>{
             {"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot here\n", "refused: 404"},
             {"\x20\x02\r\n\r\n", "no web server"},
             {std::string(20'000, 'x'), "no web server"},
             {changed("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: A"), "not read the request"},
             {changed("Upgrade: websocket", "Upgrade: h2c"), "not read the request"},
             {changed("Protocol: mqtt", "Protocol: chat"), "'mqtt'"}}) {
        Draws same{1, Purpose::masks, 0};
        web_.emplace(target_, same);  // with the key that `good` answers
        EXPECT_THAT(failure_of(answer), HasSubstr(words));
        EXPECT_FALSE(web_->is_open());
    }
}

TEST_F(web_socket, sends_binary_messages_that_a_server_reads) {
    for (const std::size_t size : {1U, 125U, 126U, 65'535U, 65'536U, 200'000U}) {
        web_.emplace(target_, draws_);
        open();
        Buffer packets(size, std::byte{7});
        const auto before = packets;
        web_->send(packets);
        EXPECT_THAT(packets, IsEmpty());
        transport::FrameReader reader;
        auto bytes = web_->output;
        const auto taken = reader.take(bytes);
        EXPECT_EQ(taken.next, transport::FrameReader::Next::more_bytes);
        bytes.resize(taken.payload_bytes);
        EXPECT_EQ(bytes, before);
    }
}

TEST_F(web_socket, takes_what_a_server_sends_whatever_the_pieces) {
    Buffer sent;
    std::string wanted;
    for (const std::size_t size : {1U, 125U, 126U, 70'000U}) {
        transport::FrameWriter writer;
        writer.prepare(size);
        append(sent, writer.head());
        const std::string payload(size, static_cast<char>('a' + size % 26));
        append(sent, as_bytes(payload));
        wanted += payload;
    }
    append(sent, bytes_of({0x02, 1, 'x', 0x89, 1, '!', 0x80, 1, 'y'}));  // a ping in between
    wanted += "xy";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, sent.size()}) {
        web_.emplace(target_, draws_);
        open();
        std::string payload;
        for (std::size_t at = 0; at < sent.size(); at += piece) {
            const auto part = Bytes{sent}.subspan(at, std::min(piece, sent.size() - at));
            EXPECT_THAT(take({part.begin(), part.end()}, &payload).failure, IsEmpty());
        }
        EXPECT_EQ(payload, wanted);
        transport::FrameReader reader;  // takes a pong, and nothing else is there
        auto answer = web_->output;
        EXPECT_EQ(answer.size(), 7U);
        EXPECT_EQ(reader.take(answer).next, transport::FrameReader::Next::more_bytes);
    }
}

TEST_F(web_socket, takes_packets_that_come_with_the_answer) {
    Buffer bytes;
    append(bytes, as_bytes(answer_of_broker()));
    append(bytes, bytes_of({0x82, 2, 'o', 'k'}));
    std::string payload;
    EXPECT_THAT(take(bytes, &payload).failure, IsEmpty());
    EXPECT_EQ(payload, "ok");
}

TEST_F(web_socket, ends_with_a_close_frame_of_either_side) {
    open();
    web_->close();
    transport::FrameReader reader;
    auto bytes = web_->output;
    const auto taken = reader.take(bytes);
    EXPECT_EQ(taken.next, transport::FrameReader::Next::closed);
    EXPECT_EQ(taken.code, transport::CloseCode::normal);
}

/// RFC 6455 §5.5.1.
TEST_F(web_socket, answers_a_close_frame_with_its_code) {
    const auto reply_to = [&](Buffer frame) {
        web_.emplace(target_, draws_);
        open();
        EXPECT_TRUE(take(std::move(frame)).is_closed);
        EXPECT_TRUE(web_->is_closed());
        EXPECT_FALSE(web_->is_open());  // nothing follows
        auto reply = web_->output;
        constexpr std::size_t begin = 6;  // with the mask
        EXPECT_GE(reply.size(), begin);
        for (std::size_t i = begin; i < reply.size(); ++i) reply[i] ^= reply[2 + (i - begin) % 4];
        reply.erase(reply.begin() + 2, reply.begin() + begin);
        return reply;
    };
    EXPECT_EQ(reply_to(bytes_of({0x88, 2, 0x03, 0xE9})), bytes_of({0x88, 0x82, 0x03, 0xE9}));
    EXPECT_EQ(reply_to(bytes_of({0x88, 4, 0x03, 0xF0, 'n', 'o'})),
              bytes_of({0x88, 0x82, 0x03, 0xF0}));
    EXPECT_EQ(reply_to(bytes_of({0x88, 0})), bytes_of({0x88, 0x80}));
}

TEST_F(web_socket, refuses_frames_that_break_a_rule) {
    for (const auto& frame :
         {bytes_of({0x81, 1, 'x'}), bytes_of({0xC2, 1, 'x'}), bytes_of({0x82, 0x81, 0, 0, 0, 0}),
          bytes_of({0x80, 1, 'x'}), bytes_of({0x02, 1, 'x', 0x82, 1, 'y'}),
          bytes_of({0x09, 1, 'x'}), bytes_of({0x89, 126, 0, 126}), bytes_of({0x83, 0})}) {
        web_.emplace(target_, draws_);
        open();
        EXPECT_FALSE(take(frame).failure.empty());
    }
}

}  // namespace
}  // namespace touchstone::load
