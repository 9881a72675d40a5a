// Q1: a QoS 1 or 2 message that the broker acknowledged, and that matched a session's subscription
// when it did, reaches that session, unless the session or the subscription ended first, the
// message expired, or it was dropped and counted (§4.3.2, §4.3.3). One that came with DUP 1 and was
// never seen before is Q4's business.

#include "simulator/checkers/missing.hpp"

namespace touchstone::simulator {

Failures check_at_least_once(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto& missing : missing_messages(trace, history)) {
        if (came_first_with_dup(trace, missing.accepted)) continue;
        failures.push_back(failure_of(trace, history, missing, ""));
    }
    return failures;
}

}  // namespace touchstone::simulator
