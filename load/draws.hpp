// Random numbers of a load run: a stream per purpose and owner, all from the run's seed, so that
// two runs offer the same load at the same instants. What the target does with it is not decided
// here, so floating point may be.
#pragma once

#include <cmath>
#include <cstdint>

#include "load/time.hpp"

namespace touchstone::load {

/// What a stream is drawn for. The numbers are part of what a seed means: append, never renumber.
enum class Purpose : std::uint64_t {
    arrivals = 1,
    publishers = 2,
    sizes = 3,
    phases = 4,
    receivers = 5,
    backoff = 6,
    masks = 7
};

class Draws {
public:
    Draws(std::uint64_t seed, Purpose purpose, std::uint64_t owner)
        : state_{mix(mix(seed + golden) ^ mix(static_cast<std::uint64_t>(purpose) * golden) ^
                     (owner * 0xD1B5'4A32'D192'ED03U))} {}

    /// 64 uniformly distributed bits.
    std::uint64_t next() { return mix(state_ += golden); }
    /// Uniform in [0, bound); 0 for 0.
    std::uint64_t below(std::uint64_t bound) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((Wide{next()} * bound) >> 64U);
    }
    /// Uniform in (0, 1].
    double share() { return static_cast<double>((next() >> 11U) + 1) * 0x1p-53; }
    /// Exponentially distributed with that mean.
    double exponential(double mean) { return -std::log(share()) * mean; }

private:
    static constexpr std::uint64_t golden = 0x9E37'79B9'7F4A'7C15U;
    /// The finalizer of SplitMix64.
    static constexpr std::uint64_t mix(std::uint64_t value) {
        value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
        value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EBU;
        return value ^ (value >> 31U);
    }

    std::uint64_t state_;
};

}  // namespace touchstone::load
