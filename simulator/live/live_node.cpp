#include "simulator/live/live_node.hpp"

#include <algorithm>
#include <utility>

#include "broker/wire/packets.hpp"
#include "simulator/interruption.hpp"

namespace touchstone::simulator::live {

namespace {

using namespace std::chrono_literals;

/// How long a broker may take to close a connection whose client has ended it.
constexpr Duration ending_time_max = 5s;
/// So long the answer to a CONNECT waits for the end of the connection that it takes over from. A
/// broker that needs longer does have two.
constexpr Duration takeover_time_max = 500ms;
/// Interrupts are looked at so often.
constexpr Duration look_time_max = 200ms;

}  // namespace

Acceptor& LiveNode::begin(Engine& engine, Links& links) {
    engine_ = &engine;
    links_ = &links;
    return *this;
}

Instant LiveNode::real_now() const {
    return run_begin + std::chrono::duration_cast<Duration>(Clock::now() - *began_at_);
}

void LiveNode::run_until(Instant until) {
    if (!began_at_) began_at_ = Clock::now() - (engine_->now() - run_begin);
    while (true) {
        catch_up(until);
        if (engine_->now() >= until || Interruption::is_asked_for()) return;
        wait(until);
        // What has come is dated by the moment at which it is looked at.
        catch_up(until);
        serve_ready();
        release_held();
        give_up_overdue();
    }
}

void LiveNode::catch_up(Instant until) {
    const Instant now = std::max(engine_->now(), std::min(real_now(), until));
    if (const auto due = engine_->next_event_at(); due && *due < now) {
        lateness_max_ = std::max(lateness_max_, now - *due);
    }
    engine_->run_until(now);
}

void LiveNode::wait(Instant until) {
    Instant next = std::min({until, next_deadline(), engine_->now() + look_time_max});
    if (const auto due = engine_->next_event_at()) next = std::min(next, *due);
    const auto left = std::max(Duration::zero(), next - real_now());
    polled_.clear();
    polled_numbers_.clear();
    const auto in_takeover = client_id_in_takeover();
    for (const auto& [number, connection] : connections_) {
        short events = 0;
        if (!connection.output.empty()) events |= POLLOUT;
        const bool has_room = links_->room_bytes(number, Direction::to_client) > 0;
        const bool is_its_turn = in_takeover.empty() || connection.client_id == in_takeover;
        const bool is_heard = connection.held.empty() && has_room && is_its_turn;
        if (connection.is_ending || is_heard) events |= POLLIN;
        polled_.push_back({.fd = connection.socket.descriptor(), .events = events, .revents = 0});
        polled_numbers_.push_back(number);
    }
    // Rounded up: an event that is due a moment later must not be waited for in a busy loop.
    look(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
}

void LiveNode::look(int timeout_ms) {
    if (poll(polled_.data(), polled_.size(), timeout_ms) <= 0) return;
    // The system looks at one socket after the other, and a broker may write to an older
    // connection, and then to a newer one, while it does. So look twice: whatever happened before
    // something that the first look has seen is seen by the second one; and older connections are
    // served first.
    const auto first = polled_;
    if (poll(polled_.data(), polled_.size(), 0) < 0) return;
    const auto newest = std::find_if(first.rbegin(), first.rend(),
                                     [](const pollfd& one) { return one.revents != 0; });
    const auto seen = static_cast<std::size_t>(first.rend() - newest);
    for (std::size_t i = seen; i < polled_.size(); ++i) polled_[i].revents = 0;
}

void LiveNode::serve_ready() {
    for (std::size_t i = 0; i < polled_.size(); ++i) {
        if (polled_[i].revents != 0) serve(polled_numbers_[i], polled_[i].revents);
    }
    polled_.clear();
}

void LiveNode::serve(ConnectionNumber number, short events) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;  // an event of this turn has ended it
    auto& connection = found->second;
    if ((events & POLLOUT) != 0 && !write(number, connection)) return;
    constexpr short something_to_read = POLLIN | POLLHUP | POLLERR;
    if ((events & something_to_read) != 0 && !read(number, connection)) return;
    // Room for what waits in the link.
    if (!connection.is_ending && links_->has_bytes(number, Direction::to_broker)) {
        on_bytes_ready(number);
    }
}

void LiveNode::on_opened(ConnectionNumber number) {
    auto socket = Socket::connect(address_);
    if (!socket) {
        ++failed_connections_;
        return links_->abort(number, Direction::to_client);
    }
    connections_.emplace(number, Connection{.socket = std::move(*socket)});
}

void LiveNode::on_bytes_ready(ConnectionNumber number) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;
    auto& connection = found->second;
    // What the system does not take stays in the link, so that the client gets stuck as it should.
    if (!connection.output.empty()) return;
    connection.output = links_->take(number, Direction::to_broker);
    learn_client_id(connection, connection.output);
    if (!connection.output.empty()) static_cast<void>(write(number, connection));
}

