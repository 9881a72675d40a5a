// SIGINT and SIGTERM while something long goes on: it shall end with what it has reached.
#pragma once

namespace touchstone::simulator {

/// While it lives, the first SIGINT or SIGTERM is noted instead of ending the process; a second one
/// ends it. One at a time.
class Interruption {
public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    /// Whether a signal came since the Interruption began.
    [[nodiscard]] static bool is_asked_for();
};

}  // namespace touchstone::simulator
