// The part of Shard that carries bytes through layers: TLS, WebSocket, a rate. Plain connections
// never come here.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "broker/asio/shard.hpp"
#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

/// The plaintext of a record (RFC 8446 §5.1).
constexpr std::size_t record_bytes_max = 16 * 1024;

std::size_t size_of(std::span<const iovec> pieces) {
    std::size_t size_bytes = 0;
    for (const iovec& piece : pieces) size_bytes += piece.iov_len;
    return size_bytes;
}

/// The beginning of `pieces`, `size_bytes` of them. Fewer when there are not as many.
std::span<iovec> first_bytes(std::span<iovec> pieces, std::size_t size_bytes) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (size_bytes == 0) return pieces.first(i);
        pieces[i].iov_len = std::min(pieces[i].iov_len, size_bytes);
        size_bytes -= pieces[i].iov_len;
    }
    return pieces;
}

Bytes bytes_of(const iovec& piece) {
    return {static_cast<const std::byte*>(piece.iov_base), piece.iov_len};
}

}  // namespace

// --- Input ---------------------------------------------------------------------------------------

/// `full`: there may be more. `drained`: Readiness tells when there is more.
Shard::ReadOutcome Shard::read_some(ConnectionId id, Connection& connection,
                                    std::span<std::byte> room, std::size_t& size_bytes) {
    using Outcome = transport::TlsSession::Outcome;
    size_bytes = 0;
    if (const auto& tls = connection.layers->tls) {
        switch (tls->read(room, size_bytes)) {
            case Outcome::done: return ReadOutcome::full;
            case Outcome::wants_read: return ReadOutcome::drained;
            case Outcome::wants_write:
                connection.layers->reads_when_writable = true;
                block(id, connection);
                return ReadOutcome::drained;
            case Outcome::ended: return ReadOutcome::ended;
            case Outcome::failed: return ReadOutcome::failed;
        }
        UNREACHABLE();
    }
    const auto size = recv(connection.socket.raw(), room.data(), room.size(), 0);
    if (size == 0) return ReadOutcome::ended;
    if (size < 0 && errno == EINTR) return ReadOutcome::full;
    if (size < 0) return errno == EAGAIN ? ReadOutcome::drained : ReadOutcome::failed;
    size_bytes = static_cast<std::size_t>(size);
    const bool is_full = size_bytes == room.size() || connection.has_end;
    return is_full ? ReadOutcome::full : ReadOutcome::drained;
}

void Shard::receive_through_layers(ConnectionId id, Connection& connection) {
    Layers& layers = *connection.layers;
    layers.reads_when_writable = false;
    if (layers.web != nullptr && layers.web->end.next != transport::FrameReader::Next::more_bytes) {
        return end_web(id, connection);
    }
    std::span<std::byte> room = input_;
    if (layers.rate != nullptr) {
        if (layers.rate->paused_until > now_) return;
        room = room.first(layers.rate->read_bytes_max);
    }
    std::size_t size_bytes = 0;
    const auto outcome = read_some(id, connection, room, size_bytes);
    const int error = errno;
    if (size_bytes > 0) {
        if (outcome != ReadOutcome::drained) look_again(id, connection);
        if (layers.rate != nullptr) slow_down(id, connection, size_bytes);
        return on_layer_bytes(id, connection, room.first(size_bytes));
    }
    switch (outcome) {
        case ReadOutcome::full: return look_again(id, connection);
        case ReadOutcome::drained: return;
        case ReadOutcome::ended: return on_end_of_input(id, connection);
        case ReadOutcome::failed:
            tell_core_of_end(id, connection, layers.tls == nullptr ? error : 0);
            return destroy(id, connection);
    }
    UNREACHABLE();
}

void Shard::on_layer_bytes(ConnectionId id, Connection& connection, std::span<std::byte> bytes) {
    WebSocket* const web = connection.layers == nullptr ? nullptr : connection.layers->web.get();
    if (web == nullptr) return on_received(id, connection, bytes);
    const auto taken = web->reader.take(bytes);
    if (taken.has_ping) {
        web->writer.answer_ping(web->reader.ping());
        gather(id, connection, 0);
    }
    if (taken.next != transport::FrameReader::Next::more_bytes) {
        // The core hears of the end when it has taken what came before.
        web->end = taken;
        look_again(id, connection);
    }
    if (taken.payload_bytes > 0) on_received(id, connection, bytes.first(taken.payload_bytes));
}

