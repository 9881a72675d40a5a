// The worker's sockets: opening, reading, writing, closing.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "broker/wire/frame.hpp"
#include "load/schedule.hpp"
#include "load/worker.hpp"

namespace touchstone::load {

namespace {

/// An output buffer that has been empty keeps no more memory than this.
constexpr std::size_t kept_output_bytes = 64 * 1'024;

std::string words_of(int error) {
    return std::generic_category().message(error);
}

}  // namespace

void Worker::connect_eagerly() {
    const auto most = std::max(1U, workload_.connecting_max / shared_.threads);
    while (!eager_.empty() && connecting_ < most) {
        auto& client = clients_[eager_.back()];
        eager_.pop_back();
        now_ = clock_now();
        connect(client, now_);
    }
}

void Worker::connect(Client& client, Nanos due) {
    ++client.connection;
    client.since = due;
    client.awaits_pong = false;
    count(client, Count::connect_attempts);
    now_ = clock_now();
    times_.connect_lag.add(now_ - due);
    const auto& sources = shared_.sources;
    const auto* const source =
        sources.empty() ? nullptr : &sources[number_over_all(client) % sources.size()];
    auto socket = open_connection(shared_.target, source);
    if (!socket.is_open()) {
        const int error = errno;
        if (const auto shortage = shortage_of(error)) count(client, *shortage);
        lose(client, Count::connect_failures, "connecting: " + words_of(error));
        return;
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = std::uint64_t{client.connection} << 32U | index_of(client);
    if (epoll_ctl(epoll_.raw(), EPOLL_CTL_ADD, socket.raw(), &event) != 0) {
        count(client, Count::memory_short);
        lose(client, Count::connect_failures, "epoll: " + words_of(errno));
        return;
    }
    client.socket = socket.release();
    set_state(client, State::connecting);
    put(now_ + group_of(client).connect_patience, index_of(client), Due::patience);
}

void Worker::on_socket(Client& client, unsigned events) {
    if (client.state == State::connecting) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(client.socket, SOL_SOCKET, SO_ERROR, &error, &size);
            lose(client, Count::connect_failures, "connecting: " + words_of(error));
        } else if ((events & EPOLLOUT) != 0) {
            on_connected(client);
        }
        return;
    }
    if (client.state == State::shaking_hands) return shake_hands(client);
    const auto connection = client.connection;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read(client);
    const bool is_there = client.socket >= 0 && client.connection == connection;
    if (!is_there || (events & EPOLLOUT) == 0 || !client.talk) return;
    if (client.talk->output_left() > 0) flush(client);
    if (client.state != State::ready) return;
    send_waiting(client);
    fill_loop(client);
}

void Worker::on_connected(Client& client) {
    if (!shared_.tls) return begin_web(client);
    auto* const ticket = group_of(client).resumes_tls ? ticket_.get() : nullptr;
    talk_of(client).tls = std::make_unique<TlsStream>(*shared_.tls, client.socket, ticket);
    set_state(client, State::shaking_hands);
    shake_hands(client);
}

void Worker::shake_hands(Client& client) {
    switch (client.talk->tls->shake_hands()) {
        case TlsStream::Outcome::waits: return;
        case TlsStream::Outcome::done: return begin_web(client);
        case TlsStream::Outcome::ended:
        case TlsStream::Outcome::failed:
            count(client, Count::tls_failures);
            return lose(client, Count::connect_failures, "TLS: " + client.talk->tls->failure());
    }
}

void Worker::begin_web(Client& client) {
    if (!workload_.target.is_web) return send_connect(client);
    talk_of(client).web = std::make_unique<WebSocket>(workload_.target, masks_);
    set_state(client, State::upgrading);
    mark_dirty(client);
}

bool Worker::take_frames(Client& client, std::span<std::byte> bytes, std::size_t& size) {
    auto& web = *client.talk->web;
    const auto taken = web.take(bytes);
    size = taken.payload_bytes;
    if (!taken.failure.empty()) {
        if (web.is_open()) count(client, Count::protocol_errors);
        lose(client, Count::lost_connections, taken.failure);
        return false;
    }
    if (web.output_left() > 0 && !taken.is_closed) mark_dirty(client);  // an answer to a ping
    if (client.state == State::upgrading && web.is_open()) send_connect(client);
    return !taken.is_closed;
}

