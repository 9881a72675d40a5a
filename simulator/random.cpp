#include "simulator/random.hpp"

#include <array>

namespace touchstone::simulator {

namespace {

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators).
constexpr std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
    value = (value ^ (value >> 27U)) * 0x94D0'49BB'1331'11EBU;
    return value ^ (value >> 31U);
}

constexpr std::uint64_t golden = 0x9E37'79B9'7F4A'7C15U;

/// log2 of (1 + mantissa / 2^32) in units of 2^-32, by squaring: one bit of the result per round.
constexpr std::uint64_t log2_fraction(std::uint64_t mantissa) {
    std::uint64_t x = (std::uint64_t{1} << 31U) | (mantissa >> 1U);  // 1.31 fixed point
    std::uint64_t result = 0;
    for (unsigned bit = 0; bit < 32; ++bit) {
        x = (x * x) >> 31U;
        result <<= 1U;
        if ((x >> 32U) != 0) {
            result |= 1U;
            x >>= 1U;
        }
    }
    return result;
}
static_assert(log2_fraction(0) == 0);
static_assert(log2_fraction(0x6A09'E667U) >> 16U == 0x7FFF);  // log2(sqrt 2) is just below 1/2

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, Domain domain, std::uint64_t entity, Purpose purpose)
    : key_{mix(seed + golden)} {
    key_ = mix(key_ ^ (static_cast<std::uint64_t>(domain) << 32U | static_cast<unsigned>(purpose)));
    key_ = mix(key_ + golden * (entity + 1));
}

std::uint64_t RandomStream::next() {
    ++count_;
    return mix(mix(count_ * golden) ^ key_);
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
    CHECK(bound > 0);
    // Draws above the largest multiple of `bound` would favour small results.
    const std::uint64_t excess = (0 - bound) % bound;
    for (;;) {
        const std::uint64_t draw = next();
        if (draw >= excess) return draw % bound;
    }
}

Duration RandomStream::between(Duration low, Duration high) {
    CHECK(low <= high);
    const auto width = static_cast<std::uint64_t>((high - low).count());
    return low + Duration{static_cast<std::int64_t>(below(width + 1))};
}

Duration RandomStream::exponential(Duration mean) {
    CHECK(mean.count() >= 0);
    // -ln u = (64 - log2(draw)) * ln 2 for u = draw / 2^64; log2 as integer part and 32 bits.
    const std::uint64_t draw = next() | 1U;
    unsigned exponent = 63;
    while ((draw >> exponent) == 0) --exponent;
    const std::uint64_t mantissa =
        exponent >= 32 ? draw >> (exponent - 32) : draw << (32 - exponent);
    const std::uint64_t log2 =
        (std::uint64_t{exponent} << 32U) + log2_fraction(mantissa & 0xFFFF'FFFFU);
    const std::uint64_t minus_log2 = (std::uint64_t{64} << 32U) - log2;  // 32.32, at most 64
    // ln 2 in 0.16; the product stays below 2^54.
    std::uint64_t factor = (minus_log2 >> 16U) * 45'426U;  // 16.16 * 0.16: 16.32
    factor >>= 16U;                                        // 16.16
    constexpr std::uint64_t factor_max = 16U << 16U;
    if (factor > factor_max) factor = factor_max;
    const auto whole = static_cast<std::uint64_t>(mean.count());
    // In two parts, so that a mean of many days does not overflow.
    const std::uint64_t product = (whole >> 16U) * factor + (((whole & 0xFFFFU) * factor) >> 16U);
    return Duration{static_cast<std::int64_t>(product)};
}

}  // namespace touchstone::simulator
