// When a single client of a group publishes next, for processes that each client has of its own. A
// function of the seed, the client and the time, so that a client remembers nothing.
#pragma once

#include <cstdint>

#include "load/workload.hpp"

namespace touchstone::load {

/// Times count from the start of the run. Later than `after`. `process` is periodic, poisson,
/// bursts or aligned.
[[nodiscard]] Nanos next_publication(const Publishing& publishing, std::uint64_t seed,
                                     std::uint32_t client, Nanos after);

/// Bytes of a payload.
[[nodiscard]] std::uint32_t draw_size(const Publishing& publishing, Draws& draws);

/// How long a client waits that has tried `attempts` times without success.
[[nodiscard]] Nanos backoff(const Reconnecting& reconnecting, unsigned attempts, Draws& draws);

}  // namespace touchstone::load
