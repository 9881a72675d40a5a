#include <algorithm>
#include <cstring>

#include "broker/base/check.hpp"
#include "simulator/fleet/real_core/core_fleet.hpp"

namespace touchstone::simulator::fleet {

namespace {

/// Around the bytes of a packet: TCP's and IP's.
constexpr std::size_t header_bytes = 52;
/// A parcel's memory is used again up to this size.
constexpr std::size_t kept_bytes_max = 4'096;

std::uint32_t on_the_line(std::size_t bytes) {
    return static_cast<std::uint32_t>(header_bytes + bytes);
}

}  // namespace

Connection* CoreFleet::find(ConnectionRef connection) {
    auto& found = connections_[connection.number];
    return found.serial == connection.serial ? &found : nullptr;
}

bool CoreFleet::is_owned(ConnectionRef connection, std::uint32_t shard) {
    const auto* const found = find(connection);
    if (found == nullptr) return false;
    const auto owner = owner_of(LightPackets::client_id(found->device), model_.cost.servers);
    return owner.raw() == shard % model_.cost.servers;
}

ConnectionRef CoreFleet::open_connection(std::uint32_t device) {
    std::uint32_t number = 0;
    if (free_connections_.empty()) {
        number = static_cast<std::uint32_t>(connections_.size());
        connections_.emplace_back();
    } else {
        number = free_connections_.back();
        free_connections_.pop_back();
    }
    const auto serial = connections_[number].serial;
    connections_[number] = {.device = device, .serial = serial, .is_at_broker = true};
    devices_[device].connection = {number, serial};
    devices_[device].has_connection = true;
    return {number, serial};
}

/// `is_told`: the broker hears of it, unless the way to it is cut.
void CoreFleet::leave_connection(std::uint32_t device, bool is_told) {
    auto& state = devices_[device];
    if (!state.has_connection) return;
    const auto ref = state.connection;
    if (is_told) send_to_broker(class_of(device), device, {}, true);
    state.has_connection = false;
    connections_[ref.number].is_left = true;
    free_if_over(ref);
}

void CoreFleet::free_if_over(ConnectionRef ref) {
    auto* const connection = find(ref);
    if (connection == nullptr || connection->is_at_broker || !connection->is_left) return;
    ++connection->serial;
    free_connections_.push_back(ref.number);
}

/// The core has no such connection any more.
void CoreFleet::forget(ConnectionRef ref) {
    auto* const connection = find(ref);
    if (connection == nullptr) return;
    connection->is_at_broker = false;
    free_if_over(ref);
}

std::uint32_t CoreFleet::take_parcel(ConnectionRef connection, Bytes bytes) {
    std::uint32_t index = 0;
    if (free_parcels_.empty()) {
        index = static_cast<std::uint32_t>(parcels_.size());
        parcels_.emplace_back();
    } else {
        index = free_parcels_.back();
        free_parcels_.pop_back();
    }
    auto& parcel = parcels_[index];
    parcel.connection = connection;
    parcel.bytes.assign(bytes.begin(), bytes.end());
    parcel.is_end = false;
    parcel.is_crash = false;
    return index;
}

void CoreFleet::release_parcel(std::uint32_t index) {
    auto& parcel = parcels_[index];
    if (parcel.bytes.capacity() > kept_bytes_max) parcel.bytes = {};
    free_parcels_.push_back(index);
}

void CoreFleet::mix(Bytes bytes) {
    while (!bytes.empty()) {
        std::uint64_t word = 0;
        const auto size = std::min(bytes.size(), sizeof word);
        for (std::size_t i = 0; i < size; ++i)
            word |= std::to_integer<std::uint64_t>(bytes[i]) << (8U * i);
        digest_ = (digest_ ^ word) * 0x9E37'79B9'7F4A'7C15U;
        digest_ ^= digest_ >> 32U;
        bytes = bytes.subspan(size);
    }
}

void CoreFleet::send_to_broker(std::size_t number, std::uint32_t device, const Buffer& bytes,
                               bool is_end) {
    const auto ref = devices_[device].connection;
    auto& connection = connections_[ref.number];
    if (connection.is_lost) return;
    const Time now = list_.now();
    if (is_cut(number, device, now)) {
        connection.is_lost = true;
        return;
    }
    auto draws = draws_of(device, now ^ 1U << 31U);
    const Time way = one_way(model_.classes[number].link, on_the_line(bytes.size()), draws);
    connection.to_broker_until = std::max(connection.to_broker_until, now + way);
    const auto parcel = take_parcel(ref, bytes);
    parcels_[parcel].is_end = is_end;
    put(connection.to_broker_until, Kind::to_broker, parcel);
}

void CoreFleet::on_to_broker(const TimedEvent& event) {
    const auto index = event.subject;
    const auto ref = parcels_[index].connection;
    const auto* const connection = find(ref);
    if (connection != nullptr && connection->is_at_broker) {
        const auto bytes = Bytes{parcels_[index].bytes};
        mix(bytes);
        shards_[connection->shard]->take(
            {.kind = parcels_[index].is_end ? Work::Kind::gone : Work::Kind::bytes,
             .connection = ref},
            bytes, event.at);
    }
    release_parcel(index);
}

std::size_t CoreFleet::send(ConnectionRef ref, Bytes bytes, Time at) {
    auto* const connection = find(ref);
    // Nobody reads; so it is as if it were on its way for ever.
    if (connection == nullptr || connection->is_left || connection->is_lost) return bytes.size();
    mix(bytes);
    const auto device = connection->device;
    const auto number = class_of(device);
    const auto& one = model_.classes[number];
    if (is_cut(number, device, at)) {
        connection->is_lost = true;
        return bytes.size();
    }
    if (one.read_every > 0) {
        const auto room = model_.limits.socket_bytes - connection->unread_bytes;
        if (bytes.size() > room) {
            connection->is_full = true;
            bytes = bytes.first(room);
        }
        connection->unread_bytes += bytes.size();
        if (bytes.empty()) return 0;
    }
    auto draws = draws_of(device, at ^ 1U << 30U);
    const Time way = one_way(one.link, on_the_line(bytes.size()), draws);
    connection->to_client_until = std::max(connection->to_client_until, at + way);
    put(connection->to_client_until, Kind::to_client, take_parcel(ref, bytes));
    return bytes.size();
}

void CoreFleet::end(ConnectionRef ref, Bytes unsent, Time at) {
    auto* const connection = find(ref);
    if (connection == nullptr) return;
    connection->is_at_broker = false;
    if (connection->is_left) return free_if_over(ref);
    if (connection->is_lost) return;
    const auto parcel = take_parcel(ref, unsent);
    parcels_[parcel].is_end = true;
    const auto device = connection->device;
    auto draws = draws_of(device, at ^ 1U << 29U);
    const auto& link = model_.classes[class_of(device)].link;
    const Time way = one_way(link, on_the_line(unsent.size()), draws);
    put(std::max(connection->to_client_until, at + way), Kind::to_client, parcel);
}

void CoreFleet::move(ConnectionRef ref, std::uint32_t shard, Bytes bytes, Time at) {
    auto* const connection = find(ref);
    CHECK(connection != nullptr);
    connection->shard = shard;
    put(at, Kind::moved, take_parcel(ref, bytes));
}

void CoreFleet::on_moved(const TimedEvent& event) {
    const auto index = event.subject;
    const auto ref = parcels_[index].connection;
    const auto* const connection = find(ref);
    if (connection != nullptr && connection->is_at_broker) {
        shards_[connection->shard]->take({.kind = Work::Kind::open, .connection = ref},
                                         parcels_[index].bytes, event.at);
    }
    release_parcel(index);
}

void CoreFleet::wake_when_free(std::uint32_t shard, Time at) {
    put(at, Kind::shard_free, shard, nodes_[node_of(shard)].life);
}

void CoreFleet::wake_for_tick(std::uint32_t shard, Time at) {
    put(at, Kind::shard_tick, shard, nodes_[node_of(shard)].life);
}

void CoreFleet::send_peer(std::uint32_t from, std::uint32_t shard, PeerMessage message, Time at) {
    std::uint32_t index = 0;
    if (free_letters_.empty()) {
        index = static_cast<std::uint32_t>(letters_.size());
        letters_.emplace_back();
    } else {
        index = free_letters_.back();
        free_letters_.pop_back();
    }
    letters_[index] = {std::move(message), ShardIndex{from}, shard};
    put(at, Kind::letter, index, nodes_[node_of(shard)].life);
}

void CoreFleet::on_letter(const TimedEvent& event) {
    auto letter = std::move(letters_[event.subject]);
    letters_[event.subject].message.reset();
    free_letters_.push_back(event.subject);
    if (event.generation != nodes_[node_of(letter.to)].life) return;
    shards_[letter.to]->take(
        {.kind = Work::Kind::peer, .from = letter.from, .peer = &*letter.message}, {}, event.at);
}

}  // namespace touchstone::simulator::fleet
