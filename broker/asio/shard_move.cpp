// The part of Shard that takes connections from other shards and gives them away.
//
// A connection goes through a mailbox. Where shards have tables of descriptors of their own, its
// socket goes through the owner's DescriptorPassage first, so that it is there when the letter is.
// A place for it is taken before; when there is none, the connection comes back as one above the
// limit, which its client is told.
#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "broker/asio/shard.hpp"
#include "broker/base/check.hpp"

namespace touchstone::asio_driver {

namespace {

using namespace std::chrono_literals;

/// The system does not tell when it takes descriptors again; a turn of a shard is over by then.
constexpr Duration departure_pause = 1ms;

}  // namespace

// --- Places --------------------------------------------------------------------------------------

bool Shard::take_place() {
    return table_ == nullptr || table_->places.take();
}

void Shard::give_place_back() {
    if (table_ != nullptr) table_->places.give_back();
}

void Shard::take_own_table() {
    if (table_ == nullptr) return;
    std::vector<int> kept{readiness_.raw(), table_->passage.receiving()};
    for (const auto& listener : node_.listeners) kept.push_back(listener->raw());
    if (options_.record != nullptr) kept.push_back(options_.record->raw());
    for (unsigned shard = 0; shard < options_.shard_count; ++shard) {
        kept.push_back(shards_[shard]->readiness_.raw_wake());
        kept.push_back(node_.tables[shard]->passage.sending());
    }
    table_->places.set_count(leave_shared_descriptor_table(kept));
    kept_descriptors_ = kept.size();
}

// --- Away ----------------------------------------------------------------------------------------

void Shard::send_away(MovedConnection moved, ShardIndex to) {
    if (table_ == nullptr) {
        return send_letter(to, std::move(moved));
    }
    departures_[to.raw()].push_back({std::move(moved), now_});
}

void Shard::send_departures() {
    depart_again_at_ = never;
    for (unsigned to = 0; to < options_.shard_count; ++to) {
        while (!departures_[to].empty() && send_some(ShardIndex{to})) continue;
        if (!departures_[to].empty()) depart_again_at_ = now_ + departure_pause;
    }
}

/// The first ones, in one message. False: they have to wait.
bool Shard::send_some(ShardIndex to) {
    auto& waiting = departures_[to.raw()];
    const auto count =
        take_places(to, std::min(waiting.size(), options_.limits.moves_per_message_max));
    if (count == 0) return !waits_for(to, options_.limits.place_wait_max);
    ShardTable& table = *node_.tables[to.raw()];
    std::array<int, DescriptorPassage::per_message_max> sockets;
    for (std::size_t i = 0; i < count; ++i) sockets[i] = waiting[i].connection.socket.raw();
    if (!table.passage.send(options_.self, std::span{sockets}.first(count))) {
        for (std::size_t i = 0; i < count; ++i) table.places.give_back();
        ++figures_.move_pauses;
        return !waits_for(to, options_.limits.passage_wait_max);
    }
    for (std::size_t i = 0; i < count; ++i) {
        MovedConnection& moved = waiting.front().connection;
        moved.socket.close();
        give_place_back();
        send_letter(to, std::move(moved));
        waiting.pop_front();
    }
    return true;
}

std::size_t Shard::take_places(ShardIndex to, std::size_t count_max) {
    std::size_t count = 0;
    while (count < count_max && node_.tables[to.raw()]->places.take()) ++count;
    return count;
}

/// The first one. False: it has waited for so long, and is refused: its client is told by the core,
/// which leaves the connection where it is then.
bool Shard::waits_for(ShardIndex to, Duration time_max) {
    auto& waiting = departures_[to.raw()];
    if (now_ - waiting.front().since < time_max) return true;
    MovedConnection moved = std::move(waiting.front().connection);
    waiting.pop_front();
    ++figures_.moves_refused;
    moved.origin.is_over_limit = true;
    adopt(std::move(moved));
    return false;
}

void Shard::end_departures() {
    depart_again_at_ = never;
    for (auto& waiting : departures_) {
        for (Departure& departure : waiting) end_move(departure.connection);
        waiting.clear();
    }
}

void Shard::end_move(MovedConnection& moved) {
    leave(moved.listener);
    moved.socket.close();
    give_place_back();
}

// --- Here ----------------------------------------------------------------------------------------

/// The socket of the oldest connection from there whose letter was not taken yet. It was sent
/// before the letter was, so it is here.
Descriptor Shard::arrived_from(ShardIndex from) {
    auto& arrived = arrivals_from_[from.raw()];
    while (arrived.empty()) {
        auto arrival = table_->passage.receive();
        CHECK(arrival.has_value());
        std::ranges::move(arrival->descriptors,
                          std::back_inserter(arrivals_from_[arrival->from.raw()]));
    }
    Descriptor socket = std::move(arrived.front());
    arrived.pop_front();
    return socket;
}

/// A connection that another shard has accepted, or that this one could not give away. Its place
/// was taken.
void Shard::adopt(MovedConnection moved) {
    if (stop_at_) return end_move(moved);  // came too late; its end is its answer
    if (!moved.socket.is_open()) {
        ++figures_.refused[static_cast<std::size_t>(Refusal::lost_in_move)];
        return end_move(moved);
    }
    ConnectionId id;
    Connection* const connection =
        add(std::move(moved.socket), moved.listener, std::move(moved.layers), id);
    if (connection == nullptr) return give_place_back();
    broker_.on_open(id, std::move(moved.origin), now_);
    if (connection->layers != nullptr) {
        auto* const tls = connection->layers->tls.get();
        if (tls != nullptr) tls->move_to(connection->socket.raw());
        if (connection->layers->has_output()) gather(id, *connection, 0);
        const auto* const rate = connection->layers->rate.get();
        if (rate != nullptr && rate->paused_until > now_) {
            add_deadline(rate->paused_until - now_, Deadline::What::reading, id, *connection);
        }
        // What a layer holds already makes no socket ready.
        look_again(id, *connection);
    }
    if (!moved.bytes.empty() && connection->state == ConnectionState::open) {
        on_received(id, *connection, moved.bytes);
    }
}

}  // namespace touchstone::asio_driver
