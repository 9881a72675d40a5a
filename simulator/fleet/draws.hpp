// Draws of a fleet: the n-th draw of a device is a function of (seed, purpose, device, n), and n is
// the instant it is drawn at, which the device need not remember.
#pragma once

#include <cstdint>

#include "simulator/fleet/bucket_list.hpp"
#include "simulator/random.hpp"

namespace touchstone::simulator::fleet {

/// A few draws that belong together.
class Draws {
public:
    explicit constexpr Draws(std::uint64_t key) : key_{key} {}

    /// 64 uniformly distributed bits.
    std::uint64_t next() { return mix(key_ += golden); }
    /// Uniform in [0, bound); 0 for 0. `bound` below 2^63: the bias is below one part in
    /// 2^64/bound.
    Time below(Time bound) { return scale(next(), bound); }
    /// `share` is in parts of 2^32.
    bool chance(std::uint64_t share) { return (next() >> 32U) < share; }
    /// Exponentially distributed with that mean, cut at 16 times the mean.
    Time exponential(Time mean);

    static constexpr Time scale(std::uint64_t bits, Time bound) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<Time>((Wide{bits} * bound) >> 64U);
    }

private:
    friend class DrawFamily;
    static constexpr std::uint64_t golden = 0x9E37'79B9'7F4A'7C15U;
    /// The finalizer of SplitMix64, as in simulator/random.cpp.
    static constexpr std::uint64_t mix(std::uint64_t value) {
        value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
        value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EBU;
        return value ^ (value >> 31U);
    }

    std::uint64_t key_;
};

/// The draws of all devices for one purpose.
class DrawFamily {
public:
    DrawFamily(std::uint64_t seed, Purpose purpose)
        : key_{RandomStream{seed, Domain::fleet, 0, purpose}.next()} {}

    [[nodiscard]] Draws of(std::uint32_t device, Time instant) const {
        return Draws{Draws::mix(key_ + Draws::golden * (device + 1ULL)) ^
                     (instant * Draws::golden)};
    }

private:
    std::uint64_t key_;
};

}  // namespace touchstone::simulator::fleet
