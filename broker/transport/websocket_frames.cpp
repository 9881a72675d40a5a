#include "broker/transport/websocket_frames.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/check.hpp"

namespace touchstone::transport {

namespace {

constexpr unsigned opcode_continuation = 0x0;
constexpr unsigned opcode_text = 0x1;
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

bool is_control(unsigned opcode) {
    return (opcode & 0x8U) != 0;
}

/// Codes that may be on the wire (§7.4.1, §7.4.2).
bool is_sendable(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

std::uint64_t number_in(Bytes bytes) {
    std::uint64_t number = 0;
    for (const std::byte byte : bytes) number = (number << 8U) | value_of(byte);
    return number;
}

void put(Buffer& to, std::uint64_t number, unsigned size_bytes) {
    for (unsigned i = size_bytes; i > 0; --i)
        to.push_back(static_cast<std::byte>((number >> (8 * (i - 1))) & 0xFFU));
}

/// A server does not mask (§5.1).
void put_header(Buffer& to, unsigned opcode, std::uint64_t payload_bytes) {
    put(to, final_bit | opcode, 1);
    if (payload_bytes < length_16) {
        put(to, payload_bytes, 1);
    } else if (payload_bytes <= 0xFFFF) {
        put(to, length_16, 1);
        put(to, payload_bytes, 2);
    } else {
        put(to, length_64, 1);
        put(to, payload_bytes, 8);
    }
}

}  // namespace

// --- FrameReader ---------------------------------------------------------------------------------

FrameReader::Taken FrameReader::take(std::span<std::byte> bytes) {
    Taken taken;
    const auto fail = [&taken](CloseCode code) {
        taken.next = Next::failed;
        taken.code = code;
    };
    std::size_t read = 0;
    while (taken.next == Next::more_bytes) {
        if (!is_in_payload_) {
            while (header_size_ < header_bytes() && read < bytes.size())
                header_[header_size_++] = bytes[read++];
            if (header_size_ < header_bytes()) break;
            if (const auto wrong = on_header()) {
                fail(*wrong);
                break;
            }
        }
        const auto size = std::min<std::uint64_t>(payload_left_, bytes.size() - read);
        const auto payload = bytes.subspan(read, static_cast<std::size_t>(size));
        read += payload.size();
        payload_left_ -= size;
        unmask(payload);
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

unsigned FrameReader::opcode() const {
    return value_of(header_[0]) & opcode_bits;
}

/// As far as the bytes that are there tell.
std::size_t FrameReader::header_bytes() const {
    constexpr std::size_t begin_bytes = 2;
    if (header_size_ < begin_bytes) return begin_bytes;
    // A frame without a mask is refused, so its header is of no interest.
    const unsigned length = value_of(header_[1]) & length_bits;
    return begin_bytes +
           (length == length_64   ? 8
            : length == length_16 ? 2
                                  : 0) +
           ((value_of(header_[1]) & mask_bit) != 0 ? mask_bytes : 0);
}

/// A whole header is there. Returns why the WebSocket has to end, if so.
std::optional<CloseCode> FrameReader::on_header() {
    using enum CloseCode;
    const unsigned first = value_of(header_[0]);
    const unsigned second = value_of(header_[1]);
    const bool is_final = (first & final_bit) != 0;
    if ((first & reserved_bits) != 0) return protocol_error;  // no extension was negotiated (§5.2)
    if ((second & mask_bit) == 0) return protocol_error;      // §5.1

    const Bytes header{header_.data(), header_size_};
    std::uint64_t length = second & length_bits;
    if (length == length_16) {
        length = number_in(header.subspan(2, 2));
        if (length < length_16) return protocol_error;  // a shorter form would do (§5.2)
    } else if (length == length_64) {
        length = number_in(header.subspan(2, 8));
        if (length <= 0xFFFF || (length >> 63U) != 0) return protocol_error;
    }

    switch (opcode()) {
        case opcode_continuation:
            if (!is_message_begun_) return protocol_error;
            is_message_begun_ = !is_final;
            break;
        case opcode_text: return unsupported_data;  // [MQTT-6.0.0-1]
        case opcode_binary:
            if (is_message_begun_) return protocol_error;  // §5.4
            is_message_begun_ = !is_final;
            break;
        case opcode_close:
        case opcode_ping:
        case opcode_pong:
            if (!is_final || length > control_payload_bytes_max) return protocol_error;  // §5.5
            control_.clear();
            break;
        default: return protocol_error;  // reserved (§5.2)
    }
    is_in_payload_ = true;
    payload_left_ = length;
    mask_position_ = 0;
    return std::nullopt;
}

void FrameReader::unmask(std::span<std::byte> payload) {
    const std::byte* const mask = header_.data() + header_size_ - mask_bytes;
    for (std::byte& byte : payload) {
        byte ^= mask[mask_position_];
        mask_position_ = (mask_position_ + 1U) % mask_bytes;
    }
}

void FrameReader::on_control_frame(Taken& taken) {
    switch (opcode()) {
        case opcode_pong: break;  // nobody has asked; it may keep the connection alive (§5.5.3)
        case opcode_ping:
            ping_ = std::move(control_);
            taken.has_ping = true;
            break;
        case opcode_close: {
            taken.next = Next::closed;
            taken.code = CloseCode::no_status;
            if (control_.empty()) break;
            const auto code = control_.size() < 2
                                  ? 0U
                                  : static_cast<unsigned>(number_in(Bytes{control_}.first(2)));
            taken.code =
                is_sendable(code) ? static_cast<CloseCode>(code) : CloseCode::protocol_error;
            if (!is_sendable(code)) taken.next = Next::failed;
            break;
        }
        default: UNREACHABLE();
    }
    control_ = {};  // an idle WebSocket keeps none
}

// --- FrameWriter ---------------------------------------------------------------------------------

void FrameWriter::answer_ping(Bytes payload) {
    pong_.emplace(payload.begin(), payload.end());
}

void FrameWriter::close(CloseCode code) {
    if (!close_) close_ = code;
}

void FrameWriter::prepare(std::size_t payload_bytes) {
    if (payload_left_ > 0) return;
    if (pong_) {
        put_header(head_, opcode_pong, pong_->size());
        append(head_, *pong_);
        pong_.reset();
    }
    if (payload_bytes > 0) {
        CHECK(!is_close_begun_);
        put_header(head_, opcode_binary, payload_bytes);
        payload_left_ = payload_bytes;
    } else if (close_ && !is_close_begun_) {
        const bool has_code = *close_ != CloseCode::no_status;
        put_header(head_, opcode_close, has_code ? 2 : 0);
        if (has_code) put(head_, static_cast<std::uint16_t>(*close_), 2);
        is_close_begun_ = true;
    }
}

std::size_t FrameWriter::on_written(std::size_t size_bytes) {
    const std::size_t of_head = std::min(size_bytes, head_.size() - head_begin_);
    head_begin_ += of_head;
    if (head_begin_ == head_.size()) {
        head_ = {};  // an idle WebSocket keeps none
        head_begin_ = 0;
    }
    const std::size_t of_payload = size_bytes - of_head;
    CHECK(of_payload <= payload_left_);
    payload_left_ -= of_payload;
    return of_payload;
}

}  // namespace touchstone::transport
