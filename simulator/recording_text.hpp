// Effects of a record in words, for whoever looks for the reason of a difference.
#pragma once

#include <map>
#include <string>

#include "broker/ports/network.hpp"
#include "broker/record/record.hpp"

namespace touchstone::simulator {

/// Whose packets they are.
struct RecordedClient {
    std::string client_id;  // as CONNECT has it
    ProtocolVersion version = ProtocolVersion::v3_1_1;
};
using RecordedClients = std::map<ConnectionId, RecordedClient>;

/// Takes a CONNECT at the beginning of `bytes` down; other bytes change nothing.
void learn_client(RecordedClients& clients, ConnectionId connection, Bytes bytes);

/// An effect as it stands in a record.
struct RecordedEffect {
    record::Kind kind{};
    Bytes payload;
};

/// "sent to connection 3 ('c'): PUBLISH id=7 q1 t='a' | 32 05 …": packets, and hex around the first
/// byte that is another one than in `other`.
[[nodiscard]] std::string text_of(const RecordedEffect& effect, const RecordedEffect& other,
                                  const RecordedClients& clients);

}  // namespace touchstone::simulator