void Worker::send_connect(Client& client) {
    const auto& group = group_of(client);
    const auto id = plan_.client_id(client.group, client.number);
    wire::Connect connect{.version = workload_.version,
                          .clean_start = !group.is_persistent,
                          .keep_alive_s = group.keep_alive_s,
                          .client_id = id};
    wire::PropertiesWriter properties;
    if (group.is_persistent && workload_.version == ProtocolVersion::v5) {
        constexpr std::uint32_t hour_s = 3'600;
        properties.put_integer(wire::PropertyId::session_expiry_interval, hour_s);
        connect.properties = properties.view();
    }
    std::string will_topic;
    if (group.will.kind != Audience::Kind::nobody) {
        std::uint32_t receiver = 0;
        if (group.will.kind == Audience::Kind::some_of) {
            receiver =
                static_cast<std::uint32_t>(receivers_.below(plan_.group(group.will.group).count));
        }
        will_topic = plan_.topic(client.group, client.number, group.will, receiver);
        connect.will = wire::Will{
            .qos = group.publishing.qos, .topic = will_topic, .payload = as_bytes("will")};
    }
    if (workload_.target.user_name) {
        connect.user_name = *workload_.target.user_name;
        if (!workload_.target.password.empty())
            connect.password = as_bytes(workload_.target.password);
    }
    set_state(client, State::awaiting_connack);
    packet_.clear();
    wire::encode(packet_, connect);
    write(client, packet_);
}

void Worker::read(Client& client) {
    const auto connection = client.connection;
    while (true) {
        std::size_t kept = 0;
        if (client.talk && !client.talk->input.empty()) {
            kept = client.talk->input.size();
            if (kept > received_.size() / 2) received_.resize(received_.size() * 2);
            std::ranges::copy(client.talk->input, received_.begin());
            client.talk->input.clear();
        }
        const auto room = std::span{received_}.subspan(kept);
        std::size_t size = 0;
        bool is_over = false;
        std::string words = "the target closed the connection";
        if (client.talk && client.talk->tls) {
            const auto outcome = client.talk->tls->read(room, size);
            is_over = outcome == TlsStream::Outcome::ended || outcome == TlsStream::Outcome::failed;
        } else {
            const auto result = ::recv(client.socket, room.data(), room.size(), 0);
            if (result < 0 && errno == EINTR) continue;
            size = result > 0 ? static_cast<std::size_t>(result) : 0;
            const bool is_error = result < 0 && errno != EAGAIN && errno != EWOULDBLOCK;
            is_over = result == 0 || is_error;
            if (is_error) words = words_of(errno);
        }
        now_ = clock_now();
        const bool is_drained = size < room.size();
        if (client.talk && client.talk->web) {
            if (!take_frames(client, room.first(size), size)) is_over = true;
            if (client.connection != connection || client.socket < 0) return;
        }
        if (!take_packets(client, Bytes{received_}.first(kept + size))) return;
        if (client.connection != connection || client.socket < 0) return;
        if (is_over) {
            const bool has_answer =
                client.talk && client.talk->web && client.talk->web->is_closed();
            if (has_answer) flush(client);
            if (client.socket < 0) return;
            return lose(client, Count::lost_connections, words);
        }
        if (is_drained) return;  // nothing is left: more will be an event
    }
}

bool Worker::take_packets(Client& client, Bytes bytes) {
    const auto connection = client.connection;
    while (!bytes.empty()) {
        auto frame = wire::take_short_frame(bytes, wire::packet_size_bytes_max);
        if (!frame) {
            auto whole = wire::take_frame(bytes, wire::packet_size_bytes_max, workload_.version);
            if (!whole) {
                count(client, Count::protocol_errors);
                lose(client, Count::lost_connections, "a packet that cannot be understood");
                return false;
            }
            frame = whole.value();
        }
        if (!frame) break;
        on_packet(client, *frame);
        if (client.socket < 0 || client.connection != connection) return false;
    }
    if (!bytes.empty()) talk_of(client).input.assign(bytes.begin(), bytes.end());
    return true;
}

