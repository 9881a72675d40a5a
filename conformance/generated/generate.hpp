// Random scripts. A seed and the settings decide one; scripts that are alike in their features find
// what none finds that uses all at once, so each draws which features it has.
#pragma once

#include <cstdint>

#include "conformance/generated/script.hpp"
#include "conformance/suite/needs.hpp"

namespace touchstone::conformance::generated {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_{seed} {}
    std::uint64_t next();
    /// 0 … `bound` - 1; `bound` is 1 or more.
    std::uint32_t below(std::uint32_t bound);
    /// True `percent` times out of a hundred.
    bool chance(std::uint32_t percent) { return below(100) < percent; }

private:
    std::uint64_t state_;
};

struct GenerateSettings {
    std::size_t steps_max = 30;
    std::uint32_t wait_s_max = 60;  // of one wait; 0: no waits
    Capabilities capabilities{};    // features that the broker lacks are left out
};

[[nodiscard]] Script generate_script(std::uint64_t seed, const GenerateSettings& settings);

}  // namespace touchstone::conformance::generated
