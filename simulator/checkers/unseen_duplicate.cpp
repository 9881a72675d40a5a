// Q4: DUP 1 only says that the sender sent the packet before, not that it arrived: a PUBLISH with
// DUP 1 that the broker did not get before is a new message (v5 §3.3.1.1,
// [MQTT-4.3.2-4], [MQTT-4.3.3-8]).

#include "simulator/checkers/missing.hpp"

namespace touchstone::simulator {

Failures check_unseen_duplicate(const Trace& trace, const History& history) {
    Failures failures;
    for (const auto& missing : history.missing) {
        if (!came_first_with_dup(trace, missing.accepted)) continue;
        failures.push_back(
            failure_of(trace, history, missing, "; it came with DUP 1, and never without before"));
    }
    return failures;
}

}  // namespace touchstone::simulator