void LiveNode::on_ended(ConnectionNumber number, Ending) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;
    auto& connection = found->second;
    connection.is_ending = true;
    connection.held.clear();
    connection.release_at = never;
    connection.give_up_at = engine_->now() + ending_time_max;
    end_output_when_written(connection);
}

bool LiveNode::write(ConnectionNumber number, Connection& connection) {
    while (!connection.output.empty()) {
        const auto outcome = connection.socket.write(connection.output);
        if (outcome == Socket::Outcome::done) continue;
        if (outcome == Socket::Outcome::waits) return true;
        // What the broker wrote before it went is still to be read; an end tells of itself there.
        connection.output.clear();
        if (outcome != Socket::Outcome::refused) return true;
        lose(number, outcome);
        return false;
    }
    end_output_when_written(connection);
    return true;
}

bool LiveNode::read(ConnectionNumber number, Connection& connection) {
    constexpr std::size_t discarded_bytes_max = 64 * 1024;
    const auto room_bytes = connection.is_ending ? discarded_bytes_max
                                                 : links_->room_bytes(number, Direction::to_client);
    if (room_bytes == 0) return true;
    Buffer bytes;
    const auto outcome = connection.socket.read(bytes, room_bytes);
    if (outcome == Socket::Outcome::waits) return true;
    if (outcome != Socket::Outcome::done) {
        lose(number, outcome);
        return false;
    }
    if (connection.is_ending) return true;
    const bool is_first = !std::exchange(connection.is_answered, true);
    if (is_first && connection.release_at != never && has_rival(number, connection)) {
        connection.held = std::move(bytes);
        return true;
    }
    links_->put(number, Direction::to_client, bytes);
    links_->flush(number, Direction::to_client);
    return true;
}

void LiveNode::learn_client_id(Connection& connection, Bytes bytes) {
    if (connection.is_head_known) return;
    append(connection.head, bytes);
    Bytes rest = connection.head;
    const auto frame = wire::take_frame(rest, wire::packet_size_bytes_max, ProtocolVersion::v3_1_1);
    if (frame && !frame.value()) return;
    connection.is_head_known = true;
    if (frame && frame.value()->type == wire::PacketType::connect) {
        if (const auto connect = wire::decode_connect(*frame.value())) {
            connection.client_id = connect.value().client_id;
            connection.release_at = engine_->now() + takeover_time_max;
        }
    }
    connection.head.clear();
}

bool LiveNode::has_rival(ConnectionNumber number, const Connection& connection) const {
    if (connection.client_id.empty()) return false;  // each of those gets one of its own
    return std::any_of(
        connections_.begin(), connections_.lower_bound(number), [&](const auto& one) {
            return !one.second.is_ending && one.second.client_id == connection.client_id;
        });
}

std::string_view LiveNode::client_id_in_takeover() const {
    for (const auto& [number, connection] : connections_) {
        const bool is_waiting = connection.release_at != never && !connection.is_ending &&
                                (!connection.is_answered || !connection.held.empty());
        if (is_waiting && has_rival(number, connection)) return connection.client_id;
    }
    return {};
}

void LiveNode::release_held() {
    for (auto& [number, connection] : connections_) {
        if (connection.release_at == never) continue;
        const bool is_over = engine_->now() >= connection.release_at;
        if (connection.held.empty()) {
            if (is_over) connection.release_at = never;
            continue;
        }
        if (!is_over && has_rival(number, connection)) continue;
        links_->put(number, Direction::to_client, std::exchange(connection.held, {}));
        links_->flush(number, Direction::to_client);
        connection.release_at = never;
    }
}

void LiveNode::end_output_when_written(Connection& connection) {
    if (!connection.is_ending || connection.has_ended_output || !connection.output.empty()) return;
    connection.has_ended_output = true;
    connection.socket.end_output();
}

void LiveNode::lose(ConnectionNumber number, Socket::Outcome why) {
    const bool is_known_to_be_over = connections_.at(number).is_ending;
    connections_.erase(number);
    if (why == Socket::Outcome::refused) ++failed_connections_;
    if (is_known_to_be_over) return;
    if (why == Socket::Outcome::ended) return links_->close(number, Direction::to_client);
    links_->abort(number, Direction::to_client);
}

Instant LiveNode::next_deadline() const {
    Instant next = never;
    for (const auto& [number, connection] : connections_) {
        next = std::min({next, connection.give_up_at, connection.release_at});
    }
    return next;
}

void LiveNode::give_up_overdue() {
    std::erase_if(connections_,
                  [&](const auto& one) { return one.second.give_up_at <= engine_->now(); });
}

}  // namespace touchstone::simulator::live
