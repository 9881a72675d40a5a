// The clock that a process reads: the world's time, but faster or slower, and for the wall clock
// also wrong by some amount and set now and then. Keeps its whole past, so that a checker can ask
// how long something took by the clock of the one who had to measure it.
//
// Two readings, as an operating system has them. The steady clock runs at the oscillator's rate and
// never goes back: it is all that a core or a client is told as "now". The wall clock runs at the
// same rate and jumps when somebody sets it: deadlines that outlive a process are kept in it, since
// the steady clock begins anew with the machine.
//
// Integers only and exact, so the same on every compiler, library and machine.
#pragma once

#include <cstdint>
#include <vector>

#include "simulator/engine.hpp"

namespace touchstone::simulator {

/// Parts per million by which a clock is fast, or slow when negative.
struct Drift {
    std::int32_t ppm = 0;
    friend constexpr auto operator<=>(Drift, Drift) = default;
};
inline constexpr Drift drift_min{-900'000};   // a tenth of the true rate
inline constexpr Drift drift_max{1'000'000};  // twice the true rate

class Clock {
public:
    /// A right clock when left out. `drift` is in drift_min..drift_max; `wall_offset` is what the
    /// wall clock shows too much. At run_begin the steady clock shows run_begin.
    explicit Clock(Drift drift = {}, Duration wall_offset = Duration::zero());

    // What follows changes the clock from `now` on, a true instant, not before the last change.

    void set_drift(Instant now, Drift drift);
    /// Somebody sets the wall clock: it shows so much more, or less.
    void jump(Instant now, Duration by);
    /// The machine sleeps, and both readings stand still, until wake(). It is awake.
    void sleep(Instant now);
    /// It is asleep.
    void wake(Instant now);

    // True instants are run_begin or later.

    [[nodiscard]] Instant steady_at(Instant at) const;
    [[nodiscard]] Instant wall_at(Instant at) const;
    /// The first true instant at which the steady clock shows `reading` or more, as things stand
    /// after the last change. Its inverse: steady_at() of that instant is `reading` or more, and of
    /// the microsecond before less. `never` when it sleeps before.
    [[nodiscard]] Instant when_steady_shows(Instant reading) const;
    /// What passes by the steady clock between two true instants, the second not the earlier one.
    [[nodiscard]] Duration elapsed(Instant from, Instant to) const {
        return steady_at(to) - steady_at(from);
    }

private:
    /// From one change to the next.
    struct Stretch {
        Instant from = run_begin;  // true
        Instant steady = run_begin;
        Duration wall_offset = Duration::zero();
        Drift drift;
        bool is_asleep = false;

        [[nodiscard]] Instant steady_at(Instant at) const;
    };
    [[nodiscard]] const Stretch& stretch_of(Instant at) const;
    /// A new stretch that goes on where the last one is at `now`, to be changed.
    Stretch& begin_stretch(Instant now);

    std::vector<Stretch> stretches_;  // in order, not empty
};

}  // namespace touchstone::simulator
