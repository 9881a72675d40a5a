// The part of Shard that takes connections: from listeners, within their limits, and from the
// shards that accepted them.
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "broker/asio/shard.hpp"
#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

constexpr int accepts_per_turn_max = 64;
constexpr Duration accept_pause = 100ms;
/// So many connections above a limit are still answered (CONNACK with server_busy); further ones
/// are closed at once, because an answer costs more than they are worth.
constexpr std::uint64_t answered_above_limit_max = 256;

bool is_out_of_resources(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

access::PeerAddress address_of(const sockaddr_storage& peer) {
    if (peer.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
        return access::PeerAddress::from_v4(bytes);
    }
    // An IPv4 client of a socket for both is the same address here (RFC 4291 §2.5.5.2).
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    access::PeerAddress::Bytes bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return access::PeerAddress::from_v6(bytes);
}

/// 0 in `limit`: none.
bool is_above(std::uint64_t before, std::uint64_t limit, std::uint64_t margin) {
    return limit != 0 && before >= limit && before - limit >= margin;
}

}  // namespace

// --- Listeners -----------------------------------------------------------------------------------

/// `others_left`: how many shards are still to be asked to accept when this one cannot.
void Shard::accept_from(std::uint16_t listener, unsigned others_left) {
    SharedListener& shared = *node_.listeners[listener];
    for (int accepted = 0; accepted < accepts_per_turn_max; ++accepted) {
        if (!doors_[listener].is_watched) return;
        if (!take_place()) {
            pass_on(listener, others_left);
            return pause_accepting(EMFILE);
        }
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        Descriptor socket{accept4(shared.raw(), reinterpret_cast<sockaddr*>(&peer), &size,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (socket.is_open()) {
            ++figures_.accepted;
            is_pause_logged_ = false;
            if (!on_accepted(std::move(socket), listener, address_of(peer))) give_place_back();
            const Duration too_early = shared.count_accepted(now_);
            if (too_early == Duration::zero()) continue;
            ++figures_.accept_rate_pauses;
            return pause(listener, now_ + too_early);
        }
        give_place_back();
        if (errno == EAGAIN) return;
        if (is_out_of_resources(errno)) {
            const int error = errno;
            pass_on(listener, others_left);
            return pause_accepting(error);
        }
        // Anything else is about a connection that was gone before it was accepted (accept(2)).
    }
}

/// Of all shards the system has told this one alone that a client waits.
void Shard::pass_on(std::uint16_t listener, unsigned others_left) {
    if (table_ == nullptr || others_left == 0) return;
    Shard& next = *shards_[(options_.self.raw() + 1) % options_.shard_count];
    next.post(
        [&next, listener, others_left] { next.accept_for_another(listener, others_left - 1); });
}

void Shard::accept_for_another(std::uint16_t listener, unsigned others_left) {
    if (!doors_[listener].is_watched) return pass_on(listener, others_left);
    accept_from(listener, others_left);
}

void Shard::pause_accepting(int error) {
    for (std::uint16_t listener = 0; listener < doors_.size(); ++listener) {
        pause(listener, now_ + accept_pause);
    }
    ++figures_.accept_pauses;
    if (std::exchange(is_pause_logged_, true)) return;
    if (table_ != nullptr && error == EMFILE) {
        spdlog::warn(
            "shard {}: its table of descriptors is full: other shards accept connections, and its "
            "own clients are told that the server is busy. Raise the limit of open files "
            "(`ulimit -n`), or set more node.shards",
            options_.self.raw());
        return;
    }
    spdlog::warn(
        "shard {}: cannot accept connections: {}; they wait until some are closed. Raise the "
        "limit of open files (`ulimit -n`)",
        options_.self.raw(), std::generic_category().message(error));
}

/// The listener stays ready, so without taking it off the list this would be a busy loop.
void Shard::pause(std::uint16_t listener, Instant until) {
    Door& door = doors_[listener];
    if (door.is_watched) readiness_.remove(node_.listeners[listener]->raw());
    door.is_watched = false;
    door.watch_again_at = std::max(until, door.watch_again_at.value_or(until));
    watch_again_at_ = std::min(watch_again_at_, *door.watch_again_at);
}

void Shard::watch(std::uint16_t listener) {
    Door& door = doors_[listener];
    door.watch_again_at.reset();
    const int socket = node_.listeners[listener]->raw();
    door.is_watched = readiness_.add_shared(socket, listener_key_begin + listener);
    if (!door.is_watched) pause(listener, now_ + accept_pause);
}

void Shard::watch_again() {
    watch_again_at_ = never;
    for (std::uint16_t listener = 0; listener < doors_.size(); ++listener) {
        const auto at = doors_[listener].watch_again_at;
        if (!at) continue;
        if (*at <= now_) {
            watch(listener);
        } else {
            watch_again_at_ = std::min(watch_again_at_, *at);
        }
    }
}

void Shard::close_doors() {
    for (std::uint16_t listener = 0; listener < doors_.size(); ++listener) {
        Door& door = doors_[listener];
        if (door.is_watched) readiness_.remove(node_.listeners[listener]->raw());
        door = {};
    }
    watch_again_at_ = never;
}

// --- Limits --------------------------------------------------------------------------------------

/// Counts the connection. False: it was refused, and is not counted.
bool Shard::admit(std::uint16_t listener, access::Origin& origin) {
    const auto of_listener = plans_[listener]->settings.connections_max;
    const auto of_node = rules_->policy.limits.connections_max;
    // What was there before decides, so of two shards at the limit only one serves its client.
    const auto on_listener = node_.listeners[listener]->connections.fetch_add(1);
    const auto on_node = node_.connections.fetch_add(1);
    const bool is_listener_full = is_above(on_listener, of_listener, answered_above_limit_max);
    if (is_listener_full || is_above(on_node, of_node, answered_above_limit_max)) {
        leave(listener);
        const auto reason = is_listener_full ? Refusal::listener_full : Refusal::node_full;
        ++figures_.refused[static_cast<std::size_t>(reason)];
        return false;
    }
    origin.is_over_limit = is_above(on_listener, of_listener, 0) || is_above(on_node, of_node, 0);
    return true;
}

void Shard::leave(std::uint16_t listener) {
    node_.listeners[listener]->connections.fetch_sub(1);
    node_.connections.fetch_sub(1);
}

// --- Connections ---------------------------------------------------------------------------------

bool Shard::on_accepted(Descriptor socket, std::uint16_t listener, access::PeerAddress address) {
    const auto& plan = plans_[listener];
    if (!plan->settings.access.accepts(address)) {
        ++figures_.refused[static_cast<std::size_t>(Refusal::address_not_allowed)];
        return false;
    }
    access::Origin origin{.listener = node_.listeners[listener]->index(), .address = address};
    if (!admit(listener, origin)) return false;

    std::unique_ptr<Layers> layers;
    if (plan->has_preparation() || plan->settings.byte_rate) layers = std::make_unique<Layers>();
    if (const auto rate = plan->settings.byte_rate) {
        const auto burst = static_cast<std::size_t>(rate->burst);
        layers->rate =
            std::make_unique<ReadRate>(ReadRate{.bucket = access::TokenBucket{*rate, now_},
                                                .read_bytes_max = std::min(input_.size(), burst),
                                                .taken_at = now_,
                                                .paused_until = now_});
    }
    ConnectionId id;
    Connection* const connection = add(std::move(socket), listener, std::move(layers), id);
    if (connection == nullptr) return false;
    if (!plan->has_preparation()) {
        broker_.on_open(id, std::move(origin), now_);
        return true;
    }
    connection->state = ConnectionState::preparing;
    connection->layers->preparation = std::make_unique<Preparation>();
    connection->layers->preparation->plan = plan;
    connection->layers->preparation->origin = std::move(origin);
    begin_step(id, *connection, PreparationStep::proxy_header);
    return true;
}

Connection* Shard::add(Descriptor socket, std::uint16_t listener, std::unique_ptr<Layers> layers,
                       ConnectionId& id) {
    id = connections_.add(std::move(socket));
    Connection& connection = connections_.at(id);
    connection.listener = listener;
    connection.layers = std::move(layers);
    if (!readiness_.add(connection.socket.raw(), key_of(id, connection), Interest::read)) {
        spdlog::warn("shard {}: connection refused: no more epoll watches or memory; see "
                     "/proc/sys/fs/epoll/max_user_watches",
                     options_.self.raw());
        leave(listener);
        connections_.remove(id);
        return nullptr;
    }
    if (spdlog::should_log(spdlog::level::debug)) {
        spdlog::debug("shard {}: connection {} opened", options_.self.raw(), id.raw());
    }
    return &connection;
}

}  // namespace touchstone::asio_driver
