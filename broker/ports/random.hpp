// The port to randomness. The core draws only where the standard leaves a choice that must not be
// predictable or must be unique (Assigned Client Identifiers, §3.2.2.3.7).
#pragma once

#include <cstdint>

namespace touchstone {

class Random {
public:
    /// 64 uniformly distributed bits.
    virtual std::uint64_t next() = 0;

protected:
    ~Random() = default;
};

}  // namespace touchstone
