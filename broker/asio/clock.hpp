// The clock of a node: what the core is handed as the time.
#pragma once

#include <cstdint>

#include "broker/base/instant.hpp"

namespace touchstone::asio_driver {

/// Never goes back; the same for all threads.
[[nodiscard]] Instant read_clock();

/// Since 1970-01-01T00:00:00Z, by the system's idea of it, as if that were the start of the clock.
[[nodiscard]] Instant read_wall_clock();

/// Milliseconds since 1970-01-01T00:00:00Z, by the system's idea of it: for people only.
[[nodiscard]] std::int64_t unix_time_ms();

}  // namespace touchstone::asio_driver
