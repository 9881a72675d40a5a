// Connection: what a shard's driver keeps of one Network Connection. Small, because a node holds
// very many idle ones: bytes that wait, in either direction, are elsewhere and only while they
// wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/asio/descriptor.hpp"
#include "broker/asio/layers.hpp"
#include "broker/asio/output.hpp"
#include "broker/asio/readiness.hpp"
#include "broker/base/bytes.hpp"
#include "broker/base/check.hpp"
#include "broker/ports/network.hpp"

namespace touchstone::asio_driver {

enum class ConnectionState : std::uint8_t {
    unused,     // no connection has this number
    preparing,  // the core does not know it yet (Layers::preparation)
    open,       // what arrives goes to the core
    stalled,    // the core takes no bytes until Network::resume
    clogged,    // the peer does not take what it is owed: not read until it has taken some of it
    resuming,   // the core takes bytes again; those kept are delivered in the next turn
    moving,     // the core gave it to another shard; done when its input returns
    closing,    // the core closed it; done at the end of the turn
    aborting,   // the same, without writing what was sent
    draining,   // closed, but what was sent is still to be written
    lingering,  // all is written and our direction ended; waits for the end of the peer's
};

/// Bytes the core has not consumed yet.
struct KeptInput {
    Buffer bytes;
    std::size_t begin = 0;         // those before were consumed
    std::size_t wanted_bytes = 0;  // fewer are of no use to the core; 0: unknown

    [[nodiscard]] Bytes waiting() const { return Bytes{bytes}.subspan(begin); }
};

struct Connection {
    Descriptor socket;
    std::uint32_t generation = 0;  // of the slot: tells a late event from one of its next owner
    Output output;
    std::unique_ptr<KeptInput> kept;
    std::unique_ptr<Layers> layers;    // null: the bytes on the socket are those of MQTT
    std::uint32_t unwritten_bytes = 0;  // in `output`
    ConnectionState state = ConnectionState::unused;
    Interest interest : 1 = Interest::read;  // as Readiness knows it
    bool is_gathered : 1 = false;            // on the list of connections to be written
    bool is_unread : 1 = false;              // on the list of connections to be read
    bool has_end : 1 = false;           // the peer has ended its direction, perhaps behind bytes
    bool is_blocked : 1 = false;        // waits until the peer has taken what was written before
    bool is_output_broken : 1 = false;  // the peer takes nothing any more: drop what is sent
    std::uint16_t listener = 0;         // its place among those of the node

    [[nodiscard]] bool has_output() const {
        return !output.is_empty() || (layers != nullptr && layers->has_output());
    }
};
static_assert(sizeof(Connection) == 48, "a node holds very many");

/// Keys of listeners in Readiness are above those of connections.
inline constexpr std::uint64_t listener_key_begin = std::uint64_t{1} << 63U;

constexpr std::uint64_t key_of(ConnectionId id, const Connection& connection) {
    return (std::uint64_t{connection.generation & 0x7FFF'FFFFU} << 32U) | id.raw();
}

/// The connections of a shard by number. Numbers are dense and used again; places never move.
class ConnectionTable {
public:
    /// A connection in state `open`.
    ConnectionId add(Descriptor socket) {
        const ConnectionId id = free_.empty() ? grow() : free_.back();
        free_.pop_back();
        Connection& connection = at(id);
        CHECK(connection.state == ConnectionState::unused);
        connection.socket = std::move(socket);
        connection.state = ConnectionState::open;
        ++size_;
        return id;
    }
    /// Closes the socket. The output was dropped.
    void remove(ConnectionId id) {
        Connection& connection = at(id);
        CHECK(connection.state != ConnectionState::unused);
        CHECK(connection.output.is_empty());
        const std::uint32_t generation = connection.generation + 1;
        connection.~Connection();
        new (&connection) Connection;
        connection.generation = generation;
        free_.push_back(id);
        --size_;
    }
    [[nodiscard]] Connection& at(ConnectionId id) {
        return blocks_[id.raw() / block_connections][id.raw() % block_connections];
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    /// Every number that was ever used is below.
    [[nodiscard]] std::uint32_t end() const {
        return static_cast<std::uint32_t>(blocks_.size() * block_connections);
    }

private:
    static constexpr std::uint32_t block_connections = 256;

    ConnectionId grow() {
        const std::uint32_t begin = end();
        blocks_.push_back(std::make_unique<Connection[]>(block_connections));
        for (std::uint32_t i = block_connections; i > 0; --i) free_.emplace_back(begin + i - 1);
        return free_.back();
    }

    std::vector<std::unique_ptr<Connection[]>> blocks_;
    std::vector<ConnectionId> free_;  // used last, used next
    std::size_t size_ = 0;
};

}  // namespace touchstone::asio_driver
