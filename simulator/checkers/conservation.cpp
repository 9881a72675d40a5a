// conservation: what was accepted for a session was delivered, waits, is in flight, or was dropped
// for a reason that is counted; nothing is missing and nothing is counted twice.

#include <fmt/format.h>

#include "simulator/checkers/checkers.hpp"

namespace touchstone::simulator {

Failures check_conservation(const Trace& trace, const History&) {
    Failures failures;
    for (const auto& one : trace.end.balances) {
        const auto accounted = one.completed + one.dropped + one.waiting + one.in_flight;
        if (one.matched == accounted) continue;
        failures.push_back(
            {no_entry,
             fmt::format("'{}' found {} receivers for messages, but {} were delivered, {} dropped, "
                         "{} wait and {} are in flight, which makes {}",
                         trace.name_of(one.node), one.matched, one.completed, one.dropped,
                         one.waiting, one.in_flight, accounted)});
    }
    return failures;
}

}  // namespace touchstone::simulator