void Worker::write(Client& client, Bytes bytes) {
    client.last_sent = now_;
    if (!client.talk) {
        const auto sent = ::send(client.socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent == static_cast<ssize_t>(bytes.size())) return;
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return lose(client, Count::lost_connections, words_of(errno));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
    append(talk_of(client).output, bytes);
    mark_dirty(client);
}

void Worker::mark_dirty(Client& client) {
    if (client.talk->is_dirty) return;
    client.talk->is_dirty = true;
    dirty_.push_back(index_of(client));
}

void Worker::flush(Client& client) {
    auto& talk = *client.talk;
    if (talk.web && talk.web->is_open()) talk.web->send(talk.output);
    auto& output = talk.web ? talk.web->output : talk.output;
    auto& output_sent = talk.web ? talk.web->sent : talk.output_sent;
    while (output_sent < output.size()) {
        const auto left = Bytes{output}.subspan(output_sent);
        std::size_t size = 0;
        int error = 0;
        bool has_failed = false;
        if (talk.tls) {
            const auto outcome = talk.tls->write(left, size);
            has_failed =
                outcome == TlsStream::Outcome::ended || outcome == TlsStream::Outcome::failed;
            error = ECONNRESET;
        } else {
            const auto sent = ::send(client.socket, left.data(), left.size(), MSG_NOSIGNAL);
            error = errno;
            size = sent > 0 ? static_cast<std::size_t>(sent) : 0;
            has_failed = sent < 0 && error != EAGAIN && error != EINTR;
            if (sent < 0 && (error == ENOBUFS || error == ENOMEM))
                count(client, Count::memory_short);
        }
        output_sent += size;
        if (has_failed) return lose(client, Count::lost_connections, words_of(error));
        if (size == 0) return;  // the rest when there is room: an event
    }
    output.clear();
    output_sent = 0;
    for (auto* const one : {&output, &talk.output})
        if (one->empty() && one->capacity() > kept_output_bytes) one->shrink_to_fit();
}

void Worker::flush_dirty() {
    // What was held back makes its client dirty again, so the list may grow.
    for (std::size_t i = 0; i < dirty_.size(); ++i) {
        auto& client = clients_[dirty_[i]];
        if (!client.talk) continue;
        client.talk->is_dirty = false;
        if (client.socket < 0 || client.state == State::connecting ||
            client.state == State::shaking_hands)
            continue;
        flush(client);
        // A socket that took all of it will not say that it takes more.
        if (client.state == State::ready && client.talk->output_left() == 0) send_waiting(client);
    }
    dirty_.clear();
}

void Worker::lose(Client& client, Count why, const std::string& words) {
    if (!is_connected(client.state) && why == Count::lost_connections)
        why = Count::connect_failures;
    count(client, why);
    if (!words.empty()) shared_.board.add_failure(words);
    close_socket(client);
    abandon(client);
    try_again(client);
}

void Worker::leave(Client& client) {
    wire::Disconnect disconnect;
    wire::PropertiesWriter properties;
    const bool is_last = shared_.is_closing.load(std::memory_order_relaxed);
    if (is_last && group_of(client).is_persistent && workload_.version == ProtocolVersion::v5) {
        // Nobody comes back for this Session.
        properties.put_integer(wire::PropertyId::session_expiry_interval, 0);
        disconnect.properties = properties.view();
    }
    packet_.clear();
    wire::encode(packet_, disconnect, workload_.version);
    write(client, packet_);
    if (client.socket < 0) return;
    if (client.talk) {
        if (client.talk->web && client.talk->web->is_open()) {
            client.talk->web->send(client.talk->output);
            client.talk->web->close();
        }
        flush(client);
        if (client.socket < 0) return;
        if (client.talk->tls) client.talk->tls->say_goodbye();
    }
    close_socket(client);
    abandon(client);
}

void Worker::close_socket(Client& client) {
    if (client.talk) {
        client.talk->tls.reset();
        client.talk->web.reset();
        client.talk->input.clear();
        client.talk->output.clear();
        client.talk->output_sent = 0;
    }
    if (client.socket >= 0) ::close(client.socket);
    client.socket = -1;
    set_state(client, State::away);
}

void Worker::try_again(Client& client) {
    if (shared_.is_closing.load(std::memory_order_relaxed)) return;
    if (client.attempts < 255) ++client.attempts;
    const auto wait = backoff(group_of(client).reconnecting, client.attempts, backoff_);
    if (wait != no_time) return put(now_ + wait, index_of(client), Due::start);
    if (client.has_given_up) return;
    client.has_given_up = true;
    ++given_up_;
}

}  // namespace touchstone::load
