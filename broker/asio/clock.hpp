// The clock of a node: what the core is handed as the time.
#pragma once

#include "broker/base/instant.hpp"

namespace touchstone::asio_driver {

/// Never goes back; the same for all threads.
[[nodiscard]] Instant read_clock();

}  // namespace touchstone::asio_driver
