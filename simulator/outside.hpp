// Outside: what plays the node of a run when that is a broker somewhere else, in real time
// (simulator/live). The world's links end there instead of in a Node, so clients, faults, trace and
// checkers are the same; only what can be seen from inside a node is missing.
#pragma once

#include "simulator/links.hpp"

namespace touchstone::simulator {

class Outside {
public:
    Outside() = default;
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;
    virtual ~Outside() = default;

    /// Called once, before time passes. Both outlive the last run_until(); the result is the far
    /// end of every link.
    virtual Acceptor& begin(Engine& engine, Links& links) = 0;
    /// Lets the engine's time go on to `until` no faster than the time of the world outside does.
    /// May return early when the run is to be given up.
    virtual void run_until(Instant until) = 0;
};

/// Fills in, as far as the trace tells, what nodes of our own say at the end: for each session the
/// messages that may still wait for it. `trace.end.at` is set. A session whose client was there,
/// acknowledged all, and had time to get what came last, has nothing waiting.
void infer_end(Trace& trace);

}  // namespace touchstone::simulator
