// The port to Network Connections: what a shard of the core asks its driver to do with them. The
// driver's answers come back as inputs of `Broker` (broker.hpp).
#pragma once

#include <cstdint>

#include "broker/access/origin.hpp"
#include "broker/base/bytes.hpp"
#include "broker/base/message.hpp"
#include "broker/base/strong.hpp"

namespace touchstone {

/// A Network Connection of one shard. The driver chooses the numbers: small, dense, and used again
/// only after close(), abort() or move() of the connection, or Broker::on_close for it.
using ConnectionId = Strong<struct ConnectionTag, std::uint32_t>;

/// Effects. A driver does not call back into the core from inside them.
class Network {
public:
    /// Bytes to the peer, in order, copied before the call returns. The driver may gather them and
    /// write once per turn; it reports what has left with Broker::on_written.
    virtual void send(ConnectionId connection, Bytes bytes) = 0;

    /// The same for `head` followed by the payload of `message`, which the driver may keep instead
    /// of copying.
    virtual void send(ConnectionId connection, Bytes head, const MessageRef& message) = 0;

    /// Write what was sent, then end the connection in an orderly way. The last call for
    /// `connection`; no input follows it.
    virtual void close(ConnectionId connection) = 0;

    /// End the connection now and drop what was not written. Otherwise as close().
    virtual void abort(ConnectionId connection) = 0;

    /// Hand the connection to another shard of this node, together with every byte that was not
    /// consumed (from the CONNECT on). The last call for `connection` on this shard; the other
    /// shard sees on_open, with the same origin, and on_bytes.
    virtual void move(ConnectionId connection, ShardIndex owner, access::Origin origin) = 0;

    /// The core, which had answered `stalled` for this connection, takes bytes again: deliver
    /// those that are waiting, in a later input.
    virtual void resume(ConnectionId connection) = 0;

protected:
    ~Network() = default;
};

}  // namespace touchstone
