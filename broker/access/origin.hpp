// Origin: where a Network Connection came in, and what its transport knows about the peer.
#pragma once

#include <cstdint>
#include <string>

#include "broker/access/peer_address.hpp"
#include "broker/base/strong.hpp"

namespace touchstone::access {

/// A listener of the node, a place in NodeRules::listeners. A reload adds places and takes none
/// away, so an index stays what it is.
using ListenerIndex = Strong<struct ListenerTag, std::uint16_t>;
/// A zone, a place in NodeRules::zones. The same holds.
using ZoneIndex = Strong<struct ZoneTag, std::uint16_t>;

struct Origin {
    ListenerIndex listener;
    PeerAddress address;  // the real one, where a PROXY header named it
    /// The User Name that the client's certificate stands for; empty: none.
    std::string certificate_user_name;
    /// More than the listener or the node is to serve: a CONNECT is answered with server_busy.
    bool is_over_limit = false;
};

}  // namespace touchstone::access
