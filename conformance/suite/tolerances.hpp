// Every patience of the suite, in one place. All follow the round trip measured on this broker and
// the factor --slow, so that a slow machine changes the wait and not the verdict.
#pragma once

#include <algorithm>
#include <chrono>

#include "broker/base/instant.hpp"

namespace touchstone::conformance {

struct Tolerances {
    Duration round_trip = std::chrono::milliseconds{10};  // the slowest PINGREQ of the probe
    double slow = 1.0;                                    // the factor of --slow, 1 or more

    /// For what has to come: an answer, a delivery. Only a broker that fails makes us wait so long.
    [[nodiscard]] Duration answer() const {
        return scaled(std::max<Duration>(std::chrono::seconds{5}, 50 * round_trip));
    }
    /// For a close, before a PINGREQ asks whether the connection still lives.
    [[nodiscard]] Duration close_before_asking() const {
        return scaled(std::max<Duration>(std::chrono::milliseconds{100}, 10 * round_trip));
    }
    /// How much later than prescribed a timer of the broker may act. The standard gives none;
    /// brokers look at their timers once in a while.
    [[nodiscard]] Duration timer_late() const {
        return scaled(std::chrono::seconds{2} + 10 * round_trip);
    }
    /// How much later it may act before that is no longer a matter of rigour.
    [[nodiscard]] Duration timer_very_late() const {
        return scaled(std::chrono::seconds{10} + 10 * round_trip);
    }
    /// How much earlier a timer may act: whole seconds are cut off differently.
    [[nodiscard]] Duration timer_early() const { return std::chrono::milliseconds{1'100}; }

private:
    [[nodiscard]] Duration scaled(Duration duration) const {
        return Duration{static_cast<Duration::rep>(static_cast<double>(duration.count()) * slow)};
    }
};

}  // namespace touchstone::conformance