void Shard::end_web(ConnectionId id, Connection& connection) {
    const auto& end = connection.layers->web->end;
    const bool has_failed = end.next == transport::FrameReader::Next::failed;
    if (has_failed) {
        ++(end.code == transport::CloseCode::unsupported_data ? figures_.web_text_frames
                                                              : figures_.web_protocol_errors);
    }
    using enum DisconnectReason;
    broker_.on_close(id, now_, has_failed ? protocol_error : closed);
    connection.kept.reset();
    connection.layers->end(end.code);
    drop_when_overdue(id, connection);
    drain(id, connection);
}

void Shard::slow_down(ConnectionId id, Connection& connection, std::size_t size_bytes) {
    ReadRate& rate = *connection.layers->rate;
    // The shard a connection comes from may have read its clock a little later.
    rate.taken_at = std::max(rate.taken_at, now_);
    const Duration pause = rate.bucket.take(static_cast<std::int64_t>(size_bytes), rate.taken_at);
    if (pause == Duration::zero()) return look_again(id, connection);
    ++figures_.read_rate_pauses;
    rate.paused_until = now_ + pause;
    add_deadline(pause, Deadline::What::reading, id, connection);
}

// --- Output --------------------------------------------------------------------------------------

Shard::Written Shard::write_through_layers(Connection& connection, Progress& progress) {
    Layers& layers = *connection.layers;
    std::array<iovec, pieces_per_write_max> room;
    while (true) {
        const auto pieces = pieces_to_write(connection, room);
        if (pieces.empty()) break;
        std::size_t size_bytes = 0;
        const Written outcome = layers.tls != nullptr
                                    ? write_tls(*layers.tls, pieces, size_bytes)
                                    : write_socket(connection.socket.raw(), pieces, size_bytes);
        if (outcome != Written::all) return outcome;
        const auto of_output =
            layers.web != nullptr ? layers.web->writer.on_written(size_bytes) : size_bytes;
        drop_written(connection, of_output, progress);
    }
    if (!layers.has_to_say_goodbye || layers.has_said_goodbye) return Written::all;
    using Outcome = transport::TlsSession::Outcome;
    switch (layers.tls->say_goodbye()) {
        case Outcome::done: layers.has_said_goodbye = true; return Written::all;
        case Outcome::wants_write: return Written::some;
        case Outcome::wants_read:
        case Outcome::ended:
        case Outcome::failed: return Written::broken;
    }
    UNREACHABLE();
}

/// What is next, frames of WebSocket included, in `room`.
std::span<iovec> Shard::pieces_to_write(Connection& connection, std::span<iovec> room) {
    const auto& web = connection.layers->web;
    if (web == nullptr) return connection.output.oldest(room);
    const auto output = connection.output.oldest(room.subspan(1));
    web->writer.prepare(size_of(output));
    const auto payload = first_bytes(output, web->writer.frame_payload_bytes());
    const Bytes head = web->writer.head();
    if (head.empty()) return payload;
    room[0] = {const_cast<std::byte*>(head.data()), head.size()};  // writev changes nothing
    return room.first(1 + payload.size());
}

/// One record.
Shard::Written Shard::write_tls(transport::TlsSession& tls, std::span<const iovec> pieces,
                                std::size_t& size_bytes) {
    Bytes bytes = bytes_of(pieces.front());
    if (pieces.size() > 1 && bytes.size() < record_bytes_max) {
        record_.clear();
        for (const iovec& piece : pieces) {
            const auto part = bytes_of(piece);
            append(record_, part.first(std::min(part.size(), record_bytes_max - record_.size())));
        }
        bytes = record_;
    }
    using Outcome = transport::TlsSession::Outcome;
    switch (tls.write(bytes.first(std::min(bytes.size(), record_bytes_max)), size_bytes)) {
        case Outcome::done: return Written::all;
        case Outcome::wants_write: return Written::some;
        case Outcome::wants_read:  // only a renegotiation asks for input, and there is none
        case Outcome::ended:
        case Outcome::failed: return Written::broken;
    }
    UNREACHABLE();
}

}  // namespace touchstone::asio_driver
