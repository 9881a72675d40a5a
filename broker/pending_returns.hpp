// PendingReturns: what sessions were before a CONNECT resumed them, until its CONNACK is certified.
// Where that cannot be stored the client is refused, and its session is what it was: away for as
// long as it has been, with the Will Message that was due (§3.1.3.2.2, §3.1.4).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "broker/client.hpp"

namespace touchstone {

/// A session without a connection.
struct Absence {
    ConnectionTerms terms;  // of the last connection
    std::unique_ptr<StoredWill> will;
    access::ListenerIndex listener;
    access::PeerAddress address;
    std::unique_ptr<Identity> identity;
    Instant ends_at = never;
    Instant will_due_at = never;
};

class PendingReturns {
public:
    /// `batch` certifies the CONNACK; batches come in order.
    void add(ConnectionId connection, BatchNumber batch, Absence before) {
        returns_.insert_or_assign(connection.raw(), Return{batch, std::move(before)});
        order_.emplace_back(batch, connection);
    }
    [[nodiscard]] std::optional<Absence> take(ConnectionId connection) {
        const auto found = returns_.find(connection.raw());
        if (found == returns_.end()) return std::nullopt;
        std::optional<Absence> before{std::move(found->second.before)};
        returns_.erase(found);
        return before;
    }
    void forget(ConnectionId connection) { returns_.erase(connection.raw()); }
    /// All batches up to this one are stored.
    void on_stored(BatchNumber batch) {
        for (; !order_.empty() && order_.front().first <= batch; order_.pop_front()) {
            // The number of the connection may be that of a later one.
            const auto found = returns_.find(order_.front().second.raw());
            if (found != returns_.end() && found->second.batch <= batch) returns_.erase(found);
        }
    }

private:
    struct Return {
        BatchNumber batch = 0;
        Absence before;
    };
    std::map<std::uint32_t, Return> returns_;  // by ConnectionId
    std::deque<std::pair<BatchNumber, ConnectionId>> order_;
};

}  // namespace touchstone
