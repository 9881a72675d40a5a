// The one file of load that includes Boost.Beast, which is heavy: for the answer to the request.
// Frames are decoded here, since Beast's streams want to own the socket and its loop.
// `broker/transport` has the server's side: a mistake that both shared would not be seen, so
// neither knows the other.
#include "load/websocket.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/parser.hpp>
#include <string_view>

#include <fmt/format.h>

#include "broker/base/check.hpp"

namespace touchstone::load {

namespace {

namespace http = boost::beast::http;

constexpr std::string_view header_end = "\r\n\r\n";
/// The suffix that every server adds to the key (RFC 6455 §1.3).
constexpr std::string_view key_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest answer to the request.
constexpr std::size_t answer_bytes_max = 16 * 1'024;
/// Longest payload of a control frame (§5.5).
constexpr std::size_t control_payload_bytes_max = 125;

constexpr unsigned opcode_continuation = 0x0;
constexpr unsigned opcode_binary = 0x2;
constexpr unsigned opcode_close = 0x8;
constexpr unsigned opcode_ping = 0x9;
constexpr unsigned opcode_pong = 0xA;

constexpr unsigned final_bit = 0x80;
constexpr unsigned reserved_bits = 0x70;
constexpr unsigned opcode_bits = 0x0F;
constexpr unsigned mask_bit = 0x80;
constexpr unsigned length_bits = 0x7F;
constexpr unsigned length_16 = 126;  // the length follows in 2 bytes
constexpr unsigned length_64 = 127;  // in 8

unsigned value_of(std::byte byte) {
    return std::to_integer<unsigned>(byte);
}

std::uint64_t number_in(Bytes bytes) {
    std::uint64_t number = 0;
    for (const std::byte byte : bytes) number = number << 8U | value_of(byte);
    return number;
}

void put(Buffer& to, std::uint64_t number, unsigned size_bytes) {
    for (unsigned i = size_bytes; i > 0; --i)
        to.push_back(static_cast<std::byte>(number >> (8 * (i - 1)) & 0xFFU));
}

std::string base64_of(std::span<const unsigned char> bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

std::string new_key(Draws& draws) {
    std::array<unsigned char, 16> bytes{};
    for (auto& byte : bytes) byte = static_cast<unsigned char>(draws.next());
    return base64_of(bytes);
}

std::string accept_value(const std::string& key) {
    const std::string text = key + std::string{key_suffix};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
    return base64_of(std::span{digest}.first(size));
}

bool is_control(unsigned opcode) {
    return (opcode & 0x8U) != 0;
}

}  // namespace

WebSocket::WebSocket(const Target& target, Draws& draws)
    : masks_{draws.next(), Purpose::masks, 0},
      key_{new_key(draws)} {
    const bool is_v6 = target.host.find(':') != std::string::npos;
    append(output,
           as_bytes(fmt::format("GET {} HTTP/1.1\r\nHost: {}{}{}:{}\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
                                target.path, is_v6 ? "[" : "", target.host, is_v6 ? "]" : "",
                                target.port, key_)));
}

// --- What comes
// ---------------------------------------------------------------------------------

WebSocket::Taken WebSocket::take(std::span<std::byte> bytes) {
    Taken taken;
    std::size_t read = 0;
    if (!is_open_) {
        while (read < bytes.size() && !as_text(answer_).ends_with(header_end))
            answer_.push_back(bytes[read++]);
        if (!as_text(answer_).ends_with(header_end)) {
            if (answer_.size() > answer_bytes_max) taken.failure = "what answers is no web server";
            return taken;
        }
        taken.failure = failure_of_answer();
        if (!taken.failure.empty()) return taken;
        is_open_ = true;
        answer_ = {};
    }
    while (!taken.is_closed) {
        if (!is_in_payload_) {
            while (header_size_ < header_bytes() && read < bytes.size())
                header_[header_size_++] = bytes[read++];
            if (header_size_ < header_bytes()) break;
            taken.failure = on_header();
            if (!taken.failure.empty()) break;
        }
        const auto size = std::min<std::uint64_t>(payload_left_, bytes.size() - read);
        const auto payload = bytes.subspan(read, static_cast<std::size_t>(size));
        read += payload.size();
        payload_left_ -= size;
        if (is_control(opcode())) {
            append(control_, payload);
        } else {
            // What is kept is never behind what was read, so nothing unread is overwritten.
            std::ranges::copy(payload,
                              bytes.begin() + static_cast<std::ptrdiff_t>(taken.payload_bytes));
            taken.payload_bytes += payload.size();
        }
        if (payload_left_ > 0) break;
        if (is_control(opcode())) on_control_frame(taken);
        is_in_payload_ = false;
        header_size_ = 0;
    }
    return taken;
}

std::string WebSocket::failure_of_answer() const {
    http::response_parser<http::empty_body> parser;
    parser.skip(true);  // whatever it has to say besides
    boost::system::error_code error;
    parser.put(boost::asio::buffer(answer_.data(), answer_.size()), error);
    if (error || !parser.is_header_done()) return "what answers is no web server";
    const auto& answer = parser.get();
    const auto value = [&](http::field field) {
        const auto found = answer[field];
        return std::string_view{found.data(), found.size()};
    };
    if (answer.result_int() != 101)
        return fmt::format("the WebSocket is refused: {} {}", answer.result_int(),
                           std::string_view{answer.reason().data(), answer.reason().size()});
    if (!boost::beast::iequals(answer[http::field::upgrade], "websocket") ||
        value(http::field::sec_websocket_accept) != accept_value(key_))
        return "the WebSocket is answered by somebody who has not read the request";
    if (value(http::field::sec_websocket_protocol) != "mqtt")
        return "the WebSocket is not for MQTT: its answer does not choose the subprotocol 'mqtt'";
    return {};
}

/// As far as the bytes that are there tell.
std::size_t WebSocket::header_bytes() const {
    constexpr std::size_t begin_bytes = 2;
    if (header_size_ < begin_bytes) return begin_bytes;
    const unsigned length = value_of(header_[1]) & length_bits;
    return begin_bytes + (length == length_64 ? 8U : length == length_16 ? 2U : 0U);
}

unsigned WebSocket::opcode() const {
    return value_of(header_[0]) & opcode_bits;
}

/// A whole header is there. Returns what is wrong with it.
std::string WebSocket::on_header() {
    const unsigned first = value_of(header_[0]);
    const bool is_final = (first & final_bit) != 0;
    if ((first & reserved_bits) != 0) return "a frame with bits that nobody has agreed upon";
    if ((value_of(header_[1]) & mask_bit) != 0) return "a frame of a server with a mask";  // §5.1
    const Bytes header{header_.data(), header_size_};
    std::uint64_t length = value_of(header_[1]) & length_bits;
    if (header_size_ > 2) length = number_in(header.subspan(2));
    switch (opcode()) {
        case opcode_continuation:
            if (!is_message_begun_) return "a frame that continues nothing";
            is_message_begun_ = !is_final;
            break;
        case opcode_binary:
            if (is_message_begun_) return "a message within a message";
            is_message_begun_ = !is_final;
            break;
        case opcode_close:
        case opcode_ping:
        case opcode_pong:
            if (!is_final || length > control_payload_bytes_max)
                return "a control frame that is too long";
            control_.clear();
            break;
        default: return "a frame that is not binary";  // [MQTT-6.0.0-1]
    }
    is_in_payload_ = true;
    payload_left_ = length;
    return {};
}

void WebSocket::on_control_frame(Taken& taken) {
    if (opcode() == opcode_ping) put_frame(opcode_pong, control_);
    if (opcode() == opcode_close) {
        // With the status code of the other side (RFC 6455 §5.5.1), and without its words.
        constexpr std::size_t code_bytes = 2;
        put_frame(opcode_close, Bytes{control_}.first(std::min(control_.size(), code_bytes)));
        taken.is_closed = is_closed_ = true;
        is_open_ = false;
    }
    control_ = {};
}

// --- What is sent
// -------------------------------------------------------------------------------

void WebSocket::send(Buffer& packets) {
    CHECK(is_open_);
    if (packets.empty()) return;
    put_frame(opcode_binary, packets);
    packets.clear();
}

void WebSocket::close() {
    constexpr unsigned normal = 1'000;
    Buffer code;
    put(code, normal, 2);
    put_frame(opcode_close, code);
}

void WebSocket::put_frame(unsigned opcode, Bytes payload) {
    put(output, final_bit | opcode, 1);
    if (payload.size() < length_16) {
        put(output, mask_bit | payload.size(), 1);
    } else if (payload.size() <= 0xFFFF) {
        put(output, mask_bit | length_16, 1);
        put(output, payload.size(), 2);
    } else {
        put(output, mask_bit | length_64, 1);
        put(output, payload.size(), 8);
    }
    constexpr std::size_t mask_bytes = 4;
    const auto drawn = masks_.next();
    put(output, drawn & 0xFFFF'FFFFU, mask_bytes);
    const auto begin = output.size();
    append(output, payload);
    std::array<std::byte, mask_bytes> mask{};
    std::ranges::copy(Bytes{output}.subspan(begin - mask_bytes, mask_bytes), mask.begin());
    const auto masked = std::span{output}.subspan(begin);
    for (std::size_t i = 0; i < masked.size(); ++i) masked[i] ^= mask[i % mask_bytes];
}

}  // namespace touchstone::load
