// What the broker acknowledged to publishers, and what of it never reached those who were to get
// it: the ground of the checkers that ask for every message.
#pragma once

#include <cstdint>
#include <vector>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

/// A QoS 1 or 2 message that the broker acknowledged with success, once for each time it did.
struct Accepted {
    std::uint32_t message = no_message;
    std::size_t arrived_entry = no_entry;  // PUBLISH at the broker, the first one of the message
    std::size_t acknowledged_entry = no_entry;
    ConnectionNumber connection;
};
[[nodiscard]] std::vector<Accepted> accepted_messages(const Trace& trace);

struct Missing {
    Accepted accepted;
    std::uint32_t session = no_session;
};
/// Messages that matched a session's ordinary subscription when the broker took them and neither
/// reached its client nor wait for it, once for each session. Not those of sessions and
/// subscriptions that ended. Empty when no more are missing than were dropped and counted: which of
/// them it was is not to be seen from outside.
[[nodiscard]] std::vector<Missing> missing_messages(const Trace& trace, const History& history);

/// Whether the PUBLISH that brought the message first had DUP 1.
[[nodiscard]] bool came_first_with_dup(const Trace& trace, const Accepted& accepted);

/// `remark`: what is to be said behind it.
[[nodiscard]] Failure failure_of(const Trace& trace, const History& history, const Missing& missing,
                                 std::string_view remark);

}  // namespace touchstone::simulator
