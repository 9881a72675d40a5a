// OutputGate: the Network of a shard that stores. What certifies something leaves after it is
// stored: from hold() on, all that is sent to a connection waits, its close too, so that the order
// stays. Who never is held is passed through.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "broker/ports/network.hpp"
#include "broker/ports/storage.hpp"

namespace touchstone::storage {

/// Names what other shards have to say before an acknowledgement may leave. Never 0.
using ReceiptNumber = std::uint64_t;

class OutputGate final : public Network {
public:
    /// `network` outlives the gate.
    explicit OutputGate(Network& network) : network_{network} {}
    OutputGate(const OutputGate&) = delete;
    OutputGate& operator=(const OutputGate&) = delete;

    /// What is sent to the connection from now on waits until the batch is stored.
    void hold(ConnectionId connection, BatchNumber batch);
    /// … until on_receipt() was called `count` times for `receipt`. At least once.
    void hold_for(ConnectionId connection, ReceiptNumber receipt, unsigned count);

    /// All batches up to this one are stored.
    void on_stored(BatchNumber batch);
    /// Ignored when nobody waits for it.
    void on_receipt(ReceiptNumber receipt);
    /// The connection for which something waits for `receipt`.
    [[nodiscard]] std::optional<ConnectionId> waiting_for(ReceiptNumber receipt) const;
    /// The batch up to which all are stored.
    [[nodiscard]] BatchNumber stored_batch() const { return stored_batch_; }

    /// Whether something waits for the connection.
    [[nodiscard]] bool is_held(ConnectionId connection) const {
        return held_.contains(connection.raw());
    }
    /// Whether the core is done with the connection, but its last packets wait.
    [[nodiscard]] bool is_closing(ConnectionId connection) const;
    /// The connections for which something waits, in the order of their numbers.
    [[nodiscard]] std::vector<ConnectionId> held() const;
    /// The first bytes that wait for the connection; empty when there are none.
    [[nodiscard]] Bytes first_bytes(ConnectionId connection) const;
    /// Nothing that waits for the connection will be sent. A close() among it happens now.
    void drop(ConnectionId connection);
    /// The connection is gone; no effect concerns it any more.
    void forget(ConnectionId connection) { held_.erase(connection.raw()); }
    /// A defect (defects.hpp): what waits for a batch is sent although that is not stored.
    void let_out(ConnectionId connection);

    // Network
    void send(ConnectionId connection, Bytes bytes) override;
    void send(ConnectionId connection, Bytes head, const MessageRef& message) override;
    void close(ConnectionId connection) override;
    void abort(ConnectionId connection) override;
    void move(ConnectionId connection, ShardIndex owner, access::Origin origin) override;
    void resume(ConnectionId connection) override { network_.resume(connection); }

private:
    struct Item {
        enum class What : std::uint8_t { batch, receipt, bytes, message, close };
        What what{};
        std::uint64_t number = 0;  // batch, or receipt
        Buffer bytes;
        MessageRef message;
    };
    struct Held {
        std::deque<Item> items;
        BatchNumber last_batch = 0;  // the highest among the items
    };

    /// Lets out what waits for nothing any more.
    void advance(ConnectionId connection, Held& held);
    [[nodiscard]] bool is_over(const Item& barrier) const;

    Network& network_;
    BatchNumber stored_batch_ = 0;
    struct Receipt {
        ConnectionId connection;
        unsigned missing = 0;
    };
    std::map<ReceiptNumber, Receipt> receipts_;
    std::map<std::uint32_t, Held> held_;  // by ConnectionId
};

}  // namespace touchstone::storage
