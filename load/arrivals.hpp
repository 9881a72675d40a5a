// When things are due, in a load whose pace the target cannot slow down (open loop). An arrival
// that comes late is still due at its time, and latency counts from there.
#pragma once

#include <cstdint>

#include "load/draws.hpp"
#include "load/time.hpp"

namespace touchstone::load {

enum class Spacing : std::uint8_t {
    constant,  // evenly
    poisson,   // independent of each other, exponentially distributed gaps
};

/// One stream of arrivals; several with rates that add up make one that is as regular (`phase`), or
/// as random.
class Arrivals {
public:
    /// `rate_per_s` above 0. `phase`: 0..1, which part of the first gap a constant stream waits.
    Arrivals(Spacing spacing, double rate_per_s, Nanos start, double phase, Draws draws)
        : spacing_{spacing},
          gap_{static_cast<double>(second) / rate_per_s},
          start_{start},
          draws_{draws},
          first_{spacing == Spacing::constant ? phase * gap_ : draws_.exponential(gap_)},
          offset_{first_} {}

    /// The instant of the next one.
    [[nodiscard]] Nanos due() const { return start_ + static_cast<Nanos>(offset_); }
    void take() {
        ++taken_;
        // A sum of gaps would drift, a product does not.
        offset_ = spacing_ == Spacing::poisson ? offset_ + draws_.exponential(gap_)
                                               : first_ + gap_ * static_cast<double>(taken_);
    }
    [[nodiscard]] std::uint64_t taken() const { return taken_; }

private:
    Spacing spacing_;
    double gap_;
    Nanos start_;
    Draws draws_;
    double first_;
    double offset_;
    std::uint64_t taken_ = 0;
};

}  // namespace touchstone::load
