// What clients still owe their applications at the end of an undisturbed time, although nothing
// holds them up: the client's part of W3, and of Q1 where the client crashed in between.
#pragma once

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

/// QoS 1 and 2 messages that a connected client has neither finished nor sent on its connection,
/// while its window has room.
void check_client_backlog(const Trace& trace, const History& history, Failures& failures);

/// The same for messages published before a crash of the client that its store has to survive.
void check_client_store(const Trace& trace, const History& history, Failures& failures);

}  // namespace touchstone::simulator
