// The port to whoever knows which node of a cluster has the session of a client: one session for
// each Client Identifier (§3.1.4) also holds across nodes. The core asks before it lets a client
// in, takes nothing from the connection meanwhile, and goes on with Broker::on_claimed. A node
// without a cluster has none.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "broker/base/reason_code.hpp"

namespace touchstone {

namespace storage {
struct SessionCopy;  // broker/storage/session_copy.hpp
}

/// Tells the claims of a shard apart. A connection makes one.
using ClaimNumber = std::uint64_t;

/// What becomes of a session when its client is at another node.
enum class SessionFate : std::uint8_t {
    ends,   // the client asked for Clean Start there
    moves,  // it goes on there
};

/// Of a claim.
struct ClaimAnswer {
    /// Otherwise the client is told, and its connection closed.
    ReasonCode refusal = ReasonCode::success;
    /// The session as another node had it, whose part it is no more; null: there was none.
    std::shared_ptr<const storage::SessionCopy> session{};
    /// The client has gone on with another session than the one that is here, and that one is lost:
    /// what it counts its Packet Identifiers from is not known.
    bool is_outdated = false;
};

/// Effects. A driver does not call back into the core from inside them.
class Registry {
public:
    /// A client has proven who it is and wants to be let in. Answered by Broker::on_claimed in a
    /// later input, once no other node has a session of it.
    virtual void claim(ClaimNumber number, std::string_view client_id, bool clean_start) = 0;
    /// Its connection is gone: no answer is wanted, but for a session that is on its way here.
    virtual void withdraw(ClaimNumber number) = 0;
    /// The session is here: after on_claimed, or Broker::on_adopted.
    virtual void enter(std::string_view client_id) = 0;
    /// The session has ended here, and not by Broker::on_evicted; or nothing has come of a claim.
    virtual void release(std::string_view client_id) = 0;

protected:
    ~Registry() = default;
};

}  // namespace touchstone
